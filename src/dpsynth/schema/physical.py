"""Whether a column's physical type can be a field's type. Names and types only, never a cell."""

from __future__ import annotations

import re

_FAMILIES = (
    ("text", r"(large_)?(string|binary|utf8)(_view)?|fixed_size_binary.*|object|str"),
    ("integer", r"u?int(8|16|32|64)"),
    ("real", r"half_?float|float(16|32|64)?|double|decimal.*"),
    ("boolean", r"bool(ean)?"),
    ("date", r"date(32|64).*"),
    ("moment", r"timestamp.*"),
    ("null", r"null"),
)
_DICTIONARY = re.compile(r"dictionary<values=(?P<values>.+?), indices=.*>")
_ACCEPTS = {
    "string": ("text", "integer", "real", "boolean", "date", "null"),
    "integer": ("text", "integer", "real", "boolean", "null"),
    "number": ("text", "integer", "real", "boolean", "null"),
    "boolean": ("text", "integer", "real", "boolean", "null"),
    "date": ("text", "integer", "date", "moment", "null"),
    "datetime": ("text", "integer", "date", "moment", "null"),
}
_PROPOSED = {"integer": "integer", "real": "number", "boolean": "boolean", "date": "date", "moment": "datetime"}


def family(physical: str) -> str | None:
    """The family of an Arrow type's name (a dictionary's is that of its values); None for nested and other types."""
    if match := _DICTIONARY.fullmatch(physical):
        return family(match["values"])
    return next((name for name, pattern in _FAMILIES if re.fullmatch(pattern, physical)), None)


def plain_type(physical: str) -> str:
    """The type itself, or that of a dictionary's values.

    >>> plain_type("int64"), plain_type("dictionary<values=double, indices=int32, ordered=0>")
    ('int64', 'double')
    """
    match = _DICTIONARY.fullmatch(physical)
    return match["values"] if match else physical


def accepts(type_name: str, physical: str) -> bool:
    """Whether a column of this physical type can be a field of this type.

    >>> accepts("integer", "dictionary<values=string, indices=int32, ordered=0>"), accepts("date", "bool")
    (True, False)
    """
    return family(physical) in _ACCEPTS[type_name]


def proposed_type(physical: str) -> str | None:
    """The field type that a draft proposes for a physical type; None for raw bytes (CSV) and nested types.

    >>> proposed_type("uint8"), proposed_type("large_string"), proposed_type("binary")
    ('integer', 'string', None)
    """
    if family(physical) == "text":
        return None if "binary" in physical else "string"
    return _PROPOSED.get(family(physical) or "")
