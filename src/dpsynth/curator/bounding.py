"""At most ``max_rows`` rows of every person reach a count. Proof page: ``docs/proofs/bounding.md``.

A row's priority is a keyed hash of its person and its encoded values, with a key that is fresh for every fit. Of
each person's rows the ``max_rows`` smallest by (priority, encoded row) are kept. Persons are told apart by the exact
bytes of their identifiers: hashes order the work and make the choice fair, the bound never rests on them.
"""

from __future__ import annotations

import itertools
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from dpsynth.curator.counting import Block, code_dtype
from dpsynth.curator.sources import CachedCounts, Encoding, encode_batch
from dpsynth.curator.spill import PackedRows, Partitions
from dpsynth.domain import Clique, Domain
from dpsynth.errors import DataMismatchError, DpsynthError, UsageError
from dpsynth.tables.reader import TableReader

_Words = NDArray[np.uint64]
_HASHED_WORDS = 16  # the hash reads the first 128 bytes of an identifier and its length; identity is always exact
_PARTITION_BITS = 6
_BLOCK_ROWS = 1 << 17
_FIRST_BYTES = 1 << 24
_NAMING = r"(large_|fixed_size_)?(string|binary)(_view)?|u?int\d+|halffloat|float|double|decimal|bool|date|time|null"
_IDENTIFIER = re.compile(rf"{_NAMING}|dictionary<values=({_NAMING})")


@dataclass(frozen=True)
class HashKey:
    """Random odd 64-bit multipliers: one per word of an identifier, its length, and every attribute."""

    words: _Words
    attributes: _Words

    @staticmethod
    def fresh(attributes: int) -> HashKey:
        """A key from the operating system's entropy."""
        raw = np.frombuffer(os.urandom(8 * (_HASHED_WORDS + 2 + attributes)), dtype=np.uint64) | np.uint64(1)
        return HashKey(raw[: _HASHED_WORDS + 1], raw[_HASHED_WORDS + 1 :])

    def persons(self, ids: pa.LargeBinaryArray) -> _Words:
        """One 64-bit hash per identifier; equal identifiers have equal hashes."""
        offsets = np.frombuffer(ids.buffers()[1], dtype=np.int64)[ids.offset : ids.offset + len(ids) + 1]
        lengths = np.diff(offsets)
        data = np.frombuffer(ids.buffers()[2] or b"", dtype=np.uint8)
        total = lengths.astype(np.uint64) * self.words[-1]
        for position, multiplier in enumerate(self.words[:-1]):
            rows = np.flatnonzero(lengths > 8 * position)
            if not len(rows):
                break
            total[rows] += _word(data, offsets[:-1][rows] + 8 * position, offsets[1:][rows]) * multiplier
        return _mixed(total)

    def rows(self, persons: _Words, codes: Sequence[NDArray[np.unsignedinteger]]) -> _Words:
        """One priority per row, from its person's hash and its encoded values."""
        total = persons * self.attributes[0]
        for column, multiplier in zip(codes, self.attributes[1:], strict=True):
            total += column.astype(np.uint64) * multiplier
        return _mixed(total)


@dataclass(frozen=True, eq=False)
class PersonRows:
    """Rows with their persons: exact identifiers, their hashes, priorities, and encoded rows as packed bytes."""

    ids: pa.LargeBinaryArray
    persons: _Words
    priorities: _Words
    packed: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.persons)

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return int(self.ids.nbytes + self.persons.nbytes + self.priorities.nbytes + self.packed.nbytes)

    def take(self, index: NDArray[np.intp]) -> PersonRows:
        """These rows, in this order."""
        return PersonRows(
            self.ids.take(pa.array(index)), self.persons[index], self.priorities[index], self.packed[index]
        )

    @staticmethod
    def concatenated(parts: Sequence[PersonRows]) -> PersonRows:
        """All rows of the parts."""
        return PersonRows(
            pa.concat_arrays([part.ids for part in parts]),
            np.concatenate([part.persons for part in parts]),
            np.concatenate([part.priorities for part in parts]),
            np.concatenate([part.packed for part in parts]),
        )


