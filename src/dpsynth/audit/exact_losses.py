"""What primitives, thresholds and budgets really lose, by enumerating laws on worst-case inputs, against their charges.

No draw is made, so nothing here can alarm by chance: a charge below the exact loss is a fault in the accounting of
``privacy/laws.py``, and a charge far above it is noise that nobody asked for.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from dpsynth.audit.primitives import flip_law, gaussian_law, laplace_law, selection_law
from dpsynth.privacy.conversions import DELTA_CONVERSION, budget_of
from dpsynth.privacy.governor import Governor
from dpsynth.privacy.laws import LOSSES, measured_scales
from dpsynth.privacy.loss import UNITS, PrivacyLoss
from dpsynth.privacy.thresholds import least_threshold

ORDERS = (1.001, 1.1, 1.5, 2.0, 4.0, 8.0, 32.0)
"""Orders of the Rényi divergences that zCDP bounds."""
RELATIVE_SCALES = (1.0, 1.7, 4.3, 10.0, 34.25)
"""Scales, in sensitivities."""
SENSITIVITIES = (1, 2, 5)
CANDIDATES = (2, 3, 12)
EPSILONS = (Fraction(1, 2), Fraction(1), Fraction(2), Fraction(4), Fraction(10))
"""Of the budgets whose largest Gaussian answer is enumerated."""
DELTA = Fraction(1, 10**5)
SLACK = 1e-9
"""Room for the rounding of float64 in the enumeration."""
_LEAST_DELTA = 1e-11

Law = NDArray[np.float64]


@dataclass(frozen=True)
class ExactLoss:
    """``law``: what was enumerated. ``used``: by currency, the largest exact loss on worst-case inputs, as part of the
    charge.
    """

    law: str
    sensitivity: int
    scale: float
    used: dict[str, float]

    @property
    def passed(self) -> bool:
        """Whether every charge covers what is lost."""
        return bool(self.used) and max(self.used.values()) <= 1 + SLACK


def exact_losses() -> Iterator[ExactLoss]:
    """Every law of the room, the thresholds of discoveries and the conversion of budgets, at several settings."""
    for sensitivity in SENSITIVITIES:
        for relative in RELATIVE_SCALES:
            for law in LOSSES:
                yield exact_loss(law, sensitivity, relative * sensitivity)
            yield exact_threshold(sensitivity, relative * sensitivity)
    for governor in (Governor.ZCDP, Governor.GDP):
        for epsilon in EPSILONS:
            yield exact_budget(governor, epsilon)


def exact_loss(law: str, sensitivity: int, scale: float) -> ExactLoss:
    """One law: its exact loss between neighbors against ``LOSSES[law]``, in every currency that it states."""
    charge = LOSSES[law](sensitivity, scale)
    used: dict[str, float] = {}
    for pair in _pairs(law, sensitivity, scale):
        for first, second in (pair, pair[::-1]):
            for currency, part in _used(first, second, charge):
                used[currency] = max(part, used.get(currency, 0.0))
    return ExactLoss(law, sensitivity, scale, used)


def exact_threshold(rows: int, scale: float) -> ExactLoss:
    """How likely the keys of one unit are released at the least threshold for a delta of 1e-5, as part of that delta.

    A unit's rows lie in one key, or each in a key of its own.
    """
    threshold = least_threshold(rows, scale, int(DELTA * UNITS))
    support, weights = gaussian_law(scale)
    together = float(weights[support >= threshold - rows].sum())
    apart = -math.expm1(rows * math.log1p(-float(weights[support >= threshold - 1].sum())))
    return ExactLoss("threshold", rows, scale, {"delta": max(together, apart) / float(DELTA)})


def exact_budget(governor: Governor, epsilon: Fraction) -> ExactLoss:
    """The exact delta at epsilon of a Gaussian answer that spends a whole (epsilon, 1e-5) budget, as part of what the
    conversion may use of that delta.
    """
    (scale,) = measured_scales(governor, 1, budget_of(epsilon, DELTA, governor))
    ((first, second),) = _pairs("gaussian", 1, scale)
    exact = float(np.maximum(first - math.exp(epsilon) * second, 0).sum())
    used = {"delta": exact / float(DELTA * DELTA_CONVERSION)}
    return ExactLoss(f"{governor} budget of epsilon {epsilon}", 1, scale, used)


def _used(first: Law, second: Law, charge: PrivacyLoss) -> Iterator[tuple[str, float]]:
    both = (first > 0) & (second > 0)
    p, q = first[both], second[both]
    if charge.rho:
        yield "rho", _rho(p, q) / float(Governor.ZCDP.amount(charge))
    if charge.mu2:
        yield "mu2", _delta_ratio(first, second, Governor.GDP.amount(charge))
    if charge.epsilon:
        yield "epsilon", float(np.log(p / q).max()) / float(Governor.PURE.amount(charge))


def _rho(p: Law, q: Law) -> float:
    """The largest Rényi divergence of ``ORDERS``, each divided by its order."""
    ratio = np.log(p / q)
    return max(
        float(np.log((p * np.exp((order - 1) * ratio)).sum())) / ((order - 1) * order)
        for order in ORDERS
        if (order - 1) * float(ratio.max()) < 600
    )


def _delta_ratio(p: Law, q: Law, mu2: Fraction) -> float:
    """The largest delta(epsilon) of the pair as part of that of a Gaussian of this mu², over 40 epsilons."""
    mu = math.sqrt(mu2)
    epsilons = np.linspace(0, mu * mu / 2 + 5 * mu, 40)
    bounds = stats.norm.cdf(mu / 2 - epsilons / mu) - np.exp(epsilons) * stats.norm.cdf(-mu / 2 - epsilons / mu)
    exact = np.maximum(p - np.exp(epsilons)[:, None] * q, 0).sum(axis=1)
    told = bounds > _LEAST_DELTA
    return float((exact[told] / bounds[told]).max())


def _pairs(law: str, sensitivity: int, scale: float) -> Iterator[tuple[Law, Law]]:
    """Output distributions on neighbors where the loss is largest, over one support."""
    if law in {"gaussian", "laplace"}:
        _, weights = (gaussian_law if law == "gaussian" else laplace_law)(scale)
        here = np.concatenate([weights, np.zeros(sensitivity)])
        yield here, np.roll(here, sensitivity)
        return
    law_of = selection_law if law == "exponential" else flip_law
    for count in CANDIDATES:
        for lead in (0, round(scale), round(scale * math.log(max(count - 1, 1))), round(4 * scale)):
            scores = np.zeros(count, dtype=np.int64)
            scores[0] = lead
            moved = scores - sensitivity
            moved[0] = lead + sensitivity
            yield law_of(scores, scale), law_of(moved, scale)
