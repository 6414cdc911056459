"""``import_schema`` and ``export_schema``: the one place where the names of formats meet their files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from dpsynth.errors import FileFormatError, UsageError
from dpsynth.schema.exchange import arx, frictionless, google, mbi, sdv, smartnoise
from dpsynth.schema.exchange.arx import field_of_hierarchy
from dpsynth.schema.exchange.comments import commented
from dpsynth.schema.exchange.draft import Draft
from dpsynth.schema.exchange.facts import Facts, facts
from dpsynth.schema.exchange.notes import LeftOut
from dpsynth.schema.exchange.structure import OtherFormatError, read_map
from dpsynth.schema.table import Schema

__all__ = [
    "EXPORTS",
    "IMPORTS",
    "Exchanged",
    "export_schema",
    "field_of_hierarchy",
    "import_hierarchies",
    "import_schema",
]

IMPORTS = ("mbi", "frictionless", "sdv", "smartnoise", "google", "arx")
"""The formats that schemas come from."""

_WRITERS: dict[str, Callable[[Schema, tuple[Facts, ...], LeftOut], str]] = {
    "frictionless": frictionless.write,
    "mbi": mbi.write,
    "sdv": sdv.write,
    "sdv-v1": sdv.write_v1,
    "smartnoise": smartnoise.write,
    "google": google.write,
}
EXPORTS = tuple(_WRITERS)
"""The formats that schemas go to."""


_OF_EVERY_TABLE = ("version", "name", "population", "unit")


@dataclass(frozen=True, slots=True)
class Exchanged:
    """A converted text, and in words what the new format could not hold."""

    text: str
    left_out: tuple[str, ...]


def import_schema(
    text: str, kind: str, name: str, public: str | None = None, *, where: str = "metadata", table: str | None = None
) -> Exchanged:
    """The ``schema.yaml`` text for metadata in the format ``kind``; it loads, and comments say what each TODO asks.

    ``name`` names the table, ``where`` the file in messages, ``table`` the one to take of several; ``public`` is the
    reason why all its domains are public knowledge. Raises ``UsageError`` for another format or table, ``SchemaError``
    or ``FileFormatError`` when the text is not of that format.
    """
    draft = _draft(name, public)
    if kind not in IMPORTS or kind == "arx":
        known = ", ".join(known for known in IMPORTS if known != "arx")
        hint = "Use import_hierarchies." if kind == "arx" else f"Known: {known}."
        raise UsageError("an unknown format", where="--from", hint=hint)
    data = read_map(text, where)
    try:
        document = _read(kind, data, draft, table)
    except OtherFormatError as error:
        raise FileFormatError(f"is not {kind} metadata", where=where, hint=str(error)) from None
    return _finished(document, draft, where)


def import_hierarchies(hierarchies: Mapping[str, str], name: str, public: str | None = None) -> Exchanged:
    """The ``schema.yaml`` text for ARX hierarchies, one field each: ``hierarchies`` maps names of fields to texts.

    Raises ``FileFormatError`` when a text is no hierarchy. The values count as public only with the reason ``public``.
    """
    draft = _draft(name, public)
    arx.read(hierarchies, draft)
    return _finished(draft.document(), draft, "metadata")


def export_schema(schema: Schema, kind: str) -> Exchanged:
    """The schema in the format ``kind``: its public description only.

    Raises ``UsageError`` for another format, and what ``Schema.require_fit`` raises: a domain that is open or was
    copied from the rows does not leave, since other formats cannot say so.
    """
    if kind not in _WRITERS:
        raise UsageError("an unknown format", where="--to", hint=f"Known: {', '.join(EXPORTS)}.")
    schema.require_fit()
    left_out = LeftOut()
    for key in schema.to_dict()["dpsynth"]:
        if key not in _OF_EVERY_TABLE:
            left_out.add(f"dpsynth.{key} of the table")
    text = _WRITERS[kind](schema, facts(schema), left_out)
    return Exchanged(text, left_out.lines())


def _draft(name: str, public: str | None) -> Draft:
    if public is not None and not public.strip():
        raise UsageError("the reason is empty", where="--public", hint="Say why the domains are public knowledge.")
    return Draft(name, public)


def _read(kind: str, data: dict[str, Any], draft: Draft, table: str | None) -> dict[str, Any]:
    if kind in ("mbi", "google"):
        if table is not None:
            raise UsageError(f"{kind} metadata describe one table", where="--table")
        if kind == "mbi":
            return mbi.read(data, draft.name, draft.public)
        google.read(data, draft)
    else:
        readers = {"frictionless": frictionless.read, "sdv": sdv.read, "smartnoise": smartnoise.read}
        readers[kind](data, draft, table)
    return draft.document()


def _finished(document: dict[str, Any], draft: Draft, where: str) -> Exchanged:
    plain = Schema.from_dict(document, where=where).dump()
    return Exchanged(commented(plain, where), draft.left_out.lines())
