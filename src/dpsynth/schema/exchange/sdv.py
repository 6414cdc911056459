"""Metadata of the Synthetic Data Vault: ``SINGLE_TABLE_V1``, ``V1``, ``SINGLE_TABLE_V2`` and ``V2``.

SDV detects metadata from the rows; V2 even writes down the ranges and categories that it finds there. So every domain
in such a file counts as ``source: data``, unless the steward says that it is public.
"""

from __future__ import annotations

import json
from typing import Any

from dpsynth.schema.document import TODO
from dpsynth.schema.exchange.draft import Draft, bounds, enumeration
from dpsynth.schema.exchange.facts import Facts, moment_text
from dpsynth.schema.exchange.notes import LeftOut
from dpsynth.schema.exchange.structure import OtherFormatError, named, pick, unread
from dpsynth.schema.table import Schema

_TABLE = ("METADATA_SPEC_VERSION", "columns", "primary_key", "alternate_keys", "sequence_key")
_COLUMN = {
    "numerical": ("computer_representation", "decimal_places", "range_min", "range_max"),
    "datetime": ("datetime_format", "range_min", "range_max"),
    "categorical": ("order", "range_values"),
    "ordinal": ("range_values",),
    "boolean": (),
}
_CLOCK = ("%H", "%I", "%M", "%S", "%f", "%p", "%z", "%T", "%X", "%c")
_LONGEST = 12
"""Digits after the point that a schema can declare."""


def read(data: dict[str, Any], draft: Draft, wanted: str | None) -> None:
    """The columns of the table; ``OtherFormatError`` when the data hold none with an ``sdtype``."""
    table = _table(data, wanted)
    columns = table.get("columns")
    if not isinstance(columns, dict) or not columns:
        raise OtherFormatError('It looks like {"columns": {"age": {"sdtype": "numerical"}}}.')
    if not all(isinstance(one, dict) and isinstance(one.get("sdtype"), str) for one in columns.values()):
        raise OtherFormatError("Every column needs an sdtype.")
    for key in [*unread(table, _TABLE), *unread(data, ("tables", "METADATA_SPEC_VERSION", *table))]:
        if table.get(key, data.get(key)):
            draft.left_out.add(key)
    keys = {*named(table.get("primary_key")), *named(table.get("alternate_keys")), *named(table.get("sequence_key"))}
    if isinstance(table.get("primary_key"), list) and len(table["primary_key"]) > 1:
        draft.left_out.add("a primary key of several columns")
        keys -= {*named(table["primary_key"])}
    if table.get("sequence_key"):
        draft.unit = TODO
        draft.left_out.add("sequence_key: state the unit as {column: NAME, max_rows: N}")
    for name, column in columns.items():
        _column(name, column, draft, identifies=name in keys)


def _table(data: dict[str, Any], wanted: str | None) -> dict[str, Any]:
    tables = data.get("tables")
    if not isinstance(tables, dict) or not tables:
        return data
    table = pick(tables, wanted)[1]
    return table if isinstance(table, dict) else {}


def _column(name: str, column: dict[str, Any], draft: Draft, *, identifies: bool) -> None:
    sdtype = column["sdtype"]
    known = _COLUMN.get(sdtype)
    for key in unread(column, ("sdtype", "pii", "range_is_nullable", *(known or ()))):
        draft.left_out.add(key, name)
    if identifies or sdtype == "id" or (known is None and column.get("pii") is not False):
        draft.identifier(name)
        return
    required = column.get("range_is_nullable") is False
    kind, domain, keys, part = _described(name, column, draft)
    draft.add(name, kind, domain, learned=True, required=required, keys=keys, part=part)


