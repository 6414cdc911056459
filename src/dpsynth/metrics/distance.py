"""Total variation distance of marginals: between two tables, or between a table and a model's exact marginals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from dpsynth.domain import Clique, Domain
from dpsynth.errors import DomainError, UsageError
from dpsynth.metrics.choice import choose, groups
from dpsynth.metrics.coded import CodedTable, occupied_counts

CELL_LIMIT = 1 << 22
"""Cells counted at a time. A larger marginal is compared in its occupied cells (tables) or left out (models)."""

_NORMAL_95 = 1.959963984540054


class Marginals(Protocol):
    """Whatever answers marginals over a domain: a coded table or a model."""

    @property
    def domain(self) -> Domain:
        """The attributes and their sizes."""
        ...

    def marginals(self, cliques: Sequence[Clique]) -> Sequence[NDArray[Any]]:
        """Nonnegative counts of each clique, shape of its domain, axes in clique order."""
        ...


@dataclass(frozen=True)
class WayDistances:
    """The distances of the marginals of ``ways`` attributes.

    ``compared`` of ``possible`` marginals entered; ``too_large`` were left out because a model's dense marginal would
    exceed the cell limit; ``seed`` is set when the rest of the difference is a random sample. ``mean_error`` is half
    the width of a 95 % interval of the mean over all possible marginals: 0 when every one was compared, ``None`` when
    the marginals left out were not left out at random.
    """

    ways: int
    compared: int
    possible: int
    too_large: int
    seed: int | None
    mean: float
    mean_error: float | None
    worst: float
    worst_clique: Clique


@dataclass(frozen=True)
class ColumnDistance:
    """The distance of one column, and the code whose share differs most: share in synthetic minus share in real."""

    attribute: str
    distance: float
    code: int
    difference: float


def total_variation(first: NDArray[Any], second: NDArray[Any]) -> float:
    """½·‖p − q‖₁ of two arrays of nonnegative counts, each normalized by its own sum; in [0, 1].

    Defined for empty tables too: 0 between two empty ones, 1 between an empty one and any other.

    >>> total_variation(np.array([1, 1]), np.array([4, 0]))
    0.5
    """
    return min(1.0, 0.5 * float(np.abs(_shares(first) - _shares(second)).sum())) if _comparable(first, second) else 1.0


def _comparable(first: NDArray[Any], second: NDArray[Any]) -> bool:
    return bool((first.sum() > 0) == (second.sum() > 0))


def _shares(counts: NDArray[Any]) -> NDArray[np.float64]:
    total = float(counts.sum())
    shares: NDArray[np.float64] = counts / total if total > 0 else np.zeros(counts.shape)
    return shares


def way_distances(
    real: CodedTable,
    synthetic: Marginals,
    ways: int,
    *,
    max_cliques: int,
    seed: int = 0,
    cell_limit: int = CELL_LIMIT,
) -> WayDistances | None:
    """Mean and worst distance over all marginals of ``ways`` attributes, or over a seeded sample of ``max_cliques``.

    ``None`` when there is nothing to compare: fewer columns than ``ways``, or every marginal of a model too large.
    Cost: rows × marginals for tables. Memory: ``cell_limit`` cells of each side.
    """
    if ways < 1 or max_cliques < 1 or cell_limit < 1:
        raise UsageError("ways and limits are at least 1")
    _check_domains(real, synthetic)
    choice = choose(real.domain, ways, max_cliques, seed)
    values = _distances(real, synthetic, choice.cliques, cell_limit)
    known = ~np.isnan(values)
    if not known.any():
        return None
    worst = int(np.nanargmax(values))
    compared = int(known.sum())
    return WayDistances(
        ways=ways,
        compared=compared,
        possible=choice.possible,
        too_large=len(values) - compared,
        seed=choice.seed,
        mean=float(values[known].mean()),
        mean_error=_mean_error(values, choice.possible) if known.all() else None,
        worst=float(values[worst]),
        worst_clique=choice.cliques[worst],
    )


def column_distances(real: CodedTable, synthetic: Marginals) -> tuple[ColumnDistance, ...]:
    """The distance of every single column, in domain order; 1 with code 0 where just one side is empty."""
    _check_domains(real, synthetic)
    cliques = real.domain.cliques(1)
    pairs = zip(real.marginals(cliques), synthetic.marginals(cliques), strict=True)
    found = []
    for attribute, (counts, other) in zip(real.domain, pairs, strict=True):
        difference = _shares(other) - _shares(counts)
        code = int(np.argmax(np.abs(difference)))
        distance = total_variation(counts, other)
        found.append(ColumnDistance(attribute, distance, code, float(difference[code])))
    return tuple(found)


def _check_domains(real: CodedTable, synthetic: Marginals) -> None:
    if real.domain != synthetic.domain:
        raise DomainError("the two sides of a comparison have different domains")


def _distances(
    real: CodedTable, synthetic: Marginals, cliques: Sequence[Clique], cell_limit: int
) -> NDArray[np.float64]:
    """One distance per clique; NaN where a model's marginal would be too large."""
    values = np.full(len(cliques), np.nan)
    small = [index for index, clique in enumerate(cliques) if real.domain.cells(clique) <= cell_limit]
    dense = [cliques[index] for index in small]
    for start, stop in groups(real.domain, dense, cell_limit):
        part = dense[start:stop]
        pairs = zip(real.marginals(part), synthetic.marginals(part), strict=True)
        values[small[start:stop]] = [total_variation(counts, other) for counts, other in pairs]
    if isinstance(synthetic, CodedTable):
        for index in sorted(set(range(len(cliques))) - set(small)):
            values[index] = total_variation(*occupied_counts(real, synthetic, cliques[index]))
    return values


def _mean_error(values: NDArray[np.float64], possible: int) -> float:
    """Half a 95 % normal interval of the mean of a sample without replacement (finite population correction)."""
    size = len(values)
    if size == possible:
        return 0.0
    if size == 1:
        return 1.0
    return _NORMAL_95 * float(values.std(ddof=1)) / math.sqrt(size) * math.sqrt(1 - size / possible)
