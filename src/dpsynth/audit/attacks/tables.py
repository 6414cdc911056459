"""The tables that are attacked, and the records on which: at random, and those that stand out most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dpsynth.audit.attacks.distances import mean_nearest
from dpsynth.errors import DataMismatchError, UsageError
from dpsynth.metrics import CodedTable

Rows = NDArray[np.int64]

CANDIDATES = 50_000
"""Fitted rows among which vulnerable ones are looked for, drawn at random when there are more."""

COMPARED = 5_000
"""Reference rows that they are compared with."""

NEIGHBORS = 5
"""A record stands out by its mean distance to this many nearest ones (Meeus et al. 2023, "Achilles' heels")."""


@dataclass(frozen=True, eq=False)
class AttackedTables:
    """Rows that were ``fitted``, rows ``held_out`` before the fit, and ``synthetic`` rows, all codes of one domain.

    Fitted and held-out rows are one sample split by independent coins: every rate of a control group rests on that.
    Raises ``DataMismatchError`` when the domains differ.
    """

    fitted: CodedTable
    held_out: CodedTable
    synthetic: CodedTable

    def __post_init__(self) -> None:
        if not self.fitted.domain == self.held_out.domain == self.synthetic.domain:
            raise DataMismatchError("the real, the held-out and the synthetic table are coded differently")

    @property
    def samples(self) -> dict[str, int]:
        """The rows of every table."""
        return {"fitted": self.fitted.rows, "held_out": self.held_out.rows, "synthetic": self.synthetic.rows}


@dataclass(frozen=True, eq=False)
class Targets:
    """The rows under attack in one ``group``, each table in random order."""

    group: str
    members: CodedTable
    controls: CodedTable


@dataclass(frozen=True, eq=False)
class Chosen:
    """The attacker's own sample of the population, never attacked, and the groups of targets."""

    reference: CodedTable
    groups: tuple[Targets, ...]


def chosen(tables: AttackedTables, rng: np.random.Generator, *, random: int = 5_000, vulnerable: int = 500) -> Chosen:
    """Half of the held-out rows as reference; of the rest, and of the fitted rows, two groups of targets.

    ``random``: at most this many of either kind. ``vulnerable``: those that stand furthest from the reference rows, by
    one limit for both kinds, set so that about this many controls pass it; of the members, of whom there are more, up
    to four times as many are drawn. Memory: blocks of a few MB. Time: ``CANDIDATES`` and half of the held-out
    rows × ``COMPARED`` × columns at most. Raises ``UsageError`` for a size below 1.
    """
    if min(random, vulnerable) < 1:
        raise UsageError("the numbers of attacked records are at least 1")
    order = rng.permutation(tables.held_out.rows)
    reference = taken(tables.held_out, order[: len(order) // 2])
    controls = taken(tables.held_out, order[len(order) // 2 :])
    members = taken(tables.fitted, rng.permutation(tables.fitted.rows)[:CANDIDATES])
    picked = Targets("random", first(members, random), first(controls, random))
    return Chosen(reference, (picked, _vulnerable(members, controls, reference, vulnerable)))


def _vulnerable(members: CodedTable, controls: CodedTable, reference: CodedTable, count: int) -> Targets:
    compared = first(reference, COMPARED)
    distances = [mean_nearest(table, compared, NEIGHBORS) for table in (members, controls)]
    both = np.concatenate(distances)
    share = min(1.0, count / max(controls.rows, 1))
    limit = np.quantile(both, 1 - share) if len(both) else 0.0
    found = [taken(t, np.flatnonzero(d >= limit)) for t, d in zip((members, controls), distances, strict=True)]
    return Targets("vulnerable", *(first(table, 4 * count) for table in found))


def taken(table: CodedTable, rows: Rows) -> CodedTable:
    """These rows, in this order."""
    return CodedTable(table.domain, {name: table.columns[name][rows] for name in table.domain})


def first(table: CodedTable, count: int) -> CodedTable:
    """At most ``count`` rows from the top."""
    return CodedTable(table.domain, {name: table.columns[name][:count] for name in table.domain})


def joined(tables: Sequence[CodedTable]) -> CodedTable:
    """The rows of all tables, one after the other."""
    domain = tables[0].domain
    return CodedTable(domain, {name: np.concatenate([table.columns[name] for table in tables]) for name in domain})


def row_numbers(tables: Sequence[CodedTable], attributes: Sequence[str]) -> list[Any]:
    """For every table one int64 number per row: rows that agree on the attributes, in whichever table, share it."""
    keys = np.zeros(sum(table.rows for table in tables), dtype=np.int64)
    reach = 1
    for name in attributes:
        size = tables[0].domain[name]
        if reach * size >= 1 << 62:
            _, keys = np.unique(keys, return_inverse=True)
            reach = max(len(keys), 1)
        keys = keys * size + np.concatenate([table.columns[name] for table in tables])
        reach *= size
    _, numbers = np.unique(keys, return_inverse=True)
    return np.split(numbers.astype(np.int64), np.cumsum([table.rows for table in tables])[:-1])
