"""Public partitions by size: powers of two for numbers, decades for dates; and finer grids where the rows are.

All of it in *ticks*: whole numbers of the finest step that a column is cut at (days for dates and moments).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dpsynth.discovery.roundness import Ticks, between
from dpsynth.schema.calendars import DAY
from dpsynth.schema.cells import LIMIT
from dpsynth.schema.scales import DateScale, InstantScale, IntegerScale, RealScale, Scale

SINGLES = 128
"""A stretch of so few values is never divided more coarsely."""
FEWEST = 4
"""Every magnitude that holds rows is divided into so many cells at least: cells are free, tails are long."""
UNKNOWN_DECIMALS = 6
"""Numbers with more decimals than can be told are cut at multiples of 0.000001."""
EXACT = 1 << 52
"""Real numbers of so many ticks or more cannot tell their last decimal: nothing is rounded to it or cut at it."""

_YEARS = (1, *range(1800, 2201, 10), 10_000)


@dataclass(frozen=True)
class Line:
    """An ordered column: how its cells become numbers, and the decimals of a number's ticks (0 for all else)."""

    scale: Scale
    decimals: int = 0

    def edges(self, ticks: Ticks) -> NDArray[Any]:
        """Ticks in the scale's own numbers: int64, or the float64 nearest to tick / 10**decimals; days in seconds."""
        if isinstance(self.scale, RealScale):
            return ticks / float(10**self.decimals)
        return ticks * (DAY * 10**self.scale.decimals) if isinstance(self.scale, InstantScale) else ticks

    @property
    def calendar(self) -> bool:
        """Whether ticks are days."""
        return isinstance(self.scale, DateScale | InstantScale)

    @property
    def magnitudes(self) -> Ticks:
        """Edges of a fixed public partition of everything that the scale can read, ascending."""
        if isinstance(self.scale, IntegerScale | RealScale):
            powers = [1 << k for k in range(59)]
            return np.array([1 - LIMIT, *[1 - power for power in powers[:0:-1]], 0, *powers, LIMIT], dtype=np.int64)
        return np.array([_first_day(year) for year in _YEARS], dtype=np.int64)


def _first_day(year: int) -> int:
    months = np.datetime64((year - 1970) * 12, "M")
    return int(months.astype("datetime64[D]").astype(np.int64))


def grid(line: Line, masses: NDArray[np.float64], cells: int) -> Ticks:
    """Edges of about as many finer ``cells`` over the stretch that holds rows.

    A stretch of at most so many ticks gets a cell for each of them; otherwise a magnitude is divided at
    round ticks, by its share of the rows in magnitudes of more than one tick. ``masses``: the rows of each magnitude.
    """
    edges = line.magnitudes
    held = np.flatnonzero(masses > 0)
    first, last = int(held[0]), int(held[-1])
    low, high = int(edges[first]), int(edges[last + 1])
    if high - low <= max(cells, SINGLES):
        return np.arange(low, high + 1, dtype=np.int64)
    widths = np.diff(edges[first : last + 2])
    shares = np.where(widths > 1, masses[first : last + 1], 0.0)
    shares = shares / max(float(shares.sum()), 1.0)
    parts = np.maximum(np.round(cells * shares).astype(np.int64), FEWEST).tolist()
    wholes = zip(edges[first : last + 1].tolist(), edges[first + 1 : last + 2].tolist(), parts, strict=True)
    return np.array(
        [tick for a, b, count in wholes for tick in between(a, b, count, calendar=line.calendar)] + [high],
        dtype=np.int64,
    )
