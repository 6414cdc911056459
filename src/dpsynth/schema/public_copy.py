"""What leaves with a model: a schema without the domains of columns that the model does not hold.

Values of such columns may have been copied from rows (``schema init --peek``) and nobody vouches for them: a fit
refuses ``source: data`` of the fields that it models, and reads nothing of the others. These keep what a sample needs.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Any

_ANY = ("name", "type", "format")
"""What is kept of a field that is not modeled, beside parts of its ``dpsynth`` block and of its constraints."""

_INVENTED = ("required", "unique")
"""The constraints that an invented column keeps: neither holds a value."""


def public_document(document: Mapping[str, Any], modeled: AbstractSet[str]) -> dict[str, Any]:
    """The document with these fields as they are, apart from hierarchies that no level uses and names of files.

    The others keep name, type, format and role, ``mask: drop``, and how they are invented if they are: no categories,
    bounds, bins, spellings, texts of masks, hierarchies, titles, descriptions or reasons. The same document comes back
    from its own public copy.
    """
    fields = [_modeled(one) if one["name"] in modeled else _unmodeled(one) for one in document["fields"]]
    return {**document, "fields": fields}


def _unmodeled(field: Mapping[str, Any]) -> dict[str, Any]:
    part, given = field.get("dpsynth", {}), field.get("constraints", {})
    invented = part.get("generate") is not None
    block = {key: part[key] for key in ("role", *(("generate", "dtype") if invented else ())) if key in part}
    if part.get("mask") == "drop":
        block["mask"] = "drop"
    constraints = {key: given[key] for key in _INVENTED if invented and key in given}
    kept = {key: field[key] for key in _ANY if key in field}
    return kept | {key: value for key, value in (("constraints", constraints), ("dpsynth", block)) if value}


def _modeled(field: Mapping[str, Any]) -> dict[str, Any]:
    part = dict(field.get("dpsynth", {}))
    if part.get("level") is None:
        part.pop("hierarchy", None)
    else:
        part["hierarchy"] = _without_file(part["hierarchy"], "paths")
    if (part.get("derived") or {}).get("map") is not None:
        part["derived"] = {**part["derived"], "map": _without_file(part["derived"]["map"], "values")}
    return {**field, "dpsynth": part} if part else dict(field)


def _without_file(node: Mapping[str, Any], lines: str) -> dict[str, Any]:
    """Without the name of the file whose lines stand here as well."""
    return {key: value for key, value in node.items() if key != "file" or node.get(lines) is None}
