"""Texts of a pattern, drawn by rank from its automaton: with replacement, or every text at most once."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dpsynth.models.permutation import Permutation
from dpsynth.schema.patterns import Automaton

WIDE = 1 << 62
"""States with more texts than this are passed by drawing; below it texts are ranked by int64."""

RARE = 1 << 41
"""Beside more than ``WIDE`` texts, a branch with fewer than this is never taken: its share is below 2**-21."""

_CHUNK = 1 << 14


@dataclass(frozen=True, eq=False)
class _Moves:
    """The moves of all states as padded arrays, one row per state, one column per move (the end of a text first)."""

    targets: NDArray[np.int64]
    starts: NDArray[np.int64]
    sizes: NDArray[np.int64]
    below: NDArray[np.int64]
    chances: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class PatternTexts:
    """Draws texts of the language of an automaton.

    All texts are equally likely, up to a part of 2**20 in a language of more than 2**62. With ``unique`` no text comes
    twice among the first ``room`` places.
    """

    automaton: Automaton
    unique: bool
    permutations: dict[int, Permutation]

    @staticmethod
    def of(automaton: Automaton, rng: np.random.Generator, *, unique: bool) -> PatternTexts:
        """A drawing with keys of its own."""
        found = PatternTexts(automaton, unique, {})
        for state in found._ends:
            found.permutations[state] = Permutation.of(automaton.counts[state], rng)
        return found

    @property
    def room(self) -> int:
        """How many places are sure to hold distinct texts."""
        return min(self.automaton.counts[0], RARE)

    def draw(self, first: int, count: int, rng: np.random.Generator) -> pa.Array:
        """The texts of the places ``first .. first+count-1`` as a string array."""
        places = np.arange(first, first + count, dtype=np.int64)
        chunks = [self._drawn(places[start : start + _CHUNK], rng) for start in range(0, count, _CHUNK)]
        return pa.concat_arrays(chunks) if chunks else pa.array([], pa.string())

    @cached_property
    def _wide(self) -> NDArray[np.bool_]:
        return np.array([count > WIDE for count in self.automaton.counts])

    @cached_property
    def _ends(self) -> tuple[int, ...]:
        """The states in which ranking begins: the start, or the first narrow ones behind wide states."""
        if not self._wide[0]:
            return (0,)
        counts = self.automaton.counts
        return tuple(
            sorted(
                {
                    target
                    for state, wide in enumerate(self._wide.tolist())
                    if wide
                    for _, target in self.automaton.moves[state]
                    if RARE <= counts[target] <= WIDE
                }
            )
        )

    @cached_property
    def _moves(self) -> _Moves:
        counts, moves = self.automaton.counts, self.automaton.moves
        columns = 1 + max(len(found) for found in moves)
        targets, starts, sizes, below = (np.zeros((len(moves), columns), dtype=np.int64) for _ in range(4))
        chances = np.ones((len(moves), columns))
        used = 0
        for state, found in enumerate(moves):
            ranks, wide = int(self.automaton.accepting[state]), bool(self._wide[state])
            ways = [len(texts) * counts[target] * (not wide or counts[target] >= RARE) for texts, target in found]
            # A move that no rank reaches starts beyond all of them.
            below[state, 1 + len(found) :] = WIDE + 1
            passed = 0
            for column, ((texts, target), way) in enumerate(zip(found, ways, strict=True), start=1):
                targets[state, column], starts[state, column], sizes[state, column] = target, used, len(texts)
                below[state, column] = min(ranks, WIDE + 1)
                chances[state, column] = float(Fraction(passed, sum(ways))) if wide else 1.0
                ranks, passed, used = ranks + way, passed + way, used + len(texts)
        return _Moves(targets, starts, sizes, below, chances)

    @cached_property
    def _alphabet(self) -> NDArray[np.uint32]:
        """The characters of all moves, one after the other."""
        return np.array(
            [ord(character) for found in self.automaton.moves for texts, _ in found for character in texts],
            dtype=np.uint32,
        )

    def _drawn(self, places: NDArray[np.int64], rng: np.random.Generator) -> pa.Array:
        written = np.zeros((len(places), self.automaton.longest), dtype=np.uint32)
        states, lengths = self._pass_wide(written, rng)
        ranks = self._ranks(places, states, rng)
        self._spell(written, states, lengths, ranks)
        return pa.array(written.view(f"<U{self.automaton.longest}").ravel(), pa.string())

    def _pass_wide(
        self, written: NDArray[np.uint32], rng: np.random.Generator
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Characters drawn one by one while more texts lie ahead than an int64 ranks; the states then reached."""
        states, lengths = np.zeros(len(written), dtype=np.int64), np.zeros(len(written), dtype=np.int64)
        moves = self._moves
        while len(rows := np.flatnonzero(self._wide[states])):
            at = states[rows]
            column = (moves.chances[at, 1:] <= rng.random(len(rows))[:, None]).sum(axis=1)
            character = moves.starts[at, column] + rng.integers(0, moves.sizes[at, column])
            written[rows, lengths[rows]] = self._alphabet[character]
            states[rows] = moves.targets[at, column]
            lengths[rows] += 1
        return states, lengths

    def _ranks(
        self, places: NDArray[np.int64], states: NDArray[np.int64], rng: np.random.Generator
    ) -> NDArray[np.int64]:
        """The rank of each place's text among those ahead of its state."""
        ranks = np.zeros(len(places), dtype=np.int64)
        for state in self._ends:
            rows = np.flatnonzero(states == state)
            size = self.automaton.counts[state]
            ranks[rows] = self.permutations[state](places[rows]) if self.unique else rng.integers(0, size, len(rows))
        return ranks

    def _spell(
        self,
        written: NDArray[np.uint32],
        states: NDArray[np.int64],
        lengths: NDArray[np.int64],
        ranks: NDArray[np.int64],
    ) -> None:
        """The text of each rank, in place, by walking the automaton."""
        moves, counts = self._moves, np.array([min(count, WIDE) for count in self.automaton.counts], dtype=np.int64)
        rows = np.arange(len(written))
        while len(rows):
            at, rank = states[rows], ranks[rows]
            column = (moves.below[at, 1:] <= rank[:, None]).sum(axis=1)
            rows, at, rank, column = (values[column > 0] for values in (rows, at, rank, column))
            rank = rank - moves.below[at, column]
            target = moves.targets[at, column]
            character = moves.starts[at, column] + rank // counts[target]
            written[rows, lengths[rows]] = self._alphabet[character]
            states[rows], ranks[rows] = target, rank % counts[target]
            lengths[rows] += 1
