"""Kinds of cells: a fixed public partition, so that each cell of a column counts once in a vote on its type.

``KindCodec.encode`` is total, elementwise and data-independent (``docs/proofs/codecs.md``): the kind of a cell depends
on that cell alone, whatever its physical type. Nothing here knows a table.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from dpsynth.schema.cells import Codes, as_bytes, is_text, matches, reals, storage, through_dictionary, trimmed
from dpsynth.schema.dates import days, pattern_of, read_moments

MISSING = ("?", "NA", "N/A", "n/a", "NaN", "nan", "null", "NULL", "#N/A")
"""Public spellings of a missing cell, beside the empty one; in a discovered schema all of them mean null."""

MOST_DECIMALS = 6
MOST_BYTES = 100
"""Longer text is never a category."""

FORMATS = {
    "date %d/%m/%Y": "%d/%m/%Y",
    "date %m/%d/%Y": "%m/%d/%Y",
    "date %d.%m.%Y": "%d.%m.%Y",
    "date %d-%m-%Y": "%d-%m-%Y",
    "date %d-%b-%Y": "%d-%b-%Y",
    "date %Y/%m/%d": "%Y/%m/%d",
}
"""Kinds of dates in other than ISO form, and their formats."""

DECIMALS = tuple(f"number with {places} decimal{'s' if places > 1 else ''}" for places in range(1, MOST_DECIMALS + 1))
KINDS = (
    *("missing", "boolean", "integer", "digits with leading zero", "date %Y%m%d"),
    *DECIMALS,
    *("other number", "date", "moment", "moment with offset"),
    *FORMATS,
    *(
        "date %d/%m/%Y or %m/%d/%Y",
        "uuid",
        "email",
        "integer with thousands separators",
        "number with thousands separators",
        "text",
        "long text",
    ),
)
"""The kinds, in the order of their codes."""

_CODE = {kind: code for code, kind in enumerate(KINDS)}
_COMPACT = r"^(19|20)[0-9]{6}$"
_SLASHED = r"^[0-9]{1,2}/[0-9]{1,2}/[0-9]{4}$"
_PATTERNS = (
    ("text", r"^[^\x00-\x08\x0a-\x1f\x7f]*$"),
    ("number with thousands separators", r"^[+-]?[0-9]{1,3}(,[0-9]{3})+\.[0-9]+$"),
    ("integer with thousands separators", r"^[+-]?[0-9]{1,3}(,[0-9]{3})+$"),
    ("email", r"^[^@\s,;]+@[^@\s,;]+\.[A-Za-z]{2,}$"),
    ("uuid", r"^\{?[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}\}?$"),
    ("other number", r"^[+-]?(([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?|(?i:inf|infinity))$"),
    *((name, rf"^[+-]?[0-9]*\.[0-9]{{{places}}}$") for places, name in enumerate(DECIMALS, start=1)),
    ("integer", r"^[+-]?(0|[1-9][0-9]{0,17})(\.0*)?$"),
    ("digits with leading zero", r"^0[0-9]+$"),
    ("boolean", r"^(?i:true|false)$"),
)
"""Later ones win. Dates are told apart after them: they must exist in the calendar."""


@dataclass(frozen=True)
class KindCodec:
    """Cells of any type → the code of their kind."""

    @property
    def size(self) -> int:
        """The number of kinds."""
        return len(KINDS)

    def encode(self, column: pa.Array) -> Codes:
        """The int32 code of each cell's kind; total and elementwise. Costs a few µs per *distinct* cell of text."""
        plain = storage(column)
        if pa.types.is_null(plain.type):
            return np.full(len(plain), _CODE["missing"], dtype=np.int32)
        if pa.types.is_dictionary(plain.type):
            return through_dictionary(plain, self.encode, _CODE["missing"])
        if is_text(plain.type):
            return _through_short(as_bytes(plain))
        return _of_values(plain)


