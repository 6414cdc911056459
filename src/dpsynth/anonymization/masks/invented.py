"""Invented values in the place of real ones: the same for the same value and key."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pyarrow as pa

from dpsynth.anonymization.masks.keys import Hashing
from dpsynth.schema.patterns import Automaton


@dataclass(frozen=True, eq=False)
class PatternReplacement:
    """A text of a pattern for each cell, all texts equally likely; two cells may get the same."""

    hashing: Hashing
    automaton: Automaton

    def __call__(self, cells: pa.Array) -> pa.Array:
        """The texts; 10 to 100 microseconds each."""
        ranks = self.hashing.numbers(cells.to_pylist(), self.automaton.counts[0])
        return pa.array([self.automaton.text(rank) for rank in ranks], pa.string())


@dataclass(frozen=True, eq=False)
class FakeReplacement:
    """What a provider of Faker invents from a seed that the key draws for each cell; two cells may get the same."""

    hashing: Hashing
    invent: Callable[[int], str]

    def __call__(self, cells: pa.Array) -> pa.Array:
        """The texts; about 100 microseconds each."""
        return pa.array([self.invent(seed) for seed in self.hashing.numbers(cells.to_pylist(), 1 << 63)], pa.string())
