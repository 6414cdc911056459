"""From a table that was opened to a curator over its rows. Proof page: ``docs/proofs/reserve-before-read.md``.

Constructing an ``Ingest`` looks at names and physical types; rows are first read by a question to the curator.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dpsynth.curator.bounding import BoundedSource
from dpsynth.curator.curator import Curator
from dpsynth.curator.reshaping import ReshapedReader
from dpsynth.curator.sources import MarginalSource, StreamSource
from dpsynth.domain import Clique
from dpsynth.errors import DataMismatchError, NoGuaranteeError
from dpsynth.ledger import Transaction
from dpsynth.privacy.labels import Label, LabelKind
from dpsynth.privacy.unit import Unit
from dpsynth.schema import Schema
from dpsynth.tables import TableReader, verify_sidecar

_LABEL = re.compile(r"(FREE|COSTS|POST|NON-DP|STABLE\((\d{1,9})\))(?: (.*))?", re.DOTALL)


@dataclass(frozen=True)
class Preprocessing:
    """What was done to a table before the fit: its label chain, the product of all stabilities, notes for the user."""

    labels: tuple[str, ...]
    stability: int
    notes: tuple[str, ...]


_RAW = "no sidecar (TABLE.dpsynth.json) says what was done to the table before: it counts as raw"


def preprocessing_of(data: Any) -> Preprocessing:
    """The label chain of a table from its sidecar; a table without one counts as raw, and the notes say so.

    Raises ``DataMismatchError`` when the file is not the one its sidecar describes, and ``NoGuaranteeError`` for a
    step without finite stability or with one above 1.
    """
    if not isinstance(data, str | os.PathLike) or os.fspath(data) == "-":
        return Preprocessing((), 1, (_RAW,))
    sidecar = verify_sidecar(data)
    if sidecar is None:
        return Preprocessing((), 1, (_RAW,))
    where = os.fspath(data)
    labels = [_label(text, where) for text in sidecar.labels]
    for label in labels:
        if label.kind is LabelKind.NON_DP:
            raise NoGuaranteeError(
                f"the step {label.step!r} has no finite stability: no guarantee would hold", where=where
            )
        if label.stability > 1:
            raise NoGuaranteeError(
                f"the step {label.step!r} multiplies every sensitivity by {label.stability}",
                where=where,
                hint="Fit the table before that step.",
            )
    return Preprocessing(sidecar.labels, 1, ())


def _label(text: str, where: str) -> Label:
    match = _LABEL.fullmatch(text)
    if match is None:
        raise DataMismatchError("the sidecar holds a label that is not known", where=where)
    kind = LabelKind.STABLE if match[2] else LabelKind(match[1])
    return Label(kind, match[3] or "unnamed", int(match[2] or 1))


class Ingest:
    """A table that fits its schema and unit, not yet read. Raises ``DataMismatchError`` if it does not fit."""

    def __init__(self, reader: TableReader, schema: Schema, unit: Unit) -> None:
        reader = reshaped(reader, schema)
        schema.check_columns(reader.names, reader.types)
        if unit.column is not None and unit.column not in reader.names:
            raise DataMismatchError(f"the table has no column {unit.column!r}, the privacy unit", where=reader.where)
        self._schema = schema
        self._unit = unit
        self._source = source_of(reader, schema, unit)

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels of ingestion itself."""
        encoded = str(Label(LabelKind.FREE, "encoded by the schema, row by row"))
        if self._schema.reshape is not None:
            done = f"reshaped: one row per person ({self._schema.reshape.words})"
            return (str(Label(LabelKind.FREE, done)), encoded)
        if self._unit.column is None:
            return (encoded,)
        most = self._unit.max_rows
        kept = f"at most {most} {'row' if most == 1 else 'rows'} kept per person"
        return (encoded, str(Label(LabelKind.FREE, kept)))

    def curator(self, transaction: Transaction, workload: Sequence[Clique], stability: int) -> Curator:
        """The curator of this table, its workload counted in one pass. Reads rows: the transaction must be touched."""
        self._source.prefetch(workload)
        return Curator(self._source, self._unit, transaction, stability)


def reshaped(reader: TableReader, schema: Schema) -> TableReader:
    """The table as the schema's fields describe it: reshaped to one row per person if the schema says so.

    Reads no row. Raises ``DataMismatchError`` for a table that cannot be reshaped.
    """
    return reader if schema.reshape is None else ReshapedReader(reader, schema, schema.reshape)


def source_of(reader: TableReader, schema: Schema, unit: Unit) -> MarginalSource:
    """The exact counts of a table, its rows bounded per person where the unit is one; sensitive. Reads no row yet."""
    if unit.column is None:
        return StreamSource(reader, schema)
    missing = tuple(str(text) for text in schema.document.get("missingValues", ()))
    return BoundedSource(reader, schema, column=unit.column, max_rows=unit.max_rows, missing=missing)
