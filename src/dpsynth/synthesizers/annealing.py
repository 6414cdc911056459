"""Budget annealing (McKenna et al. 2022, Algorithm 4): what a round may spend, and when rounds become dearer."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from dpsynth.privacy.loss import PrivacyLoss

MOST_ROUNDS = 256
"""However many columns there are, the first rounds are no cheaper than a fit of this many."""


@dataclass(frozen=True)
class RoundBudget:
    """The losses of one round: one selection and one measurement."""

    select: PrivacyLoss
    measure: PrivacyLoss

    @staticmethod
    def first(loss: PrivacyLoss, rounds: int, select: Fraction) -> RoundBudget:
        """The budget of the first of ``rounds`` equal rounds that share a loss, ``select`` of each for choosing."""
        return RoundBudget(loss.share(select / rounds), loss.share((1 - select) / rounds))

    @property
    def rho(self) -> int:
        """The units that the round costs."""
        return self.select.rho + self.measure.rho

    def raised(self, factor: int) -> RoundBudget:
        """``factor`` times the loss: noise falls by its square root, in selections and measurements alike."""
        return RoundBudget(_times(self.select, factor), _times(self.measure, factor))

    def is_last(self, remaining: PrivacyLoss) -> bool:
        """Whether a round would leave less than another one costs: then it takes everything."""
        return remaining.rho < 2 * self.rho

    def all_of(self, remaining: PrivacyLoss, select: Fraction) -> RoundBudget:
        """The final round: exactly what is left, in the same proportion."""
        choosing = remaining.share(select)
        return RoundBudget(choosing, remaining.minus(choosing))


def _times(loss: PrivacyLoss, factor: int) -> PrivacyLoss:
    return PrivacyLoss(loss.rho * factor, loss.mu2 * factor, loss.delta * factor)
