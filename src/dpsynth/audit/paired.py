"""The exact likelihood ratio of any synthesizer's transcript between two made-up tables, selections included.

A synthesizer is deterministic given its answers, so the probability of a transcript is the product over its primitives
of the probability of each output given the exact input; what was asked is the same on both tables.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dpsynth.audit.coded_table import Counts
from dpsynth.audit.recorded import Output, RecordedQueryable, log_probability
from dpsynth.domain import Clique, Domain
from dpsynth.privacy.answers import NoisyMarginal, Selection
from dpsynth.privacy.governor import Governor
from dpsynth.privacy.loss import PrivacyLoss
from dpsynth.privacy.queryable import Candidate, Queryable
from dpsynth.privacy.unit import Unit

Fit = Callable[[Queryable], object]
"""What is audited: it asks a queryable; what it makes of the answers is not looked at."""


class PairedQueryable:
    """Passes questions on to ``answering`` and keeps what each answer says about two tables.

    ``answering`` may be the room over one of the tables, or a recorded queryable; both tables are replayed with its
    answers as a fit goes, by the same budget, so one fit is enough.
    """

    def __init__(self, answering: Queryable, tables: tuple[Counts, Counts]) -> None:
        self._answering: Queryable = answering
        self._outputs: list[Output] = []
        unseeded = np.random.default_rng(0)  # never drawn from: every output is given
        unit, governor, budget = answering.unit, answering.governor, answering.remaining
        self._replays = tuple(
            RecordedQueryable(answering.domain, table, unit, governor, budget, unseeded, answers=self._outputs)
            for table in tables
        )

    @property
    def domain(self) -> Domain:
        """The public domain."""
        return self._answering.domain

    @property
    def unit(self) -> Unit:
        """The privacy unit."""
        return self._answering.unit

    @property
    def governor(self) -> Governor:
        """The currency that the budget is spent in."""
        return self._answering.governor

    @property
    def remaining(self) -> PrivacyLoss:
        """What is left of the budget."""
        return self._answering.remaining

    @property
    def outputs(self) -> Sequence[Output]:
        """Every answer so far: noisy counts, and the index of a selection."""
        return self._outputs

    @property
    def log_ratio(self) -> float:
        """Log P[all answers | first table] − log P[all answers | second table], nats, exact."""
        first, second = (replay.transcript for replay in self._replays)
        return sum(
            log_probability(own, own.exact) - log_probability(own, other.exact)
            for own, other in zip(first, second, strict=True)
        )

    @property
    def charged(self) -> PrivacyLoss:
        """The sum of the losses of all primitives, in every currency that all of them state."""
        return _charged([asked.loss for asked in self._replays[0].transcript])

    def measure(
        self, cliques: Sequence[Clique], loss: PrivacyLoss, weights: Sequence[int] | None = None
    ) -> tuple[NoisyMarginal, ...]:
        """Noisy marginals, as ``Queryable.measure`` promises."""
        answers = self._answering.measure(cliques, loss, weights)
        self._outputs.extend(answer.values for answer in answers)
        for replay in self._replays:
            replay.measure(cliques, loss, weights)
        return answers

    def select(self, candidates: Sequence[Candidate], loss: PrivacyLoss) -> Selection:
        """The noisy maximum of the candidates' scores."""
        chosen = self._answering.select(candidates, loss)
        self._outputs.append(chosen.index)
        for replay in self._replays:
            replay.select(candidates, loss)
        return chosen

    def coarsened(self, buckets: Mapping[str, NDArray[np.int64]]) -> PairedQueryable:
        """The same tables with some attributes mapped code → bucket; answers and ratio are shared."""
        coarse = PairedQueryable.__new__(PairedQueryable)
        coarse._answering = self._answering.coarsened(buckets)
        coarse._outputs = self._outputs
        coarse._replays = tuple(replay.coarsened(buckets) for replay in self._replays)
        return coarse


def log_ratios(fit: Fit, answering: Callable[[], Queryable], tables: tuple[Counts, Counts], runs: int) -> Any:
    """The log-likelihood ratios of ``runs`` fits of what ``answering`` opens, first table over second, float64."""
    ratios = np.empty(runs)
    for run in range(runs):
        paired = PairedQueryable(answering(), tables)
        fit(paired)
        ratios[run] = paired.log_ratio
    return ratios


def _charged(losses: Sequence[PrivacyLoss]) -> PrivacyLoss:
    from dataclasses import astuple

    parts = zip(*map(astuple, losses), strict=True)
    return PrivacyLoss(*(sum(part) if all(part) else 0 for part in parts))
