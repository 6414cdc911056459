"""Intervals for the true counts of a marginal, from the noisy answers that a model keeps.

They are about the rows that entered the fit, not about a population, and hold cell by cell. Mathematics, and what
is guaranteed for questions that depended on earlier answers: ``docs/guide/intervals.md``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from dpsynth.domain import Clique, Domain
from dpsynth.errors import UsageError
from dpsynth.graph.combination import Combination, Combined, combinations, subsets
from dpsynth.graph.factors import aligned, summed
from dpsynth.models.claims import ClaimedMarginal
from dpsynth.models.rounding import Expected
from dpsynth.privacy.answers import NoisyMarginal

Basis = Literal["measured", "bound", "measured and bound"]
"""``measured``: every cell has an unbiased estimate of its own; ``bound``: none has."""

BOUND_SHARE = 0.1
"""The part of the chance of a miss that goes to bounds from other marginals, in cells that were measured."""

_WORTH = 0.9
"""A bound from fewer columns is used if its noise is below this part of that from more."""

_CEILINGS, _FLOORS = 64, 8
"""At most this many upper and lower bounds of one clique: each takes its part of the chance of a miss."""

Cells = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class MarginalInterval:
    """A marginal with an interval for the true count of every cell: of the rows that entered the fit.

    All arrays are float64, one axis per attribute of ``clique``, in rows; ``labels`` names the codes along every axis.
    ``estimate``: the model's expected counts, as in ``Marginal``. ``lower`` ≤ estimate ≤ ``upper``, both at least 0:
    each cell's true count lies between them with chance ``level`` over the noise; not all cells at once, and not the
    counts of a population. ``standard_error``: that of the unbiased estimate behind the interval; NaN in cells that no
    answer resolves, which have bounds only. ``basis`` says which of the two the cells have.
    """

    clique: Clique
    labels: Mapping[str, tuple[str, ...]]
    estimate: Expected
    lower: Expected
    upper: Expected
    standard_error: Expected
    level: float
    basis: Basis


def checked_level(level: float) -> float:
    """The level of an interval; ``UsageError`` unless it is a number strictly between 0 and 1."""
    if isinstance(level, bool) or not isinstance(level, int | float | np.floating) or not 0.0 < float(level) < 1.0:
        raise UsageError(
            "the level of an interval is a number strictly between 0 and 1, such as 0.95", where="interval"
        )
    return float(level)


@dataclass(frozen=True, eq=False)
class NoisyAnswers:
    """The noisy marginals of a model, ready to be combined for any clique."""

    domain: Domain
    grids: tuple[Combination, ...]

    @staticmethod
    def of(domain: Domain, answers: Sequence[object]) -> NoisyAnswers:
        """Those among the answers that are counts; ``UsageError`` when there are none."""
        counts = [answer for answer in answers if isinstance(answer, NoisyMarginal | ClaimedMarginal)]
        if not counts:
            raise UsageError(
                "the model holds no noisy counts that an interval could rest on",
                where="interval",
                hint="A fitted model keeps those it was made of.",
            )
        return NoisyAnswers(domain, combinations(domain, counts))

    def limits(self, clique: Clique, level: float) -> tuple[Expected, Expected, Expected]:
        """The lower and the upper end of every cell, before they are widened to hold a model's estimate, and the
        standard error (NaN where there is none), float64, axes in clique order.

        Cost: a pass over the answers for each subset of the clique, kept for later calls, and one over the cells for
        each bound.
        """
        ordered = self.domain.canonical(clique)
        found = _Limits(self.domain, ordered, self.grids, 1.0 - level)
        lower, upper, error = (summed(values, ordered, clique) for values in (*found.ends(), found.error))
        return lower, upper, error

    def interval(
        self, clique: Clique, estimate: Expected, labels: Mapping[str, tuple[str, ...]], level: float
    ) -> MarginalInterval:
        """The interval around the model's ``estimate``: the limits, and the estimate where it lies outside of them."""
        lower, upper, error = self.limits(clique, level)
        resolved = np.isfinite(error)
        basis: Basis = "measured" if resolved.all() else "measured and bound" if resolved.any() else "bound"
        return MarginalInterval(
            clique=clique,
            labels=labels,
            estimate=estimate,
            lower=np.minimum(lower, estimate),
            upper=np.maximum(upper, estimate),
            standard_error=error,
            level=level,
            basis=basis,
        )


@dataclass(frozen=True, eq=False)
class _Counts:
    """Combined counts of a subset of the clique on one grid."""

    grid: Combination
    combined: Combined

    @staticmethod
    def of(grid: Combination, clique: Clique) -> _Counts:
        return _Counts(grid, grid.counts(clique))

    def values(self, clique: Clique) -> Expected:
        """The values of the buckets of every code, to be broadcast over the clique."""
        return aligned(self.grid.spread(self.combined), self.combined.clique, clique)

    def alone(self, clique: Clique) -> Cells:
        """The cells of the clique that the grid keeps apart."""
        return self.grid.alone(clique)

    def replaces(self, other: _Counts) -> bool:
        """Whether these counts bound a cell as well as the other ones: of more columns, as fine, hardly noisier."""
        names = other.combined.clique
        return (
            set(names) <= set(self.combined.clique)
            and all(self.grid.grid[name] in {None, other.grid.grid[name]} for name in names)
            and _WORTH * self.combined.deviation <= other.combined.deviation
        )


