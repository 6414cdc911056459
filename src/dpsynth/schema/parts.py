"""Calendar parts that a date keeps: attributes beside its bins, and the draw that honors them.

``CalendarPart.encode`` meets sensitive rows (``docs/proofs/codecs.md``): elementwise and total. The draw is
post-processing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property, reduce
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dpsynth.errors import UsageError
from dpsynth.schema.attributes import Attribute, Rows, numbers_of
from dpsynth.schema.calendars import DAY
from dpsynth.schema.cells import Codes
from dpsynth.schema.codecs import BinnedCodec, CategoryCodec
from dpsynth.schema.document import FieldModel
from dpsynth.schema.ranges import WrongKey
from dpsynth.schema.scales import DateScale, InstantScale

NAMES: dict[str, tuple[str, ...]] = {
    "weekday": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    "season": ("Q1", "Q2", "Q3", "Q4"),
    "month": tuple(f"{month:02d}" for month in range(1, 13)),
    "hour": tuple(f"{hour:02d}" for hour in range(24)),
}
"""The names of the values of each part."""

_MAX_SLOTS = 1 << 22


@dataclass(frozen=True, eq=False)
class CalendarPart:
    """One part of a date on its wall clock, as an attribute of its own; null where the date is."""

    field: str
    kind: str
    date: BinnedCodec

    @property
    def name(self) -> str:
        """The attribute's name: ``admission (weekday)``."""
        return f"{self.field} ({self.kind})"

    @cached_property
    def codec(self) -> CategoryCodec:
        """The codec of the part's names."""
        names, nullable = NAMES[self.kind], self.date.nullable
        null = len(names) if nullable else self.code_of(np.array([self.date.fill]))[0]
        spellings = {name.encode(): code for code, name in enumerate(names)}
        return CategoryCodec(pa.array(names), spellings, frozenset({b""}), int(null), int(null), nullable)

    def encode(self, rows: Rows) -> Codes:
        """The int32 code of each date's part, of the date that counts (clipped to the bounds, or null)."""
        numbers, known = rows.numbers(self.field, self.date)
        return np.where(known, self.code_of(numbers), self.codec.null_code).astype(np.int32)

    def code_of(self, numbers: NDArray[np.int64]) -> Codes:
        """The part of each number of the date's scale."""
        seconds = wall_seconds(self.date, numbers)
        days = np.floor_divide(seconds, DAY)
        if self.kind == "hour":
            codes = (seconds - days * DAY) // 3600
        elif self.kind == "weekday":
            codes = (days + 3) % 7  # 1970-01-01 was a Thursday
        else:
            month = days.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64) % 12
            codes = month if self.kind == "month" else month // 3
        return np.asarray(codes).astype(np.int32)


@dataclass(frozen=True, eq=False)
class CalendarParts:
    """All parts that one date keeps, and the draw of a date that has them."""

    parts: tuple[CalendarPart, ...]

    @property
    def date(self) -> BinnedCodec:
        """The codec of the date."""
        return self.parts[0].date

    @property
    def attributes(self) -> tuple[Attribute, ...]:
        """One attribute for each part, all read from the date's column."""
        return tuple(Attribute(one.name, one.codec, (one.field,), one.encode) for one in self.parts)

    def restored(self, columns: Mapping[str, pa.Array], rng: np.random.Generator) -> pa.Array:
        """Dates drawn uniformly among the moments of their bin that have the parts of their row.

        Where a bin has no such moment, the parts listed last are given up first; the bin always holds.
        """
        column = columns[self.parts[0].field]
        numbers, known = numbers_of(self.date, column)
        bins = self.date.bins.locate(numbers)
        wanted = [one.codec.encode(columns[one.name]).astype(np.int64) for one in self.parts]
        open_rows = known.copy()
        drawn = numbers.copy()
        for table in self._tables:
            rows = np.flatnonzero(open_rows)
            if not len(rows):
                break
            found, values = table.draw(bins[rows], [codes[rows] for codes in wanted], rng)
            drawn[rows[found]] = values
            open_rows[rows[found]] = False
        return self.date.scale.write(drawn, None if known.all() else ~known)

    def check_condition(self, column: str) -> None:
        """Refuse, with ``UsageError``, a condition that cuts through bins: it would not weigh the parts."""
        hint = f"Ask for whole bins, or for {' and '.join(repr(one.name) for one in self.parts)}."
        raise UsageError("the condition cuts a bin of a date that keeps calendar parts", where=column, hint=hint)

    @cached_property
    def _tables(self) -> tuple[_Slots, ...]:
        """What to draw from: with all parts, without the last one, and so on."""
        return tuple(_Slots.of(self.date, self.parts[:count]) for count in range(len(self.parts), 0, -1))


