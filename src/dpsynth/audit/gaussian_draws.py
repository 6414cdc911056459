"""Discrete Gaussian noise for whole arrays of cells whose scales differ: the audit's own, never a release's."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

_REACH = 10
"""Tables end at this many scales: what lies beyond has less probability than a float64 uniform can resolve."""


def gaussian_draws(scales: NDArray[np.float64], cells: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """``cells`` draws of N_Z(0, scale²) for each of n scales, int64, n × cells: by inversion of a table for each
    distinct scale. Exact up to the rounding of float64. Cost: about 40 ns of CPU a draw and a table of 20 scales.
    """
    distinct, which = np.unique(scales, return_inverse=True)
    uniforms = rng.random((len(scales), cells))
    if len(distinct) == 1:
        return _inverted(float(distinct[0]), uniforms)
    drawn = np.empty(uniforms.shape, dtype=np.int64)
    order = np.argsort(which, kind="stable")
    groups = np.split(order, np.cumsum(np.bincount(which, minlength=len(distinct)))[:-1])
    for scale, members in zip(distinct.tolist(), groups, strict=False):
        drawn[members] = _inverted(scale, uniforms[members])
    return drawn


def _inverted(scale: float, uniforms: NDArray[np.float64]) -> NDArray[np.int64]:
    reach = math.ceil(_REACH * scale) + 2
    support = np.arange(-reach, reach + 1, dtype=np.float64)
    below = np.cumsum(np.exp(-(support**2) / (2 * scale * scale)))
    found: NDArray[np.int64] = np.searchsorted(below / below[-1], uniforms, side="right").astype(np.int64) - reach
    return found
