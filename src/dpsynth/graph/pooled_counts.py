"""One-way counts and the total, pooled as answers arrive: each answer is projected once, not once a round."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from dpsynth.domain import Clique, Domain
from dpsynth.graph.factors import Values, summed
from dpsynth.graph.pooling import FLOOR, simplex_projection


class PooledCounts:
    """Inverse-variance sums of everything that was said about each attribute of ``domain`` and about the total."""

    def __init__(self, domain: Domain) -> None:
        self._domain = domain
        self._weighted = {name: np.zeros(domain[name]) for name in domain}
        self._precision = {name: np.zeros(domain[name]) for name in domain}
        self._totals = [0.0, 0.0]

    def add_fine(self, name: str, values: Values, variance: float, buckets: NDArray[np.int64] | None) -> None:
        """A one-way answer at full resolution; ``buckets`` merge its codes into those of the domain."""
        members = np.ones(len(values)) if buckets is None else np.bincount(buckets).astype(np.float64)
        merged = values if buckets is None else np.bincount(buckets, weights=values)
        self._weighted[name] += merged / (members * variance)
        self._precision[name] += 1.0 / (members * variance)
        self._add_total(float(values.sum()), values.size * variance)

    def add(self, clique: Clique, values: Values, variance: float) -> None:
        """An answer over several attributes of the domain, axes in clique order."""
        for name in clique:
            projected = summed(values, clique, (name,))
            self._weighted[name] += projected * (len(projected) / (values.size * variance))
            self._precision[name] += len(projected) / (values.size * variance)
        self._add_total(float(values.sum()), values.size * variance)

    def _add_total(self, value: float, variance: float) -> None:
        self._totals[0] += value / variance
        self._totals[1] += 1.0 / variance

    @property
    def total(self) -> float:
        """The number of rows, at least 1."""
        return max(self._totals[0] / self._totals[1], 1.0)

    def one_ways(self) -> Mapping[str, Values]:
        """The counts of every attribute: nearest nonnegative ones to the pooled, each at least ``FLOOR`` · total."""
        found = {}
        for name in self._domain:
            projected = simplex_projection(self._weighted[name] / self._precision[name], self.total)
            floored = np.maximum(projected, FLOOR * self.total)
            found[name] = floored * (self.total / floored.sum())
        return found
