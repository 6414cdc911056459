"""A table under a policy as codes: the leaf of every quasi-identifying cell, sensitive values, and persons.

Cells are told apart by their text: white space at the ends does not count, numbers in columns of numbers are written
in the shortest way (5 for 5.0), a value that no listed hierarchy holds is looked up as a whole number (``5.0`` as 5).
Every different value is looked at once; what is done for each row is whole-array code.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from dpsynth.anonymization.builders import leaves_of, text_of
from dpsynth.anonymization.groupings import natural_order
from dpsynth.anonymization.hierarchies import SUPPRESSED, Hierarchy
from dpsynth.anonymization.policy import Policy, PolicyField
from dpsynth.anonymization.records import Codes, Counts, Records, Sensitive
from dpsynth.errors import DataMismatchError, SchemaError
from dpsynth.schema.cells import reals, storage, trimmed
from dpsynth.schema.keys import texts_of

MISSING = ""
"""The label of a missing value; no other value has it, since empty text is a missing value."""


@dataclass(frozen=True, eq=False)
class Quasi:
    """A quasi-identifier: its hierarchy, the leaf of a missing value (None when none is missing), and whether a leaf
    lies between its neighbors.
    """

    name: str
    hierarchy: Hierarchy
    null: int | None
    ordered: bool


@dataclass(frozen=True, eq=False)
class Encoded:
    """A table as ``records``. ``table``: the rows that are in them, in the same order; those with a value that the
    policy lets drop its row (``uncovered: suppress``), ``left_out`` of them, are gone.
    """

    table: pa.Table
    policy: Policy
    records: Records
    quasi: tuple[Quasi, ...]
    left_out: int

    @property
    def null_codes(self) -> tuple[int | None, ...]:
        """By quasi-identifier the leaf of a missing value, None when none is missing."""
        return tuple(one.null for one in self.quasi)


def records_of(
    table: pa.Table,
    policy: Policy,
    population: pa.Table | None = None,
    *,
    persons: Counts | None = None,
    as_is: bool = False,
) -> Encoded:
    """The table as records. ``population``: a table with the same quasi-identifiers that lists everybody, for k-map.

    ``persons``: who every row is about, where the table does not hold the unit's column. ``as_is``: hierarchies are
    left aside and every text is a value of its own; so is measured what was generalized before. Missing
    quasi-identifiers are a value of their own; rows without a person's id count as one person. Raises ``SchemaError``
    for a policy without quasi-identifiers, and ``DataMismatchError`` for a column that is absent or of a type without
    texts, and for values that a hierarchy or an order does not cover; never with a value. Cost: one dictionary encoding
    per column that the policy needs.
    """
    fields = policy.quasi
    if not fields:
        hint = "Give some fields role: quasi."
        raise SchemaError("the policy has no quasi-identifier", where=policy.name, hint=hint)
    unit = () if policy.unit.column is None or persons is not None else (policy.unit.column,)
    sensitive = [one for one in policy.of_role("sensitive") if one.mask != "drop"]
    require_columns(table, [*(one.name for one in (*fields, *sensitive)), *unit])
    if population is not None:
        require_columns(population, [one.name for one in fields])
    found = [_quasi(table, population, one, policy, as_is=as_is) for one in fields]
    keep = np.all([codes >= 0 for _, codes, _ in found], axis=0)
    if not keep.all():
        table = table.filter(pa.array(keep))
        persons = None if persons is None else persons[keep]
    listed = None if population is None else np.all([others >= 0 for *_, others in found], axis=0)
    records = Records(
        hierarchies=tuple(one.hierarchy for one, *_ in found),
        codes=tuple(codes[keep] for _, codes, _ in found),
        sensitive=tuple(_sensitive(table, one, policy) for one in sensitive),
        persons=persons_of(table.column(unit[0]), policy.missing, unit[0]) if unit else persons,
        population=None if listed is None else tuple(others[listed] for *_, others in found),
        weights=tuple(one.weight for one in fields),
    )
    return Encoded(table, policy, records, tuple(one for one, *_ in found), int(len(keep) - keep.sum()))


def require_columns(table: pa.Table, names: Iterable[str]) -> None:
    """``DataMismatchError`` unless the table has each of these columns once."""
    for name in names:
        if (times := table.column_names.count(name)) != 1:
            what = "has no" if times == 0 else f"has {times} times the"
            raise DataMismatchError(f"the table {what} column {name!r}", hint="Compare the names with the policy.")


def persons_of(column: pa.ChunkedArray, missing: Iterable[str], name: str) -> Counts:
    """Who every row is about, counted from 0; rows without an id are all about one person, which is the safe reading.

    Raises ``DataMismatchError`` for ids that are not UTF-8.
    """
    _, rows = distinct_texts(column, missing, name)
    if (rows == -2).any():
        raise DataMismatchError("a cell is not UTF-8 text", where=f"column {name!r}")
    return rows + 1


def distinct_texts(column: pa.ChunkedArray, missing: Iterable[str], name: str) -> tuple[pa.StringArray, Counts]:
    """The different texts of a column, and the number of that of each row: -1 for a missing value, -2 for no text.

    ``missing``: the texts that mean a missing value; null and NaN do. No text: bytes that are not UTF-8. Raises
    ``DataMismatchError`` for a type whose cells have none, such as lists.
    """
    cells = storage(column)
    if pa.types.is_nested(cells.type):
        raise DataMismatchError(f"a column of type {cells.type} has no texts", where=f"field {name!r}")
    encoded = cells if pa.types.is_dictionary(cells.type) else cells.dictionary_encode()
    raw = storage(encoded.dictionary)
    texts, unreadable = _decoded(trimmed(texts_of(raw)))
    gone = pc.is_in(texts, value_set=pa.array([MISSING, *missing], pa.string()))
    texts = pc.if_else(gone, pa.scalar(None, pa.string()), texts)
    again = texts.dictionary_encode()
    number = np.asarray(again.indices.fill_null(-1).to_numpy(zero_copy_only=False)).astype(np.int64)
    number[unreadable] = -2
    rows = encoded.indices.cast(pa.int64()).fill_null(len(number)).to_numpy(zero_copy_only=False)
    return again.dictionary, np.append(number, -1)[rows]


def _decoded(cells: pa.Array) -> tuple[pa.StringArray, NDArray[np.bool_]]:
    """The cells as strings, and which of them are not UTF-8 (null then)."""
    try:
        return cells.cast(pa.string()), np.zeros(len(cells), np.bool_)
    except pa.ArrowInvalid:
        texts = [None if cell is None else _text(cell) for cell in cells.to_pylist()]
        wrong = [text is None and cell is not None for text, cell in zip(texts, cells.to_pylist(), strict=True)]
        return pa.array(texts, pa.string()), np.array(wrong, np.bool_)


def _text(cell: bytes) -> str | None:
    try:
        return cell.decode("utf-8")
    except UnicodeDecodeError:
        return None


def _quasi(
    table: pa.Table, population: pa.Table | None, one: PolicyField, policy: Policy, *, as_is: bool
) -> tuple[Quasi, Codes, Codes]:
    """The quasi-identifier, its leaf in every row (-1: not covered), and in every row of the population."""
    texts, rows = distinct_texts(table.column(one.name), policy.missing, one.name)
    counts = np.bincount(rows[rows >= 0], minlength=len(texts)).astype(np.int64)
    others = np.zeros(0, np.int64)
    if population is not None:
        more, others = distinct_texts(population.column(one.name), policy.missing, one.name)
        joined = pa.chunked_array([texts, more]).combine_chunks().dictionary_encode()
        # The texts of the table come first and are different, so they keep their numbers.
        texts, place = joined.dictionary, np.asarray(joined.indices.to_numpy(zero_copy_only=False))[len(counts) :]
        others = np.where(others >= 0, np.append(place, 0)[others], others)
        counts = np.append(counts, np.zeros(len(texts) - len(counts), np.int64))
    hierarchy, leaf = _own(one, texts) if as_is else _built(one, texts, counts)
    uncovered = (leaf < 0).any() or (rows == -2).any()
    star = -1
    if uncovered and (as_is or one.uncovered == "top"):
        hierarchy, star = _with_leaf(hierarchy, SUPPRESSED, [SUPPRESSED] * hierarchy.height)
        leaf = np.where(leaf < 0, star, leaf)
    here = (leaf[: len(counts)][counts > 0] < 0).any() or (rows == -2).any()
    if one.uncovered == "error" and here and star < 0:
        hint = "Complete it, or say uncovered: suppress (drops such rows) or top (shows *)."
        raise DataMismatchError("its hierarchy does not cover every value", where=f"field {one.name!r}", hint=hint)
    null: int | None = None
    if (rows == -1).any() or (others == -1).any():
        hierarchy, null = _null_leaf(hierarchy, policy.missing)
    table_of = np.concatenate([leaf, [star, -1 if null is None else null]]).astype(np.int32)
    quasi = Quasi(one.name, hierarchy, null, one.builder.ordered or _ascending(hierarchy))
    return quasi, table_of[rows], table_of[others]


def _own(one: PolicyField, texts: pa.StringArray) -> tuple[Hierarchy, Codes]:
    """Every text as a leaf, without groups."""
    order = natural_order(texts)
    labels = tuple(texts.take(pa.array(order)).to_pylist())
    nodes = np.arange(len(labels), dtype=np.int32)[None, :]
    return Hierarchy(one.name, (labels,), nodes), _inverse(order)


def _built(one: PolicyField, texts: pa.StringArray, counts: Counts) -> tuple[Hierarchy, Codes]:
    """The hierarchy that the field's builder makes of these values, and the leaf of each, -1 where there is none."""
    if one.builder.listed is not None:
        leaf = leaves_of(one.builder.listed, texts).fill_null(-1).to_numpy(zero_copy_only=False)
        return one.builder.listed, np.asarray(leaf, np.int32)
    groups = one.builder.groups(texts, counts)
    covered = np.flatnonzero(groups[0].is_valid().to_numpy(zero_copy_only=False))
    order = covered[one.builder.order(texts.take(pa.array(covered)))]
    columns = [column.take(pa.array(order)).dictionary_encode() for column in (texts, *groups)]
    labels = tuple(tuple(column.dictionary.to_pylist()) for column in columns)
    nodes = np.array([column.indices.to_numpy(zero_copy_only=False) for column in columns], np.int32)
    leaf = np.full(len(texts), -1, np.int32)
    leaf[order] = np.arange(len(order))
    return Hierarchy(one.name, labels, nodes), leaf


