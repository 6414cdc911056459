"""Merging values that noise hides before pairs are measured (McKenna, Miklau & Sheldon 2021, section 3.2)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

SHARED = 64
"""At most about this many buckets hold the rare values of an attribute: models and samples keep a row for each."""


def rare_buckets(
    counts: Mapping[str, NDArray[np.float64]], scales: Mapping[str, float], threshold: float
) -> dict[str, NDArray[np.int64]]:
    """For each attribute with at least two values below ``threshold`` noise scales: the bucket of every code.

    Frequent values keep a bucket each; rare ones share buckets of neighbors in code order, each of about as many rows
    as the threshold asks for (the paper: one bucket for all; neighbors are alike where codes are ordered, and cost
    nothing where they are not). Attributes without rare values are absent. ``counts`` are denoised one-way counts, so
    the map is post-processing of released answers.
    """
    found = {}
    for attribute, values in counts.items():
        rare = values < threshold * scales[attribute]
        if rare.sum() < 2:
            continue
        least = max(threshold * scales[attribute], float(values[rare].sum()) / SHARED)
        shared = np.cumsum(np.where(rare, values, 0.0)) // least
        # Frequent values get keys of their own, below those of the shared buckets.
        keys = np.where(rare, shared, np.arange(len(values)) - float(len(values)))
        found[attribute] = np.unique(keys, return_inverse=True)[1].astype(np.int64)
    return found
