"""What noisy answers say about a count without any model: unbiased, linear in the answers, with noise of a known law.

Residual basis: Xiao, He, Zhang & Kifer, "An Optimal and Scalable Matrix Mechanism for Noisy Marginals under Convex
Loss Functions" (2023). Mathematics and what is guaranteed: ``docs/guide/intervals.md``.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from dpsynth.domain import Clique, Domain
from dpsynth.errors import DomainError
from dpsynth.graph.factors import Values, aligned, summed
from dpsynth.graph.pooling import Buckets, Measurement, coarse_shape, expanded
from dpsynth.privacy.answers import NoisyMarginal

_SCALES = 1e-100, 1e100
"""Scales that can be squared; no budget leads to others."""

LEAST_SCALE = 1.0
"""From this scale on sums of discrete Gaussians are treated as Gaussian, with the correction of ``tail_radius``."""


def tail_radius(deviation: float, least: float, tail: float, *, laplace: bool = False) -> float:
    """A distance, in rows, that the noise of a linear combination exceeds on one side with at most chance ``tail``.

    ``deviation``: of the combination; ``least``: the smallest one of an answer in it. No weight is
    larger than deviation / least, so rounding the largest part to whole rows moves the sum by at most half of that,
    and adds at most its square / 12 to the variance: sums are as if they were Gaussian, but for terms of order
    exp(−2π² least²). For scales below ``LEAST_SCALE`` the bound is that of sub-Gaussian sums (Canonne, Kamath &
    Steinke 2020: E exp(tX) ≤ exp(t² scale² / 2)), which holds for all of them. With ``laplace`` noise among the parts:
    ``_laplace_radius``.
    """
    from scipy.special import ndtri

    if laplace:
        return _laplace_radius(deviation, least, tail)
    if least < LEAST_SCALE:
        return deviation * math.sqrt(-2.0 * math.log(tail))
    quantile = max(-float(ndtri(tail)), 0.0)
    return deviation * (quantile * math.sqrt(1.0 + 1.0 / (12.0 * least**2)) + 0.5 / least)


def _laplace_radius(deviation: float, least: float, tail: float) -> float:
    """The same for sums of discrete Laplace and discrete Gaussian noise, by Chernoff's bound.

    E exp(tX) ≤ 1 / (1 − b²t²) for the discrete Laplace of scale b, so log E of a sum with Σ 2 aᵢ²bᵢ² = 2b² is at most
    −log(1 − b²t²): the sum of −log(1 − xᵢ) is largest when one of them has it all. The best t for a radius r = b s has
    bt = (√(1 + s²) − 1) / s. Discrete noise of small scale deviates by less than √2 b: its b follows from
    deviation = 1 / (√2 sinh(1 / 2b)), and √2 b / deviation is largest for the smallest deviation, ``least``.
    """
    from scipy.optimize import brentq

    def excess(ratio: float) -> float:
        root = math.sqrt(1.0 + ratio * ratio) - 1.0
        return -root - math.log1p(-((root / ratio) ** 2)) - math.log(tail)

    scale = deviation / least / (2.0 * math.asinh(1.0 / (math.sqrt(2.0) * least)))
    return scale * float(brentq(excess, 1e-6, 20.0 - 4.0 * math.log(tail)))


@dataclass(frozen=True, eq=False)
class Combined:
    """``values``: float64, unbiased counts of the clique's cells on the grid, rows; may be negative. ``deviation``: the
    standard deviation of the noise of every cell. ``least``: the smallest one among the answers. ``laplace``: whether
    one of them has Laplace noise.
    """

    clique: Clique
    values: Values
    deviation: float
    least: float
    laplace: bool = False

    def radius(self, tail: float) -> float:
        """``tail_radius`` of every cell."""
        return tail_radius(self.deviation, self.least, tail, laplace=self.laplace)


@dataclass(frozen=True, eq=False)
class Combination:
    """All answers, combined by inverse variance on one ``grid``: the buckets of every attribute (``None``: its codes).

    An answer counts for the attributes that it holds exactly as the grid has them; the others are summed out of it.
    The weights depend on scales and shapes alone. Results are kept: ask one combination for many cliques.
    """

    domain: Domain
    grid: Mapping[str, Buckets]
    answers: tuple[tuple[frozenset[str], Measurement], ...]
    _residuals: dict[Clique, tuple[Values, float]] = field(default_factory=dict)

    @staticmethod
    def on(domain: Domain, grid: Mapping[str, Buckets], answers: Iterable[Measurement]) -> Combination:
        """The answers on this grid; ``DomainError`` when one does not fit its clique, buckets or scale."""
        kept = []
        for answer in answers:
            _check(domain, answer)
            given = dict(answer.coarsening)
            kept.append((frozenset(name for name in answer.clique if given.get(name) == grid[name]), answer))
        return Combination(domain, grid, tuple(kept))

    def buckets(self, clique: Clique) -> tuple[Buckets, ...]:
        """The buckets of these attributes."""
        return tuple(self.grid[name] for name in clique)

    def largest(self, clique: Clique) -> tuple[Clique, ...]:
        """The largest subsets of a clique that some answer determines; one empty clique when there is none."""
        inside = {names & set(clique) for names, _ in self.answers}
        tops = [names for names in inside if not any(names < other for other in inside)]
        return tuple(sorted((tuple(name for name in clique if name in names) for names in tops), key=_by_size))

    def alone(self, clique: Clique) -> NDArray[np.bool_]:
        """For every cell of the clique's full shape whether the grid keeps it apart from all others."""
        cells = np.ones(self.domain.shape(clique), dtype=bool)
        for name, codes in zip(clique, self.buckets(clique), strict=True):
            if codes is not None:
                cells &= aligned(np.bincount(codes)[list(codes)] == 1, (name,), clique)
        return cells

    def spread(self, combined: Combined) -> Values:
        """The values at the bucket of every code, over the clique's full shape."""
        return expanded(combined.values, self.buckets(combined.clique))

    def combine(self, clique: Clique, terms: Sequence[tuple[Clique, float]]) -> Combined:
        """Σ factor · (counts of a subset of ``clique``), for subsets that some answer determines.

        Generalized least squares, hence of the least variance among linear unbiased estimates from answers of
        independent noise: in the residual basis the noise of different interactions is uncorrelated.
        """
        factors: dict[Clique, float] = {}
        for subset, factor in terms:
            for inner in subsets(subset):
                outside = self._cells(subset) / self._cells(inner)
                factors[inner] = factors.get(inner, 0.0) + factor / outside
        values, variance = np.zeros(coarse_shape(self.domain, clique, self.buckets(clique))), 0.0
        for inner, factor in factors.items():
            residual, noise = self._residual(inner)
            values += factor * aligned(residual, inner, clique)
            variance += factor**2 * noise
        least = min(answer.deviation for _, answer in self.answers)
        laplace = any(isinstance(answer, NoisyMarginal) and answer.law == "laplace" for _, answer in self.answers)
        return Combined(clique, values, math.sqrt(variance), least, laplace)

    def counts(self, clique: Clique) -> Combined:
        """The counts of a clique that some answer determines."""
        return self.combine(clique, [(clique, 1.0)])

    def _cells(self, clique: Clique) -> int:
        return math.prod(coarse_shape(self.domain, clique, self.buckets(clique)))

    def _residual(self, clique: Clique) -> tuple[Values, float]:
        """The pure interaction of these attributes in their marginal, and the variance of each of its cells."""
        if clique not in self._residuals:
            total, precision = np.zeros(()), 0.0
            for names, answer in self.answers:
                if names.issuperset(clique):
                    table = summed(answer.values.astype(np.float64), answer.clique, clique)
                    weight = table.size / (answer.values.size * answer.deviation**2)
                    total, precision = total + weight * table, precision + weight
            residual, kept = total / precision, 1.0
            for axis, size in enumerate(residual.shape):
                residual = residual - residual.mean(axis=axis, keepdims=True)
                kept *= 1.0 - 1.0 / size
            self._residuals[clique] = residual, kept / precision
        return self._residuals[clique]


