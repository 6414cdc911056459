"""Keyed permutations of ``0 .. a·b-1``, written as pairs: the engine of format-preserving pseudonyms.

Small domains are permuted by sorting keyed hashes of all their numbers, a permutation as random as the hash. Larger
ones by the generalized Feistel network of J. Black and P. Rogaway, Ciphers with arbitrary finite domains (CT-RSA
2002), section 4, in the alternating form and with the ten rounds of NIST SP 800-38G's FF1; its round function is keyed
BLAKE2b. Exactly a permutation whatever the round function returns, so nothing has to be walked or remembered.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from dpsynth.anonymization.masks.keys import Hashing

Whole = NDArray[np.int64]

LEAST_DOMAIN = 100
"""Fewer values than this are guessed, not protected: such domains are refused."""

SORTED_DOMAIN = 1_000_000
"""Below this a domain is permuted whole: short Feistel networks leak (M. Bellare, V. T. Hoang and S. Tessaro,
Message-recovery attacks on Feistel-based format preserving encryption, CCS 2016)."""

LARGEST_HALF = 1 << 62
ROUNDS = 10


@dataclass(frozen=True, eq=False)
class KeyedPermutation:
    """A permutation of the pairs ``0 .. left-1`` × ``0 .. right-1``; both at most 2**62, their product at least 100.

    ``label`` separates the permutations of one hash.
    """

    hashing: Hashing
    left: int
    right: int
    label: bytes

    def __call__(self, first: Whole, second: Whole) -> tuple[Whole, Whole]:
        """The image of each pair; distinct pairs have distinct images.

        Cost: at most ten hashes for each distinct half, or one for each number of a small domain.
        """
        if self.left * self.right < SORTED_DOMAIN:
            image = self._sorted[first * self.right + second]
            return image // self.right, image % self.right
        for step in range(ROUNDS):
            if step % 2:
                second = _sum(second, self._round(step, first, self.right), self.right)
            else:
                first = _sum(first, self._round(step, second, self.left), self.left)
        return first, second

    @cached_property
    def _sorted(self) -> Whole:
        numbers = np.arange(self.left * self.right, dtype=">u8")
        tags = b"".join(self.hashing.digests(_octets(numbers), 16, self.label))
        high, low = np.frombuffer(tags, dtype=">u8").reshape(-1, 2).T
        return np.lexsort((low, high)).astype(np.int64)

    def _round(self, step: int, half: Whole, below: int) -> Whole:
        distinct, places = np.unique(half, return_inverse=True)
        cells = _octets(distinct.astype(">u8"))
        tags = self.hashing.numbers(cells, below, self.label + bytes([step]))
        return np.array(tags, dtype=np.int64)[places.reshape(-1)]


def _sum(numbers: Whole, tags: Whole, below: int) -> Whole:
    # Both are below 2**62, so the sum is an int64.
    return (numbers + tags) % below


def _octets(numbers: NDArray[np.uint64]) -> list[bytes]:
    joined = numbers.tobytes()
    return [joined[start : start + 8] for start in range(0, len(joined), 8)]
