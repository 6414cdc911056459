"""The shape of ``schema.yaml``: strict models of every key, and pydantic's complaints in plain words."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from dpsynth.errors import SchemaError
from dpsynth.schema.hierarchy_parts import HIERARCHY_KEYS, HierarchyPart
from dpsynth.schema.mask_parts import MASK_KEYS, Mask

TODO = "TODO"
"""The mark that a template leaves where only a person can answer."""


def writable(text: str) -> bool:
    """Whether a schema can hold this as a name or a value: not nothing, nor the word for what is left open."""
    return bool(text) and text != TODO


Role = Literal["direct-id", "quasi", "sensitive", "other", "weight"]
Source = Literal["public", "dp", "data"]
TypeName = Literal["string", "integer", "number", "boolean", "date", "datetime"]
CalendarPart = Literal["weekday", "season", "month", "hour"]
ModelT = TypeVar("ModelT", bound=BaseModel)
Scalar = str | int | float | bool
"""A YAML scalar; bool is told from int because the models are strict."""


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, populate_by_name=False)


class UnitPart(_Part):
    """``unit: {column, max_rows}``: a person is the value of a column and has at most so many rows."""

    column: str = Field(min_length=1)
    max_rows: int = Field(ge=1, le=1_000_000)


_Several = Annotated[list[str], Field(min_length=1, max_length=20)]
Conditions = Annotated[str, Field(min_length=1)] | _Several
"""A condition as ``--where`` writes it, or several joined by AND."""


class RulePart(_Part):
    """One entry of the table's constraints: ``{if, then}``, or ``{never}``."""

    if_: Conditions | None = Field(default=None, alias="if")
    then: Conditions | None = None
    never: _Several | None = None


class TablePart(_Part):
    """The table's ``dpsynth:`` block."""

    version: Literal[1]
    name: str = Field(min_length=1)
    population: str | None = Field(default=None, min_length=1)
    unit: Literal["row"] | UnitPart = "row"
    constraints: list[RulePart] = Field(default=[], min_length=1, max_length=1000)
    reshape: dict[str, Any] | None = None


class BinsPart(_Part):
    """Exactly one way to cut a range of numbers."""

    width: int | float | None = None
    edges: list[int | float | str] | None = None
    count: int | None = None
    log: int | None = None


class SequencePart(_Part):
    """``sequence: {start, prefix, width}``: where numbering starts and how the numbers are written."""

    start: int = Field(default=1, ge=0, le=10**18)
    prefix: str = Field(default="", max_length=64)
    width: int = Field(default=0, ge=0, le=18)


class GeneratePart(_Part):
    """Exactly one way to invent the values of an identifier."""

    sequence: SequencePart | None = None
    regex: str | None = None
    faker: str | None = None
    locale: str | None = None


class ConstraintsPart(_Part):
    """The Frictionless constraints that state a domain."""

    required: bool = False
    unique: bool = False
    enum: list[Scalar] | None = None
    minimum: str | int | float | None = None
    maximum: str | int | float | None = None


class MapPart(_Part):
    """A code that follows from a finer one: by a list, by its first characters, or by a CSV file of pairs."""

    from_: str = Field(alias="from", min_length=1)
    values: dict[str, Scalar] | None = None
    prefix: int | None = Field(default=None, ge=1, le=1000)
    file: str | None = Field(default=None, min_length=1)


class DerivedPart(_Part):
    """Exactly one way in which a field follows from others; bounds and bins are those of the length of ``after``."""

    after: str | None = Field(default=None, min_length=1)
    minimum: int | float | None = None
    maximum: int | float | None = None
    bins: BinsPart | None = None
    sum: list[str] | None = Field(default=None, min_length=2)
    map: MapPart | None = None


class FieldPart(_Part):
    """A field's ``dpsynth:`` block."""

    role: Role = "other"
    source: Source | None = None
    public_reason: str | None = Field(default=None, min_length=1)
    domain: str | None = None
    bins: str | BinsPart | None = None
    derived: DerivedPart | None = None
    formats: list[str] | None = Field(default=None, min_length=1)
    keep: list[CalendarPart] | None = Field(default=None, min_length=1)
    decimals: int | None = Field(default=None, ge=0, le=12)
    step: int | float | None = None
    decode: Literal["uniform", "interpolated"] | None = None
    generate: Literal["sequence", "uuid"] | GeneratePart | None = None
    zone: str | None = None
    null: Scalar | None = None
    overflow: Literal["clip", "other", "null"] | None = None
    mask: Mask | None = None
    hierarchy: HierarchyPart | None = None
    level: int | None = Field(default=None, ge=0, le=1000)
    dtype: str | None = None


class FieldModel(_Part):
    """One field of the Table Schema."""

    name: str = Field(min_length=1)
    type: TypeName | None = None
    title: str | None = None
    description: str | None = None
    format: str | None = None
    groupChar: Literal[",", " ", "'", "_"] | None = None  # noqa: N815 (Frictionless spells it so)
    trueValues: list[str] | None = None  # noqa: N815
    falseValues: list[str] | None = None  # noqa: N815
    constraints: ConstraintsPart = ConstraintsPart()
    dpsynth: FieldPart = FieldPart()


