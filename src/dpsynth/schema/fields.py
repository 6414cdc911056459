"""Fields and units: the public description of one column, and of whom the guarantee protects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from dpsynth.errors import SchemaError
from dpsynth.schema.attributes import Attribute, plain_attribute
from dpsynth.schema.builders import build_codec, is_nullable
from dpsynth.schema.codecs import BinnedCodec, Codec, ListedCodec
from dpsynth.schema.derivations import build_rule
from dpsynth.schema.derived import Rule
from dpsynth.schema.document import FieldModel, FieldPart, Role, Source, TypeName
from dpsynth.schema.dtypes import dtype_problem
from dpsynth.schema.hierarchy_parts import HierarchyPart
from dpsynth.schema.identifiers import Identifier, arrow_type, build_identifier
from dpsynth.schema.mask_parts import Mask
from dpsynth.schema.masking_rules import DROP, check_masking
from dpsynth.schema.parts import CalendarParts, build_parts
from dpsynth.schema.ranges import WrongKey

UNMODELED: tuple[Role, ...] = ("direct-id", "weight")
"""The roles of columns that never enter a fit and are not in its output."""


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

    ``todo`` lists the keys that a person must still fill in; such a field, or one that is not modeled, has no
    ``codec``. ``dtype`` is the declared output dtype of frames, None for the default of the type. ``derived`` says how
    the field follows from others (its ``codec`` then describes its type and range), ``parts`` what a date keeps,
    ``format`` how a CSV file shows dates unless it is ISO 8601. ``identifier`` says how a ``direct-id`` is invented
    after a sample, None for one that is left out. ``interpolated``: a sample spreads the values of a bin as its
    neighbors suggest, not evenly. ``mask``, ``hierarchy`` and ``level``: what is done to the cells of the table
    before they are read (``drop``: they are not); the codec is that of what they become.
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
    identifier: Identifier | None = None
    interpolated: bool = True
    mask: Mask | None = None
    hierarchy: HierarchyPart | None = None
    level: int | None = None

    @property
    def modeled(self) -> bool:
        """Whether the field may enter a fit (everything but ``direct-id``, ``weight`` and what a mask drops)."""
        return self.role not in UNMODELED and self.mask != DROP

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
        """The type of the field's columns in a sample; ``SchemaError`` while the field is incomplete."""
        return self.ready.arrow_type if self.identifier is None else arrow_type(self.identifier)

    @property
    def ready(self) -> Codec:
        """The codec; ``SchemaError`` while the field is incomplete, or for one that is not modeled."""
        if self.codec is None:
            what = f"fill in {', '.join(self.todo)}" if self.todo else f"a {self.role} field has no codec"
            raise SchemaError(what, where=f"field {self.name!r}")
        return self.codec


def build_field(
    model: FieldModel,
    todo: tuple[str, ...],
    missing: tuple[str, ...],
    where: str,
    built: Mapping[str, Field],
    *,
    key: bool = False,
) -> Field:
    """The field that the model describes; ``built`` are those that it may derive from, ``key``: it is of the primary
    key. ``SchemaError`` names the field and the key.
    """
    try:
        identifier = None if todo else build_identifier(model, key=key)
        rule, codec = _content(model, todo, missing, built)
        parts = build_parts(model, codec) if isinstance(codec, BinnedCodec) and rule is None else None
    except WrongKey as wrong:
        place = wrong.key.removeprefix("dpsynth.").removeprefix("constraints.")
        raise SchemaError(f"field {model.name!r}: {place}: {wrong.message}", where=where, hint=wrong.hint) from None
    waiting = codec is None and _enters(model.dpsynth) and not todo
    return Field(
        name=model.name,
        type=model.type,
        role=model.dpsynth.role,
        source=model.dpsynth.source,
        public_reason=model.dpsynth.public_reason,
        required=model.constraints.required,
        nullable=identifier is None and (is_nullable(model) if codec is None else codec.nullable),
        dtype=model.dpsynth.dtype,
        codec=codec,
        todo=("the fields that it derives from",) if waiting else todo,
        derived=rule,
        parts=parts,
        format=None if model.format == "default" else model.format,
        title=model.title,
        description=model.description,
        identifier=identifier,
        interpolated=model.dpsynth.decode != "uniform",
        mask=model.dpsynth.mask,
        hierarchy=model.dpsynth.hierarchy,
        level=model.dpsynth.level,
    )


def key_problem(key: Sequence[str], fields: Sequence[Field]) -> str | None:
    """Why a primary key cannot be unique in a sample, in words; None when it is, or when there is no key."""
    named = {one.name: one for one in fields}
    if len(set(key)) != len(key):
        return "names a column twice"
    if unknown := [name for name in key if name not in named]:
        return f"the schema has no field {unknown[0]!r}"
    chosen = [named[name] for name in key]
    if absent := [one.name for one in chosen if not one.modeled and one.identifier is None]:
        return f"{absent[0]!r} is not in a sample: a direct-id needs a generate key"
    if key and not any(one.identifier is not None and one.identifier.unique for one in chosen):
        return "none of its columns is unique: give one of them role: direct-id and generate: sequence"
    return None


def _content(
    model: FieldModel, todo: tuple[str, ...], missing: tuple[str, ...], built: Mapping[str, Field]
) -> tuple[Rule | None, Codec | None]:
    """How a field follows from others, if it does, and its codec; none while one is open, or if it is not modeled."""
    part = model.dpsynth
    if model.type is None and "type" not in todo:
        raise WrongKey("type", "is missing", "One of string, integer, number, boolean, date, datetime.")
    if not _enters(part) and "role" not in todo:
        if part.derived is not None:
            raise WrongKey("dpsynth.derived", f"a {part.role} follows from nothing")
        return None, None
    check_masking(model)
    _check_source(model, todo)
    if todo:
        return None, None
    rule = None if part.derived is None else build_rule(model, built, missing)
    codec = build_codec(model, missing) if part.derived is None else rule.codec if rule else None
    if codec is not None:
        _check_dtype(model, codec)
    return rule, codec


def _enters(part: FieldPart) -> bool:
    """Whether the field is modeled."""
    return part.role not in UNMODELED and part.mask != DROP


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