def bounded(rows: PersonRows, max_rows: int) -> PersonRows:
    """Of every person's rows the ``max_rows`` smallest by (priority, packed row), sorted by the persons' hashes.

    The kept rows of a person, as a multiset, depend on that person's rows alone, not on their order nor on anybody
    else's. Costs one sort of the rows.
    """
    if not len(rows):
        return rows
    rows = rows.take(np.lexsort((rows.priorities, rows.persons)))
    rows = _settled(rows)
    starts = np.concatenate(([True], ~_same_person(rows)))
    index = np.arange(len(rows))
    rank = index - np.maximum.accumulate(np.where(starts, index, 0))
    return rows.take(np.flatnonzero(rank < max_rows))


def _settled(rows: PersonRows) -> PersonRows:
    """Sorted rows put into their exact order where hashes tie: two persons with one hash, two rows with one priority
    that stand in the wrong order.

    Only then are identifiers and packed rows compared; by their bytes, so the order is total.
    """
    same_hash = rows.persons[1:] == rows.persons[:-1]
    tied = same_hash & (rows.priorities[1:] == rows.priorities[:-1])
    tied[tied] = _descends(rows.packed[:-1][tied], rows.packed[1:][tied])
    doubtful = tied | (same_hash & ~_same_person(rows))
    if not doubtful.any():
        return rows
    place = np.flatnonzero(np.isin(rows.persons, rows.persons[1:][doubtful]))
    some = rows.take(place)
    _, by_id = np.unique(np.array(some.ids.to_pylist(), dtype=object), return_inverse=True)
    _, by_row = np.unique(some.packed, axis=0, return_inverse=True)
    order = np.arange(len(rows))
    order[place] = place[np.lexsort((by_row.reshape(-1), some.priorities, by_id, some.persons))]
    return rows.take(order)


