"""(epsilon, delta) at the edges, zCDP, GDP or pure epsilon inside: tight conversions with directed rounding.

For a rho-zCDP mechanism and every alpha > 1 (Canonne, Kamath & Steinke, "The Discrete Gaussian for Differential
Privacy", 2020, Corollary 13)::

    log delta = (alpha - 1)(alpha rho - epsilon) + alpha log(1 - 1/alpha) - log(alpha - 1)

is a valid delta. Any alpha therefore gives a sound bound. The best one is searched for in floating point; the bound
at that alpha is then evaluated in 60-digit decimals, whose exp and ln are correctly rounded, and moved outwards by
more than their accumulated error. For mu-GDP (Dong, Roth & Su, "Gaussian Differential Privacy", 2022, Corollary
2.13), exactly::

    delta = Phi(-epsilon/mu + mu/2) - exp(epsilon) Phi(-epsilon/mu - mu/2)

A search decides how tight a statement is, never whether it is true.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import replace
from decimal import MAX_EMAX, MIN_EMIN, ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from fractions import Fraction
from typing import Any

from dpsynth.errors import FileFormatError, UsageError
from dpsynth.privacy import normal
from dpsynth.privacy.governor import MAP_ROUNDING, RANGE_MU2, Governor, pure_loss
from dpsynth.privacy.loss import UNITS, PrivacyLoss

DELTA_CONVERSION = Fraction(9, 10)
"""The part of a budget's delta that pays for the conversion; the rest is for thresholded discoveries."""

_CONTEXT = Context(prec=60)
_CEILING = Context(prec=70, rounding=ROUND_CEILING, Emax=MAX_EMAX, Emin=MIN_EMIN)
_FLOOR = Context(prec=70, rounding=ROUND_FLOOR, Emax=MAX_EMAX, Emin=MIN_EMIN)
_MOST_STEPS, _CONVERGED = 60, Decimal("1e-25")
_SLACK = Decimal("1e-40")
_LARGEST = 10**6
_SMALLEST = Fraction(1, 10**300)
_EXACT = re.compile(r"[0-9]{1,200}(/[1-9][0-9]{0,199})?")


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


def epsilon_of_mu2(mu2: Fraction, delta: Fraction) -> Decimal:
    """The epsilon that sqrt(mu2)-GDP gives at this delta, exact, rounded up at the 12th significant digit.

    Raises ``UsageError`` unless mu2 lies between 0 and 2e6 and delta between 1e-300 and 1.
    """
    _check_delta(delta)
    if not 0 <= mu2 <= 2 * _LARGEST:
        raise UsageError("mu² must be at least 0 and at most 2e6")
    mu, goal = _root_above(mu2), _decimal(delta)
    if mu2 == 0 or _gaussian_delta(Decimal(0), mu) <= goal:
        return Decimal(0)

    def step(epsilon: Decimal) -> Decimal:
        c, value = normal.CONTEXT, _gaussian_delta(epsilon, mu)
        slope = c.multiply(c.exp(epsilon), normal.upper_tail(_arguments(epsilon, mu)[1])[0])
        return c.add(epsilon, c.divide(c.multiply(value, c.ln(c.divide(value, goal))), slope))

    # sqrt(mu2)-GDP implies mu2/2-zCDP: this epsilon is proved.
    proved = epsilon_of_rho(mu2 / 2, delta)
    near = _bisected(lambda epsilon: _float_delta(epsilon, float(mu)) <= float(delta), float(proved), 0.0)
    found = _nearest(step, near, proved, lambda epsilon: _gaussian_delta(epsilon, mu) <= goal)
    return Context(prec=12, rounding=ROUND_CEILING).plus(found)


def mu2_of_epsilon(epsilon: Fraction, delta: Fraction) -> Fraction:
    """The largest mu² for which mu-GDP is proved to give (epsilon, delta)-DP, rounded down at 2**-64.

    Raises ``UsageError`` unless epsilon is positive and at most 1e6 and delta lies between 1e-300 and 1.
    """
    rho = rho_of_epsilon(epsilon, delta)
    if rho == 0:
        return Fraction(0)
    exact, goal = _decimal(epsilon), _decimal(delta)

    def step(mu: Decimal) -> Decimal:
        c, value = normal.CONTEXT, _gaussian_delta(exact, mu)
        slope = normal.density(_arguments(exact, mu)[0])
        return c.subtract(mu, c.divide(c.multiply(value, c.ln(c.divide(value, goal))), slope))

    proved = _FLOOR.multiply(normal.CONTEXT.sqrt(_decimal(2 * rho)), normal.BELOW)
    near = _bisected(lambda mu: _float_delta(float(epsilon), mu) <= float(delta), float(proved), 10 * float(proved))
    mu = _nearest(step, near, proved, lambda mu: _gaussian_delta(exact, mu) <= goal)
    squared = _FLOOR.multiply(_FLOOR.multiply(mu, mu), Decimal(UNITS))
    return max(Fraction(int(squared), UNITS), 2 * rho)


def _arguments(epsilon: Decimal, mu: Decimal) -> tuple[Decimal, Decimal]:
    """epsilon/mu − mu/2, not above, and epsilon/mu + mu/2, not below their exact values."""
    half = _CEILING.divide(mu, Decimal(2))
    return _FLOOR.subtract(_FLOOR.divide(epsilon, mu), half), _CEILING.add(_CEILING.divide(epsilon, mu), half)


