"""The Arrow types of any table's columns, as objects."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa

from dpsynth.tables.arrow_reader import ArrowReader
from dpsynth.tables.reader import TableReader


def arrow_types(reader: TableReader) -> Mapping[str, pa.DataType]:
    """The type of every column: ``binary`` for the raw cells of CSV, else as the table declares it; nothing is read."""
    if isinstance(reader, ArrowReader):
        return reader.arrow_types
    return dict.fromkeys(reader.names, pa.binary())
