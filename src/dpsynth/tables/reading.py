"""``open_table``: any table a user may name, as a ``TableReader``."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from typing import Any, cast

from dpsynth.errors import FileFormatError, UsageError
from dpsynth.schema.document import writable
from dpsynth.tables.arrow_reader import open_arrow, open_parquet
from dpsynth.tables.csv_reader import CsvReader
from dpsynth.tables.csv_records import RecordReader
from dpsynth.tables.files import SpooledStream, StampedFile
from dpsynth.tables.frames import open_frame
from dpsynth.tables.reader import TableReader

FORMATS = ".csv, .csv.gz, .tsv, .tsv.gz, .parquet, .arrow, .feather"


def open_table(source: Any, *, delimiter: str | None = None, quoted_line_breaks: bool = False) -> TableReader:
    """The table at a path, on standard input (``-``, CSV), or in a frame; only names and types are read.

    The format follows the extension. ``delimiter`` is for CSV alone (default: comma; tab for ``.tsv``).
    ``quoted_line_breaks``: cells of CSV may hold line ends within quotes, as ``sample`` writes such categories. It is
    for synthetic tables alone, which hold nobody's row: in a table of persons one stray quote of one person would
    swallow the rows of others, so there every line is a row of its own, whatever its quotes say. Raises
    ``FileFormatError`` (3) for what is missing, unreadable or of an unknown format, ``DataMismatchError`` (3) for
    duplicate columns, ``DpsynthError`` (1) without permission, ``UsageError`` (2) for an object that is no table.
    """
    if not isinstance(source, str | os.PathLike):
        return open_frame(source)
    path, kind = os.fspath(source), RecordReader if quoted_line_breaks else CsvReader
    if path == "-":
        stream = cast("io.BufferedIOBase", sys.stdin.buffer)  # typeshed promises less
        return kind(SpooledStream(stream, "<stdin>"), delimiter)
    name = path.lower()
    if name.endswith((".csv", ".csv.gz", ".tsv", ".tsv.gz")):
        tab = "\t" if name.endswith((".tsv", ".tsv.gz")) else None
        return kind(StampedFile.of(path), delimiter or tab)
    if delimiter is not None:
        raise UsageError("only CSV tables have a delimiter", where=path)
    if name.endswith((".parquet", ".pq")):
        return open_parquet(path)
    if name.endswith((".arrow", ".arrows", ".feather", ".ipc")):
        return open_arrow(path)
    StampedFile.of(path)
    raise FileFormatError("unknown table format", where=path, hint=f"Known extensions: {FORMATS}.")


def table_name(source: Any) -> str:
    """The name of a table that nobody named: its file's if a schema can hold it, or ``table``."""
    if not isinstance(source, str | os.PathLike) or os.fspath(source) == "-":
        return "table"
    name = Path(source).name.partition(".")[0]
    return name if writable(name) else "table"
