"""Round numbers and round dates: bins that begin there are the ones that people read, compare and aggregate."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Ticks = NDArray[np.int64]

_STEPS = np.array([step * 10**power for power in range(18) for step in (1, 2, 5)], dtype=np.int64)
_ROUND = np.array(sorted({m * 10**power for power in range(17) for m in (10, 25, 50)} | {1, 5}), dtype=np.int64)


def roundness(ticks: Ticks, *, calendar: bool) -> NDArray[np.float64]:
    """How round each tick is: the logarithm of the largest 1, 2.5 or 5 times a power of ten that divides it; for
    days, 3 where a year begins, 2 a quarter, 1 a month, 0 else. 0 is the roundest number.
    """
    if calendar:
        months = ticks.astype("datetime64[D]").astype("datetime64[M]")
        first = months.astype("datetime64[D]").astype(np.int64) == ticks
        number = months.astype(np.int64) % 12
        calendar_: NDArray[np.float64] = np.where(number == 0, 3.0, np.where(number % 3 == 0, 2.0, 1.0))
        return np.where(first, calendar_, 0.0)
    divides = ticks[:, None] % _ROUND[None, :] == 0
    largest: NDArray[np.int64] = np.where(divides, _ROUND[None, :], 1).max(axis=1)
    return np.log10(largest.astype(np.float64))


def between(low: int, high: int, count: int, *, calendar: bool) -> list[int]:
    """``low`` and the round ticks between it and ``high``: about ``count`` starts of parts, of one tick at least."""
    width = (high - low) / count
    if calendar and width >= _MONTH:
        starts = _first_days(low, high, 12 if width >= _YEAR else 1)
        return [low, *(day for day in starts.tolist() if low < day < high)]
    step = int(_STEPS[max(int(np.searchsorted(_STEPS, width, side="right")) - 1, 0)])
    return [low, *range(low + step - low % step, high, step)]


_MONTH, _YEAR = 28, 365


def _first_days(low: int, high: int, months: int) -> Ticks:
    """The first days of the years or months from ``low`` to ``high``."""
    ends = np.array([low, high]).astype("datetime64[D]").astype("datetime64[M]").astype(np.int64).tolist()
    first = np.arange(ends[0] - ends[0] % months, ends[1] + 1, months, dtype=np.int64)
    return first.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
