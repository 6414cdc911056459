"""From a table that was opened to a curator over its rows. Proof page: ``docs/proofs/reserve-before-read.md``.

Constructing an ``Ingest`` looks at names and physical types; rows are first read by a question to the curator.
"""

from __future__ import annotations

from collections.abc import Sequence

from dpsynth.curator.bounding import BoundedSource
from dpsynth.curator.curator import Curator
from dpsynth.curator.masking import MaskedReader, cell_masks
from dpsynth.curator.reshaping import ReshapedReader
from dpsynth.curator.sources import MarginalSource, StreamSource
from dpsynth.domain import Clique
from dpsynth.errors import DataMismatchError, SchemaError
from dpsynth.ledger import Transaction
from dpsynth.privacy.labels import Label, LabelKind
from dpsynth.privacy.unit import Unit
from dpsynth.schema import Schema
from dpsynth.tables import TableReader


class Ingest:
    """A table that fits its schema and unit, not yet read. Raises ``DataMismatchError`` if it does not fit, and
    ``SchemaError`` when the schema masks the unit's column.
    """

    def __init__(self, reader: TableReader, schema: Schema, unit: Unit) -> None:
        if unit.column is not None and unit.column in cell_masks(schema):
            what = "a mask or level could make one person of several, and it is the privacy unit"
            raise SchemaError(f"field {unit.column!r}: {what}", hint="Take them away, or give it role: direct-id.")
        reader = described(reader, schema)
        schema.check_columns(reader.names, reader.types)
        if unit.column is not None and unit.column not in reader.names:
            raise DataMismatchError(f"the table has no column {unit.column!r}, the privacy unit", where=reader.where)
        self._schema = schema
        self._unit = unit
        self._source = source_of(reader, schema, unit)

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels of ingestion itself."""
        done = ["encoded by the schema, row by row"]
        if masks := masked_steps(self._schema):
            done.insert(0, f"masked by the schema, row by row: {'; '.join(masks)}")
        if self._schema.reshape is not None:
            done.insert(0, f"reshaped: one row per person ({self._schema.reshape.words})")
        elif self._unit.column is not None:
            most = self._unit.max_rows
            done.append(f"at most {most} {'row' if most == 1 else 'rows'} kept per person")
        return tuple(str(Label(LabelKind.FREE, step)) for step in done)

    def curator(self, transaction: Transaction, workload: Sequence[Clique]) -> Curator:
        """The curator of this table, its workload counted in one pass. Reads rows: the transaction must be touched."""
        self._source.prefetch(workload)
        return Curator(self._source, self._unit, transaction)


def described(reader: TableReader, schema: Schema) -> TableReader:
    """The table as the schema's fields describe it: reshaped to one row per person, then masked, where it says so.

    Reads no row. Raises ``DataMismatchError`` for a table that cannot be reshaped or masked.
    """
    reader = reader if schema.reshape is None else ReshapedReader(reader, schema, schema.reshape)
    return MaskedReader(reader, schema) if cell_masks(schema) else reader


def masked_steps(schema: Schema) -> tuple[str, ...]:
    """What a fit does to cells before it reads them, in words; ``SchemaError`` for what no fit can do."""
    return tuple(mask.step for mask in cell_masks(schema).values())


def source_of(reader: TableReader, schema: Schema, unit: Unit) -> MarginalSource:
    """The exact counts of a table, its rows bounded per person where the unit is one; sensitive. Reads no row yet."""
    if unit.column is None:
        return StreamSource(reader, schema)
    missing = tuple(str(text) for text in schema.document.get("missingValues", ()))
    return BoundedSource(reader, schema, column=unit.column, max_rows=unit.max_rows, missing=missing)