@dataclass(frozen=True, eq=False)
class _Limits:
    """All limits of one clique (in domain order), and how the chance of a miss is shared among them.

    Which limits there are and what they get depends on scales and shapes alone, never on a value.
    """

    domain: Domain
    clique: Clique
    grids: tuple[Combination, ...]
    miss: float

    @cached_property
    def tops(self) -> list[tuple[Combination, tuple[Clique, ...]]]:
        """Every grid that differs on the clique, with the largest subsets of the clique that it determines."""
        grids = {grid.buckets(self.clique): grid for grid in reversed(self.grids)}
        return [(grid, grid.largest(self.clique)) for grid in reversed(grids.values())]

    @cached_property
    def whole(self) -> list[_Counts]:
        """Unbiased counts of every cell of the clique."""
        return [counts for counts in self._determined if counts.alone(self.clique).all()]

    @cached_property
    def direct(self) -> list[_Counts]:
        """Unbiased counts of cells of the clique: of every cell, and those that merge some codes but are more exact.

        All of them limit the cells that they resolve. To take the better one for each cell would not do: which codes
        are merged may depend on the noise of the others.
        """
        return [
            counts for counts in self._determined if not any(best.replaces(counts) for best in self._others(counts))
        ]

    def _others(self, counts: _Counts) -> list[_Counts]:
        return [best for best in self.whole if best is not counts]

    @cached_property
    def _determined(self) -> list[_Counts]:
        return [_Counts.of(grid, self.clique) for grid, tops in self.tops if tops == (self.clique,)]

    @cached_property
    def error(self) -> Expected:
        """The least standard deviation of an unbiased estimate of every cell; NaN where all answers merge the cell."""
        error = np.full(self.domain.shape(self.clique), np.nan)
        for counts in self.direct:
            np.fmin(error, counts.combined.deviation, out=error, where=counts.alone(self.clique))
        return error

    @cached_property
    def ceilings(self) -> list[_Counts]:
        """Counts that no cell exceeds: of fewer columns or of merged codes."""
        kept: list[_Counts] = []
        for size in range(len(self.clique), 0, -1):
            for counts in self._of_size(size):
                if not any(other.replaces(counts) for other in (*self.whole, *kept)):
                    kept.append(counts)
        if not kept and not self.whole:
            kept = [_Counts.of(self.grids[0], ())]
        return sorted(kept, key=lambda counts: counts.combined.deviation)[:_CEILINGS]

    def _of_size(self, size: int) -> Iterator[_Counts]:
        for grid, tops in self.tops:
            inside = {subset for top in tops for subset in subsets(top) if len(subset) == size}
            yield from (_Counts.of(grid, subset) for subset in sorted(inside))

    @cached_property
    def floors(self) -> list[_Counts]:
        """Bonferroni's lower bounds along chains of determined marginals that together hold all columns."""
        if np.isfinite(self.error).all():
            return []
        found: list[_Counts] = []
        for grid, tops in self.tops:
            if len(tops) > 1 and set().union(*tops) == set(self.clique):
                chains = dict.fromkeys(_chain(self.clique, top, tops) for top in tops[:_FLOORS])
                found += [_Counts(grid, grid.combine(self.clique, chain)) for chain in chains]
        return found

    def ends(self) -> tuple[Expected, Expected]:
        """The lower and the upper end of every cell, clipped at 0; where limits contradict each other the upper end is
        the lower one.
        """
        resolved = np.isfinite(self.error)
        lower, upper = np.zeros(resolved.shape), np.full(resolved.shape, np.inf)
        around = self.miss * (1.0 - BOUND_SHARE if self.ceilings else 1.0) / (2 * max(len(self.direct), 1))
        for counts in self.direct:
            values, radius, cells = (
                counts.values(self.clique),
                counts.combined.radius(around),
                counts.alone(self.clique),
            )
            np.maximum(lower, values - radius, out=lower, where=cells)
            np.minimum(upper, values + radius, out=upper, where=cells)
        beside = self.miss * BOUND_SHARE / max(len(self.ceilings), 1)
        alone = self.miss / max(len(self.ceilings) + len(self.floors), 1)
        for counts in self.ceilings:
            radii = _either(resolved, counts.combined.radius(beside), counts.combined.radius(alone))
            np.minimum(upper, counts.values(self.clique) + radii, out=upper)
        for counts in self.floors:
            cells = ~resolved & counts.alone(self.clique)
            np.maximum(lower, counts.values(self.clique) - counts.combined.radius(alone), out=lower, where=cells)
        np.maximum(lower, 0.0, out=lower)
        return lower, np.maximum(upper, lower)


def _either(cells: Cells, inside: float, outside: float) -> Expected:
    """One number for the cells and one for all others, as small as it can be stored."""
    if cells.all() or not cells.any():
        return np.array(inside if cells.all() else outside)
    return np.where(cells, inside, outside)


def _chain(clique: Clique, start: Clique, tops: Sequence[Clique]) -> tuple[tuple[Clique, float], ...]:
    """The terms of Σ counts(S) − Σ counts(S ∩ those before), over subsets that cover the clique: never above its count.

    Among rows that agree on the columns shared with those before, two conditions together hold for at least the sum
    of both less all of them.
    """
    terms, covered = {start: 1.0}, set(start)
    while len(covered) < len(clique):
        following = max((top for top in tops if not covered.issuperset(top)), key=lambda top: len(covered & set(top)))
        shared = tuple(name for name in following if name in covered)
        terms[following] = terms.get(following, 0.0) + 1.0
        terms[shared] = terms.get(shared, 0.0) - 1.0
        covered |= set(following)
    return tuple(sorted(terms.items()))
