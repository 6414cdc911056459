"""JSON or YAML metadata as plain data, and the looks that every reader takes at it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from dpsynth.errors import FileFormatError, SchemaError, UsageError
from dpsynth.schema.yamltext import MAX_CHARACTERS, parse

_WORDS = {**dict.fromkeys(("true", "yes", "on"), True), **dict.fromkeys(("false", "no", "off"), False)}


class OtherFormatError(Exception):
    """The data are not of the format that they were read as; the message shows what that looks like."""


def read_map(text: str, where: str) -> dict[str, Any]:
    """The map that the text holds, as JSON or as YAML; ``FileFormatError`` or ``SchemaError`` for anything else.

    JSON is read as such first: YAML knows neither its surrogate pairs nor its tabs.
    """
    if len(text) > MAX_CHARACTERS:
        raise FileFormatError(f"the file is larger than {MAX_CHARACTERS:,} characters", where=where)
    data = _json(text, where) if text.lstrip()[:1] in ("{", "[") else None
    if data is None:
        data = parse(text, where)
    if not isinstance(data, dict):
        raise FileFormatError("is not a map of keys", where=where)
    return data


def _json(text: str, where: str) -> Any:
    """The data, or None when the text is no JSON (it may be YAML in braces)."""
    try:
        data = json.loads(text, object_pairs_hook=_unique, parse_constant=_refused)
        json.dumps(data, ensure_ascii=False).encode()
    except RecursionError:
        raise SchemaError("nested too deep", where=where) from None
    except UnicodeEncodeError:
        raise FileFormatError("holds text that is not Unicode (half a surrogate pair)", where=where) from None
    except _DoubledKeyError as doubled:
        raise SchemaError(f"the key {doubled.args[0]!r} appears twice", where=where) from None
    except ValueError:
        return None
    return data


class _DoubledKeyError(Exception):
    """A JSON object has a key twice; which of the two counts would depend on the reader."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise _DoubledKeyError(key)
        found[key] = value
    return found


def _refused(constant: str) -> Any:
    raise ValueError(constant)


def pick(tables: Mapping[str, Any], wanted: str | None) -> tuple[str, Any]:
    """The table that was asked for, or the only one; ``UsageError`` names those there are."""
    shown = f"Name one of {', '.join(repr(name) for name in list(tables)[:8])}."
    if wanted is not None and wanted not in tables:
        raise UsageError("the metadata describe no such table", where="--table", hint=shown)
    if wanted is None and len(tables) > 1:
        raise UsageError(f"the metadata describe {len(tables)} tables", where="--table", hint=shown)
    name = wanted if wanted is not None else next(iter(tables))
    return name, tables[name]


def named(value: object) -> list[str]:
    """The names in a key that holds one name or a list of names; of composite keys, none."""
    listed = value if isinstance(value, list) else [value]
    return [one for one in listed if isinstance(one, str)]


def truth(value: object) -> bool | None:
    """What a JSON or YAML value says, also as the words of YAML 1.1 that the other tools read; None: neither."""
    return _WORDS.get(value.lower()) if isinstance(value, str) else value if isinstance(value, bool) else None


def unread(keys: Iterable[str], known: Iterable[str]) -> list[str]:
    """The keys that a reader does not know, in their order."""
    return [key for key in keys if key not in set(known)]
