"""Metadata of SmartNoise SQL: YAML of collections, schemas, tables and columns.

Its bounds are meant to be declared by a person, but nothing in the file says so: their source stays a TODO.
"""

from __future__ import annotations

from typing import Any

from dpsynth.errors import UsageError
from dpsynth.schema.document import TODO
from dpsynth.schema.exchange.draft import Draft, bounds, typed
from dpsynth.schema.exchange.facts import Facts
from dpsynth.schema.exchange.notes import LeftOut
from dpsynth.schema.exchange.structure import OtherFormatError, pick, truth, unread
from dpsynth.schema.table import Schema
from dpsynth.schema.yamltext import dump

_TYPES = {"int": "integer", "float": "number", "string": "string", "boolean": "boolean", "datetime": "datetime"}
_NAMES = {**{ours: theirs for theirs, ours in _TYPES.items()}, "date": "datetime"}
_OPTIONS = (
    *("rows", "rows_exact", "row_privacy", "max_ids", "sample_max_ids"),
    *("clamp_counts", "clamp_columns", "use_dpsu", "censor_dims"),
)
_READ = ("row_privacy", "max_ids")
_COLUMN = ("type", "private_id", "lower", "upper", "nullable", "missing_value")
_SHAPE = "It looks like {database: {schema: {table: {column: {type: int, lower: 0, upper: 9}}}}}."


def read(data: dict[str, Any], draft: Draft, wanted: str | None) -> None:
    """The columns of the table and its unit; ``OtherFormatError`` for data of another shape."""
    table = _table(data, wanted)
    columns = {name: column for name, column in table.items() if name not in _OPTIONS}
    if not columns or not all(isinstance(one, dict) and "type" in one for one in columns.values()):
        raise OtherFormatError(_SHAPE)
    for key in unread((key for key in table if key in _OPTIONS), _READ):
        draft.left_out.add(key)
    people = [name for name, column in columns.items() if truth(column.get("private_id"))]
    draft.unit = _unit(table, people)
    for name, column in columns.items():
        _column(name, column, draft)


def _table(data: dict[str, Any], wanted: str | None) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for collection, schemas in data.items():
        if collection == "engine" and not isinstance(schemas, dict):
            continue
        for schema, tables in _map(schemas).items():
            for table, content in _map(tables).items():
                found[f"{schema}.{table}"] = _map(content)
    if not found:
        raise OtherFormatError(_SHAPE)
    short = [name for name in found if name.partition(".")[2] == wanted]
    return dict(pick(found, short[0] if len(short) == 1 and wanted not in found else wanted)[1])


def _map(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise OtherFormatError(_SHAPE)
    return value


def _unit(table: dict[str, Any], people: list[str]) -> Any:
    """The row, the person that the one private_id names, or a TODO where the file does not say."""
    if truth(table.get("row_privacy")):
        return "row"
    limit = table.get("max_ids", 1)
    if len(people) != 1 or type(limit) is not int:
        return TODO
    return {"column": people[0], "max_rows": limit}


def _column(name: str, column: dict[str, Any], draft: Draft) -> None:
    kind = _TYPES.get(str(column["type"]))
    for key in unread(column, _COLUMN):
        draft.left_out.add(key, name)
    if truth(column.get("private_id")):
        draft.identifier(name, kind)
        return
    instead = typed(column.get("missing_value"), kind)
    part = {} if instead is None else {"null": instead}
    required = truth(column.get("nullable")) is False
    draft.add(name, kind, bounds(column.get("lower"), column.get("upper"), kind), required=required, part=part)


def write(schema: Schema, fields: tuple[Facts, ...], left_out: LeftOut) -> str:
    """The table as SmartNoise's YAML, in a database and a schema of its name; ``UsageError`` if its unit is lost."""
    column = schema.unit.column
    if column in _OPTIONS:
        raise UsageError("SmartNoise would read the unit's column as an option", where=f"field {column!r}")
    table: dict[str, Any] = {"row_privacy": True} if column is None else {"max_ids": schema.unit.max_rows}
    if any(schema.to_dict().get("missingValues", [])):
        left_out.add("missingValues")
    if column is not None and column not in [one.name for one in fields]:
        table[column] = {"type": "string", "private_id": True}
    for one in fields:
        if one.name in _OPTIONS:
            left_out.add("a column whose name SmartNoise reads as an option", one.name)
        elif one.identifier and one.name != column:
            left_out.add("fields that never enter a model", one.name)
        else:
            table[one.name] = _written(one, left_out, private=one.name == column)
    return dump({schema.name: {schema.name: {schema.name: table}}}, flow=False)


def _written(one: Facts, left_out: LeftOut, *, private: bool) -> dict[str, Any]:
    for key in one.own_keys:
        if key != "null":
            left_out.add(f"dpsynth.{key}", one.name)
    kept: dict[str, Any] = {"type": _NAMES[one.kind]}
    if private:
        return {**kept, "private_id": True}
    if one.kind in ("integer", "number"):
        kept.update(_ends(one))
    elif one.bounded:
        left_out.add("bounds of dates", one.name)
    if one.kind == "string" and one.listed:
        kept["cardinality"] = len(one.values or ())
    if one.listed and one.kind != "boolean":
        left_out.add("values", one.name)
    if not one.nullable:
        kept.update({"nullable": False, "missing_value": one.block["null"]})
    return kept


def _ends(one: Facts) -> dict[str, Any]:
    if one.values:
        return {"lower": min(one.values), "upper": max(one.values)}
    return {"lower": one.low, "upper": one.high} if one.bounded else {}
