"""The key under which a fit of a run is paid for: what decides its guarantee and its answers, part by part.

Each part is told by a digest of its own, so that two keys say what differs. What is not in it changes no answer, or
says only whether there is one: the limit of memory of a fit with a schema, the largest stability, the form of the file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from dpsynth.pipeline.discovery import discover_share
from dpsynth.pipeline.plan import load_schema, unit_of
from dpsynth.pipeline.run_state import text_digest
from dpsynth.privacy.unit import Unit
from dpsynth.schema import Schema
from dpsynth.schema.document import validate
from dpsynth.synthesizers import synthesizer
from dpsynth.synthesizers.effort import effort_of
from dpsynth.synthesizers.registry import settings_of
from dpsynth.tables import table_name

PARTS = (
    *("data_version", "the stage that makes its table", "schema", "method", "settings of the method"),
    *("epsilon", "delta", "share", "unit", "pool", "holdout", "discovery"),
)
"""What the parts of a key are called, in their order."""

_HEAD = "fit2:"
_KEY = re.compile(rf"{_HEAD}((?:[0-9a-f]{{12}}\.){{{len(PARTS) - 1}}}[0-9a-f]{{12}})(?:/[0-9]+)?", re.ASCII)
_EARLIER = re.compile(r"[0-9a-f]{64}(?:/[0-9]+)?", re.ASCII)
_WORDS: Any = {
    "title": True,
    "description": True,
    "dpsynth": {"population", "unit"},
    "fields_": {"__all__": {"title": True, "description": True, "dpsynth": {"public_reason"}}},
}
"""What a schema says to readers alone, and what the fit settles with its options: the pool and the unit."""


def fit_key(
    wanted: Mapping[str, Any], settings: Mapping[str, Any], *, data_version: str | None, maker: str | None
) -> str:
    """The key of a fit with these wishes, under the names of the command's parameters. ``settings``: the method's.
    ``maker``: the key of the stage that makes its table, if one does. Of the table nothing is opened.

    Raises what the fit would raise before it reserves, for what is known without table and ledger.
    """
    schema = None if wanted["schema"] is None else load_schema(wanted["schema"])
    shared = wanted["share"] is not None
    parts = (
        data_version,
        maker,
        None if schema is None else meaning(schema),
        wanted["method"],
        _chosen(wanted["method"], settings),
        None if shared else str(Fraction(wanted["epsilon"])),
        None if shared else str(Fraction(wanted["delta"])),
        str(Fraction(wanted["share"])) if shared else None,
        str(unit_for(schema, wanted)),
        pool_for(schema, wanted),
        None if wanted["holdout"] is None else str(Fraction(wanted["holdout"])),
        None if schema is not None else _discovery(wanted),
    )
    return _HEAD + ".".join(text_digest(part)[:12] for part in parts)


def changed_parts(old: object, new: str) -> tuple[str, ...] | None:
    """The names of the parts in which two keys differ; ``None`` when the old one is no key of this form."""
    before, after = _KEY.fullmatch(str(old)), _KEY.fullmatch(new)
    if before is None or after is None:
        return None
    pairs = zip(PARTS, before[1].split("."), after[1].split("."), strict=True)
    return tuple(name for name, one, other in pairs if one != other)


def is_earlier(key: object) -> bool:
    """Whether a key is of the form that earlier versions gave to their fits: one digest, which says nothing."""
    return isinstance(key, str) and _EARLIER.fullmatch(key) is not None


def meaning(schema: Schema) -> dict[str, Any]:
    """What a complete schema says of rows, without its words to readers; what is left out, and its default, are one.

    Raises what ``Schema.require_fit`` raises.
    """
    schema.require_fit()
    model = validate(schema.to_dict(), schema.name)
    return model.model_dump(mode="json", by_alias=True, exclude_defaults=True, exclude=_WORDS)


def pool_for(schema: Schema | None, wanted: Mapping[str, Any]) -> str:
    """The pool that pays: the named one, else that of the schema, else that of the table's name."""
    named = table_name(wanted["data"]) if schema is None else schema.population or schema.name
    return wanted["pool"] or named


def unit_for(schema: Schema | None, wanted: Mapping[str, Any]) -> Unit:
    """The unit that is protected: the given one, else the schema's, else rows."""
    return unit_of(schema, wanted["unit"]) if schema is not None else wanted["unit"] or Unit()


def _chosen(method: str, settings: Mapping[str, Any]) -> dict[str, str]:
    """The settings that differ from those of the method alone: what a later version adds leaves a key as it is."""
    made: Any = synthesizer(method, **settings)
    plain = synthesizer(method)
    usual = {name: getattr(plain, name) for name in settings_of(method)}
    if "effort" in usual and usual["max_model_size"] is None:
        usual["max_model_size"] = effort_of(made.effort).model_size
    found = {name: getattr(made, name) for name in usual}
    return {name: repr(value) for name, value in found.items() if value is not None and value != usual[name]}


def _discovery(wanted: Mapping[str, Any]) -> list[Any]:
    """What a fit without a schema learns its domain by; a limit of memory cuts that domain down."""
    share, limit = discover_share(wanted["discover_share"]), wanted["memory_limit"]
    usual = "\t" if str(wanted["data"]).endswith((".tsv", ".tsv.gz")) else ","
    return [str(share), limit, wanted["delimiter"] or usual]
