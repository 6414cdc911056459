"""The curator: answers questions about sensitive counts. Validate, charge durably, read, add noise, answer.

Every question below has the same four steps in the same order, and no other path leads from a count to an answer.
Proof pages: ``docs/proofs/curator.md``, ``measure.md`` and ``select.md``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from dpsynth.curator.coarsening import CoarsenedSource, coarsening_of
from dpsynth.curator.mechanisms import SAMPLER
from dpsynth.curator.noise import counting_noise, noisy_max
from dpsynth.curator.sources import MarginalSource
from dpsynth.domain import Clique, Domain
from dpsynth.errors import BudgetExceededError, DomainError, UsageError
from dpsynth.ledger import Transaction
from dpsynth.privacy import laws
from dpsynth.privacy.answers import Coarsening, NoisyMarginal, Selection
from dpsynth.privacy.governor import Governor
from dpsynth.privacy.loss import PrivacyLoss
from dpsynth.privacy.queryable import Candidate
from dpsynth.privacy.unit import Unit


class Curator:
    """Serves ``Queryable`` over a source of exact counts, a unit and a touched ledger transaction.

    Guarantee: the answers to any adaptively chosen questions together lose at most the reservation of the transaction,
    in its pool's currency, for neighbors that differ by one unit. Every sensitivity is computed at ``unit.rows``.
    """

    def __init__(
        self,
        source: MarginalSource,
        unit: Unit,
        transaction: Transaction,
        coarsening: Coarsening = (),
    ) -> None:
        self._source = source
        self._unit = unit
        self._transaction = transaction
        self._coarsening = coarsening

    @property
    def domain(self) -> Domain:
        """The public domain of the table."""
        return self._source.domain

    @property
    def unit(self) -> Unit:
        """The privacy unit."""
        return self._unit

    @property
    def governor(self) -> Governor:
        """The currency that the reservation is spent in."""
        return self._transaction.governor

    @property
    def remaining(self) -> PrivacyLoss:
        """What is left of the reservation."""
        return self._transaction.remaining

    def measure(
        self, cliques: Sequence[Clique], loss: PrivacyLoss, weights: Sequence[int] | None = None
    ) -> tuple[NoisyMarginal, ...]:
        """Noisy marginals of the cliques, marginal i at a scale ∝ 1 / weight i: by discrete Gaussians, or by discrete
        Laplace noise under pure epsilon.

        The charge is at most ``loss``: clique i gets the part wᵢ² / Σw² of it (pure: wᵢ / Σw). Raises
        ``BudgetExceededError``, ``DomainError`` or ``UsageError`` before anything is charged or read.
        """
        weights = [1] * len(cliques) if weights is None else list(weights)
        self._check_cliques(cliques)
        self._check_weights(weights, len(cliques))
        self._check_affordable(loss)
        sensitivity = laws.measure_sensitivity(self._unit.rows)
        scales = laws.measured_scales(self.governor, sensitivity, loss, weights)
        cells = sum(self.domain.cells(clique) for clique in cliques)
        mechanisms = counting_noise(self.governor, sensitivity, scales, cells)

        receipt = self._transaction.draw(
            laws.stated(self.governor, [mechanism.loss for mechanism in mechanisms]),
            {
                "question": "measure",
                "law": mechanisms[0].law,
                "cliques": [list(clique) for clique in cliques],
                "scales": [scale.hex() for scale in scales],
                "sensitivity": sensitivity,
                "coarsened": [attribute for attribute, _ in self._coarsening],
                "sampler": mechanisms[0].sampler,
            },
        )
        counts = self._source.counts(cliques)
        return tuple(
            NoisyMarginal(
                clique=clique,
                values=mechanism(exact),
                scale=scale,
                sensitivity=sensitivity,
                receipt=receipt,
                sampler=mechanism.sampler,
                coarsening=tuple(item for item in self._coarsening if item[0] in clique),
                law=mechanism.law,
            )
            for clique, mechanism, exact, scale in zip(cliques, mechanisms, counts, scales, strict=True)
        )

    def select(self, candidates: Sequence[Candidate], loss: PrivacyLoss) -> Selection:
        """The noisy maximum over score = weight · ‖counts − estimate‖₁ − penalty, charged at most ``loss``.

        Raises ``BudgetExceededError``, ``DomainError`` or ``UsageError`` before anything is charged or read.
        """
        self._check_cliques([candidate.clique for candidate in candidates])
        self._check_candidates(candidates)
        self._check_affordable(loss)
        largest = max(candidate.weight for candidate in candidates)
        sensitivity = laws.score_sensitivity(largest, self._unit.rows)
        scale = laws.selection_scale(self.governor, sensitivity, loss)
        mechanism = noisy_max(self.governor, sensitivity, scale)

        receipt = self._transaction.draw(
            laws.stated(self.governor, [mechanism.loss]),
            {
                "question": "select",
                "law": mechanism.law,
                "candidates": len(candidates),
                "scale": scale.hex(),
                "sensitivity": sensitivity,
                "sampler": SAMPLER,
            },
        )
        counts = self._source.counts([candidate.clique for candidate in candidates])
        scores = [
            laws.score(exact, candidate.estimate, candidate.weight, candidate.penalty)
            for exact, candidate in zip(counts, candidates, strict=True)
        ]
        index = mechanism(np.array(scores, dtype=np.int64))
        return Selection(
            index=index,
            clique=candidates[index].clique,
            candidates=len(candidates),
            scale=scale,
            sensitivity=sensitivity,
            receipt=receipt,
            law=mechanism.law,
        )

    def coarsened(self, buckets: Mapping[str, NDArray[np.int64]]) -> Curator:
        """The same table with some attributes mapped code → bucket; charges go to the same transaction.

        Raises ``DomainError`` unless each map covers its attribute and uses the buckets 0 .. k−1 without a gap.
        """
        if self._coarsening:
            raise UsageError("a coarsened table cannot be coarsened again")
        source = CoarsenedSource(self._source, buckets)
        return Curator(source, self._unit, self._transaction, coarsening_of(buckets))

    def _check_cliques(self, cliques: Sequence[Clique]) -> None:
        if not cliques:
            raise UsageError("a question needs at least one clique")
        for clique in cliques:
            self.domain.check_clique(clique)

    def _check_weights(self, weights: Sequence[int], length: int) -> None:
        if len(weights) != length or any(not _is_int(w) or not 1 <= w <= laws.WEIGHT_LIMIT for w in weights):
            raise UsageError("a question needs one weight per clique, an integer between 1 and 2**20")

    def _check_candidates(self, candidates: Sequence[Candidate]) -> None:
        self._check_weights([candidate.weight for candidate in candidates], len(candidates))
        for candidate in candidates:
            estimate = candidate.estimate
            if estimate.dtype != np.int64 or estimate.shape != self.domain.shape(candidate.clique):
                raise DomainError("an estimate is not int64 of its clique's shape", where=",".join(candidate.clique))
            if estimate.size and not 0 <= int(estimate.min()) <= int(estimate.max()) <= laws.COUNT_LIMIT:
                raise DomainError("an estimate is not between 0 and 2**40", where=",".join(candidate.clique))
            if not _is_int(candidate.penalty) or abs(candidate.penalty) > laws.PENALTY_LIMIT:
                raise UsageError("a penalty is an integer of at most 2**60")

    def _check_affordable(self, loss: PrivacyLoss) -> None:
        if not 1 <= self.governor.units(loss) <= self.governor.units(self.remaining):
            raise BudgetExceededError("a question asks for more than what is left of the reservation")


def _is_int(value: object) -> bool:
    return type(value) is int
