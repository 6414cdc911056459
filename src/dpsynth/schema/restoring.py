"""From decoded attributes to the columns of the table, and from conditions on columns to conditions on attributes.

Post-processing of released codes; see ``schema/derived.py`` and ``schema/parts.py`` for each rule.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from graphlib import TopologicalSorter

import numpy as np
import pyarrow as pa

from dpsynth.schema.codecs import BinnedCodec
from dpsynth.schema.conditions import Condition
from dpsynth.schema.date_texts import written
from dpsynth.schema.fields import Field
from dpsynth.schema.scales import DateScale, InstantScale


def restored(fields: Sequence[Field], columns: Mapping[str, pa.Array], rng: np.random.Generator) -> dict[str, pa.Array]:
    """The columns of these fields, by name: dates with the parts that they keep, then the derived fields, each after
    those that it follows from.
    """
    made = dict(columns)
    place = {one.name: one for one in fields}
    graph = {one.name: one.derived.sources if one.derived else () for one in fields}
    for name in TopologicalSorter(graph).static_order():
        rule = place[name].parts or place[name].derived
        if rule is not None:
            made[name] = rule.restored(made, rng)
    return {name: made[name] for name in place}


def restated(fields: Sequence[Field], condition: Condition) -> Condition:
    """The condition on an attribute that means the same; ``UsageError`` for a derived field that has none."""
    rule = next((one.derived for one in fields if one.name == condition.column), None)
    return condition if rule is None else rule.condition(condition)


def check_inside(fields: Sequence[Field], columns: Sequence[str]) -> None:
    """Refuse, with ``UsageError``, conditions that cut bins of a date which keeps calendar parts."""
    for one in fields:
        if one.name in columns and one.parts is not None:
            one.parts.check_condition(one.name)


def formatted(fields: Sequence[Field]) -> dict[str, tuple[BinnedCodec, DateScale | InstantScale, str]]:
    """The dates and moments that CSV shows as texts in a declared format: their codec, its scale, and the format."""
    found = {}
    for one in fields:
        scale = one.codec.scale if isinstance(one.codec, BinnedCodec) else None
        if (
            one.format is not None
            and isinstance(one.codec, BinnedCodec)
            and isinstance(scale, DateScale | InstantScale)
        ):
            found[one.name] = (one.codec, scale, one.format)
    return found


def as_text(fields: Sequence[Field], batch: pa.RecordBatch) -> pa.RecordBatch:
    """A decoded batch as CSV shows it: dates and moments with a declared format as strings, other columns unchanged."""
    columns = dict(zip(batch.schema.names, batch.columns, strict=True))
    for name, (_, scale, form) in formatted(fields).items():
        columns[name] = written(columns[name], scale, form)
    return pa.RecordBatch.from_pydict(columns)
