"""Parquet and Arrow files as tables: the schema is read when they are opened, rows when they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
from pyarrow import ipc, parquet

from dpsynth.errors import FileFormatError
from dpsynth.tables.files import StampedFile
from dpsynth.tables.reader import BATCH_ROWS, broke_off, check_names, check_present, without_text

_FAULTS = (OSError, EOFError, pa.ArrowException, ValueError, TypeError, NotImplementedError)
BatchesOf = Callable[[Sequence[str], int], Iterator[pa.RecordBatch]]


class ArrowReader:
    """A table that carries an Arrow schema.

    ``batches_of(columns, batch_rows)`` yields its rows from the start, at least these columns, in batches of any
    length; whatever it raises becomes the one constant error.
    """

    def __init__(self, where: str, types: Sequence[tuple[str, pa.DataType]], batches_of: BatchesOf) -> None:
        self._where = where
        self._names = check_names([name for name, _ in types], where)
        self._types = dict(types)
        self._batches_of = batches_of

    @property
    def where(self) -> str:
        """The file's name, or ``<frame>``."""
        return self._where

    @property
    def names(self) -> tuple[str, ...]:
        """The top-level columns."""
        return self._names

    @property
    def types(self) -> Mapping[str, str]:
        """Arrow types as the table declares them."""
        return {name: str(kind) for name, kind in self._types.items()}

    @property
    def arrow_types(self) -> Mapping[str, pa.DataType]:
        """The same types as Arrow's objects."""
        return dict(self._types)

    def batches(self, columns: Sequence[str], batch_rows: int = BATCH_ROWS) -> Iterator[pa.RecordBatch]:
        """The rows in table order; see ``TableReader.batches``."""
        check_present(columns, self._names, self._where)
        return self._rows(list(columns), batch_rows)

    def _rows(self, columns: list[str], batch_rows: int) -> Iterator[pa.RecordBatch]:
        try:
            for batch in self._batches_of(columns, batch_rows):
                raw = pa.RecordBatch.from_arrays([without_text(batch.column(name)) for name in columns], names=columns)
                yield from (raw.slice(start, batch_rows) for start in range(0, raw.num_rows, batch_rows))
        except Exception:  # the texts and the kinds of readers' errors depend on values
            raise broke_off(self._where) from None


def types_of(schema: pa.Schema) -> list[tuple[str, pa.DataType]]:
    """Names and Arrow types, duplicates included."""
    return [(field.name, field.type) for field in schema]


def open_parquet(path: str) -> ArrowReader:
    """The Parquet file at ``path``; ``FileFormatError`` unless its footer is whole, whatever the pages hold."""
    file = StampedFile.of(path)
    schema = _schema_of(file, "Parquet", _parquet_schema)

    def batches_of(columns: Sequence[str], batch_rows: int) -> Iterator[pa.RecordBatch]:
        file.verify()
        text = [name for name in columns if _is_text(schema.field(name).type)]
        with parquet.ParquetFile(path, read_dictionary=text) as opened:
            yield from opened.iter_batches(batch_size=batch_rows, columns=columns)
        file.verify()

    return ArrowReader(path, types_of(schema), batches_of)


def open_arrow(path: str) -> ArrowReader:
    """The Arrow IPC file (or Feather, or IPC stream) at ``path``; ``FileFormatError`` for anything else."""
    file = StampedFile.of(path)

    def batches_of(columns: Sequence[str], batch_rows: int) -> Iterator[pa.RecordBatch]:
        del batch_rows
        file.verify()
        with _opened_arrow(file) as opened:
            for batch in _ipc_batches(opened):
                chosen = batch.select(columns)
                for column in chosen.columns:
                    _validate(without_text(column))
                yield chosen
        file.verify()

    return ArrowReader(path, types_of(_schema_of(file, "Arrow", _arrow_schema)), batches_of)


def _schema_of(file: StampedFile, kind: str, read: Callable[[StampedFile], pa.Schema]) -> pa.Schema:
    try:
        return read(file)
    except _FAULTS:
        raise FileFormatError(
            f"this is not a readable {kind} file", where=file.where, hint="It may be truncated, or of another format."
        ) from None


def _parquet_schema(file: StampedFile) -> pa.Schema:
    with parquet.ParquetFile(file.where) as opened:
        return opened.schema_arrow


def _arrow_schema(file: StampedFile) -> pa.Schema:
    with _opened_arrow(file) as opened:
        return opened.schema


def _opened_arrow(file: StampedFile) -> Any:
    with file.open() as start:
        magic = start.read(6)
    source = pa.OSFile(file.where)
    return ipc.open_file(source) if magic == b"ARROW1" else ipc.open_stream(source)


def _ipc_batches(opened: Any) -> Iterator[pa.RecordBatch]:
    if isinstance(opened, ipc.RecordBatchFileReader):
        return (opened.get_batch(index) for index in range(opened.num_record_batches))
    return iter(opened)


def _validate(column: pa.Array) -> None:
    """Raise for offsets or indices that point outside their buffers. No value is a fault: Arrow's full check would
    refuse a date64 within a day, a time beyond midnight, a decimal beyond its precision.
    """
    kind = column.type
    if pa.types.is_dictionary(kind):
        blank = pa.nulls(len(column.dictionary))
        pa.DictionaryArray.from_arrays(column.indices, blank, safe=False).validate(full=True)
        _validate(column.dictionary)
    else:
        column.validate(full=not (pa.types.is_primitive(kind) or pa.types.is_decimal(kind)))


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_binary(kind))
