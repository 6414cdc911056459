"""From findings to ``schema.yaml``: every field with ``source: dp``, what is dropped with its reason."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dpsynth.discovery.findings import Finding
from dpsynth.discovery.listing import rest
from dpsynth.privacy.unit import Unit
from dpsynth.schema.kinds import MISSING
from dpsynth.schema.scales import IntegerScale, RealScale

NOTICEABLE = 0.005
"""A null category or ``other`` is kept when it holds at least this part of the rows."""


def document(findings: Sequence[Finding], rows: float, *, name: str, unit: Unit) -> dict[str, Any]:
    """The schema document of these columns, in their order; a person's identifier is a direct-id of its own."""
    of_table = "row" if unit.column is None else {"column": unit.column, "max_rows": unit.max_rows}
    fields = [_field(one, rows) for one in findings]
    if unit.column is not None:
        fields.insert(0, {"name": unit.column, "type": "string", "dpsynth": {"role": "direct-id"}})
    head = {"version": 1, "name": name, "unit": of_table}
    return {"dpsynth": head, "missingValues": ["", *MISSING], "fields": fields}


def _field(one: Finding, rows: float) -> dict[str, Any]:
    if not one.modeled:
        part: dict[str, Any] = {"role": "direct-id"}
        return {"name": one.name, "type": "string", "description": f"Not modeled: {one.dropped}.", "dpsynth": part}
    if one.texts:
        return _categories(one, rows)
    if one.line is None:
        return _boolean(one, rows)
    return _ordered(one, rows)


def _categories(one: Finding, rows: float) -> dict[str, Any]:
    assert one.counts is not None
    others, doubt = rest(one)
    common = one.texts[int(np.argmax(one.counts))]
    part: dict[str, Any] = {"source": "dp", **_null(one, rows, common)}
    if (one.others or others > max(NOTICEABLE * rows, 3 * doubt)) and "other" not in one.texts:
        part["overflow"] = "other"
    return _shaped(one.name, "string", {"enum": list(one.texts)}, part)


def _boolean(one: Finding, rows: float) -> dict[str, Any]:
    return _shaped(one.name, "boolean", {}, {"source": "dp", **_null(one, rows, value=False)})


def _ordered(one: Finding, rows: float) -> dict[str, Any]:
    line, ticks, counts = one.line, one.ticks, one.counts
    assert line is not None and ticks is not None and counts is not None
    common = int(np.argmax(counts))
    if isinstance(line.scale, IntegerScale):
        edges = [*ticks[:-1].tolist(), int(ticks[-1]) - 1]
        part: dict[str, Any] = {"source": "dp", "bins": {"edges": edges}, **_null(one, rows, edges[common])}
        if edges[0] == edges[-1]:
            del part["bins"]
            return _shaped(one.name, "integer", {"minimum": edges[0], "maximum": edges[0]}, part)
        return _shaped(one.name, "integer", {}, part)
    if isinstance(line.scale, RealScale):
        # The upper edge lies half a step above the largest value, so that the last bin holds no further one.
        reals = [*line.edges(ticks[:-1]).tolist(), (2 * int(ticks[-1]) - 1) / (2 * 10**line.decimals)]
        part = {"source": "dp", "bins": {"edges": reals}, **_null(one, rows, reals[common])}
        if one.vote.decimals is not None:
            part["decimals"] = one.vote.decimals
        return _shaped(one.name, "number", {}, part)
    return _calendar(one, rows)


def _null(one: Finding, rows: float, value: object) -> dict[str, Any]:
    """A null category where missing cells are noticeable; else a rare missing cell counts as the most common value."""
    return {} if one.vote.missing > NOTICEABLE * rows else {"null": value}


def _shaped(name: str, kind: str, constraints: dict[str, Any], part: dict[str, Any]) -> dict[str, Any]:
    if "null" in part:
        constraints = {"required": True, **constraints}
    return {"name": name, "type": kind, **({"constraints": constraints} if constraints else {}), "dpsynth": part}


def _calendar(one: Finding, rows: float) -> dict[str, Any]:
    assert one.line is not None and one.ticks is not None and one.counts is not None
    days = [str(day) for day in one.ticks.astype("datetime64[D]").tolist()]
    days[-1] = str((one.ticks[-1:] - 1).astype("datetime64[D]").tolist()[0])
    part: dict[str, Any] = {
        "source": "dp",
        "bins": {"edges": days},
        **_null(one, rows, days[int(np.argmax(one.counts))]),
    }
    if one.vote.kind == "date":
        field = _shaped(one.name, "date", {}, part)
        return field | ({"format": one.vote.format} if one.vote.format else {})
    if one.vote.zoned:
        part["zone"] = "UTC"
    return _shaped(one.name, "datetime", {}, part)
