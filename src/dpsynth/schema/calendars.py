"""Calendar units on a wall clock: where they start, what they are called, and what the wall says in UTC."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

DAY = 86_400
Unit = Literal["hour", "day", "week", "month", "quarter", "year"]
SHORTEST = {"hour": 3600, "day": DAY, "week": 7 * DAY, "month": 28 * DAY, "quarter": 90 * DAY, "year": 365 * DAY}
"""The least number of seconds of each unit."""

_NUMPY = {"hour": "h", "day": "D", "month": "M", "quarter": "M", "year": "Y"}


def unit_starts(low: int, high: int, unit: str) -> NDArray[np.int64]:
    """The wall seconds at which the units that touch ``low .. high`` start; int64, ascending."""
    ends = np.array([low, high], dtype="datetime64[s]")
    if unit == "week":
        first, last = ends.astype("datetime64[D]").astype(np.int64).tolist()
        return np.arange(first - (first + 3) % 7, last + 1, 7, dtype=np.int64) * DAY
    first, last = ends.astype(f"datetime64[{_NUMPY[unit]}]").astype(np.int64).tolist()
    step = 3 if unit == "quarter" else 1
    starts = np.arange(first - first % step, last + 1, step, dtype=np.int64)
    return starts.astype(f"datetime64[{_NUMPY[unit]}]").astype("datetime64[s]").astype(np.int64)


def unit_labels(seconds: NDArray[np.int64], unit: str) -> tuple[str, ...]:
    """The unit around each wall second: ``2020``, ``2020-Q1``, ``2020-03``, ``2020-W10`` or ``2020-03-05``."""
    moments = seconds.astype("datetime64[s]")
    if unit == "week":
        weeks = pc.iso_calendar(pa.array(moments))
        years, numbers = weeks.field(0).to_pylist(), weeks.field(1).to_pylist()
        return tuple(f"{year:04d}-W{number:02d}" for year, number in zip(years, numbers, strict=True))
    texts = np.datetime_as_string(moments.astype(f"datetime64[{_NUMPY[unit]}]")).tolist()
    if unit == "quarter":
        return tuple(f"{text[:4]}-Q{(int(text[5:7]) + 2) // 3}" for text in texts)
    return tuple(texts)


def to_utc(wall: NDArray[np.int64], zone: str) -> NDArray[np.int64]:
    """UTC seconds of wall seconds: an hour that occurs twice is its first occurrence, one that is skipped its end."""
    zoned = pc.assume_timezone(_seconds(wall), timezone=zone, ambiguous="earliest", nonexistent="latest")
    return np.asarray(zoned.view(pa.int64()).to_numpy(zero_copy_only=False))


def to_wall(seconds: NDArray[np.int64], zone: str) -> NDArray[np.int64]:
    """Wall seconds of UTC seconds."""
    wall = pc.local_timestamp(_seconds(seconds, zone))
    return np.asarray(wall.view(pa.int64()).to_numpy(zero_copy_only=False))


def zone_exists(zone: str) -> bool:
    """Whether this machine's time zone database knows the zone."""
    try:
        to_utc(np.zeros(1, dtype=np.int64), zone)
    except (pa.ArrowException, ValueError):
        return False
    return True


def _seconds(values: NDArray[np.int64], zone: str | None = None) -> pa.Array:
    return pa.array(values, pa.int64()).view(pa.timestamp("s", tz=zone))
