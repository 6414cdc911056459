"""True positives at a rate of false positives that no cut is known to have: bounds that pay for not knowing it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from dpsynth.audit.rates import Rate, Scores, least, visible_rate
from dpsynth.errors import UsageError

_FOR_THE_CUT = 10
"""The part of alpha, as a divisor, that pays for not knowing the false-positive rate of a cut."""


@dataclass(frozen=True, eq=False)
class TruePositives:
    """The true-positive rate of a test whose false-positive rate is ``false_positives``: a point of the ROC.

    ``members`` and ``controls``: float64 scores, higher means a member. No cut is known to have that rate: the k-th
    largest of n control scores has a rate of its own, Beta(k, n + 1 − k) distributed, which lies above f about half
    the time for k = f (n + 1). So each bound takes a cut whose rate is on the right side of f but for a tenth of
    alpha, P[Bin(n, f) < k] for the lower and P[Bin(n, f) >= k] for the upper one (with ties, scores equal to the cut do
    not count for the lower bound and count for the upper one), and Clopper and Pearson's bound on the members above
    it at the rest of alpha: a ROC never falls. ``value`` is the share of members above the ⌊f (n + 1)⌋-th control.
    """

    members: Scores
    controls: Scores
    false_positives: float

    def __post_init__(self) -> None:
        if not 0 < self.false_positives < 1:
            raise UsageError("a rate of false positives lies strictly between 0 and 1")

    @property
    def nothing(self) -> float:
        """Members who are no more often found than controls."""
        return self.false_positives

    @property
    def value(self) -> float:
        """The observed rate; 0 when the controls are too few for this rate of false positives."""
        rank = math.floor(self.false_positives * (len(self.controls) + 1))
        return self._above(rank).value if rank else 0.0

    @property
    def trials(self) -> Mapping[str, int]:
        """Records by group."""
        return {"members": len(self.members), "controls": len(self.controls)}

    def lower(self, alpha: float) -> float:
        """Of the members beyond a cut that is certain enough to have no more false positives; 0 without such a cut."""
        rank = self._strict(len(self.controls), alpha)
        return self._above(rank).lower(alpha - alpha / _FOR_THE_CUT) if rank else 0.0

    def upper(self, alpha: float) -> float:
        """Of the members up to a cut that is certain enough to have no fewer false positives; 1 without such a cut."""
        rank = self._loose(len(self.controls), alpha)
        if rank is None:
            return 1.0
        reached = Rate.of(self.members >= self._cut(rank))
        return reached.upper(alpha - alpha / _FOR_THE_CUT)

    def ceiling(self, alpha: float) -> float:
        """The lower bound when every member is above every control; 0 when there is no cut for it."""
        n = len(self.members)
        return Rate(n, n).lower(alpha - alpha / _FOR_THE_CUT) if self._strict(len(self.controls), alpha) else 0.0

    def visible(self, alpha: float) -> float | None:
        """Of an attack that puts the members it finds above every control, and the others among the controls.

        Beyond the cut of the lower bound there are fewer of these others than f, how many fewer is not known: f is
        added to what has to be there.
        """
        if not self._strict(len(self.controls), alpha):
            return None
        rest, f = alpha - alpha / _FOR_THE_CUT, self.false_positives
        rate = visible_rate(len(self.members), lambda found: found.lower(rest) > f, alpha)
        return None if rate is None else min(1.0, rate + f)

    def needed(self, threshold: float, alpha: float) -> int | None:
        """Records in each group, when members pass as often as controls."""

        def enough(n: int) -> bool:
            rank = self._loose(n, alpha)
            return rank is not None and Rate(rank, n).upper(alpha - alpha / _FOR_THE_CUT) <= threshold

        return least(enough)

    def _strict(self, n: int, alpha: float) -> int:
        """The largest rank whose rate of false positives is above f with probability at most a tenth of alpha."""
        from scipy.stats import binom

        rank = int(binom.ppf(alpha / _FOR_THE_CUT, n, self.false_positives)) + 1 if n else 0
        while rank and binom.cdf(rank - 1, n, self.false_positives) > alpha / _FOR_THE_CUT:
            rank -= 1
        return rank

    def _loose(self, n: int, alpha: float) -> int | None:
        """The least rank whose rate of false positives is below f with probability at most a tenth of alpha."""
        from scipy.stats import binom

        rank = int(binom.isf(alpha / _FOR_THE_CUT, n, self.false_positives)) + 1 if n else 1
        return rank if rank <= n else None

    def _above(self, rank: int) -> Rate:
        return Rate.of(self.members > self._cut(rank))

    def _cut(self, rank: int) -> float:
        place = len(self.controls) - rank
        return float(np.partition(self.controls, place)[place])
