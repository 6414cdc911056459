"""What an attack achieved, as estimates with one-sided bounds, and the trials that a threshold needs.

Every bound of an estimate misses with probability at most alpha, exactly unless its class says otherwise, over the
draw of the records that were attacked. It does not speak of the noise of another fit: one release is one draw.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from dpsynth.audit.bounds import clopper_pearson
from dpsynth.errors import UsageError
from dpsynth.evidence import Interval

Scores = NDArray[np.float64]

MOST_TRIALS = 1 << 30
"""No sample size beyond this is looked for."""


class Estimate(Protocol):
    """A risk that was estimated."""

    @property
    def nothing(self) -> float:
        """Its value when nothing leaks."""
        ...

    @property
    def value(self) -> float:
        """The point estimate."""
        ...

    @property
    def trials(self) -> Mapping[str, int]:
        """The sample size of every group."""
        ...

    def lower(self, alpha: float) -> float:
        """Misses the truth from above with probability at most alpha."""
        ...

    def upper(self, alpha: float) -> float:
        """Misses the truth from below with probability at most alpha."""
        ...

    def ceiling(self, alpha: float) -> float:
        """The largest lower bound that these trials could have shown."""
        ...

    def visible(self, alpha: float) -> float | None:
        """The least value that shows, by a lower bound above ``nothing``, with probability at least 1 − alpha.

        The controls are taken as they were found. ``None``: these trials could have shown no value.
        """
        ...

    def needed(self, threshold: float, alpha: float) -> int | None:
        """Trials in each group whose upper bound is at most the threshold if nothing leaks; ``None``: no number."""
        ...


@dataclass(frozen=True)
class Rate:
    """``successes`` of ``trials`` independent attempts; bounds are Clopper and Pearson's."""

    successes: int
    trials: int

    def __post_init__(self) -> None:
        if not 0 <= self.successes <= self.trials:
            raise UsageError("successes lie between 0 and the number of trials")

    @staticmethod
    def of(flags: NDArray[np.bool_]) -> Rate:
        """How many of these attempts succeeded."""
        return Rate(int(np.count_nonzero(flags)), int(flags.size))

    @property
    def value(self) -> float:
        """The share of successes, 0 without trials."""
        return self.successes / self.trials if self.trials else 0.0

    def lower(self, alpha: float) -> float:
        """0 without a success."""
        return clopper_pearson(self.successes, self.trials, alpha, "lower")

    def upper(self, alpha: float) -> float:
        """1 when every attempt succeeded, or none was made."""
        return clopper_pearson(self.successes, self.trials, alpha, "upper")

    def interval(self, level: float = 0.95) -> Interval:
        """Both bounds, each at half of what the level leaves."""
        return Interval(self.lower((1 - level) / 2), self.upper((1 - level) / 2), level)


@dataclass(frozen=True)
class Excess:
    """Of the attempts that fail without the record, how many succeed with it: (a − c)/(1 − c), at least 0.

    ``members``: attempts on records that were fitted, a; ``controls``: the same attempts on records held out before the
    fit. c is ``factor`` times their rate: 1 unless more fitted records than held-out ones could have been hit. Each
    bound puts two Clopper–Pearson bounds at alpha/2 together (Giomi et al., "Anonymeter", PoPETs 2023, equation 3, with
    exact intervals). Without controls the risk can be anything up to the rate's own bound.
    """

    members: Rate
    controls: Rate
    factor: float = 1.0

    @property
    def nothing(self) -> float:
        """0."""
        return 0.0

    @property
    def value(self) -> float:
        """The excess of the observed rates."""
        return self._excess(self.members.value, self.controls.value)

    @property
    def trials(self) -> Mapping[str, int]:
        """Attempts by group."""
        return {"members": self.members.trials, "controls": self.controls.trials}

    def lower(self, alpha: float) -> float:
        """From the least a and the largest c."""
        return self._excess(self.members.lower(alpha / 2), self.controls.upper(alpha / 2))

    def upper(self, alpha: float) -> float:
        """From the largest a and the least c."""
        return self._excess(self.members.upper(alpha / 2), self.controls.lower(alpha / 2))

    def ceiling(self, alpha: float) -> float:
        """The lower bound if every attempt on members, and none on controls, had succeeded."""
        n, m = self.members.trials, self.controls.trials
        return Excess(Rate(n, n), Rate(0, m), self.factor).lower(alpha)

    def visible(self, alpha: float) -> float | None:
        """From the rate of members."""
        rate = visible_rate(
            self.members.trials, lambda found: Excess(found, self.controls, self.factor).lower(alpha) > 0, alpha
        )
        return None if rate is None else self._excess(rate, self.controls.value)

    def needed(self, threshold: float, alpha: float) -> int | None:
        """Attempts in each group, when the controls' rate stays what it is."""
        rate = self.controls.value

        def upper(n: int) -> float:
            controls = Rate(round(rate * n), n)
            return Excess(Rate(round(min(1.0, self.factor * rate) * n), n), controls, self.factor).upper(alpha)

        return least(lambda n: upper(n) <= threshold)

    def _excess(self, attack: float, control: float) -> float:
        base = min(1.0, self.factor * control)
        return max(0.0, (attack - base) / (1 - base)) if base < 1 else 0.0


