"""Metadata of other tools → the text of a ``schema.yaml``. Bounds there may come from data, so ``source`` stays a
TODO unless the steward gives a reason why they are public.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dpsynth.errors import FileFormatError, UsageError
from dpsynth.schema.document import TODO
from dpsynth.schema.table import Schema, domain_document
from dpsynth.schema.yamltext import parse

_TYPES = ("string", "integer", "number", "boolean", "date", "datetime")


def import_schema(text: str, kind: str, name: str, public: str | None = None, where: str = "metadata") -> str:
    """The ``schema.yaml`` text for metadata in the format ``kind``: ``mbi`` or ``frictionless``.

    ``name`` names the table, ``where`` the file in messages; ``public`` is the reason why all its domains are public
    knowledge. Raises ``UsageError`` for another format, ``FileFormatError`` when the text is not of that format. The
    result loads.
    """
    readers: dict[str, Callable[[Any, str, str | None], dict[str, Any]]] = {
        "mbi": _mbi,
        "frictionless": _frictionless,
    }
    if kind not in readers:
        raise UsageError("an unknown format", where="--from", hint=f"Known: {', '.join(readers)}.")
    if public is not None and not public.strip():
        raise UsageError("the reason is empty", where="--public", hint="Say why the domains are public knowledge.")
    parsed = parse(text, where)
    if not isinstance(parsed, dict):
        raise FileFormatError("is not a map of keys", where=where)
    try:
        document = readers[kind](parsed, name, public)
    except ValueError as error:
        raise FileFormatError(f"is not {kind} metadata", where=where, hint=str(error)) from None
    return Schema.from_dict(document, where=where).dump()


def _mbi(data: dict[str, Any], name: str, public: str | None) -> dict[str, Any]:
    if not data or not all(type(size) is int and size >= 1 for size in data.values()):
        raise ValueError('It looks like {"column": number of codes, ...}.')
    return domain_document(data, name, public)


def _frictionless(data: dict[str, Any], name: str, public: str | None) -> dict[str, Any]:
    table = _table_schema(data)
    if table is None:
        raise ValueError("It looks like {fields: [{name: ..., type: ...}]}, alone or in a datapackage.")
    document: dict[str, Any] = {"dpsynth": {"version": 1, "name": name, "unit": "row"}}
    missing = table.get("missingValues")
    if isinstance(missing, list) and all(isinstance(text, str) for text in missing):
        document["missingValues"] = missing
    document["fields"] = [_field(field, public) for field in table["fields"]]
    return document


def _table_schema(data: Any) -> dict[str, Any] | None:
    """The Table Schema itself, or that of the first resource of a Data Package."""
    if isinstance(data, dict) and isinstance(data.get("resources"), list) and data["resources"]:
        first = data["resources"][0]
        data = first.get("schema") if isinstance(first, dict) else None
    if not isinstance(data, dict) or not isinstance(data.get("fields"), list) or not data["fields"]:
        return None
    named = all(isinstance(field, dict) and isinstance(field.get("name"), str) for field in data["fields"])
    return data if named else None


def _field(field: dict[str, Any], public: str | None) -> dict[str, Any]:
    kind = field.get("type")
    kind = {"year": "integer"}.get(str(kind), kind)
    known = kind in _TYPES
    constraints = field.get("constraints")
    kept, bounded = _constraints(constraints if isinstance(constraints, dict) else {}, kind if known else None)
    part: dict[str, Any] = {"source": TODO} if public is None else {"source": "public", "public_reason": public}
    if "enum" not in kept and kind in ("number", "date", "datetime"):
        part["bins"] = TODO
    if kind == "integer" and bounded and kept["maximum"] - kept["minimum"] >= 1000:
        part["bins"] = TODO
    if kept.get("required"):
        part["null"] = TODO
    texts = {key: field[key] for key in ("title", "description") if isinstance(field.get(key), str)}
    form = field.get("format")
    if kind in ("date", "datetime") and isinstance(form, str) and "%" in form:
        texts["format"] = form
    return {"name": field["name"], "type": kind if known else TODO, **texts, "constraints": kept, "dpsynth": part}


def _constraints(given: dict[str, Any], kind: Any) -> tuple[dict[str, Any], bool]:
    """The constraints that state a domain, TODO where one is absent, and whether both bounds are whole numbers."""
    kept: dict[str, Any] = {"required": True} if given.get("required") is True else {}
    if kind == "boolean":
        return kept, False
    if isinstance(given.get("enum"), list) and given["enum"] and kind in ("string", "integer", "number"):
        return {**kept, "enum": given["enum"]}, False
    if kind == "string":
        return {**kept, "enum": TODO}, False
    if kind is None:
        return kept, False
    scalar = (str, int, float)
    ends = {end: given[end] if isinstance(given.get(end), scalar) else TODO for end in ("minimum", "maximum")}
    return {**kept, **ends}, all(type(value) is int for value in ends.values())
