"""How a loss is spread over marginals, and what noise that buys: public arithmetic."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from dpsynth.domain import Domain
from dpsynth.errors import UsageError
from dpsynth.privacy.governor import Governor
from dpsynth.privacy.laws import (
    LEAST_GDP_SCALE,
    deviation,
    gaussian_mu2,
    measured_parts,
    measured_scales,
    selection_scale,
)
from dpsynth.privacy.loss import PrivacyLoss
from dpsynth.privacy.unit import Unit

MEAN_ABSOLUTE = math.sqrt(2 / math.pi)
"""E|X| of a standard normal."""

_LEAST_UNITS = 1 << 20
"""The fewest units of 2**-64 that a question is planned with."""

_RESOLUTION = 16


def weight_of(cells: float, governor: Governor = Governor.ZCDP) -> int:
    """The integer weight of a marginal with this many cells that stand out of the noise.

    With scales ∝ 1/weight the expected L1 error Σ cells · scale is smallest, at a fixed loss Σ 1/scale², for weights
    ∝ cells^(1/3) (PrivSyn, Zhang et al. 2021, section 4.3); under pure epsilon, Σ 1/scale, for cells^(1/2).
    """
    cells = max(cells, 1.0)
    return round(_RESOLUTION * (math.sqrt(cells) if governor is Governor.PURE else math.cbrt(cells)))


@dataclass(frozen=True)
class Noise:
    """What a loss buys in a pool of this governor, for answers of this sensitivity: the room's own rules.

    Every method raises ``UsageError`` when the loss is too small for what is asked.
    """

    governor: Governor
    sensitivity: int

    @staticmethod
    def planned(unit: Unit, governor: Governor) -> Noise:
        """For a plan: of the answers that a curator gives for this unit."""
        return Noise(governor, unit.rows)

    def measured(self, loss: PrivacyLoss) -> float:
        """The standard deviation of the noise in a cell of one marginal that is measured for this loss."""
        return self.joint(loss, (1,))[0]

    def joint(self, loss: PrivacyLoss, weights: Sequence[int]) -> list[float]:
        """The standard deviations in the cells of marginals that are measured together, by their integer weights."""
        self._check(min(measured_parts(self.governor, loss, weights)))
        law = "laplace" if self.governor is Governor.PURE else "gaussian"
        return [deviation(law, scale) for scale in measured_scales(self.governor, self.sensitivity, loss, weights)]

    def fixed_mu2(self, loss: PrivacyLoss, weights: Sequence[int]) -> Fraction | None:
        """mu² of marginals that are measured together; ``None`` for Laplace noise and for scales below 1."""
        if self.governor is Governor.PURE:
            return None
        scales = measured_scales(self.governor, self.sensitivity, loss, weights)
        if min(scales) < LEAST_GDP_SCALE:
            return None
        return sum((gaussian_mu2(self.sensitivity, scale) for scale in scales), start=Fraction(0))

    def selected(self, loss: PrivacyLoss) -> float:
        """The scale of a noisy maximum of scores with weight 1 for this loss."""
        self._check(self.governor.units(loss))
        return selection_scale(self.governor, self.sensitivity, loss)

    def weight_of(self, cells: float) -> int:
        """``weight_of`` under this governor."""
        return weight_of(cells, self.governor)

    @staticmethod
    def _check(units: int) -> None:
        if units < _LEAST_UNITS:
            raise UsageError(
                "the budget is too small to be split over this many columns",
                hint="Ask for a larger epsilon, or use --method independent.",
            )


def exact(share: float) -> Fraction:
    """The fraction that a setting such as 0.1 means."""
    return Fraction(repr(float(share)))


def one_way_error(counts: Sequence[NDArray[np.float64]], scales: Sequence[float], total: float) -> float:
    """The mean total variation distance that noise is expected to leave on one-way marginals (from noisy counts).

    A cell errs by about the noise, or by its own count when that is smaller: denoising removes what never was there.
    """
    parts = [
        0.5 * float(np.minimum(MEAN_ABSOLUTE * scale, values).sum()) / total
        for values, scale in zip(counts, scales, strict=True)
    ]
    return sum(parts) / len(parts)


def expected_words(domain: Domain, scales: Sequence[float], rows: int | None) -> str:
    """The expected error of the one-way marginals in plain words: from the noise alone, and the guessed rows."""
    typical = sorted(scales)[len(scales) // 2]
    words = f"about ±{MEAN_ABSOLUTE * typical:,.3g} rows in each cell of a one-way marginal"
    if rows:
        even = [np.full(size, rows / size) for size in domain.sizes]
        error = one_way_error(even, scales, rows)
        words += f"; mean total variation distance of one-way marginals at most about {error:.2g}"
    return words


def crowded(domain: Domain, scales: Sequence[float], rows: int | None) -> list[str]:
    """A warning for the columns whose values are too many for the rows: fewer expected rows a value than noise."""
    if not rows:
        return []
    names = [name for name, scale in zip(domain, scales, strict=True) if rows / domain[name] < scale]
    if not names:
        return []
    listed = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    return [f"noise exceeds the expected rows per value in {listed}: use fewer bins or a larger epsilon"]
