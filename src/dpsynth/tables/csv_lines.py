"""CSV rows from raw bytes, one physical line at a time; see ``docs/decisions/0009-csv-line-is-a-row.md``.

What a line becomes depends on that line alone: never on another line, nor on where a block was cut. That is what
makes a row of the file a row of the table when neighboring tables are compared.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

LONGEST_LINE = 1 << 20
_BOM = b"\xef\xbb\xbf"
_ENDS = (b"\n", b"\r")


def header_line(chunks: Iterator[bytes]) -> tuple[bytes, Iterator[bytes]]:
    """The first line that is not empty, without a byte-order mark, and the chunks after it.

    A line longer than ``LONGEST_LINE`` comes back cut, longer than that; a stream without one gives ``b""``.
    """
    head = b""
    for chunk in chunks:
        head += chunk
        line = head.removeprefix(_BOM).lstrip(b"\r\n")
        end = _first_end(line)
        if end >= 0:
            return line[:end], itertools.chain([line[end:]], chunks)
        if len(line) > LONGEST_LINE:
            return line, chunks
    return head.removeprefix(_BOM).lstrip(b"\r\n"), chunks


def line_blocks(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """The bytes as blocks of whole lines, each ended by a line feed or a carriage return.

    Lines of more than ``LONGEST_LINE`` bytes are left out, so memory stays bounded whatever the file holds.
    """
    rest = b""
    dropping = False
    for chunk in chunks:
        start = _first_end(chunk) if dropping else 0
        if start < 0:
            continue
        dropping = False
        cut = max(chunk.rfind(end) for end in _ENDS) + 1
        if cut > start:
            yield _without_long_lines(rest + chunk[start:cut])
            rest = b""
        rest += chunk[max(cut, start) :]
        if len(rest) > LONGEST_LINE:
            rest, dropping = b"", True
    if rest:
        yield rest + b"\n"


def count_lines(chunks: Iterator[bytes]) -> int:
    """The number of lines with text that start within the chunks; the first chunk begins where a line may."""
    found, last = 0, b"\n"
    for chunk in chunks:
        ends = np.isin(np.frombuffer(last + chunk, dtype=np.uint8), (10, 13))
        found += int((ends[:-1] & ~ends[1:]).sum())
        last = chunk[-1:]
    return found


def parse_lines(block: bytes, names: Sequence[str], columns: Sequence[str], delimiter: str) -> pa.RecordBatch:
    """The rows of a block of whole lines: the wanted columns, every cell as binary, no nulls.

    Empty lines are no rows. A line with another number of cells, or with quotes that are not closed in the line,
    is left out. A cell is quoted when it starts with a double quote; ``""`` inside stands for one.
    """
    if b'"' in block:
        block = _well_quoted(block, delimiter)
    try:
        return _parse(block, names, columns, delimiter)
    except pa.ArrowInvalid:
        # Arrow's own handler of ragged rows fails on undecodable ones, so they are taken out beforehand.
        return _parse(_of_width(block, len(names), delimiter), names, columns, delimiter)


def _parse(block: bytes, names: Sequence[str], columns: Sequence[str], delimiter: str) -> pa.RecordBatch:
    if block.isspace() or not block:
        block = block.strip(b"\r\n")
    if not block:
        return pa.RecordBatch.from_arrays([pa.array([], pa.binary()) for _ in columns], names=list(columns))
    # A byte-order mark is skipped at the start of a buffer only: with our own, every line is read alike.
    table = csv.read_csv(
        pa.BufferReader(_BOM + block),
        read_options=csv.ReadOptions(
            use_threads=False, block_size=len(block) + len(_BOM) + 1, column_names=_positions(names)
        ),
        parse_options=csv.ParseOptions(delimiter=delimiter, newlines_in_values=False),
        convert_options=csv.ConvertOptions(
            check_utf8=False,
            column_types={_position(names, column): pa.binary() for column in columns},
            include_columns=[_position(names, column) for column in columns],
            strings_can_be_null=False,
        ),
    ).combine_chunks()
    arrays = [_whole(table.column(index)) for index in range(len(columns))]
    return pa.RecordBatch.from_arrays(arrays, names=list(columns))


def _position(names: Sequence[str], column: str) -> str:
    return str(names.index(column))


def _positions(names: Sequence[str]) -> list[str]:
    return [str(position) for position in range(len(names))]


def _whole(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks else pa.array([], pa.binary())


def _first_end(chunk: bytes) -> int:
    """The position after the first line end, or -1."""
    found = [place for place in (chunk.find(end) for end in _ENDS) if place >= 0]
    return min(found) + 1 if found else -1


def _without_long_lines(block: bytes) -> bytes:
    start = 0
    while len(block) - start > LONGEST_LINE:
        end = max(block.rfind(mark, start, start + LONGEST_LINE + 1) for mark in _ENDS) + 1
        if not end:
            lines = _lines(block)
            return _joined(lines.filter(pc.less_equal(pc.binary_length(lines), LONGEST_LINE + 1)))
        start = end
    return block


def _well_quoted(block: bytes, delimiter: str) -> bytes:
    """The lines whose quotes are closed within the line."""
    other = re.escape(delimiter)
    field = rf'(?:"(?:[^"\r\n]|"")*"[^"{other}\r\n]*|[^"{other}\r\n][^{other}\r\n]*|)'
    lines = _lines(block)
    return _joined(lines.filter(pc.match_substring_regex(lines, rf"^{field}(?:{other}{field})*[\r\n]$")))


def _of_width(block: bytes, width: int, delimiter: str) -> bytes:
    """The lines, known to be well quoted, that hold ``width`` cells."""
    other = re.escape(delimiter)
    lines = _lines(block)
    bare = pc.replace_substring_regex(lines, rf'(^|{other})"(?:[^"]|"")*"', r"\1") if b'"' in block else lines
    return _joined(lines.filter(pc.equal(pc.count_substring(bare, delimiter), width - 1)))


def _lines(block: bytes) -> pa.Array:
    """The lines with their ends, as a view of the block."""
    characters = np.frombuffer(block, dtype=np.uint8)
    ends = np.flatnonzero((characters == ord("\n")) | (characters == ord("\r"))) + 1
    offsets = np.concatenate(([0], ends)).astype(np.int32)
    return pa.Array.from_buffers(pa.binary(), len(ends), [None, pa.py_buffer(offsets), pa.py_buffer(block)])


def _joined(lines: pa.Array) -> bytes:
    """The bytes of freshly filtered lines, in order."""
    if not len(lines):
        return b""
    offsets = np.frombuffer(lines.buffers()[1], dtype=np.int32)[lines.offset : lines.offset + len(lines) + 1]
    return bytes(lines.buffers()[2].slice(int(offsets[0]), int(offsets[-1] - offsets[0])))