def _described(
    name: str, column: dict[str, Any], draft: Draft
) -> tuple[str | None, dict[str, Any], dict[str, Any], dict[str, Any]]:
    """The type, the domain, and the keys of the field and of its block."""
    sdtype = column["sdtype"]
    if sdtype == "boolean":
        return "boolean", {}, {}, {}
    if sdtype == "numerical":
        kind, part = _number_type(column)
        return kind, bounds(column.get("range_min"), column.get("range_max"), kind), {}, part
    if sdtype == "datetime":
        form = column.get("datetime_format")
        kind = "datetime" if not isinstance(form, str) or any(one in form for one in _CLOCK) else "date"
        domain = bounds(column.get("range_min"), column.get("range_max"), kind, form)
        return kind, domain, draft.format_key(name, form, kind), {}
    if sdtype in ("categorical", "ordinal"):
        kind, domain = enumeration(column.get("range_values", column.get("order")))
        return kind, domain, {}, {}
    return (None if sdtype == "unknown" else "string"), {}, {}, {}


def _number_type(column: dict[str, Any]) -> tuple[str | None, dict[str, Any]]:
    stored, decimals = column.get("computer_representation"), column.get("decimal_places")
    digits = decimals if type(decimals) is int else None
    if digits == 0 or (isinstance(stored, str) and "int" in stored.lower()):
        return "integer", {}
    if digits is not None and 0 < digits <= _LONGEST:
        return "number", {"decimals": digits}
    return ("number" if digits is not None or stored == "Float" else None), {}


def write(schema: Schema, fields: tuple[Facts, ...], left_out: LeftOut) -> str:
    """Metadata V2 of one table as JSON."""
    columns = {one.name: _written(one, left_out) for one in fields}
    return _whole("V2", schema, columns, left_out)


def write_v1(schema: Schema, fields: tuple[Facts, ...], left_out: LeftOut) -> str:
    """Metadata V1 of one table as JSON: types only."""
    columns = {one.name: _typed(one, _written(one, left_out), left_out) for one in fields}
    return _whole("V1", schema, columns, left_out)


def _whole(version: str, schema: Schema, columns: dict[str, Any], left_out: LeftOut) -> str:
    if schema.unit.column is not None:
        left_out.add("the unit: who is protected")
    if any(schema.to_dict().get("missingValues", [])):
        left_out.add("missingValues")
    content = {"METADATA_SPEC_VERSION": version, "tables": {schema.name: {"columns": columns}}, "relationships": []}
    return json.dumps(content, ensure_ascii=False, indent=4) + "\n"


def _written(one: Facts, left_out: LeftOut) -> dict[str, Any]:
    for key in one.own_keys:
        if key != "decimals":
            left_out.add(f"dpsynth.{key}", one.name)
    if one.identifier:
        return {"sdtype": "id"}
    nullable = {"range_is_nullable": one.nullable}
    if one.kind == "boolean":
        return {"sdtype": "boolean", **nullable}
    if one.listed:
        return {"sdtype": "categorical", "range_values": list(one.values or ()), **nullable}
    if one.kind in ("date", "datetime"):
        form = one.form or ("%Y-%m-%d" if one.kind == "date" else "%Y-%m-%d %H:%M:%S")
        ends = {"range_min": moment_text(one.low, form), "range_max": moment_text(one.high, form)}
        return {"sdtype": "datetime", "datetime_format": form, **(ends if one.bounded else {}), **nullable}
    decimals = 0 if one.kind == "integer" else one.block.get("decimals")
    digits = {} if decimals is None else {"decimal_places": decimals}
    return {"sdtype": "numerical", **(_range(one) if one.bounded else {}), **digits, **nullable}


def _range(one: Facts) -> dict[str, Any]:
    return {"range_min": one.low, "range_max": one.high}


def _typed(one: Facts, column: dict[str, Any], left_out: LeftOut) -> dict[str, Any]:
    """The column without what V1 does not know."""
    kept: dict[str, Any] = {key: column[key] for key in ("sdtype", "datetime_format") if key in column}
    if kept["sdtype"] == "numerical":
        kept["computer_representation"] = "Int64" if one.kind == "integer" else "Float"
    if kept["sdtype"] != "id":
        left_out.add("values, ranges and whether null may occur", one.name)
    return kept
