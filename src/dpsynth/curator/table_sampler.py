"""The discrete Gaussian for many cells: a certified table of its law, inverted with as many bits as a cell needs.

A magnitude is the quantile of an infinite string of fair bits, read lazily: 63 bits decide almost always, by one
binary search for a whole array; where they do not, more bits are read against sharper thresholds. All thresholds are
integers with proved error bounds; no float decides anything. Proof page: ``docs/proofs/table-sampler.md``.
"""

from __future__ import annotations

import math
import secrets
from bisect import bisect_right
from collections.abc import Callable, Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from dpsynth.errors import UsageError

MANY_CELLS = 100_000
"""Questions of more cells than this may be drawn from tables."""
SMALLEST_SCALE = 2.0**-3
"""Below 0.106 a magnitude above 0 is rarer than 2**-63: the first bits of a cell could not tell it."""
LARGEST_SCALE = 2.0**14
"""A table of 153,000 thresholds."""
_FIRST_BITS = 63  # of a word of 64; the last bit is the sign
_GUARD_BITS = 96
_REACH = 10  # a table of 63 bits ends near 9.35 scales
_BLOCK_CELLS = 1 << 16

_Words = NDArray[np.uint64]
_Counts = NDArray[np.int64]


def table_suits(cells: int, scales: Sequence[float]) -> bool:
    """Whether a question of so many cells, its marginals at these scales, is drawn from tables: public facts decide.

    True for more than 10**5 cells and scales within the limits, unless the tables were larger than the answer.
    """
    within = all(SMALLEST_SCALE <= scale <= LARGEST_SCALE for scale in scales)
    return within and cells > MANY_CELLS and _REACH * sum(set(scales)) <= cells


class TableSampler:
    """Adds N_Z(0, scale²) to every cell of an int64 array: independent draws, exact in law, sums saturate.

    ``scale`` is taken at its exact rational value. Raises ``UsageError`` for a scale below 1/8 or above 2**14.
    Cost: about 4 µs a threshold once, 9.4 thresholds per unit of scale; then about 0.1 µs and eight bytes of the
    operating system's generator a cell, whatever the cell holds.
    """

    def __init__(self, scale: float) -> None:
        if not SMALLEST_SCALE <= scale <= LARGEST_SCALE:
            raise UsageError("a table of noise needs a scale from 1/8 to 16384", hint="OpenDP draws any other scale")
        self._scale = scale
        below, sure = thresholds(scale, _FIRST_BITS)
        self._below, self._sure = np.array(below, dtype=np.uint64), np.array(sure, dtype=np.uint64)

    def __call__(self, counts: _Counts) -> _Counts:
        """The noisy counts, int64, same shape."""
        exact = counts.ravel()
        noisy = np.empty_like(exact)
        for start in range(0, exact.size, _BLOCK_CELLS):
            block = slice(start, start + _BLOCK_CELLS)
            words = np.frombuffer(secrets.token_bytes(8 * exact[block].size), dtype=np.uint64)
            noise, undecided = first_draw(words, self._below, self._sure)
            noisy[block] = saturated_sum(exact[block], noise)
            for place in undecided.tolist():
                far = signed(int(words[place]), self._scale, secrets.randbits)
                noisy[start + place] = min(max(int(exact[start + place]) + far, -(2**63)), 2**63 - 1)
        return noisy.reshape(counts.shape)


def first_draw(words: _Words, below: _Words, sure: _Words) -> tuple[_Counts, NDArray[np.intp]]:
    """The noise that each word decides, and the places of the words that need more bits (their noise means nothing).

    A word is 63 bits of the magnitude and a sign; ``below`` and ``sure`` are the thresholds of 63 bits.
    """
    heads = words >> np.uint64(1)
    magnitudes = np.searchsorted(below, heads, side="right")
    undecided = np.flatnonzero(heads < sure[magnitudes])
    signs = (words & np.uint64(1)).astype(np.int64)
    return (magnitudes ^ -signs) + signs, undecided


def signed(word: int, scale: float, more: Callable[[int], int]) -> int:
    """The noise that a word and the bits after it decide; ``more(n)`` returns the next n bits."""
    found = magnitude(scale, word >> 1, _FIRST_BITS, more)
    return -found if word & 1 else found


def magnitude(scale: float, value: int, bits: int, more: Callable[[int], int]) -> int:
    """|X| for X ~ N_Z(0, scale²): the quantile of a bit string that starts with ``value``, of ``bits`` bits.

    Reads as many bits again as it has, until they decide.
    """
    while True:
        below, sure = thresholds(scale, bits)
        found = bisect_right(below, value)
        if sure[found] <= value:
            return found
        value, bits = value << bits | more(bits), 2 * bits


def thresholds(scale: float, bits: int) -> tuple[list[int], list[int]]:
    """``(below, sure)`` for |X|, X ~ N_Z(0, scale²), in units of 2**-bits; both never fall.

    below[m] ≤ 2**bits · P[|X| ≤ m] ≤ sure[m + 1]; sure[0] is 0 and the last of ``sure`` is 2**bits. For the first
    ``bits`` bits of a string, u, let m be how many of ``below`` are at most u. If sure[m] ≤ u, |X| is m whatever the
    bits that follow.
    """
    working = bits + _GUARD_BITS
    one = 1 << working
    low_ratio, high_ratio = exponential(1 / (2 * Fraction(scale) ** 2), working)
    low_step, high_step = low_ratio**2 >> working, -(-(high_ratio**2) >> working)
    low_weight = high_weight = low_sum = high_sum = one
    sums = [(one, one)]
    while high_weight > 1 << _GUARD_BITS:
        low_weight, high_weight = low_weight * low_ratio >> working, -(-high_weight * high_ratio >> working)
        low_ratio, high_ratio = low_ratio * low_step >> working, -(-high_ratio * high_step >> working)
        low_sum, high_sum = low_sum + 2 * low_weight, high_sum + 2 * high_weight
        sums.append((low_sum, high_sum))
    # Later weights fall at least as fast as the next one: a geometric series bounds them.
    whole = high_sum + 2 * -(-high_weight * high_ratio // (one - high_ratio))
    below = [(low << bits) // whole for low, _ in sums]
    above = [min(-(-(high << bits) // low_sum), 1 << bits) for _, high in sums[:-1]]
    return below, [0, *above, 1 << bits]


def exponential(exponent: Fraction, bits: int) -> tuple[int, int]:
    """Integers around 2**bits · e**-exponent, from decimals whose exp is correctly rounded."""
    down, up = (Context(prec=bits // 3 + 10, rounding=rounding) for rounding in (ROUND_FLOOR, ROUND_CEILING))
    top, bottom, unit = Decimal(-exponent.numerator), Decimal(exponent.denominator), Decimal(1 << bits)
    low = down.multiply(down.next_minus(down.exp(down.divide(top, bottom))), unit)
    high = up.multiply(up.next_plus(up.exp(up.divide(top, bottom))), unit)
    return math.floor(low), math.ceil(high)


def saturated_sum(counts: _Counts, noise: _Counts) -> _Counts:
    """The exact sums, held within int64."""
    limits = np.iinfo(np.int64)
    return np.clip(counts, limits.min - np.minimum(noise, 0), limits.max - np.maximum(noise, 0)) + noise
