"""Dates and times of day as text → whole numbers, total and elementwise; ``strptime``-like formats become patterns.

Parsing is done on RE2 groups with numpy arithmetic, so no cell (February 30th, hour 25, bytes that are not text) can
raise or roll over into another date.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from dpsynth.schema.calendars import DAY
from dpsynth.schema.cells import Bits, as_bytes, is_text, storage, trimmed

FIRST_SECOND = -62_135_596_800
LAST_SECOND = 253_402_300_799
"""The seconds since 1970 of the first and the last moment of the years 1 to 9999."""

MONTHS = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
]
_TIME = r"(?P<H>[0-9]{2}):(?P<M>[0-9]{2})(?::(?P<S>[0-9]{2})(?:[.,](?P<f>[0-9]{1,9}))?)?"
_ZONE = r"(?P<z>[zZ]|[+-][0-9]{2}:?[0-9]{2})"
ISO = rf"^(?P<Y>[0-9]{{4}})-(?P<m>[0-9]{{2}})-(?P<d>[0-9]{{2}})(?:[tT ]{_TIME} ?{_ZONE}?)?$"
"""ISO 8601 dates, with or without a time of day and an offset."""

_DIRECTIVES = {
    "Y": r"(?P<Y>[0-9]{4})",
    "y": r"(?P<y>[0-9]{2})",
    "m": r"(?P<m>[0-9]{1,2})",
    "d": r"(?P<d>[0-9]{1,2})",
    "b": r"(?P<b>[A-Za-z]{3})",
    "B": r"(?P<B>[A-Za-z]{3,9})",
    "H": r"(?P<H>[0-9]{1,2})",
    "I": r"(?P<I>[0-9]{1,2})",
    "p": r"(?P<p>[AaPp][Mm])",
    "M": r"(?P<M>[0-9]{1,2})",
    "S": r"(?P<S>[0-9]{1,2})",
    "f": r"(?P<f>[0-9]{1,9})",
    "z": _ZONE,
    "%": "%",
}


@dataclass(frozen=True, eq=False)
class Moments:
    """Parsed cells: days since 1970-01-01, nanoseconds of the day, offset from UTC in seconds; int64 each.

    ``zoned`` marks cells that state an offset, ``valid`` cells that are a moment at all (others hold zeros).
    """

    days: NDArray[np.int64]
    nanoseconds: NDArray[np.int64]
    offsets: NDArray[np.int64]
    zoned: Bits
    valid: Bits


def pattern_of(form: str) -> str:
    """The RE2 pattern of a ``strptime``-like format; ``ValueError`` says what is wrong with the format."""
    parts: list[str] = []
    used: set[str] = set()
    for literal, directive in re.findall(r"([^%]+)|%(.?)", form, re.DOTALL):
        if literal:
            parts.append("".join(char if char.isalnum() else rf"\x{{{ord(char):X}}}" for char in literal))
            continue
        if directive not in _DIRECTIVES:
            raise ValueError(f"the directive %{directive} is not supported; supported: {' '.join(_DIRECTIVES)}")
        if directive in used and directive != "%":
            raise ValueError(f"the directive %{directive} appears twice")
        used.add(directive)
        parts.append(_DIRECTIVES[directive])
    if len(used & {"Y", "y"}) != 1 or len(used & {"m", "b", "B"}) != 1 or "d" not in used:
        raise ValueError("a format needs one year (%Y or %y), one month (%m, %b or %B) and the day (%d)")
    if ("I" in used) != ("p" in used) or {"H", "I"} <= used:
        raise ValueError("%I goes with %p, and not with %H")
    return f"^{''.join(parts)}$"


def read_moments(column: pa.Array, pattern: str, *others: str) -> Moments:
    """Each text cell as a moment, by the first pattern that makes one of it."""
    moments = _by_pattern(column, pattern)
    for further in others:
        other = _by_pattern(column, further)
        moments = Moments(
            np.where(moments.valid, moments.days, other.days),
            np.where(moments.valid, moments.nanoseconds, other.nanoseconds),
            np.where(moments.valid, moments.offsets, other.offsets),
            np.where(moments.valid, moments.zoned, other.zoned),
            moments.valid | other.valid,
        )
    return moments


def _by_pattern(column: pa.Array, pattern: str) -> Moments:
    """Each text cell as a moment, by the pattern's named groups."""
    found = pc.extract_regex(trimmed(as_bytes(storage(column))), pattern=pattern)
    groups = {name: found.field(index) for index, name in enumerate(field.name for field in found.type)}
    valid = np.asarray(found.is_valid().to_numpy(zero_copy_only=False))
    year, month, day = _year(groups), _month(groups), _number(groups, "d")
    hour, minute, second = _hour(groups), _number(groups, "M"), _number(groups, "S")
    months = np.where(valid, (year - 1970) * 12 + month - 1, 0).astype("datetime64[M]")
    first = months.astype("datetime64[D]").astype(np.int64)
    length = (months + 1).astype("datetime64[D]").astype(np.int64) - first
    valid = valid & (year >= 1) & (month >= 1) & (month <= 12) & (day >= 1) & (day <= length)
    valid &= (hour >= 0) & (hour < 24) & (minute < 60) & (second < 60)
    offsets, zoned, sane = _offset(groups, len(valid))
    valid &= sane
    nanoseconds = (hour * 3600 + minute * 60 + second) * 1_000_000_000 + _fraction(groups, len(valid))
    return Moments(np.where(valid, first + day - 1, 0), np.where(valid, nanoseconds, 0), offsets, zoned & valid, valid)


