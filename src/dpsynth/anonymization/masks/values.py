"""Columns as the bytes of their cells: distinct values once, and back to rows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dpsynth.schema.cells import as_bytes, is_text

_PROBE = 4_096
_MOSTLY = 0.9
_REPEATS = 4


def is_plain(kind: pa.DataType) -> bool:
    """Whether cells of this type are single values with a text: no lists, no structs."""
    if pa.types.is_dictionary(kind):
        return is_plain(kind.value_type)
    if pa.types.is_interval(kind):
        return False
    return is_text(kind) or pa.types.is_primitive(kind) or pa.types.is_decimal(kind) or pa.types.is_null(kind)


def as_cells(column: pa.Array) -> pa.Array:
    """The cells as bytes, nulls kept: text as it stands, anything else as Arrow writes it (dates in ISO 8601).

    A whole number has one text, whether a library holds it as an integer or as a float.
    """
    kind = column.type
    if pa.types.is_dictionary(kind):
        return as_cells(column.dictionary).take(column.indices)
    if is_text(kind):
        return as_bytes(column)
    if pa.types.is_floating(kind):
        return _whole_as_integers(column)
    if pa.types.is_timestamp(kind):  # as UTC: the name of a time zone may be one that nobody knows
        column = column.view(pa.int64()).view(pa.timestamp(kind.unit))
    return column.cast(pa.string()).cast(pa.binary())


def over_distinct(column: pa.Array, mask: Callable[[pa.Array], pa.Array]) -> pa.Array:
    """``mask`` applied to the distinct cells (bytes, none of them null), and its results put back; null stays null.

    A column whose cells are hardly ever equal is masked as it stands: looking for equals would cost more.
    """
    cells = as_cells(column)
    if cells.null_count == 0 and _hardly_repeats(cells):
        return mask(cells)
    encoded = cells.dictionary_encode()
    return mask(encoded.dictionary).take(encoded.indices)


def compact(column: pa.Array) -> pa.Array:
    """Text of which most cells stand in the column again as a dictionary, any other column as it is."""
    if not is_text(column.type) or _hardly_repeats(column):
        return column
    coded = column.dictionary_encode()
    return coded if len(coded.dictionary) * _REPEATS <= len(column) else column


def decoded(cells: pa.Array) -> pa.Array:
    """The cells as text; null for bytes that are not UTF-8."""
    kind = pa.large_string() if pa.types.is_large_binary(cells.type) else pa.string()
    try:
        return cells.cast(kind)
    except pa.ArrowInvalid:
        return pa.array([_text(cell) for cell in cells.to_pylist()], kind)


def _text(cell: bytes | None) -> str | None:
    try:
        return None if cell is None else cell.decode()
    except UnicodeDecodeError:
        return None


def _hardly_repeats(cells: pa.Array) -> bool:
    probe = cells.slice(0, _PROBE)
    return len(probe) > 0 and pc.count_distinct(probe).as_py() > _MOSTLY * len(probe)


def _whole_as_integers(column: pa.Array) -> pa.Array:
    values = column.cast(pa.float64())
    numbers = np.asarray(values.fill_null(0.0).to_numpy(zero_copy_only=False))
    whole = (np.abs(numbers) < 2.0**63) & (numbers == np.floor(numbers))
    integers = pa.array(np.where(whole, numbers, 0).astype(np.int64)).cast(pa.string())
    texts = pc.if_else(pa.array(whole), integers, values.cast(pa.string()))
    return pc.if_else(values.is_valid(), texts, pa.scalar(None, pa.string())).cast(pa.binary())
