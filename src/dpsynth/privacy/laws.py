"""The pure laws of the room's mechanisms: scores, sensitivities, exact losses and log-probabilities.

Nothing here draws randomness or sees a table; the curator, its tests and the audit share these functions.
"""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from dpsynth.errors import BudgetExceededError
from dpsynth.privacy.loss import UNITS, PrivacyLoss

COUNT_LIMIT = 1 << 40
"""Scores saturate at this many rows (saturation is 1-Lipschitz: it never raises a sensitivity)."""
WEIGHT_LIMIT = 1 << 20
PENALTY_LIMIT = 1 << 60
_MAP_ROUNDING = 1 + Fraction(1, 1 << 48)


def measure_sensitivity(rows_per_unit: int) -> int:
    """The L2 sensitivity of one marginal: all of a unit's rows may fall into one cell."""
    return rows_per_unit


def score_sensitivity(max_weight: int, rows_per_unit: int) -> int:
    """How far a score can move, in either direction, between neighbors: |Δ‖x − m‖₁| ≤ ‖Δx‖₁ ≤ rows per unit."""
    return max_weight * rows_per_unit


def score(counts: NDArray[np.int64], estimate: NDArray[np.int64], weight: int, penalty: int) -> int:
    """Weight · min(‖counts − estimate‖₁, 2**40) − penalty, exact."""
    distance = int(np.abs(counts - estimate).sum())
    return weight * min(distance, COUNT_LIMIT) - penalty


def rho_of_scale(sensitivity: int, scale: float) -> Fraction:
    """sensitivity² / (2 scale²), exact: the zCDP loss of the discrete Gaussian (CKS 2020, Theorem 4) and equally of
    the noisy maximum at this scale, (2 sensitivity / scale)² / 8 (Rogers & Steinke 2021: bounded range).
    """
    return Fraction(sensitivity) ** 2 / (2 * Fraction(scale) ** 2)


def charged_rho(sensitivity: int, scale: float) -> Fraction:
    """``rho_of_scale`` plus one part in 2**48: covers the upward rounding of a floating-point privacy map."""
    return rho_of_scale(sensitivity, scale) * _MAP_ROUNDING


def scale_of_rho(sensitivity: int, rho_units: int) -> float:
    """A float scale, least up to rounding, whose charge is at most ``rho_units`` · 2**-64 in exact arithmetic.

    Raises ``BudgetExceededError`` if no finite scale is that cheap.
    """
    if rho_units < 1:
        raise BudgetExceededError("the budget of an answer is below the smallest unit of 2**-64")
    scale = sensitivity / math.sqrt(2 * rho_units / UNITS)
    while -(-charged_rho(sensitivity, scale) * UNITS // 1) > rho_units:
        scale *= 1 + 2.0**-50
    return scale


def gaussian_loss(sensitivity: int, scale: float) -> PrivacyLoss:
    """The charge of a discrete Gaussian answer, rounded up.

    mu² is the candidate sensitivity²/scale² · (1 + 1.1/(24 scale²))², recorded only (no zCDP pool relies on it).
    """
    inflation = (1 + Fraction(11, 240) / Fraction(scale) ** 2) ** 2
    rho = charged_rho(sensitivity, scale)
    return PrivacyLoss.charge(rho=rho, mu2=2 * rho * inflation)


def noisy_max_loss(sensitivity: int, scale: float) -> PrivacyLoss:
    """The charge of a noisy maximum, rounded up; mu² = 0.3927 eta² ≥ (pi/8) eta² is a candidate, recorded only."""
    eta = 2 * Fraction(sensitivity) / Fraction(scale)
    return PrivacyLoss.charge(rho=charged_rho(sensitivity, scale), mu2=Fraction(3927, 10_000) * eta**2)


def discrete_gaussian_log_probability(values: NDArray[np.int64], scale: float) -> NDArray[np.float64]:
    """Log P[X = v] for X ~ N_Z(0, scale²), nats, same shape as ``values``."""
    variance = scale * scale
    reach = max(20, math.ceil(40 * scale))
    support = np.arange(-reach, reach + 1, dtype=np.float64)
    log_normalizer = float(np.log(np.exp(-(support**2) / (2 * variance)).sum()))
    squares: NDArray[np.float64] = values.astype(np.float64) ** 2
    return -squares / (2 * variance) - log_normalizer


def noisy_max_log_probabilities(scores: NDArray[np.int64], scale: float) -> NDArray[np.float64]:
    """Log P[index = i] of the noisy maximum (exponential mechanism, P ∝ exp(score / scale)), nats."""
    logits = (scores - scores.max()).astype(np.float64) / scale
    normalized: NDArray[np.float64] = logits - np.log(np.exp(logits).sum())
    return normalized
