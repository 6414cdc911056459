"""Exact confidence bounds on what an attack achieved: rates, and the privacy parameters that they refute.

Every bound is one-sided, holds with probability at least 1 − alpha for any sample size (Clopper & Pearson, "The use
of confidence or fiducial limits illustrated in the case of the binomial", 1934), and is meant for guesses whose rule
was fixed before the trials were seen. Each comes with a ceiling: the largest value that the trials could have shown.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from dpsynth.errors import UsageError

Side = Literal["lower", "upper"]


def clopper_pearson(successes: int, trials: int, alpha: float, side: Side) -> float:
    """The one-sided bound on the chance of a success; 0 and 1 are attained where no success, or nothing else, was seen.

    Without trials nothing is known: 0 below, 1 above. Raises ``UsageError`` unless 0 ≤ successes ≤ trials and
    0 < alpha < 1.
    """
    from scipy.special import betaincinv

    if not 0 <= successes <= trials:
        raise UsageError("successes lie between 0 and the number of trials")
    if not 0 < alpha < 1:
        raise UsageError("alpha lies strictly between 0 and 1")
    if side == "lower":
        return float(betaincinv(successes, trials - successes + 1, alpha)) if successes else 0.0
    return float(betaincinv(successes + 1, trials - successes, 1 - alpha)) if successes < trials else 1.0


def mu_lower(correct: int, trials: int, alpha: float) -> float:
    """The least mu of Gaussian differential privacy that these guesses leave possible, at least 0.

    One trial tosses a fair coin, runs the mechanism on one of two neighbors and guesses which: under mu-GDP no guess is
    right more often than Phi(mu/2) (Dong, Roth & Su 2022, definition 2.1). Infinite if that cannot be told from 1.
    """
    from scipy.special import ndtri

    return max(0.0, 2 * float(ndtri(clopper_pearson(correct, trials, alpha, "lower"))))


def epsilon_lower(false_positives: int, false_negatives: int, trials: int, alpha: float, delta: float) -> float:
    """The least epsilon, at this delta, that the errors of a test with ``trials`` runs on each neighbor leave possible.

    (epsilon, delta)-DP demands FPR + e^epsilon · FNR ≥ 1 − delta and the same the other way round (Kairouz, Oh &
    Viswanath 2015, theorem 2.1); both rates are bounded above at alpha/2. At least 0.
    """
    positive = clopper_pearson(false_positives, trials, alpha / 2, "upper")
    negative = clopper_pearson(false_negatives, trials, alpha / 2, "upper")
    ways = ((1 - delta - positive, negative), (1 - delta - negative, positive))
    return max([0.0, *(math.log(seen / missed) for seen, missed in ways if seen > 0)])


def epsilon_lower_of_guesses(correct: int, trials: int, alpha: float, delta: float) -> float:
    """The least epsilon, at this delta, that guesses of a fair coin leave possible, at least 0.

    The mean of FPR + e^epsilon · FNR ≥ 1 − delta and of the same the other way round: no guess is right more often than
    (e^epsilon + delta) / (1 + e^epsilon). Infinite if that cannot be told from 1.
    """
    right = clopper_pearson(correct, trials, alpha, "lower")
    if right >= 1:
        return math.inf
    return max(0.0, math.log((right - delta) / (1 - right))) if right > delta else 0.0


def epsilon_lower_of_ratios(
    ratios: NDArray[np.float64], alpha: float, delta: float, rng: np.random.Generator
) -> float | None:
    """The least epsilon, at this delta, that exact log-likelihood ratios L = log P/Q drawn under P leave possible.

    δ(ε) = sup P(S) − e^ε Q(S) = E_P[(1 − e^(ε − L))₊] = P[L − E > ε] with E a standard exponential: the epsilon that
    belongs to delta is a quantile of L − E, and an order statistic bounds it with exact coverage (the k-th largest
    value, k fixed by alpha, delta and the number of ratios before any is seen). ``None`` with fewer ratios than that
    takes. At least 0. Precondition: the ratios are exact.
    """
    rank = order_of(len(ratios), alpha, delta)
    if rank is None:
        return None
    shifted = ratios - rng.exponential(size=len(ratios))
    return max(0.0, float(np.partition(shifted, len(shifted) - rank)[len(shifted) - rank]))


def order_of(trials: int, alpha: float, delta: float) -> int | None:
    """The least number of successes among ``trials`` that shows a chance above delta; ``None`` if no number does."""
    low, high = 1, trials
    if not trials or clopper_pearson(trials, trials, alpha, "lower") <= delta:
        return None
    while low < high:
        middle = (low + high) // 2
        if clopper_pearson(middle, trials, alpha, "lower") > delta:
            high = middle
        else:
            low = middle + 1
    return low


def mu_ceiling(trials: int, alpha: float) -> float:
    """The largest ``mu_lower`` that this many guesses can show: when all of them are right."""
    return mu_lower(trials, trials, alpha)


def ceiling(trials: int, alpha: float, delta: float = 0.0) -> float:
    """The largest ``epsilon_lower`` that this many runs on each neighbor can show: when the test never errs."""
    return epsilon_lower(0, 0, trials, alpha, delta)
