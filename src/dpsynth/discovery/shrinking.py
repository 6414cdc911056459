"""A learned domain with fewer values, for a memory limit: rare values join ``other``, neighboring bins each other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dpsynth.discovery.discover import Discovery
from dpsynth.discovery.findings import Finding

SMALLEST = 4
"""Columns of so few values are not made smaller."""


def smaller(found: Discovery) -> Discovery | None:
    """The discovery with its largest columns halved: all that have at least half as many values as the largest.

    ``None`` when no column is left to be halved.
    """
    largest = max((one.size for one in found.findings), default=0)
    if largest <= SMALLEST:
        return None
    bar = max(largest // 2, SMALLEST + 1)
    return replace(found, findings=tuple(_halved(one) if one.size >= bar else one for one in found.findings))


def _halved(one: Finding) -> Finding:
    counts = one.counts
    if one.texts:
        kept = np.sort(np.argsort(-counts, kind="stable")[: (len(counts) + 1) // 2])
        return replace(one, texts=tuple(one.texts[index] for index in kept.tolist()), counts=counts[kept], others=True)
    starts = np.arange(0, len(counts), 2)
    ticks = np.append(one.ticks[:-1][starts], one.ticks[-1:])
    return replace(one, ticks=ticks, counts=np.add.reduceat(counts, starts))
