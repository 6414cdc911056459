"""Distances of a released table from the real rows, for the internal edition of a report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dpsynth.evidence import Color, InternalFigure
from dpsynth.metrics import CodedTable, pair_differences
from dpsynth.models import Model
from dpsynth.pipeline.audited import coded
from dpsynth.pipeline.evaluate import evaluate
from dpsynth.pipeline.ingest import described
from dpsynth.pipeline.plan import load_schema
from dpsynth.report.internal import Utility
from dpsynth.schema import Schema
from dpsynth.tables import open_table

COLUMNS = 30
"""Associations are compared among so many columns: those that lie farthest from the real ones."""


def utility_of(
    real: Any,
    synthetic: Any,
    model: Model,
    table: CodedTable | None,
    *,
    schema: Schema | str | Path | None,
    delimiter: str | None,
) -> Utility:
    """Distances of all 1- and 2-way marginals and associations of pairs. Reads the real rows twice.

    Raises what ``evaluate`` raises.
    """
    carried = model.schema if schema is None else load_schema(schema)
    found = evaluate(real, synthetic, carried, ways=(1, 2), delimiter=delimiter)
    assert carried is not None  # noqa: S101 (evaluate refused otherwise)
    ranked = sorted(found.columns, key=lambda one: -one.distance.distance)[:COLUMNS]
    chosen = {one.distance.attribute for one in ranked}
    names = tuple(name for name in carried.domain if name in chosen)
    rows = coded(described(open_table(real, delimiter=delimiter), carried), carried)
    count = 2 * len(found.ways)
    return Utility(
        ways=found.figures[:count],
        columns=tuple(_column(one.distance.attribute, one.distance.distance) for one in found.columns),
        names=names,
        pairs=() if table is None else pair_differences(rows, table, names),
        labels={name: tuple(carried.codec(name).labels) for name in names},
        counts={} if table is None else _counts(rows, table, names),
        notes=found.notes,
    )


def _counts(
    real: CodedTable, made: CodedTable, names: tuple[str, ...]
) -> dict[str, tuple[tuple[int, ...], tuple[int, ...]]]:
    """The rows of every cell of these columns, in both tables."""
    cliques = [(name,) for name in names]
    both = zip(names, real.marginals(cliques), made.marginals(cliques), strict=True)
    return {name: (tuple(first.tolist()), tuple(second.tolist())) for name, first, second in both}


def _column(name: str, distance: float) -> InternalFigure:
    return InternalFigure(name, distance, "", Color.INTERNAL, "real rows against the synthetic table")
