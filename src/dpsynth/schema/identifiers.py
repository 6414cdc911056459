"""``generate``: how the values of an identifying column are invented after a sample. No rule here reads rows."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pyarrow as pa

from dpsynth.schema.document import FieldModel, GeneratePart, SequencePart, TableModel
from dpsynth.schema.dtypes import dtype_problem
from dpsynth.schema.patterns import Automaton, PatternError, automaton_of
from dpsynth.schema.ranges import WrongKey

LOCALE = "en_US"
"""Faker's locale where none is given."""

_FARTHEST = 1 << 40
"""A sample has at most so many rows, so a sequence goes at most so far beyond its start."""

_PROVIDER = re.compile(r"[a-z][a-z0-9_]{0,63}")
_LOCALE = re.compile(r"[a-z]{2,3}(_[A-Z][A-Za-z]{1,3})?")


@dataclass(frozen=True)
class Numbers:
    """``start``, ``start + 1``, ...; as text with ``prefix`` and at least ``width`` digits where ``text`` is set."""

    start: int = 1
    prefix: str = ""
    width: int = 0
    text: bool = False
    unique = True


@dataclass(frozen=True)
class RandomUuid:
    """UUIDs in the form of version 4."""

    text = True
    unique = True


@dataclass(frozen=True)
class Pattern:
    """Texts of a pattern, each at most once where ``unique`` is set."""

    automaton: Automaton
    unique: bool
    text = True


@dataclass(frozen=True)
class Fake:
    """What a provider of Faker invents; values may repeat."""

    provider: str
    locale: str
    text = True
    unique = False


Identifier = Numbers | RandomUuid | Pattern | Fake
"""How the values of one column are invented; ``unique``: no value comes twice in a sample."""


def arrow_type(identifier: Identifier) -> pa.DataType:
    """string, or int64 for a sequence of plain numbers."""
    return pa.string() if identifier.text else pa.int64()


def primary_key(model: TableModel) -> tuple[str, ...]:
    """The columns of the table's key; empty when it declares none."""
    key = model.primaryKey
    return () if key is None else (key,) if isinstance(key, str) else tuple(key)


def build_identifier(field: FieldModel, *, key: bool) -> Identifier | None:
    """How the field is regenerated, None when it is not; ``WrongKey`` for a rule that cannot be kept.

    ``key``: the field is of the primary key, so its patterns give no text twice.
    """
    given, modeled = field.dpsynth.generate, field.dpsynth.role != "direct-id"
    if given is None:
        if field.constraints.unique and modeled:
            hint = "Values of a model repeat. Give the field role: direct-id and a generate key."
            raise WrongKey("constraints.unique", "cannot be kept for a modeled field", hint)
        return None
    if modeled:
        raise WrongKey("dpsynth.generate", "is for fields with role: direct-id; this one is modeled")
    found = _identifier(given, str(field.type), unique=field.constraints.unique or key)
    if field.constraints.unique and not found.unique:
        raise WrongKey("constraints.unique", "Faker's values may repeat", "Use sequence, uuid or regex.")
    _check_dtype(field, found)
    return found


def _identifier(given: str | GeneratePart, kind: str, *, unique: bool) -> Identifier:
    if kind not in ("string", "integer"):
        raise WrongKey("dpsynth.generate", f"does not apply to {kind} fields", "Identifiers are strings or integers.")
    name, part = _the_one(given)
    if name == "sequence":
        return _sequence(part.sequence or SequencePart(), text=kind == "string")
    if kind != "string":
        raise WrongKey("dpsynth.generate", f"{name} gives text", "Declare type: string, or use sequence.")
    if name == "uuid":
        return RandomUuid()
    if name == "regex":
        return Pattern(_automaton(str(part.regex)), unique)
    return _fake(str(part.faker), part.locale)


def _the_one(given: str | GeneratePart) -> tuple[str, GeneratePart]:
    if isinstance(given, str):
        return given, GeneratePart()
    named = [name for name in ("sequence", "regex", "faker") if getattr(given, name) is not None]
    if len(named) != 1:
        raise WrongKey("dpsynth.generate", "needs exactly one of sequence, uuid, regex and faker")
    if given.locale is not None and named != ["faker"]:
        raise WrongKey("dpsynth.generate.locale", "is for faker")
    return named[0], given


def _sequence(part: SequencePart, *, text: bool) -> Numbers:
    if not text and (part.prefix or part.width):
        hint = "Declare type: string."
        raise WrongKey("dpsynth.generate.sequence", "a prefix or a width makes text of the numbers", hint)
    if any(ord(character) < ord(" ") for character in part.prefix):
        raise WrongKey("dpsynth.generate.sequence.prefix", "holds a control character")
    return Numbers(part.start, part.prefix, part.width, text)


def _automaton(pattern: str) -> Automaton:
    try:
        return automaton_of(pattern)
    except PatternError as error:
        raise WrongKey("dpsynth.generate.regex", str(error), "See generate in the reference of schema.yaml.") from None


def _fake(provider: str, locale: str | None) -> Fake:
    if not _PROVIDER.fullmatch(provider):
        raise WrongKey(
            "dpsynth.generate.faker", "is not the name of a provider", "For example name, or street_address."
        )
    if locale is not None and not _LOCALE.fullmatch(locale):
        raise WrongKey("dpsynth.generate.locale", "is not a locale", "For example en_GB.")
    return Fake(provider, locale or LOCALE)


def _check_dtype(field: FieldModel, identifier: Identifier) -> None:
    if field.dpsynth.dtype is None or field.type is None:
        return
    bounds = (identifier.start, identifier.start + _FARTHEST) if isinstance(identifier, Numbers) else None
    problem = dtype_problem(field.dpsynth.dtype, field.type, nullable=False, zone=None, bounds=bounds)
    if problem:
        raise WrongKey("dpsynth.dtype", problem)