@dataclass(frozen=True)
class Advantage:
    """By how much more often members are taken for members than controls are: TPR − FPR, at least 0.

    For a test fixed before these records were looked at. Two Clopper–Pearson bounds at alpha/2 each.
    """

    members: Rate
    controls: Rate

    @property
    def nothing(self) -> float:
        """0."""
        return 0.0

    @property
    def value(self) -> float:
        """The difference of the observed rates."""
        return max(0.0, self.members.value - self.controls.value)

    @property
    def trials(self) -> Mapping[str, int]:
        """Records by group."""
        return {"members": self.members.trials, "controls": self.controls.trials}

    def lower(self, alpha: float) -> float:
        """From the least TPR and the largest FPR."""
        return max(0.0, self.members.lower(alpha / 2) - self.controls.upper(alpha / 2))

    def upper(self, alpha: float) -> float:
        """From the largest TPR and the least FPR."""
        return max(0.0, self.members.upper(alpha / 2) - self.controls.lower(alpha / 2))

    def ceiling(self, alpha: float) -> float:
        """The lower bound of a test that never errs."""
        n, m = self.members.trials, self.controls.trials
        return Advantage(Rate(n, n), Rate(0, m)).lower(alpha)

    def visible(self, alpha: float) -> float | None:
        """From the rate of members."""
        rate = visible_rate(self.members.trials, lambda found: Advantage(found, self.controls).lower(alpha) > 0, alpha)
        return None if rate is None else rate - self.controls.value

    def needed(self, threshold: float, alpha: float) -> int | None:
        """Records in each group, when the controls' rate stays what it is."""
        rate = self.controls.value

        def upper(n: int) -> float:
            same = Rate(round(rate * n), n)
            return Advantage(same, same).upper(alpha)

        return least(lambda n: upper(n) <= threshold)