def _null_leaf(hierarchy: Hierarchy, missing: tuple[str, ...]) -> tuple[Hierarchy, int]:
    """The hierarchy with a leaf for a missing value: that of a text that means one, or a leaf and groups of its own."""
    for text in missing:
        if text in hierarchy.labels[0]:
            return hierarchy, hierarchy.labels[0].index(text)
    path = [MISSING] * hierarchy.height
    if hierarchy.height > 1 and len(hierarchy.labels[-1]) <= 1:
        path[-1] = (*hierarchy.labels[-1], SUPPRESSED)[0]
    return _with_leaf(hierarchy, MISSING, path)


def _with_leaf(hierarchy: Hierarchy, label: str, path: list[str]) -> tuple[Hierarchy, int]:
    """The hierarchy with one leaf more, last, and the groups of it by level; an existing leaf of this label is it."""
    if label in hierarchy.labels[0]:
        return hierarchy, hierarchy.labels[0].index(label)
    labels, nodes = [], []
    for known, group in zip(hierarchy.labels, [label, *path[1:]], strict=True):
        labels.append(known if group in known else (*known, group))
        nodes.append(labels[-1].index(group))
    wider = np.concatenate([hierarchy.nodes, np.array(nodes, np.int32)[:, None]], axis=1)
    return Hierarchy(hierarchy.name, tuple(labels), wider), wider.shape[1] - 1


