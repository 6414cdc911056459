"""Sampled rows brought to the pairs of a mixture: rows of one component exchange single codes.

Within a component the attributes are independent, so any pairing of their codes is a sample of it. Dealt at random,
the counts of pairs vary as if rows were drawn; exchanging the codes of two rows changes no count of an attribute within
the component, but moves the counts of pairs, and is done where that brings them nearer to what the mixture expects.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dpsynth.models.dealing import Codes, shuffled

Pairs = NDArray[np.float32]
"""The probabilities of all pairs of codes of all attributes: codes × codes, symmetric."""
Rows = NDArray[np.intp]
Coded = NDArray[np.uint16]
"""Rows × attributes: codes numbered over all attributes, which is how pairs are numbered."""

SETTLED_CODES = 4096
"""The attributes with the fewest codes are settled, up to this many codes together: pairs take its square."""
LAST_ROUNDS, MOST_ROUNDS, ROUND_ROWS = 3, 8, 1 << 19
"""The last block of a sample gets up to ``MOST_ROUNDS`` rounds of exchanges, fewer when they would judge more than
``ROUND_ROWS`` rows, and at least ``LAST_ROUNDS``; earlier blocks get one: the last makes up for what they leave over.
"""
EARLY_PORTION, LAST_PORTION = 1 << 15, 1 << 13
"""Rows that are judged together in earlier blocks and in the last one: the exchanges of one portion are known when the
next is judged, so that small portions are accurate and large ones fast.
"""
PORTION_CODES = 1 << 21
"""A portion looks up at least as many pairs as there are, unless it would hold more codes (rows × attributes)."""


def settling_axes(sizes: Sequence[int]) -> tuple[int, ...]:
    """The axes that are settled, ascending: as many as possible within ``SETTLED_CODES`` codes together."""
    order = np.argsort(sizes, kind="stable")
    kept = order[np.cumsum(np.asarray(sizes)[order]) <= SETTLED_CODES]
    return tuple(sorted(kept.tolist()))


class Settling:
    """The pair counts of one sample over all its blocks, and the exchanges that bring them to the model.

    The loss is Σ (count - expected)² / (expected + 1) over all pairs of codes. What one block leaves over, the next
    one makes up. Cost of a block: rounds · rows · attributes² look-ups; memory: a few tables of codes × codes.
    """

    def __init__(self, sizes: Sequence[int], pairs: Pairs) -> None:
        starts = np.cumsum(sizes) - sizes
        self._blocks = [slice(int(start), int(start) + size) for start, size in zip(starts, sizes, strict=True)]
        self._pairs = pairs
        self._rows = 0
        self._surplus = np.zeros_like(pairs)
        self._weight = np.zeros_like(pairs)

    def settled(
        self, columns: Sequence[Codes], component: Codes, rng: np.random.Generator, *, last: bool
    ) -> list[Codes]:
        """The columns of a block after exchanges between rows of the same component; ``last`` of the sample or not."""
        self._count(columns)
        rows = np.empty((len(component), len(columns)), dtype=np.uint16)
        for axis, (column, block) in enumerate(zip(columns, self._blocks, strict=True)):
            rows[:, axis] = column + np.uint16(block.start)
        rounds = min(max(LAST_ROUNDS, ROUND_ROWS // len(rows)), MOST_ROUNDS) if last else 1
        portion = self._portion(LAST_PORTION if last else EARLY_PORTION)
        for _ in range(rounds):
            order = shuffled(component, np.arange(len(rows)), rng)
            for start in range(0, len(rows), portion):
                part = order[start : start + portion]
                rows[part] = self._settled_portion(np.take(rows, part, axis=0), component[part], rng)
        return [
            (rows[:, axis] - np.uint16(block.start)).astype(column.dtype)
            for axis, (column, block) in enumerate(zip(columns, self._blocks, strict=True))
        ]

    def _portion(self, rows: int) -> int:
        """The rows of a portion: at least these, where memory allows."""
        axes = len(self._blocks)
        enough = self._pairs.size // max(1, axes * (axes - 1) // 2)
        return max(1, min(max(rows, enough), PORTION_CODES // axes))

    def _count(self, columns: Sequence[Codes]) -> None:
        """Take a block into the surplus of every pair of codes over its expectation.

        Both orders of a pair are kept; pairs of codes of one attribute have no weight.
        """
        block = len(columns[0])
        self._rows += block
        self._surplus -= self._pairs * np.float32(block)
        np.divide(1.0, self._pairs * np.float32(self._rows) + np.float32(1.0), out=self._weight)
        for (left, one), (right, other) in itertools.combinations(enumerate(self._blocks), 2):
            shape = one.stop - one.start, other.stop - other.start
            keys = columns[left].astype(np.intp) * shape[1] + columns[right]
            counts = np.bincount(keys, minlength=shape[0] * shape[1]).reshape(shape)
            self._surplus[one, other] += counts
            self._surplus[other, one] += counts.T
        for own in self._blocks:
            self._weight[own, own] = 0.0

    def _settled_portion(self, rows: Coded, component: Codes, rng: np.random.Generator) -> Coded:
        """These rows, ordered by component and at random within, after one round of exchanges in every attribute."""
        scores = self._scores(rows)
        for axis in rng.permutation(len(self._blocks)).tolist():
            first = _unlike_neighbors(np.flatnonzero(scores[axis] > 0), component, rows[:, axis])
            if first.size:
                self._exchange(axis, rows, first, rng)
        return rows

    def _scores(self, rows: Coded) -> NDArray[np.float32]:
        """For every attribute and row by how much the loss falls when the row leaves its cells (attributes × rows)."""
        codes = rows.T.astype(np.intp, order="C")
        scores = np.zeros(codes.shape, dtype=np.float32)
        cells, found = np.empty(len(rows), dtype=np.intp), np.empty(len(rows), dtype=np.float32)
        for left, block in enumerate(self._blocks):
            gains = ((2 * self._surplus[block] - 1) * self._weight[block]).ravel()
            base = (codes[left] - block.start) * len(self._pairs)
            for right in range(left):
                np.add(base, codes[right], out=cells)
                np.take(gains, cells, out=found, mode="clip")  # (other modes make a copy)
                scores[left] += found
                scores[right] += found
        return scores

    def _exchange(self, axis: int, rows: Coded, pairs: Rows, rng: np.random.Generator) -> None:
        """Exchange the codes of one attribute between these disjoint pairs of rows where it lowers the loss."""
        block = self._blocks[axis]
        surplus, weight = self._surplus[block], self._weight[block]
        slope = surplus * (weight + weight)
        codes = np.take(rows, pairs.ravel(), axis=0).T.astype(np.intp, order="C").reshape(-1, *pairs.shape)
        base = (codes[axis] - block.start) * len(self._pairs)
        left, entered = base + codes, base[::-1] + codes
        cells = np.take((slope + weight).ravel(), entered, mode="clip")
        cells -= np.take((slope - weight).ravel(), left, mode="clip")
        both = cells[:, 0] + cells[:, 1]
        np.copyto(both, 0, where=codes[:, 0] == codes[:, 1])
        change = both.sum(axis=0)
        better = np.flatnonzero(change < 0)
        moved = _moved(left, entered, better, weight.shape)
        share = _share(slope, weight, moved, float(change[better].sum()))
        if share < 1:
            stays = rng.random(len(better)) >= share
            moved -= _moved(left, entered, better[stays], weight.shape)
            better = better[~stays]
        surplus += moved
        self._surplus[:, block] = surplus.T
        one, two = np.take(pairs, better, axis=1)
        rows[one, axis], rows[two, axis] = rows[two, axis], rows[one, axis]


def _unlike_neighbors(chosen: Rows, component: Codes, codes: Coded) -> Rows:
    """Disjoint pairs (2 × pairs) of the chosen rows that follow each other, in one component, with different codes."""
    groups, held = component[chosen], codes[chosen]
    unlike = (groups[1:] == groups[:-1]) & (held[1:] != held[:-1])
    even, odd = unlike[::2], unlike[1::2]
    odd &= ~even[: len(odd)]
    odd[: len(even) - 1] &= ~even[1:]
    first = np.flatnonzero(unlike)
    return np.stack((chosen[first], chosen[first + 1]))


def _moved(left: Rows, entered: Rows, pairs: Rows, shape: tuple[int, ...]) -> Pairs:
    """What these exchanges add to the counts of the cells of one attribute."""
    size = shape[0] * shape[1]
    moved = np.bincount(np.take(entered, pairs, axis=2).ravel(), minlength=size)
    moved -= np.bincount(np.take(left, pairs, axis=2).ravel(), minlength=size)
    return moved.astype(np.float32).reshape(shape)


def _share(slope: Pairs, weight: Pairs, moved: Pairs, alone: float) -> float:
    """The share of some exchanges that lowers the loss most: each was judged as if it were the only one.

    With a share p, drawn at random, the loss is expected to change by p · alone + p² · (joint - own): ``alone`` is the
    sum of what each would change it by; all together bend it by ``joint``, each by itself, in sum, by ``own``.
    """
    joint, own = float((weight * moved * moved).sum()), alone - float((slope * moved).sum())
    return alone / (2 * (own - joint)) if 2 * (own - joint) < alone else 1.0
