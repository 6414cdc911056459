"""Frictionless Table Schemas (v1 and v2), alone or in a Data Package."""

from __future__ import annotations

import json
from typing import Any

from dpsynth.schema.exchange.draft import Draft, bounds, typed
from dpsynth.schema.exchange.facts import Facts, moment_text
from dpsynth.schema.exchange.notes import LeftOut
from dpsynth.schema.exchange.structure import OtherFormatError, named, pick, truth, unread
from dpsynth.schema.table import Schema

_TYPES = {
    **{kind: kind for kind in ("string", "integer", "number", "boolean", "date", "datetime")},
    "year": "integer",
}
_TABLE = (
    "$schema",
    "fields",
    "fieldsMatch",
    "missingValues",
    "primaryKey",
    "uniqueKeys",
    "name",
    "title",
    "description",
)
_FIELD = ("name", "type", "title", "description", "format", "constraints", "categories", "trueValues", "falseValues")
_PRESENTATION = ("rdfType", "example", "categoriesOrdered")
_CONSTRAINTS = ("required", "enum", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "unique")
_SPELLINGS = ("bareNumber", "decimalChar", "groupChar", "missingValues")


def read(data: dict[str, Any], draft: Draft, wanted: str | None) -> None:
    """The fields of the table schema; ``OtherFormatError`` when the data hold none."""
    table = _table_schema(data, wanted)
    missing = table.get("missingValues")
    if isinstance(missing, list):
        texts = [one.get("value") if isinstance(one, dict) else one for one in missing]
        draft.missing = [text for text in texts if isinstance(text, str)]
    keys = {*named(table.get("primaryKey"))} if not _composite(table.get("primaryKey")) else set()
    for key in unread(table, _TABLE):
        draft.left_out.add(key)
    for field in table["fields"]:
        _field(field, draft, keys)


def _composite(key: object) -> bool:
    return isinstance(key, list) and len(key) > 1


def _table_schema(data: dict[str, Any], wanted: str | None) -> dict[str, Any]:
    found: Any = data
    if isinstance(data.get("resources"), list):
        resources = [one for one in data["resources"] if isinstance(one, dict) and isinstance(one.get("schema"), dict)]
        tables = {str(one.get("name", number)): one["schema"] for number, one in enumerate(resources, 1)}
        if len(tables) < len(resources):
            raise OtherFormatError("Two of its resources have the same name.")
        found = pick(tables, wanted)[1] if tables else None
    fields = found.get("fields") if isinstance(found, dict) else None
    if not isinstance(fields, list) or not fields:
        raise OtherFormatError("It looks like {fields: [{name: ..., type: ...}]}, alone or in a datapackage.")
    if not all(isinstance(field, dict) and isinstance(field.get("name"), str) for field in fields):
        raise OtherFormatError("Every field needs a name.")
    return dict(found)


def _field(field: dict[str, Any], draft: Draft, primary: set[str]) -> None:
    name, given = field["name"], field.get("constraints")
    constraints = given if isinstance(given, dict) else {}
    kind = _TYPES.get(str(field.get("type")))
    _note_unread(field, constraints, draft)
    domain = _domain(field, constraints, kind)
    if "enum" in constraints and "enum" not in domain:
        draft.left_out.add("constraint enum", name)
    texts = {key: field[key] for key in ("title", "description") if isinstance(field.get(key), str)}
    if name in primary or (truth(constraints.get("unique")) and not domain):
        draft.identifier(name, kind)
        draft.fields[-1].update(texts)
        return
    keys = {**texts, **draft.format_key(name, field.get("format"), kind)}
    if kind == "boolean":
        spelled = {key: field.get(key) for key in ("trueValues", "falseValues")}
        keys.update({key: texts for key, texts in spelled.items() if _is_texts(texts)})
    draft.add(name, kind, domain, required=truth(constraints.get("required")) is True, keys=keys)


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _note_unread(field: dict[str, Any], constraints: dict[str, Any], draft: Draft) -> None:
    name = field["name"]
    for key in unread(field, (*_FIELD, *_PRESENTATION)):
        spelling = f"{key}: cells that need it will be null" if key in _SPELLINGS else key
        draft.left_out.add(spelling, name)
    for key in unread(constraints, _CONSTRAINTS):
        draft.left_out.add(f"constraint {key}", name)


def _domain(field: dict[str, Any], constraints: dict[str, Any], kind: str | None) -> dict[str, Any]:
    listed = constraints.get("enum", field.get("categories"))
    if isinstance(listed, list) and listed and kind in ("string", "integer", "number"):
        values = [typed(one.get("value") if isinstance(one, dict) else one, kind) for one in listed]
        if None not in values:
            return {"enum": values}
    if kind in (None, "string", "boolean"):
        return {}
    form = field.get("format")
    found = bounds(constraints.get("minimum"), constraints.get("maximum"), kind, form)
    open_ends = bounds(constraints.get("exclusiveMinimum"), constraints.get("exclusiveMaximum"), kind, form)
    step = 1 if kind == "integer" else None
    for end, value in open_ends.items():
        inner = value if step is None else value + step if end == "minimum" else value - step
        found.setdefault(end, inner)
    return found


def write(schema: Schema, fields: tuple[Facts, ...], left_out: LeftOut) -> str:
    """A Table Schema as JSON; values and ranges as constraints."""
    document = schema.to_dict()
    content: dict[str, Any] = {"$schema": "https://datapackage.org/profiles/2.0/tableschema.json"}
    content.update({key: document[key] for key in ("title", "description") if key in document})
    content["fields"] = [_written(one, left_out) for one in fields]
    content["missingValues"] = list(dict.fromkeys(("", *document.get("missingValues", []))))
    if schema.unit.column is not None:
        left_out.add("the unit: who is protected")
    return json.dumps(content, ensure_ascii=False, indent=2) + "\n"


def _written(one: Facts, left_out: LeftOut) -> dict[str, Any]:
    kept: dict[str, Any] = {"name": one.name, "type": one.kind}
    kept.update({key: one.keys[key] for key in ("title", "description", "format") if key in one.keys})
    if one.kind == "boolean" and not one.identifier:
        kept.update({key: one.keys[key] for key in ("trueValues", "falseValues") if key in one.keys})
    constraints: dict[str, Any] = {}
    if one.keys.get("constraints", {}).get("required"):
        constraints["required"] = True
    if one.listed and one.kind != "boolean":
        constraints["enum"] = list(one.values or ())
    if one.bounded:
        constraints.update({"minimum": _end(one.low, one), "maximum": _end(one.high, one)})
    if constraints:
        kept["constraints"] = constraints
    for key in one.own_keys:
        left_out.add(f"dpsynth.{key}", one.name)
    return kept


def _end(value: Any, one: Facts) -> Any:
    return moment_text(value, one.form) if one.kind in ("date", "datetime") else value
