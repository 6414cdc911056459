"""The pure laws of the room's mechanisms: scores, sensitivities, exact losses, scales and log-probabilities.

Nothing here draws randomness or sees a table; the curator, its tests and the audit share these functions.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import partial

import numpy as np
from numpy.typing import NDArray

from dpsynth.errors import BudgetExceededError, NoGuaranteeError
from dpsynth.privacy.governor import MAP_ROUNDING, RANGE_MU2, Governor, pure_loss
from dpsynth.privacy.loss import UNITS, PrivacyLoss, total

COUNT_LIMIT = 1 << 40
"""Scores saturate at this many rows (saturation is 1-Lipschitz: it never raises a sensitivity)."""
WEIGHT_LIMIT = 1 << 20
PENALTY_LIMIT = 1 << 60
LEAST_GDP_SCALE = 1.0
"""Below this scale the discrete Gaussian has no proved mu²."""


def measure_sensitivity(rows_per_unit: int) -> int:
    """The L2 sensitivity of one marginal: all of a unit's rows may fall into one cell."""
    return rows_per_unit


def score_sensitivity(max_weight: int, rows_per_unit: int) -> int:
    """How far a score can move, in either direction, between neighbors: |Δ‖x − m‖₁| ≤ ‖Δx‖₁ ≤ rows per unit."""
    return max_weight * rows_per_unit


def score(counts: NDArray[np.int64], estimate: NDArray[np.int64], weight: int, penalty: int) -> int:
    """Weight · min(‖counts − estimate‖₁, 2**40) − penalty, exact."""
    return weight * min(exact_sum(np.abs(counts - estimate)), COUNT_LIMIT) - penalty


def exact_sum(values: NDArray[np.int64]) -> int:
    """The sum of counts of at least 0, exact where int64 would wrap around: high and low bits are added apart."""
    return (int((values >> 20).sum()) << 20) + int((values & 0xFFFFF).sum())


def rho_of_scale(sensitivity: int, scale: float) -> Fraction:
    """sensitivity² / (2 scale²), exact: the zCDP loss of the discrete Gaussian (CKS 2020, Theorem 4) and equally of
    the noisy maximum at this scale, (2 sensitivity / scale)² / 8 (Rogers & Steinke 2021: bounded range).
    """
    return Fraction(sensitivity) ** 2 / (2 * Fraction(scale) ** 2)


def charged_rho(sensitivity: int, scale: float) -> Fraction:
    """``rho_of_scale`` plus one part in 2**48: covers the upward rounding of a floating-point privacy map."""
    return rho_of_scale(sensitivity, scale) * MAP_ROUNDING


def gaussian_mu2(rows: int, scale: float) -> Fraction:
    """mu² of discrete Gaussian counts of which ``rows`` rows are added or removed: rows² x (1 + x/12 + x²/48), exact,
    with x = 1/scale². ``NoGuaranteeError`` for a scale below 1, where it is not proved (``docs/proofs/gdp.md``).
    """
    if scale < LEAST_GDP_SCALE:
        raise NoGuaranteeError("GDP of the discrete Gaussian is proved for scales of at least 1")
    x = 1 / Fraction(scale) ** 2
    return rows**2 * x * (1 + x / 12 + x**2 / 48)


def noisy_max_mu2(sensitivity: int, scale: float) -> Fraction:
    """mu² of the exponential mechanism at this scale: its range is 2 sensitivity / scale (``docs/proofs/gdp.md``)."""
    return RANGE_MU2 * (2 * Fraction(sensitivity) / Fraction(scale)) ** 2


def pure_epsilon(sensitivity: int, scale: float) -> Fraction:
    """The pure epsilon sensitivity / scale, exact, plus one part in 2**48 for a privacy map's rounding: of the discrete
    Laplace at this scale, and half of what permute-and-flip costs.
    """
    return Fraction(sensitivity) / Fraction(scale) * MAP_ROUNDING


