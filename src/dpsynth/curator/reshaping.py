"""All rows of one person become one row. Proof page: ``docs/proofs/reshaping.md``.

Persons are told apart by the exact bytes of their identifiers. A person's row is computed from that person's rows
alone, as a multiset: rows are put in order by their own cells, so that only rows that are equal in every cell that is
read can change places.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from dpsynth.curator.bounding import HashKey, canonical_ids, check_identifier
from dpsynth.curator.spill import Partitions
from dpsynth.errors import DpsynthError
from dpsynth.schema import Schema
from dpsynth.schema.calendars import DAY
from dpsynth.schema.cells import as_bytes, is_text, reals, storage, trimmed
from dpsynth.schema.dates import read_moments, seconds_and_rest
from dpsynth.schema.reshape import Made, Reshape
from dpsynth.tables.reader import TableReader, check_present

_Numbers = NDArray[Any]
_ID = "id"
_PARTITION_BITS = 6
_BATCH_ROWS = 1 << 17
_HELD_BYTES = 1 << 27


class ReshapedReader:
    """A table in which every person of ``reader`` has exactly one row; rows without an identifier are dropped.

    Its columns are the person's (canonical bytes) and those that ``reshape`` makes. Every ``batches`` reads the table
    once, in bounded memory: what exceeds ``held_bytes`` goes to temporary files without a name, divided by a hash of
    the persons into parts that are reshaped one by one; one part, about a 64th of the table, has to fit into memory.

    Adding or removing one person adds or removes exactly one row and changes no other. Nothing about the values
    raises. Raises ``DataMismatchError`` at once for absent columns and types that cannot be reshaped.
    """

    def __init__(self, reader: TableReader, schema: Schema, reshape: Reshape, *, held_bytes: int = _HELD_BYTES) -> None:
        self._types = reshape.reshaped_types(reader.names, reader.types, reader.where)
        check_identifier(reader, reshape.person)
        self._reader, self._schema, self._reshape = reader, schema, reshape
        texts = [str(text).strip(" \t\r\n\f\v").encode() for text in schema.document.get("missingValues", ())]
        self._missing = [text for text in texts if text]
        self._held_bytes = held_bytes

    @property
    def where(self) -> str:
        """The name of the raw table."""
        return self._reader.where

    @property
    def names(self) -> tuple[str, ...]:
        """The person's column, then those that are made."""
        return tuple(self._types)

    @property
    def types(self) -> Mapping[str, str]:
        """The physical types of the reshaped columns."""
        return dict(self._types)

    def batches(self, columns: Sequence[str], batch_rows: int = _BATCH_ROWS) -> Iterator[pa.RecordBatch]:
        """One row per person, these columns, in no particular order; see ``TableReader.batches``."""
        check_present(columns, self.names, self.where)
        return self._rows(tuple(columns), batch_rows)

    def _rows(self, columns: tuple[str, ...], batch_rows: int) -> Iterator[pa.RecordBatch]:
        try:
            for part in self._parts():
                persons = PersonTable(part, self._reshape, self._missing)
                arrays = [self._column(persons, name) for name in columns]
                batch = pa.RecordBatch.from_arrays(arrays, names=list(columns))
                yield from (batch.slice(start, batch_rows) for start in range(0, batch.num_rows, batch_rows))
        except OSError:
            raise DpsynthError("temporary storage failed", hint="Point TMPDIR to a disk with more space.") from None

    def _column(self, persons: PersonTable, name: str) -> pa.Array:
        if name == self._reshape.person:
            return persons.names
        made = self._reshape.made[name]
        if made.kind in ("first", "last", "any", "count"):
            return persons.placed(made)
        return persons.figure(made, self._schema.codec(name))

    def _parts(self) -> Iterator[pa.RecordBatch]:
        """All named rows, those of one person in one part: the identifier and every raw column that is read.

        Always every column, so that the order of a person's rows is the same whichever columns are asked for.
        """
        wanted = self._reshape.sources
        held, size, key, disk = list[pa.RecordBatch](), 0, HashKey.fresh(0), None
        for batch in self._reader.batches(tuple(dict.fromkeys((self._reshape.person, *wanted)))):
            held.append(self._named(batch, wanted))
            size += held[-1].nbytes
            if size > self._held_bytes:
                disk = disk or Partitions(1 << _PARTITION_BITS, held[0].schema)
                _spill(held, key, disk)
                held, size = [], 0
        if disk is None:
            yield from _joined(held)
            return
        _spill(held, key, disk)
        for part in disk.drain():
            yield from _joined(list(part))

    def _named(self, batch: pa.RecordBatch, wanted: tuple[str, ...]) -> pa.RecordBatch:
        ids = canonical_ids(batch.column(self._reshape.person), self._missing)
        named = ids.is_valid()
        arrays = [ids, *(_plain(batch.column(name)) for name in wanted)]
        names = [_ID, *(f"_{name}" for name in wanted)]
        return pa.RecordBatch.from_arrays(arrays, names=names).filter(named)


