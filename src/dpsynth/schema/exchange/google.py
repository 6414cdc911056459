"""Domains of google/dpsynth (unrelated, same name): ``domain.yaml``, attributes by column name.

Such files are written by hand or from data, and do not say which: the source stays a TODO.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dpsynth.schema.exchange.draft import Draft, bounds, enumeration
from dpsynth.schema.exchange.facts import Facts
from dpsynth.schema.exchange.notes import LeftOut
from dpsynth.schema.exchange.structure import OtherFormatError, unread
from dpsynth.schema.table import Schema
from dpsynth.schema.yamltext import dump

_SHAPE = "It looks like {age: {min_value: 0, max_value: 120, dtype: int}, sex: {possible_values: [f, m]}}."
_KINDS = {
    "CategoricalAttribute": ("possible_values", "out_of_domain_index"),
    "NumericalAttribute": ("min_value", "max_value", "clip_to_range", "dtype"),
    "FreeFormTextAttribute": ("max_tokens",),
    "OpenSetCategoricalAttribute": ("default_value",),
}
NULL = "null"
"""The value that stands for a missing cell among the categories of strings."""


def read(data: dict[str, Any], draft: Draft) -> None:
    """The attributes; ``OtherFormatError`` for data of another shape."""
    attributes = data
    if data.get("type") == "Schema" and isinstance(data.get("attributes"), dict):
        attributes = data["attributes"]
        if data.get("constraints"):
            draft.left_out.add("constraints between columns")
    if not attributes:
        raise OtherFormatError(_SHAPE)
    readers: dict[str, Callable[[str, dict[str, Any], Draft], None]] = {
        "CategoricalAttribute": _categorical,
        "NumericalAttribute": _numerical,
        "FreeFormTextAttribute": _free_text,
        "OpenSetCategoricalAttribute": _open_set,
    }
    for name, given in attributes.items():
        attribute = {} if given is None else given
        kind = _kind(attribute)
        for key in unread(attribute, ("type", "description", *_KINDS[kind])):
            if attribute[key] is not None:
                draft.left_out.add(key, name)
        readers[kind](name, attribute, draft)


def _kind(attribute: object) -> str:
    if not isinstance(attribute, dict):
        raise OtherFormatError(_SHAPE)
    declared = attribute.get("type")
    for kind, keys in _KINDS.items():
        if declared == kind or (declared is None and keys[0] in attribute):
            return kind
    if declared is None and not attribute:
        return "OpenSetCategoricalAttribute"
    raise OtherFormatError(_SHAPE)


def _keys(attribute: dict[str, Any]) -> dict[str, Any]:
    text = attribute.get("description")
    return {"description": text} if isinstance(text, str) else {}


def _categorical(name: str, attribute: dict[str, Any], draft: Draft) -> None:
    """Unknown and missing cells count as one of the values there, so the field has no null."""
    values = attribute.get("possible_values")
    kind, domain = enumeration(values)
    index = attribute.get("out_of_domain_index", 0)
    part = {}
    if kind is not None and isinstance(values, list) and type(index) is int and 0 <= index < len(values):
        part = {"null": values[index]}
    draft.add(name, kind, domain, required=bool(part), keys=_keys(attribute), part=part)


def _numerical(name: str, attribute: dict[str, Any], draft: Draft) -> None:
    """Outside the range there: clipped (missing cells to the minimum), or one special value, which is null here."""
    kind = "integer" if attribute.get("dtype") == "int" else "number"
    domain = bounds(attribute.get("min_value"), attribute.get("max_value"), kind)
    clipped = attribute.get("clip_to_range") is not False
    part = {"overflow": "null"} if not clipped else {"null": domain["minimum"]} if "minimum" in domain else {}
    draft.add(name, kind, domain, required="null" in part, keys=_keys(attribute), part=part)


def _free_text(name: str, attribute: dict[str, Any], draft: Draft) -> None:
    draft.identifier(name)
    draft.fields[-1].update(_keys(attribute))


def _open_set(name: str, attribute: dict[str, Any], draft: Draft) -> None:
    draft.add(name, "string", {}, keys=_keys(attribute))


def write(schema: Schema, fields: tuple[Facts, ...], left_out: LeftOut) -> str:
    """The attributes of the modeled fields as YAML."""
    if schema.unit.column is not None:
        left_out.add("the unit: who is protected")
    if any(schema.to_dict().get("missingValues", [])):
        left_out.add("missingValues")
    attributes = {}
    for one in fields:
        for key in one.own_keys:
            if key != "null":
                left_out.add(f"dpsynth.{key}", one.name)
        if one.identifier:
            left_out.add("fields that never enter a model", one.name)
        elif one.kind in ("date", "datetime"):
            left_out.add("dates and times, which the format does not know", one.name)
        elif not one.listed and not one.bounded:
            left_out.add("fields without values or bounds of their own", one.name)
        else:
            attributes[one.name] = _written(one, left_out)
    return dump(attributes, flow=False) if attributes else "{}\n"


def _written(one: Facts, left_out: LeftOut) -> dict[str, Any]:
    if one.bounded and one.low < one.high:
        # Outside the range, null included, is one value of its own there; only without it are outliers clipped.
        if one.nullable and one.block.get("overflow") != "null":
            left_out.add("clipping: what is outside the bounds counts as missing", one.name)
        kind = "int" if one.kind == "integer" else "float"
        ends = {"min_value": one.low, "max_value": one.high}
        return {**ends, "clip_to_range": not one.nullable, "dtype": kind}
    values = list(one.values) if one.values is not None else [one.low]
    if one.nullable and one.kind == "string":
        return {"possible_values": [*values, NULL], "out_of_domain_index": len(values)}
    if one.nullable:
        left_out.add("null, which counts as the first value", one.name)
    instead = one.block.get("null")
    return {"possible_values": values, "out_of_domain_index": values.index(instead) if instead in values else 0}