def gaussian_loss(sensitivity: int, scale: float) -> PrivacyLoss:
    """The charge of a discrete Gaussian answer, rounded up. It has no pure epsilon, and below scale 1 no mu²."""
    mu2 = gaussian_mu2(sensitivity, scale) if scale >= LEAST_GDP_SCALE else Fraction(0)
    return PrivacyLoss.charge(rho=charged_rho(sensitivity, scale), mu2=mu2)


def laplace_loss(sensitivity: int, scale: float) -> PrivacyLoss:
    """The charge of a discrete Laplace answer of this L1 sensitivity, in every currency, rounded up."""
    return pure_loss(pure_epsilon(sensitivity, scale))


def noisy_max_loss(sensitivity: int, scale: float) -> PrivacyLoss:
    """The charge of a noisy maximum by the exponential mechanism, in rho and mu², rounded up."""
    return PrivacyLoss.charge(rho=charged_rho(sensitivity, scale), mu2=noisy_max_mu2(sensitivity, scale))


def permute_and_flip_loss(sensitivity: int, scale: float) -> PrivacyLoss:
    """The charge of a noisy maximum by permute-and-flip, whose scores move both ways: 2 sensitivity / scale."""
    return pure_loss(2 * pure_epsilon(sensitivity, scale))


LOSSES: dict[str, Callable[[int, float], PrivacyLoss]] = {
    "gaussian": gaussian_loss,
    "laplace": laplace_loss,
    "exponential": noisy_max_loss,
    "permute-and-flip": permute_and_flip_loss,
}
"""The charge of an answer by the law of its noise: from its sensitivity and scale."""


def stated(governor: Governor, losses: Sequence[PrivacyLoss]) -> PrivacyLoss:
    """The sum of these charges; ``NoGuaranteeError`` if one of them states nothing in the governor's currency."""
    if not all(governor.units(loss) for loss in losses):
        raise NoGuaranteeError(f"an answer has no proved loss in {governor.symbol}, the currency of its pool")
    return total(losses)


def check_affordable(governor: Governor, loss: PrivacyLoss, remaining: PrivacyLoss) -> None:
    """Raise ``BudgetExceededError`` when a question asks for more than what is left, or for nothing."""
    if not governor.units(loss) or not governor.fits(loss, remaining):
        raise BudgetExceededError("a question asks for more than what is left of the reservation")


def scale_of_rho(sensitivity: int, rho_units: int) -> float:
    """A float scale, least up to rounding, whose charge is at most ``rho_units`` · 2**-64 in exact arithmetic.

    Raises ``BudgetExceededError`` if no finite scale is that cheap.
    """
    return _affordable(lambda loss: sensitivity / math.sqrt(2 * loss), partial(charged_rho, sensitivity), rho_units)


def measured_scales(
    governor: Governor, sensitivity: int, loss: PrivacyLoss, weights: Sequence[int] = (1,)
) -> list[float]:
    """The scales of marginals that are measured together for at most ``loss``, each ∝ 1 / weight up to rounding up.

    Gaussian marginals get the parts wᵢ² / Σw² of it, Laplace ones (pure epsilon) wᵢ / Σw. Under GDP a scale is at least
    1. Raises ``BudgetExceededError`` if a part is below the smallest unit.
    """
    return [_measured_scale(governor, sensitivity, units) for units in measured_parts(governor, loss, weights)]


