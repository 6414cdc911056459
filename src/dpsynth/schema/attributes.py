"""Attributes: what a model counts, each read from one column of the table or from several of the same row.

Proof page: ``docs/proofs/codecs.md``. An attribute's codes are one elementwise function of its columns.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from dpsynth.schema.cells import Bits, Codes, is_text, storage
from dpsynth.schema.codecs import BinnedCodec, Codec, ListedCodec


@dataclass(frozen=True, eq=False)
class Attribute:
    """One axis of the domain: its name, the codec of its codes, the columns it reads, and how.

    ``read`` gives the int32 code of each row: total, and a function of the row's cells in ``columns`` alone.
    """

    name: str
    codec: Codec
    columns: tuple[str, ...]
    read: Callable[[Rows], Codes]


class Rows:
    """The columns of one batch, and the numbers in them, each read once for all attributes that need them."""

    def __init__(self, batch: pa.RecordBatch) -> None:
        self._batch = batch
        self._numbers: dict[tuple[str, int], tuple[NDArray[Any], Bits]] = {}

    def column(self, name: str) -> pa.Array:
        """The cells of a column."""
        return self._batch.column(name)

    def numbers(self, name: str, codec: BinnedCodec | ListedCodec) -> tuple[NDArray[Any], Bits]:
        """``numbers_of`` the column; not to be written to."""
        key = name, id(codec)
        if key not in self._numbers:
            self._numbers[key] = numbers_of(codec, self.column(name))
        return self._numbers[key]


def plain_attribute(name: str, codec: Codec, *, shared: bool) -> Attribute:
    """The attribute of a field's own column; ``shared`` when other attributes read its numbers, too."""
    if shared and isinstance(codec, BinnedCodec):
        return Attribute(name, codec, (name,), lambda rows: _located(codec, *rows.numbers(name, codec)))
    return Attribute(name, codec, (name,), lambda rows: codec.encode(rows.column(name)))


def _located(codec: BinnedCodec, numbers: NDArray[Any], known: Bits) -> Codes:
    return np.where(known, codec.bins.locate(numbers), codec.null_code).astype(np.int32)


def numbers_of(codec: BinnedCodec | ListedCodec, column: pa.Array) -> tuple[NDArray[Any], Bits]:
    """The number, within the codec's domain, that each cell counts as, and which cells count as one.

    Total and elementwise. A cell counts as no number exactly when its code is the null category; where null is no
    category, a missing cell counts as the declared value.
    """
    plain = storage(column)
    if isinstance(codec, ListedCodec):
        codes = codec.encode(plain)
        known = codes < len(codec.values)
        return codec.values[np.where(known, codes, 0)], known
    if pa.types.is_null(plain.type):
        numbers, valid = np.full(len(plain), codec.bins.low), np.zeros(len(plain), dtype=np.bool_)
    elif pa.types.is_dictionary(plain.type) or is_text(plain.type):
        numbers, valid = _distinct(codec, plain)
    else:
        numbers, valid = codec.bounded(plain)
    if codec.fill is None:
        return numbers, valid
    return np.where(valid, numbers, codec.fill), np.ones(len(valid), dtype=np.bool_)


def _distinct(codec: BinnedCodec, column: pa.Array) -> tuple[NDArray[Any], Bits]:
    """The number of each distinct cell, then of every cell."""
    encoded = column if pa.types.is_dictionary(column.type) else pc.dictionary_encode(column)
    numbers, valid = codec.bounded(storage(encoded.dictionary))
    last = len(numbers)
    index = np.asarray(encoded.indices.cast(pa.int64()).fill_null(last).to_numpy(zero_copy_only=False))
    return np.append(numbers, codec.bins.low)[index], np.append(valid, np.False_)[index]
