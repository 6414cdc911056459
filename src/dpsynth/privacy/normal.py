"""Tails of the standard normal as decimals with proved bounds. Proof page: ``docs/proofs/conversion.md``.

For moderate arguments the power series of Mills' ratio, elsewhere two neighboring convergents of its continued
fraction, which lie on either side of it. Arithmetic has 70 digits; the bounds are moved outwards by more than all
rounding errors together.
"""

from __future__ import annotations

from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal

CONTEXT = Context(prec=70, Emax=MAX_EMAX, Emin=MIN_EMIN)
SLACK = Decimal("1e-50")
BELOW, ABOVE = CONTEXT.subtract(Decimal(1), SLACK), CONTEXT.add(Decimal(1), SLACK)
"""Bounds are moved outwards by these factors: far more than all rounding errors, relative to the largest term."""

_PI = Decimal("3.14159265358979323846264338327950288419716939937510582097494459230781640628620899863")
_SERIES_UP_TO = 6
_CONVERGENT = 100
_NEGLIGIBLE = Decimal("1e-65")


def density(x: Decimal) -> Decimal:
    """The density of the standard normal at x, within a relative 1e-60, for |x| up to 1e4."""
    c = CONTEXT
    return c.divide(c.exp(c.divide(c.multiply(x, x), Decimal(-2))), c.sqrt(c.multiply(Decimal(2), _PI)))


def upper_tail(x: Decimal) -> tuple[Decimal, Decimal]:
    """Bounds below and above P[Z >= x], Z standard normal; for x of at least -1000."""
    c = CONTEXT
    low, high = _mills(x)
    at = density(x)
    return c.multiply(c.multiply(low, at), BELOW), c.multiply(c.multiply(high, at), ABOVE)


def _mills(x: Decimal) -> tuple[Decimal, Decimal]:
    """Bounds of Mills' ratio P[Z >= x] / density(x)."""
    c = CONTEXT
    if x > _SERIES_UP_TO:
        bounds = sorted((_convergent(x, _CONVERGENT), _convergent(x, _CONVERGENT + 1)))
        return c.multiply(bounds[0], BELOW), c.multiply(bounds[1], ABOVE)
    half = c.divide(Decimal("0.5"), density(x))
    series = _series(x)
    value = c.subtract(half, series)
    room = c.multiply(SLACK, c.add(half, c.abs(series)))
    return max(c.subtract(value, room), Decimal(0)), c.add(value, room)


def _series(x: Decimal) -> Decimal:
    """(P[Z <= x] − 1/2) / density(x) = Σ x^(2n+1) / (2n+1)!!."""
    c = CONTEXT
    square, term, total, odd = c.multiply(x, x), x, x, 1
    while c.abs(term) > c.multiply(_NEGLIGIBLE, c.abs(total)) or 2 * square > odd:
        odd += 2
        term = c.divide(c.multiply(term, square), Decimal(odd))
        total = c.add(total, term)
    return total


def _convergent(x: Decimal, depth: int) -> Decimal:
    """The continued fraction 1/(x + 1/(x + 2/(x + ...))) cut off at this depth; x above 0."""
    c = CONTEXT
    value = x
    for k in range(depth, 0, -1):
        value = c.add(x, c.divide(Decimal(k), value))
    return c.divide(Decimal(1), value)
