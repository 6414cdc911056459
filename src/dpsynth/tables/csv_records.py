"""CSV records whose quoted cells may run over line ends: how tables are read that hold no person's rows.

One unclosed quote swallows every record after it, so nothing that is to be stable under one person's record may be read
this way: see ``docs/decisions/0009-csv-line-is-a-row.md``.
"""

from __future__ import annotations

import contextlib
import io
import itertools
from collections.abc import Iterator, Sequence
from typing import Any, cast

import pyarrow as pa
from pyarrow import csv

from dpsynth.errors import FileFormatError
from dpsynth.tables.csv_lines import header_line
from dpsynth.tables.csv_reader import _FAULTS, CsvReader, _chunks, _opened
from dpsynth.tables.reader import broke_off

_BLOCK_BYTES = 1 << 24
_BOM = b"\xef\xbb\xbf"


class RecordReader(CsvReader):
    """A CSV table that holds nobody's row: a line end within quotes belongs to its cell.

    A record with another number of cells than the header is a ``FileFormatError``, not left out.
    """

    def _rows(self, columns: tuple[str, ...], batch_rows: int) -> Iterator[pa.RecordBatch]:
        with contextlib.ExitStack() as stack:
            try:
                chunks = header_line(_chunks(stack.enter_context(_opened(self._source))))[1]
                for batch in records(chunks, self._names, columns, self._delimiter):
                    yield from (batch.slice(start, batch_rows) for start in range(0, batch.num_rows, batch_rows))
                self._source.verify()
            except pa.ArrowInvalid:
                what = "a record of the table has another number of cells than the header"
                raise FileFormatError(what, where=self.where, hint="Give the table as it was written.") from None
            except _FAULTS:
                raise broke_off(self.where) from None


def records(
    chunks: Iterator[bytes], names: Sequence[str], columns: Sequence[str], delimiter: str
) -> Iterator[pa.RecordBatch]:
    """The records in the bytes after the header: batches of the wanted columns, every cell as binary, no nulls.

    Empty lines are no records; a quote that is never closed makes one cell of all that follows. Raises
    ``pa.ArrowInvalid`` for a record with another number of cells, or of more than 16 MiB.
    """
    first = next((text for chunk in chunks if (text := chunk.lstrip(b"\r\n"))), b"")
    if not first:
        return
    places = [str(names.index(column)) for column in columns]
    # A byte-order mark is skipped at the start of a stream only: with our own, every record is read alike.
    stream = io.BufferedReader(cast("io.RawIOBase", _Stream(itertools.chain([_BOM, first], chunks))))
    reader = csv.open_csv(
        stream,
        read_options=csv.ReadOptions(
            use_threads=False, block_size=_BLOCK_BYTES, column_names=[str(place) for place in range(len(names))]
        ),
        parse_options=csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
        convert_options=csv.ConvertOptions(
            check_utf8=False,
            column_types=dict.fromkeys(places, pa.binary()),
            include_columns=places,
            strings_can_be_null=False,
        ),
    )
    for batch in reader:
        yield pa.RecordBatch.from_arrays(batch.columns, names=list(columns))


class _Stream(io.RawIOBase):
    """Chunks of bytes as a stream."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks, self._rest = chunks, b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._rest = self._rest or next(self._chunks, b"")
        room = memoryview(buffer)
        part, self._rest = self._rest[: len(room)], self._rest[len(room) :]
        room[: len(part)] = part
        return len(part)
