"""Local recoding by a sweep over the lattice: every record is generalized only as far as its own class needs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from dpsynth.anonymization.distinct import Distinct, distinct, distinct_leaves
from dpsynth.anonymization.loss import gcp
from dpsynth.anonymization.privacy_models import PrivacyModel, monotone, satisfied
from dpsynth.anonymization.records import Classes, Counts, Generalized, Records, classes_of
from dpsynth.anonymization.released import shown
from dpsynth.anonymization.tallies import distributions

NODES = 20_000
DENSE = 16
"""Keys are numbered through a table of all possible ones where these are at most so many for every record."""
ROUNDS = 3
"""How often records whose class fails beside the other released classes are swept again."""
RESORTED = 0.9
"""The nodes are put in order anew when no more than this share of the rows is left since they last were."""

Levels = NDArray[np.uint8]
Shares = dict[str, NDArray[np.float64]]
Progress = Callable[[float], object]


def swept(
    records: Records, models: Sequence[PrivacyModel], *, nodes: int = NODES, progress: Progress = lambda _: None
) -> Generalized:
    """A local recoding in which every released class satisfies every model; what finds no class is suppressed.

    The nodes of the lattice are walked from the least loss to the greatest. At each the records still left are grouped;
    the classes that satisfy the models are frozen at that node, the others go on. The loss of a node is the mean over
    the records left of their weighted NCP, so the order changes as they grow fewer. Models that refer to the table are
    judged by its distribution before the walk; the released classes are judged once more together, by what a reader
    sees (equal texts are one class) and by the distribution of the rows released. Records of a class that fails there
    walk again with the others left, at most ``ROUNDS`` times, and are suppressed then.

    A lattice of up to ``nodes`` nodes is walked whole. Of a larger one only the cheapest few of every height are (a
    beam of at least one), so that it always ends at the root. ``checked`` says how many nodes were looked at,
    ``progress`` is called with the share that is done. Greedy, hence without a bound (``bound`` is 0).

    A person may have rows in several classes, and every class is judged by its different persons. Time: by node a sort
    of the records left, and of the population where there is one. Source: ARX's local recoding (Prasser et al.,
    "Flexible data anonymization using ARX", 2020) searches for an optimum anew among the rows that the last one
    suppressed; here one walk takes the place of the searches.
    """
    rounds = 1 if monotone(models) else ROUNDS
    sweep = _Sweep(records, models, nodes)
    for number in range(rounds):
        for share in sweep.walk():
            progress((number + share) / rounds)
        if not sweep.settle():
            break
    progress(1.0)
    sweep.levels[:, sweep.left] = sweep.tops[:, None]
    levels = tuple(sweep.levels[:, sweep.row_of])
    found = Generalized(levels, sweep.left[sweep.row_of], 0.0, checked=sweep.checked)
    return replace(found, loss=gcp(records, found))


def passing(models: Sequence[PrivacyModel], classes: Classes, shares: Shares) -> NDArray[np.bool_]:
    """By class: every model holds, where the table has the distributions ``shares``."""
    passed = np.ones(classes.number, np.bool_)
    for model in models:
        passed &= model.passes(classes, shares)
    return passed


@dataclass(eq=False)
class _Sweep:
    """The state of the walk: by distinct record its levels, whether it is left, and how many of the population."""

    records: Records
    models: Sequence[PrivacyModel]
    nodes: int
    checked: int = 0
    levels: Levels = field(init=False)
    left: NDArray[np.bool_] = field(init=False)

    def __post_init__(self) -> None:
        hierarchies = self.records.hierarchies
        self.distinct, self.row_of = distinct(self.records)
        size = len(self.distinct.counts)
        self.left = np.ones(size, np.bool_)
        self.tops = np.array([hierarchy.height - 1 for hierarchy in hierarchies], np.uint8)
        self.levels = np.repeat(self.tops[:, None], size, axis=1)
        everybody = self.records.population
        self.population = None if everybody is None else distinct_leaves(everybody)
        self.matching = np.zeros(size, np.int64)
        self.part = self.distinct
        self.shares = self._shares(np.ones(size, np.bool_))
        self.nodes_of = [hierarchy.nodes.astype(np.int64) for hierarchy in hierarchies]
        self.lattice = _nodes(self.tops.astype(np.int64) + 1, self._losses(self.distinct), self.nodes)

    def walk(self) -> Iterator[float]:
        """Freeze whatever satisfies the models, node by node; before each the share of the nodes that are done."""
        numbers = np.flatnonzero(self.left)
        self.part = self.distinct.take(numbers)
        for number, node in enumerate(self._ordered()):
            yield number / self.lattice.shape[1]
            self.checked += 1
            classes = self._grouped(node)
            passed = passing(self.models, classes, self.shares)
            if not passed.any():
                continue
            frozen = passed[classes.of]
            self.levels[:, numbers[frozen]] = node[:, None]
            if classes.population is not None:
                self.matching[numbers[frozen]] = classes.population[classes.of[frozen]]
            numbers, self.part = numbers[~frozen], self.part.take(~frozen)
        self.left[:] = False
        self.left[numbers] = True

    def settle(self) -> bool:
        """Judge the released classes together; records of those that fail are left again. Whether there are any."""
        kept = np.flatnonzero(~self.left)
        if not len(kept):
            return False
        part = self.distinct.take(kept)
        texts = [shown(hierarchy) for hierarchy in self.records.hierarchies]
        columns = [text[self.levels[at, kept], part.codes[at]] for at, text in enumerate(texts)]
        of, first = classes_of(columns)
        # Classes that share their texts may differ in whom they match: one of them alone has as many as the models ask.
        matching = None if self.population is None else self.matching[kept[first]]
        passed = satisfied(self.models, part.classes(of, len(first), matching))[of]
        self.left[kept[~passed]] = True
        self.shares = self._shares(~self.left) if passed.any() else self.shares
        return bool((~passed).any())

    def _shares(self, chosen: NDArray[np.bool_]) -> Shares:
        part = self.distinct.take(chosen)
        return distributions(part.classes(np.zeros(len(part.counts), np.int64), 1))

    def _losses(self, part: Distinct) -> list[NDArray[np.float64]]:
        """By attribute and level: the weighted mean penalty of the records."""
        rows = max(int(part.counts.sum()), 1)
        found = []
        for at, (hierarchy, weight) in enumerate(zip(self.records.hierarchies, self.records.importance, strict=True)):
            by_leaf = np.bincount(part.codes[at], weights=part.counts, minlength=hierarchy.leaves) / rows
            found.append(weight * np.array([by_leaf @ hierarchy.penalties(level) for level in range(hierarchy.height)]))
        return found

    def _ordered(self) -> Iterator[Levels]:
        """The nodes from cheap to dear for the records left, until none is left."""
        rest, sorted_at = self.lattice, math.inf
        while rest.shape[1] and len(self.part.counts):
            if len(self.part.counts) <= RESORTED * sorted_at:
                sorted_at = len(self.part.counts)
                rest = rest[:, np.argsort(_summed(self._losses(self.part), rest), kind="stable")]
            yield rest[:, 0]
            rest = rest[:, 1:]

    def _grouped(self, node: Levels) -> Classes:
        """The records left as classes at a node, with those of the population that fall into each."""
        every = [self.part.codes] if self.population is None else [self.part.codes, self.population.codes]
        codes = np.concatenate(every, axis=1)
        hierarchies = self.records.hierarchies
        columns = [self.nodes_of[at][level].take(codes[at]) for at, level in enumerate(node)]
        of, number = _numbered(columns, [len(one.labels[level]) for one, level in zip(hierarchies, node, strict=True)])
        if self.population is None:
            return self.part.classes(of, number)
        mine, theirs = np.split(of, [len(self.part.counts)])
        everybody = np.bincount(theirs, weights=self.population.counts, minlength=number).astype(np.int64)
        there, mine = np.unique(mine, return_inverse=True)
        return self.part.classes(mine, len(there), everybody[there])


def _numbered(columns: Sequence[Counts], sizes: Sequence[int]) -> tuple[Counts, int]:
    """The class of each record, equal in all columns, and how many there are; a column has numbers below its size."""
    if math.prod(sizes) >= 1 << 62:
        of, first = classes_of(columns)
        return of, len(first)
    key = np.ravel_multi_index(tuple(columns), tuple(sizes))
    if math.prod(sizes) > DENSE * len(key):
        different, of = np.unique(key, return_inverse=True)
        return of, len(different)
    there = np.zeros(math.prod(sizes), np.bool_)
    there[key] = True
    return (np.cumsum(there) - 1)[key], int(there.sum())


def _nodes(heights: Counts, losses: Sequence[NDArray[np.float64]], limit: int) -> Levels:
    """The nodes to walk, shape (attributes, nodes), finer ones first: all, or of every height the cheapest ones."""
    if math.prod(heights.tolist()) <= limit:
        found: Levels = np.indices(tuple(heights), np.uint8).reshape(len(heights), -1)
        return found
    tops = heights - 1
    width = max(limit // (int(tops.sum()) + 1), 1)
    layers = [np.zeros((len(heights), 1), np.uint8)]
    steps = np.eye(len(heights), dtype=np.uint8)[:, :, None]
    for _ in range(int(tops.sum())):
        above = (layers[-1][:, None, :] + steps).reshape(len(heights), -1)
        above = np.unique(above[:, (above <= tops[:, None]).all(axis=0)], axis=1)
        layers.append(above[:, np.argsort(_summed(losses, above), kind="stable")[:width]])
    return np.concatenate(layers, axis=1)


def _summed(losses: Sequence[NDArray[np.float64]], nodes: Levels) -> NDArray[np.float64]:
    """By node: the sum of the losses of its levels."""
    total: NDArray[np.float64] = np.sum([loss[level] for loss, level in zip(losses, nodes, strict=True)], axis=0)
    return total


__all__ = ["NODES", "passing", "swept"]