@dataclass(frozen=True, eq=False)
class _Slots:
    """Stretches of the scale, each within one bin and one value of every part, sorted by both."""

    keys: NDArray[np.int64]
    starts: NDArray[np.int64]
    before: NDArray[np.int64]
    sizes: tuple[int, ...]

    @staticmethod
    def of(date: BinnedCodec, parts: tuple[CalendarPart, ...]) -> _Slots:
        edges = slot_edges(date, hourly=any(one.kind == "hour" for one in parts))
        edges = np.union1d(edges, date.edges)
        starts, lasts = edges[:-1], edges[1:] - 1
        whole = np.ones(len(starts), dtype=np.bool_)
        for one in parts:
            # A clock that was put back across the end of an hour or a day: such a stretch has two values.
            whole &= one.code_of(starts) == one.code_of(lasts)
        if isinstance(date.scale, DateScale):
            whole &= ~np.isin(starts, date.sentinels)
        starts, lasts = starts[whole], lasts[whole]
        sizes = tuple(len(NAMES[one.kind]) for one in parts)
        keys = _keys(date.bins.locate(starts), [one.code_of(starts) for one in parts], sizes)
        order = np.argsort(keys, kind="stable")
        lengths = (lasts - starts + 1)[order]
        return _Slots(keys[order], starts[order], np.concatenate([[0], np.cumsum(lengths)]), sizes)

    def draw(
        self, bins: Codes, wanted: list[NDArray[np.int64]], rng: np.random.Generator
    ) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
        """Which rows have a slot, and for those a number drawn uniformly from all that fit."""
        keys = _keys(bins, wanted, self.sizes)
        first, last = np.searchsorted(self.keys, keys, "left"), np.searchsorted(self.keys, keys, "right")
        room = self.before[last] - self.before[first]
        found = room > 0
        rank = self.before[first[found]] + np.minimum(
            (rng.random(int(found.sum())) * room[found]).astype(np.int64), room[found] - 1
        )
        slot = np.searchsorted(self.before, rank, side="right") - 1
        return found, self.starts[slot] + (rank - self.before[slot])


def _keys(bins: Codes, parts: list[Any], sizes: tuple[int, ...]) -> NDArray[np.int64]:
    """One number for each combination of a bin and a value of every part."""
    pairs = zip(parts, sizes, strict=False)
    return reduce(lambda key, pair: key * (pair[1] + 1) + pair[0], pairs, bins.astype(np.int64))


def wall_seconds(date: BinnedCodec, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """The seconds since 1970 on the wall clock of the field."""
    scale = date.scale
    if isinstance(scale, InstantScale):
        return scale.wall(np.floor_divide(numbers, 10**scale.decimals))
    return numbers * DAY


def slot_edges(date: BinnedCodec, *, hourly: bool) -> NDArray[np.int64]:
    """The starts of the wall clock's days or hours within the bounds, and the end."""
    scale = date.scale
    unit = "hour" if hourly else "day"
    if isinstance(scale, DateScale | InstantScale):
        return replace(scale, unit=unit).edges(int(date.bins.low), int(date.bins.high))
    raise TypeError("only dates and moments have calendar parts")


def build_parts(field: FieldModel, date: BinnedCodec) -> CalendarParts | None:
    """The parts that a date or datetime field keeps, None without any; ``WrongKey`` where ``keep`` is wrong."""
    kinds = field.dpsynth.keep
    if kinds is None:
        return None
    if len(set(kinds)) != len(kinds) or {"season", "month"} <= set(kinds):
        raise WrongKey("dpsynth.keep", "lists a part twice (a month states its season)")
    if "hour" in kinds and field.type == "date":
        raise WrongKey("dpsynth.keep", "a date has no hour")
    seconds = (date.bins.high - date.bins.low) // (
        10**date.scale.decimals if isinstance(date.scale, InstantScale) else 1
    )
    slots = seconds // (3600 if "hour" in kinds else DAY) if field.type == "datetime" else seconds
    if slots > _MAX_SLOTS:
        raise WrongKey("dpsynth.keep", "the range is too long to keep hours", "Narrow the bounds.")
    return CalendarParts(tuple(CalendarPart(field.name, kind, date) for kind in kinds))
