"""Date shift: all dates of one person move by the same number of days, which only the key tells."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from dpsynth.anonymization.masks.keys import Hashing
from dpsynth.anonymization.masks.mask import plain_text, unfit_type
from dpsynth.anonymization.masks.values import as_cells, decoded
from dpsynth.schema.calendars import DAY
from dpsynth.schema.cells import is_text, trimmed, valid_bits
from dpsynth.schema.date_texts import written
from dpsynth.schema.dates import FIRST_SECOND, ISO, LAST_SECOND, pattern_of, read_moments
from dpsynth.schema.scales import InstantScale

Whole = NDArray[np.int64]

_FIRST, _LAST = FIRST_SECOND // DAY, LAST_SECOND // DAY
_PER_DAY = {"s": DAY, "ms": DAY * 10**3, "us": DAY * 10**6, "ns": DAY * 10**9}


@dataclass(frozen=True, eq=False)
class Shift:
    """Dates and times moved by ``least .. most`` days, drawn by the key for each cell of the column ``by``.

    Whole days: intervals between the dates of one person, the time of day and the offset stay. A cell is null that is
    no date, whose person is missing, or that would leave the years 1 to 9999 or the range of its type.
    """

    step: str
    hashing: Hashing
    least: int
    most: int
    by: tuple[str, ...]
    form: str | None = None

    def output(self, kind: pa.DataType, where: str) -> pa.DataType:
        """Dates and timestamps keep their type, text stays text."""
        if pa.types.is_dictionary(kind):
            return self.output(kind.value_type, where)
        if is_text(kind):
            return pa.string()
        if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
            return kind
        raise unfit_type(self.step, kind, where)

    def masked(self, column: pa.Array, *others: pa.Array) -> pa.Array:
        """See ``Mask.masked``; ``others`` is the column of persons, as it was before any mask."""
        shifts, named = self._shifts(others[0])
        column = plain_text(column)
        if is_text(column.type):
            return self._texts(as_cells(column), shifts, named)
        unit, per_day = (pa.int32(), 1) if pa.types.is_date32(column.type) else (pa.int64(), _steps(column.type))
        raw = np.asarray(column.view(unit).fill_null(0).to_numpy(zero_copy_only=False)).astype(np.int64)
        moved = raw + shifts * per_day
        days = np.floor_divide(moved, per_day)
        # A sum that left int64 came out on the other side of the number line.
        inside = ((moved >= raw) == (shifts >= 0)) & (days >= _FIRST) & (days <= _LAST)
        known = valid_bits(column) & named & inside
        numbers = pa.array(np.where(known, moved, 0), mask=~known)
        return numbers.cast(unit).view(column.type)

    def _shifts(self, persons: pa.Array) -> tuple[Whole, NDArray[np.bool_]]:
        """The days of each row, and whether the row names a person."""
        encoded = trimmed(as_cells(persons)).dictionary_encode()
        drawn = self.hashing.numbers(encoded.dictionary.to_pylist(), self.most - self.least + 1)
        table = np.array([*(self.least + number for number in drawn), 0], dtype=np.int64)
        places = np.asarray(encoded.indices.fill_null(len(drawn)).to_numpy(zero_copy_only=False))
        return table[places], places < len(drawn)

    def _texts(self, cells: pa.Array, shifts: Whole, named: NDArray[np.bool_]) -> pa.Array:
        cells = trimmed(cells)
        moments = read_moments(cells, ISO if self.form is None else pattern_of(self.form))
        days = moments.days + shifts
        known = moments.valid & named & (days >= _FIRST) & (days <= _LAST)
        days = np.where(known, days, 0)
        if self.form is not None:
            micros = np.where(known, moments.nanoseconds // 1000, 0) + days * _PER_DAY["us"]
            texts = written(pa.array(micros).view(pa.timestamp("us")), InstantScale("day", None, 6), self.form)
        else:
            dates = pa.array(np.datetime_as_string(days.astype("datetime64[D]")))
            rest = pc.utf8_slice_codeunits(decoded(cells).fill_null("").cast(pa.string()), 10)
            texts = pc.binary_join_element_wise(dates, rest, "")
        return pc.if_else(pa.array(known), texts.cast(pa.string()), pa.scalar(None, pa.string()))


def _steps(kind: pa.DataType) -> int:
    return _PER_DAY["ms" if pa.types.is_date64(kind) else kind.unit]
