"""``Policy``: what a table's columns are, how they may be coarsened, and what the release must fulfil."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from dpsynth.anonymization.builders import Builder, builder_of
from dpsynth.anonymization.policy_document import (
    LimitsPart,
    PolicyFieldModel,
    PolicyFieldPart,
    PolicyModel,
    validate,
)
from dpsynth.anonymization.policy_models import given, models_of, population_of
from dpsynth.anonymization.privacy_models import PrivacyModel
from dpsynth.errors import SchemaError
from dpsynth.schema import Schema, UnitSpec
from dpsynth.schema.document import Role, Scalar, TypeName, did_you_mean
from dpsynth.schema.hierarchy_files import with_paths
from dpsynth.schema.hierarchy_parts import Uncovered
from dpsynth.schema.mask_parts import Mask
from dpsynth.schema.table import read_text
from dpsynth.schema.yamltext import dump, parse

_FROM_SCHEMA = ("name", "type", "format", "title", "description")
_BLOCK_FROM_SCHEMA = ("role", "mask", "hierarchy", "level")


@dataclass(frozen=True)
class PolicyField:
    """What the policy says about one column.

    ``builder``: how its values are grouped. ``levels``: the lowest and the highest level that may be released, None
    when all may. ``order`` is "numeric", the values from low to high, or None.
    """

    name: str
    role: Role = "other"
    type: TypeName | None = None
    format: str | None = None
    mask: Mask | None = None
    builder: Builder = field(default_factory=lambda: builder_of("", None), repr=False)
    uncovered: Uncovered = "error"
    levels: tuple[int, int] | None = None
    weight: float = 1.0
    order: str | tuple[Scalar, ...] | None = None

    @property
    def numeric(self) -> bool:
        """Whether the values of a sensitive field are ordered as numbers."""
        return self.order == "numeric" or (self.order is None and self.type in ("integer", "number"))

    @property
    def ordered(self) -> bool:
        """Whether the values of a sensitive field have an order."""
        return self.order is not None or self.numeric


@dataclass(frozen=True)
class Policy:
    """The policy of one table: fields, unit, privacy models and limits. Equal when their documents are.

    A column without a field is carried as it is. ``missing``: the texts that mean a missing value, the empty one among
    them. ``population``: the file of the table that k-map counts in. ``folder``: where the files that it names stand,
    None for a policy that was read from no file.
    """

    document: Mapping[str, Any] = field(repr=False)
    name: str | None = field(compare=False)
    unit: UnitSpec = field(compare=False)
    missing: tuple[str, ...] = field(compare=False)
    fields: tuple[PolicyField, ...] = field(compare=False)
    models: tuple[PrivacyModel, ...] = field(compare=False)
    limits: LimitsPart = field(compare=False)
    population: str | None = field(compare=False, default=None)
    folder: Path | None = field(compare=False, default=None)

    __hash__ = None  # type: ignore[assignment]

    @staticmethod
    def load(path: str | Path, schema: Schema | None = None, table: str | None = None) -> Policy:
        """The policy in a YAML (or JSON) file, for this table of it.

        What the policy says wins over the schema, key by key. A policy without ``tables`` is for any table. Raises
        ``FileFormatError`` if a file cannot be read, ``SchemaError`` if it is wrong or has no such table.
        """
        document = parse(read_text(path), str(path))
        return Policy.from_dict(document, schema, table, where=str(path), folder=Path(path).parent)

    @staticmethod
    def from_dict(
        document: Mapping[str, Any],
        schema: Schema | None = None,
        table: str | None = None,
        *,
        where: str = "policy",
        folder: Path | None = None,
    ) -> Policy:
        """The policy that ``resolved`` described; ``where`` names it in messages, ``folder`` holds its files."""
        try:
            plain = deepcopy(document)
        except RecursionError:
            raise SchemaError("nested too deep", where=where) from None
        policies = {
            name: _build(one, schema, f"{where}: table {name!r}" if name else where, folder)
            for name, one in _by_table(plain, where).items()
        }
        if "" in policies:
            return policies[""]
        if table is None or table not in policies:
            what = "the policy has several tables" if table is None else f"the policy has no table {table!r}"
            hint = f"It has: {', '.join(map(repr, policies))}. The file's name up to its first dot chooses, or --table."
            raise SchemaError(what, where=where, hint=hint)
        return policies[table]

    def resolved(self) -> dict[str, Any]:
        """The policy of this table as JSON-able data; ``from_dict`` reads it back to an equal one."""
        return deepcopy(dict(self.document))

    def dump(self) -> str:
        """``resolved`` as YAML text."""
        return dump(self.resolved())

    @cached_property
    def by_name(self) -> dict[str, PolicyField]:
        """The fields by name."""
        return {one.name: one for one in self.fields}

    @property
    def quasi(self) -> tuple[PolicyField, ...]:
        """The quasi-identifiers, in their order; those with ``mask: drop`` are in no output and so none."""
        return tuple(one for one in self.of_role("quasi") if one.mask != "drop")

    @property
    def fixed(self) -> dict[int, tuple[int, int]]:
        """By quasi-identifier, counted from 0, the lowest and the highest level that may be released."""
        return {place: one.levels for place, one in enumerate(self.quasi) if one.levels is not None}

    def of_role(self, role: Role) -> tuple[PolicyField, ...]:
        """The fields of a role, in their order."""
        return tuple(one for one in self.fields if one.role == role)


def _by_table(document: Any, where: str) -> dict[str, dict[str, Any]]:
    """The document of each table; that of a policy for any table has the name "".

    A table's keys replace those that stand above, and the keys of its ``dpsynth`` block those of the block above.
    """
    if not isinstance(document, dict):
        raise SchemaError("a policy is a map with the keys dpsynth and fields", where=where)
    if "tables" not in document:
        return {"": document}
    tables = document.pop("tables")
    if "fields" in document:
        raise SchemaError("has both fields and tables", where=where, hint="Put the fields into their tables.")
    if not isinstance(tables, dict) or not tables:
        raise SchemaError("tables: must be a map of table names", where=where)
    if wrong := [name for name, one in tables.items() if not isinstance(one, dict) or not name]:
        raise SchemaError(f"table {wrong[0]!r}: must be a map of keys", where=where)
    return {name: _over(document, one) for name, one in tables.items()}


def _over(above: Mapping[str, Any], below: Mapping[str, Any]) -> dict[str, Any]:
    """``below`` over ``above``, key by key, also within their ``dpsynth`` blocks."""
    blocks = above.get("dpsynth"), below.get("dpsynth")
    joined = {**above, **below}
    if all(isinstance(block, dict) for block in blocks):
        joined["dpsynth"] = {**blocks[0], **blocks[1]}  # type: ignore[dict-item]
    return deepcopy(joined)


def _build(document: dict[str, Any], schema: Schema | None, where: str, folder: Path | None) -> Policy:
    model = validate(document, where)
    if schema is not None:
        document = _over_schema(document, schema)
    model = validate(with_paths(document, folder), where)
    _check_names([one.name for one in model.fields_], where)
    fields = tuple(_field(one, where) for one in model.fields_)
    unit = model.dpsynth.unit
    spec = UnitSpec() if unit is None or unit == "row" else UnitSpec(unit.column, unit.max_rows)
    missing = tuple(dict.fromkeys(("", *(text.strip(" \t\r\n\f\v") for text in model.missingValues or ()))))
    policy = Policy(
        document=document,
        name=model.dpsynth.name,
        unit=spec,
        missing=missing,
        fields=fields,
        models=models_of(model.models, where),
        limits=model.limits,
        population=population_of(model.models, where),
        folder=folder,
    )
    _check(policy, model, where)
    return policy


def _over_schema(document: dict[str, Any], schema: Schema) -> dict[str, Any]:
    """The document, and where it is silent what the schema says."""
    said = schema.to_dict()
    head = {key: said["dpsynth"][key] for key in ("name", "unit") if key in said["dpsynth"]}
    own = {one["name"]: one for one in document["fields"]}
    fields = []
    for one in said["fields"]:
        above, below = one.get("dpsynth", {}), own.pop(one["name"], {})
        block = {key: above[key] for key in _BLOCK_FROM_SCHEMA if key in above}
        asked = below.get("dpsynth", {})
        if asked.get("role", block.get("role")) != "quasi" or "levels" in asked:
            block.pop("level", None)
        if asked.get("role", block.get("role")) != "quasi":
            block.pop("hierarchy", None)
        kept = {key: one[key] for key in _FROM_SCHEMA if key in one}
        fields.append(_over({**kept, "dpsynth": block}, below))
    merged = _over({"dpsynth": head, "missingValues": said.get("missingValues", [""])}, document)
    return {**merged, "fields": [*fields, *own.values()]}


def _check_names(names: Sequence[str], where: str) -> None:
    if twice := [name for name, times in Counter(names).items() if times > 1]:
        raise SchemaError(f"two fields are named {twice[0]!r}", where=where)


def _field(model: PolicyFieldModel, where: str) -> PolicyField:
    part = model.dpsynth
    role = part.role or "other"
    place = f"field {model.name!r}: "
    allowed = {"quasi": ("hierarchy", "level", "levels", "weight"), "sensitive": ("order",)}
    for key in ("hierarchy", "level", "levels", "weight", "order"):
        if getattr(part, key) is not None and key not in allowed.get(role, ()):
            wanted = "sensitive" if key == "order" else "quasi"
            hint = f"Give the field role: {wanted}, or leave the key out."
            raise SchemaError(f"{place}{key}: a field of role {role} has none", where=where, hint=hint)
    builder = builder_of(model.name, part.hierarchy, None if model.format == "default" else model.format)
    return PolicyField(
        name=model.name,
        role=role,
        type=model.type,
        format=None if model.format == "default" else model.format,
        mask=part.mask,
        builder=builder,
        uncovered=part.hierarchy.uncovered if part.hierarchy else "error",
        levels=_levels(part, builder.height, f"{where}: {place}"),
        weight=1.0 if part.weight is None else part.weight,
        order=tuple(part.order) if isinstance(part.order, list) else part.order,
    )


def _levels(part: PolicyFieldPart, height: int, where: str) -> tuple[int, int] | None:
    """The lowest and the highest level that may be released."""
    if part.level is not None and part.levels is not None:
        raise SchemaError(f"{where}level: stands beside levels", hint="One of them is enough.")
    if part.level is None and part.levels is None:
        return None
    key, (low, high) = ("level", (part.level or 0,) * 2) if part.levels is None else ("levels", part.levels)
    if not 0 <= low <= high < height:
        hint = f"Its hierarchy has the levels 0 to {height - 1}."
        raise SchemaError(f"{where}{key}: no such level, or not in ascending order", hint=hint)
    return low, high


def _check(policy: Policy, model: PolicyModel, where: str) -> None:
    column = policy.unit.column
    if column is not None and column in policy.by_name and policy.by_name[column].role in ("quasi", "sensitive"):
        what = f"field {column!r}: the unit's column identifies people"
        raise SchemaError(what, where=where, hint="Give it role: direct-id.")
    for number, part in enumerate(model.models, start=1):
        key, value = given(part, number, where)
        _check_sensitive(policy, key, value, where)


def _check_sensitive(policy: Policy, key: str, part: Any, where: str) -> None:
    """That the field a model names is there, sensitive, and in an order if its values are compared by it."""
    name = getattr(part, "field", None)
    if name is None:
        return
    if name not in policy.by_name:
        hint = did_you_mean(name, [one.name for one in policy.fields])
        raise SchemaError(f"models: {key}: there is no field {name!r}", where=where, hint=hint)
    one = policy.by_name[name]
    if one.role != "sensitive":
        hint = "Give it role: sensitive; a field is not quasi-identifying and sensitive at once."
        raise SchemaError(f"models: {key}: field {name!r} has role {one.role}", where=where, hint=hint)
    if getattr(part, "distance", None) == "ordered" and not one.ordered:
        hint = "Give it order: numeric, or its values from low to high."
        raise SchemaError(f"models: {key}: the values of {name!r} have no order", where=where, hint=hint)