def _through_short(column: pa.Array) -> Codes:
    """Long cells are classed by their length before distinct cells are gathered."""
    long = np.asarray(pc.fill_null(pc.greater(pc.binary_length(column), 4 * MOST_BYTES), fill_value=False))
    short = column if not long.any() else pc.if_else(pa.array(long), pa.scalar(None, column.type), column)
    codes = through_dictionary(short, _of_text, _CODE["missing"])
    return np.where(long, np.int32(_CODE["long text"]), codes)


def _of_text(column: pa.Array) -> Codes:
    cells = trimmed(column)
    codes = np.full(len(cells), _CODE["long text"], dtype=np.int32)
    brief = np.asarray(pc.less_equal(pc.binary_length(cells), MOST_BYTES))
    for kind, pattern in _PATTERNS:
        codes[brief & matches(cells, pattern)] = _CODE[kind]
    _mark_dates(cells, codes)
    empty = pc.is_in(cells, value_set=pa.array([b"", *(text.encode() for text in MISSING)], cells.type))
    codes[np.asarray(empty)] = _CODE["missing"]
    return codes


def _mark_dates(cells: pa.Array, codes: Codes) -> None:
    """In place: cells that are dates or moments of the calendar."""
    for kind, form in FORMATS.items():
        codes[days(cells, pattern_of(form))[1]] = _CODE[kind]
    day_first, month_first = (days(cells, pattern_of(form))[1] for form in ("%d/%m/%Y", "%m/%d/%Y"))
    slashed = matches(cells, _SLASHED)
    codes[slashed & day_first] = _CODE["date %d/%m/%Y"]
    codes[slashed & month_first] = _CODE["date %m/%d/%Y"]
    codes[slashed & day_first & month_first] = _CODE["date %d/%m/%Y or %m/%d/%Y"]
    codes[matches(cells, _COMPACT) & days(cells, pattern_of("%Y%m%d"))[1]] = _CODE["date %Y%m%d"]
    _mark_iso(cells, codes)


def _mark_iso(cells: pa.Array, codes: Codes) -> None:
    from dpsynth.schema.dates import ISO

    moments = read_moments(cells, ISO)
    timed = moments.valid & matches(cells, r"[tT ]")
    codes[moments.valid & ~timed] = _CODE["date"]
    codes[timed & ~moments.zoned] = _CODE["moment"]
    codes[timed & moments.zoned] = _CODE["moment with offset"]


def _of_values(column: pa.Array) -> Codes:
    """The kinds of cells that are no text: as the text that a CSV would hold."""
    kind = column.type
    missing = np.asarray(column.is_null().to_numpy(zero_copy_only=False))
    return np.where(missing, np.int32(_CODE["missing"]), _of_type(column, kind)).astype(np.int32)


def _of_type(column: pa.Array, kind: pa.DataType) -> Codes:
    fixed: tuple[tuple[Callable[[pa.DataType], bool], str], ...] = (
        (pa.types.is_boolean, "boolean"),
        (pa.types.is_integer, "integer"),
        (pa.types.is_date, "date"),
    )
    for check, name in fixed:
        if check(kind):
            return np.full(len(column), _CODE[name], dtype=np.int32)
    if pa.types.is_timestamp(kind):
        name = "moment" if kind.tz is None else "moment with offset"
        return np.full(len(column), _CODE[name], dtype=np.int32)
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return _of_reals(*reals(column))
    return np.full(len(column), _CODE["long text"], dtype=np.int32)


def _of_reals(numbers: NDArray[np.float64], valid: NDArray[np.bool_]) -> Codes:
    """Whole numbers are integers; otherwise the fewest decimals whose nearest number is the cell itself."""
    finite = valid & (np.abs(numbers) < 10.0**15)
    safe = np.where(finite, numbers, 0.0)
    codes = np.full(len(numbers), _CODE["other number"], dtype=np.int32)
    for places in range(MOST_DECIMALS, 0, -1):
        codes[finite & (np.round(safe, places) == safe)] = _CODE[DECIMALS[places - 1]]
    codes[finite & (np.floor(safe) == safe)] = _CODE["integer"]
    codes[~valid] = _CODE["missing"]
    return codes
