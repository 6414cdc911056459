"""Merging values that noise hides before pairs are measured (McKenna, Miklau & Sheldon 2021, section 3.2)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray


def rare_buckets(
    counts: Mapping[str, NDArray[np.float64]], scales: Mapping[str, float], threshold: float
) -> dict[str, NDArray[np.int64]]:
    """For each attribute with at least two values below ``threshold`` noise scales: the bucket of every code.

    Frequent values keep a bucket each, in code order; the rare ones share the last. Attributes without a gain are
    absent. ``counts`` are denoised one-way counts, so the map is post-processing of released answers.
    """
    found = {}
    for attribute, values in counts.items():
        rare = values < threshold * scales[attribute]
        if rare.sum() < 2:
            continue
        frequent = ~rare
        buckets = np.cumsum(frequent, dtype=np.int64) - 1
        buckets[rare] = int(frequent.sum())
        found[attribute] = buckets
    return found
