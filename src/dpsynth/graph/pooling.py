"""What all noisy marginals say together about the total and about each single attribute."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from dpsynth.domain import Clique, Domain
from dpsynth.errors import DomainError
from dpsynth.graph.factors import Values, summed
from dpsynth.privacy.answers import Coarsening

FLOOR = 1e-9
"""The share of the total that every code keeps: a value that noise happened to hide is rare, not impossible."""

Buckets = tuple[int, ...] | None
"""The bucket of every code of an attribute, or ``None`` when the attribute was measured as it is."""


class Measurement(Protocol):
    """A table of counts with noise of mean 0, whoever measured it: an answer of the room, or somebody else's table."""

    @property
    def clique(self) -> Clique:
        """The attributes, in axis order."""
        ...

    @property
    def values(self) -> NDArray[np.int64] | NDArray[np.float64]:
        """Noisy counts over the (coarsened) shape of the clique; may be negative."""
        ...

    @property
    def deviation(self) -> float:
        """The standard deviation of the noise of every cell, in rows."""
        ...

    @property
    def coarsening(self) -> Coarsening:
        """For each attribute that was measured in buckets, the bucket of every code."""
        ...


@dataclass(frozen=True, eq=False)
class Target:
    """All measurements of one clique at one coarsening, merged by inverse variance.

    ``clique`` in domain order; ``values``: float64 over the coarse shape; ``variance``: of every cell, rows².
    """

    clique: Clique
    buckets: tuple[Buckets, ...]
    values: Values
    variance: float


def merged(domain: Domain, measurements: Iterable[Measurement]) -> tuple[Target, ...]:
    """One target per clique and coarsening, in the order of first appearance.

    Raises ``DomainError`` when an answer does not have the shape of its (coarsened) clique.
    """
    sums: dict[tuple[Clique, tuple[Buckets, ...]], tuple[Values, float]] = {}
    for measurement in measurements:
        domain.check_clique(measurement.clique)
        clique = domain.canonical(measurement.clique)
        given = dict(measurement.coarsening)
        buckets = tuple(given.get(attribute) for attribute in clique)
        values = summed(measurement.values.astype(np.float64), measurement.clique, clique)
        if values.shape != coarse_shape(domain, clique, buckets):
            raise DomainError("a measurement does not have the shape of its clique", where=",".join(clique))
        precision = 1.0 / measurement.deviation**2
        weighted, held = sums.get((clique, buckets), (np.zeros_like(values), 0.0))
        sums[clique, buckets] = weighted + precision * values, held + precision
    return tuple(
        Target(clique, buckets, weighted / precision, 1.0 / precision)
        for (clique, buckets), (weighted, precision) in sums.items()
    )


def coarse_shape(domain: Domain, clique: Clique, buckets: Sequence[Buckets]) -> tuple[int, ...]:
    """The shape of a clique after coarsening; ``DomainError`` when a map does not cover its attribute."""
    shape = []
    for attribute, size, codes in zip(clique, domain.shape(clique), buckets, strict=True):
        if codes is not None and len(codes) != size:
            raise DomainError("a coarsening needs one bucket per code", where=attribute)
        shape.append(size if codes is None else max(codes) + 1)
    return tuple(shape)


def coarsened(values: Values, buckets: Sequence[Buckets]) -> Values:
    """The array with every coarsened axis summed within its buckets."""
    for axis, codes in enumerate(buckets):
        if codes is not None:
            order = np.argsort(codes, kind="stable")
            starts = np.flatnonzero(np.diff(np.asarray(codes)[order], prepend=-1))
            values = np.add.reduceat(np.take(values, order, axis=axis), starts, axis=axis)
    return values


def expanded(values: Values, buckets: Sequence[Buckets]) -> Values:
    """The coarse array read at the bucket of every code: constant within a bucket."""
    for axis, codes in enumerate(buckets):
        if codes is not None:
            values = np.take(values, codes, axis=axis)
    return values


def pooled_total(targets: Sequence[Target]) -> float:
    """The inverse-variance mean of all sums, in rows; at least 1, whatever the noise did, and 1 without targets."""
    precisions = [1.0 / (target.values.size * target.variance) for target in targets]
    weighted = sum(float(target.values.sum()) * p for target, p in zip(targets, precisions, strict=True))
    return max(weighted / sum(precisions), 1.0) if targets else 1.0


def pooled_one_way(domain: Domain, attribute: str, targets: Sequence[Target], total: float) -> Values:
    """The counts of one attribute from every target that holds it: float64, at least ``FLOOR`` · total, sums to total.

    Generalized least squares: projections at equal coarsening are merged by inverse variance, and a coarse projection
    then moves the codes of a bucket together. The result is projected onto the simplex. A bucket that no finer answer
    resolves, and an attribute that nobody measured, is spread evenly.
    """
    values, variance = np.full(domain[attribute], total / domain[attribute]), np.inf
    for codes, (seen, noise) in sorted(_projections(attribute, targets).items(), key=lambda item: item[0] is not None):
        if codes is None:
            values, variance = seen, noise
            continue
        members = np.bincount(codes)
        gain = 1.0 / members if np.isinf(variance) else variance / (members * variance + noise)
        moved = gain * (seen - coarsened(values, (codes,)))
        values = values + expanded(moved, (codes,))
    floored = np.maximum(simplex_projection(values, total), FLOOR * total)
    counts: Values = floored * (total / floored.sum())
    return counts


def _projections(attribute: str, targets: Sequence[Target]) -> dict[Buckets, tuple[Values, float]]:
    """For each coarsening of the attribute the merged projection and the variance of its cells."""
    sums: dict[Buckets, tuple[Values, float]] = {}
    for target in targets:
        if attribute not in target.clique:
            continue
        values = summed(target.values, target.clique, (attribute,))
        precision = projected_precision(attribute, target)
        codes = target.buckets[target.clique.index(attribute)]
        weighted, held = sums.get(codes, (np.zeros_like(values), 0.0))
        sums[codes] = weighted + precision * values, held + precision
    return {codes: (weighted / precision, 1.0 / precision) for codes, (weighted, precision) in sums.items()}


def projected_precision(attribute: str, target: Target) -> float:
    """One over the variance of a cell of the target's projection onto the attribute; 0 if it does not hold it."""
    if attribute not in target.clique:
        return 0.0
    cells = target.values.shape[target.clique.index(attribute)]
    return float(cells / (target.values.size * target.variance))


def simplex_projection(values: Values, total: float) -> Values:
    """The nearest nonnegative vector with this sum (Duchi et al. 2008); exact zeros for what noise made negative."""
    descending = np.sort(values)[::-1]
    shifts = (np.cumsum(descending) - total) / np.arange(1, len(values) + 1)
    last = np.nonzero(descending > shifts)[0][-1]
    projected: Values = np.maximum(values - shifts[last], 0.0)
    return projected
