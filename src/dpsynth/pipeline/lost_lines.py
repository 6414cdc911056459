"""Lines of a CSV that are no rows: counted and told, by commands whose messages may speak of rows."""

from __future__ import annotations

from dpsynth.tables import TableReader
from dpsynth.tables.csv_reader import CsvReader


def lost_lines(reader: TableReader, rows: int) -> int:
    """How many lines with text of a CSV, of which ``rows`` rows were read, are no rows; 0 for other formats.

    Reads the file once more. Raises ``FileFormatError`` for a file that breaks off.
    """
    return reader.lines() - rows if isinstance(reader, CsvReader) else 0


def warning_of(count: int) -> str:
    """What is said of so many lines that are no rows."""
    lost = "1 line of the file is no row" if count == 1 else f"{count:,} lines of the file are no rows"
    return f"Warning: {lost} (ragged, quotes across lines, or over a megabyte) and left out."
