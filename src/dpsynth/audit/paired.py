"""The exact likelihood ratio of any synthesizer's transcript between two made-up tables, selections included.

A synthesizer is deterministic given its answers, so the probability of a transcript is the product over its primitives
of the probability of each output given the exact input; what was asked is the same on both tables.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from dpsynth.audit.coded_table import Counts
from dpsynth.audit.recorded import Asked, Output, RecordedQueryable, log_probability
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

    def __init__(
        self, answering: Queryable, replays: tuple[RecordedQueryable, RecordedQueryable], outputs: list[Output]
    ) -> None:
        self._answering = answering
        self._replays = replays
        self._outputs = outputs

    @staticmethod
    def over(answering: Queryable, tables: tuple[Counts, Counts]) -> PairedQueryable:
        """With nothing asked yet."""
        outputs: list[Output] = []
        unit, governor, budget = answering.unit, answering.governor, answering.remaining
        unused = np.random.default_rng(0)  # every output of a replay is given
        first, second = (
            RecordedQueryable(answering.domain, table, unit, governor, budget, unused, answers=outputs)
            for table in tables
        )
        return PairedQueryable(answering, (first, second), outputs)

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
    def selection_divergence(self) -> float:
        """The Kullback–Leibler divergence of all selections, first table from second, given the answers before each."""
        first, second = (replay.transcript for replay in self._replays)
        return sum(
            _divergence(own, other.exact)
            for own, other in zip(first, second, strict=True)
            if isinstance(own.output, int)
        )

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
        first, second = (replay.coarsened(buckets) for replay in self._replays)
        return PairedQueryable(self._answering.coarsened(buckets), (first, second), self._outputs)


def log_ratios(
    fit: Fit, answering: Callable[[], Queryable], tables: tuple[Counts, Counts], runs: int
) -> NDArray[np.float64]:
    """The log-likelihood ratios of ``runs`` fits of what ``answering`` opens anew, first table over second, float64."""
    ratios = np.empty(runs)
    for run in range(runs):
        paired = PairedQueryable.over(answering(), tables)
        fit(paired)
        ratios[run] = paired.log_ratio
    return ratios


def _divergence(asked: Asked, exact: NDArray[np.int64]) -> float:
    """Σ P log P/Q over everything that a selection could have picked."""
    each = [replace(asked, output=index) for index in range(len(asked.exact))]
    own = np.array([log_probability(one, asked.exact) for one in each])
    other = np.array([log_probability(one, exact) for one in each])
    return float((np.exp(own) * (own - other)).sum())
