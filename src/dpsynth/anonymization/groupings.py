"""The groups of different values, by level: intervals of numbers, calendar units, prefixes, the most frequent ones.

Every function takes the different values of a column as texts, and gives a column of group names for each level; null
where a value is not of the kind that can be grouped so. The last level is the root, which holds all that can.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from dpsynth.anonymization.hierarchies import SUPPRESSED
from dpsynth.schema.cells import reals
from dpsynth.schema.dates import ISO, days
from dpsynth.schema.hierarchy_parts import DateLevel

Whole = NDArray[np.int64]
Level = float | tuple[float, ...]
_Floats = NDArray[np.float64]


def intervals(
    texts: pa.StringArray, levels: Sequence[Level], low: float | None, high: float | None
) -> list[pa.StringArray]:
    """Half-open intervals by level: of a width, or between ascending edges; what is no finite number has none.

    With ``low`` intervals start there instead of at 0 and what is below is a group of its own at every level; so is
    what is not below ``high``, or beyond the edges. Each level must be a coarsening of the one before.
    """
    numbers, known = reals(texts)
    known = known & np.isfinite(numbers)
    inside = np.where(known, numbers, 0.0)
    found: list[pa.StringArray] = []
    for level in levels:
        below, above = _around(inside, level, low, high)
        found.append(_where(known, _interval_labels(below, above)))
        if len(found) == 1:
            # The middle of a finest interval lies safely within the coarser ones, wherever its number does.
            bounded = np.isfinite(below) & np.isfinite(above)
            middle = np.where(bounded, below, 0.0) / 2 + np.where(bounded, above, 0.0) / 2
            inside = np.where(bounded, middle, inside)
    return [*found, _where(known, root(texts))]


def dates(texts: pa.StringArray, levels: Sequence[DateLevel], pattern: str) -> list[pa.StringArray]:
    """Calendar units by level; what is no date, by the pattern or ISO 8601, has none. Weeks are those of ISO 8601."""
    numbers, known = days(texts.cast(pa.binary()), pattern, ISO)
    different, place = np.unique(np.where(known, numbers, 0), return_inverse=True)
    taken = pa.array(place.reshape(-1))
    named = [pa.array(_units(different, level), pa.string()).take(taken) for level in levels]
    return [_where(known, column) for column in (*named, root(texts))]


def date_order(texts: pa.StringArray, pattern: str) -> Whole:
    """The positions of the dates in ascending order."""
    return np.argsort(days(texts.cast(pa.binary()), pattern, ISO)[0], kind="stable").astype(np.int64)


def prefixes(texts: pa.StringArray, keep: Sequence[int]) -> list[pa.StringArray]:
    """So many first characters by level, what is cut off as one ``*``."""
    length = pc.utf8_length(texts)
    cut = [pc.binary_join_element_wise(pc.utf8_slice_codeunits(texts, 0, most), SUPPRESSED, "") for most in keep]
    shown = [pc.if_else(pc.greater(length, most), part, texts) for most, part in zip(keep, cut, strict=True)]
    return [*shown, root(texts)]


def most_frequent(texts: pa.StringArray, counts: Whole, keep: Sequence[int]) -> list[pa.StringArray]:
    """So many of the most frequent values by level, the others as ``*``; of equally frequent ones the first texts."""
    by_text = np.asarray(pc.sort_indices(texts), np.int64)
    rank = _ranks(by_text[np.argsort(-counts[by_text], kind="stable")])
    return [*(pc.if_else(pa.array(rank < most), texts, SUPPRESSED) for most in keep), root(texts)]


def neighbors(texts: pa.StringArray, sizes: Sequence[int]) -> list[pa.StringArray]:
    """Groups of so many neighbors, by level, in the order of the values that occur."""
    order = natural_order(texts)
    rank = _ranks(order)
    names = texts.take(pa.array(order)).to_pylist()
    named = [pa.array(runs(names, size), pa.string()).take(pa.array(rank // size)) for size in sizes]
    return [*named, root(texts)]


def runs(texts: Sequence[str], size: int) -> list[str]:
    """The names of the groups of so many consecutive texts: ``[first, last]``."""
    ends = [(texts[start], texts[min(start + size, len(texts)) - 1]) for start in range(0, len(texts), size)]
    return [first if first == last else f"[{first}, {last}]" for first, last in ends]


def natural_order(texts: pa.StringArray) -> Whole:
    """The positions of different texts in ascending order: as numbers when all of them are some, else as texts."""
    numbers, known = reals(texts)
    if known.all():
        return np.argsort(numbers, kind="stable").astype(np.int64)
    return np.asarray(pc.sort_indices(texts), np.int64)


def root(texts: pa.StringArray) -> pa.StringArray:
    """``*`` for every value."""
    return pa.repeat(pa.scalar(SUPPRESSED, pa.string()), len(texts))


def _around(numbers: _Floats, level: Level, low: float | None, high: float | None) -> tuple[_Floats, _Floats]:
    """The lower and upper bound of the interval of each number; infinite where there is none."""
    if isinstance(level, tuple):
        edges = np.array([-np.inf, *level, np.inf])
        place = np.searchsorted(edges, numbers, side="right")
        return edges[place - 1], edges[place]
    start = low or 0.0
    steps = (numbers - start) / level
    near = np.rint(steps)
    # 0.3 / 0.1 is a little less than 3.
    whole = np.where(np.abs(steps - near) <= 1e-9 * np.maximum(np.abs(steps), 1.0), near, np.floor(steps))
    below, above = start + whole * level, start + (whole + 1) * level
    if high is not None:
        beyond = numbers >= high
        below, above = np.where(beyond, high, below), np.where(beyond, np.inf, np.minimum(above, high))
    if low is not None:
        under = numbers < low
        below, above = np.where(under, -np.inf, below), np.where(under, low, above)
    return below, above


def _interval_labels(below: _Floats, above: _Floats) -> pa.StringArray:
    # Both bounds together: next to ``high`` two intervals may begin alike, and no value may choose another one's label.
    both = np.empty(len(below), np.complex128)
    both.real, both.imag = below, above
    different, place = np.unique(both, return_inverse=True)
    ends = zip(different.real.tolist(), different.imag.tolist(), strict=True)
    return pa.array([_interval(low, high) for low, high in ends], pa.string()).take(pa.array(place.reshape(-1)))


def _interval(low: float, high: float) -> str:
    if low == -np.inf:
        return f"< {high:.12g}"
    return f">= {low:.12g}" if high == np.inf else f"[{low:.12g}, {high:.12g})"


def _units(different: Whole, level: DateLevel) -> list[str]:
    """The name of the calendar unit in which each day lies, counted from 1970-01-01."""
    stamps = different.astype("datetime64[D]")
    if level == "week":
        thursdays = (different - (different + 3) % 7 + 3).astype("datetime64[D]")
        years = thursdays.astype("datetime64[Y]")
        weeks = (thursdays - years.astype("datetime64[D]")).astype(np.int64) // 7 + 1
        return [f"{year}-W{week:02d}" for year, week in zip(years.astype(str).tolist(), weeks.tolist(), strict=True)]
    if level in ("day", "month", "year"):
        return [str(unit) for unit in stamps.astype(f"datetime64[{level[0].upper()}]").astype(str).tolist()]
    months = stamps.astype("datetime64[M]").astype(np.int64) + 1970 * 12
    if level == "quarter":
        return [f"{month // 12}-Q{month % 12 // 3 + 1}" for month in months.tolist()]
    return [f"{month // 120}0s" for month in months.tolist()]


def _ranks(order: Whole) -> Whole:
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    return rank


def _where(known: NDArray[np.bool_], column: pa.StringArray) -> pa.StringArray:
    return pc.if_else(pa.array(known), column, pa.scalar(None, pa.string()))