class PersonTable:
    """Rows of some persons, all of them: column ``id``, and every raw column under its name with ``_`` before it."""

    def __init__(self, rows: pa.RecordBatch, reshape: Reshape, missing: Sequence[bytes] = ()) -> None:
        encoded = rows.column(_ID).dictionary_encode()
        self._rows, self._reshape, self._missing = rows, reshape, missing
        self._person = encoded.indices.to_numpy().astype(np.int64)
        self.names: pa.Array = encoded.dictionary
        self._counts = np.bincount(self._person, minlength=len(self.names))
        self._starts = np.cumsum(self._counts) - self._counts

    def placed(self, made: Made) -> pa.Array:
        """The number of a person's rows, or the cell of the row at a rank, null where there is no such row."""
        if made.kind == "count":
            return pa.array(self._counts, pa.int64())
        order = self._backward if made.kind == "last" else self._forward
        absent = self._counts <= made.rank
        place = order[np.where(absent, 0, self._starts + made.rank)]
        return self._raw(made).take(pa.array(place, mask=absent))

    def figure(self, made: Made, codec: Any) -> pa.Array:
        """The sum or the mean of a person's numbers, or the cell that holds the least or the largest of them.

        Cells are read as the new field reads its own; those that hold no number are left out, null where none is left.
        A sum is computed in float64, in ascending order of a person's numbers.
        """
        numbers, valid = _through_distinct(self._raw(made), codec.scale.read)
        for sentinel in codec.sentinels:
            valid = valid & (numbers != sentinel)
        if made.kind in ("min", "max"):
            ordered = _reversed(numbers) if made.kind == "max" else numbers
            keys = [self._person, ~valid, ordered, *_content_keys(self._raw(made))]
            first = _sorted(keys)[self._starts]
            return self._raw(made).take(pa.array(first, mask=~valid[first]))
        persons, numbers = self._person[valid], numbers[valid].astype(np.float64)
        order = np.lexsort((numbers, persons))
        with np.errstate(all="ignore"):  # an infinity among somebody's numbers shows nowhere
            # Not reduceat: bincount adds one number after the other, whatever else the array holds.
            total = np.bincount(persons[order], weights=numbers[order], minlength=len(self.names))
            many = np.bincount(persons, minlength=len(self.names))
            value = total / np.maximum(many, 1) if made.kind == "mean" else total
        return pa.array(value, pa.float64(), mask=many == 0)

    def _raw(self, made: Made) -> pa.Array:
        return self._rows.column(f"_{made.column}")

    @cached_property
    def _forward(self) -> NDArray[np.intp]:
        return self._ordered(backward=False)

    @cached_property
    def _backward(self) -> NDArray[np.intp]:
        return self._ordered(backward=True)

    def _ordered(self, *, backward: bool) -> NDArray[np.intp]:
        """The rows, each person's in one piece: by the order column, missing last, then by all cells."""
        gone, *values = self._order
        return _sorted([self._person, gone, *(map(_reversed, values) if backward else values), *self._content])

    @cached_property
    def _order(self) -> Sequence[_Numbers]:
        if self._reshape.order is None:
            return [np.zeros(len(self._person), dtype=np.bool_)]
        column, pattern, missing = self._rows.column(f"_{self._reshape.order}"), self._reshape.pattern, self._missing
        return _through_distinct(column, lambda cells: _order_keys(cells, pattern, missing))

    @cached_property
    def _content(self) -> list[_Numbers]:
        return [key for column in self._rows.columns[1:] for key in _content_keys(column)]


def _sorted(keys: Sequence[_Numbers]) -> NDArray[np.intp]:
    """The order of rows by these keys, the most important first; constant ones only cost time."""
    return np.lexsort([key for key in keys if not (key[:1] == key).all()][::-1] or [keys[0]])


def _through_distinct(column: pa.Array, read: Callable[[pa.Array], Sequence[_Numbers]]) -> Sequence[_Numbers]:
    """What an elementwise ``read`` says of every cell; each distinct text is read once."""
    if not is_text(column.type):
        return read(column)
    encoded = column.dictionary_encode()
    distinct = pa.concat_arrays([encoded.dictionary, pa.nulls(1, column.type)])
    places = encoded.indices.fill_null(len(encoded.dictionary)).to_numpy(zero_copy_only=False)
    return [numbers[places] for numbers in read(distinct)]