def subsets(clique: Clique) -> Iterator[Clique]:
    """All subsets, from the empty one to the clique itself, names in the order of the clique."""
    return itertools.chain.from_iterable(itertools.combinations(clique, size) for size in range(len(clique) + 1))


def combinations(domain: Domain, answers: Sequence[Measurement]) -> tuple[Combination, ...]:
    """One combination per grid: that of the codes first, then one for each way in which answers merge codes.

    Answers share a grid when no attribute has different buckets in them.
    """
    fine: dict[str, Buckets] = dict.fromkeys(domain)
    grids: list[dict[str, Buckets]] = []
    for answer in answers:
        if not answer.coarsening:
            continue
        given = dict(answer.coarsening)
        seen: dict[str, Buckets] = {name: given.get(name) for name in answer.clique}
        fitting = (grid for grid in grids if all(grid.get(name, codes) == codes for name, codes in seen.items()))
        grid = next(fitting, None)
        if grid is None:
            grid = {}
            grids.append(grid)
        grid.update(seen)
    return tuple(Combination.on(domain, {**fine, **grid}, answers) for grid in ({}, *grids))


def _check(domain: Domain, answer: Measurement) -> None:
    domain.check_clique(answer.clique)
    given, where = dict(answer.coarsening), ",".join(answer.clique)
    buckets = [given.get(name) for name in answer.clique]
    if any(codes is not None and min(codes) < 0 for codes in buckets):
        raise DomainError("the buckets of a coarsening are 0 or above", where=where)
    if answer.values.shape != coarse_shape(domain, answer.clique, buckets):
        raise DomainError("a measurement does not have the shape of its clique", where=where)
    if not _SCALES[0] <= answer.deviation <= _SCALES[1]:
        raise DomainError("the noise scale of a measurement is out of range", where=where)


def _by_size(clique: Clique) -> tuple[int, Clique]:
    return -len(clique), clique
