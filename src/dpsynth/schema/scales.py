"""Scales: how the cells of one type become ordered numbers, and how numbers become cells, labels and intervals."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dpsynth.schema.calendars import DAY, to_utc, to_wall, unit_labels, unit_starts
from dpsynth.schema.cells import LIMIT, Bits, integers, is_text, reals, ungrouped
from dpsynth.schema.dates import FIRST_SECOND, ISO, LAST_SECOND, days, read_moments, seconds_and_rest

_ALL = np.ones(1, dtype=np.bool_)
_PARTIAL = re.compile(r"^\d{4}(-\d{2}(-\d{2})?)?$")


class Scale(Protocol):
    """One type's numbers. ``read`` is total and elementwise; ``interval`` raises ``ValueError`` for other texts."""

    @property
    def arrow_type(self) -> pa.DataType:
        """The type of every decoded column."""

    def read(self, column: pa.Array) -> tuple[NDArray[Any], Bits]:
        """The number of each cell and which cells hold one."""

    def interval(self, text: str) -> tuple[Any, Any]:
        """The closed interval that a text of the schema or of a condition means (a date means its whole day)."""

    def write(self, values: NDArray[Any], missing: Bits | None) -> pa.Array:
        """Cells of ``arrow_type``, null where ``missing``."""

    def labels(self, edges: NDArray[Any]) -> tuple[str, ...]:
        """One readable name per bin."""


@dataclass(frozen=True)
class IntegerScale:
    """Whole numbers; bins are named ``7`` or ``20..24``. ``group`` may stand between groups of three digits."""

    group: str | None = None

    @property
    def arrow_type(self) -> pa.DataType:
        """int64."""
        return pa.int64()

    def read(self, column: pa.Array) -> tuple[NDArray[np.int64], Bits]:
        """The int64 of each cell, and which cells hold an integer."""
        return integers(column if self.group is None else ungrouped(column, self.group))

    def interval(self, text: str) -> tuple[int, int]:
        """The one number that the text states; beyond ±10**18 it is far outside every domain."""
        value = int(text)
        return max(min(value, LIMIT), -LIMIT), max(min(value, LIMIT), -LIMIT)

    def write(self, values: NDArray[np.int64], missing: Bits | None) -> pa.Array:
        """int64 cells."""
        return pa.array(values, self.arrow_type, mask=missing)

    def labels(self, edges: NDArray[np.int64]) -> tuple[str, ...]:
        """``7`` for a single number, ``20..24`` otherwise."""
        pairs = zip(edges[:-1].tolist(), (edges[1:] - 1).tolist(), strict=True)
        return tuple(str(low) if low == high else f"{low}..{high}" for low, high in pairs)


@dataclass(frozen=True)
class RealScale:
    """Real numbers; bins are named ``[0.5, 1.0)``, the last one ``[0.5, 1.0]``. ``group`` as of whole numbers."""

    group: str | None = None

    @property
    def arrow_type(self) -> pa.DataType:
        """float64."""
        return pa.float64()

    def read(self, column: pa.Array) -> tuple[NDArray[np.float64], Bits]:
        """The float64 of each cell, and which cells hold a number."""
        return reals(column if self.group is None else ungrouped(column, self.group))

    def interval(self, text: str) -> tuple[float, float]:
        """The one number that the text states."""
        value = float(text)
        if not math.isfinite(value) or "_" in text:
            raise ValueError(text)
        return value, value

    def write(self, values: NDArray[np.float64], missing: Bits | None) -> pa.Array:
        """float64 cells."""
        return pa.array(values, self.arrow_type, mask=missing)

    def labels(self, edges: NDArray[np.float64]) -> tuple[str, ...]:
        """Half-open intervals, the last one closed."""
        texts = [repr(edge) for edge in edges.tolist()]
        closing = [")"] * (len(texts) - 2) + ["]"]
        return tuple(f"[{a}, {b}{end}" for a, b, end in zip(texts[:-1], texts[1:], closing, strict=True))


