"""The questions of a spanning tree: one-way marginals, which edges, and the edges themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from dpsynth.domain import Clique, Domain
from dpsynth.graph import estimate
from dpsynth.privacy.answers import NoisyMarginal, Selection
from dpsynth.privacy.laws import COUNT_LIMIT
from dpsynth.privacy.loss import PrivacyLoss
from dpsynth.privacy.queryable import Candidate, Queryable
from dpsynth.synthesizers.allocation import MEAN_ABSOLUTE, Noise, one_way_error, weight_of
from dpsynth.synthesizers.candidates import CandidatePairs, TreeGrowth
from dpsynth.synthesizers.compression import rare_buckets

_ERROR_FROM, _ERROR_TO = 0.01, 0.03
"""Between these expected one-way errors the refinement grows from nothing to all of its share."""


def measured_one_ways(queryable: Queryable, loss: PrivacyLoss) -> tuple[NoisyMarginal, ...]:
    """Every one-way marginal by one joint measurement that costs at most ``loss``, weighted by size."""
    domain = queryable.domain
    cliques = [(attribute,) for attribute in domain]
    return queryable.measure(cliques, loss, [weight_of(size, queryable.governor) for size in domain.sizes])


@dataclass(frozen=True, eq=False)
class OneWays:
    """The denoised one-way counts (each sums to ``total``) with the standard deviation of the noise behind each
    (``scales``), and their sensitivity.
    """

    domain: Domain
    counts: dict[str, NDArray[np.float64]]
    scales: dict[str, float]
    total: float
    sensitivity: int

    @staticmethod
    def of(domain: Domain, answers: Sequence[NoisyMarginal]) -> OneWays:
        """What these one-way answers say together."""
        tree, _ = estimate(domain, answers)
        precisions = dict.fromkeys(domain, 0.0)
        for answer in answers:
            precisions[answer.clique[0]] += answer.deviation**-2
        return OneWays(
            domain=domain,
            counts={attribute: tree.marginal((attribute,)) for attribute in domain},
            scales={attribute: precision**-0.5 for attribute, precision in precisions.items()},
            total=tree.total,
            sensitivity=max(answer.sensitivity for answer in answers),
        )

    def independent(self, pair: Clique) -> NDArray[np.float64]:
        """The expected counts of a pair if its columns were independent."""
        left, right = (self.counts[attribute] for attribute in pair)
        return np.multiply.outer(left, right) / self.total


def refinement(one_ways: OneWays) -> Fraction:
    """Which part of the refinement's share is worth spending: 0 when noise hardly shows, 1 when it dominates."""
    error = one_way_error(list(one_ways.counts.values()), list(one_ways.scales.values()), one_ways.total)
    part = min(max((error - _ERROR_FROM) / (_ERROR_TO - _ERROR_FROM), 0.0), 1.0)
    return Fraction(round(20 * part), 20)


@dataclass(frozen=True)
class Selected:
    """The edges of the tree, and the selections that were paid for (an only candidate is taken for free)."""

    edges: tuple[Clique, ...]
    asked: tuple[Selection, ...]


@dataclass(frozen=True, eq=False)
class EdgeQuestions:
    """Everything that is asked about pairs, given the one-way counts."""

    one_ways: OneWays
    pairs: CandidatePairs
    penalty: float
    compress: float

    def selected(self, queryable: Queryable, each: PrivacyLoss) -> Selected:
        """A spanning tree by one noisy maximum per edge, each costing at most ``each`` (Kruskal's algorithm).

        The score of a pair is its L1 distance from independence less ``penalty`` times the error that measuring it
        would leave: a pair whose table drowns in noise teaches nothing.
        """
        growth = TreeGrowth(self.pairs)
        left = queryable.remaining.share(Fraction(1, self.pairs.edges)).minus(each)
        noise = Noise(queryable.governor, self.one_ways.sensitivity).measured(left)
        candidates = {pair: self._candidate(pair, noise) for pair in self.pairs.pairs}
        edges: list[Clique] = []
        asked: list[Selection] = []
        while offered := growth.offered():
            chosen = offered[0]
            if len(offered) > 1:
                asked.append(queryable.select([candidates[pair] for pair in offered], each))
                chosen = asked[-1].clique
            growth.add(chosen)
            edges.append(chosen)
        return Selected(tuple(edges), tuple(asked))

    def _candidate(self, pair: Clique, noise: float) -> Candidate:
        expected = self.one_ways.independent(pair)
        left_by_measuring = float(np.minimum(MEAN_ABSOLUTE * noise, expected).sum())
        estimate_of_pair = np.minimum(np.rint(expected), COUNT_LIMIT).astype(np.int64)
        return Candidate(pair, estimate_of_pair, penalty=round(self.penalty * left_by_measuring))

    def measured(self, queryable: Queryable, edges: Sequence[Clique]) -> tuple[NoisyMarginal, ...]:
        """The edges by one joint measurement that takes exactly what is left, rare values merged.

        Weighted by the number of cells that stand out of the noise.
        """
        buckets = self._buckets(edges)
        buys = Noise(queryable.governor, self.one_ways.sensitivity)
        noise = buys.measured(queryable.remaining.share(Fraction(1, len(edges))))
        weights = [buys.weight_of(self._above(pair, buckets, noise)) for pair in edges]
        table = queryable.coarsened(buckets) if buckets else queryable
        return table.measure(edges, queryable.remaining, weights)

    def _buckets(self, edges: Sequence[Clique]) -> dict[str, NDArray[np.int64]]:
        if not self.compress:
            return {}
        used = {attribute for pair in edges for attribute in pair}
        counts = {attribute: values for attribute, values in self.one_ways.counts.items() if attribute in used}
        return rare_buckets(counts, self.one_ways.scales, self.compress)

    def _above(self, pair: Clique, buckets: dict[str, NDArray[np.int64]], noise: float) -> float:
        """How many cells of a pair stand out of the noise."""
        left, right = (
            np.bincount(buckets[attribute], weights=values) if attribute in buckets else values
            for attribute, values in ((attribute, self.one_ways.counts[attribute]) for attribute in pair)
        )
        expected = np.multiply.outer(left, right) / self.one_ways.total
        return float(np.minimum(expected / noise, 1.0).sum())
