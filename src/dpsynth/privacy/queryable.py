"""The only door to sensitive rows: questions that a synthesizer may ask. It sends data, never code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from dpsynth.domain import Clique, Domain
from dpsynth.privacy.answers import NoisyMarginal, Selection
from dpsynth.privacy.governor import Governor
from dpsynth.privacy.loss import PrivacyLoss
from dpsynth.privacy.unit import Unit


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """One candidate of a selection: score = weight · ‖counts − estimate‖₁ − penalty.

    ``estimate`` is int64 counts in clique order (a model's estimate rounded to integers), ``weight`` an integer of
    at least 1, ``penalty`` an integer. All of it is public.
    """

    clique: Clique
    estimate: NDArray[np.int64]
    weight: int = 1
    penalty: int = 0


class Queryable(Protocol):
    """Answers questions about a table under a reserved budget; every answer is charged first, then noised."""

    @property
    def domain(self) -> Domain:
        """The public domain of the table."""
        ...

    @property
    def unit(self) -> Unit:
        """The privacy unit; public."""
        ...

    @property
    def governor(self) -> Governor:
        """The currency that the reservation is spent in; public."""
        ...

    @property
    def remaining(self) -> PrivacyLoss:
        """What is left of the reservation."""
        ...

    def measure(
        self, cliques: Sequence[Clique], loss: PrivacyLoss, weights: Sequence[int] | None = None
    ) -> tuple[NoisyMarginal, ...]:
        """Noisy marginals of these cliques, charged together at most ``loss``.

        An integer weight w gives its marginal the scale s / w (up to rounding up of scales). The noise is Gaussian, or
        Laplace under pure epsilon. Raises ``BudgetExceededError`` without reading anything if less than ``loss``
        remains.
        """
        ...

    def select(self, candidates: Sequence[Candidate], loss: PrivacyLoss) -> Selection:
        """The noisy maximum of the candidates' scores, charged at most ``loss``: the exponential mechanism, or
        permute-and-flip under pure epsilon.
        """
        ...

    def coarsened(self, buckets: Mapping[str, NDArray[np.int64]]) -> Queryable:
        """The same table with some attributes mapped to buckets (code → bucket, public): a row-wise map.

        Charges go to the same reservation; sensitivities are unchanged.
        """
        ...