def _gaussian_delta(epsilon: Decimal, mu: Decimal) -> Decimal:
    """An upper bound, tight to 40 digits, of the delta of mu-GDP: Phi(−e/mu + mu/2) − exp(e) Phi(−e/mu − mu/2)."""
    near, far = _arguments(epsilon, mu)
    factor = _FLOOR.multiply(normal.CONTEXT.exp(epsilon), normal.BELOW)
    return _CEILING.subtract(normal.upper_tail(near)[1], _FLOOR.multiply(factor, normal.upper_tail(far)[0]))


def _float_delta(epsilon: float, mu: float) -> float:
    """The same in floats: good for a start."""

    def tail(x: float) -> float:
        return math.erfc(x / math.sqrt(2)) / 2

    far = tail(epsilon / mu + mu / 2)
    return tail(epsilon / mu - mu / 2) - (math.exp(epsilon + math.log(far)) if far > 0 else 0.0)


def _bisected(holds: Callable[[float], bool], good: float, bad: float) -> Decimal:
    """About where ``holds`` ends between a value that holds and one that need not."""
    for _ in range(60):
        middle = (good + bad) / 2
        good, bad = (middle, bad) if holds(middle) else (good, middle)
    return Decimal(good)


def _nearest(
    step: Callable[[Decimal], Decimal], near: Decimal, proved: Decimal, holds: Callable[[Decimal], bool]
) -> Decimal:
    """Newton's limit from ``near``, moved towards ``proved`` until it ``holds``; ``proved`` itself if it never does."""
    c, value = normal.CONTEXT, near
    for _ in range(_MOST_STEPS):
        previous, value = value, step(value)
        if value <= 0:
            return proved
        if c.abs(c.subtract(value, previous)) <= c.multiply(_CONVERGED, value):
            break
    for power in range(24, 5, -1):
        moved = c.multiply(value, c.add(Decimal(1), c.scaleb(Decimal(1 if proved > value else -1), -power)))
        if holds(moved):
            return moved
    return proved


def _root_above(value: Fraction) -> Decimal:
    """A decimal just above the square root of an exact fraction."""
    ratio = _CEILING.divide(Decimal(value.numerator), Decimal(value.denominator))
    return normal.CONTEXT.multiply(normal.CONTEXT.sqrt(ratio), normal.ABOVE)


def budget_of(epsilon: Fraction, delta: Fraction, governor: Governor = Governor.ZCDP) -> PrivacyLoss:
    """The budget (cap or reservation) that (epsilon, delta) buys in the governor's currency, rounded down.

    Nine tenths of delta pay for the conversion, one tenth is kept for thresholded discoveries: together the budget
    guarantees (epsilon, delta). Pure epsilon needs no conversion, and its delta is 0. The other currencies hold what
    the governed one affords at most; nothing is compared with them.
    """
    if governor is Governor.PURE:
        _check_epsilon(epsilon)
        if delta != 0:
            raise UsageError("a budget of pure epsilon has a delta of 0", hint="Ask --delta 0.")
        return replace(pure_loss(epsilon), epsilon=PrivacyLoss.budget(epsilon=epsilon).epsilon)
    _check_delta(delta)
    conversion = delta * DELTA_CONVERSION
    kept = PrivacyLoss.budget(delta=delta - conversion).delta
    if governor is Governor.GDP:
        mu2 = mu2_of_epsilon(epsilon, conversion)
        return PrivacyLoss.charge(mu2 / 2 * MAP_ROUNDING, mu2) + PrivacyLoss(delta=kept)
    rho = rho_of_epsilon(epsilon, conversion)
    return PrivacyLoss.charge(rho, 8 * RANGE_MU2 * rho) + PrivacyLoss(delta=kept)


def epsilon_of(loss: PrivacyLoss, delta: Fraction, governor: Governor) -> Decimal:
    """The epsilon that a loss amounts to in a pool of this governor and total delta, rounded up at the 12th digit.

    The conversion uses nine tenths of ``delta``; a pure loss converts to itself.
    """
    if governor is Governor.PURE:
        return Context(prec=12, rounding=ROUND_CEILING).divide(Decimal(loss.epsilon), Decimal(UNITS))
    convert = epsilon_of_mu2 if governor is Governor.GDP else epsilon_of_rho
    return convert(governor.amount(loss), delta * DELTA_CONVERSION)


def exact_from_record(text: Any) -> Fraction:
    """The number written as ``7`` or ``7/10``, at most 200 digits a part; ``FileFormatError`` if it is not one."""
    if not isinstance(text, str) or not _EXACT.fullmatch(text):
        raise FileFormatError("an exact number is malformed")
    return Fraction(text)


def _check_delta(delta: Fraction) -> None:
    if not _SMALLEST <= delta < 1:
        raise UsageError("delta must lie strictly between 0 and 1, and not below 1e-300")


def _check_epsilon(epsilon: Fraction) -> None:
    if not _SMALLEST <= epsilon <= _LARGEST:
        raise UsageError("epsilon must be a positive number of at most 1e6, and not below 1e-300")
