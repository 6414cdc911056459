"""Sampled rows brought to the pairs of a mixture: rows of one component exchange single codes.

Within a component the attributes are independent, so any pairing of their codes is a sample of it. Dealt at random,
the counts of pairs vary as if rows were drawn; exchanging the codes of two rows changes no count of an attribute within
the component, but moves the counts of pairs, and is done where that brings them nearer to what the mixture expects.
"""

from __future__ import annotations

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
LOOKUPS = 1 << 18
"""Exchanges are judged in portions of this many pairs of codes: memory stays bounded, and judgments recent."""
ACCEPTED = 0.3
"""The share of good exchanges that is made at a time: each was judged as if it were the only one."""


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
        self._starts = np.cumsum(self._sizes) - self._sizes
        self._codes = len(pairs)
        self._pairs = pairs.ravel()
        self._rows = 0
        self._surplus = np.zeros_like(self._pairs)
        self._weight = np.zeros_like(self._pairs)
        self._flat: Rows = np.zeros((0, len(self._sizes)), dtype=np.intp)

    def settled(self, columns: Sequence[Codes], component: Codes, rng: np.random.Generator) -> list[Codes]:
        """The columns of a block after exchanges between rows of the same component."""
        self._flat = np.stack([column.astype(np.intp) for column in columns], axis=1) + self._starts
        self._count()
        for _ in range(ROUNDS if len(component) > 1 else 0):
            for axis in rng.permutation(len(self._sizes)):
                first, second = self._partners(component, rng)
                differ = self._flat[first, axis] != self._flat[second, axis]
                self._exchange(int(axis), first[differ], second[differ], rng)
        found = self._flat - self._starts
        return [found[:, axis].astype(column.dtype) for axis, column in enumerate(columns)]

    def _count(self) -> None:
        """Take a block into the surplus of every pair of codes over its expected count."""
        block = len(self._flat)
        self._rows += block
        self._surplus -= self._pairs * np.float32(block)
        np.divide(1.0, self._pairs * np.float32(self._rows) + np.float32(1.0), out=self._weight)
        table = self._surplus.reshape(self._codes, self._codes)
        local = self._flat - self._starts
        for left, size in enumerate(self._sizes):
            rows = slice(self._starts[left], self._starts[left] + size)
            for right in range(left):
                columns = slice(self._starts[right], self._starts[right] + self._sizes[right])
                shape = size, self._sizes[right]
                keys = local[:, left] * shape[1] + local[:, right]
                counts = np.bincount(keys, minlength=shape[0] * shape[1]).reshape(shape)
                table[rows, columns] += counts
                table[columns, rows] += counts.T

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
        others = np.delete(np.arange(len(self._sizes)), axis)
        near, far = self._flat[first][:, others], self._flat[second][:, others]
        mine, theirs = self._flat[first, axis][:, None] * self._codes, self._flat[second, axis][:, None] * self._codes
        left, entered = (mine + near, theirs + far), (theirs + near, mine + far)
        change = sum(self._weight[cell] * (1 - 2 * self._surplus[cell]) for cell in left)
        change += sum(self._weight[cell] * (1 + 2 * self._surplus[cell]) for cell in entered)
        better = np.where(near == far, 0.0, change).sum(axis=1) < 0
        better &= rng.random(len(first)) < ACCEPTED
        for cells, sign in ((left, -1.0), (entered, 1.0)):
            for cell in cells:
                self._move(cell[better].ravel(), sign)
        one, two = first[better], second[better]
        self._flat[one, axis], self._flat[two, axis] = self._flat[two, axis], self._flat[one, axis]

    def _move(self, cells: Rows, sign: float) -> None:
        mirrored = cells % self._codes * self._codes + cells // self._codes
        np.add.at(self._surplus, np.concatenate((cells, mirrored)), np.float32(sign))
