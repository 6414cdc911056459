"""What a node of the lattice costs: which rows it suppresses, and what it loses."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dpsynth.anonymization.lattice import Lattice, Node
from dpsynth.anonymization.privacy_models import KAnonymity, PrivacyModel, satisfied
from dpsynth.anonymization.records import Classes, Records, classes_of
from dpsynth.anonymization.rollup import Grouping, RollUp

TOLERANCE = 1e-12
"""Losses that differ by less are equal."""


class Appraisal(NamedTuple):
    """``extra``: what suppression adds to the loss, at least, at a node and all below it; infinity when none of them
    can fit. ``loss``: that of the node, infinity when it does not fit; or less, but no less than the best one's.
    """

    extra: float
    loss: float


class Appraiser:
    """Looks at nodes, and remembers the best: ``best`` (None before any fits), ``least``, its loss, ``checked``, how
    many nodes were looked at, and ``fewest``, the smallest number of rows that one of them suppresses. ``allowed``: how
    many may be.
    """

    def __init__(self, records: Records, lattice: Lattice, models: Sequence[PrivacyModel], suppression: float) -> None:
        """Counts the different records of a table with at least one row. ``suppression``: the share allowed."""
        self._records, self._lattice, self._models = records, lattice, list(models)
        self.rows = records.rows
        self.allowed = min(math.floor(suppression * self.rows + 1e-9), self.rows - 1)
        # Where no row may be dropped every class passes, by a distribution of the table that is the same at all nodes:
        # a class merged of such classes passes any model. Persons who stand in several of them are counted once in it.
        together = self.allowed == 0 and records.persons is None
        self._monotone = [model for model in models if together or model.monotone]
        fields = {getattr(model, "field", None) for model in models}
        sensitive = [one for one in records.sensitive if one.name in fields]
        self._rollup = RollUp(records, lattice.low, sensitive, _persons_enough(records, models))
        self._penalties = [
            [weight * one.penalties(level) for level in range(one.height)]
            for one, weight in zip(records.hierarchies, records.importance, strict=True)
        ]
        self._known: dict[Node, Appraisal] = {}
        self.best: Node | None = None
        self.least, self.checked, self.fewest = math.inf, 0, self.rows

    def appraise(self, node: Node) -> Appraisal:
        """What a node loses; it becomes the best when it fits and loses less. Asked again, the answer is remembered."""
        if node not in self._known:
            self._known[node] = self._appraised(node)
        return self._known[node]

    def _appraised(self, node: Node) -> Appraisal:
        base = self._lattice.loss(node)
        if not self._monotone and base >= self.least:
            return Appraisal(0.0, base)
        self.checked += 1
        grouping = self._rollup.at(node)
        classes, present = self._rollup.classes(grouping)
        extra, dropped = self._lost(self._monotone, grouping, classes, present, node)
        if dropped > self.allowed:
            self.fewest = min(self.fewest, dropped)
            return Appraisal(math.inf, math.inf)
        loss = base + extra
        if len(self._monotone) < len(self._models) and loss < self.least:
            more, dropped = self._lost(self._models, grouping, classes, present, node)
            loss = base + more if dropped <= self.allowed else math.inf
        self.fewest = min(self.fewest, dropped)
        if loss < self.least:
            self.best, self.least = node, loss
        return Appraisal(extra, loss)

    def lower(self, node: Node) -> bool:
        """Whether a node that loses as much as the best, suppression aside, does so with it; then it is the best."""
        self.checked += 1
        grouping = self._rollup.at(node)
        extra, dropped = self._lost(self._models, grouping, *self._rollup.classes(grouping), node)
        equal = dropped <= self.allowed and self._lattice.loss(node) + extra <= self.least + TOLERANCE
        if equal:
            self.best = node
        return equal

    def _lost(
        self,
        models: Sequence[PrivacyModel],
        grouping: Grouping,
        classes: Classes,
        present: NDArray[np.int64],
        node: Node,
    ) -> tuple[float, int]:
        """What suppression adds to the loss, and how many rows it drops."""
        if not models:
            return 0.0, 0
        kept = satisfied(models, classes)
        failing = present[~kept[classes.of]]
        rows = grouping.rows[failing]
        detail = np.ones(len(failing))
        for penalties, level, leaves in zip(self._penalties, node, grouping.leaves, strict=True):
            if level:
                detail -= penalties[level][leaves[failing]]
        return max(float(rows @ detail), 0.0) / self.rows, round(float(rows.sum()))

    def suppressed(self, node: Node) -> NDArray[np.bool_]:
        """Which rows a node suppresses: the models are asked again, about the rows themselves."""
        if not self._models:
            return np.zeros(self.rows, np.bool_)
        classes = classes_at(self._records, node)
        return ~satisfied(self._models, classes)[classes.of]


def _persons_enough(records: Records, models: Sequence[PrivacyModel]) -> int | None:
    """How many persons of a class decide every model; None where all count, or none."""
    sizes = [model.k for model in models if isinstance(model, KAnonymity)]
    alone = len(sizes) == len(models) > 0 and records.persons is not None and records.population is None
    return max(sizes) if alone else None


def classes_at(records: Records, node: Node) -> Classes:
    """The classes of a table with at least one row at one level of each attribute, a record for every row."""
    hierarchies = records.hierarchies
    columns = [one.nodes[level][codes] for one, level, codes in zip(hierarchies, node, records.codes, strict=True)]
    counts = np.ones(records.rows, np.int64)
    if records.population is None:
        of, first = classes_of(columns)
        return Classes(of, len(first), counts, records.sensitive, records.persons)
    everybody = zip(hierarchies, node, records.population, strict=True)
    others = [one.nodes[level][codes] for one, level, codes in everybody]
    of, _ = classes_of([np.concatenate(pair) for pair in zip(columns, others, strict=True)])
    population = np.bincount(of[records.rows :], minlength=int(of.max()) + 1)
    kept, of = np.unique(of[: records.rows], return_inverse=True)
    return Classes(of, len(kept), counts, records.sensitive, records.persons, population[kept].astype(np.int64))
