"""The law of a spanning tree's transcript on three binary columns, restated for many transcripts at once.

It is written from what the method is documented to do, shares no code with it, and is checked against the shipped
method: transcript by transcript (the same answers must lead to the same questions, scales and likelihood ratio), and
in distribution through the room (``tests/statistical/test_likelihood_ratio.py``, ``audits/likelihood_ratio.py``).
A transcript holds the noisy one-way counts, a second look at them if noise dominates the first, two selections of a
pair, and the two pairs, in buckets where both values of a column are rare.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dpsynth.audit.gaussian_draws import gaussian_draws
from dpsynth.audit.tree_prices import LEVELS, MOST_WEIGHT, TreePrices

Counts = NDArray[np.int64]
Values = NDArray[np.float64]

PAIRS = ((0, 1), (0, 2), (1, 2))
"""The pairs of columns in the order in which they are offered."""
_OTHERS = np.array([[1, 2], [0, 2], [0, 1]])
_MEAN_ABSOLUTE = np.sqrt(2 / np.pi)
_PENALTY, _RARE, _BUCKETS = 0.7, 3.0, 64
_ERROR_FROM, _ERROR_TO = 0.01, 0.03
_FLOOR = 1e-9
_RESOLUTION = 16


@dataclass(frozen=True, eq=False)
class Outputs:
    """What n transcripts hold. ``one_ways``, ``again``: n × 3 × 2 (``again`` is 0 without a second look); ``picked``:
    n × 2 indices of pairs; ``pairs``: n × 2 × 2 × 2, in the order of ``picked``, merged cells at index 0; ``scales``:
    n × 2, of the pairs.
    """

    one_ways: Counts
    again: Counts
    picked: Counts
    pairs: Counts
    scales: Values


@dataclass(frozen=True, eq=False)
class Questions:
    """What answers about one-way marginals lead to, for n transcripts.

    ``level``: of the second look, n. ``estimates``: n × 3 × 2 × 2 and ``penalties``: n × 3 of the candidates.
    ``expected``: n × 3 × 2, the denoised one-way counts, with ``deviation``, n, and ``totals``, n. ``merged``: n × 3,
    the columns whose two values share a bucket.
    """

    level: Counts
    totals: Values
    expected: Values
    deviation: Values
    estimates: Counts
    penalties: Counts
    merged: NDArray[np.bool_]


class TreeLaw:
    """The law at these prices. Tables are int64 counts of shape 2 × 2 × 2."""

    def __init__(self, prices: TreePrices) -> None:
        self.prices = prices

    def drawn(self, table: Counts, runs: int, rng: np.random.Generator) -> tuple[Outputs, Questions]:
        """``runs`` transcripts of this table with the questions that they held."""
        exact = one_way_counts(table)
        first = exact + gaussian_draws(np.full(runs, self.prices.one_way), 6, rng).reshape(-1, 3, 2)
        level = self.level(first)
        again = np.zeros_like(first)
        again[level > 0] = exact + gaussian_draws(self.prices.again[level[level > 0]], 6, rng).reshape(-1, 3, 2)
        questions = self.questions(first, again)
        picked = self._picked(self._scores(table, questions), rng)
        merged = _of_edges(questions.merged, picked)
        scales = self.edge_scales(questions, picked)
        noise = gaussian_draws(scales.ravel(), 4, rng).reshape(-1, 2, 2, 2)
        pairs = np.where(_held(merged), _in_buckets(pair_counts(table)[picked], merged) + noise, 0)
        return Outputs(first, again, picked, pairs, scales), questions

    def level(self, one_ways: Counts) -> Counts:
        """How much of the second look is bought after the first, in twentieths."""
        counts, total = _denoised(one_ways.astype(np.float64))
        error = np.minimum(_MEAN_ABSOLUTE * self.prices.one_way, counts).sum(axis=2)
        mean = (0.5 * error / total[:, None]).sum(axis=1) / 3
        part = np.clip((mean - _ERROR_FROM) / (_ERROR_TO - _ERROR_FROM), 0.0, 1.0)
        levels: Counts = np.rint(LEVELS * part).astype(np.int64)
        return levels

    def questions(self, one_ways: Counts, again: Counts) -> Questions:
        """Everything that follows from the one-way answers."""
        level = self.level(one_ways)
        first, second = self.prices.one_way**-2, self.prices.again[level] ** -2
        precision = first + second
        pooled = (first * one_ways + second[:, None, None] * again) / precision[:, None, None]
        counts, totals = _denoised(pooled)
        deviation = precision**-0.5
        pairs = np.stack(
            [counts[:, left, :, None] * counts[:, right, None, :] / totals[:, None, None] for left, right in PAIRS],
            axis=1,
        )
        noise = (_MEAN_ABSOLUTE * self.prices.expected[level])[:, None, None, None]
        penalties = np.rint(_PENALTY * np.minimum(noise, pairs).sum(axis=(2, 3))).astype(np.int64)
        return Questions(
            level=level,
            totals=totals,
            expected=counts,
            deviation=deviation,
            estimates=np.rint(pairs).astype(np.int64),
            penalties=penalties,
            merged=_merged(counts, _RARE * deviation),
        )

    def edge_scales(self, questions: Questions, picked: Counts) -> Values:
        """The scales of the two measured pairs, n × 2."""
        level, weights = questions.level, self.edge_weights(questions, picked)
        shape = (LEVELS + 1, MOST_WEIGHT + 1, MOST_WEIGHT + 1)
        keys, which = np.unique(np.ravel_multi_index((level, *weights.T), shape), return_inverse=True)
        ends = zip(*(axis.tolist() for axis in np.unravel_index(keys, shape)), strict=True)
        return np.array([self.prices.edges(end, (one, two)) for end, one, two in ends])[which]

    def edge_weights(self, questions: Questions, picked: Counts) -> Counts:
        """The weights of the two measured pairs by how many of their cells stand out of the noise, n × 2."""
        counts, merged = (_of_edges(values, picked) for values in (questions.expected, questions.merged))
        # A merged column has one bucket: all of its rows are in the first.
        buckets = np.where(merged[..., None], np.stack([counts.sum(axis=-1), np.zeros(merged.shape)], axis=-1), counts)
        expected = buckets[:, :, 0, :, None] * buckets[:, :, 1, None, :] / questions.totals[:, None, None, None]
        noise = self.prices.even[questions.level][:, None, None, None]
        above = np.minimum(expected / noise, 1.0).sum(axis=(2, 3))
        weights: Counts = np.rint(_RESOLUTION * np.cbrt(np.maximum(above, 1.0))).astype(np.int64)
        return weights

    def log_ratios(self, outputs: Outputs, questions: Questions, table: Counts, other: Counts) -> Values:
        """Log P[transcript | table] − log P[transcript | other], exact, n."""
        own, others = one_way_counts(table), one_way_counts(other)
        ratios = _gaussian_ratio(outputs.one_ways, own, others) / self.prices.one_way**2
        ratios += _gaussian_ratio(outputs.again, own, others) / self.prices.again[questions.level] ** 2
        ratios += self._selection_ratios(outputs, questions, table, other)
        merged = _of_edges(questions.merged, outputs.picked)
        held = [_in_buckets(pair_counts(given)[outputs.picked], merged) for given in (table, other)]
        for edge in range(2):
            part = _gaussian_ratio(outputs.pairs[:, edge], held[0][:, edge], held[1][:, edge])
            ratios += part / outputs.scales[:, edge] ** 2
        return ratios

    def selection_divergence(self, questions: Questions, table: Counts, other: Counts) -> Values:
        """The Kullback–Leibler divergence of both selections, table from other, given the answers before them, n."""
        logs = [self._log_probabilities(self._scores(given, questions)) for given in (table, other)]
        own, others = (first[:, :, None] + second for first, second in logs)
        divergence: Values = (np.exp(own) * (own - others)).sum(axis=(1, 2))
        return divergence

    def _selection_ratios(self, outputs: Outputs, questions: Questions, table: Counts, other: Counts) -> Values:
        rows, first = np.arange(len(outputs.picked)), outputs.picked[:, 0]
        place = (_OTHERS[first][:, 1] == outputs.picked[:, 1]).astype(np.int64)
        chances = []
        for given in (table, other):
            one, two = self._log_probabilities(self._scores(given, questions))
            chances.append(one[rows, first] + two[rows, first, place])
        ratio: Values = chances[0] - chances[1]
        return ratio

    def _scores(self, table: Counts, questions: Questions) -> Counts:
        distance = np.abs(pair_counts(table) - questions.estimates).sum(axis=(2, 3))
        scores: Counts = distance - questions.penalties
        return scores

    def _log_probabilities(self, scores: Counts) -> tuple[Values, Values]:
        """Of the first pair, n × 3, and by the first pair of each of the two others, n × 3 × 2."""
        return self._softmax(scores), self._softmax(scores[:, _OTHERS])

    def _softmax(self, scores: Counts) -> Values:
        logits = (scores - scores.max(axis=-1, keepdims=True)) / self.prices.select
        normalized: Values = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
        return normalized

    def _picked(self, scores: Counts, rng: np.random.Generator) -> Counts:
        first = np.argmax(scores / self.prices.select + rng.gumbel(size=scores.shape), axis=1)
        others = _OTHERS[first]
        left = np.take_along_axis(scores, others, axis=1)
        second = np.argmax(left / self.prices.select + rng.gumbel(size=left.shape), axis=1)
        return np.stack([first, others[np.arange(len(first)), second]], axis=1).astype(np.int64)


def one_way_counts(table: Counts) -> Counts:
    """The exact one-way counts, 3 × 2."""
    return np.stack([table.sum(axis=(1, 2)), table.sum(axis=(0, 2)), table.sum(axis=(0, 1))])


def pair_counts(table: Counts) -> Counts:
    """The exact counts of the three pairs, 3 × 2 × 2."""
    return np.stack([table.sum(axis=2), table.sum(axis=1), table.sum(axis=0)])


def _of_edges(values: NDArray[Any], picked: Counts) -> NDArray[Any]:
    """What belongs to the two columns of the picked pairs, n × 2 × 2 and more axes, from n × 3 and more axes."""
    found: NDArray[Any] = values[np.arange(len(picked))[:, None, None], np.array(PAIRS)[picked]]
    return found


def _denoised(values: Values) -> tuple[Values, Values]:
    """One-way counts, n × 3 × 2, on the simplex of their common total, at least a trace of it each; and the totals.

    All columns are equally precise, so the total is the plain mean of their sums.
    """
    # Sums of two by name: numpy's reductions of so short an axis are the slow part of the whole game.
    zero, one = values[..., 0], values[..., 1]
    sums = zero + one
    totals = np.maximum((sums[:, 0] + sums[:, 1] + sums[:, 2]) / 3, 1.0)
    surplus = (sums - totals[:, None]) / 2
    both = (zero > surplus) & (one > surplus)
    parts = [
        np.where(both, part - surplus, np.where(part >= other, totals[:, None], 0.0))
        for part, other in ((zero, one), (one, zero))
    ]
    floored = [np.maximum(part, _FLOOR * totals[:, None]) for part in parts]
    scaling = totals[:, None] / (floored[0] + floored[1])
    return np.stack([part * scaling for part in floored], axis=2), totals


def _merged(counts: Values, threshold: Values) -> NDArray[np.bool_]:
    """The columns whose two values are both rare and together fill one bucket only, n × 3."""
    limit = threshold[:, None]
    rare = (counts < limit[..., None]).all(axis=2)
    least = np.maximum(limit, counts.sum(axis=2) / _BUCKETS)
    merged: NDArray[np.bool_] = rare & (counts.cumsum(axis=2)[..., 1] // least == counts[..., 0] // least)
    return merged


def _in_buckets(pairs: Counts, merged: NDArray[np.bool_]) -> Counts:
    """Counts of pairs, n × 2 × 2 × 2, with the axes of merged columns summed into their index 0."""
    for axis in (2, 3):
        column = merged[:, :, axis - 2, None, None]
        gathered = np.concatenate([pairs.sum(axis=axis, keepdims=True), np.zeros_like(pairs.take([0], axis))], axis)
        pairs = np.where(column, gathered, pairs)
    return pairs


def _held(merged: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The cells that exist: index 0 of a merged axis, and both of one that is not."""
    left, right = (np.stack([np.ones(merged.shape[:2], dtype=bool), ~merged[..., axis]], axis=-1) for axis in (0, 1))
    cells: NDArray[np.bool_] = left[..., :, None] & right[..., None, :]
    return cells


def _gaussian_ratio(answers: Counts, own: Counts, others: Counts) -> Values:
    """scale² · log N(answer | own) / N(answer | other), summed over the cells: the normalizers cancel."""
    cells = (others - own) * (others + own - 2 * answers)
    ratio: Values = cells.reshape(len(answers), -1).sum(axis=1) / 2
    return ratio
