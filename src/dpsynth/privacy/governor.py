"""The governor of a pool: the currency that its cap, its reservations and its draws are compared in.

It is fixed when the pool is created. All currencies are recorded; only the governor's is compared and converted.
"""

from __future__ import annotations

from enum import StrEnum
from fractions import Fraction

from dpsynth.errors import LedgerError, UsageError
from dpsynth.privacy.loss import UNITS, PrivacyLoss


class Governor(StrEnum):
    """zCDP (rho), GDP (mu²; ``docs/proofs/gdp.md``), or pure epsilon for pools without a delta."""

    ZCDP = "zcdp"
    GDP = "gdp"
    PURE = "pure"

    def units(self, loss: PrivacyLoss) -> int:
        """The governed component of a loss, in units of 2**-64; 0 if the loss states none."""
        return {Governor.ZCDP: loss.rho, Governor.GDP: loss.mu2, Governor.PURE: loss.epsilon}[self]

    def amount(self, loss: PrivacyLoss) -> Fraction:
        """The governed component of a loss as an exact fraction."""
        return Fraction(self.units(loss), UNITS)

    def stated(self, loss: PrivacyLoss) -> PrivacyLoss:
        """The loss itself; ``LedgerError`` if it states nothing in the governed component: that would be free."""
        if not self.units(loss):
            raise LedgerError(f"a draw states no loss in {self.symbol}, the currency of its pool")
        return loss

    def fits(self, loss: PrivacyLoss, budget: PrivacyLoss) -> bool:
        """Whether the loss is within the budget: in the governed component and in delta, exactly."""
        return self.units(loss) <= self.units(budget) and loss.delta <= budget.delta

    @property
    def symbol(self) -> str:
        """What the governed component is called: rho, mu² or epsilon."""
        return {Governor.ZCDP: "rho", Governor.GDP: "mu²", Governor.PURE: "epsilon"}[self]

    @property
    def words(self) -> str:
        """The accounting in words, for messages."""
        return {
            Governor.ZCDP: "zero-concentrated (zCDP), in rho",
            Governor.GDP: "Gaussian (GDP), in mu²",
            Governor.PURE: "pure epsilon, without a delta",
        }[self]


RANGE_MU2 = Fraction(3927, 10_000)
"""A mechanism of bounded range eta is mu-GDP with mu² at most this times eta²: pi/8, rounded up."""

MAP_ROUNDING = 1 + Fraction(1, 1 << 48)
"""Covers the upward rounding of a floating-point privacy map."""


def governor_of(delta: Fraction, named: Governor | str | None = None) -> Governor:
    """The governor that is named; if none is, pure epsilon when there is no delta, and GDP otherwise.

    Raises ``UsageError`` for an unknown name.
    """
    if named is None:
        return Governor.GDP if delta else Governor.PURE
    if named not in list(Governor):
        raise UsageError("the governor of a pool is gdp, zcdp or pure", hint="Leave it out for the one that suits.")
    return Governor(named)


def pure_loss(epsilon: Fraction) -> PrivacyLoss:
    """The charge of an epsilon-DP answer, rounded up: epsilon²/2-zCDP, and of range 2 epsilon, hence mu-GDP."""
    return PrivacyLoss.charge(rho=epsilon**2 / 2, mu2=RANGE_MU2 * (2 * epsilon) ** 2, epsilon=epsilon)
