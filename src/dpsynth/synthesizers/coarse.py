"""The first model of a method that learns one marginal after the other: one-way marginals, hidden values merged."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dpsynth.graph.incremental import IncrementalField
from dpsynth.graph.pooled_counts import PooledCounts
from dpsynth.models.markov import Expansion
from dpsynth.privacy.answers import NoisyMarginal
from dpsynth.privacy.queryable import Queryable
from dpsynth.synthesizers.compression import rare_buckets
from dpsynth.synthesizers.spanning import OneWays


def coarse_field(
    fine: Queryable, ones: OneWays, answers: Sequence[NoisyMarginal], *, threshold: float, shrink: bool
) -> tuple[Queryable, tuple[Expansion, ...], IncrementalField]:
    """The table with values that noise hides merged, how to spread them again, and the model of one-way ``answers``.

    ``ones`` is what these answers say together. A ``threshold`` of 0 merges nothing.
    """
    buckets = rare_buckets(ones.counts, ones.scales, threshold) if threshold else {}
    table = fine.coarsened(buckets) if buckets else fine
    counts = PooledCounts(table.domain)
    for answer in answers:
        name = answer.clique[0]
        counts.add_fine(name, answer.values.astype(np.float64), answer.deviation**2, buckets.get(name))
    expansions = tuple(
        Expansion(name, codes, ones.counts[name] / np.bincount(codes, weights=ones.counts[name])[codes])
        for name, codes in buckets.items()
    )
    return table, expansions, IncrementalField(table.domain, counts, shrink=shrink)
