"""``dpsynth.reshape``: how all rows of one person become one row, declared in public words.

The fields of such a schema describe the reshaped table. Nothing here reads a row; ``curator/reshaping.py`` does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from dpsynth.errors import DataMismatchError, SchemaError
from dpsynth.schema.dates import ISO, pattern_of
from dpsynth.schema.document import did_you_mean
from dpsynth.schema.fields import Field, UnitSpec
from dpsynth.schema.physical import accepts, family

MOST_ROWS = 1000
"""The most rows that ``first`` or ``last`` may keep: each makes a column of its own."""

Kind = Literal["count", "sum", "mean", "min", "max", "first", "last", "any"]
_KEYS = ("first", "last", "order", "columns", "constant", "aggregate")
_ORDER_KEYS = ("column", "format")
_TYPES: dict[str, tuple[str, ...]] = {
    "count": ("integer", "number"),
    "sum": ("integer", "number"),
    "mean": ("number",),
    "min": ("integer", "number", "date", "datetime"),
    "max": ("integer", "number", "date", "datetime"),
}
_KINDS = (*_TYPES, "first", "last", "any")


@dataclass(frozen=True, slots=True)
class Made:
    """One column of the reshaped table: what of a person's rows stands in it.

    ``first`` and ``last`` take the cell of ``column`` in the row of ``rank`` (from 0), counted from the first or from
    the last row; there may be none. ``any`` is the first row's cell of a column in which a person's rows agree.
    """

    name: str
    kind: Kind
    column: str | None = None
    rank: int = 0


@dataclass(frozen=True)
class Reshape:
    """One row for every person that ``person`` names. ``order`` is the column that puts a person's rows in order,
    and ``pattern`` how its texts are read as moments. ``words`` say in one line what is done.
    """

    person: str
    made: Mapping[str, Made]
    order: str | None
    pattern: str
    words: str

    @property
    def protects(self) -> str:
        """Plain words for reports: what a guarantee of the reshaped table protects."""
        return f"protects one person (column {self.person!r}) with all their rows, made one row ({self.words})"

    @property
    def sources(self) -> tuple[str, ...]:
        """The columns of the raw table that are read, beside the person's."""
        made = [made.column for made in self.made.values() if made.column is not None]
        return tuple(dict.fromkeys([*([self.order] if self.order else []), *made]))

    def reshaped_types(self, names: Sequence[str], types: Mapping[str, str], where: str) -> dict[str, str]:
        """The columns and physical types of the reshaped table, from those of the raw one.

        Raises ``DataMismatchError`` for a column that is absent, or of a type that cannot be reshaped (nested ones),
        or that cannot be added up.
        """
        for column in (self.person, *self.sources):
            if column not in names:
                raise DataMismatchError(f"the table has no column {column!r}, which the reshape reads", where=where)
            if column != self.person and family(types[column]) is None:
                what = f"column {column!r} is of type {types[column]}, which cannot be reshaped"
                raise DataMismatchError(what, where=where)
        return {self.person: "large_binary"} | {name: self._type(made, types) for name, made in self.made.items()}

    @staticmethod
    def _type(made: Made, types: Mapping[str, str]) -> str:
        if made.kind == "count" or made.column is None:
            return "int64"
        physical = types[made.column]
        if made.kind not in ("sum", "mean"):
            return physical
        if not accepts("number", physical):
            what = f"a column of type {physical} has no {made.kind}"
            raise DataMismatchError(what, where=f"column {made.column!r}", hint="Change the reshape in the schema.")
        return "double"


def build_reshape(
    part: Mapping[str, Any] | None, fields: Sequence[Field], unit: UnitSpec, where: str
) -> Reshape | None:
    """What the ``reshape`` block declares, None without one; ``SchemaError`` names the key that is wrong."""
    if part is None:
        return None
    where = f"{where}: dpsynth.reshape"
    _check_keys(part, _KEYS, where)
    if unit.column is None or unit.max_rows != 1:
        raise SchemaError(
            "makes one row of every person, so the unit is that one row",
            where=where,
            hint="Write unit: {column: PERSON, max_rows: 1}; however many rows a person has in the table.",
        )
    made = [*_wide(part, where), *_constant(part, where), *_aggregates(part, where)]
    if not made:
        raise SchemaError("makes no column", where=where, hint=f"Known: {', '.join(_KEYS)}.")
    by_name = _named(made, unit.column, where)
    order, pattern = _order(part, where)
    ordered = [one for one in made if one.kind in ("first", "last")]
    if ordered and order is None:
        raise SchemaError("first and last need an order", where=where, hint="Example: order: date")
    if order is not None and not ordered:
        raise SchemaError("order: nothing that is made depends on an order", where=where, hint="Leave it out.")
    _check_fields(fields, by_name, where)
    return Reshape(unit.column, by_name, order, pattern, _words(part, order))


def _check_keys(part: Mapping[str, Any], known: Sequence[str], where: str) -> None:
    if unknown := [key for key in part if key not in known]:
        raise SchemaError(f"unknown key {unknown[0]!r}", where=where, hint=did_you_mean(unknown[0], list(known)))


