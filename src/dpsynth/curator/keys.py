"""Exact counts of the distinct keys of columns whose values nobody declared. Proof page: ``docs/proofs/keys.md``.

A cell has one key or none (``schema/keys.py``). A row adds one to at most one key of every column, and of a person at
most ``max_rows`` rows count.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from dpsynth.curator.bounding import HashKey, Kept, PersonRows, canonical_ids, check_identifier
from dpsynth.errors import DpsynthError, UsageError
from dpsynth.privacy.unit import Unit
from dpsynth.schema.keys import keys_of
from dpsynth.tables.reader import TableReader, check_present

_POSITION = np.dtype(">u8")
_FIRST_MERGE = 1 << 18
KeyCounts = tuple[pa.LargeBinaryArray, NDArray[np.int64]]
"""Distinct keys as UTF-8, in no particular order, and how many rows hold each."""


class KeySource:
    """Exact counts of the keys of some columns, of at most ``unit.max_rows`` rows of every person.

    The table is read when counts are first asked for, once, or twice when the unit is a person; memory is a batch, one
    byte a row (person), and the distinct keys, each about 16 bytes more than its text. Rows without an identifier are
    dropped. Adding or removing one unit changes no other unit's kept rows.

    Raises ``DataMismatchError`` at once when a column is absent or cannot name a person.
    """

    def __init__(
        self,
        reader: TableReader,
        columns: Sequence[str],
        *,
        unit: Unit,
        missing: Sequence[str] = (),
        batch_rows: int = 1 << 17,
        state_bytes: int = 1 << 26,
    ) -> None:
        check_present(columns, reader.names, reader.where)
        if unit.column is not None:
            check_identifier(reader, unit.column)
        self._reader, self._columns, self._unit = reader, tuple(dict.fromkeys(columns)), unit
        self._missing = [text.strip(" \t\r\n\f\v").encode() for text in missing]
        self._batch_rows, self._state_bytes = batch_rows, state_bytes
        self._counts: dict[str, KeyCounts] | None = None

    def check(self, unit: Unit, columns: Sequence[str]) -> None:
        """Raise ``UsageError`` unless this source bounds that unit and holds these columns, at least one."""
        if unit != self._unit:
            raise UsageError("the rows are bounded for another unit than the question names")
        if not columns or not set(columns) <= set(self._columns):
            raise UsageError("a question needs at least one column, and only columns of its source")

    def counts(self, columns: Sequence[str]) -> list[KeyCounts]:
        """The keys and exact int64 counts of each column; all columns of the source are counted in one pass."""
        if self._counts is None:
            tallies = {column: _Tally() for column in self._columns}
            for batch in self._rows():
                for column, tally in tallies.items():
                    tally.add(keys_of(batch.column(column), self._missing))
            self._counts = {column: tally.merged() for column, tally in tallies.items()}
        return [self._counts[column] for column in columns]

    def _rows(self) -> Iterator[pa.RecordBatch]:
        kept = None if self._unit.column is None else self._kept(self._unit.column)
        position = 0
        for batch in self._reader.batches(self._columns, self._batch_rows):
            if kept is None:
                yield batch
            else:
                yield batch.filter(pa.array(kept[position : position + batch.num_rows]))
            position += batch.num_rows

    def _kept(self, unit_column: str) -> NDArray[np.bool_]:
        """Which rows count: of every person the first ``max_rows`` by (priority, position in the table)."""
        key = HashKey.fresh(len(self._columns))
        state = Kept(self._unit.max_rows, self._state_bytes, _POSITION.itemsize)
        rows = 0
        try:
            for batch in self._reader.batches(tuple(dict.fromkeys((unit_column, *self._columns))), self._batch_rows):
                state.add(self._person_rows(batch, unit_column, key, rows))
                rows += batch.num_rows
            kept = np.zeros(rows, dtype=np.bool_)
            for part in state.results():
                kept[np.ascontiguousarray(part.packed).view(_POSITION)[:, 0].astype(np.int64)] = True
        except OSError:
            raise DpsynthError("temporary storage failed", hint="Point TMPDIR to a disk with more space.") from None
        return kept

    def _person_rows(self, batch: pa.RecordBatch, unit_column: str, key: HashKey, start: int) -> PersonRows:
        ids = canonical_ids(batch.column(unit_column), self._missing)
        named = ids.is_valid()
        positions = start + np.flatnonzero(named.to_numpy(zero_copy_only=False))
        ids, batch = ids.filter(named), batch.filter(named)
        persons = key.persons(ids)
        keys = (keys_of(batch.column(column), self._missing) for column in self._columns)
        cells = [key.persons(column.fill_null(b"")) for column in keys]
        packed = positions.astype(_POSITION).view(np.uint8).reshape(-1, _POSITION.itemsize)
        return PersonRows(ids, persons, key.rows(persons, cells), packed)


class _Tally:
    """The keys of one column and their counts, merged whenever they have doubled."""

    def __init__(self) -> None:
        self._keys: list[pa.Array] = [pa.array([], pa.large_binary())]
        self._counts: list[NDArray[np.int64]] = [np.zeros(0, dtype=np.int64)]
        self._held, self._next = 0, _FIRST_MERGE

    def add(self, keys: pa.LargeBinaryArray) -> None:
        found = pc.value_counts(keys.drop_null())
        self._keys.append(found.field("values"))
        self._counts.append(found.field("counts").to_numpy())
        self._held += len(found)
        if self._held >= self._next:
            self.merged()
            self._next = max(_FIRST_MERGE, 2 * self._held)

    def merged(self) -> KeyCounts:
        """Each key once, with the sum of its counts."""
        encoded = pa.concat_arrays(self._keys).dictionary_encode()
        totals = np.zeros(len(encoded.dictionary), dtype=np.int64)
        np.add.at(totals, encoded.indices.to_numpy(), np.concatenate(self._counts))
        self._keys, self._counts, self._held = [encoded.dictionary], [totals], len(totals)
        return encoded.dictionary, totals
