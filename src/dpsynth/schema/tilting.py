"""Tilted bins: within a bin the density is linear, with a slope that the densities of its neighbors suggest.

The mass of every bin stays what it is. A bin's slope is the gentler of the two that lead to its neighbors' densities,
and 0 where the bin is a local extreme (the minmod limiter: P. L. Roe, Characteristic-based schemes for the Euler
equations, Annu. Rev. Fluid Mech. 18, 1986, 337-365), so the density is nowhere negative and a spike tilts no neighbor.
A bin of a single value is left alone; beside one, and at the bounds, the slope is half of the one on the other side.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dpsynth.schema.bins import Allowed, Bins, RealBins, StepBins, WholeBins

STEEPEST = 0.95
"""At most so much of a bin's density is tilted away at its thin end: no value of a bin becomes impossible."""


@dataclass(frozen=True, eq=False)
class TiltedBins:
    """The bins of ``base`` with density ``1 + tilt·(2t - 1)`` at the share t of the way through a bin.

    ``tilts`` float64 in [-1, 1], one per bin; 0 is the uniform law. A whole number has the mass of the unit interval
    that begins at it, so whole numbers stay whole and their masses in a bin sum to 1.
    """

    base: WholeBins | RealBins
    tilts: NDArray[np.float64]

    @property
    def count(self) -> int:
        """How many bins there are."""
        return self.base.count

    @property
    def low(self) -> float:
        """The smallest value."""
        return self.base.low

    @property
    def high(self) -> float:
        """The largest value."""
        return self.base.high

    def locate(self, values: NDArray[Any]) -> NDArray[np.int32]:
        """The bin of each value; all values lie in ``low .. high``."""
        return self.base.locate(values)

    def share(self, intervals: Sequence[tuple[float, float]]) -> NDArray[np.float64]:
        """For each bin, the probability that a draw from it falls into the closed intervals."""
        plain = self.base.share(intervals)
        allowed, widths = self.base.allowed(intervals), np.diff(self.base.edges)
        found = np.zeros(self.count)
        for low, end in zip(allowed.lows, self._ends(allowed), strict=True):
            first, last = (np.clip(point - self.base.edges[:-1], 0, widths) for point in (low, end))
            # The difference of the distribution function, in the form that keeps the share of a single value.
            found += (last - first) / widths * (1 + self.tilts * ((first + last) / widths - 1))
        # A share of nothing and of everything is exact, whatever rounding does between them.
        return np.where((plain <= 0) | (plain >= 1), plain, np.minimum(found, 1 - 1e-16))

    def draw(
        self,
        codes: NDArray[np.int64],
        rng: np.random.Generator,
        intervals: Sequence[tuple[float, float]] | None = None,
    ) -> NDArray[Any]:
        """One draw from the (allowed part of the) bin of each code, by the inverse of its distribution function."""
        allowed = None if intervals is None else self.base.allowed(intervals)
        ranks = self._ranks.draw(codes, rng, None if allowed is None else self._ranked(allowed))
        tilts = self.tilts[codes]
        rest = np.clip(ranks - codes, 0.0, 1.0)
        # The root of tilt·t² + (1 - tilt)·t = rest in [0, 1], in the form that does not cancel.
        share = 2 * rest / (1 - tilts + np.sqrt((1 - tilts) ** 2 + 4 * tilts * rest))
        values = self._placed(codes, share)
        if allowed is None or not len(allowed.lows):
            return values
        open_bins = self.base.share(intervals or ())[codes] > 0
        inside: NDArray[Any] = np.where(open_bins, _nearest(values, allowed, self.base, codes), values)
        return inside

    @property
    def _ranks(self) -> RealBins:
        """Bin c as the interval c .. c+1 of ranks: what is uniform there is tilted in the base."""
        return RealBins(np.arange(self.count + 1, dtype=np.float64))

    def _placed(self, codes: NDArray[np.int64], share: NDArray[np.float64]) -> NDArray[Any]:
        """The value that lies the given share of the way through the bin of each code."""
        lows, widths = self.base.edges[:-1][codes], np.diff(self.base.edges)[codes]
        if isinstance(self.base, WholeBins):
            steps = np.minimum((share * widths).astype(np.int64), widths - 1)
            return np.asarray(lows + steps)
        return np.minimum(lows + share * widths, np.nextafter(self.base.edges[1:], -np.inf)[codes])

    def _ranked(self, allowed: Allowed) -> list[tuple[float, float]]:
        """The allowed values as intervals of ranks."""
        return list(zip(self._rank(allowed.lows).tolist(), self._rank(self._ends(allowed)).tolist(), strict=True))

    def _ends(self, allowed: Allowed) -> NDArray[Any]:
        """Where each allowed interval ends: behind its last whole number, or at its last real one."""
        return allowed.highs + 1 if isinstance(self.base, WholeBins) else allowed.highs

    def _rank(self, points: NDArray[Any]) -> NDArray[np.float64]:
        codes = np.clip(np.searchsorted(self.base.edges, points, side="right") - 1, 0, self.count - 1)
        share = (points - self.base.edges[codes]) / np.diff(self.base.edges)[codes]
        ranks: NDArray[np.float64] = codes + share * (1 - self.tilts[codes] * (1 - share))
        return ranks


