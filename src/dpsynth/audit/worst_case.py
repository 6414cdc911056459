"""Small made-up tables that tell most about a unit, found by search. The figure itself comes from other transcripts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dpsynth.audit.tree_law import TreeLaw

_ROWS = (0, 0, 1, 2, 3, 5, 10, 20, 50, 100)
"""How many rows one cell of a candidate table holds."""


@dataclass(frozen=True, eq=False)
class WorstCase:
    """Two neighbors: ``table`` holds the target's rows, ``without`` does not; int64 counts of shape 2 × 2 × 2."""

    table: NDArray[np.int64]
    without: NDArray[np.int64]

    def to_dict(self) -> dict[str, Any]:
        """The neighbors as JSON-able data."""
        return {"with_target": self.table.ravel().tolist(), "without_target": self.without.ravel().tolist()}


def worst_case(law: TreeLaw, rng: np.random.Generator, restarts: int = 60, runs: int = 1_000) -> WorstCase:
    """The neighbors, of ``restarts`` random ones and then as many variations of the best, whose selections differ most.

    Whatever the table is, the noise of its counts says the same about a unit; the selections do not. Their divergence
    is averaged over ``runs`` transcripts, exact over what they could have selected.
    """
    best, most = _random(law, rng), -np.inf
    for attempt in range(2 * restarts):
        tried = _random(law, rng) if attempt < restarts else _varied(best, law, rng)
        _, questions = law.drawn(tried.table, runs, rng)
        divergence = float(law.selection_divergence(questions, tried.table, tried.without).mean())
        if divergence > most:
            best, most = tried, divergence
    return best


def _random(law: TreeLaw, rng: np.random.Generator) -> WorstCase:
    without = np.array(rng.choice(_ROWS, size=(2, 2, 2)), dtype=np.int64) * law.prices.rows
    return _with_target(without, law, rng)


def _varied(found: WorstCase, law: TreeLaw, rng: np.random.Generator) -> WorstCase:
    without = found.without.copy()
    without[tuple(rng.integers(0, 2, size=3))] = rng.choice(_ROWS) * law.prices.rows
    return _with_target(without, law, rng)


def _with_target(without: NDArray[np.int64], law: TreeLaw, rng: np.random.Generator) -> WorstCase:
    table = without.copy()
    table[tuple(rng.integers(0, 2, size=3))] += law.prices.rows
    return WorstCase(table, without)
