"""(epsilon, delta) at the edges, zCDP inside: the tight conversion with directed rounding.

For a rho-zCDP mechanism and every alpha > 1 (Canonne, Kamath & Steinke, "The Discrete Gaussian for Differential
Privacy", 2020, Corollary 13)::

    log delta = (alpha - 1)(alpha rho - epsilon) + alpha log(1 - 1/alpha) - log(alpha - 1)

is a valid delta. Any alpha therefore gives a sound bound. The best one is searched for in floating point; the bound
at that alpha is then evaluated in 60-digit decimals, whose exp and ln are correctly rounded, and moved outwards by
more than their accumulated error. Floating point decides how tight a statement is, never whether it is true.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from fractions import Fraction

from dpsynth.errors import UsageError
from dpsynth.privacy.loss import PrivacyLoss

DELTA_CONVERSION = Fraction(9, 10)
"""The part of a budget's delta that pays for the conversion; the rest is for thresholded discoveries."""

_CONTEXT = Context(prec=60)
_SLACK = Decimal("1e-40")
_LARGEST = 10**6
_SMALLEST = Fraction(1, 10**300)


def _argmin(function: Callable[[float], float], low: float, high: float) -> float:
    """A minimizer of a unimodal function on [low, high] by golden-section search."""
    ratio = (math.sqrt(5) - 1) / 2
    for _ in range(200):
        left, right = high - ratio * (high - low), low + ratio * (high - low)
        if function(left) <= function(right):
            high = right
        else:
            low = left
    return (low + high) / 2


def _decimal(value: Fraction) -> Decimal:
    return _CONTEXT.divide(Decimal(value.numerator), Decimal(value.denominator))


def _alpha_terms(alpha: Decimal) -> Decimal:
    """log(alpha - 1) - alpha log(1 - 1/alpha), the part of the bound that depends on alpha alone."""
    c = _CONTEXT
    one = Decimal(1)
    ratio = c.divide(c.subtract(alpha, one), alpha)
    return c.subtract(c.ln(c.subtract(alpha, one)), c.multiply(alpha, c.ln(ratio)))


def _float_terms(shift: float) -> float:
    """The same for alpha = 1 + shift, in floats that stay accurate for tiny and huge shifts."""
    alpha = 1.0 + shift
    return math.log(shift) + alpha * math.log1p(1.0 / shift)


def epsilon_of_rho(rho: Fraction, delta: Fraction) -> Decimal:
    """The smallest proved epsilon of rho-zCDP at this delta, rounded up at the 12th significant digit.

    Raises ``UsageError`` unless rho lies between 0 and 1e6 and delta between 1e-300 and 1.
    """
    _check_delta(delta)
    if not 0 <= rho <= _LARGEST:
        raise UsageError("rho must be at least 0 and at most 1e6")
    if rho == 0:
        return Decimal(0)
    rho_float, log_delta = float(rho), math.log(float(delta))

    def bound(log_shift: float) -> float:
        shift = math.exp(log_shift)
        return (1 + shift) * rho_float - (_float_terms(shift) + log_delta) / shift

    c = _CONTEXT
    alpha = c.add(Decimal(1), Decimal(math.exp(_argmin(bound, -30.0, 60.0))))
    log_term = c.add(_alpha_terms(alpha), c.ln(_decimal(delta)))
    exact = c.subtract(c.multiply(alpha, _decimal(rho)), c.divide(log_term, c.subtract(alpha, Decimal(1))))
    padded = c.add(exact, c.multiply(_SLACK, c.add(Decimal(1), c.abs(exact))))
    return max(Decimal(0), Context(prec=12, rounding=ROUND_CEILING).plus(padded))


def rho_of_epsilon(epsilon: Fraction, delta: Fraction) -> Fraction:
    """The largest rho for which rho-zCDP is proved to give (epsilon, delta)-DP, rounded down at 2**-64.

    Raises ``UsageError`` unless epsilon is positive and at most 1e6 and delta lies between 1e-300 and 1.
    """
    _check_delta(delta)
    _check_epsilon(epsilon)
    epsilon_float, log_delta = float(epsilon), math.log(float(delta))

    def negative_rho(log_shift: float) -> float:
        shift = math.exp(log_shift)
        return -(((log_delta + _float_terms(shift)) / shift + epsilon_float) / (1 + shift))

    c = _CONTEXT
    alpha = c.add(Decimal(1), Decimal(math.exp(_argmin(negative_rho, -30.0, 60.0))))
    log_term = c.add(_alpha_terms(alpha), c.ln(_decimal(delta)))
    exact = c.divide(c.add(c.divide(log_term, c.subtract(alpha, Decimal(1))), _decimal(epsilon)), alpha)
    padded = c.subtract(exact, c.multiply(_SLACK, c.add(Decimal(1), c.abs(exact))))
    scaled = c.multiply(padded, Decimal(1 << 64)).to_integral_value(rounding=ROUND_FLOOR)
    return Fraction(max(int(scaled), 0), 1 << 64)


def mu2_of_epsilon(epsilon: Fraction, delta: Fraction) -> Fraction:
    """mu² of the Gaussian mechanism at (epsilon, delta), rounded down by one part in 10**6.

    Recorded beside rho; it governs nothing in a zCDP pool (Dong, Roth & Su 2022, Corollary 2.13).
    """
    _check_delta(delta)
    _check_epsilon(epsilon)
    target, eps = float(delta), float(epsilon)

    def phi(x: float) -> float:
        # erfc keeps its relative accuracy in the tail, where small deltas live
        return math.erfc(-x / math.sqrt(2)) / 2

    def delta_at(mu: float) -> float:
        tail = phi(-eps / mu - mu / 2)
        return phi(-eps / mu + mu / 2) - (math.exp(eps + math.log(tail)) if tail > 0 else 0.0)

    low, high = 1e-9, 1.0
    while delta_at(high) < target and high < 1e3:
        high *= 2
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if delta_at(middle) <= target else (low, middle)
    return Fraction(low) ** 2 * Fraction(999_999, 1_000_000)


def budget_of(epsilon: Fraction, delta: Fraction) -> PrivacyLoss:
    """The budget (cap or reservation) that (epsilon, delta) buys, every component rounded down.

    Nine tenths of delta pay for the zCDP conversion, one tenth is kept for thresholded discoveries: together the
    budget guarantees (epsilon, delta).
    """
    _check_delta(delta)
    conversion = delta * DELTA_CONVERSION
    return PrivacyLoss.budget(
        rho_of_epsilon(epsilon, conversion), mu2_of_epsilon(epsilon, conversion), delta - conversion
    )


def _check_delta(delta: Fraction) -> None:
    if not _SMALLEST <= delta < 1:
        raise UsageError("delta must lie strictly between 0 and 1, and not below 1e-300")


def _check_epsilon(epsilon: Fraction) -> None:
    if not _SMALLEST <= epsilon <= _LARGEST:
        raise UsageError("epsilon must be a positive number of at most 1e6, and not below 1e-300")
