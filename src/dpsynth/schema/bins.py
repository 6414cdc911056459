"""Bins: consecutive intervals of a public range, and the uniform law inside each (``tilting.py`` has others).

``locate`` places values, ``share`` weighs each bin by an allowed set, ``draw`` draws uniformly from a bin, or from
the part of it that is allowed. Whole numbers are exact; real numbers are uniform up to floating-point rounding.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from dpsynth.errors import UsageError

TABLE_SPAN = 1 << 20
"""Whole-number ranges up to this length are located through a lookup table."""


@dataclass(frozen=True, eq=False)
class Allowed:
    """A union of disjoint closed intervals in ascending order: ``lows[i] .. highs[i]``, in the bins' own numbers."""

    lows: NDArray[Any]
    highs: NDArray[Any]

    @staticmethod
    def union(intervals: Sequence[tuple[float, float]], dtype: type[np.generic]) -> Allowed:
        """The union of closed intervals, merged; empty intervals vanish."""
        merged: list[list[float]] = []
        for low, high in sorted(pair for pair in intervals if pair[0] <= pair[1]):
            if merged and low <= merged[-1][1]:
                merged[-1][1] = max(merged[-1][1], high)
            else:
                merged.append([low, high])
        return Allowed(
            np.array([low for low, _ in merged], dtype=dtype), np.array([high for _, high in merged], dtype=dtype)
        )


class Bins(Protocol):
    """Consecutive intervals and a law inside each, uniform in this module."""

    @property
    def count(self) -> int:
        """How many bins there are."""

    @property
    def low(self) -> float:
        """The smallest value."""

    @property
    def high(self) -> float:
        """The largest value."""

    def locate(self, values: NDArray[Any]) -> NDArray[np.int32]:
        """The bin of each value; all values lie in ``low .. high``."""

    def share(self, intervals: Sequence[tuple[float, float]]) -> NDArray[np.float64]:
        """For each bin, the probability that a draw from it falls into the closed intervals."""

    def draw(
        self, codes: NDArray[np.int64], rng: np.random.Generator, intervals: Sequence[tuple[float, float]] | None
    ) -> NDArray[Any]:
        """One draw from the (allowed part of the) bin of each code; a bin with no allowed part gives all."""


@dataclass(frozen=True, eq=False)
class WholeBins:
    """Bin c holds the whole numbers ``edges[c] .. edges[c+1] - 1``; int64, strictly ascending."""

    edges: NDArray[np.int64]

    @property
    def count(self) -> int:
        """How many bins there are."""
        return len(self.edges) - 1

    @property
    def low(self) -> int:
        """The smallest value."""
        return int(self.edges[0])

    @property
    def high(self) -> int:
        """The largest value."""
        return int(self.edges[-1]) - 1

    @cached_property
    def _table(self) -> NDArray[np.int32] | None:
        if self.high - self.low >= TABLE_SPAN:
            return None
        return np.repeat(np.arange(self.count, dtype=np.int32), np.diff(self.edges))

    def locate(self, values: NDArray[np.int64]) -> NDArray[np.int32]:
        """The bin of each value; all values lie in ``low .. high``."""
        if self.count == self.high - self.low + 1:
            return (values - self.low).astype(np.int32)
        if self._table is not None:
            return self._table[values - self.low]
        return np.searchsorted(self.edges[1:-1], values, side="right").astype(np.int32)

    def share(self, intervals: Sequence[tuple[float, float]]) -> NDArray[np.float64]:
        """For each bin, the share of its whole numbers inside the closed intervals; exact counts."""
        below = _whole_below(self.allowed(intervals), self.edges)
        return np.diff(below) / np.diff(self.edges)

    def draw(
        self,
        codes: NDArray[np.int64],
        rng: np.random.Generator,
        intervals: Sequence[tuple[float, float]] | None = None,
    ) -> NDArray[np.int64]:
        """One uniform draw from the (allowed part of the) bin of each code; int64."""
        first, spans = self.edges[:-1], np.diff(self.edges)
        if intervals is None:
            return first[codes] + _below(spans[codes], rng)
        allowed = self.allowed(intervals)
        below = _whole_below(allowed, self.edges)
        room = np.diff(below)
        rank = below[codes] + _below(np.maximum(room, 1)[codes], rng)
        start = np.concatenate([[0], np.cumsum(allowed.highs - allowed.lows + 1)])
        piece = np.clip(np.searchsorted(start, rank, side="right") - 1, 0, max(len(allowed.lows) - 1, 0))
        values = allowed.lows[piece] + (rank - start[piece]) if len(allowed.lows) else first[codes]
        return np.where(room[codes] > 0, values, first[codes] + _below(spans[codes], rng))

    def allowed(self, intervals: Sequence[tuple[float, float]]) -> Allowed:
        """The whole numbers of the closed intervals that lie in ``low .. high``; int64."""
        whole = [
            (math.ceil(max(low, self.low)), math.floor(min(high, self.high)))
            for low, high in intervals
            if low <= self.high and high >= self.low
        ]
        return Allowed.union(whole, np.int64)