def _wide(part: Mapping[str, Any], where: str) -> list[Made]:
    """``x_1 .. x_k`` of the first or last k rows, for every one of ``columns``."""
    kinds: list[Literal["first", "last"]] = [kind for kind in ("first", "last") if kind in part]
    columns = _names(part, "columns", where)
    if len(kinds) > 1:
        raise SchemaError("first and last exclude each other", where=where)
    if bool(kinds) != bool(columns):
        raise SchemaError(
            "first or last, and columns, go together", where=where, hint="Example: {first: 3, columns: [x]}"
        )
    if not kinds:
        return []
    count = part[kinds[0]]
    if type(count) is not int or not 1 <= count <= MOST_ROWS:
        raise SchemaError(f"{kinds[0]}: must be a whole number from 1 to {MOST_ROWS}", where=where)
    return [Made(f"{column}_{rank + 1}", kinds[0], column, rank) for column in columns for rank in range(count)]


def _constant(part: Mapping[str, Any], where: str) -> list[Made]:
    """The columns kept once: of the first row, from the same end as the wide ones."""
    kind: Kind = "last" if "last" in part else "first" if "first" in part else "any"
    return [Made(column, kind, column) for column in _names(part, "constant", where)]


def _aggregates(part: Mapping[str, Any], where: str) -> list[Made]:
    aggregate = part.get("aggregate", {})
    named = isinstance(aggregate, dict) and all(isinstance(name, str) and name for name in aggregate)
    if not named or ("aggregate" in part and not aggregate):
        raise SchemaError("aggregate: must be a map of new columns", where=where, hint="Example: {visits: count}")
    return [_aggregate(name, what, where) for name, what in aggregate.items()]


def _aggregate(name: str, what: Any, where: str) -> Made:
    kind, column = next(iter(what.items())) if isinstance(what, dict) and len(what) == 1 else (what, None)
    place = f"{where}.aggregate.{name}"
    if kind not in _KINDS:
        hint = did_you_mean(kind, list(_KINDS)) if isinstance(kind, str) else f"Known: {', '.join(_KINDS)}."
        raise SchemaError("unknown aggregate", where=place, hint=hint)
    if kind == "count":
        if column is not None:
            raise SchemaError("count counts a person's rows and takes no column", where=place)
    elif not isinstance(column, str) or not column:
        raise SchemaError(f"{kind} needs a column", where=place, hint=f"Example: {{{kind}: COLUMN}}")
    return Made(name, kind, column)


def _order(part: Mapping[str, Any], where: str) -> tuple[str | None, str]:
    """The column that orders a person's rows, and the pattern of its moments."""
    order = part.get("order")
    if not isinstance(order, dict):
        if order is not None and not (isinstance(order, str) and order):
            raise SchemaError("order: must be the name of a column", where=where)
        return order, ISO
    _check_keys(order, _ORDER_KEYS, f"{where}.order")
    column, form = order.get("column"), order.get("format")
    if not (isinstance(column, str) and column):
        raise SchemaError("order.column: must be the name of a column", where=where)
    if form is None:
        return column, ISO
    try:
        return column, pattern_of(str(form))
    except ValueError as wrong:
        raise SchemaError(f"order.format: {wrong}", where=where) from None


def _names(part: Mapping[str, Any], key: str, where: str) -> list[str]:
    names = part.get(key, [])
    if not isinstance(names, list) or not all(isinstance(name, str) and name for name in names):
        raise SchemaError(f"{key}: must be a list of column names", where=where)
    if key in part and (not names or len(set(names)) < len(names)):
        raise SchemaError(f"{key}: must name at least one column, and each once", where=where)
    return names


def _named(made: Sequence[Made], person: str, where: str) -> dict[str, Made]:
    found: dict[str, Made] = {}
    for one in made:
        if one.name in found or one.name == person:
            raise SchemaError(f"makes two columns named {one.name!r}", where=where)
        found[one.name] = one
    return found


def _check_fields(fields: Sequence[Field], made: Mapping[str, Made], where: str) -> None:
    for one in fields:
        if not one.modeled:
            continue
        if absent := [column for column in one.columns if column not in made]:
            hint = did_you_mean(absent[0], list(made))
            what = f"no column of the reshaped table is named {absent[0]!r}, as a field is"
            raise SchemaError(what, where=where, hint=hint)
        if one.name not in made:
            continue
        allowed = _TYPES.get(made[one.name].kind)
        if allowed is not None and one.type is not None and one.type not in allowed:
            what = f"field {one.name!r}: a {made[one.name].kind} is of type {' or '.join(allowed)}, not {one.type}"
            raise SchemaError(what, where=where)


def _words(part: Mapping[str, Any], order: str | None) -> str:
    parts = [f"{kind} {part[kind]} by {order}" for kind in ("first", "last") if kind in part]
    if "aggregate" in part:
        parts.append(f"aggregates {', '.join(part['aggregate'])}")
    return "; ".join(parts) or "columns that are the same in all rows"
