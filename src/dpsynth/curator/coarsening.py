"""Coarsened counts: an attribute's codes merged into public buckets. Proof page: ``docs/proofs/coarsening.md``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from dpsynth.curator.sources import MarginalSource
from dpsynth.domain import Clique, Domain
from dpsynth.errors import DomainError
from dpsynth.privacy.answers import Coarsening


class CoarsenedSource:
    """Counts over the coarser domain: each bucket's count is the exact sum of its codes' counts.

    A code belongs to exactly one bucket, so a row still falls into exactly one cell of every marginal.
    """

    def __init__(self, source: MarginalSource, buckets: Mapping[str, NDArray[np.int64]]) -> None:
        for attribute, bucket_of_code in buckets.items():
            _check_map(attribute, bucket_of_code, source.domain[attribute])
        self._source = source
        self._buckets = {attribute: array.copy() for attribute, array in buckets.items()}
        sizes = {a: int(buckets[a].max()) + 1 if a in buckets else source.domain[a] for a in source.domain}
        self._domain = Domain.from_sizes(sizes)

    @property
    def domain(self) -> Domain:
        """The coarser domain, attributes in the original order."""
        return self._domain

    def counts(self, cliques: Sequence[Clique]) -> list[NDArray[np.int64]]:
        """Exact int64 counts, one array per clique, axes in clique order."""
        fine = self._source.counts(cliques)
        return [self._merge(clique, counts) for clique, counts in zip(cliques, fine, strict=True)]

    def prefetch(self, cliques: Sequence[Clique]) -> None:
        """Count these cliques of the finer table in one pass."""
        self._source.prefetch(cliques)

    def _merge(self, clique: Clique, counts: NDArray[np.int64]) -> NDArray[np.int64]:
        for axis, attribute in enumerate(clique):
            if attribute in self._buckets:
                shape = (*counts.shape[:axis], self._domain[attribute], *counts.shape[axis + 1 :])
                merged = np.zeros(shape, dtype=np.int64)
                np.add.at(np.moveaxis(merged, axis, 0), self._buckets[attribute], np.moveaxis(counts, axis, 0))
                counts = merged
        return counts


def coarsening_of(buckets: Mapping[str, NDArray[np.int64]]) -> Coarsening:
    """The maps as they are recorded in released answers."""
    return tuple((attribute, tuple(array.tolist())) for attribute, array in buckets.items())


def _check_map(attribute: str, bucket_of_code: NDArray[np.int64], size: int) -> None:
    if bucket_of_code.dtype != np.int64 or bucket_of_code.shape != (size,):
        raise DomainError("a coarsening is one int64 bucket per code", where=attribute)
    used = np.unique(bucket_of_code)
    if used[0] != 0 or used[-1] != len(used) - 1:
        raise DomainError("the buckets of a coarsening are 0 .. k-1 without a gap", where=attribute)