@dataclass(frozen=True, eq=False)
class RealBins:
    """Bin c holds the real numbers in [edges[c], edges[c+1]), the last one also its upper edge; float64, ascending."""

    edges: NDArray[np.float64]

    @property
    def count(self) -> int:
        """How many bins there are."""
        return len(self.edges) - 1

    @property
    def low(self) -> float:
        """The smallest value."""
        return float(self.edges[0])

    @property
    def high(self) -> float:
        """The largest value."""
        return float(self.edges[-1])

    def locate(self, values: NDArray[np.float64]) -> NDArray[np.int32]:
        """The bin of each value; all values lie in ``low .. high``."""
        return np.searchsorted(self.edges[1:-1], values, side="right").astype(np.int32)

    def share(self, intervals: Sequence[tuple[float, float]]) -> NDArray[np.float64]:
        """For each bin, the share of its length inside the intervals; ``UsageError`` for a single point."""
        if any(low == high for low, high in intervals):
            raise UsageError(
                "an exact value of a continuous field has no weight", hint='Ask for a range: "col a..b", a < b.'
            )
        below = _length_below(self.allowed(intervals), self.edges)
        return np.clip(np.diff(below) / np.diff(self.edges), 0.0, 1.0)

    def draw(
        self,
        codes: NDArray[np.int64],
        rng: np.random.Generator,
        intervals: Sequence[tuple[float, float]] | None = None,
    ) -> NDArray[np.float64]:
        """One uniform draw from the (allowed part of the) bin of each code; float64, inside the bin."""
        lows, highs = self.edges[:-1], self.edges[1:]
        last = np.nextafter(highs, lows)
        uniform = rng.random(len(codes))
        plain = lows[codes] + uniform * (highs - lows)[codes]
        if intervals is None:
            return np.minimum(plain, last[codes])
        allowed = self.allowed(intervals)
        if not len(allowed.lows):
            return np.minimum(plain, last[codes])
        below = _length_below(allowed, self.edges)
        room = np.diff(below)
        rank = below[codes] + uniform * room[codes]
        start = np.concatenate([[0.0], np.cumsum(allowed.highs - allowed.lows)])
        piece = np.clip(np.searchsorted(start, rank, side="right") - 1, 0, len(allowed.lows) - 1)
        values = np.clip(allowed.lows[piece] + (rank - start[piece]), allowed.lows[piece], allowed.highs[piece])
        values = np.clip(values, lows[codes], highs[codes])
        return np.minimum(np.where(room[codes] > 0, values, plain), last[codes])

    def allowed(self, intervals: Sequence[tuple[float, float]]) -> Allowed:
        """What the intervals leave of ``low .. high``, single points left out; float64."""
        inside = [
            (max(low, self.low), min(high, self.high)) for low, high in intervals if low < self.high and high > self.low
        ]
        return Allowed.union(inside, np.float64)


