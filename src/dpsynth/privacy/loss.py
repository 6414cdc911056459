"""Privacy loss as exact integers: the currency of the ledger.

A loss is the triple (rho, mu², delta) in units of 2**-64. Charges are rounded up to the next unit, budgets down,
so no sum of charges that the ledger admits can exceed its cap by rounding.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from dpsynth.errors import UsageError

UNITS = 1 << 64
"""Units in a loss of 1."""


@dataclass(frozen=True, slots=True)
class PrivacyLoss:
    """rho (zCDP), mu² (GDP, recorded beside it) and delta (thresholded discoveries), in units of 2**-64.

    Losses add componentwise: composition. Every field is an exact integer of at least 0.
    """

    rho: int = 0
    mu2: int = 0
    delta: int = 0

    def __post_init__(self) -> None:
        for field in (self.rho, self.mu2, self.delta):
            if type(field) is not int or field < 0:
                raise UsageError("a privacy loss consists of integers of at least 0")

    @staticmethod
    def charge(rho: Fraction = Fraction(0), mu2: Fraction = Fraction(0), delta: Fraction = Fraction(0)) -> PrivacyLoss:
        """The smallest loss that covers these exact values: rounded up."""
        return PrivacyLoss(*(-((-value.numerator * UNITS) // value.denominator) for value in (rho, mu2, delta)))

    @staticmethod
    def budget(rho: Fraction = Fraction(0), mu2: Fraction = Fraction(0), delta: Fraction = Fraction(0)) -> PrivacyLoss:
        """The largest loss within these exact values: rounded down."""
        return PrivacyLoss(*((value.numerator * UNITS) // value.denominator for value in (rho, mu2, delta)))

    def __add__(self, other: PrivacyLoss) -> PrivacyLoss:
        return PrivacyLoss(self.rho + other.rho, self.mu2 + other.mu2, self.delta + other.delta)

    def minus(self, other: PrivacyLoss) -> PrivacyLoss:
        """What is left of this loss after ``other``, never below 0 in any component."""
        return PrivacyLoss(max(self.rho - other.rho, 0), max(self.mu2 - other.mu2, 0), max(self.delta - other.delta, 0))

    def upper(self, other: PrivacyLoss) -> PrivacyLoss:
        """The componentwise maximum."""
        return PrivacyLoss(max(self.rho, other.rho), max(self.mu2, other.mu2), max(self.delta, other.delta))

    def share(self, fraction: Fraction) -> PrivacyLoss:
        """The given fraction of the loss, rounded down per component: shares of a partition never exceed the whole."""
        if not 0 <= fraction <= 1:
            raise UsageError("a share of a loss lies between 0 and 1")
        part, whole = fraction.numerator, fraction.denominator
        return PrivacyLoss(self.rho * part // whole, self.mu2 * part // whole, self.delta * part // whole)

    @property
    def rho_exact(self) -> Fraction:
        """Rho as an exact fraction."""
        return Fraction(self.rho, UNITS)

    @property
    def delta_exact(self) -> Fraction:
        """The delta of thresholded discoveries as an exact fraction."""
        return Fraction(self.delta, UNITS)


def total(losses: list[PrivacyLoss]) -> PrivacyLoss:
    """The composition of these losses: their exact sum."""
    return PrivacyLoss(
        sum(loss.rho for loss in losses), sum(loss.mu2 for loss in losses), sum(loss.delta for loss in losses)
    )
