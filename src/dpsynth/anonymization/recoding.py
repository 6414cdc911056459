"""Local recoding by a sweep over the lattice: every record is generalized only as far as its own class needs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from dpsynth.anonymization.distinct import Distinct, distinct, distinct_leaves
from dpsynth.anonymization.grouping import at_node, bundled
from dpsynth.anonymization.loss import gcp
from dpsynth.anonymization.privacy_models import PrivacyModel, monotone, satisfied
from dpsynth.anonymization.records import Classes, Counts, Generalized, Records, classes_of
from dpsynth.anonymization.released import shown
from dpsynth.anonymization.tallies import distributions

NODES = 20_000
ROUNDS = 3
"""How often records whose class fails beside the other released classes are swept again."""
RESORTED = 0.8
"""The nodes are put in order anew when no more than this share of the rows is left since they last were."""

Levels = NDArray[np.uint8]
Shares = dict[str, NDArray[np.float64]]
Progress = Callable[[float], object]


def swept(
    records: Records, models: Sequence[PrivacyModel], *, nodes: int = NODES, progress: Progress = lambda _: None
) -> Generalized:
    """A local recoding in which every released class satisfies every model; what finds no class is suppressed.

    The nodes of the lattice are walked from the least loss to the greatest. At each the records still left are grouped;
    the classes that satisfy the models are frozen at that node, the others go on. Where the table satisfies the models
    at the root, no more classes are frozen, the largest first, than leave others who satisfy them there: so nothing is
    suppressed, and the released distribution is that of the table. The loss of a node is the mean over
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


@dataclass(frozen=True, eq=False)
class _Rest:
    """Records that are left: the number of each among all, and its keys."""

    numbers: Counts
    part: Distinct
    keys: Counts

    def take(self, chosen: Counts) -> _Rest:
        return _Rest(self.numbers[chosen], self.part.take(chosen), self.keys[:, chosen])


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
        self.bundles = bundled(hierarchies)
        self.population = None if everybody is None else distinct_leaves(everybody)
        self.others = self._keys(self.population or self.distinct)
        self.matching = np.zeros(size, np.int64)
        self.rest = self._rest(np.arange(size))
        self.shares = self._shares(np.ones(size, np.bool_))
        self.lattice = _nodes(self.tops.astype(np.int64) + 1, self._losses(self.distinct), self.nodes)

    def walk(self) -> Iterator[float]:
        """Freeze what satisfies the models, node by node; before each the share of the nodes that are done."""
        self.rest = self._rest(np.flatnonzero(self.left))
        rooted = self._rooted(self.rest)
        for number, node in enumerate(self._ordered()):
            yield number / self.lattice.shape[1]
            self.checked += 1
            classes = self._grouped(self.rest, node)
            passed = passing(self.models, classes, self.shares)
            if not passed.any():
                continue
            frozen = self._frozen(classes, passed) if rooted else passed[classes.of]
            numbers = self.rest.numbers[frozen]
            self.levels[:, numbers] = node[:, None]
            if classes.population is not None:
                self.matching[numbers] = classes.population[classes.of[frozen]]
            self.rest = self.rest.take(np.flatnonzero(~frozen))
        self.left[:] = False
        self.left[self.rest.numbers] = True

    def _frozen(self, classes: Classes, passed: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """The records to freeze: as many of the classes that pass as leave a rest that passes at the root."""
        order = np.argsort(np.where(passed, -classes.rows, 1), kind="stable")[: passed.sum()]
        spared = 0
        while spared < len(order):
            chosen = np.zeros(len(passed), np.bool_)
            chosen[order[: len(order) - spared]] = True
            frozen = chosen[classes.of]
            if self._rooted(self.rest.take(np.flatnonzero(~frozen))):
                return frozen
            spared = max(2 * spared, 1)
        return np.zeros(len(classes.of), np.bool_)

    def _rooted(self, rest: _Rest) -> bool:
        """Every class of the records at the root passes, also when there is none."""
        return not len(rest.numbers) or bool(passing(self.models, self._grouped(rest, self.tops), self.shares).all())

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
        while rest.shape[1] and len(self.rest.numbers):
            if len(self.rest.numbers) <= RESORTED * sorted_at:
                sorted_at = len(self.rest.numbers)
                rest = rest[:, np.argsort(_summed(self._losses(self.rest.part), rest), kind="stable")]
            yield rest[:, 0]
            rest = rest[:, 1:]

    def _grouped(self, rest: _Rest, node: Levels) -> Classes:
        """Records as classes at a node, with those of the population that fall into each."""
        if self.population is None:
            return rest.part.classes(*at_node(self.bundles, rest.keys, node))
        of, number = at_node(self.bundles, np.concatenate([rest.keys, self.others], axis=1), node)
        mine, theirs = np.split(of, [len(rest.numbers)])
        matching = np.bincount(theirs, weights=self.population.counts, minlength=number).astype(np.int64)
        there, mine = np.unique(mine, return_inverse=True)
        return rest.part.classes(mine, len(there), matching[there])

    def _rest(self, numbers: Counts) -> _Rest:
        part = self.distinct.take(numbers)
        return _Rest(numbers, part, self._keys(part))

    def _keys(self, part: Distinct) -> Counts:
        return np.stack([bundle.keys(part.codes) for bundle in self.bundles])


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
