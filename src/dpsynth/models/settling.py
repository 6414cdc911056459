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

from dpsynth.models.dealing import Codes

Pairs = NDArray[np.float32]
"""The probabilities of all pairs of codes of all attributes: codes × codes, symmetric."""
Rows = NDArray[np.intp]

SETTLED_CODES = 4096
"""The attributes with the fewest codes are settled, up to this many codes together: pairs take its square."""
ROUNDS = 5
LOOKUPS = 1 << 16
"""Exchanges are judged in portions of this many pairs of codes: memory stays bounded, and judgments recent."""
_SIGNS = np.array([-1.0, -1.0, 1.0, 1.0], dtype=np.float32)
"""An exchange leaves two cells and enters two, for every other attribute."""


def settling_axes(sizes: Sequence[int]) -> tuple[int, ...]:
    """The axes that are settled, ascending: as many as possible within ``SETTLED_CODES`` codes together."""
    order = np.argsort(sizes, kind="stable")
    kept = order[np.cumsum(np.asarray(sizes)[order]) <= SETTLED_CODES]
    return tuple(sorted(kept.tolist()))


class Settling:
    """The pair counts of one sample over all its blocks, and the exchanges that bring them to the model.

    The loss is Σ (count - expected)² / (expected + 1) over all pairs of codes. What one block leaves over, the next
    one makes up. Cost of a block: rounds · rows · attributes² look-ups; memory: three tables of codes × codes.
    """

    def __init__(self, sizes: Sequence[int], pairs: Pairs) -> None:
        self._sizes = list(sizes)
        self._starts: Rows = (np.cumsum(self._sizes) - self._sizes).astype(np.intp)
        self._codes = len(pairs)
        self._pairs = pairs.ravel()
        self._rows = 0
        self._surplus = np.zeros_like(self._pairs)
        self._weight = np.zeros_like(self._pairs)
        self._flat = np.zeros((0, len(self._sizes)), dtype=np.uint16)

    def settled(self, columns: Sequence[Codes], component: Codes, rng: np.random.Generator) -> list[Codes]:
        """The columns of a block after exchanges between rows of the same component."""
        self._flat = np.empty((len(component), len(columns)), dtype=np.uint16)
        for axis, (column, start) in enumerate(zip(columns, self._starts, strict=True)):
            self._flat[:, axis] = column + start
        self._count(columns)
        for _ in range(ROUNDS if len(component) > 1 else 0):
            for axis in rng.permutation(len(self._sizes)):
                first, second = self._partners(component, rng)
                differ = self._flat[first, axis] != self._flat[second, axis]
                self._exchange(int(axis), first[differ], second[differ], rng)
        return [
            (self._flat[:, axis] - start).astype(column.dtype)
            for axis, (column, start) in enumerate(zip(columns, self._starts, strict=True))
        ]

    def _count(self, columns: Sequence[Codes]) -> None:
        """Take a block into the surplus of every pair of codes (the earlier attribute first) over its expectation."""
        block = len(self._flat)
        self._rows += block
        self._surplus -= self._pairs * np.float32(block)
        np.divide(1.0, self._pairs * np.float32(self._rows) + np.float32(1.0), out=self._weight)
        table = self._surplus.reshape(self._codes, self._codes)
        for left, right in itertools.combinations(range(len(self._sizes)), 2):
            shape = self._sizes[left], self._sizes[right]
            keys = columns[left].astype(np.intp) * shape[1] + columns[right]
            counts = np.bincount(keys, minlength=shape[0] * shape[1]).reshape(shape)
            one, other = (slice(self._starts[axis], self._starts[axis] + self._sizes[axis]) for axis in (left, right))
            table[one, other] += counts

    def _partners(self, component: Codes, rng: np.random.Generator) -> tuple[Rows, Rows]:
        """Disjoint pairs of rows of the same component, in random order."""
        shuffled = rng.permutation(len(component))
        shuffled = shuffled[np.argsort(component[shuffled], kind="stable")][int(rng.integers(2)) :]
        first, second = shuffled[: len(shuffled) // 2 * 2 : 2], shuffled[1 : len(shuffled) // 2 * 2 : 2]
        order = rng.permutation(np.flatnonzero(component[first] == component[second]))
        return first[order], second[order]

    def _exchange(self, axis: int, first: Rows, second: Rows, rng: np.random.Generator) -> None:
        portion = max(1, LOOKUPS // len(self._sizes))
        for start in range(0, len(first), portion):
            part = slice(start, start + portion)
            self._improve(axis, first[part], second[part], rng)

    def _improve(self, axis: int, first: Rows, second: Rows, rng: np.random.Generator) -> None:
        """Exchange the codes of one attribute between these disjoint pairs of rows where it lowers the loss."""
        one, two = self._flat[first].astype(np.intp), self._flat[second].astype(np.intp)
        others = np.delete(np.arange(len(self._sizes)), axis)
        before = others < axis
        mine, theirs = (rows[:, axis, None] * np.where(before, 1, self._codes) for rows in (one, two))
        near, far = (rows[:, others] * np.where(before, self._codes, 1) for rows in (one, two))
        cells = np.stack((mine + near, theirs + far, theirs + near, mine + far))
        weights = self._weight[cells]
        slopes = 2 * np.einsum("s,sro,sro->r", _SIGNS, weights, self._surplus[cells])
        bends = np.where(near == far, np.float32(0.0), weights.sum(axis=0)).sum(axis=1)
        better = np.flatnonzero(slopes + bends < 0)
        share = self._share(cells[:, better], float(-slopes[better].sum()), float(bends[better].sum()))
        made = better[rng.random(len(better)) < share]
        self._move(cells[:, made])
        self._flat[first[made], axis], self._flat[second[made], axis] = two[made, axis], one[made, axis]

    def _share(self, cells: Rows, gain: float, own: float) -> float:
        """The share of these exchanges that lowers the loss most: each was judged as if it were the only one.

        With a share p, drawn at random, the loss is expected to change by -p · gain + p² · joint + p (1-p) · own: what
        the exchanges bend the loss by together and each alone.
        """
        earlier = self._surplus[cells]
        self._move(cells)
        moved = self._surplus[cells] - earlier
        joint = float(np.einsum("s,sro,sro->", _SIGNS, self._weight[cells], moved))
        self._move(cells[::-1])
        return (gain - own) / (2 * (joint - own)) if 2 * (joint - own) > gain - own else 1.0

    def _move(self, cells: Rows) -> None:
        """Count exchanges: the first two cells of each lose a row, the last two gain one."""
        np.subtract.at(self._surplus, cells[:2].ravel(), np.float32(1.0))
        np.add.at(self._surplus, cells[2:].ravel(), np.float32(1.0))
