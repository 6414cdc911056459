"""A queryable over a made-up table that writes down every primitive: what was asked, the exact input, the output.

It restates the room's questions from the pure laws (``privacy/laws.py``), draws from a seeded generator and gives no
privacy: a model fitted to it is never released. With frozen outputs it replays a run on another table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from dpsynth.audit.coded_table import CodedTable, Counts
from dpsynth.audit.seeded_noise import NOISES, PICKS
from dpsynth.domain import Clique, Domain
from dpsynth.errors import DomainError, UsageError
from dpsynth.privacy import laws
from dpsynth.privacy.answers import Coarsening, NoisyMarginal, Selection
from dpsynth.privacy.governor import Governor
from dpsynth.privacy.loss import PrivacyLoss, total
from dpsynth.privacy.queryable import Candidate
from dpsynth.privacy.receipt import Receipt
from dpsynth.privacy.unit import Unit

Output = NDArray[np.int64] | int
"""Noisy counts, or the index that a selection picked."""

SAMPLER = "seeded"


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """One primitive of a run.

    ``question``: all that was asked, hashable and public. ``exact``: int64, the counts of a marginal, or the scores of
    a selection. ``output``: the noisy counts, or the index that was picked. ``sensitivity`` and ``scale``: as in the
    answer.
    """

    law: str
    question: tuple[object, ...]
    sensitivity: int
    scale: float
    exact: NDArray[np.int64]
    output: Output

    @property
    def loss(self) -> PrivacyLoss:
        """What the primitive costs, from its law, sensitivity and scale."""
        return _charge(self.law, self.sensitivity, self.scale)


def log_probability(asked: Asked, exact: NDArray[np.int64]) -> float:
    """Log P[output | exact input], nats; minus infinity never occurs. ``DomainError`` when the shapes differ."""
    if np.shape(exact) != asked.exact.shape:
        raise DomainError("an exact input has another shape than the one it is compared with")
    if isinstance(asked.output, int):
        return float(_SELECTIONS[asked.law](exact, asked.scale)[asked.output])
    return float(_MARGINALS[asked.law](asked.output - exact, asked.scale).sum())


_Law = Callable[[NDArray[np.int64], float], NDArray[np.float64]]
_MARGINALS: dict[str, _Law] = {
    "gaussian": laws.discrete_gaussian_log_probability,
    "laplace": laws.discrete_laplace_log_probability,
}
_SELECTIONS: dict[str, _Law] = {
    "exponential": laws.noisy_max_log_probabilities,
    "permute-and-flip": laws.permute_and_flip_log_probabilities,
}


# Thousands of runs of one mechanism ask for the same few scales, and exact fractions take milliseconds.
_selection_scale = lru_cache(4096)(laws.selection_scale)


@lru_cache(4096)
def _measured_scales(
    governor: Governor, sensitivity: int, loss: PrivacyLoss, weights: tuple[int, ...]
) -> tuple[float, ...]:
    return tuple(laws.measured_scales(governor, sensitivity, loss, weights))


@lru_cache(4096)
def _charge(law: str, sensitivity: int, scale: float) -> PrivacyLoss:
    return laws.LOSSES[law](sensitivity, scale)


@dataclass(eq=False)
class _Run:
    """What a recorded table and its coarser views share."""

    unit: Unit
    governor: Governor
    budget: PrivacyLoss
    rng: np.random.Generator
    frozen: Sequence[Output] | None
    transcript: list[Asked] = field(default_factory=list)
    draws: list[Receipt] = field(default_factory=list)

    def charge(self, loss: PrivacyLoss) -> Receipt:
        number = len(self.draws) + 1
        self.draws.append(Receipt("made-up", number, f"{number:064x}", loss))
        return self.draws[-1]

    def frozen_output(self) -> Output | None:
        if self.frozen is None or len(self.transcript) >= len(self.frozen):
            return None
        return self.frozen[len(self.transcript)]


class RecordedQueryable:
    """Serves ``Queryable`` over a made-up table of codes and keeps the ``transcript``.

    ``table``: int codes by attribute, or any source of exact counts over ``domain``. ``budget`` bounds what may be
    asked, as a reservation does. ``answers``: the outputs of an earlier transcript, in order, given instead of drawing;
    where they end, or one does not fit its question, the output is drawn, and a comparison of transcripts tells.
    """

    def __init__(  # noqa: PLR0917 (the public facts of one run, in the order of their names)
        self,
        domain: Domain,
        table: Mapping[str, NDArray[np.integer]] | Counts,
        unit: Unit,
        governor: Governor,
        budget: PrivacyLoss,
        rng: np.random.Generator,
        *,
        answers: Sequence[Output] | None = None,
    ) -> None:
        self.domain = domain
        self._source: Counts = CodedTable(domain, table) if isinstance(table, Mapping) else table
        self._run = _Run(unit, governor, budget, rng, answers)
        self._coarsening: Coarsening = ()

    @property
    def unit(self) -> Unit:
        """The privacy unit."""
        return self._run.unit

    @property
    def governor(self) -> Governor:
        """The currency that the budget is spent in."""
        return self._run.governor

    @property
    def transcript(self) -> list[Asked]:
        """Every primitive so far, in order: one for each marginal and each selection."""
        return self._run.transcript

    @property
    def draws(self) -> tuple[Receipt, ...]:
        """The charge of every question so far, for ``privacy.reconciliation.reconcile``."""
        return tuple(self._run.draws)

    @property
    def budget(self) -> PrivacyLoss:
        """What all questions together may cost."""
        return self._run.budget

    @property
    def remaining(self) -> PrivacyLoss:
        """What is left of the budget."""
        return self.budget.minus(total([receipt.loss for receipt in self._run.draws]))

    def measure(
        self, cliques: Sequence[Clique], loss: PrivacyLoss, weights: Sequence[int] | None = None
    ) -> tuple[NoisyMarginal, ...]:
        """Noisy marginals, charged together at most ``loss``, as ``Queryable.measure`` promises."""
        self._check(cliques, loss)
        sensitivity = laws.measure_sensitivity(self.unit.max_rows)
        scales = _measured_scales(self.governor, sensitivity, loss, tuple(weights or [1] * len(cliques)))
        law = "laplace" if self.governor is Governor.PURE else "gaussian"
        charged = [_charge(law, sensitivity, scale) for scale in scales]
        receipt = self._run.charge(laws.stated(self.governor, charged))
        answers = []
        for clique, exact, scale in zip(cliques, self._source.counts(cliques), scales, strict=True):
            coarsening = tuple(item for item in self._coarsening if item[0] in clique)
            values = self._noisy(law, exact, scale)
            question = ("measure", receipt.draw, clique, coarsening)
            self.transcript.append(Asked(law, question, sensitivity, scale, exact, values))
            answers.append(NoisyMarginal(clique, values, scale, sensitivity, receipt, SAMPLER, coarsening, law))
        return tuple(answers)

    def select(self, candidates: Sequence[Candidate], loss: PrivacyLoss) -> Selection:
        """The noisy maximum of the candidates' scores, charged at most ``loss``."""
        self._check([candidate.clique for candidate in candidates], loss)
        largest = max(candidate.weight for candidate in candidates)
        sensitivity = laws.score_sensitivity(largest, self.unit.max_rows)
        scale = _selection_scale(self.governor, sensitivity, loss)
        law = "permute-and-flip" if self.governor is Governor.PURE else "exponential"
        receipt = self._run.charge(laws.stated(self.governor, [_charge(law, sensitivity, scale)]))
        counts = self._source.counts([candidate.clique for candidate in candidates])
        scores = [
            laws.score(exact, one.estimate, one.weight, one.penalty)
            for exact, one in zip(counts, candidates, strict=True)
        ]
        exact = np.array(scores, dtype=np.int64)
        index = self._picked(law, exact, scale)
        offered = tuple((one.clique, one.estimate.tobytes(), one.weight, one.penalty) for one in candidates)
        self.transcript.append(Asked(law, ("select", receipt.draw, offered), sensitivity, scale, exact, index))
        return Selection(index, candidates[index].clique, len(candidates), scale, sensitivity, receipt, law)

    def coarsened(self, buckets: Mapping[str, NDArray[np.int64]]) -> RecordedQueryable:
        """The same table with some attributes mapped code → bucket; transcript and budget are shared."""
        if self._coarsening:
            raise UsageError("a coarsened table cannot be coarsened again")
        source = _Coarser(self._source, buckets)
        coarse = RecordedQueryable(source.domain, source, self.unit, self.governor, self.budget, self._run.rng)
        coarse._run = self._run
        coarse._coarsening = tuple((attribute, tuple(array.tolist())) for attribute, array in buckets.items())
        return coarse

    def _check(self, cliques: Sequence[Clique], loss: PrivacyLoss) -> None:
        if not cliques:
            raise UsageError("a question needs at least one clique")
        for clique in cliques:
            self.domain.check_clique(clique)
        laws.check_affordable(self.governor, loss, self.remaining)

    def _noisy(self, law: str, exact: NDArray[np.int64], scale: float) -> NDArray[np.int64]:
        frozen = self._run.frozen_output()
        if isinstance(frozen, np.ndarray) and frozen.shape == exact.shape:
            return frozen
        return exact + NOISES[law](scale, exact.size, self._run.rng).reshape(exact.shape)

    def _picked(self, law: str, scores: NDArray[np.int64], scale: float) -> int:
        frozen = self._run.frozen_output()
        if isinstance(frozen, int) and frozen < len(scores):
            return frozen
        return PICKS[law](scores, scale, self._run.rng)


class _Coarser:
    """Counts over the coarser domain: a bucket's count is the sum of its codes' counts."""

    def __init__(self, source: Counts, buckets: Mapping[str, NDArray[np.int64]]) -> None:
        self._source, self._buckets = source, buckets
        sizes = {a: int(buckets[a].max()) + 1 if a in buckets else source.domain[a] for a in source.domain}
        self.domain = Domain.from_sizes(sizes)

    def counts(self, cliques: Sequence[Clique]) -> list[NDArray[np.int64]]:
        """Exact int64 counts over the buckets."""
        return [self._merged(clique, fine) for clique, fine in zip(cliques, self._source.counts(cliques), strict=True)]

    def _merged(self, clique: Clique, counts: NDArray[np.int64]) -> NDArray[np.int64]:
        for axis, attribute in enumerate(clique):
            if attribute in self._buckets:
                member = self._buckets[attribute] == np.arange(self.domain[attribute])[:, None]
                counts = np.moveaxis(np.tensordot(member.astype(np.int64), counts, axes=(1, axis)), 0, axis)
        return counts
