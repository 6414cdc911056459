"""The law of thresholded discoveries: how likely keys that only one unit has are released. Draws and reads nothing.

Proof page: ``docs/proofs/categories.md``. All bounds are moved upwards: decimals of 70 digits, then exact fractions.
"""

from __future__ import annotations

import math
from decimal import ROUND_FLOOR, Context, Decimal
from fractions import Fraction

from dpsynth.errors import BudgetExceededError
from dpsynth.privacy.laws import gaussian_loss
from dpsynth.privacy.loss import PrivacyLoss
from dpsynth.privacy.normal import upper_tail

_DOWN = Context(prec=70, rounding=ROUND_FLOOR)
_FARTHEST = 40  # scales; beyond, the tail is below 1e-349


def release_probability(rows: int, scale: float, threshold: int) -> Fraction:
    """An upper bound of the probability that any key is released of which one unit holds all rows, in one column.

    A unit of at most ``rows`` rows has at most ``rows`` such keys, each with at most ``rows`` rows; a noisy count
    reaches the threshold with P[N_Z(0, scale²) >= threshold − rows] at most, and that is at most the standard
    normal's tail at (threshold − rows − 1) / scale (Canonne, Kamath & Steinke 2020).
    """
    margin = threshold - rows - 1
    if margin < 0:
        return Fraction(1)
    reach = min(_DOWN.divide(Decimal(margin), Decimal(scale)), Decimal(_FARTHEST))
    return min(rows * Fraction(upper_tail(reach)[1]), Fraction(1))


def discovery_delta(rows: int, scale: float, threshold: int) -> PrivacyLoss:
    """The delta that one column's release at this threshold is charged: ``release_probability``, rounded up."""
    return PrivacyLoss.charge(delta=release_probability(rows, scale, threshold))


def discovery_loss(rows: int, scale: float, threshold: int) -> PrivacyLoss:
    """The charge of one column's release: that of its discrete Gaussian counts, and the threshold's delta."""
    return gaussian_loss(rows, scale) + discovery_delta(rows, scale, threshold)


def least_threshold(rows: int, scale: float, delta_units: int) -> int:
    """The least threshold whose ``discovery_delta`` is at most ``delta_units`` · 2**-64.

    Raises ``BudgetExceededError`` if that is below the smallest unit.
    """
    if delta_units < 1:
        raise BudgetExceededError("the delta of a discovery is below the smallest unit of 2**-64")
    low, high = rows, rows + 1 + math.ceil(_FARTHEST * scale)
    while high - low > 1:
        middle = (low + high) // 2
        if discovery_delta(rows, scale, middle).delta <= delta_units:
            high = middle
        else:
            low = middle
    return high
