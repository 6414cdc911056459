"""Dates and moments as text in a declared format: what CSV output shows, and what the same schema reads back."""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from dpsynth.schema.calendars import DAY
from dpsynth.schema.dates import MONTHS
from dpsynth.schema.scales import DateScale, InstantScale

_Whole = NDArray[np.int64]
_LONG = [month.capitalize() for month in MONTHS]
_NAMES: dict[str, list[str]] = {
    "y": [f"{number:02d}" for number in range(100)],
    "m": [f"{number:02d}" for number in range(13)],
    "d": [f"{number:02d}" for number in range(32)],
    "b": ["", *(name[:3] for name in _LONG)],
    "B": ["", *_LONG],
    "H": [f"{number:02d}" for number in range(24)],
    "I": [f"{(number + 11) % 12 + 1:02d}" for number in range(24)],
    "p": ["AM"] * 12 + ["PM"] * 12,
    "M": [f"{number:02d}" for number in range(60)],
    "S": [f"{number:02d}" for number in range(60)],
}


def written(column: pa.Array, scale: DateScale | InstantScale, form: str) -> pa.Array:
    """The cells of a decoded column as strings in a ``strptime``-like format, nulls kept.

    Moments show the wall clock of their zone; ``%f`` shows six digits, ``%z`` the offset (+0000 without a zone).
    """
    numbers, known = scale.read(column)
    parts = _Parts(scale, np.where(known, numbers, 0))
    texts: list[pa.Array | pa.Scalar] = []
    for literal, directive in re.findall(r"([^%]+)|%(.)", form, re.DOTALL):
        texts.append(pa.scalar(literal) if literal else parts.text(directive))
    joined = pc.binary_join_element_wise(*texts, pa.scalar(""), pa.scalar(""))
    return pc.if_else(pa.array(known), joined, pa.scalar(None, pa.string()))


class _Parts:
    """The parts of each moment on its wall clock."""

    def __init__(self, scale: DateScale | InstantScale, numbers: _Whole) -> None:
        steps = 1 if isinstance(scale, DateScale) else int(10**scale.decimals)
        utc = numbers * DAY if isinstance(scale, DateScale) else np.floor_divide(numbers, steps)
        wall = utc if isinstance(scale, DateScale) else scale.wall(utc)
        self._micros = (
            np.zeros_like(utc) if isinstance(scale, DateScale) else (numbers - utc * steps) * (10**6 // steps)
        )
        self._offset = wall - utc
        days = np.floor_divide(wall, DAY)
        self._seconds = wall - days * DAY
        months = days.astype("datetime64[D]").astype("datetime64[M]")
        self._day = days - months.astype("datetime64[D]").astype(np.int64) + 1
        self._months = months.astype(np.int64) + 1970 * 12

    def text(self, directive: str) -> pa.Array | pa.Scalar:
        """The cells of one directive."""
        if directive == "%":
            return pa.scalar("%")
        if directive in _NAMES:
            return pa.array(_NAMES[directive]).take(pa.array(self._index(directive)))
        if directive == "z":
            offsets, place = np.unique(self._offset // 60, return_inverse=True)
            names = [
                f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}{abs(minutes) % 60:02d}" for minutes in offsets
            ]
            return pa.array(names, pa.string()).take(pa.array(place.reshape(-1)))
        digits, numbers = (4, self._months // 12) if directive == "Y" else (6, self._micros)
        return pc.utf8_lpad(pa.array(numbers).cast(pa.string()), digits, "0")

    def _index(self, directive: str) -> _Whole:
        match directive:
            case "y":
                found = self._months // 12 % 100
            case "m" | "b" | "B":
                found = self._months % 12 + 1
            case "d":
                found = self._day
            case "H" | "I" | "p":
                found = self._seconds // 3600
            case "M":
                found = self._seconds // 60 % 60
            case _:
                found = self._seconds % 60
        return np.asarray(found)
