"""Which pairs are worth their noise, and their measurement."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from dpsynth.domain import Clique
from dpsynth.privacy.answers import NoisyMarginal, Selection
from dpsynth.privacy.laws import COUNT_LIMIT
from dpsynth.privacy.loss import PrivacyLoss
from dpsynth.privacy.queryable import Candidate, Queryable
from dpsynth.synthesizers.allocation import MEAN_ABSOLUTE, Noise, one_way_error, weight_of
from dpsynth.synthesizers.spanning import OneWays

_LOOK_FROM, _LOOK_TO = 0.006, 0.07
"""Between these expected one-way errors the second look grows from nothing to all of its share."""

_ALL_PAIRS, _ONE_TREE = 0.02, 0.2
"""Up to the first expected error of a pair all are measured, from the second on as many as a tree has."""

_NEARLY_ALL = 0.9
"""From this part of all pairs on, choosing is not worth its price."""

_PENALTY = 0.5
"""How much of the error that measuring a pair would leave is taken off its score."""

_OFFERS = 1 << 17
"""At most this many scored candidates over all selections: a tree of 64 columns needs 127,008."""


def second_look(one_ways: OneWays) -> Fraction:
    """Which part of its share a second look at the one-way marginals is worth: logarithmic in the expected error."""
    error = one_way_error(list(one_ways.counts.values()), list(one_ways.scales.values()), one_ways.total)
    return Fraction(round(20 * _between(error, _LOOK_FROM, _LOOK_TO)), 20)


def _between(value: float, start: float, end: float) -> float:
    """Where a value lies between two others on a logarithmic scale: 0 up to ``start``, 1 from ``end`` on."""
    part = math.log(max(value, 1e-9) / start) / math.log(end / start)
    return min(max(part, 0.0), 1.0)


@dataclass(frozen=True)
class SelectedPairs:
    """The pairs to measure, and the selections that were paid for."""

    pairs: tuple[Clique, ...]
    asked: tuple[Selection, ...]


@dataclass(frozen=True, eq=False)
class PairQuestions:
    """Everything that is asked about pairs, given the one-way counts."""

    one_ways: OneWays
    pairs: tuple[Clique, ...]

    def selected(self, queryable: Queryable, loss: PrivacyLoss) -> SelectedPairs:
        """All pairs, at no cost, or the noisy maxima one after the other, together at most ``loss``.

        The score of a pair is its L1 distance from independence less half of the error that measuring it would leave.
        """
        wanted = self._wanted(queryable)
        if wanted >= _NEARLY_ALL * len(self.pairs) or not queryable.governor.units(loss):
            return SelectedPairs(self.pairs, ())
        noise = self._noise(queryable, wanted)
        left = {pair: self._candidate(pair, noise) for pair in self.pairs}
        each = loss.share(Fraction(1, wanted))
        asked: list[Selection] = []
        for _ in range(wanted):
            asked.append(queryable.select(list(left.values()), each))
            del left[asked[-1].clique]
        return SelectedPairs(tuple(selection.clique for selection in asked), tuple(asked))

    def measured(self, queryable: Queryable, pairs: Sequence[Clique]) -> tuple[NoisyMarginal, ...]:
        """These pairs by one joint measurement that takes exactly what is left.

        Weighted by the number of cells that stand out of the noise.
        """
        noise = self._noise(queryable, len(pairs))
        above = [float(np.minimum(self.one_ways.independent(pair) / noise, 1.0).sum()) for pair in pairs]
        return queryable.measure(pairs, queryable.remaining, [weight_of(cells, queryable.governor) for cells in above])

    def _wanted(self, queryable: Queryable) -> int:
        """How many pairs: all while their noise would leave small errors, at least as many as a tree has."""
        noise = self._noise(queryable, len(self.pairs))
        errors = [
            float(np.minimum(MEAN_ABSOLUTE * noise, self.one_ways.independent(pair)).sum()) / (2 * self.one_ways.total)
            for pair in self.pairs
        ]
        part = _between(sum(errors) / len(errors), _ALL_PAIRS, _ONE_TREE)
        least = min(len(self.one_ways.domain) - 1, len(self.pairs))
        wanted = round(len(self.pairs) - part * (len(self.pairs) - least))
        affordable = max(_OFFERS // len(self.pairs), least)
        if wanted <= affordable:
            return wanted
        return affordable if 2 * wanted < len(self.pairs) else len(self.pairs)

    def _noise(self, queryable: Queryable, pairs: int) -> float:
        """The scale of each pair if so many shared what is left."""
        return Noise(queryable.governor, self.one_ways.sensitivity).measured(
            queryable.remaining.share(Fraction(1, pairs))
        )

    def _candidate(self, pair: Clique, noise: float) -> Candidate:
        expected = self.one_ways.independent(pair)
        penalty = round(_PENALTY * float(np.minimum(MEAN_ABSOLUTE * noise, expected).sum()))
        return Candidate(pair, np.minimum(np.rint(expected), COUNT_LIMIT).astype(np.int64), penalty=penalty)
