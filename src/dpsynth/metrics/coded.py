"""A table as integer codes, held in memory, and its exact marginals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dpsynth.domain import Clique, Domain
from dpsynth.errors import DomainError

BLOCK_ROWS = 1 << 17
_KEY_LIMIT = 1 << 62

Codes = NDArray[np.integer]


@dataclass(frozen=True, eq=False)
class CodedTable:
    """Rows of a domain: one array of codes per attribute, all of one length, each code within its attribute's size.

    Owned by the caller and as sensitive as the rows it was made from. Memory: rows × attributes × the width of the
    arrays handed in (``smallest_dtype`` says how narrow they can be). Raises ``DomainError`` for a missing attribute,
    unequal lengths, a type that is no integer of at most 63 bits, or a code outside the domain.
    """

    domain: Domain
    columns: Mapping[str, Codes]

    def __post_init__(self) -> None:
        for attribute in self.domain:
            codes = self.columns.get(attribute)
            if codes is None:
                raise DomainError("a coded table lacks this attribute", where=attribute)
            if not np.can_cast(codes.dtype, np.int64):
                raise DomainError("codes are integers that fit into 64 bits with a sign", where=attribute)
            if codes.ndim != 1 or len(codes) != self.rows:
                raise DomainError("the columns of a coded table differ in length", where=attribute)
            if len(codes) and not 0 <= int(codes.min()) <= int(codes.max()) < self.domain[attribute]:
                raise DomainError("a code lies outside the domain", where=attribute)

    @property
    def rows(self) -> int:
        """The number of rows."""
        return len(next(iter(self.columns.values()), ()))

    def marginals(self, cliques: Sequence[Clique]) -> list[NDArray[np.int64]]:
        """Exact counts of each clique, int64, axes in clique order.

        One pass over the rows for the whole request, in blocks that stay in the processor's cache; neighbors in the
        sequence that share all but their last attribute share their combined key. Memory: the cells of the request
        plus two blocks of keys.
        """
        shapes = [self.domain.shape(clique) for clique in cliques]
        counts = [np.zeros(self.domain.cells(clique), dtype=np.int64) for clique in cliques]
        for start in range(0, self.rows, BLOCK_ROWS):
            self._count_block(slice(start, start + BLOCK_ROWS), cliques, counts)
        return [flat.reshape(shape) for flat, shape in zip(counts, shapes, strict=True)]

    def _count_block(self, block: slice, cliques: Sequence[Clique], counts: list[NDArray[np.int64]]) -> None:
        shared: Clique | None = None
        prefix = np.zeros(0, dtype=np.int64)
        for clique, cells in zip(cliques, counts, strict=True):
            if clique[:-1] != shared:
                shared = clique[:-1]
                prefix = self._keys(shared, block)
            keys = prefix if not clique else prefix * self.domain[clique[-1]] + self.columns[clique[-1]][block]
            np.add(cells, np.bincount(keys, minlength=len(cells)), out=cells)

    def _keys(self, clique: Clique, block: slice) -> NDArray[np.int64]:
        """The row-major cell number of every row of the block."""
        rows = min(block.stop, self.rows) - block.start
        keys = np.zeros(rows, dtype=np.int64)
        for attribute in clique:
            keys *= self.domain[attribute]
            keys += self.columns[attribute][block]
        return keys


def occupied_counts(
    first: CodedTable, second: CodedTable, clique: Clique
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The counts of two tables over one domain in the cells that at least one of them occupies, in one common order.

    For cliques with more cells than rows: memory and time follow the rows (a sort), not the cells.
    """
    keys = np.zeros(first.rows + second.rows, dtype=np.int64)
    reach = 1
    for attribute in clique:
        size = first.domain[attribute]
        if reach * size >= _KEY_LIMIT:
            _, keys = np.unique(keys, return_inverse=True)
            reach = len(keys)
        keys = keys * size + np.concatenate([first.columns[attribute], second.columns[attribute]])
        reach *= size
    occupied, cells = np.unique(keys, return_inverse=True)
    split = first.rows
    counts = (np.bincount(part, minlength=len(occupied)) for part in (cells[:split], cells[split:]))
    left, right = (count.astype(np.int64, copy=False) for count in counts)
    return left, right


def smallest_dtype(size: int) -> np.dtype[Any]:
    """The narrowest integer type that holds the codes ``0 .. size-1`` and casts safely to int64."""
    return np.min_scalar_type(size - 1) if size <= 1 << 32 else np.dtype(np.int64)
