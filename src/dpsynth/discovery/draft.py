"""From findings to ``schema.yaml``: every field with ``source: dp``, what is dropped with its reason."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dpsynth.discovery.discover import Discovery
from dpsynth.discovery.findings import Finding
from dpsynth.discovery.listing import NOTICEABLE, has_other
from dpsynth.discovery.magnitudes import EXACT, Line
from dpsynth.privacy.unit import Unit
from dpsynth.schema.kinds import MISSING
from dpsynth.schema.ranges import MAX_WITHOUT_BINS


def document(found: Discovery, *, name: str, unit: Unit, header: Sequence[str]) -> dict[str, Any]:
    """The schema document of these columns, in the order of the header; the identifier of persons is a direct-id."""
    of_table = "row" if unit.column is None else {"column": unit.column, "max_rows": unit.max_rows}
    by_name = {one.name: _field(one, found.rows) for one in found.findings}
    fields = [by_name.get(column, _identifier(column)) for column in header]
    head = {"version": 1, "name": name, "unit": of_table}
    return {"dpsynth": head, "missingValues": ["", *MISSING], "fields": fields}


def _identifier(column: str) -> dict[str, Any]:
    return {"name": column, "type": "string", "dpsynth": {"role": "direct-id"}}


def learned_text(dumped: str, found: Discovery, *, price: str, protects: str) -> str:
    """The text of a learned schema file: the dumped document under a comment that says how it came about."""
    values = (
        "" if found.threshold is None else f" Values that fewer than about {found.threshold:,} rows have are unknown."
    )
    lines = [
        f"Learned from the rows under differential privacy ({price}); only the column names were taken as public.",
        f"It {protects}.",
        f"About {found.rows:,.0f} rows.{values} A description says why a column is not modeled.",
        "Edit it freely: what you know from elsewhere is better than what noise left. Fits that use it pay for",
        "themselves alone, from the same pool.",
    ]
    return "".join(f"# {line}\n" for line in lines) + dumped


def _field(one: Finding, rows: float) -> dict[str, Any]:
    if not one.modeled:
        part: dict[str, Any] = {"role": "direct-id", **({"generate": one.generate} if one.generate else {})}
        return {"name": one.name, "type": "string", "description": f"Not modeled: {one.dropped}.", "dpsynth": part}
    if one.texts:
        return _categories(one, rows)
    if one.line is None:
        return _boolean(one, rows)
    if one.vote.kind not in ("integer", "number"):
        return _calendar(one, rows)
    field = _whole(one, rows) if one.vote.kind == "integer" else _number(one, one.line, rows)
    return field | ({"groupChar": one.vote.group} if one.vote.group else {})


def _categories(one: Finding, rows: float) -> dict[str, Any]:
    common = one.texts[int(np.argmax(one.counts))]
    part: dict[str, Any] = {"source": "dp", **_null(one, rows, common)}
    if has_other(one, rows):
        part["overflow"] = "other"
    return _shaped(one.name, "string", {"enum": list(one.texts)}, part)


def _boolean(one: Finding, rows: float) -> dict[str, Any]:
    return _shaped(one.name, "boolean", {}, {"source": "dp", **_null(one, rows, value=False)})


def _whole(one: Finding, rows: float) -> dict[str, Any]:
    edges = [*one.ticks[:-1].tolist(), int(one.ticks[-1]) - 1]
    part: dict[str, Any] = {"source": "dp", **_null(one, rows, edges[int(np.argmax(one.counts))])}
    if one.size <= MAX_WITHOUT_BINS and one.size == int(one.ticks[-1] - one.ticks[0]):
        return _shaped(one.name, "integer", {"minimum": edges[0], "maximum": edges[-1]}, part)
    return _shaped(one.name, "integer", {}, {**part, "bins": {"edges": edges}})


def _number(one: Finding, line: Line, rows: float) -> dict[str, Any]:
    # The upper edge lies half a step above the largest value, so that the last bin holds no further one.
    edges = [*line.edges(one.ticks[:-1]).tolist(), (2 * int(one.ticks[-1]) - 1) / (2 * 10**line.decimals)]
    part = {"source": "dp", "bins": {"edges": edges}, **_null(one, rows, edges[int(np.argmax(one.counts))])}
    if one.vote.decimals is not None and int(np.abs(one.ticks).max()) < EXACT:
        part["decimals"] = one.vote.decimals
    return _shaped(one.name, "number", {}, part)


def _null(one: Finding, rows: float, value: object) -> dict[str, Any]:
    """A null category where missing cells are noticeable; else a rare missing cell counts as the most common value."""
    return {} if one.vote.missing > NOTICEABLE * rows else {"null": value}


def _shaped(name: str, kind: str, constraints: dict[str, Any], part: dict[str, Any]) -> dict[str, Any]:
    if "null" in part:
        constraints = {"required": True, **constraints}
    return {"name": name, "type": kind, **({"constraints": constraints} if constraints else {}), "dpsynth": part}


def _calendar(one: Finding, rows: float) -> dict[str, Any]:
    days = [str(day) for day in np.append(one.ticks[:-1], one.ticks[-1:] - 1).astype("datetime64[D]")]
    part: dict[str, Any] = {"source": "dp", "bins": {"edges": days}}
    part |= _null(one, rows, days[int(np.argmax(one.counts))])
    if one.vote.kind == "date":
        field = _shaped(one.name, "date", {}, part)
        first, *others = one.vote.formats
        if others:
            part["formats"] = others
        return field | ({"format": first} if first != "default" else {})
    if one.vote.zoned:
        part["zone"] = "UTC"
    return _shaped(one.name, "datetime", {}, part)
