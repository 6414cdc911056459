"""One secret coin per unit says who is held out of a fit. Proof page: ``docs/proofs/holdout.md``.

A person's coin is a keyed hash of the identifier; a row's is the next of a keyed stream, whatever the row holds. The
key is fresh for every fit: it is kept for an audit, and never released.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dpsynth.anonymization.masks.keys import MaskKey
from dpsynth.curator.bounding import canonical_ids, check_identifier
from dpsynth.errors import UsageError
from dpsynth.tables.reader import BATCH_ROWS, TableReader, check_present

LARGEST_SHARE = Fraction(1, 2)
_COIN = np.dtype(">u8")
_COINS = 8
"""So many coins are one hash of 64 bytes."""


@dataclass(frozen=True, slots=True)
class Coins:
    """The coins of one fit: each unit is held out with chance ``share``, up to 2**-64. ``UsageError`` for a share
    outside 0 to 1/2.
    """

    key: MaskKey
    share: Fraction

    def __post_init__(self) -> None:
        if not 0 < self.share <= LARGEST_SHARE:
            raise UsageError("the share that is held out lies above 0 and is at most 1/2", hint="Example: 10%")

    def of_rows(self, start: int, rows: int) -> NDArray[np.bool_]:
        """Whether each of ``rows`` rows is held out, the first being number ``start`` of its table, from 0."""
        first, end = start // _COINS, -(-(start + rows) // _COINS)
        counters = [number.to_bytes(8) for number in range(first, end)]
        stream = b"".join(self.key.hashing("holdout", "rows").digests(counters, _COINS * _COIN.itemsize))
        skipped = start - first * _COINS
        return self._held(stream)[skipped : skipped + rows]

    def of_persons(self, ids: pa.LargeBinaryArray) -> NDArray[np.bool_]:
        """Whether each row's person is held out; a row without an identifier never is."""
        encoded = ids.dictionary_encode()
        hashes = self.key.hashing("holdout", "persons").digests(encoded.dictionary.to_pylist(), _COIN.itemsize)
        held = np.append(self._held(b"".join(hashes)), [False])
        return np.asarray(held[encoded.indices.fill_null(len(held) - 1).to_numpy()])

    def _held(self, stream: bytes) -> NDArray[np.bool_]:
        return np.frombuffer(stream, _COIN) < np.uint64(int(self.share * 2**64))


class SideReader:
    """The units of ``reader`` that were held out (``held``), or all others, in their order.

    ``person``: the column that names the unit, ``None`` where it is a row. Reads what is asked for and that column.
    Raises ``DataMismatchError`` when the column is absent or of a type that cannot name a person.
    """

    def __init__(self, reader: TableReader, coins: Coins, person: str | None, *, held: bool) -> None:
        if person is not None:
            check_identifier(reader, person)
        self._reader, self._coins, self._person, self._held = reader, coins, person, held

    @property
    def where(self) -> str:
        """The name of the whole table."""
        return self._reader.where

    @property
    def names(self) -> tuple[str, ...]:
        """The columns of the whole table."""
        return self._reader.names

    @property
    def types(self) -> Mapping[str, str]:
        """The physical types of the whole table."""
        return self._reader.types

    def batches(self, columns: Sequence[str], batch_rows: int = BATCH_ROWS) -> Iterator[pa.RecordBatch]:
        """The rows of this side; see ``TableReader.batches``."""
        check_present(columns, self.names, self.where)
        return self._rows(tuple(columns), batch_rows)

    def _rows(self, columns: tuple[str, ...], batch_rows: int) -> Iterator[pa.RecordBatch]:
        start, person = 0, self._person
        wanted = columns if person is None else tuple(dict.fromkeys((*columns, person)))
        for batch in self._reader.batches(wanted, batch_rows):
            if person is None:
                held = self._coins.of_rows(start, batch.num_rows)
            else:
                held = self._coins.of_persons(canonical_ids(batch.column(person)))
            start += batch.num_rows
            yield batch.filter(pa.array(held == self._held)).select(list(columns))