def _descends(before: NDArray[np.uint8], after: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Whether each packed row is larger than the one after it: by the first byte in which they differ."""
    first = (before != after).argmax(axis=1)[:, None]
    falls: NDArray[np.bool_] = np.take_along_axis(before, first, 1)[:, 0] > np.take_along_axis(after, first, 1)[:, 0]
    return falls


def _same_person(rows: PersonRows) -> NDArray[np.bool_]:
    """Whether each row but the first has exactly the identifier of the row before it."""
    same = pc.equal(rows.ids.slice(1), rows.ids.slice(0, len(rows) - 1))
    return np.asarray(same.to_numpy(zero_copy_only=False), dtype=np.bool_)


def canonical_ids(column: pa.Array, missing: Sequence[bytes] = ()) -> pa.LargeBinaryArray:
    """The identifiers as bytes: the same person in a CSV, as integers, or as floats that are whole numbers.

    Text is trimmed of ASCII white space; null, NaN, empty text and ``missing`` texts become null. Elementwise, and
    total for every type that ``BoundedSource`` accepts.
    """
    kind = column.type
    if pa.types.is_dictionary(kind):
        return canonical_ids(column.dictionary, missing).take(column.indices)
    if pa.types.is_temporal(kind):
        column = column.view(pa.int64() if kind.bit_width == 64 else pa.int32())
    if pa.types.is_floating(kind):
        column = _floats_as_text(column.cast(pa.float64()))
    elif not (pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind)):
        column = column.cast(pa.string())
    ids = pc.replace_substring_regex(column.cast(pa.large_binary()), r"^[ \t\r\n\f\v]+|[ \t\r\n\f\v]+$", replacement="")
    gone = pc.is_in(ids, value_set=pa.array([b"", *missing], pa.large_binary()))
    return pc.if_else(gone, pa.scalar(None, pa.large_binary()), ids)


def _floats_as_text(column: pa.Array) -> pa.Array:
    values = column.fill_null(np.nan).to_numpy(zero_copy_only=False)
    whole = np.abs(values) < 2.0**63
    whole &= np.floor(np.where(whole, values, 0.5)) == np.where(whole, values, 0.0)
    integers = pa.array(np.where(whole, values, 0.0).astype(np.int64)).cast(pa.string())
    texts = pc.if_else(pa.array(whole), integers, pa.array(values).cast(pa.string()))
    return pc.if_else(pa.array(np.isnan(values)), pa.scalar(None, pa.string()), texts)


class _Layout:
    """Where each attribute's code stands in a packed row."""

    def __init__(self, domain: Domain) -> None:
        self._dtypes = {attribute: code_dtype(domain[attribute]) for attribute in domain}
        ends = np.cumsum([dtype.itemsize for dtype in self._dtypes.values()]).tolist()
        self._slices = {
            attribute: slice(end - self._dtypes[attribute].itemsize, end)
            for attribute, end in zip(self._dtypes, ends, strict=True)
        }
        self.width = ends[-1]

    def pack(self, block: Mapping[str, NDArray[np.unsignedinteger]], rows: int) -> NDArray[np.uint8]:
        packed = np.empty((rows, self.width), dtype=np.uint8)
        for attribute, place in self._slices.items():
            packed[:, place] = block[attribute].view(np.uint8).reshape(rows, self._dtypes[attribute].itemsize)
        return packed

    def unpack(self, packed: NDArray[np.uint8], attributes: Clique) -> Block:
        return {
            attribute: np.ascontiguousarray(packed[:, self._slices[attribute]]).view(self._dtypes[attribute])[:, 0]
            for attribute in attributes
        }


def _word(data: NDArray[np.uint8], starts: NDArray[np.int64], ends: NDArray[np.int64]) -> _Words:
    """Up to eight bytes from each start, as one number."""
    places = starts[:, None] + np.arange(8)
    bytes_ = data[np.minimum(places, len(data) - 1)]
    bytes_[places >= ends[:, None]] = 0
    words: _Words = bytes_.view(np.uint64)[:, 0]
    return words


def _mixed(words: _Words) -> _Words:
    """The finalizer of MurmurHash3: a bijection of 64-bit numbers in which every input bit moves every output bit."""
    words = (words ^ (words >> np.uint64(33))) * np.uint64(0xFF51AFD7ED558CCD)
    words = (words ^ (words >> np.uint64(33))) * np.uint64(0xC4CEB9FE1A85EC53)
    return words ^ (words >> np.uint64(33))


class Kept:
    """The rows kept so far: bounded whenever they grow, and moved to disk, by persons' hashes, when they are many."""

    def __init__(self, max_rows: int, state_bytes: int, width: int) -> None:
        self._max_rows = max_rows
        self._state_bytes = state_bytes
        self._width = width
        self._parts: list[PersonRows] = []
        self._bytes = 0
        self._next = _FIRST_BYTES
        self._disk: Partitions | None = None

    def add(self, rows: PersonRows) -> None:
        """Take these rows in."""
        self._parts.append(rows)
        self._bytes += rows.nbytes
        if self._bytes < self._next:
            return
        self._compact()
        if self._bytes > self._state_bytes:
            self._spill()
        self._next = max(_FIRST_BYTES, 2 * self._bytes)

    def results(self) -> Iterator[PersonRows]:
        """Everybody's kept rows, each person's in one piece; afterwards nothing is held."""
        self._compact()
        if self._disk is None:
            yield from self._parts
            return
        self._spill()
        for batches in self._disk.drain():
            partition = Kept(self._max_rows, sys.maxsize, self._width)
            for batch in batches:
                partition.add(_from_batch(batch, self._width))
            yield from partition.results()

    def _compact(self) -> None:
        if self._parts:
            self._parts = [bounded(PersonRows.concatenated(self._parts), self._max_rows)]
            self._bytes = self._parts[0].nbytes

    def _spill(self) -> None:
        if self._disk is None:
            self._disk = Partitions(1 << _PARTITION_BITS, _spill_schema(self._width))
        for rows in self._parts:
            # The rows are sorted by hash: each partition is one slice.
            edges = np.searchsorted(rows.persons >> np.uint64(64 - _PARTITION_BITS), np.arange(65, dtype=np.uint64))
            for index, (start, stop) in enumerate(itertools.pairwise(edges.tolist())):
                if stop > start:
                    self._disk.append(index, _to_batch(rows, start, stop))
        self._parts, self._bytes = [], 0


def _spill_schema(width: int) -> pa.Schema:
    return pa.schema(
        {"id": pa.large_binary(), "person": pa.uint64(), "priority": pa.uint64(), "row": pa.binary(width)}.items()
    )


def _to_batch(rows: PersonRows, start: int, stop: int) -> pa.RecordBatch:
    width = rows.packed.shape[1]
    packed = pa.py_buffer(np.ascontiguousarray(rows.packed[start:stop]))
    arrays = [
        rows.ids.slice(start, stop - start),
        pa.array(rows.persons[start:stop]),
        pa.array(rows.priorities[start:stop]),
        pa.Array.from_buffers(pa.binary(width), stop - start, [None, packed]),
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=_spill_schema(width))


def _from_batch(batch: pa.RecordBatch, width: int) -> PersonRows:
    row = batch.column("row")
    packed = np.frombuffer(row.buffers()[1], dtype=np.uint8).reshape(-1, width)[row.offset : row.offset + len(row)]
    return PersonRows(
        batch.column("id"), batch.column("person").to_numpy(), batch.column("priority").to_numpy(), packed
    )


class BoundedSource:
    """Counts over a table's rows, at most ``max_rows`` of every person, named by ``column``.

    Rows without an identifier (null, empty, ``missing``) are dropped. The table is read once, when counts are first
    asked for; memory is a batch plus O(persons × ``max_rows``), of which what exceeds ``state_bytes`` (persons) and
    ``rows_bytes`` (their encoded rows) goes to temporary files without a name. Adding or removing one person changes
    no other person's kept rows, so it changes any marginal by at most ``max_rows`` in L1.

    Raises ``DataMismatchError`` at once when the column is absent or of a type that cannot name a person.
    """

    def __init__(
        self,
        reader: TableReader,
        schema: Encoding,
        *,
        column: str,
        max_rows: int,
        missing: Sequence[str] = (),
        batch_rows: int = 1 << 17,
        state_bytes: int = 1 << 26,
        rows_bytes: int = 1 << 28,
    ) -> None:
        if max_rows < 1:
            raise UsageError("a unit needs max_rows of at least 1")
        check_identifier(reader, column)
        self._reader, self._schema = reader, schema
        self._column, self._max_rows = column, max_rows
        self._missing = [text.strip(" \t\r\n\f\v").encode() for text in missing]
        self._batch_rows, self._state_bytes, self._rows_bytes = batch_rows, state_bytes, rows_bytes
        self._layout = _Layout(schema.domain)
        self._rows: PackedRows | None = None
        self._cached = CachedCounts(schema.domain, self._blocks)

    @property
    def domain(self) -> Domain:
        """The public domain."""
        return self._cached.domain

    def counts(self, cliques: Sequence[Clique]) -> list[NDArray[np.int64]]:
        """Exact int64 counts of the kept rows, axes in clique order, read-only."""
        return self._cached.counts(cliques)

    def prefetch(self, cliques: Sequence[Clique]) -> None:
        """Count these cliques in one pass and keep them."""
        self._cached.prefetch(cliques)

    def _blocks(self, attributes: Clique) -> Iterator[Block]:
        if self._rows is None:
            self._rows = self._bound()
        for packed in self._rows.blocks(_BLOCK_ROWS):
            yield self._layout.unpack(packed, attributes)

    def _bound(self) -> PackedRows:
        key = HashKey.fresh(len(self.domain))
        kept = Kept(self._max_rows, self._state_bytes, self._layout.width)
        rows = PackedRows(self._layout.width, self._rows_bytes)
        wanted = tuple(dict.fromkeys((self._column, *self._schema.columns(self.domain.attributes))))
        try:
            for batch in self._reader.batches(wanted, self._batch_rows):
                kept.add(self._person_rows(batch, key))
            for part in kept.results():
                rows.append(part.packed)
        except OSError:
            raise DpsynthError("temporary storage failed", hint="Point TMPDIR to a disk with more space.") from None
        return rows

    def _person_rows(self, batch: pa.RecordBatch, key: HashKey) -> PersonRows:
        ids = canonical_ids(batch.column(self._column), self._missing)
        named = ids.is_valid()
        ids = ids.filter(named)
        block = encode_batch(batch.filter(named), self._schema, self.domain.attributes)
        persons = key.persons(ids)
        priorities = key.rows(persons, [block[attribute] for attribute in self.domain])
        return PersonRows(ids, persons, priorities, self._layout.pack(block, len(ids)))


def check_identifier(reader: TableReader, column: str) -> None:
    """Raise ``DataMismatchError`` when the column is absent or of a type that cannot name a person."""
    if column not in reader.names:
        raise DataMismatchError(f"the table has no column {column!r}, the unit of the guarantee", where=reader.where)
    if not hashable(reader.types[column]):
        raise DataMismatchError(f"column {column!r} cannot name a person by its type", where=reader.where)


def hashable(kind: str) -> bool:
    """Whether values of this Arrow type have a text that can name a person."""
    return _IDENTIFIER.match(kind) is not None
