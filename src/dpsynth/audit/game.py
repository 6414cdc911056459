"""The guessing game: a fair coin picks one of two neighbors, the mechanism runs on it, and its transcript tells which.

Guessing by the sign of the exact likelihood ratio is the best that any attack can do (Neyman & Pearson), so one
binomial, the number of right guesses, measures the mechanism itself. A guess is right no more often than the claim
allows; the claim is what was charged.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dpsynth.audit.bounds import clopper_pearson, epsilon_lower_of_ratios, mu_ceiling, mu_lower
from dpsynth.errors import UsageError
from dpsynth.privacy.governor import Governor
from dpsynth.privacy.loss import PrivacyLoss

FALSE_ALARM = 1e-6
"""How often a verdict calls a true claim refuted, at most: tight mechanisms would fail one game in twenty at 5 %."""

Ratios = NDArray[np.float64]

Play = Callable[[int, int], tuple[Ratios, Ratios]]
"""From the numbers of runs on the table with the target and on the one without: log P[t | with] − log P[t | without] of
every transcript t, of either world.
"""


@dataclass(frozen=True)
class Claim:
    """What a run was charged, and how often the best guess may be right for that.

    ``mu``: of the proved trade-off curve, if there is one. ``sqrt_two_rho``: the mu of Gaussian noise alone for this
    rho; information, no bound once a selection is composed.
    """

    governor: str
    most_accurate: float
    mu: float | None
    sqrt_two_rho: float | None

    @staticmethod
    def of(governor: Governor, loss: PrivacyLoss, charged_mu2: Fraction | None = None) -> Claim:
        """The claim of a loss in its pool's currency. Under zCDP ``charged_mu2``, an upper bound of what the answers
        were charged in mu², gives the curve; without it the accuracy is bounded by the total variation of rho-zCDP,
        at most √(rho/2) (Pinsker) and √(1 − exp(−rho)) (Bretagnolle & Huber).
        """
        amount = governor.amount(loss)
        if governor is Governor.PURE:
            return Claim(governor.value, 1 / (1 + math.exp(-float(amount))), None, None)
        if governor is Governor.GDP:
            mu = math.sqrt(amount)
            return Claim(governor.value, _half_normal(mu), mu, None)
        rho, two_rho = float(amount), math.sqrt(2 * amount)
        if charged_mu2 is not None:
            mu = math.sqrt(charged_mu2)
            return Claim(governor.value, _half_normal(mu), mu, two_rho)
        variation = min(math.sqrt(rho / 2), math.sqrt(-math.expm1(-rho)))
        return Claim(governor.value, (1 + variation) / 2, None, two_rho)


@dataclass(frozen=True)
class Played:
    """The outcome of a game: figures of made-up tables, free to be published.

    ``accuracy_lower`` and ``mu_lower`` hold with probability 1 − alpha by one exact binomial, ``epsilon_lower``, at
    ``epsilon_lower_delta``, by two order statistics with probability 1 − alpha (``None``: not asked for, or too few
    runs); the ceiling is the ``mu_lower`` of guesses that are always right.
    """

    claim: Claim
    trials: int
    correct: int
    alpha: float
    accuracy_lower: float
    mu_lower: float
    mu_ceiling: float
    epsilon_lower: float | None
    epsilon_lower_delta: float | None

    @property
    def p_value(self) -> float:
        """How likely so many right guesses are, or more, if the claim is true: at most this, exact."""
        from scipy.special import bdtrc

        return float(bdtrc(self.correct - 1, self.trials, self.claim.most_accurate)) if self.correct else 1.0

    @property
    def refuted(self) -> bool:
        """Whether the claim is refuted: wrongly with probability at most ``FALSE_ALARM``."""
        return self.p_value < FALSE_ALARM

    def to_dict(self) -> dict[str, Any]:
        """The game as JSON-able data."""
        verdict = "FAIL" if self.refuted else "PASS"
        return {**asdict(self), "p_value": self.p_value, "false_alarm": FALSE_ALARM, "verdict": verdict}


def played(
    play: Play, claim: Claim, trials: int, rng: np.random.Generator, *, alpha: float = 0.05, delta: float | None = None
) -> Played:
    """The game of ``trials`` runs against this claim. ``play`` must have been fixed before: its tables were found on
    other transcripts. Raises ``UsageError`` without a trial.
    """
    if trials < 1:
        raise UsageError("a game needs at least one run")
    inside = int(rng.binomial(trials, 0.5))
    held, other = play(inside, trials - inside)
    correct = _right(held, rng) + _right(-other, rng)
    return Played(
        claim=claim,
        trials=trials,
        correct=correct,
        alpha=alpha,
        accuracy_lower=clopper_pearson(correct, trials, alpha, "lower"),
        mu_lower=mu_lower(correct, trials, alpha),
        mu_ceiling=mu_ceiling(trials, alpha),
        epsilon_lower=None if delta is None else epsilon_either_way(held, other, alpha, delta, rng),
        epsilon_lower_delta=delta,
    )


def epsilon_either_way(
    held: Ratios, other: Ratios, alpha: float, delta: float, rng: np.random.Generator
) -> float | None:
    """The larger of the epsilons that exact ratios show of one world against the other, each at alpha/2."""
    found = [epsilon_lower_of_ratios(ratios, alpha / 2, delta, rng) for ratios in (held, -other)]
    return max((bound for bound in found if bound is not None), default=None)


def _right(ratios: Ratios, rng: np.random.Generator) -> int:
    """How many of these are guessed right by their sign; a ratio of exactly 0 by another fair coin."""
    return int((ratios > 0).sum()) + int(rng.binomial(int((ratios == 0).sum()), 0.5))


def _half_normal(mu: float) -> float:
    """Phi(mu / 2)."""
    return 0.5 * math.erfc(-mu / 2 / math.sqrt(2))
