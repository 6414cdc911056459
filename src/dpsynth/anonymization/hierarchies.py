"""Generalization hierarchies: ever coarser groups of the values of one attribute."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dpsynth.errors import SchemaError

SUPPRESSED = "*"
"""What a suppressed cell shows, and usually the one node of the highest level."""


@dataclass(frozen=True, eq=False)
class Hierarchy:
    """The levels of an attribute, the finest first; every node of a level lies within one node of the next.

    ``labels``: the texts of the nodes by level; those of level 0 are the leaves, in the order of the hierarchy.
    ``nodes``: shape (levels, leaves), int32: the node of each leaf at each level; row 0 is ``arange(leaves)``.
    """

    name: str
    labels: tuple[tuple[str, ...], ...]
    nodes: NDArray[np.int32]

    @property
    def height(self) -> int:
        """The number of levels, the leaves included."""
        return len(self.labels)

    @property
    def leaves(self) -> int:
        """The number of leaves."""
        return len(self.labels[0])

    def sizes(self, level: int) -> NDArray[np.int64]:
        """The number of leaves under each node of a level."""
        return np.bincount(self.nodes[level], minlength=len(self.labels[level])).astype(np.int64)

    def penalties(self, level: int) -> NDArray[np.float64]:
        """By leaf: (leaves under its node - 1) / (leaves - 1), the share of detail lost; 0 for a single leaf (NCP)."""
        under = self.sizes(level)[self.nodes[level]]
        lost: NDArray[np.float64] = (under - 1) / max(self.leaves - 1, 1)
        return lost

    @classmethod
    def from_paths(cls, name: str, paths: Sequence[Sequence[str]]) -> Hierarchy:
        """The hierarchy with a path for each leaf: its text, then its groups from fine to coarse.

        Raises ``SchemaError`` for no path, paths of different length, a leaf twice, and a group that lies in two groups
        of the level above.
        """
        where = f"hierarchy of {name!r}"
        if not paths or not paths[0]:
            raise SchemaError("the hierarchy has no values", where=where)
        if len({len(path) for path in paths}) > 1:
            raise SchemaError(
                "some values have more levels than others", where=where, hint="All lines are equally long."
            )
        columns = [_coded([path[level] for path in paths]) for level in range(len(paths[0]))]
        if len(columns[0][0]) < len(paths):
            entry = _repeated(columns[0][1])
            said = f"the value of entry {entry} stands in it twice"
            raise SchemaError(said, where=where, hint="A value has one entry.")
        for level, ((_, below), (_, above)) in enumerate(itertools.pairwise(columns), start=1):
            parents = above[np.unique(below, return_index=True)[1]]
            if len(wrong := np.flatnonzero(above != parents[below])):
                hint = f"Entry {wrong[0] + 1} has another than an earlier one."
                raise SchemaError(
                    f"a group of level {level - 1} has two parents at level {level}", where=where, hint=hint
                )
        return cls(name, tuple(labels for labels, _ in columns), np.array([codes for _, codes in columns], np.int32))


def _repeated(codes: NDArray[np.int32]) -> int:
    """The number, from 1, of the first entry whose code stands in an earlier one."""
    first = np.unique(codes, return_index=True)[1]
    return int(np.flatnonzero(~np.isin(np.arange(len(codes)), first))[0]) + 1


def _coded(texts: Sequence[str]) -> tuple[tuple[str, ...], NDArray[np.int32]]:
    """The different texts in the order in which they first stand, and the number of each."""
    numbers = {text: number for number, text in enumerate(dict.fromkeys(texts))}
    return tuple(numbers), np.array([numbers[text] for text in texts], np.int32)
