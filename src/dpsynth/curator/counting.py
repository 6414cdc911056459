"""Exact counts of many marginals in one pass over encoded blocks of rows.

A row adds one to exactly one cell of every clique's array; see ``docs/proofs/ingest.md``.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dpsynth.curator.grouping import groups_of
from dpsynth.domain import Clique, Domain
from dpsynth.errors import DomainError, ResourceLimitError

Block = Mapping[str, NDArray[np.unsignedinteger]]
"""Some rows, encoded: one unsigned array of codes per attribute, all of one length, each code below the size."""

_ROWS = 1 << 15  # rows per step: a step's keys and a group's cells stay in the second-level cache
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
    members, holder = groups_of(domain, cliques)
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
        kept = [attribute for attribute in self.attributes if attribute in clique]
        counts, shape = self.cells, list[int]()
        # One run of neighboring axes after the other: numpy is four times slower at summing all of them at once.
        runs = itertools.groupby(zip(self.attributes, self.sizes, strict=True), key=lambda axis: axis[0] in clique)
        for is_kept, run in runs:
            sizes = [size for _, size in run]
            if is_kept:
                shape += sizes
            else:
                counts = counts.reshape(math.prod(shape), math.prod(sizes), -1).sum(axis=1, dtype=np.int64)
        axes = [kept.index(name) for name in clique]
        answer = np.array(counts.reshape(shape).transpose(axes), dtype=np.int64, order="C")
        answer.setflags(write=False)
        return answer


def _steps(block: Block) -> Iterator[Block]:
    rows = len(next(iter(block.values())))
    for start in range(0, rows, _ROWS):
        yield {name: codes[start : start + _ROWS] for name, codes in block.items()}
