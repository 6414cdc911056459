"""Small made-up tables that tell most about a unit, found by search. The figure itself comes from other transcripts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dpsynth.audit.coded_table import CodedTable
from dpsynth.audit.tree_law import TreeLaw
from dpsynth.domain import Domain

BINARY = Domain(("a", "b", "c"), (2, 2, 2))
"""Three columns of two values."""

_ROWS = (0, 0, 1, 2, 3, 5, 10, 20, 50, 100)
"""How many rows one cell of a candidate table holds."""


@dataclass(frozen=True, eq=False)
class WorstCase:
    """Two neighbors: ``table`` holds the target's rows, ``without`` does not; int64 counts of shape 2 × 2 × 2."""

    table: NDArray[np.int64]
    without: NDArray[np.int64]

    @property
    def coded(self) -> tuple[CodedTable, CodedTable]:
        """Both as tables of codes, with the target first."""
        return _coded(self.table), _coded(self.without)

    def to_dict(self) -> dict[str, Any]:
        """The neighbors as JSON-able data."""
        return {"with_target": self.table.ravel().tolist(), "without_target": self.without.ravel().tolist()}


def worst_case(
    divergence: Callable[[WorstCase], float], rows: int, rng: np.random.Generator, restarts: int = 60
) -> WorstCase:
    """The neighbors, of ``restarts`` random ones and then as many variations of the best, with the largest divergence.

    The target has ``rows`` rows, all alike.
    """
    best, most = _random(rows, rng), -np.inf
    for attempt in range(2 * restarts):
        tried = _random(rows, rng) if attempt < restarts else _varied(best, rows, rng)
        found = divergence(tried)
        if found > most:
            best, most = tried, found
    return best


def tree_divergence(law: TreeLaw, rng: np.random.Generator, runs: int = 1_000) -> Callable[[WorstCase], float]:
    """How far the selections of neighbors diverge, averaged over ``runs`` transcripts, exact over what they could pick.

    Whatever the table is, the noise of its counts says the same about a unit; the selections do not.
    """

    def divergence(tried: WorstCase) -> float:
        _, questions = law.drawn(tried.table, runs, rng)
        return float(law.selection_divergence(questions, tried.table, tried.without).mean())

    return divergence


def _random(rows: int, rng: np.random.Generator) -> WorstCase:
    return _with_target(np.array(rng.choice(_ROWS, size=(2, 2, 2)), dtype=np.int64) * rows, rows, rng)


def _varied(found: WorstCase, rows: int, rng: np.random.Generator) -> WorstCase:
    without = found.without.copy()
    without[tuple(rng.integers(0, 2, size=3))] = rng.choice(_ROWS) * rows
    return _with_target(without, rows, rng)


def _with_target(without: NDArray[np.int64], rows: int, rng: np.random.Generator) -> WorstCase:
    table = without.copy()
    table[tuple(rng.integers(0, 2, size=3))] += rows
    return WorstCase(table, without)


def _coded(table: NDArray[np.int64]) -> CodedTable:
    codes = np.unravel_index(np.repeat(np.arange(table.size), table.ravel()), table.shape)
    return CodedTable(BINARY, dict(zip(BINARY, codes, strict=True)))
