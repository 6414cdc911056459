"""Rows that are equal at a node of the lattice, counted; and the same at a higher node, from what was counted below."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dpsynth.anonymization.hierarchies import Hierarchy
from dpsynth.anonymization.lattice import Node
from dpsynth.anonymization.records import Classes, Counts, Records, Sensitive, classes_of

LARGEST_KEY = 1 << 62
KEYS_A_RECORD = 4
"""Up to so many possible keys a record, counting all of them is faster than sorting those that occur."""
KEPT, KEPT_BYTES = 200, 100_000_000
"""At most so many groupings, and bytes of them, are kept to be rolled up."""


@dataclass(frozen=True, eq=False)
class Grouping:
    """The different records of a table at one node, in the order of their nodes.

    Shapes: ``leaves`` (attributes, records), unsigned: any leaf under the nodes of a record; ``rows`` (records,),
    float64 whole numbers: how many rows it stands for; ``others`` (records,): which of ``combinations`` of sensitive
    values and person it has, None when there is one; ``population`` (records,): as ``rows``, of the population;
    ``of`` (records,): its class, from 0, in order; empty as long as every row is a record of its own. ``most``: of a
    class the records of so many persons at most are kept. That decides k-anonymity for k up to ``most``, here and
    above: a class that was cut keeps so many persons, and is never suppressed.
    """

    leaves: NDArray[np.unsignedinteger[Any]]
    rows: NDArray[np.float64]
    others: Counts | None = None
    combinations: int = 1
    population: NDArray[np.float64] | None = None
    of: Counts = field(default_factory=lambda: np.zeros(0, np.int64))
    most: int | None = None

    @property
    def size(self) -> int:
        """The number of records."""
        return len(self.rows)

    @property
    def bytes(self) -> int:
        """Bytes of memory that its arrays take."""
        arrays = (self.leaves, self.rows, self.of, self.others, self.population)
        return sum(array.nbytes for array in arrays if array is not None)

    def rolled_up(self, node: Node, hierarchies: Sequence[Hierarchy]) -> Grouping:
        """The grouping at a node that lies above this one. Cost: one sort, or one count, of these records."""
        key, space = self._keys(node, hierarchies)
        if self.others is not None:
            key, space = key * self.combinations + self.others, space * self.combinations
        weights = [self.rows] if self.population is None else [self.rows, self.population]
        first, found, sums = _counted(key, space, weights)
        classes = found // self.combinations
        new = np.concatenate([[True], classes[1:] != classes[:-1]])
        of = np.cumsum(new) - 1
        if self.most is not None:
            starts = np.flatnonzero(new)
            kept = np.arange(len(of)) - starts[of] < self.most
            first, found, of, sums = first[kept], found[kept], of[kept], [sums[0][kept]]
        others = None if self.others is None else found % self.combinations
        population = sums[1] if self.population is not None else None
        return Grouping(self.leaves[:, first], sums[0], others, self.combinations, population, of, self.most)

    def _keys(self, node: Node, hierarchies: Sequence[Hierarchy]) -> tuple[Counts, int]:
        """One number for the nodes of every record, and how many such numbers there can be; it orders as they do."""
        several = [
            (one.nodes[level], len(one.labels[level]), leaves)
            for one, level, leaves in zip(hierarchies, node, self.leaves, strict=True)
            if len(one.labels[level]) > 1
        ]
        key = np.zeros(self.size, np.int64)
        if math.prod(size for _, size, _ in several) >= LARGEST_KEY // self.combinations:
            key = classes_of([nodes[leaves] for nodes, _, leaves in several])[0]
            return key, int(key.max()) + 1
        space = 1
        for nodes, size, leaves in reversed(several):
            key += (nodes * np.int64(space))[leaves]
            space *= size
        return key, space


class RollUp:
    """The groupings of one table at any node that is not below ``low``.

    Each is made from the smallest kept grouping at a node below it; the newest ``KEPT`` of together at most
    ``KEPT_BYTES`` are kept, and that of ``low``. Only the sensitive attributes called for are told apart.
    """

    def __init__(self, records: Records, low: Node, sensitive: Sequence[Sensitive], most: int | None = None) -> None:
        """Counts the different records of a table with at least one row at ``low``. Cost: two sorts of its rows.

        ``most``: so many persons of a class are enough to be told apart; for a table without a population, and no
        sensitive attributes.
        """
        self._hierarchies = records.hierarchies
        columns = [one.codes for one in sensitive] + ([] if records.persons is None else [records.persons])
        others, first = classes_of(columns) if columns else (None, np.zeros(1, np.int64))
        self._sensitive = [Sensitive(one.name, one.codes[first], one.labels, one.ordered) for one in sensitive]
        self._persons = None if records.persons is None else records.persons[first]
        raw = replace(_raw(records, others, len(first)), most=most)
        self._base = raw.rolled_up(low, records.hierarchies)
        self._kept: OrderedDict[Node, Grouping] = OrderedDict()
        self._bytes = 0

    def at(self, node: Node) -> Grouping:
        """The grouping at a node, kept for those above it when it is clearly smaller than what it was made from."""
        below = [one for other, one in self._kept.items() if all(a <= b for a, b in zip(other, node, strict=True))]
        source = min(below, key=lambda one: one.size, default=self._base)
        made = source.rolled_up(node, self._hierarchies)
        if made.size < 0.8 * source.size and made.bytes <= KEPT_BYTES:
            self._kept[node] = made
            self._bytes += made.bytes
            while len(self._kept) > KEPT or self._bytes > KEPT_BYTES:
                self._bytes -= self._kept.popitem(last=False)[1].bytes
        return made

    def classes(self, grouping: Grouping) -> tuple[Classes, NDArray[np.int64]]:
        """The classes of the rows of a grouping, and the numbers of the records that stand for these rows."""
        present, of, population = np.arange(grouping.size), grouping.of, None
        if grouping.population is not None:
            everybody = np.bincount(of, weights=grouping.population)
            present = np.flatnonzero(grouping.rows)
            kept, of = np.unique(of[present], return_inverse=True)
            population = np.rint(everybody[kept]).astype(np.int64)
        others = np.zeros(len(present), np.int64) if grouping.others is None else grouping.others[present]
        sensitive = tuple(Sensitive(one.name, one.codes[others], one.labels, one.ordered) for one in self._sensitive)
        persons = None if self._persons is None else self._persons[others]
        rows = np.rint(grouping.rows[present]).astype(np.int64)
        return Classes(of, int(of[-1]) + 1, rows, sensitive, persons, population), present


def _raw(records: Records, others: Counts | None, combinations: int) -> Grouping:
    """Every row a record of its own, and after them every row of the population."""
    kind = np.min_scalar_type(max(one.leaves for one in records.hierarchies) - 1)
    rows = np.ones(records.rows)
    if records.population is None:
        return Grouping(np.stack([codes.astype(kind) for codes in records.codes]), rows, others, combinations)
    pairs = zip(records.codes, records.population, strict=True)
    leaves = np.stack([np.concatenate(pair).astype(kind) for pair in pairs])
    more = len(records.population[0])
    population = np.concatenate([np.zeros(records.rows), np.ones(more)])
    others = None if others is None else np.concatenate([others, np.zeros(more, np.int64)])
    return Grouping(leaves, np.concatenate([rows, np.zeros(more)]), others, combinations, population)


def _counted(
    key: Counts, space: int, weights: list[NDArray[np.float64]]
) -> tuple[Counts, Counts, list[NDArray[np.float64]]]:
    """One place of each different key, the different keys in their order, and by key the sums of the weights."""
    if space <= KEYS_A_RECORD * len(key):
        place = np.full(space, -1)
        place[key] = np.arange(len(key))
        found = np.flatnonzero(place >= 0)
        sums = [np.bincount(key, weights=one, minlength=space)[found].astype(np.float64) for one in weights]
        return place[found], found, sums
    order = np.argsort(key)
    ordered = key[order]
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    sums = [np.add.reduceat(one[order], starts) for one in weights]
    return order[starts], ordered[starts], sums
