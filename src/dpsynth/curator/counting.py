"""Exact counts of many marginals in one pass over encoded blocks of rows.

A row adds one to exactly one cell of every clique's array; see ``docs/proofs/ingest.md``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dpsynth.domain import Clique, Domain
from dpsynth.errors import DomainError, ResourceLimitError

Block = Mapping[str, NDArray[np.unsignedinteger]]
"""Some rows, encoded: one unsigned array of codes per attribute, all of one length, each code below the size."""

_ROWS = 1 << 15  # rows per step: a step's keys and a group's cells stay in the second-level cache
_GROUP_CELLS = 1 << 14  # cliques are counted together while their joint table stays this small
_BINCOUNT_CELLS = 1 << 13  # above this, adding a fresh array per step costs more than scattered additions
_MOST_CELLS = 1 << 33


def code_dtype(size: int) -> np.dtype[np.unsignedinteger]:
    """The smallest unsigned dtype that holds the codes ``0 .. size-1``."""
    return np.min_scalar_type(max(size - 1, 0))


def check_cliques(domain: Domain, cliques: Sequence[Clique]) -> None:
    """Raise ``DomainError`` for a malformed clique, ``ResourceLimitError`` for more cells than can be addressed.

    Looks at public facts only; sources call it before they open a table.
    """
    if not len(domain):
        raise DomainError("a table without modeled columns cannot be counted")
    for clique in cliques:
        domain.check_clique(clique)
    if sum(domain.cells(clique) for clique in set(cliques)) > _MOST_CELLS:
        raise ResourceLimitError("the requested marginals have too many cells", hint="Ask for smaller cliques.")


def attributes_of(domain: Domain, cliques: Sequence[Clique]) -> Clique:
    """The attributes that a pass for these cliques must read: their union, and never none."""
    return domain.canonical(attribute for clique in cliques for attribute in clique) or domain.attributes[:1]


def count_blocks(domain: Domain, blocks: Iterable[Block], cliques: Sequence[Clique]) -> list[NDArray[np.int64]]:
    """Exact int64 counts of every clique, axes in clique order, read-only; one pass over the blocks.

    Every block holds at least ``attributes_of(domain, cliques)``. Costs about 1.6 ns per row and *group*, where a
    group is a set of cliques counted through one joint table of at most 16,384 cells (or one larger clique);
    memory is the cells of the groups and of the answers, whatever the number of rows.
    """
    check_cliques(domain, cliques)
    members, holder = _cover(domain, cliques)
    groups = [_Group.empty(domain, attributes) for attributes in members]
    for block in blocks:
        for step in _steps(block):
            for group in groups:
                group.add(step)
    return [groups[holder[frozenset(clique)]].marginal(clique) for clique in cliques]


@dataclass(frozen=True, eq=False)
class _Group:
    """One joint table under construction: flat counts over the attributes, in C order."""

    attributes: Clique
    sizes: tuple[int, ...]
    cells: NDArray[np.int64]

    @staticmethod
    def empty(domain: Domain, attributes: Clique) -> _Group:
        return _Group(attributes, domain.shape(attributes), np.zeros(domain.cells(attributes), dtype=np.int64))

    def add(self, step: Block) -> None:
        key = step[self.attributes[0]].astype(code_dtype(len(self.cells)))
        for attribute, size in zip(self.attributes[1:], self.sizes[1:], strict=True):
            np.multiply(key, size, out=key, casting="unsafe")
            np.add(key, step[attribute], out=key, casting="unsafe")
        if len(self.cells) <= _BINCOUNT_CELLS:
            np.add(self.cells, np.bincount(key, minlength=len(self.cells)), out=self.cells)
        else:
            np.add.at(self.cells, key.astype(np.intp), 1)

    def marginal(self, clique: Clique) -> NDArray[np.int64]:
        """The counts of a subset of the attributes, axes in clique order."""
        dropped = tuple(axis for axis, attribute in enumerate(self.attributes) if attribute not in clique)
        kept = [attribute for attribute in self.attributes if attribute in clique]
        counts = self.cells.reshape(self.sizes).sum(axis=dropped, dtype=np.int64)
        answer = np.array(counts.transpose([kept.index(name) for name in clique]), dtype=np.int64, order="C")
        answer.setflags(write=False)
        return answer


def _steps(block: Block) -> Iterator[Block]:
    rows = len(next(iter(block.values())))
    for start in range(0, rows, _ROWS):
        yield {name: codes[start : start + _ROWS] for name, codes in block.items()}


def _cover(domain: Domain, cliques: Sequence[Clique]) -> tuple[list[Clique], dict[frozenset[str], int]]:
    """Attribute sets such that every clique lies inside one, and which one: fewer, wider tables fill faster."""
    groups: list[int] = []
    cells: list[int] = []
    holder: dict[frozenset[str], int] = {}
    masks = {frozenset(clique): sum(1 << axis for axis in domain.axes(clique)) or 1 for clique in cliques}
    sizes = domain.sizes
    for clique, mask in sorted(masks.items(), key=lambda item: (-_cells(item[1], sizes), item[1])):
        index = next((index for index, group in enumerate(groups) if mask & group == mask), None)
        if index is None:
            index = _best_group(mask, groups, cells, sizes)
        if index is None:
            index = len(groups)
            groups.append(0)
            cells.append(1)
        cells[index] *= _cells(mask & ~groups[index], sizes)
        groups[index] |= mask
        holder[clique] = index
    members = [tuple(a for axis, a in enumerate(domain.attributes) if mask >> axis & 1) for mask in groups]
    return members, holder


def _best_group(mask: int, groups: list[int], cells: list[int], sizes: tuple[int, ...]) -> int | None:
    """The recent group that grows least when it takes the clique in, if it stays small enough."""
    growth = {
        index: _cells(mask & ~groups[index], sizes)
        for index in range(max(0, len(groups) - 64), len(groups))
        if mask & groups[index] and cells[index] <= _GROUP_CELLS
    }
    fitting = [index for index, factor in growth.items() if cells[index] * factor <= _GROUP_CELLS]
    return min(fitting, key=lambda index: growth[index], default=None)


def _cells(mask: int, sizes: tuple[int, ...]) -> int:
    return math.prod(size for axis, size in enumerate(sizes) if mask >> axis & 1)