@dataclass(frozen=True, eq=False)
class StepBins:
    """Bins of ``base`` whose draws are multiples of ``step`` (counted from 0); every bin must hold at least one.

    ``multiples`` are the same bins over the numbers k of the multiples k·step. A draw is the float64 nearest to k·step,
    or an int64 where the base holds whole numbers.
    """

    base: WholeBins | RealBins
    step: Fraction
    multiples: Bins

    @staticmethod
    def of(base: WholeBins | RealBins, step: Fraction) -> StepBins:
        """The bins of ``base`` with uniform draws among their multiples of ``step`` > 0."""
        whole = isinstance(base, WholeBins)
        edges = base.edges.tolist()
        firsts = [math.ceil(_exact(edge) / step) for edge in edges]
        if not whole:
            firsts[-1] = math.floor(_exact(edges[-1]) / step) + 1
        return StepBins(base, step, WholeBins(np.array(firsts, dtype=np.int64)))

    @property
    def hollow(self) -> bool:
        """Whether some bin holds no multiple of the step."""
        return isinstance(self.multiples, WholeBins) and bool((np.diff(self.multiples.edges) < 1).any())

    @property
    def count(self) -> int:
        """How many bins there are."""
        return self.base.count

    @property
    def low(self) -> float:
        """The smallest value."""
        return self.base.low

    @property
    def high(self) -> float:
        """The largest value."""
        return self.base.high

    def locate(self, values: NDArray[Any]) -> NDArray[np.int32]:
        """The bin of each value; all values lie in ``low .. high``."""
        return self.base.locate(values)

    def share(self, intervals: Sequence[tuple[float, float]]) -> NDArray[np.float64]:
        """For each bin, the share of its multiples inside the closed intervals; exact counts."""
        return self.multiples.share(self._scaled(intervals))

    def draw(
        self,
        codes: NDArray[np.int64],
        rng: np.random.Generator,
        intervals: Sequence[tuple[float, float]] | None = None,
    ) -> NDArray[Any]:
        """One draw among the multiples in the (allowed part of the) bin of each code."""
        drawn = self.multiples.draw(codes, rng, None if intervals is None else self._scaled(intervals))
        if isinstance(self.base, WholeBins):
            return drawn * self.step.numerator
        # One exact product and one division: the float64 nearest to the multiple.
        return drawn * float(self.step.numerator) / float(self.step.denominator)

    def _scaled(self, intervals: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
        bounded = [(max(low, self.low), min(high, self.high)) for low, high in intervals]
        return [
            (math.ceil(_exact(low) / self.step), math.floor(_exact(high) / self.step))
            for low, high in bounded
            if low <= high
        ]


def _exact(value: float) -> Fraction:
    """The number that the shortest decimal of a float states."""
    return Fraction(repr(value))


def _below(spans: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Uniform whole numbers in ``0 .. spans - 1``."""
    if spans.size == 0 or spans.max() == 1:
        return np.zeros(spans.shape, dtype=np.int64)
    drawn = (rng.random(spans.shape) * spans).astype(np.int64)
    return np.minimum(drawn, spans - 1)


def _whole_below(allowed: Allowed, points: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many allowed whole numbers lie strictly below each point."""
    sizes = allowed.highs - allowed.lows + 1
    return _measure_below(allowed, sizes, points, np.int64)


def _length_below(allowed: Allowed, points: NDArray[np.float64]) -> NDArray[np.float64]:
    """The allowed length below each point."""
    return _measure_below(allowed, allowed.highs - allowed.lows, points, np.float64)


def _measure_below(
    allowed: Allowed, sizes: NDArray[Any], points: NDArray[Any], dtype: type[np.generic]
) -> NDArray[Any]:
    if not len(sizes):
        return np.zeros(len(points), dtype=dtype)
    start = np.concatenate([np.zeros(1, dtype=dtype), np.cumsum(sizes)])
    piece = np.searchsorted(allowed.lows, points, side="right") - 1
    safe = np.maximum(piece, 0)
    inside = np.minimum(points - allowed.lows[safe], sizes[safe])
    return np.where(piece < 0, np.zeros(1, dtype=dtype), start[safe] + inside)
