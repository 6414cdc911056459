"""The order in which the keys of a schema are written."""

from __future__ import annotations

from typing import Any

_ORDER = (
    *("dpsynth", "version", "name", "population", "unit", "type", "title", "description", "format"),
    *(
        "groupChar",
        "trueValues",
        "falseValues",
        "missingValues",
        "primaryKey",
        "constraints",
        "required",
        "unique",
        "enum",
        "minimum",
        "maximum",
    ),
    *("role", "source", "public_reason", "domain", "bins", "decimals", "zone", "null", "overflow", "dtype"),
    *("if", "then", "never"),
    *("step", "decode", "generate", "sequence", "regex", "faker", "locale", "start", "prefix"),
    *("derived", "after", "sum", "map", "from", "file", "values", "keep", "formats"),
    *("mask", "hierarchy", "level"),
    *("column", "max_rows", "width", "edges", "count", "log"),
    *("reshape", "first", "last", "order", "columns", "constant", "aggregate", "fields"),
)


def ordered(node: Any) -> Any:
    """A copy of the document, or of a part of it, with its keys in this order; unknown ones last."""
    if isinstance(node, dict):
        known = [*(key for key in _ORDER if key in node), *(key for key in node if key not in _ORDER)]
        if "name" in known and "type" in node:
            known = ["name", *(key for key in known if key not in ("name", "dpsynth")), "dpsynth"]
        # The keys of a map of values are the table's codes, in their own order.
        return {key: dict(node[key]) if key == "values" else ordered(node[key]) for key in known if key in node}
    if isinstance(node, list):
        return [ordered(item) for item in node]
    return node
