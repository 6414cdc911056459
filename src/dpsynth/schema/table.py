"""``Schema``: the public description of a table, read from ``schema.yaml``. No constructor takes rows."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from dpsynth.domain import Domain
from dpsynth.errors import DataMismatchError, FileFormatError, NoGuaranteeError, SchemaError, UsageError
from dpsynth.schema.attributes import Attribute, Rows
from dpsynth.schema.cells import Codes
from dpsynth.schema.codecs import Codec
from dpsynth.schema.conditions import Condition
from dpsynth.schema.constraints import AllowedSet, build_constraints
from dpsynth.schema.derivations import in_order
from dpsynth.schema.document import TODO, TableModel, did_you_mean, validate
from dpsynth.schema.fakes import fake_problems
from dpsynth.schema.fields import Field, UnitSpec, build_field, key_problem
from dpsynth.schema.hierarchy_files import with_paths
from dpsynth.schema.identifiers import Identifier, primary_key
from dpsynth.schema.key_order import ordered
from dpsynth.schema.map_files import with_maps
from dpsynth.schema.physical import accepts
from dpsynth.schema.public_copy import public_document
from dpsynth.schema.reshape import Reshape, build_reshape
from dpsynth.schema.restoring import restated, restored
from dpsynth.schema.yamltext import MAX_CHARACTERS, dump, parse

Place = tuple[str | int, ...]


@dataclass(frozen=True)
class Schema:
    """Fields, their codecs, the unit and the population of a table; all of it public.

    Two schemas are equal when their documents are. A schema may be incomplete (``TODO`` left by ``schema init``) or
    rest on the data (``source: data``): ``problems`` says so in words, ``require_fit`` refuses.
    ``allowed`` is what its constraints allow; None without constraints, or while a field they name is incomplete.
    """

    document: Mapping[str, Any] = field(repr=False)
    name: str
    population: str | None = field(compare=False)
    unit: UnitSpec = field(compare=False)
    fields: tuple[Field, ...] = field(compare=False, repr=False)
    todo: tuple[str, ...] = field(compare=False, repr=False)
    allowed: AllowedSet | None = field(compare=False, repr=False, default=None)
    reshape: Reshape | None = field(default=None, compare=False, repr=False)

    __hash__ = None  # type: ignore[assignment]

    @staticmethod
    def load(path: str | Path) -> Schema:
        """The schema in a YAML (or JSON) file; ``FileFormatError`` if it cannot be read, ``SchemaError`` if wrong."""
        return Schema.loads(read_text(path), where=str(path), folder=Path(path).parent)

    @staticmethod
    def loads(text: str, where: str = "schema", folder: Path | None = None) -> Schema:
        """The schema in a text; ``where`` names it in messages, files that it names are read from ``folder``."""
        document = parse(text, where)
        return _build(document if folder is None else _with_files(document, folder), where)

    @staticmethod
    def from_dict(document: Mapping[str, Any], where: str = "schema") -> Schema:
        """The schema that ``to_dict`` described."""
        try:
            return _build(deepcopy(document), where)
        except RecursionError:
            raise SchemaError("nested too deep", where=where) from None

    @staticmethod
    def from_domain(sizes: Mapping[str, int], name: str = "table", public: str | None = None) -> Schema:
        """A table of codes ``0 .. size-1``, as McKenna's tools describe it.

        ``public`` is the reason why these sizes are public knowledge; without it every field stays a TODO.
        A cell that is no code, or missing, counts as the nearest code or as 0.

        >>> Schema.from_domain({"a": 2, "b": 3}, public="questionnaire").domain.sizes
        (2, 3)
        """
        return Schema.from_dict(domain_document(sizes, name, public))

    def to_dict(self) -> dict[str, Any]:
        """The document as JSON-able data, keys in a fixed order; ``from_dict`` reads it back."""
        found: dict[str, Any] = ordered(self.document)
        return found

    def dump(self) -> str:
        """The document as YAML text; ``loads`` reads it back."""
        return dump(self.to_dict())

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the canonical document."""
        canonical = json.dumps(self.to_dict(), ensure_ascii=True, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()

    @cached_property
    def public(self) -> Schema:
        """What may leave with a model: without the domains of what is not modeled (``schema/public_copy.py``)."""
        document = public_document(self.document, {one.name for one in self.modeled})
        return self if document == self.document else _build(document, self.name)

    @cached_property
    def modeled(self) -> tuple[Field, ...]:
        """The fields that may enter a fit: all but ``direct-id`` and ``weight``."""
        return tuple(one for one in self.fields if one.modeled)

    @cached_property
    def attributes(self) -> tuple[Attribute, ...]:
        """What a model counts: one attribute a field, the lengths of lags, the calendar parts that dates keep."""
        return tuple(attribute for one in self.modeled for attribute in one.attributes)

    @cached_property
    def _by_name(self) -> dict[str, Attribute]:
        return {attribute.name: attribute for attribute in self.attributes}

    @cached_property
    def domain(self) -> Domain:
        """The attributes and their numbers of codes (null category included); ``SchemaError`` while a TODO is left."""
        return Domain(tuple(self._by_name), tuple(one.codec.size for one in self.attributes))

    @cached_property
    def output(self) -> tuple[Field, ...]:
        """The fields of a sample: those that are modeled and those that are regenerated."""
        return tuple(one for one in self.fields if one.modeled or one.identifier is not None)

    @cached_property
    def regenerated(self) -> dict[str, Identifier]:
        """How each column is invented that a sample holds beside the modeled ones, by name."""
        return {one.name: one.identifier for one in self.fields if one.identifier is not None}

    @cached_property
    def arrow_schema(self) -> pa.Schema:
        """Names and types of a sample, derived fields included."""
        return pa.schema([pa.field(one.name, one.arrow_type, nullable=one.nullable) for one in self.output])

    def columns(self, attributes: Sequence[str]) -> tuple[str, ...]:
        """The columns of the table that these attributes are read from, each once."""
        return tuple(dict.fromkeys(column for name in attributes for column in self._by_name[name].columns))

    def encode(self, attributes: Sequence[str], batch: pa.RecordBatch) -> dict[str, Codes]:
        """The int32 codes of each row of a batch that holds the attributes' columns; total and row-wise."""
        rows = Rows(batch)
        return {name: self._by_name[name].read(rows) for name in attributes}

    def restored(self, columns: Mapping[str, pa.Array], rng: np.random.Generator) -> dict[str, pa.Array]:
        """The columns of a decoded table, by name, from decoded attributes."""
        return restored(self.modeled, columns, rng)

    def condition(self, condition: Condition) -> Condition:
        """The condition on an attribute that means the same; ``UsageError`` for a derived field that has none."""
        return restated(self.modeled, condition)

    def field(self, name: str) -> Field:
        """The field of this name; ``UsageError`` with the nearest names if there is none."""
        for one in self.fields:
            if one.name == name:
                return one
        hint = did_you_mean(name, [one.name for one in self.fields])
        raise UsageError("the schema has no such field", where=name, hint=hint)

    def codec(self, name: str) -> Codec:
        """The codec of an attribute; ``UsageError`` for an unknown name, ``SchemaError`` while a field is open."""
        for one in self.modeled:
            for attribute in one.attributes if one.codec else ():
                if attribute.name == name:
                    return attribute.codec
        self.field(name).ready  # noqa: B018 (says what is wrong with a field that has no codec)
        raise UsageError("the field is derived: it has no codes of its own", where=name)

    def problems(self) -> list[str]:
        """Why a fit may not use this schema yet, in plain words; empty when it may."""
        found = [f"fill in {what} ({TODO})." for what in self.todo]
        found += [
            f"field {one.name!r}: its domain was copied from the data (source: data), which may reveal somebody. Write "
            "the public one, or say with `dpsynth schema confirm` why it is public anyway."
            for one in self._from_data()
        ]
        if not self.modeled:
            found.append("every field is a direct-id or a weight, or dropped: there is nothing to model.")
        return found + fake_problems(self.regenerated)

    @property
    def remarks(self) -> tuple[str, ...]:
        """What whoever uses a model of this table should know, in words: columns of weights that are not carried."""
        weights = [one.name for one in self.fields if one.role == "weight"]
        return tuple(f"column {name!r} is ignored: counts are of rows, not weighted" for name in weights)

    def require_fit(self) -> None:
        """``SchemaError`` while a TODO is left or nothing is modeled; ``NoGuaranteeError`` for ``source: data``."""
        if self.todo:
            more = f" and {len(self.todo) - 3} more" if len(self.todo) > 3 else ""
            what = f"fill in {'; '.join(self.todo[:3])}{more} ({TODO})"
            raise SchemaError(what, where=self.name, hint="See `dpsynth schema check`.")
        if not self.modeled:
            raise SchemaError(
                "every field is a direct-id or a weight, or dropped: there is nothing to model", where=self.name
            )
        if problems := fake_problems(self.regenerated):
            raise SchemaError(problems[0].removesuffix("."), where=self.name, hint="See `dpsynth schema check`.")
        if names := [one.name for one in self._from_data()]:
            raise NoGuaranteeError(
                f"the domain of {_some(names)} was copied from the data (source: data)",
                where=self.name,
                hint='If it is public anyway: dpsynth schema confirm SCHEMA FIELD --public "REASON".',
            )

    def check_columns(self, names: Sequence[str], types: Mapping[str, str]) -> None:
        """``DataMismatchError`` unless a table with these columns and physical types can be read by this schema."""
        doubled = sorted(name for name, times in Counter(names).items() if times > 1)
        wanted = list(dict.fromkeys(column for one in self.modeled for column in one.columns))
        if self.unit.column is not None and self.unit.column not in wanted:
            wanted.append(self.unit.column)
        if twice := [name for name in doubled if name in wanted]:
            raise DataMismatchError(f"the table has two columns named {_some(twice)}", where=self.name)
        if absent := [name for name in wanted if name not in names]:
            # The table's own names stay unsaid: without a header they are the cells of its first row.
            hint = "Compare the names; if the first line holds data, add a line with the column names."
            raise DataMismatchError(f"the table has no column {_some(absent)}", where=self.name, hint=hint)
        for one in self.modeled:
            physical = types.get(one.name) if one.name in wanted else None
            if one.type and physical is not None and not accepts(one.type, physical):
                what = f"a column of type {physical} cannot be a field of type {one.type}"
                raise DataMismatchError(what, where=f"field {one.name!r}", hint="Change the type in the schema.")

    def _from_data(self) -> list[Field]:
        return [one for one in self.modeled if one.source == "data"]


def domain_document(sizes: Mapping[str, int], name: str, public: str | None) -> dict[str, Any]:
    """The document of a table of codes ``0 .. size-1``."""
    origin = {"source": TODO} if public is None else {"source": "public", "public_reason": public}
    fields = [
        {
            "name": column,
            "type": "integer",
            "constraints": {"required": True, "minimum": 0, "maximum": int(size) - 1},
            "dpsynth": {**origin, "bins": {"width": 1}, "null": 0},
        }
        for column, size in sizes.items()
    ]
    return {"dpsynth": {"version": 1, "name": name, "unit": "row"}, "fields": fields}


def read_text(path: str | Path) -> str:
    """The text of a schema file; ``FileFormatError`` says why it cannot be read."""
    try:
        with Path(path).open("rb") as file:
            raw = file.read(4 * MAX_CHARACTERS + 1)
    except FileNotFoundError:
        raise FileFormatError("no such file", where=str(path)) from None
    except IsADirectoryError:
        raise FileFormatError("is a directory, not a file", where=str(path)) from None
    except OSError:
        raise FileFormatError("cannot be read", where=str(path), hint="Check its permissions.") from None
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise FileFormatError("is not UTF-8 text", where=str(path)) from None


def _build(document: Any, where: str) -> Schema:
    if not isinstance(document, dict):
        raise SchemaError("a schema is a map with the keys dpsynth and fields", where=where)
    places = list(_todos(document, ()))
    model = validate(_without_todos(document), where)
    missing = tuple(dict.fromkeys(("", *(text.strip(" \t\r\n\f\v") for text in model.missingValues))))
    below = _below(places)
    key = primary_key(model)
    built: dict[str, Field] = {}
    _check_names(model, where)
    for index in in_order(model.fields_, where):
        one = model.fields_[index]
        built[one.name] = build_field(one, below.get(index, ()), missing, where, built, key=one.name in key)
    fields = tuple(built[one.name] for one in model.fields_)
    unit = model.dpsynth.unit
    spec = UnitSpec(unit.column, unit.max_rows) if unit != "row" else UnitSpec()
    _check_table(fields, spec, where)
    if not any(one.todo for one in fields) and (problem := key_problem(key, fields)):
        raise SchemaError(f"primaryKey: {problem}", where=where)
    asked = any(place[:2] == ("dpsynth", "reshape") for place in places)
    reshape = None if asked else build_reshape(model.dpsynth.reshape, fields, spec, where)
    todo = tuple(
        [".".join(map(str, place)) for place in places if place[0] != "fields" or len(place) < 3]
        + [f"{', '.join(one.todo)} of field {one.name!r}" for one in fields if one.todo]
    )
    allowed = build_constraints(model.dpsynth.constraints, fields, where)
    return Schema(document, model.dpsynth.name, model.dpsynth.population, spec, fields, todo, allowed, reshape)


def _with_files(document: Any, folder: Path) -> Any:
    """The document with what stands in the files that it names; it is complete without them."""
    whole = with_paths(with_maps(document, folder), folder)
    for one in whole.get("fields", ()) if isinstance(whole, dict) else ():
        block = one.get("dpsynth") if isinstance(one, dict) else None
        node = block.get("hierarchy") if isinstance(block, dict) else None
        if isinstance(node, dict) and "paths" in node:
            node.pop("file", None)
    return whole


def _check_names(model: TableModel, where: str) -> None:
    names = Counter(one.name for one in model.fields_)
    if twice := sorted(name for name, times in names.items() if times > 1):
        raise SchemaError(f"two fields are named {_some(twice)}", where=where)


def _check_table(fields: tuple[Field, ...], unit: UnitSpec, where: str) -> None:
    known = {one.name for one in fields}
    for one in fields:
        if one.name == unit.column and one.modeled:
            hint = "Give it role: direct-id."
            raise SchemaError(f"field {one.name!r}: the unit's column identifies people", where=where, hint=hint)
        extra = [other.name for other in one.attributes if other.name != one.name] if one.codec else []
        if taken := [name for name in extra if name in known]:
            raise SchemaError(f"the name of field {taken[0]!r} is needed for a part of {one.name!r}", where=where)
        known.update(extra)


def _todos(node: Any, place: Place) -> Iterator[Place]:
    """The places of values that are TODO, or lists that hold one."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield from _todos(value, (*place, key))
    elif isinstance(node, list):
        if TODO in [item for item in node if isinstance(item, str)]:
            yield place
        for index, item in enumerate(node):
            if not isinstance(item, str):
                yield from _todos(item, (*place, index))
    elif isinstance(node, str) and node == TODO:
        yield place


def _without_todos(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: _without_todos(value) for key, value in node.items() if not _is_todo(value)}
    if isinstance(node, list):
        return [_without_todos(item) for item in node]
    return node


def _is_todo(value: object) -> bool:
    return value == TODO if isinstance(value, str) else isinstance(value, list) and TODO in value


def _below(places: list[Place]) -> dict[int, tuple[str, ...]]:
    """The open keys of each field, by its number."""
    found: dict[int, tuple[str, ...]] = {}
    for place in places:
        if place[0] == "fields" and len(place) > 2:
            index = int(place[1])
            key = ".".join(map(str, place[2:])).removeprefix("dpsynth.").removeprefix("constraints.")
            found[index] = (*found.get(index, ()), key)
    return found


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:5])
    return shown if len(names) <= 5 else f"{shown} and {len(names) - 5} more"