@dataclass(frozen=True)
class Guesses:
    """``right`` of ``rounds`` games in which a fair coin said whether one record was fitted: its advantage 2p − 1.

    The measure for a single record on a fixed table (refits with and without it). Clopper–Pearson on one binomial.
    """

    right: int
    rounds: int

    @property
    def nothing(self) -> float:
        """0."""
        return 0.0

    @property
    def value(self) -> float:
        """The observed advantage, at least 0."""
        return max(0.0, 2 * Rate(self.right, self.rounds).value - 1)

    @property
    def trials(self) -> Mapping[str, int]:
        """The rounds."""
        return {"rounds": self.rounds}

    def lower(self, alpha: float) -> float:
        """At least 0."""
        return max(0.0, 2 * Rate(self.right, self.rounds).lower(alpha) - 1)

    def upper(self, alpha: float) -> float:
        """At least 0."""
        return max(0.0, 2 * Rate(self.right, self.rounds).upper(alpha) - 1)

    def ceiling(self, alpha: float) -> float:
        """The lower bound when every guess is right."""
        return Guesses(self.rounds, self.rounds).lower(alpha)

    def visible(self, alpha: float) -> float | None:
        """From the rate of right guesses."""
        rate = visible_rate(self.rounds, lambda found: 2 * found.lower(alpha) > 1, alpha)
        return None if rate is None else 2 * rate - 1

    def needed(self, threshold: float, alpha: float) -> int | None:
        """Rounds, when half of the guesses are right."""
        return least(lambda n: Guesses(n // 2, n).upper(alpha) <= threshold)


@dataclass(frozen=True)
class Auc:
    """The chance that a member scores above a control, ties counting half; as a risk, ``value`` is 2 AUC − 1.

    Bounds are Wilson's with the largest variance that any pair of laws allows, A (1 − A)/min(n, m) (van Dantzig, "On
    the consistency and the power of Wilcoxon's two sample test", 1951): approximate in that the mean of many ranks is
    taken as normal, too wide in every other respect.
    """

    area: float
    members: int
    controls: int

    @staticmethod
    def of(members: Scores, controls: Scores) -> Auc:
        """The area under the ROC curve of these scores: O(n log n)."""
        if not (len(members) and len(controls)):
            return Auc(0.5, len(members), len(controls))
        ordered = np.sort(controls)
        below = np.searchsorted(ordered, members, "left") + np.searchsorted(ordered, members, "right")
        return Auc(float(below.mean()) / (2 * len(controls)), len(members), len(controls))

    @property
    def nothing(self) -> float:
        """0."""
        return 0.0

    @property
    def value(self) -> float:
        """Twice the area above one half, at least 0."""
        return max(0.0, 2 * self.area - 1)

    @property
    def trials(self) -> Mapping[str, int]:
        """Records by group."""
        return {"members": self.members, "controls": self.controls}

    def interval(self, level: float = 0.95) -> Interval:
        """Of the area itself, both sides."""
        return Interval(*self._wilson((1 - level) / 2), level)

    def lower(self, alpha: float) -> float:
        """Of ``value``."""
        return max(0.0, 2 * self._wilson(alpha)[0] - 1)

    def upper(self, alpha: float) -> float:
        """Of ``value``."""
        return max(0.0, 2 * self._wilson(alpha)[1] - 1)

    def ceiling(self, alpha: float) -> float:
        """The lower bound when every member scores above every control."""
        return Auc(1.0, self.members, self.controls).lower(alpha)

    def visible(self, alpha: float) -> float | None:
        """From the least area whose lower bound is above one half, (1 + z/√(n + z²))/2."""
        from scipy.special import ndtri

        n, z = min(self.members, self.controls), float(ndtri(1 - alpha))
        if not n:
            return None
        return Auc((1 + z / math.sqrt(n + z * z)) / 2, self.members, self.controls).upper(alpha)

    def needed(self, threshold: float, alpha: float) -> int | None:
        """Records in each group, when the area is one half."""
        return least(lambda n: Auc(0.5, n, n).upper(alpha) <= threshold)

    def _wilson(self, alpha: float) -> tuple[float, float]:
        from scipy.special import ndtri

        n = min(self.members, self.controls)
        if not n:
            return 0.0, 1.0
        z2 = float(ndtri(1 - alpha)) ** 2 / n
        middle = (self.area + z2 / 2) / (1 + z2)
        half = math.sqrt(z2 * (self.area * (1 - self.area) + z2 / 4)) / (1 + z2)
        return max(0.0, min(middle - half, self.area)), min(1.0, max(middle + half, self.area))


def claimed_true_positives(false_positives: float, epsilon: float, delta: float) -> float:
    """The largest TPR at this FPR that (epsilon, delta)-differential privacy allows any test of one record.

    min(e^ε f + δ, 1 − e^−ε (1 − δ − f)), Kairouz, Oh & Viswanath 2015, theorem 2.1.
    """
    first = math.exp(min(epsilon, 700.0)) * false_positives + delta
    second = 1 - math.exp(-epsilon) * (1 - delta - false_positives)
    return min(1.0, first, second)


def claimed_advantage(epsilon: float, delta: float) -> float:
    """The largest TPR − FPR that (epsilon, delta)-differential privacy allows: (e^ε − 1 + 2δ)/(e^ε + 1)."""
    return min(1.0, math.tanh(epsilon / 2) + 2 * delta / (1 + math.exp(min(epsilon, 700.0))))


def least(enough: Callable[[int], bool]) -> int | None:
    """The least number of trials, up to rounding of the successes, that is enough; ``None`` if 2^30 are not."""
    high = 1
    while not enough(high):
        high *= 2
        if high > MOST_TRIALS:
            return None
    low = high // 2
    while low + 1 < high:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def visible_rate(trials: int, shows: Callable[[Rate], bool], alpha: float) -> float | None:
    """The least rate that ``shows`` with probability at least 1 − alpha; ``None`` when not even certain success does.

    ``shows``: false without a success, and true beyond the least number for which it is. The rate r solves
    P[Bin(trials, r) < that number] = alpha.
    """
    if not (trials and shows(Rate(trials, trials))):
        return None
    first = least(lambda successes: shows(Rate(min(successes, trials), trials)))
    return None if first is None else Rate(first - 1, trials).upper(alpha)