def _order_keys(column: pa.Array, pattern: str, missing: Sequence[bytes]) -> list[_Numbers]:
    """Numbers by which rows are put in order, most important first: which cells are missing, which come last from
    either end, then functions of the row's cell, up to a monotone map. Texts: moments in order of time, then numbers,
    then others by their bytes.
    """
    gone = column.is_null().to_numpy(zero_copy_only=False)
    if is_text(column.type):
        cells = trimmed(as_bytes(column))
        gone = gone | pc.is_in(cells, value_set=pa.array([b"", *missing], cells.type)).to_numpy(zero_copy_only=False)
        moments, (numbers, numeric) = read_moments(cells, pattern), reals(cells)
        seconds = moments.days * DAY + moments.nanoseconds // 10**9 - moments.offsets
        known = moments.valid | numeric
        kinds = np.where(moments.valid, 0, np.where(numeric, 1, 2))
        rest = np.where(moments.valid, moments.nanoseconds % 10**9, 0)
        values = [kinds, np.where(moments.valid, seconds, 0), rest]
        values += [np.where(numeric & ~moments.valid, numbers, 0.0), np.where(known, 0, _ranks(cells))]
    elif pa.types.is_date(column.type) or pa.types.is_timestamp(column.type):
        values = list(seconds_and_rest(column)[:2])
    elif pa.types.is_integer(column.type):
        values = [_bits(column)]
    else:
        numbers, numeric = reals(column)
        gone, values = gone | ~numeric, [np.where(numeric, numbers, 0.0)]
    return [gone, *values]


def _content_keys(column: pa.Array) -> list[_Numbers]:
    """Numbers that tell any two different cells of the column apart, in an order that depends on those two alone."""
    gone = column.is_null().to_numpy(zero_copy_only=False)
    fixed = pa.types.is_primitive(column.type) and not is_text(column.type)
    return [gone, _bits(column) if fixed else _ranks(_as_cells(column))]


def _bits(column: pa.Array) -> _Numbers:
    """The bits of cells of a fixed width as whole numbers, 0 for null; an integer is itself."""
    kind = column.type
    if pa.types.is_boolean(kind):
        column = column.cast(pa.int8())
    elif not pa.types.is_integer(kind):
        column = column.view({16: pa.int16(), 32: pa.int32(), 64: pa.int64()}[kind.bit_width])
    return np.asarray(column.fill_null(0).to_numpy(zero_copy_only=False))


def _ranks(cells: pa.Array) -> NDArray[np.int64]:
    """The place of each cell among the distinct cells in order of their bytes; nulls are 0."""
    encoded = cells.dictionary_encode()
    rank = np.zeros(len(encoded.dictionary) + 1, dtype=np.int64)
    rank[pc.sort_indices(encoded.dictionary).to_numpy()] = np.arange(len(encoded.dictionary))
    missing = len(encoded.dictionary)
    places = encoded.indices.cast(pa.int64()).fill_null(missing)
    ranks: NDArray[np.int64] = rank[places.to_numpy(zero_copy_only=False)]
    return ranks


def _as_cells(column: pa.Array) -> pa.Array:
    return as_bytes(column) if is_text(column.type) else as_bytes(column.cast(pa.string()))


def _reversed(numbers: _Numbers) -> _Numbers:
    """Numbers in the opposite order; whole numbers by their complement, which never overflows."""
    return -numbers if numbers.dtype.kind == "f" else ~numbers


def _plain(column: pa.Array) -> pa.Array:
    """The column without a dictionary, texts under offsets of 64 bits: of one type in every batch of a table."""
    column = storage(column)
    if pa.types.is_dictionary(column.type):
        return _plain(column.dictionary).take(column.indices)
    return as_bytes(column).cast(pa.large_binary()) if is_text(column.type) else column


def _joined(parts: Sequence[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The batches as one, or nothing."""
    if parts:
        arrays = [pa.concat_arrays([part.column(index) for part in parts]) for index in range(parts[0].num_columns)]
        yield pa.RecordBatch.from_arrays(arrays, schema=parts[0].schema)


def _spill(held: Sequence[pa.RecordBatch], key: HashKey, disk: Partitions) -> None:
    """Append every row to the partition of its person's hash."""
    for batch in held:
        part = key.persons(batch.column(_ID)) >> np.uint64(64 - _PARTITION_BITS)
        order = np.argsort(part, kind="stable")
        edges = np.searchsorted(part[order], np.arange((1 << _PARTITION_BITS) + 1, dtype=np.uint64))
        for index, (start, stop) in enumerate(itertools.pairwise(edges.tolist())):
            if stop > start:
                disk.append(index, batch.take(pa.array(order[start:stop])))
