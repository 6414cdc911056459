"""CSV and CSV.gz, from a file or standard input: the header is read apart, the rows are ``csv_lines``."""

from __future__ import annotations

import contextlib
import csv
import gzip
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import BinaryIO, cast

import pyarrow as pa

from dpsynth.errors import DataMismatchError, FileFormatError, UsageError
from dpsynth.tables.csv_lines import LONGEST_LINE, count_lines, header_line, line_blocks, parse_lines
from dpsynth.tables.files import ByteSource, reading_error
from dpsynth.tables.reader import BATCH_ROWS, broke_off, check_names, check_present

_HEAD_BYTES = 1 << 16
_BLOCK_BYTES = 1 << 22
_GZIP_MAGIC = b"\x1f\x8b"
_FAULTS = (OSError, EOFError, zlib.error, pa.ArrowException)
_DELIMITERS = {",": "a comma", ";": "a semicolon", "\t": "a tab", "|": "a bar"}


class CsvReader:
    """A CSV table; its columns arrive as binary cells, as they stand in the file.

    ``delimiter`` is one character; ``None`` means a comma. Raises ``FileFormatError`` for an empty file or a header
    that is not UTF-8 text, ``DataMismatchError`` for duplicate names or a delimiter that is evidently another.
    """

    def __init__(self, source: ByteSource, delimiter: str | None = None) -> None:
        self._source = source
        self._delimiter = _checked(delimiter or ",")
        self._names = _names(self._header(), self._delimiter, source.where, guess=delimiter is None)

    @property
    def where(self) -> str:
        """The file's name, or ``<stdin>``."""
        return self._source.where

    @property
    def names(self) -> tuple[str, ...]:
        """The header, without spaces around the names."""
        return self._names

    @property
    def types(self) -> Mapping[str, str]:
        """``binary`` for every column: CSV knows no types."""
        return dict.fromkeys(self._names, "binary")

    def batches(self, columns: Sequence[str], batch_rows: int = BATCH_ROWS) -> Iterator[pa.RecordBatch]:
        """The rows in file order; see ``TableReader.batches``."""
        check_present(columns, self._names, self.where)
        return self._rows(tuple(columns), batch_rows)

    def lines(self) -> int:
        """How many lines with text follow the header: an exact figure of the rows, for commands that show rows."""
        try:
            with _opened(self._source) as stream:
                return count_lines(header_line(_chunks(stream))[1])
        except _FAULTS:
            raise broke_off(self.where) from None

    def _rows(self, columns: tuple[str, ...], batch_rows: int) -> Iterator[pa.RecordBatch]:
        with contextlib.ExitStack() as stack:
            try:
                chunks = _chunks(stack.enter_context(_opened(self._source)))
                blocks = line_blocks(header_line(chunks)[1])
                while (block := next(blocks, None)) is not None:
                    batch = parse_lines(block, self._names, columns, self._delimiter)
                    yield from (batch.slice(start, batch_rows) for start in range(0, batch.num_rows, batch_rows))
                self._source.verify()
            except _FAULTS:
                raise broke_off(self.where) from None

    def _header(self) -> bytes:
        try:
            with _opened(self._source) as stream:
                return header_line(_chunks(stream))[0]
        except (gzip.BadGzipFile, EOFError, zlib.error):
            raise FileFormatError("this is not a readable gzip file", where=self.where) from None
        except OSError as error:
            raise reading_error(error, self.where) from None


@contextlib.contextmanager
def _opened(source: ByteSource) -> Iterator[BinaryIO]:
    """The text of the source, unpacked when it starts like gzip."""
    with source.open() as stream:
        if stream.peek(2)[:2] == _GZIP_MAGIC:
            with gzip.GzipFile(fileobj=stream) as unpacked:
                yield cast("BinaryIO", unpacked)
        elif source.where.lower().endswith(".gz"):
            raise gzip.BadGzipFile
        else:
            yield stream


def _chunks(stream: BinaryIO) -> Iterator[bytes]:
    yield stream.read(_HEAD_BYTES)
    while chunk := stream.read(_BLOCK_BYTES):
        yield chunk


def _checked(delimiter: str) -> str:
    if len(delimiter) != 1 or not delimiter.isascii() or delimiter in '"\r\n\0':
        raise UsageError("the delimiter is one ASCII character, no quote and no line end")
    return delimiter


def _names(header: bytes, delimiter: str, where: str, *, guess: bool) -> tuple[str, ...]:
    if not header:
        raise FileFormatError("the file is empty: it has no line with the column names", where=where)
    if len(header) > LONGEST_LINE:
        raise FileFormatError("the first line is too long to hold the column names", where=where)
    if header.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in header:
        raise FileFormatError("the header is not UTF-8 text", where=where, hint="Save the file as CSV in UTF-8.")
    try:
        text = header.decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError:
        raise FileFormatError(
            "the header is not UTF-8 text", where=where, hint="Save the file as CSV in UTF-8."
        ) from None
    names = _cells(text, delimiter, where)
    others = [word for mark, word in _DELIMITERS.items() if mark != delimiter and mark in text]
    if guess and len(names) == 1 and others:
        raise DataMismatchError(
            f"one column was found; the delimiter seems to be {others[0]}",
            where=where,
            hint="Give --delimiter (in Python: delimiter=...).",
        )
    return check_names(names, where)


def _cells(text: str, delimiter: str, where: str) -> list[str]:
    try:
        return [name.strip() for name in next(csv.reader([text], delimiter=delimiter, strict=True))]
    except csv.Error:
        raise FileFormatError("the quotes of the header are not closed", where=where) from None
