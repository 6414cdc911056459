"""A Queryable for tests: owns a made-up table, adds plain numpy noise, keeps book of what was asked.

It gives no privacy whatsoever; it lives in the tests and nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from dpsynth.domain import Clique, Domain
from dpsynth.errors import BudgetExceededError
from dpsynth.privacy.answers import NoisyMarginal, Selection
from dpsynth.privacy.governor import Governor
from dpsynth.privacy.laws import measured_scales, score, selection_scale
from dpsynth.privacy.loss import PrivacyLoss
from dpsynth.privacy.queryable import Candidate
from dpsynth.privacy.receipt import Receipt
from dpsynth.privacy.unit import Unit


class FakeQueryable:
    """``codes``: int array rows × attributes. ``asked`` lists ("measure"|"select", cliques, loss)."""

    def __init__(
        self,
        domain: Domain,
        codes: NDArray[np.integer],
        loss: PrivacyLoss,
        seed: int = 0,
        governor: Governor = Governor.ZCDP,
    ) -> None:
        self.domain = domain
        self.unit = Unit()
        self.governor = governor
        self.asked: list[tuple[str, tuple[Clique, ...], PrivacyLoss]] = []
        self._codes = np.asarray(codes).reshape(-1, len(domain))
        self._rng = np.random.default_rng(seed)
        self._spent = [PrivacyLoss()]
        self._loss = loss
        self._coarsening: dict[str, NDArray[np.int64]] = {}
        self._held: dict[Clique, NDArray[np.int64]] = {}

    @property
    def remaining(self) -> PrivacyLoss:
        return self._loss.minus(self._spent[0])

    def counts(self, clique: Clique) -> NDArray[np.int64]:
        """Exact counts, for comparisons in tests."""
        if clique not in self._held:
            columns = tuple(self._codes[:, axis] for axis in self.domain.axes(clique))
            shape = self.domain.shape(clique)
            keys = np.ravel_multi_index(columns, shape) if clique else np.zeros(len(self._codes), dtype=np.int64)
            self._held[clique] = np.bincount(keys, minlength=self.domain.cells(clique)).reshape(shape)
        return self._held[clique]

    def measure(
        self, cliques: Sequence[Clique], loss: PrivacyLoss, weights: Sequence[int] | None = None
    ) -> tuple[NoisyMarginal, ...]:
        receipt = self._charge("measure", cliques, loss)
        weights = [1] * len(cliques) if weights is None else weights
        scales = measured_scales(self.governor, 1, loss, weights)
        return tuple(self._noisy(clique, scale, receipt) for clique, scale in zip(cliques, scales, strict=True))

    def select(self, candidates: Sequence[Candidate], loss: PrivacyLoss) -> Selection:
        receipt = self._charge("select", [candidate.clique for candidate in candidates], loss)
        largest = max(candidate.weight for candidate in candidates)
        scale = selection_scale(self.governor, largest, loss)
        scores = []
        for candidate in candidates:
            assert candidate.estimate.dtype == np.int64
            assert candidate.estimate.shape == self.domain.shape(candidate.clique)
            scores.append(score(self.counts(candidate.clique), candidate.estimate, candidate.weight, candidate.penalty))
        index = int(np.argmax(np.array(scores) / scale + self._rng.gumbel(size=len(scores))))
        return Selection(index, candidates[index].clique, len(candidates), scale, largest, receipt)

    def coarsened(self, buckets: Mapping[str, NDArray[np.int64]]) -> FakeQueryable:
        codes = self._codes.copy()
        sizes = dict(zip(self.domain.attributes, self.domain.sizes, strict=True))
        for attribute, bucket_of_code in buckets.items():
            assert bucket_of_code.dtype == np.int64
            assert set(bucket_of_code) == set(range(int(bucket_of_code.max()) + 1))
            axis = self.domain.attributes.index(attribute)
            codes[:, axis] = bucket_of_code[codes[:, axis]]
            sizes[attribute] = int(bucket_of_code.max()) + 1
        coarse = FakeQueryable(Domain.from_sizes(sizes), codes, self._loss, governor=self.governor)
        coarse._rng, coarse._spent, coarse.asked = self._rng, self._spent, self.asked
        coarse._coarsening = {**self._coarsening, **buckets}
        return coarse

    def _noisy(self, clique: Clique, scale: float, receipt: Receipt) -> NoisyMarginal:
        exact = self.counts(clique)
        draw = self._rng.laplace if self.governor is Governor.PURE else self._rng.normal
        values = exact + np.rint(draw(0.0, scale, exact.shape)).astype(np.int64)
        held = self._coarsening
        coarsening = tuple((name, tuple(held[name].tolist())) for name in clique if name in held)
        law = "laplace" if self.governor is Governor.PURE else "gaussian"
        return NoisyMarginal(clique, values, scale, 1, receipt, "fake", coarsening, law)

    def _charge(self, kind: str, cliques: Sequence[Clique], loss: PrivacyLoss) -> Receipt:
        assert cliques, "a question needs a clique"
        for clique in cliques:
            self.domain.check_clique(clique)
        if not 0 < self.governor.units(loss) <= self.governor.units(self.remaining):
            raise BudgetExceededError("a question asks for more than what is left")
        self.asked.append((kind, tuple(cliques), loss))
        self._spent[0] = self._spent[0] + loss
        return Receipt("fake", len(self.asked), "0" * 64, loss)
