"""Budget annealing (McKenna et al. 2022, Algorithm 4): what a round may spend, and when rounds become dearer."""

from __future__ import annotations

from dataclasses import astuple, dataclass, replace
from fractions import Fraction

from dpsynth.privacy.governor import Governor
from dpsynth.privacy.loss import PrivacyLoss

MOST_ROUNDS = 256
"""However many columns there are, the first rounds are no cheaper than a fit of this many."""


@dataclass(frozen=True)
class RoundBudget:
    """The losses of one round, one selection and one measurement, in the currency of ``governor``."""

    select: PrivacyLoss
    measure: PrivacyLoss
    governor: Governor = Governor.ZCDP

    @staticmethod
    def first(loss: PrivacyLoss, rounds: int, select: Fraction, governor: Governor = Governor.ZCDP) -> RoundBudget:
        """The budget of the first of ``rounds`` equal rounds that share a loss, ``select`` of each for choosing."""
        return RoundBudget(loss.share(select / rounds), loss.share((1 - select) / rounds), governor)

    @property
    def units(self) -> int:
        """The units that the round costs."""
        return self.governor.units(self.select + self.measure)

    def raised(self, factor: int) -> RoundBudget:
        """``factor`` times the loss: noise falls by its square root, in selections and measurements alike."""
        return replace(self, select=_times(self.select, factor), measure=_times(self.measure, factor))

    def is_last(self, remaining: PrivacyLoss) -> bool:
        """Whether a round would leave less than another one costs: then it takes everything."""
        return self.governor.units(remaining) < 2 * self.units

    def all_of(self, remaining: PrivacyLoss, select: Fraction) -> RoundBudget:
        """The final round: exactly what is left, in the same proportion."""
        choosing = remaining.share(select)
        return replace(self, select=choosing, measure=remaining.minus(choosing))


def _times(loss: PrivacyLoss, factor: int) -> PrivacyLoss:
    return PrivacyLoss(*(units * factor for units in astuple(loss)))