@dataclass(frozen=True)
class DateScale:
    """Days since 1970-01-01; bins are calendar units of days."""

    unit: str
    pattern: str = ISO
    others: tuple[str, ...] = ()

    @property
    def arrow_type(self) -> pa.DataType:
        """date32."""
        return pa.date32()

    def read(self, column: pa.Array) -> tuple[NDArray[np.int64], Bits]:
        """The day of each cell, and which cells hold a date."""
        return days(column, self.pattern, *self.others)

    def interval(self, text: str) -> tuple[int, int]:
        """The days of a year, a month or a day."""
        if _PARTIAL.match(text):
            start, end = _partial(text, "D")
            return start, end - 1
        values, valid = days(pa.array([text.encode()], pa.binary()), ISO, self.pattern, *self.others)
        if not valid[0]:
            raise ValueError(text)
        return int(values[0]), int(values[0])

    def write(self, values: NDArray[np.int64], missing: Bits | None) -> pa.Array:
        """date32 cells."""
        return pa.array(values.astype(np.int32), pa.int32(), mask=missing).view(self.arrow_type)

    def labels(self, edges: NDArray[np.int64]) -> tuple[str, ...]:
        """The calendar unit that each bin lies in."""
        return unit_labels(edges[:-1] * DAY, self.unit)

    def edges(self, low: int, high: int) -> NDArray[np.int64]:
        """The bins of ``low .. high``: one per calendar unit, the first and the last cut at the bounds."""
        starts = unit_starts(low * DAY, high * DAY, self.unit) // DAY
        return np.unique(np.concatenate([[low], starts[(starts > low) & (starts <= high)], [high + 1]]))


@dataclass(frozen=True)
class InstantScale:
    """Moments as steps of ``10**-decimals`` seconds since 1970 UTC (or since 1970 on the wall, without a zone)."""

    unit: str
    zone: str | None = None
    decimals: int = 0
    pattern: str = ISO
    others: tuple[str, ...] = ()

    @property
    def arrow_type(self) -> pa.DataType:
        """Microseconds, in the declared zone."""
        return pa.timestamp("us", tz=self.zone)

    @cached_property
    def _steps(self) -> int:
        return int(10**self.decimals)

    def read(self, column: pa.Array) -> tuple[NDArray[np.int64], Bits]:
        """The step of each cell, and which cells hold a moment; a cell without an offset is local to the zone."""
        if is_text(column.type) or pa.types.is_integer(column.type):
            text = column if is_text(column.type) else column.cast(pa.string())
            moments = read_moments(text, self.pattern, *self.others)
            seconds = moments.days * DAY + moments.nanoseconds // 10**9 - moments.offsets
            rest, valid, local = moments.nanoseconds % 10**9, moments.valid, ~moments.zoned
        else:
            seconds, rest, valid = seconds_and_rest(column)
            aware = pa.types.is_timestamp(column.type) and column.type.tz is not None
            local = np.full(len(seconds), not aware, dtype=np.bool_)
        return self._located(seconds, local) * self._steps + rest // (10**9 // self._steps), valid

    def _located(self, seconds: NDArray[np.int64], local: Bits) -> NDArray[np.int64]:
        seconds = np.clip(seconds, FIRST_SECOND, LAST_SECOND)
        if self.zone is None or not local.any():
            return seconds
        return np.where(local, to_utc(seconds, self.zone), seconds)

    def interval(self, text: str) -> tuple[int, int]:
        """The steps of a year, month or day (local to the zone), or of one moment to the second or finer."""
        if _PARTIAL.match(text):
            ends = np.array(_partial(text, "s"), dtype=np.int64)
            if ends[0] < FIRST_SECOND:
                raise ValueError(text)
            low, high = (self._located(ends, _ALL) * self._steps).tolist()
            return low, high - 1
        stated = replace(self, pattern=ISO, others=(self.pattern, *self.others))
        values, valid = stated.read(pa.array([text.encode()], pa.binary()))
        if not valid[0]:
            raise ValueError(text)
        return int(values[0]), int(values[0])

    def write(self, values: NDArray[np.int64], missing: Bits | None) -> pa.Array:
        """timestamp[us] cells in the zone."""
        micros = values * (10**6 // self._steps)
        return pa.array(micros, pa.int64(), mask=missing).view(self.arrow_type)

    def labels(self, edges: NDArray[np.int64]) -> tuple[str, ...]:
        """The calendar unit, on the wall of the zone, that each bin lies in."""
        return unit_labels(self.wall(edges[:-1] // self._steps), self.unit)

    def edges(self, low: int, high: int) -> NDArray[np.int64]:
        """The bins of ``low .. high``: one per calendar unit of the zone, cut at the bounds."""
        first, last = self.wall(np.array([low, high]) // self._steps).tolist()
        starts = self._located(unit_starts(first - DAY, last + DAY, self.unit), _ALL) * self._steps
        return np.unique(np.concatenate([[low], starts[(starts > low) & (starts <= high)], [high + 1]]))

    def wall(self, seconds: NDArray[np.int64]) -> NDArray[np.int64]:
        """Seconds since 1970 on the wall of the zone, of seconds since 1970 UTC."""
        return seconds if self.zone is None else to_wall(seconds, self.zone)


def _partial(text: str, unit: str) -> tuple[int, int]:
    """The start of a year, month or day and the start of the next; ``ValueError`` for a date that does not exist."""
    start = np.datetime64(text)
    first, last = (int(moment.astype(f"datetime64[{unit}]").astype(np.int64)) for moment in (start, start + 1))
    return first, last
