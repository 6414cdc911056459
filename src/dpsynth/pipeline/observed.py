"""A queryable that reports progress: which question of the public plan is being asked, never anything about rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from dpsynth.domain import Clique, Domain
from dpsynth.pipeline.progress import Progress
from dpsynth.privacy.answers import NoisyMarginal, Selection
from dpsynth.privacy.governor import Governor
from dpsynth.privacy.loss import PrivacyLoss
from dpsynth.privacy.queryable import Candidate, Queryable
from dpsynth.privacy.unit import Unit
from dpsynth.synthesizers import Plan

ASKED = 0.4
"""The part of a fit's progress that its questions are; the rest belongs to fitting the model."""


class ObservedQueryable:
    """Passes every question on unchanged, and its number among the planned ones to ``progress``."""

    def __init__(self, queryable: Queryable, plan: Plan, progress: Progress, asked: list[int] | None = None) -> None:
        self._queryable = queryable
        self._plan = plan
        self._progress = progress
        self._asked = asked if asked is not None else [0]

    @property
    def domain(self) -> Domain:
        """The public domain of the table."""
        return self._queryable.domain

    @property
    def unit(self) -> Unit:
        """The privacy unit."""
        return self._queryable.unit

    @property
    def governor(self) -> Governor:
        """The currency that the reservation is spent in."""
        return self._queryable.governor

    @property
    def remaining(self) -> PrivacyLoss:
        """What is left of the reservation."""
        return self._queryable.remaining

    def measure(
        self, cliques: Sequence[Clique], loss: PrivacyLoss, weights: Sequence[int] | None = None
    ) -> tuple[NoisyMarginal, ...]:
        """The answer of the queryable behind."""
        self._report("measuring marginals")
        return self._queryable.measure(cliques, loss, weights)

    def select(self, candidates: Sequence[Candidate], loss: PrivacyLoss) -> Selection:
        """The answer of the queryable behind."""
        self._report("selecting marginals")
        return self._queryable.select(candidates, loss)

    def coarsened(self, buckets: Mapping[str, NDArray[np.int64]]) -> ObservedQueryable:
        """The coarser table, observed by the same counter."""
        return ObservedQueryable(self._queryable.coarsened(buckets), self._plan, self._progress, self._asked)

    def _report(self, stage: str) -> None:
        questions = max(sum(step.questions for step in self._plan.steps), 1)
        self._progress(stage, min(self._asked[0] / questions, 1.0) * ASKED)
        self._asked[0] += 1