def measured_parts(governor: Governor, loss: PrivacyLoss, weights: Sequence[int]) -> list[int]:
    """How many units of a loss each of several marginals gets by its weight, rounded down."""
    power = 1 if governor is Governor.PURE else 2
    norm = sum(weight**power for weight in weights)
    return [governor.units(loss) * weight**power // norm for weight in weights]


def _measured_scale(governor: Governor, sensitivity: int, units: int) -> float:
    if governor is Governor.ZCDP:
        return scale_of_rho(sensitivity, units)
    if governor is Governor.PURE:
        return _affordable(lambda loss: sensitivity / loss, partial(pure_epsilon, sensitivity), units)
    return _affordable(lambda mu2: _gdp_scale(mu2 / sensitivity**2), partial(gaussian_mu2, sensitivity), units)


def _gdp_scale(mu2: float) -> float:
    """The scale at which one row costs mu², at least 1: x + x²/12 + x³/48 = mu² by Newton's method from above."""
    x = min(mu2, 2.0)
    for _ in range(8):
        x -= (x * (1 + x / 12 + x**2 / 48) - mu2) / (1 + x / 6 + x**2 / 16)
    return max(1 / math.sqrt(x), LEAST_GDP_SCALE)


def selection_scale(governor: Governor, sensitivity: int, loss: PrivacyLoss) -> float:
    """The scale of a noisy maximum for at most ``loss``; ``BudgetExceededError`` if that is below the smallest unit."""
    units = governor.units(loss)
    if governor is Governor.ZCDP:
        return scale_of_rho(sensitivity, units)
    if governor is Governor.GDP:
        ratio = 2 * math.sqrt(RANGE_MU2)
        return _affordable(lambda mu2: ratio * sensitivity / math.sqrt(mu2), partial(noisy_max_mu2, sensitivity), units)
    return _affordable(lambda loss: 2 * sensitivity / loss, lambda scale: 2 * pure_epsilon(sensitivity, scale), units)


def _affordable(guess: Callable[[float], float], price: Callable[[float], Fraction], units: int) -> float:
    """The least scale, up to rounding, from a float guess upwards, whose exact price is at most ``units`` · 2**-64."""
    if units < 1:
        raise BudgetExceededError("the budget of an answer is below the smallest unit of 2**-64")
    scale = guess(units / UNITS)
    while -(-price(scale) * UNITS // 1) > units:
        scale *= 1 + 2.0**-50
    return scale


def deviation(law: str, scale: float) -> float:
    """The standard deviation of the noise in a cell; of the discrete Gaussian, its scale, which is never below it."""
    if law != "laplace":
        return scale
    # √(2q) / (1 − q) with q = exp(−1/scale), in a form that keeps its digits at large scales
    return math.sqrt(2 * math.exp(-1 / scale)) / -math.expm1(-1 / scale)


def discrete_gaussian_log_probability(values: NDArray[np.int64], scale: float) -> NDArray[np.float64]:
    """Log P[X = v] for X ~ N_Z(0, scale²), nats, same shape as ``values``."""
    variance = scale * scale
    reach = max(20, math.ceil(40 * scale))
    support = np.arange(-reach, reach + 1, dtype=np.float64)
    log_normalizer = float(np.log(np.exp(-(support**2) / (2 * variance)).sum()))
    squares: NDArray[np.float64] = values.astype(np.float64) ** 2
    return -squares / (2 * variance) - log_normalizer


def discrete_laplace_log_probability(values: NDArray[np.int64], scale: float) -> NDArray[np.float64]:
    """Log P[X = v] for P ∝ exp(−|v| / scale), nats, same shape as ``values``."""
    magnitudes: NDArray[np.float64] = np.abs(values).astype(np.float64)
    return math.log(math.tanh(0.5 / scale)) - magnitudes / scale


def permute_and_flip_log_probabilities(scores: NDArray[np.int64], scale: float) -> NDArray[np.float64]:
    """Log P[index = i] of permute-and-flip, nats (McKenna & Sheldon 2020, section 3): q_i ∫ Π_{j≠i} (1 − t q_j) dt over
    [0, 1] with q = exp((score − max) / scale). Gauss-Legendre is exact for this polynomial; for up to 100 scores.
    """
    heads = np.exp((scores - scores.max()).astype(np.float64) / scale)
    nodes, weights = np.polynomial.legendre.leggauss(len(scores) // 2 + 1)
    tails = 1 - np.multiply.outer((nodes + 1) / 2, heads)
    others = tails.prod(axis=1, keepdims=True) / tails
    probabilities: NDArray[np.float64] = np.log(heads * (others * weights[:, None] / 2).sum(axis=0))
    return probabilities


def noisy_max_log_probabilities(scores: NDArray[np.int64], scale: float) -> NDArray[np.float64]:
    """Log P[index = i] of the noisy maximum (exponential mechanism, P ∝ exp(score / scale)), nats."""
    logits = (scores - scores.max()).astype(np.float64) / scale
    normalized: NDArray[np.float64] = logits - np.log(np.exp(logits).sum())
    return normalized
