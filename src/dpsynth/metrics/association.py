"""How strongly columns go together: Cramér's V of every pair, and the cells in which two tables differ most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dpsynth.metrics.coded import CodedTable

CELL_LIMIT = 1 << 21
"""Pairs of more cells are left out."""


@dataclass(frozen=True)
class CellDifference:
    """One cell of a pair of columns: the shares of all rows in both tables, by code."""

    columns: tuple[str, str]
    codes: tuple[int, int]
    first: float
    second: float


@dataclass(frozen=True)
class PairDifference:
    """Cramér's V of a pair in two tables, 0 to 1, and the cell whose shares differ most."""

    columns: tuple[str, str]
    first: float
    second: float
    worst: CellDifference


def pair_differences(first: CodedTable, second: CodedTable, columns: Sequence[str]) -> tuple[PairDifference, ...]:
    """Every pair of these columns in both tables, in the order of ``columns``; none of more than ``CELL_LIMIT`` cells.

    The tables have one domain. Cost: a pass over the rows of both for each pair.
    """
    sizes = first.domain
    pairs = [pair for pair in combinations(columns, 2) if sizes[pair[0]] * sizes[pair[1]] <= CELL_LIMIT]
    return tuple(_difference(pair, first.marginals([pair])[0], second.marginals([pair])[0]) for pair in pairs)


def cramers_v(counts: NDArray[Any]) -> float:
    """Cramér's V of a table of counts, corrected for its bias, 0 to 1 (Bergsma, J. Korean Stat. Soc. 42, 2013)."""
    table = np.asarray(counts, dtype=np.float64)
    table = table[table.sum(axis=1) > 0][:, table.sum(axis=0) > 0]
    rows, total = table.shape, float(table.sum())
    if total < 2 or min(rows, default=0) < 2:
        return 0.0
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / total
    phi2 = float((np.square(table - expected) / expected).sum()) / total
    corrected = max(0.0, phi2 - (rows[0] - 1) * (rows[1] - 1) / (total - 1))
    sides = [side - (side - 1) ** 2 / (total - 1) for side in rows]
    most = min(sides) - 1
    return float(min(1.0, np.sqrt(corrected / most))) if most > 0 else 0.0


def _difference(pair: tuple[str, str], first: NDArray[Any], second: NDArray[Any]) -> PairDifference:
    shares = [counts / max(float(counts.sum()), 1.0) for counts in (first, second)]
    place = int(np.argmax(np.abs(shares[1] - shares[0])))
    at = np.unravel_index(place, first.shape)
    codes = (int(at[0]), int(at[1]))
    worst = CellDifference(pair, codes, float(shares[0][codes]), float(shares[1][codes]))
    return PairDifference(pair, cramers_v(first), cramers_v(second), worst)
