"""Declared rounding: ``decimals`` and ``step`` of a field → bins whose draws are multiples of a step."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from dpsynth.schema.bins import Bins, RealBins, StepBins, WholeBins
from dpsynth.schema.document import FieldModel
from dpsynth.schema.ranges import WrongKey

_EXACT = 2**53
"""Whole numbers below this are exact in float64."""


def stepped(bins: WholeBins | RealBins, field: FieldModel) -> Bins:
    """The bins with the field's rounding; ``WrongKey`` for one that floating point or some bin cannot hold."""
    decimals, step = field.dpsynth.decimals, field.dpsynth.step
    if decimals is not None and step is not None:
        raise WrongKey("dpsynth.step", "give one of step and decimals")
    if decimals is not None:
        key, size = "dpsynth.decimals", Fraction(1, 10**decimals)
    elif step is not None:
        key, size = "dpsynth.step", _step(step, whole=isinstance(bins, WholeBins))
    else:
        return bins
    if isinstance(bins, RealBins) and _largest(bins, size) >= _EXACT:
        raise WrongKey(key, "are finer than floating point at the field's bounds")
    rounded = StepBins.of(bins, size)
    if rounded.hollow:
        said = "no number with so few decimals" if decimals is not None else "no multiple of the step"
        raise WrongKey(key, f"a bin holds {said}", "Use wider bins, or edges at multiples.")
    return rounded


def _step(step: float, *, whole: bool) -> Fraction:
    if not 0 < step < np.inf or (whole and not isinstance(step, int)):
        raise WrongKey("dpsynth.step", f"must be a {'whole ' if whole else ''}number above 0")
    return Fraction(repr(step))


def _largest(bins: RealBins, size: Fraction) -> Fraction:
    """The largest numerator and the largest denominator that a draw meets."""
    reach = max(abs(Fraction(repr(bins.low))), abs(Fraction(repr(bins.high))))
    return max(reach / size * max(size.numerator, 1), Fraction(size.denominator))
