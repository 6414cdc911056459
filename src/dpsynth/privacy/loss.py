"""Privacy loss as exact integers: the currencies of the ledger.

A loss is the tuple (rho, mu², delta, epsilon) in units of 2**-64. Charges are rounded up to the next unit, budgets
down, so no sum of charges that the ledger admits can exceed its cap by rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from fractions import Fraction

from dpsynth.errors import UsageError

UNITS = 1 << 64
"""Units in a loss of 1."""

_0 = Fraction(0)


@dataclass(frozen=True, slots=True)
class PrivacyLoss:
    """rho (zCDP), mu² (GDP), delta (thresholded discoveries) and pure epsilon, in units of 2**-64.

    Losses add componentwise: composition. Every field is an exact integer of at least 0. An answer that has no proved
    loss in a currency states 0 there; a pool governed by that currency refuses such an answer.
    """

    rho: int = 0
    mu2: int = 0
    delta: int = 0
    epsilon: int = 0

    def __post_init__(self) -> None:
        for component in astuple(self):
            if type(component) is not int or component < 0:
                raise UsageError("a privacy loss consists of integers of at least 0")

    @staticmethod
    def charge(rho: Fraction = _0, mu2: Fraction = _0, delta: Fraction = _0, epsilon: Fraction = _0) -> PrivacyLoss:
        """The smallest loss that covers these exact values: rounded up."""
        return PrivacyLoss(*(-((-part.numerator * UNITS) // part.denominator) for part in (rho, mu2, delta, epsilon)))

    @staticmethod
    def budget(rho: Fraction = _0, mu2: Fraction = _0, delta: Fraction = _0, epsilon: Fraction = _0) -> PrivacyLoss:
        """The largest loss within these exact values: rounded down."""
        return PrivacyLoss(*((part.numerator * UNITS) // part.denominator for part in (rho, mu2, delta, epsilon)))

    def __add__(self, other: PrivacyLoss) -> PrivacyLoss:
        return total([self, other])

    def minus(self, other: PrivacyLoss) -> PrivacyLoss:
        """What is left of this loss after ``other``, never below 0 in any component."""
        return PrivacyLoss(*(max(mine - theirs, 0) for mine, theirs in zip(astuple(self), astuple(other), strict=True)))

    def upper(self, other: PrivacyLoss) -> PrivacyLoss:
        """The componentwise maximum."""
        return PrivacyLoss(*map(max, astuple(self), astuple(other)))

    def share(self, fraction: Fraction) -> PrivacyLoss:
        """The given fraction of the loss, rounded down per component: shares of a partition never exceed the whole."""
        if not 0 <= fraction <= 1:
            raise UsageError("a share of a loss lies between 0 and 1")
        return PrivacyLoss(*(part * fraction.numerator // fraction.denominator for part in astuple(self)))

    @property
    def rho_exact(self) -> Fraction:
        """Rho as an exact fraction."""
        return Fraction(self.rho, UNITS)

    @property
    def delta_exact(self) -> Fraction:
        """The delta of thresholded discoveries as an exact fraction."""
        return Fraction(self.delta, UNITS)


def total(losses: Sequence[PrivacyLoss]) -> PrivacyLoss:
    """The composition of these losses: their exact sum."""
    return PrivacyLoss(*(sum(parts) for parts in zip(*map(astuple, [PrivacyLoss(), *losses]), strict=True)))
