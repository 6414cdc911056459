"""What discovery may spend, and how it is divided: public arithmetic on the reservation and on released answers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from statistics import NormalDist

from dpsynth.privacy.governor import Governor
from dpsynth.privacy.laws import gaussian_loss
from dpsynth.privacy.loss import PrivacyLoss


@dataclass(frozen=True)
class Purse:
    """``loss``: the reservation of the whole fit; ``most``: the share of it that discovery may spend."""

    loss: PrivacyLoss
    governor: Governor
    sensitivity: int
    most: Fraction

    def share_of(self, columns: int, deviation: float) -> Fraction:
        """The share of the reservation that one-way counts of so many columns cost at this standard deviation."""
        units = self.governor.units(gaussian_loss(self.sensitivity, max(deviation, 1.0)))
        return Fraction(columns * units, self.governor.units(self.loss))

    def deviation_of(self, columns: int, share: Fraction) -> float:
        """The standard deviation that this share buys for so many columns; infinite for none."""
        if share <= 0:
            return float("inf")
        return 1e6 * math.sqrt(self.share_of(columns, 1e6) / share)

    def part(self, share: Fraction, *, threshold: bool = False) -> PrivacyLoss:
        """This share of the reservation; with a ``threshold``, the delta of thresholded discoveries, whole."""
        part = self.loss.share(share)
        return replace(part, delta=self.loss.delta if threshold else 0)

    def tails(self, columns: int) -> float:
        """How many standard deviations above nothing a threshold lies, about."""
        chance = float(self.loss.delta_exact) / (columns * self.sensitivity)
        return -NormalDist().inv_cdf(chance) if chance > 0 else float("inf")


def divided(wants: Mapping[str, Fraction], least: Fraction, most: Fraction) -> dict[str, Fraction]:
    """The wanted shares, scaled together so that their sum lies between ``least`` and ``most``."""
    wanted = sum(wants.values(), start=Fraction(0))
    if wanted <= 0:
        return dict(wants)
    factor = min(max(Fraction(1), least / wanted), most / wanted)
    return {name: want * factor for name, want in wants.items()}
