"""Keyed permutations of ``0 .. size-1``: drawing without replacement that needs no memory of what was drawn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_ROUNDS = 8
_GOLDEN, _FIRST, _SECOND = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


@dataclass(frozen=True, eq=False)
class Permutation:
    """A permutation of ``0 .. size-1``, size at most 2**62, chosen by the keys: a balanced Feistel network over the
    next power of 4, walked until it is inside (J. Black and P. Rogaway, Ciphers with arbitrary finite domains, CT-RSA
    2002). It looks random and keeps no secret: synthetic identifiers have none to keep.
    """

    size: int
    keys: NDArray[np.uint64]

    @staticmethod
    def of(size: int, rng: np.random.Generator) -> Permutation:
        """A permutation with fresh keys."""
        return Permutation(size, rng.integers(0, 2**64, _ROUNDS, dtype=np.uint64))

    def __call__(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """The image of each place (int64, in ``0 .. size-1``); distinct places have distinct images."""
        found = places.astype(np.uint64)
        outside = np.arange(len(found))
        while len(outside):
            found[outside] = self._network(found[outside])
            outside = outside[found[outside] >= np.uint64(self.size)]
        return found.astype(np.int64)

    def _network(self, numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
        half = np.uint64(max((self.size - 1).bit_length() + 1, 2) // 2)
        mask = (np.uint64(1) << half) - np.uint64(1)
        left, right = numbers >> half, numbers & mask
        for key in self.keys:
            left, right = right, left ^ (_mixed(right + key) & mask)
        return (left << half) | right


def _mixed(numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finalizer of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014); arithmetic modulo 2**64."""
    mixed = numbers * _GOLDEN
    mixed = (mixed ^ (mixed >> np.uint64(30))) * _FIRST
    mixed = (mixed ^ (mixed >> np.uint64(27))) * _SECOND
    return mixed ^ (mixed >> np.uint64(31))
