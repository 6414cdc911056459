"""Values of a schema that no CSV of real rows can hold, said before a row is read."""

from __future__ import annotations

from dpsynth.curator.masking import cell_masks
from dpsynth.errors import DataMismatchError
from dpsynth.schema import Schema
from dpsynth.schema.codecs import CategoryCodec
from dpsynth.tables import TableReader
from dpsynth.tables.csv_reader import CsvReader


def readable(reader: TableReader, schema: Schema | None) -> TableReader:
    """The same table of real rows; ``DataMismatchError`` when it is CSV and a category of the schema has a line break.

    In such a table a line is a row (``docs/decisions/0009-csv-line-is-a-row.md``): rows that hold the category would be
    left out, and every count would be wrong without a word. Decided by the schema and the format; no row is read.
    """
    if schema is None or not isinstance(reader, CsvReader):
        return reader
    masked = cell_masks(schema)
    found = [
        field.name
        for field in schema.modeled
        if isinstance(field.codec, CategoryCodec)
        and field.derived is None
        and field.name not in masked
        and any("\n" in text or "\r" in text for text in field.codec.labels)
    ]
    if found:
        names = ", ".join(repr(name) for name in found)
        what = f"a category of {names} has a line break, and no CSV of real rows can hold it: there a line is a row"
        raise DataMismatchError(what, where=reader.where, hint="Give the table as Parquet.")
    return reader