def days(column: pa.Array, pattern: str, *others: str) -> tuple[NDArray[np.int64], Bits]:
    """Dates as days since 1970-01-01 and which cells hold one; a time of day is dropped."""
    kind = column.type
    if is_text(kind):
        moments = read_moments(column, pattern, *others)
        return moments.days, moments.valid
    if pa.types.is_integer(kind):
        return days(column.cast(pa.string()), pattern, *others)
    seconds, valid = seconds_and_rest(column)[::2]
    return np.floor_divide(seconds, DAY), valid


def seconds_and_rest(column: pa.Array) -> tuple[NDArray[np.int64], NDArray[np.int64], Bits]:
    """Dates and timestamps as seconds since 1970 (years 1 to 9999, saturated), nanoseconds of the second, validity."""
    kind = column.type
    if pa.types.is_date32(kind):
        raw, per_second = _raw(column, pa.int32()) * DAY, 1
    elif pa.types.is_date64(kind):
        raw, per_second = _raw(column, pa.int64()), 1_000
    elif pa.types.is_timestamp(kind):
        raw, per_second = _raw(column, pa.int64()), {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[kind.unit]
    else:
        zeros = np.zeros(len(column), dtype=np.int64)
        return zeros, zeros, np.zeros(len(column), dtype=np.bool_)
    seconds = np.clip(np.floor_divide(raw, per_second), FIRST_SECOND, LAST_SECOND)
    rest = np.mod(raw, per_second) * (1_000_000_000 // per_second)
    valid = np.asarray(column.is_valid().to_numpy(zero_copy_only=False))
    return seconds, rest, valid


def _raw(column: pa.Array, kind: pa.DataType) -> NDArray[np.int64]:
    return np.asarray(column.view(kind).fill_null(0).to_numpy(zero_copy_only=False)).astype(np.int64)


def _text(groups: dict[str, pa.Array], name: str) -> pa.Array:
    """A group as ASCII text; the patterns admit nothing else. Cells without it are empty."""
    return groups[name].fill_null(b"").cast(pa.large_binary()).cast(pa.large_string())


def _number(groups: dict[str, pa.Array], name: str) -> NDArray[np.int64]:
    if name not in groups:
        return np.zeros(1, dtype=np.int64)
    text = _text(groups, name)
    digits = pc.if_else(pc.equal(text, pa.scalar("", text.type)), pa.scalar("0", text.type), text)
    return np.asarray(digits.cast(pa.int64()).to_numpy(zero_copy_only=False))


def _year(groups: dict[str, pa.Array]) -> NDArray[np.int64]:
    if "Y" in groups:
        return _number(groups, "Y")
    short = _number(groups, "y")
    return np.where(short >= 69, short + 1900, short + 2000)


def _month(groups: dict[str, pa.Array]) -> NDArray[np.int64]:
    if "m" in groups:
        return _number(groups, "m")
    name = "B" if "B" in groups else "b"
    names = MONTHS if name == "B" else [month[:3] for month in MONTHS]
    text = pc.utf8_lower(_text(groups, name))
    index = pc.index_in(text, value_set=pa.array(names, text.type)).fill_null(-1)
    return np.asarray(index.to_numpy(zero_copy_only=False)).astype(np.int64) + 1


def _hour(groups: dict[str, pa.Array]) -> NDArray[np.int64]:
    if "I" not in groups:
        return _number(groups, "H")
    hour = _number(groups, "I")
    text = pc.utf8_lower(_text(groups, "p"))
    afternoon = np.asarray(pc.equal(text, pa.scalar("pm", text.type)).to_numpy(zero_copy_only=False))
    return np.where((hour >= 1) & (hour <= 12), hour % 12 + 12 * afternoon, -1)


def _fraction(groups: dict[str, pa.Array], length: int) -> NDArray[np.int64]:
    if "f" not in groups:
        return np.zeros(length, dtype=np.int64)
    text = _text(groups, "f")
    padded = pc.utf8_rpad(text, width=9, padding="0")
    return np.asarray(padded.cast(pa.int64()).to_numpy(zero_copy_only=False))


def _offset(groups: dict[str, pa.Array], length: int) -> tuple[NDArray[np.int64], Bits, Bits]:
    if "z" not in groups:
        return np.zeros(length, dtype=np.int64), np.zeros(length, dtype=np.bool_), np.ones(length, dtype=np.bool_)
    text = _text(groups, "z")
    zoned = np.asarray(pc.greater(pc.utf8_length(text), 0).to_numpy(zero_copy_only=False))
    digits = pc.utf8_rpad(pc.replace_substring_regex(text, pattern="[^0-9]", replacement=""), width=4, padding="0")
    number = np.asarray(digits.cast(pa.int64()).to_numpy(zero_copy_only=False))
    hours, minutes = number // 100, number % 100
    negative = np.asarray(pc.starts_with(text, pattern="-").to_numpy(zero_copy_only=False))
    offsets = np.where(negative, -1, 1) * (hours * 3600 + minutes * 60)
    return offsets, zoned, (hours < 24) & (minutes < 60)
