"""Fields and units: the public description of one column, and of whom the guarantee protects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa

from dpsynth.errors import SchemaError
from dpsynth.schema.attributes import Attribute, plain_attribute
from dpsynth.schema.builders import build_codec, is_nullable
from dpsynth.schema.codecs import BinnedCodec, Codec, ListedCodec
from dpsynth.schema.derivations import build_rule
from dpsynth.schema.derived import Rule
from dpsynth.schema.document import FieldModel, Role, Source, TypeName
from dpsynth.schema.dtypes import dtype_problem
from dpsynth.schema.parts import CalendarParts, build_parts
from dpsynth.schema.ranges import WrongKey


@dataclass(frozen=True, slots=True)
class UnitSpec:
    """Whom the guarantee protects: a row (``column`` is None), or the person that ``column`` names, with at most
    ``max_rows`` rows.
    """

    column: str | None = None
    max_rows: int = 1


@dataclass(frozen=True, eq=False)
class Field:
    """One column: what may stand in it, where that is known from, and how it is written.

    ``todo`` lists the keys that a person must still fill in; such a field, and a ``direct-id``, has no ``codec``.
    ``dtype`` is the declared output dtype of frames, None for the default of the type. ``derived`` says how the field
    follows from others (its ``codec`` then describes its type and range), ``parts`` what a date keeps, ``format`` how a
    CSV file shows dates unless it is ISO 8601.
    """

    name: str
    type: TypeName | None
    role: Role
    source: Source | None
    public_reason: str | None
    required: bool
    nullable: bool
    dtype: str | None
    codec: Codec | None
    todo: tuple[str, ...]
    derived: Rule | None = None
    parts: CalendarParts | None = None
    format: str | None = None
    title: str | None = None
    description: str | None = None

    @property
    def modeled(self) -> bool:
        """Whether the field may enter a fit (everything but ``direct-id``)."""
        return self.role != "direct-id"

    @property
    def attributes(self) -> tuple[Attribute, ...]:
        """What the model counts of this field; empty for a sum or a coarse code. ``SchemaError`` while incomplete."""
        codec = self.ready
        if self.derived is not None:
            return self.derived.attributes
        own = plain_attribute(self.name, codec, shared=self.parts is not None)
        return (own, *(self.parts.attributes if self.parts else ()))

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that the attributes are read from; while the field is incomplete, its own."""
        if self.codec is None:
            return (self.name,)
        return tuple(dict.fromkeys(column for one in self.attributes for column in one.columns))

    @property
    def arrow_type(self) -> pa.DataType:
        """The type of the field's decoded columns; ``SchemaError`` while the field is incomplete."""
        return self.ready.arrow_type

    @property
    def ready(self) -> Codec:
        """The codec; ``SchemaError`` while the field is incomplete, or for a ``direct-id``."""
        if self.codec is None:
            what = f"fill in {', '.join(self.todo)}" if self.todo else "a direct-id field has no codec"
            raise SchemaError(what, where=f"field {self.name!r}")
        return self.codec


def build_field(
    model: FieldModel, todo: tuple[str, ...], missing: tuple[str, ...], where: str, built: Mapping[str, Field]
) -> Field:
    """The field that the model describes; ``built`` are those that it may derive from. ``SchemaError`` names the field
    and the key.
    """
    try:
        rule, codec = _content(model, todo, missing, built)
        parts = build_parts(model, codec) if isinstance(codec, BinnedCodec) and rule is None else None
    except WrongKey as wrong:
        key = wrong.key.removeprefix("dpsynth.").removeprefix("constraints.")
        raise SchemaError(f"field {model.name!r}: {key}: {wrong.message}", where=where, hint=wrong.hint) from None
    waiting = codec is None and model.dpsynth.role != "direct-id" and not todo
    return Field(
        name=model.name,
        type=model.type,
        role=model.dpsynth.role,
        source=model.dpsynth.source,
        public_reason=model.dpsynth.public_reason,
        required=model.constraints.required,
        nullable=is_nullable(model) if codec is None else codec.nullable,
        dtype=model.dpsynth.dtype,
        codec=codec,
        todo=("the fields that it derives from",) if waiting else todo,
        derived=rule,
        parts=parts,
        format=None if model.format == "default" else model.format,
        title=model.title,
        description=model.description,
    )


def _content(
    model: FieldModel, todo: tuple[str, ...], missing: tuple[str, ...], built: Mapping[str, Field]
) -> tuple[Rule | None, Codec | None]:
    """How a field follows from others, if it does, and its codec; no codec for a direct-id or while one is open."""
    part = model.dpsynth
    if model.type is None and "type" not in todo:
        raise WrongKey("type", "is missing", "One of string, integer, number, boolean, date, datetime.")
    if part.role == "direct-id" and "role" not in todo:
        if part.derived is not None:
            raise WrongKey("dpsynth.derived", "a direct-id follows from nothing")
        return None, None
    _check_source(model, todo)
    if todo:
        return None, None
    rule = None if part.derived is None else build_rule(model, built, missing)
    codec = build_codec(model, missing) if part.derived is None else rule.codec if rule else None
    if codec is not None:
        _check_dtype(model, codec)
    return rule, codec


def _check_source(model: FieldModel, todo: tuple[str, ...]) -> None:
    part = model.dpsynth
    if part.source is None and "source" not in todo:
        hint = "Say where the domain is known from: public, dp or data."
        raise WrongKey("dpsynth.source", "is missing; it has no default", hint)
    if part.domain is not None and part.source in ("dp", "data"):
        raise WrongKey("dpsynth.source", "a domain that ships with dpsynth is public")
    if model.constraints.required and part.derived is None and is_nullable(model) and "null" not in todo:
        hint = "Add null: VALUE, the value that a missing cell takes."
        raise WrongKey("constraints.required", "is true, but a missing cell would be null", hint)


def _check_dtype(model: FieldModel, codec: Codec) -> None:
    if model.dpsynth.dtype is None or model.type is None:
        return
    problem = dtype_problem(
        model.dpsynth.dtype, model.type, nullable=codec.nullable, zone=model.dpsynth.zone, bounds=_range(codec)
    )
    if problem:
        raise WrongKey("dpsynth.dtype", problem)


def _range(codec: Codec) -> tuple[float, float] | None:
    if isinstance(codec, BinnedCodec):
        return codec.bins.low, codec.bins.high
    return (codec.values.min(), codec.values.max()) if isinstance(codec, ListedCodec) else None
