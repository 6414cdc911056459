"""What stands in a column, for ``schema init --peek``: the only place where a draft looks at rows.

Whatever this finds is stamped ``source: data``, which a fit refuses until a person confirms that it is public.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from dpsynth.schema.builders import FALSE_TEXTS, TRUE_TEXTS
from dpsynth.schema.calendars import DAY, SHORTEST
from dpsynth.schema.cells import as_bytes, is_text, storage, trimmed
from dpsynth.schema.physical import family, proposed_type
from dpsynth.schema.ranges import MAX_WITHOUT_BINS
from dpsynth.schema.scales import DateScale, InstantScale, IntegerScale, RealScale, Scale

MISSING_TEXTS = ("?", "NA", "N/A", "NaN", "nan", "NULL", "null")
"""Texts that a draft takes for missing values. It lists them all: which of them occur would tell of the rows."""

MAX_LISTED = 1_000
"""More different texts than this are not listed."""

FEW = 20
"""A column of more cells than this whose texts all differ is taken for an identifier, and not listed."""

_MOST_CALENDAR_BINS = 400


@dataclass(frozen=True)
class Found:
    """What a draft may fill in for one column: its type, and its categories or bounds in the schema's own spelling."""

    type: str | None = None
    enum: tuple[str, ...] = ()
    minimum: object = None
    maximum: object = None
    bins: object = None
    listed_all: bool = True


@dataclass
class _Column:
    """One column while its batches go by: readings that still fit every cell, their extremes, the texts seen."""

    physical: str
    zone: str | None
    cells: int = 0
    texts: set[bytes] = field(default_factory=set)
    listed_all: bool = True
    extremes: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    refuted: set[str] = field(default_factory=set)

    def scales(self) -> dict[str, Scale]:
        """The readings to try, the narrowest first."""
        every: dict[str, Scale] = {
            "integer": IntegerScale(),
            "number": RealScale(),
            "date": DateScale("day"),
            "datetime": InstantScale("day", self.zone),
        }
        kind = proposed_type(self.physical)
        return every if family(self.physical) == "text" else {k: s for k, s in every.items() if k == kind}

    def add(self, cells: pa.Array) -> None:
        """Account for the cells of one batch."""
        cells = storage(cells)
        if pa.types.is_dictionary(cells.type):
            cells = storage(cells.dictionary_decode())
        if is_text(cells.type):
            cells = trimmed(as_bytes(cells))
            self.cells += len(cells) - cells.null_count
            cells = self._texts(cells.unique())
        for name, scale in self.scales().items():
            if name not in self.refuted and not self._fits(name, scale, cells.drop_null()):
                self.refuted.add(name)

    def _texts(self, unique: pa.Array) -> pa.Array:
        """The distinct texts that are not missing, after remembering them."""
        unique = unique.drop_null()
        unique = unique.filter(pc.greater(pc.binary_length(unique), 0))
        marks = pc.is_in(unique, value_set=pa.array([mark.encode() for mark in MISSING_TEXTS], unique.type))
        unique = unique.filter(pc.invert(marks))
        self.listed_all = self.listed_all and len(unique) <= MAX_LISTED
        if self.listed_all:
            self.texts |= set(unique.to_pylist())
            self.listed_all = len(self.texts) <= MAX_LISTED
        return unique

    def _fits(self, name: str, scale: Scale, cells: pa.Array) -> bool:
        numbers, valid = scale.read(cells)
        if name == "date" and is_text(cells.type):
            valid = valid & _plain_dates(cells)
        if family(self.physical) == "text" and not valid.all():
            return False
        self._widen(name, numbers[valid & np.isfinite(numbers.astype(np.float64))])
        return True

    def _widen(self, name: str, numbers: NDArray[Any]) -> None:
        if len(numbers):
            low, high = numbers.min(), numbers.max()
            old = self.extremes.get(name, (low, high))
            self.extremes[name] = (min(low, old[0]), max(high, old[1]))

    def found(self) -> Found:
        """The narrowest reading that every cell fits."""
        if self.texts and self.texts <= {text.encode() for text in (*TRUE_TEXTS[:3], *FALSE_TEXTS[:3])}:
            return Found("boolean")
        if family(self.physical) == "boolean":
            return Found("boolean")
        for name, scale in self.scales().items():
            if name not in self.refuted and name in self.extremes:
                return _bounded(name, scale, *self.extremes[name])
        if not self.texts:
            return Found(proposed_type(self.physical), listed_all=self.listed_all)
        listed_all = self.listed_all and not len(self.texts) == self.cells > FEW
        return Found("string", enum=tuple(sorted(_readable(self.texts))), listed_all=listed_all)


def look(batches: Iterable[pa.RecordBatch], types: dict[str, str], zones: dict[str, str | None]) -> dict[str, Found]:
    """What stands in each column; one pass. ``MISSING_TEXTS`` are taken for missing values, whichever are there."""
    columns = {name: _Column(physical, zones.get(name)) for name, physical in types.items()}
    for batch in batches:
        for name in batch.schema.names:
            if name in columns:
                columns[name].add(batch.column(name))
    return {name: column.found() for name, column in columns.items()}


def _plain_dates(cells: pa.Array) -> NDArray[np.bool_]:
    """Which texts are as long as a date without a time of day."""
    return np.asarray(pc.equal(pc.binary_length(cells), 10).to_numpy(zero_copy_only=False))


def _readable(texts: set[bytes]) -> list[str]:
    decoded = (text.decode("utf-8", "replace") for text in texts)
    return [text for text in decoded if "\ufffd" not in text]


def _bounded(name: str, scale: Scale, low: Any, high: Any) -> Found:
    if name == "integer":
        wide = int(high) - int(low) >= MAX_WITHOUT_BINS
        return Found(name, minimum=int(low), maximum=int(high), bins={"count": 32} if wide else None)
    if name == "number":
        top = float(high) if high > low else None
        return Found(name, minimum=float(low), maximum=top, bins={"count": 32})
    first, last = (str(scale.write(np.array([value]), None)[0].as_py().isoformat()) for value in (low, high))
    seconds = int(high - low) * (DAY if name == "date" else 1)
    units = [unit for unit in SHORTEST if unit != "hour" and seconds // SHORTEST[unit] <= _MOST_CALENDAR_BINS]
    return Found(name, minimum=first, maximum=last, bins=units[0] if units else "year")
