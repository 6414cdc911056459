"""The questions of discovery, answered by the room over one table. Proof page: ``docs/proofs/reserve-before-read.md``.

Every question reads the table afresh under another fixed public partition, its rows bounded per person each time; all
charges go to one transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from dpsynth.curator.bounding import BoundedSource
from dpsynth.curator.categories import categories
from dpsynth.curator.curator import Curator
from dpsynth.curator.distinct import distinct_counts
from dpsynth.curator.keys import KeySource
from dpsynth.curator.sources import MarginalSource, StreamSource
from dpsynth.discovery.questions import Partitions
from dpsynth.errors import DataMismatchError
from dpsynth.ledger import Transaction
from dpsynth.privacy.answers import NoisyMarginal
from dpsynth.privacy.discoveries import Categories, DistinctCount
from dpsynth.privacy.governor import Governor
from dpsynth.privacy.loss import PrivacyLoss
from dpsynth.privacy.unit import Unit
from dpsynth.schema.document import writable
from dpsynth.schema.kinds import MISSING
from dpsynth.tables import TableReader


def asked_columns(reader: TableReader, unit: Unit) -> tuple[str, ...]:
    """The columns that discovery asks about: the header, without the column that identifies persons.

    ``DataMismatchError`` when that column is absent, or nothing else is there. Looks at names only.
    """
    if unit.column is not None and unit.column not in reader.names:
        raise DataMismatchError(f"the table has no column {unit.column!r}, the privacy unit", where=reader.where)
    names = tuple(name for name in reader.names if name != unit.column)
    if not names:
        raise DataMismatchError("the table has no column to be modeled", where=reader.where)
    for position, name in enumerate(reader.names, start=1):
        if not writable(name):
            what = f"column {position} has no name that a schema can hold"
            raise DataMismatchError(what, where=reader.where, hint="Rename it.")
    return names


def key_source(reader: TableReader, unit: Unit) -> KeySource:
    """The exact counts of the texts of every column that discovery asks about; sensitive. Reads no row yet."""
    return KeySource(reader, asked_columns(reader, unit), unit=unit, missing=MISSING)


def partition_source(reader: TableReader, partitions: Partitions, unit: Unit) -> MarginalSource:
    """The exact class counts of columns under public partitions; sensitive. Reads no row yet."""
    if unit.column is None:
        return StreamSource(reader, partitions)
    return BoundedSource(reader, partitions, column=unit.column, max_rows=unit.max_rows, missing=MISSING)


class TableQuestions:
    """Serves ``Discoverable`` over a table and a touched transaction: charge, read, noise, answer."""

    def __init__(self, reader: TableReader, unit: Unit, transaction: Transaction) -> None:
        self.names = asked_columns(reader, unit)
        self._reader, self._unit, self._transaction = reader, unit, transaction

    @property
    def unit(self) -> Unit:
        """The privacy unit."""
        return self._unit

    @property
    def governor(self) -> Governor:
        """The currency that the reservation is spent in."""
        return self._transaction.governor

    def counts(self, partitions: Partitions, loss: PrivacyLoss) -> tuple[NoisyMarginal, ...]:
        """The noisy class counts of every column of the partitions, charged together at most ``loss``."""
        curator = Curator(partition_source(self._reader, partitions, self._unit), self._unit, self._transaction)
        return curator.measure([(name,) for name in partitions.domain], loss)

    def categories(self, columns: Sequence[str], loss: PrivacyLoss) -> tuple[Categories, ...]:
        """The frequent texts of every column with noisy counts; the delta of ``loss`` pays for their threshold."""
        return categories(self._keys, self._unit, self._transaction, columns, loss)

    def distinct(self, columns: Sequence[str], loss: PrivacyLoss) -> tuple[DistinctCount, ...]:
        """The noisy number of different texts in every column, charged together at most ``loss``."""
        return distinct_counts(self._keys, self._unit, self._transaction, columns, loss)

    @cached_property
    def _keys(self) -> KeySource:
        return key_source(self._reader, self._unit)
