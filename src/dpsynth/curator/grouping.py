"""Which cliques are counted through one joint table: public facts only."""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Iterable, Sequence

from dpsynth.domain import Clique, Domain

_GROUP_CELLS = 1 << 14  # cliques are counted together while their joint table stays this small
_RECENT_GROUPS = 64  # a clique is offered to these only: planning stays linear in the number of cliques


def groups_of(domain: Domain, cliques: Sequence[Clique]) -> tuple[list[Clique], dict[frozenset[str], int]]:
    """Attribute sets such that every clique lies inside one, and the index of that one.

    Fewer, wider joint tables fill faster. A group of several cliques has at most 16,384 cells. Cost: about 10 µs a
    clique.
    """
    groups = _Groups(domain.sizes)
    axes = {frozenset(clique): domain.axes(clique) or (0,) for clique in cliques}
    largest_first = sorted(axes.items(), key=lambda item: (-groups.joint_size(item[1]), sorted(item[1], reverse=True)))
    holder = {clique: groups.place(members) for clique, members in largest_first}
    return [tuple(domain.attributes[axis] for axis in members) for members in groups.members()], holder


class _Groups:
    """Sets of axes that grow while cliques are placed in them."""

    def __init__(self, sizes: tuple[int, ...]) -> None:
        self._sizes = sizes
        self._cells: list[int] = []
        self._holding = [0] * len(sizes)  # per axis, the groups that hold it: bit g stands for group g

    def joint_size(self, axes: Iterable[int]) -> int:
        return math.prod([self._sizes[axis] for axis in axes])

    def place(self, axes: tuple[int, ...]) -> int:
        """The group that now holds all these axes: one that did already, else a grown or a new one."""
        inside = functools.reduce(operator.and_, [self._holding[axis] for axis in axes])
        if inside:
            return (inside & -inside).bit_length() - 1
        group = self._cheapest(axes)
        if group is None:
            group = len(self._cells)
            self._cells.append(1)
        for axis in self._missing(axes, group):
            self._cells[group] *= self._sizes[axis]
            self._holding[axis] |= 1 << group
        return group

    def members(self) -> list[list[int]]:
        """The axes of every group, in the order of the domain."""
        return [
            [axis for axis, holding in enumerate(self._holding) if holding >> group & 1]
            for group in range(len(self._cells))
        ]

    def _missing(self, axes: tuple[int, ...], group: int) -> list[int]:
        return [axis for axis in axes if not self._holding[axis] >> group & 1]

    def _cheapest(self, axes: tuple[int, ...]) -> int | None:
        """The recent group that grows least when it takes the axes in, if one shares an axis and stays small enough."""
        touching = functools.reduce(operator.or_, [self._holding[axis] for axis in axes])
        smallest = min([self._sizes[axis] for axis in axes])
        growth = {
            group: self.joint_size(self._missing(axes, group))
            for group in range(max(0, len(self._cells) - _RECENT_GROUPS), len(self._cells))
            if self._cells[group] * smallest <= _GROUP_CELLS and touching >> group & 1
        }
        fitting = [group for group, factor in growth.items() if self._cells[group] * factor <= _GROUP_CELLS]
        return min(fitting, key=growth.__getitem__, default=None)
