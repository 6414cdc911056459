"""The shape of the key ``mask``: how the cells of a field are hidden, in a schema and in a policy."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, populate_by_name=False)


_Text = Annotated[str, Field(min_length=1, max_length=1_000)]
_Name = Annotated[str, Field(min_length=1, max_length=200)]


class RedactPart(_Part):
    """``redact: {first, last, with}``: so many characters stay at both ends, each one between becomes ``with``."""

    first: int = Field(default=0, ge=0, le=1_000)
    last: int = Field(default=0, ge=0, le=1_000)
    with_: str = Field(default="*", alias="with", min_length=1, max_length=1)


class PseudonymPart(_Part):
    """``pseudonym: {length, prefix, namespace}``: a keyed hash in hex; equal values of a namespace stay equal."""

    length: int = Field(default=32, ge=16, le=64)
    prefix: str = Field(default="", max_length=64)
    namespace: str = Field(default="", max_length=200)


class FormatPart(_Part):
    """``format: {alphabet, keep, check, namespace}``: other characters of the same form, by a keyed permutation."""

    alphabet: str = Field(default="shape", min_length=1, max_length=256)
    keep: str = Field(default=" -./_:+()", max_length=256)
    check: Literal["luhn", "iban", "none"] = "none"
    namespace: str = Field(default="", max_length=200)


class ShiftPart(_Part):
    """``shift: {days, by, format, namespace}``: all dates of the person whom ``by`` names move by the same days."""

    days: list[int] = Field(min_length=2, max_length=2)
    by: _Name
    format: _Text | None = None
    namespace: str = Field(default="", max_length=200)


class AgesPart(_Part):
    """``ages: {top}``: ages from ``top`` on are one group."""

    top: int = Field(default=90, ge=1, le=200)


class Zip3Part(_Part):
    """``zip3: {small}``: three digits of a US ZIP code; ``small`` lists the areas that become 000."""

    small: list[Annotated[str, Field(min_length=3, max_length=3)]] | None = Field(default=None, max_length=1_000)


class RoundPart(_Part):
    """``round: {to}``: the nearest multiple, halves upwards."""

    to: int | float


class ReplacePart(_Part):
    """``replace: {regex}`` or ``{faker, locale}``: an invented value for each value, the same under the same key."""

    regex: _Text | None = None
    faker: _Name | None = None
    locale: _Name | None = None
    namespace: str = Field(default="", max_length=200)


class PresidioPart(_Part):
    """``presidio: {entities, language}``: what Presidio looks for; every kind that it knows by default."""

    entities: list[_Name] | None = Field(default=None, min_length=1, max_length=200)
    language: _Name = "en"


class TextPart(_Part):
    """``text: {presidio}``: free text in which what is found is replaced by its kind."""

    presidio: PresidioPart


class MaskPart(_Part):
    """Exactly one mask (``top`` and ``bottom`` may stand together), and what becomes of cells that it does not fit."""

    constant: _Text | None = None
    redact: RedactPart | None = None
    pseudonym: PseudonymPart | None = None
    format: FormatPart | None = None
    shift: ShiftPart | None = None
    ages: AgesPart | None = None
    zip3: Zip3Part | None = None
    top: int | float | None = None
    bottom: int | float | None = None
    round: RoundPart | None = None
    replace: ReplacePart | None = None
    text: TextPart | None = None
    hash: Any = None
    invalid: Literal["error", "blank"] = "error"


Word = Literal["drop", "pseudonym", "format", "ages", "zip3"]
"""The masks that need no settings."""

Mask = Word | MaskPart
"""The value of the key ``mask``."""

KEYED = frozenset({"pseudonym", "format", "shift", "replace"})
"""The masks that need a key."""

_PARTS: dict[str, type[_Part]] = {
    "redact": RedactPart,
    "pseudonym": PseudonymPart,
    "format": FormatPart,
    "shift": ShiftPart,
    "ages": AgesPart,
    "zip3": Zip3Part,
    "round": RoundPart,
    "replace": ReplacePart,
    "text": TextPart,
    "presidio": PresidioPart,
}
MASK_KEYS: dict[str, type[BaseModel]] = {"mask": MaskPart, **_PARTS}
"""The models by the key under which they stand, for hints about unknown keys."""