class TableModel(_Part):
    """The whole document."""

    dpsynth: TablePart
    title: str | None = None
    description: str | None = None
    missingValues: list[str] = Field(default=[""])  # noqa: N815
    primaryKey: str | list[str] | None = None  # noqa: N815
    fields_: list[FieldModel] = Field(alias="fields", min_length=1)


_KEYS: dict[str, type[BaseModel]] = {
    **HIERARCHY_KEYS,
    **MASK_KEYS,
    "unit": UnitPart,
    "bins": BinsPart,
    "constraints": ConstraintsPart,
    "generate": GeneratePart,
    "sequence": SequencePart,
    "derived": DerivedPart,
    "map": MapPart,
}


def validate(document: dict[str, Any], where: str) -> TableModel:
    """The document as models; ``SchemaError`` names the field and the key, and what may have been meant."""
    return checked(TableModel, document, where, _known)


def checked(
    model: type[ModelT], document: dict[str, Any], where: str, known: Callable[[list[str], str], list[str]]
) -> ModelT:
    """The document as this model; ``SchemaError`` as of ``validate``.

    ``known``: the keys that may stand where the last of a path of keys stands, below a field if one is named.
    """
    try:
        return model.model_validate(document)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=False, include_context=True)
    placed = [(*_place(document, problem), problem) for problem in problems]
    unknown = [one for one in placed if one[2]["type"] == "extra_forbidden"]
    field, keys, first = max(unknown or placed, key=lambda one: len(one[1]))
    place = f"field {field}: " if field else ""
    if unknown:
        hint = did_you_mean(keys[-1], known(keys, field))
        raise SchemaError(f"{place}unknown key {keys[-1]!r}", where=where, hint=hint)
    if first["type"] == "missing":
        raise SchemaError(f"{place}the key {keys[-1]!r} is missing", where=where)
    said = " or ".join(dict.fromkeys(_words(one) for other, path, one in placed if (other, path) == (field, keys)))
    raise SchemaError(f"{place}{'.'.join(keys) or 'the document'}: {said}", where=where)


def did_you_mean(word: str, known: list[str]) -> str | None:
    """A hint with the nearest known words, or all of them when none is near; None when there are none."""
    near = difflib.get_close_matches(word, known, n=2, cutoff=0.6)
    if near:
        return f"Did you mean {' or '.join(repr(name) for name in near)}?"
    return f"Known: {', '.join(known)}." if known else None


def _place(document: dict[str, Any], problem: Any) -> tuple[str, list[str]]:
    """The field (its name, or its number) and the path of keys below it; names of union members are left out."""
    field, keys = "", list[str]()
    node: Any = document
    location = problem["loc"]
    for position, step in enumerate(location):
        absent = problem["type"] == "missing" and position == len(location) - 1
        if isinstance(step, int):
            node = node[step] if isinstance(node, list) and step < len(node) else None
            if keys == ["fields"]:
                name = node.get("name") if isinstance(node, dict) else None
                field, keys = repr(name) if isinstance(name, str) else str(step + 1), []
        elif absent or (isinstance(node, dict) and step in node):
            keys.append(step)
            node = node.get(step) if isinstance(node, dict) else None
    return field, keys


def _known(keys: list[str], field: str) -> list[str]:
    """The keys that may stand where the last key stands."""
    parent = keys[-2] if len(keys) > 1 else None
    tops: tuple[type[BaseModel], type[BaseModel]] = (FieldModel, FieldPart) if field else (TableModel, TablePart)
    model = tops[0] if parent is None else tops[1] if parent == "dpsynth" else _KEYS.get(parent, tops[0])
    model = RulePart if parent == "constraints" and not field else model
    return [info.alias or name for name, info in model.model_fields.items()]


def _words(problem: Any) -> str:
    context = problem.get("ctx", {})
    if problem["type"] == "literal_error":
        return f"must be {context['expected']}"
    kinds = {
        "string_type": "must be text (put it in quotes)",
        "int_type": "must be a whole number",
        "float_type": "must be a number",
        "bool_type": "must be true or false",
        "list_type": "must be a list",
        "model_type": "must be a map of keys",
        "model_attributes_type": "must be a map of keys",
        "dict_type": "must be a map of keys",
        "too_short": "must not be empty",
        "too_long": f"must have at most {context.get('max_length')} entries",
        "string_too_short": "must not be empty",
        "greater_than_equal": f"must be at least {context.get('ge')}",
        "less_than_equal": f"must be at most {context.get('le')}",
        "finite_number": "must be a finite number",
        "greater_than": f"must be above {context.get('gt')}",
        "less_than": f"must be below {context.get('lt')}",
    }
    return kinds.get(problem["type"], "is not understood")
