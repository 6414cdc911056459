"""At most ``max_rows`` rows of every person stay in a table that is to be written. Proof page:
``docs/proofs/suppression.md``.

What ``bounding`` does to a stream on its way to counts, for a table in memory: a row's priority is a keyed hash of its
person and its cells, and of each person the rows with the smallest priorities stay.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dpsynth.curator.bounding import HashKey, canonical_ids, hashable
from dpsynth.errors import DataMismatchError
from dpsynth.privacy.unit import Unit

Persons = NDArray[np.int64]


def bounded_rows(table: pa.Table, unit: Unit, missing: Sequence[str] = ()) -> tuple[NDArray[np.int64], Persons]:
    """The rows that stay, in their order: by number, shape (kept,), and by number of their person, same shape.

    Rows without an identifier (null, NaN, empty, a ``missing`` text) are dropped. Which of a person's rows stay depends
    on that person's rows and a key that is fresh for each call. Raises ``DataMismatchError`` when the unit names no
    column of the table, or one whose type cannot name a person. Cost: one sort of the rows.
    """
    if unit.column is None or table.column_names.count(unit.column) != 1:
        raise DataMismatchError("the table has no column that names the persons", where=unit.column)
    if not hashable(str(table.schema.field(unit.column).type)):
        raise DataMismatchError(f"column {unit.column!r} cannot name a person by its type")
    if not table.num_rows:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    ids = _texts(table.column(unit.column), [text.strip(" \t\r\n\f\v").encode() for text in missing])
    named = np.flatnonzero(ids.is_valid().to_numpy(zero_copy_only=False))
    persons = _numbered(ids.take(pa.array(named)))
    priorities = _priorities(table, ids).take(named)
    order = np.lexsort((priorities, persons))
    places = np.arange(len(order))
    starts = np.diff(persons[order], prepend=-1) != 0
    rank = places - np.maximum.accumulate(np.where(starts, places, 0))
    kept = np.sort(order[rank < unit.max_rows])
    return named[kept], persons[kept]


def _priorities(table: pa.Table, ids: pa.LargeBinaryArray) -> NDArray[np.uint64]:
    """By row: a keyed hash of the person and of every cell whose type has a text; equal rows have equal ones."""
    columns = [column for column in table.columns if hashable(str(column.type))]
    key = HashKey.fresh(len(columns))
    cells = [key.persons(_texts(column).fill_null(b"")) for column in columns]
    return key.rows(key.persons(ids.fill_null(b"")), cells)


def _numbered(ids: pa.LargeBinaryArray) -> Persons:
    """The number of each row's person: equal exactly where the bytes of the identifiers are."""
    numbers: Persons = ids.dictionary_encode().indices.to_numpy(zero_copy_only=False).astype(np.int64)
    return numbers


def _texts(column: pa.ChunkedArray, missing: Sequence[bytes] = ()) -> pa.LargeBinaryArray:
    return pa.concat_arrays([canonical_ids(chunk, missing) for chunk in column.chunks])
