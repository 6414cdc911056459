"""Noisy histograms of ordered cells: which stretches hold rows, told at every scale. Post-processing."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

SIGNIFICANCE = 4.0
"""A stretch of cells holds rows when its noisy sum exceeds so many standard deviations: over a tree of 256 nodes an
empty stretch is taken for full in about one histogram of a hundred.
"""
ADJACENT = 2.0
"""A cell beside one that holds rows does so too above so many."""
CURVED = 2.5
"""The halves of a stretch differ when their noisy sums do by so many standard deviations of the difference."""


def settled(counts: NDArray[np.int64], deviation: float, significance: float = SIGNIFICANCE) -> NDArray[np.float64]:
    """The histogram without the cells that only noise fills: float64, at least 0, same length, rows.

    Over a binary tree of stretches, from the cells upwards: a stretch whose halves both hold nothing for sure holds its
    own sum, spread evenly, if that is significant; any other holds what its halves hold. Then cells next to those that
    hold rows are looked at once more, with a lower bar. ``deviation`` is the standard deviation of each cell.
    """
    sums = _padded(counts)
    masses = np.where(sums > SIGNIFICANCE * deviation, sums, 0.0)
    width = 1
    while width < len(masses):
        width *= 2
        sums = sums.reshape(-1, 2).sum(axis=1)
        blocks = masses.reshape(-1, width)
        spread = (blocks.sum(axis=1) == 0) & (sums > SIGNIFICANCE * deviation * math.sqrt(width))
        blocks[spread] = (sums[spread] / width)[:, None]
    return _extended(masses[: len(counts)], counts, deviation)


def _extended(masses: NDArray[np.float64], counts: NDArray[np.int64], deviation: float) -> NDArray[np.float64]:
    """The masses with the likely cells that join them in an unbroken row."""
    likely = (counts > ADJACENT * deviation) | (masses > 0)
    run = np.cumsum(~likely)
    joined = likely & np.isin(run, run[masses > 0])
    return np.where(joined & (masses == 0), counts, masses)


def smoothed(counts: NDArray[np.int64], deviation: float) -> NDArray[np.float64]:
    """The histogram of a stretch that holds rows: noise removed where it hides any shape; float64, at least 0, rows.

    Haar wavelets, thresholded: a stretch is divided evenly unless its halves' noisy sums differ by ``CURVED`` standard
    deviations. A single value with many rows stays where it is (Donoho & Johnstone 1994, hard thresholding).
    """
    levels = [_padded(counts)]
    while len(levels[-1]) > 1:
        levels.append(levels[-1].reshape(-1, 2).sum(axis=1))
    masses = levels[-1]
    for height in range(len(levels) - 2, -1, -1):
        pairs = levels[height].reshape(-1, 2)
        slope = pairs[:, 0] - pairs[:, 1]
        slope = np.where(np.abs(slope) > CURVED * deviation * math.sqrt(2 << height), slope, 0.0)
        masses = np.stack([masses + slope, masses - slope], axis=1).reshape(-1) / 2
    return np.maximum(masses[: len(counts)], 0.0)


def _padded(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """The counts with empty cells up to a power of two."""
    size = 1 << math.ceil(math.log2(max(len(counts), 1)))
    return np.concatenate([counts, np.zeros(size - len(counts), dtype=np.int64)]).astype(np.float64)
