"""How a loss is spread over marginals, and what noise that buys: public arithmetic."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from dpsynth.domain import Domain
from dpsynth.errors import UsageError
from dpsynth.privacy.laws import scale_of_rho
from dpsynth.privacy.loss import PrivacyLoss
from dpsynth.privacy.unit import Unit

MEAN_ABSOLUTE = math.sqrt(2 / math.pi)
"""E|X| of a standard normal."""

_LEAST_UNITS = 1 << 20
"""The fewest units of 2**-64 per equally weighted question: weights then leave every question more than none."""

_RESOLUTION = 16


def weight_of(cells: float) -> int:
    """The integer weight of a marginal with this many cells that stand out of the noise: ∝ cells^(1/3).

    With scales ∝ 1/weight at a fixed loss Σ 1/scale², the expected L1 error Σ cells · scale is smallest at this power
    (PrivSyn, Zhang et al. 2021, section 4.3).
    """
    return round(_RESOLUTION * math.cbrt(max(cells, 1.0)))


def scales_of(loss: PrivacyLoss, weights: Sequence[int], sensitivity: int) -> list[float]:
    """The scale of every marginal of one joint measurement: the room's own rule.

    Raises ``UsageError`` when the loss is too small for this many marginals.
    """
    norm = sum(weight**2 for weight in weights)
    return [scale_of_units(loss.rho * weight**2 // norm, sensitivity) for weight in weights]


def scale_of_units(units: int, sensitivity: int) -> float:
    """The scale of one question that may cost this many units of rho; ``UsageError`` when they are too few."""
    if units < _LEAST_UNITS:
        raise UsageError(
            "the budget is too small to be split over this many columns",
            hint="Ask for a larger epsilon, or use --method independent.",
        )
    return scale_of_rho(sensitivity, units)


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


def sensitivity_of(unit: Unit) -> int:
    """The L2 sensitivity of one marginal without preprocessing that multiplies rows."""
    return unit.max_rows
