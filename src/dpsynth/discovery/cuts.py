"""Bins from a noisy histogram: about equally many rows in each, as many bins as the signal carries. Post-processing."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dpsynth.discovery.roundness import Ticks, roundness


@dataclass(frozen=True, eq=False)
class Cut:
    """Bins of an ordered column: ``ticks`` are their edges (one more than bins), ``masses`` the estimated rows."""

    ticks: Ticks
    masses: NDArray[np.float64]


WINDOW = 1.5
"""A bin may hold so many times its part of the rows, or one such part of it, when that lets the next one begin at a
round number.
"""


def equal_rows(cells: Cut, bins: int, least: float, *, calendar: bool) -> Cut:
    """Neighboring cells joined until each bin holds about its part of the rows, or is as wide as its part of the range,
    and at least ``least`` rows; bins begin at the roundest number that allows it.

    A cell with such a part of all rows alone is a bin: a value that many rows have (capital gain 0) where the grid
    gives it a cell. The rows outside such cells are divided by ``bins``. The range ends where too few rows are left:
    what lies beyond will count in the last bin.
    """
    edges, weights = cells.ticks, cells.masses
    others = weights[weights < weights.sum() / bins].sum()
    full = _Full(max(float(others) / bins, least), least, (int(edges[-1]) - int(edges[0])) / bins)
    starts = _starts(edges, weights, full, roundness(edges[:-1], calendar=calendar))
    bounds = [*starts, len(weights)]
    summed = np.array([weights[a:b].sum() for a, b in itertools.pairwise(bounds)])
    if len(starts) > 1 and summed[-1] < 0.5 * least:
        bounds, summed = bounds[:-1], summed[:-1]
    return Cut(edges[bounds], summed)


def singles(cells: Cut, seen: NDArray[np.intp], least: float) -> Cut:
    """A bin for every cell from the first to the last one ``seen``; those beyond joined until they hold ``least``."""
    first, last = (int(seen[0]), int(seen[-1])) if len(seen) else (0, len(cells.masses) - 1)
    low = _joined(cells.masses[:first][::-1], least)
    high = _joined(cells.masses[last + 1 :], least)
    starts = [*(first - edge for edge in low[:0:-1]), *range(first, last + 1), *(last + 1 + edge for edge in high[:-1])]
    bounds = [*starts, last + 1 + high[-1]]
    return Cut(cells.ticks[bounds], np.add.reduceat(cells.masses, starts))


def _joined(masses: NDArray[np.float64], least: float) -> list[int]:
    """0 and the ends of stretches that hold ``least`` rows each; what is left over belongs to the last one."""
    ends, held = [0], 0.0
    for index, mass in enumerate(masses.tolist(), start=1):
        held += mass
        if held >= least:
            ends.append(index)
            held = 0.0
    if len(masses) > ends[-1]:
        ends = [*ends[:-1], len(masses)] if len(ends) > 1 else [0, len(masses)]
    return ends


def apart(cut: Cut, spikes: Ticks, least: float) -> Cut:
    """The cut with a bin of its own for every spike inside its range: a single tick that many rows have.

    The rows of a bin that is divided go to its parts by their width, ``least`` to a spike.
    """
    inside = spikes[(spikes >= cut.ticks[0]) & (spikes < cut.ticks[-1])]
    edges = np.unique(np.concatenate([cut.ticks, inside, inside + 1]))
    parent = np.searchsorted(cut.ticks, edges[:-1], side="right") - 1
    shares = np.diff(edges) / np.diff(cut.ticks)[parent]
    masses = cut.masses[parent] * shares
    return Cut(edges, np.where(np.isin(edges[:-1], inside), np.maximum(masses, least), masses))


@dataclass(frozen=True)
class _Full:
    """When a bin is full: with so many rows, or with ``least`` rows when it is so wide."""

    rows: float
    least: float
    width: float

    def share(self, rows: NDArray[np.float64], widths: NDArray[np.float64]) -> NDArray[np.float64]:
        """How full bins of so many rows and such widths are; 1 is full, below ``least`` rows never."""
        shares = np.maximum(rows / self.rows, widths / self.width)
        return np.where(rows >= self.least, shares, np.minimum(shares, 0.0))


def _starts(edges: Ticks, weights: NDArray[np.float64], full: _Full, round_: NDArray[np.float64]) -> list[int]:
    """The first cell of every bin."""
    total, count = np.concatenate([[0.0], np.cumsum(weights)]), len(weights)
    starts = [0]
    while True:
        first = starts[-1]
        ends = np.arange(first + 1, count)
        shares = full.share(total[ends] - total[first], (edges[ends] - edges[first]).astype(np.float64))
        heavy = np.flatnonzero(weights[ends] >= full.rows)
        enough = np.flatnonzero(shares >= 1 / WINDOW)
        if weights[first] >= full.rows:
            starts.append(first + 1)
        elif len(heavy) and (not len(enough) or heavy[0] <= enough[0]):
            starts.append(int(ends[heavy[0]]))
        elif len(enough):
            window = enough[(shares[enough] <= max(WINDOW, shares[enough[0]]))]
            window = window[window <= heavy[0]] if len(heavy) else window
            best = window[np.lexsort((np.abs(np.log(shares[window])), -round_[ends[window]]))[0]]
            starts.append(int(ends[best]))
        else:
            break
        if starts[-1] >= count:
            starts.pop()
            break
    return starts
