"""The generalization lattice: every choice of one level per attribute, and boxes of such nodes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from dpsynth.anonymization.records import Records
from dpsynth.errors import SchemaError

Node = tuple[int, ...]
"""The level of each attribute; a node lies below another when none of its levels is higher."""


@dataclass(frozen=True)
class Box:
    """All nodes between two corners, both included."""

    low: Node
    high: Node

    def halves(self, losses: tuple[NDArray[np.float64], ...]) -> tuple[Box, Box]:
        """The box cut in two, the lower half first, across the attribute whose loss varies most within it.

        The cut lies as near to the middle of that range as levels allow, with the loss in the middle or below it in
        the lower half. The box must hold more than one node. ``losses``: by attribute the loss at each level.
        """
        wide = [axis for axis, (low, high) in enumerate(zip(self.low, self.high, strict=True)) if low < high]
        ends = [(losses[axis][self.low[axis]], losses[axis][self.high[axis]]) for axis in wide]
        axis, (least, most) = max(zip(wide, ends, strict=True), key=lambda one: one[1][1] - one[1][0])
        within = losses[axis][self.low[axis] : self.high[axis]]
        cut = self.low[axis] + int(np.searchsorted(within, (least + most) / 2, side="right"))
        return Box(self.low, at_level(self.high, axis, cut - 1)), Box(at_level(self.low, axis, cut), self.high)


@dataclass(frozen=True, eq=False)
class Lattice:
    """The nodes that a search may choose from.

    ``low``, ``high``: the lowest and the highest level allowed of each attribute. ``losses``: by attribute and level
    what a table loses on average there when no row is suppressed, times the importance of the attribute; it never
    falls from one level to the next.
    """

    low: Node
    high: Node
    losses: tuple[NDArray[np.float64], ...]

    @cached_property
    def size(self) -> int:
        """The number of nodes."""
        return math.prod(high - low + 1 for low, high in zip(self.low, self.high, strict=True))

    @property
    def box(self) -> Box:
        """All nodes."""
        return Box(self.low, self.high)

    def loss(self, node: Node) -> float:
        """What the node loses when no row is suppressed: no node above it loses less."""
        return float(sum(losses[level] for losses, level in zip(self.losses, node, strict=True)))

    def gain(self, node: Node, axis: int) -> float:
        """How much less is lost, suppression aside, with an attribute one level lower. It must not be at level 0."""
        return float(self.losses[axis][node[axis]] - self.losses[axis][node[axis] - 1])


def lattice_of(records: Records, fixed: Mapping[int, tuple[int, int]]) -> Lattice:
    """The lattice of a table. ``fixed``: by number of an attribute its lowest and its highest level allowed.

    Raises ``SchemaError`` for an attribute or a level that does not exist, and for a lowest level above the highest.
    """
    ends = [(0, one.height - 1) for one in records.hierarchies]
    for axis, (low, high) in fixed.items():
        if not 0 <= axis < len(ends):
            raise SchemaError(f"levels are fixed of attribute {axis}, of {len(ends)} counted from 0", where="fixed")
        if not 0 <= low <= high <= ends[axis][1]:
            hint = f"Levels run from 0 to {ends[axis][1]}, the lowest allowed first."
            where = f"levels of {records.hierarchies[axis].name!r}"
            raise SchemaError(f"{low} to {high} is not a range of its levels", where=where, hint=hint)
        ends[axis] = (low, high)
    losses = tuple(weight * _by_level(records, axis) for axis, weight in enumerate(records.importance))
    return Lattice(tuple(low for low, _ in ends), tuple(high for _, high in ends), losses)


def _by_level(records: Records, axis: int) -> NDArray[np.float64]:
    """The mean penalty of an attribute at each level; zeros for a table without rows."""
    one = records.hierarchies[axis]
    counts = np.bincount(records.codes[axis], minlength=one.leaves)
    sums = np.array([counts @ one.penalties(level) for level in range(one.height)])
    return np.maximum.accumulate(sums / max(records.rows, 1))


def at_level(node: Node, axis: int, level: int) -> Node:
    """The node with one attribute at another level."""
    return (*node[:axis], level, *node[axis + 1 :])
