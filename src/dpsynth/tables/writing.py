"""``write_table``: batches to CSV, CSV.gz, Parquet or Arrow, streamed and atomic."""

from __future__ import annotations

import contextlib
import csv
import gzip
import hashlib
import io
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import ipc, parquet

from dpsynth.errors import UsageError
from dpsynth.tables.atomic import atomic_write, writing_error
from dpsynth.tables.sidecar import label_metadata, write_sidecar

_Add = Callable[[pa.RecordBatch], None]
_GROUP_ROWS = 1 << 20


@dataclass(frozen=True, slots=True)
class Written:
    """A table that was written: where (``-`` for standard output), how many rows, SHA-256 of its bytes in hex."""

    path: str
    rows: int
    sha256: str


def write_table(
    batches: Iterable[pa.RecordBatch],
    schema: pa.Schema,
    path: str | os.PathLike[str],
    *,
    force: bool,
    metadata: Mapping[str, str] | None = None,
    labels: Sequence[str] | None = None,
) -> Written:
    """Write the batches, all of this schema, in the format of the extension; ``-`` is CSV to standard output.

    The file is complete or absent. Memory is one batch (Parquet: one row group of about a million rows).
    ``metadata`` goes into Parquet and Arrow schemas; CSV has no place for it. ``labels``: the label chain, which goes
    there too, and into the sidecar, before the table appears: no table stands without it, whenever the process ends.
    The same batches give the same bytes
    with the same library versions. Raises ``UsageError`` for an unknown extension and what ``atomic_write`` raises.
    """
    target = os.fspath(path)
    if target == "-":
        return _to_stdout(batches, schema)
    opened = _format_of(target)
    said = {} if labels is None else label_metadata(labels)
    tagged = schema.with_metadata({**(schema.metadata or {}), **(metadata or {}), **said} or None)
    with atomic_write(target, force=force) as part:
        with part.open("wb") as file, opened(file, tagged) as add:
            rows = _write_all(batches, add)
        with part.open("rb") as written:
            digest = hashlib.file_digest(written, "sha256").hexdigest()
        if labels is not None:
            write_sidecar(target, labels, digest)
    return Written(target, rows, digest)


def is_csv(path: str | os.PathLike[str]) -> bool:
    """Whether ``write_table`` writes this path as CSV: by its extension, or to standard output."""
    return os.fspath(path) == "-" or Path(path).name.lower().endswith((".csv", ".csv.gz"))


def check_format(path: str | os.PathLike[str]) -> None:
    """Raise ``UsageError`` when ``write_table`` knows no format for this path."""
    if os.fspath(path) != "-":
        _format_of(os.fspath(path))


def _format_of(path: str) -> Callable[[BinaryIO, pa.Schema], contextlib.AbstractContextManager[_Add]]:
    name = Path(path).name.lower()
    for extensions, opened in _FORMATS.items():
        if name.endswith(extensions):
            return opened
    raise UsageError(
        "unknown output format", where=path, hint="Known extensions: .csv, .csv.gz, .parquet, .arrow, .feather."
    )


def _write_all(batches: Iterable[pa.RecordBatch], add: _Add) -> int:
    rows = 0
    for batch in batches:
        add(batch)
        rows += batch.num_rows
    return rows


def _to_stdout(batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> Written:
    out = _Hashing(sys.stdout.buffer)
    try:
        with _csv(cast("BinaryIO", out), schema) as add:
            rows = _write_all(batches, add)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise writing_error(error, "<stdout>") from None
    return Written("-", rows, out.digest.hexdigest())


class _Hashing:
    """The bytes on their way to standard output."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.digest = hashlib.sha256()

    def write(self, data: bytes) -> int:
        self.digest.update(data)
        return self._stream.write(data)


@contextlib.contextmanager
def _csv(file: BinaryIO, schema: pa.Schema) -> Iterator[_Add]:
    header = io.StringIO()
    csv.writer(header, lineterminator="\n").writerow(schema.names)
    file.write(header.getvalue().encode())
    yield lambda batch: _add_lines(file, batch)


@contextlib.contextmanager
def _csv_gz(file: BinaryIO, schema: pa.Schema) -> Iterator[_Add]:
    # No name and no time in the header: the same rows give the same bytes.
    packed = gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=file, mtime=0)
    with packed, _csv(cast("BinaryIO", packed), schema) as add:
        yield add


@contextlib.contextmanager
def _parquet(file: BinaryIO, schema: pa.Schema) -> Iterator[_Add]:
    with parquet.ParquetWriter(file, schema, compression="zstd") as writer:
        pending: list[pa.RecordBatch] = []

        def flush() -> None:
            if pending:
                writer.write_table(pa.Table.from_batches(pending), row_group_size=_GROUP_ROWS)
                pending.clear()

        def add(batch: pa.RecordBatch) -> None:
            pending.append(batch.replace_schema_metadata(schema.metadata))
            if sum(waiting.num_rows for waiting in pending) >= _GROUP_ROWS:
                flush()

        yield add
        flush()


@contextlib.contextmanager
def _arrow(file: BinaryIO, schema: pa.Schema) -> Iterator[_Add]:
    options = ipc.IpcWriteOptions(unify_dictionaries=True)
    with ipc.new_file(file, schema, options=options) as writer:
        yield lambda batch: writer.write_batch(batch.replace_schema_metadata(schema.metadata))


def _add_lines(file: BinaryIO, batch: pa.RecordBatch) -> None:
    """Append the rows as CSV lines: quotes only where needed, an empty cell for null, ``""`` for empty text."""
    if not batch.num_rows:
        return
    # A null alone in its row would make an empty line, which readers of CSV leave out.
    null = '""' if batch.num_columns == 1 else ""
    cells = [_cells(column) for column in batch.columns]
    lines = pc.binary_join_element_wise(*cells, ",", null_handling="replace", null_replacement=null)
    ended = pc.binary_join_element_wise(lines, "", "\n")
    offsets = np.frombuffer(ended.buffers()[1], dtype=np.int32)
    file.write(ended.buffers()[2].slice(int(offsets[0]), int(offsets[-1] - offsets[0])))


def _cells(column: pa.Array) -> pa.Array:
    """One column as the text of its cells, nulls kept."""
    if pa.types.is_dictionary(column.type):
        return _cells(column.dictionary).take(column.indices)
    text = column.cast(pa.string())
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        return text
    special = pc.match_substring_regex(text, '[",\r\n]|^$')
    if not pc.any(special).as_py():
        return text
    quoted = pc.binary_join_element_wise('"', pc.replace_substring(text, '"', '""'), '"', "")
    return pc.if_else(special, quoted, text)


_FORMATS: dict[tuple[str, ...], Callable[[BinaryIO, pa.Schema], contextlib.AbstractContextManager[_Add]]] = {
    (".csv",): _csv,
    (".csv.gz",): _csv_gz,
    (".parquet", ".pq"): _parquet,
    (".arrow", ".feather", ".ipc"): _arrow,
}