def _ascending(hierarchy: Hierarchy) -> bool:
    """Whether the leaves are numbers in ascending order."""
    values = [label for label in hierarchy.labels[0] if label not in (MISSING, SUPPRESSED)]
    numbers, known = reals(pa.array(values, pa.string()))
    return bool(known.all() and (np.diff(numbers) > 0).all())


def _sensitive(table: pa.Table, one: PolicyField, policy: Policy) -> Sensitive:
    """The sensitive attribute; a missing value is a value of its own, the last one."""
    texts, rows = distinct_texts(table.column(one.name), policy.missing, one.name)
    if (rows == -2).any():
        raise DataMismatchError("a cell is not UTF-8 text", where=f"field {one.name!r}")
    labels, code = _ranked(texts, one)
    if (rows == -1).any():
        labels = (*labels, MISSING)
    codes = np.append(code, len(labels) - 1)[rows].astype(np.int32)
    return Sensitive(one.name, codes, labels, ordered=one.ordered)


def _ranked(texts: pa.StringArray, one: PolicyField) -> tuple[tuple[str, ...], Codes]:
    """The values in their order, and the place of each text among them."""
    where = f"field {one.name!r}"
    if isinstance(one.order, tuple):
        labels = tuple(text_of(value) for value in one.order)
        place = pc.index_in(texts, value_set=pa.array(labels, pa.string()))
        if place.null_count or len(set(labels)) < len(labels):
            raise DataMismatchError("order does not list every value once", where=where)
        return labels, np.asarray(place.to_numpy(zero_copy_only=False), np.int32)
    if one.numeric and not reals(texts)[1].all():
        raise DataMismatchError("not every value is a number", where=where, hint="List its values as order: [...].")
    order = natural_order(texts)
    return tuple(texts.take(pa.array(order)).to_pylist()), _inverse(order)


def _inverse(order: NDArray[np.int64]) -> Codes:
    place = np.empty(len(order), np.int32)
    place[order] = np.arange(len(order))
    return place
