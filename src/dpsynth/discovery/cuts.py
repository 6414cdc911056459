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
    """Neighboring cells joined until each bin holds its part of the rows, and at least ``least``.

    A cell with such a part of all rows alone is a bin: a value that many rows have (capital gain 0) where the grid
    gives it a cell. The rows outside such cells are divided by ``bins``. Too few rows at the upper end join their
    neighbor.
    """
    held = np.flatnonzero(masses > 0)
    first, last = int(held[0]), int(held[-1])
    edges, weights = ticks[first : last + 2], masses[first : last + 1]
    others = weights[weights < weights.sum() / bins].sum()
    starts = _starts(weights.tolist(), max(float(others) / bins, least))
    bounds = [*starts, len(weights)]
    summed = np.array([weights[a:b].sum() for a, b in itertools.pairwise(bounds)])
    return Cut(np.append(edges[starts], edges[-1:]), summed)


def _starts(weights: list[float], least: float) -> list[int]:
    """The first cell of every bin."""
    starts, held = [0], 0.0
    for cell, weight in enumerate(weights):
        if cell > starts[-1] and (weight >= least or held >= least):
            starts.append(cell)
            held = 0.0
        held += weight
    if len(starts) > 1 and held < 0.5 * least and weights[starts[-1]] < least:
        starts.pop()
    return starts