def tilted(bins: Bins, masses: NDArray[np.float64]) -> Bins:
    """The bins with slopes from the masses (one per bin, any unit, none negative); the same bins if all are flat."""
    if isinstance(bins, StepBins):
        return replace(bins, multiples=tilted(bins.multiples, masses))
    if not isinstance(bins, WholeBins | RealBins):
        return bins
    widths = np.diff(bins.edges).astype(np.float64)
    spikes = widths == 1 if isinstance(bins, WholeBins) else np.zeros(len(widths), dtype=np.bool_)
    tilts = tilts_of(masses, widths, spikes)
    return TiltedBins(bins, tilts) if tilts.any() else bins


def tilts_of(
    masses: NDArray[np.float64], widths: NDArray[np.float64], spikes: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """The tilt of each bin, float64 in ``-STEEPEST .. STEEPEST``; 0 for spikes and where nothing speaks for a slope."""
    densities = np.maximum(masses, 0.0) / widths
    centers = np.cumsum(widths) - widths / 2
    slopes = np.diff(densities) / np.diff(centers)
    # Nothing is known beyond a bound or a spike: half of the other side's slope stands for both.
    known = np.pad(~(spikes[:-1] | spikes[1:]), 1)
    slopes = np.where(known, np.pad(slopes, 1), 0.0)
    left = np.where(known[:-1], slopes[:-1], slopes[1:] / 2)
    right = np.where(known[1:], slopes[1:], slopes[:-1] / 2)
    gentler = np.where(left * right > 0, np.sign(left) * np.minimum(np.abs(left), np.abs(right)), 0.0)
    filled = (densities > 0) & ~spikes
    tilts = gentler * widths / (2 * np.where(filled, densities, 1.0))
    return np.where(filled, np.clip(tilts, -STEEPEST, STEEPEST), 0.0)


def _nearest(
    values: NDArray[Any], allowed: Allowed, base: WholeBins | RealBins, codes: NDArray[np.int64]
) -> NDArray[Any]:
    """Each value, or the allowed value of its bin next to it where rounding has left the allowed ones."""
    last = len(allowed.lows) - 1
    before = np.clip(np.searchsorted(allowed.lows, values, side="right") - 1, 0, last)
    after = np.minimum(before + 1, last)
    inside = np.clip(values, allowed.lows[before], allowed.highs[before])
    closer = np.abs(allowed.lows[after] - values) < np.abs(inside - values)
    moved = np.where(closer, allowed.lows[after], inside)
    bound = base.edges[1:] - 1 if isinstance(base, WholeBins) else np.nextafter(base.edges[1:], -np.inf)
    return np.clip(moved, base.edges[:-1][codes], bound[codes])
