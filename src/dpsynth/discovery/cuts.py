"""Bins from a noisy histogram: about equally many rows in each, as many bins as the signal carries. Post-processing."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dpsynth.discovery.magnitudes import Ticks


@dataclass(frozen=True, eq=False)
class Cut:
    """Bins of an ordered column: ``ticks`` are their edges (one more than bins), ``masses`` the estimated rows."""

    ticks: Ticks
    masses: NDArray[np.float64]


def equal_rows(ticks: Ticks, masses: NDArray[np.float64], bins: int, least: float) -> Cut:
    """Neighboring cells joined until each bin holds its part of the rows, or is as wide as its part of the range, and
    at least ``least`` rows.

    A cell with such a part of all rows alone is a bin: a value that many rows have (capital gain 0) where the grid
    gives it a cell. The rows outside such cells are divided by ``bins``. Too few rows at the upper end join their
    neighbor.
    """
    held = np.flatnonzero(masses > 0)
    first, last = int(held[0]), int(held[-1])
    edges, weights = ticks[first : last + 2], masses[first : last + 1]
    others = weights[weights < weights.sum() / bins].sum()
    full = _Full(max(float(others) / bins, least), least, (int(edges[-1]) - int(edges[0])) / bins)
    starts = _starts(edges.tolist(), weights.tolist(), full)
    bounds = [*starts, len(weights)]
    summed = np.array([weights[a:b].sum() for a, b in itertools.pairwise(bounds)])
    return Cut(np.append(edges[starts], edges[-1:]), summed)


@dataclass(frozen=True)
class _Full:
    """When a bin is full: with so many rows, or with ``least`` rows when it is so wide."""

    rows: float
    least: float
    width: float

    def __call__(self, rows: float, width: float) -> bool:
        return rows >= self.rows or (rows >= self.least and width >= self.width)


def _starts(edges: list[int], weights: list[float], full: _Full) -> list[int]:
    """The first cell of every bin."""
    starts, held = [0], 0.0
    for cell, weight in enumerate(weights):
        if cell > starts[-1] and (weight >= full.rows or full(held, edges[cell] - edges[starts[-1]])):
            starts.append(cell)
            held = 0.0
        held += weight
    if len(starts) > 1 and held < 0.5 * full.least:
        starts.pop()
    return starts
