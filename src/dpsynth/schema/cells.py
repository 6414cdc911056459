"""Cells of any physical type → numbers or trimmed bytes. Every function here is total and elementwise.

Elementwise: element i of a result depends on element i of the input alone. Total: no value of any supported physical
type raises; what cannot be read is marked invalid. Text is handled as bytes, so undecodable bytes are ordinary cells.
The argument is made in ``docs/proofs/codecs.md``; a change here changes that page.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

Codes = NDArray[np.int32]
Bits = NDArray[np.bool_]

LIMIT = 10**18
"""Integers are read exactly up to this magnitude and saturate there; public bounds must lie inside."""

_SPACE = r"[ \t\r\n\f\v]"
_TRIM = rf"^{_SPACE}+|{_SPACE}+$"
_HAS_EDGE_SPACE = rf"^{_SPACE}|{_SPACE}$"
_INTEGER = r"^[+-]?[0-9]{1,18}$"
_ORDINARY_LENGTH = 250
_NUMBER = r"^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?$"
_MODERATE = r"^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,2})?$"
_LONG_FRACTION = r"(\.[0-9]{200})[0-9]+"
_INFINITE = r"^[+-]?(?i:inf|infinity)$"
_VANISHING = r"^[+-]?[0.]+([eE]|$)|[eE]-"


def storage(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    """The column as one array of a plain type: chunks joined, extensions unwrapped, views and runs expanded."""
    if isinstance(column, pa.ChunkedArray):
        column = pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
    if isinstance(column, pa.ExtensionArray):
        return storage(column.storage)
    if pa.types.is_run_end_encoded(column.type):
        return storage(pc.run_end_decode(column))
    kind = str(column.type)
    if kind in ("string", "string_view"):
        return column.cast(pa.large_string() if kind == "string_view" else pa.binary())
    return column


def is_text(kind: pa.DataType) -> bool:
    """Whether cells of this type are text or raw bytes."""
    checks = (
        pa.types.is_binary,
        pa.types.is_large_binary,
        pa.types.is_fixed_size_binary,
        pa.types.is_string,
        pa.types.is_large_string,
    )
    return any(check(kind) for check in checks) or kind in (pa.string_view(), pa.binary_view())


def as_bytes(column: pa.Array) -> pa.Array:
    """Text cells as bytes, unchanged."""
    kind = column.type
    if pa.types.is_large_string(kind) or pa.types.is_large_binary(kind):
        return column.cast(pa.large_binary())
    if kind == pa.string_view():
        return column.cast(pa.large_string()).cast(pa.large_binary())
    return column.cast(pa.large_binary() if kind == pa.binary_view() else pa.binary())


def through_dictionary(column: pa.Array, elementwise: Callable[[pa.Array], Codes], null_code: int) -> Codes:
    """``elementwise`` applied to each distinct cell once; the result equals applying it to every cell."""
    encoded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    table = np.append(elementwise(storage(encoded.dictionary)), np.int32(null_code)).astype(np.int32)
    last = len(table) - 1
    indices = encoded.indices.cast(pa.int64())
    codes: Codes = table[np.asarray(indices.fill_null(last).to_numpy(zero_copy_only=False))]
    return codes


def valid_bits(column: pa.Array) -> Bits:
    """Which cells are not null."""
    if column.null_count == 0:
        return np.ones(len(column), dtype=np.bool_)
    return np.asarray(column.is_valid().to_numpy(zero_copy_only=False))


def trimmed(column: pa.Array) -> pa.Array:
    """Bytes without ASCII white space at either end."""
    padded = pc.match_substring_regex(column, pattern=_HAS_EDGE_SPACE)
    if not pc.any(padded).as_py():
        return column
    return pc.replace_substring_regex(column, pattern=_TRIM, replacement="")


def matches(column: pa.Array, pattern: str) -> Bits:
    """Which byte cells match; null does not."""
    hits = pc.match_substring_regex(column, pattern=pattern)
    return np.asarray(pc.fill_null(hits, fill_value=False).to_numpy(zero_copy_only=False))


def reals(column: pa.Array) -> tuple[NDArray[np.float64], Bits]:
    """Numbers as float64 and which cells hold one (NaN is none; infinities count as beyond every bound).

    Text: decimal notation with an optional exponent, ``inf``; a number too long or too extreme for ordinary reading
    becomes an infinity or zero of the right side.
    """
    kind = column.type
    if is_text(kind):
        return _trimmed_if_needed(as_bytes(column), _MODERATE, _text_reals)
    if pa.types.is_boolean(kind) or pa.types.is_integer(kind) or pa.types.is_decimal(kind):
        column = column.cast(pa.float64(), safe=False)
    elif not pa.types.is_floating(kind):
        return _nothing(len(column), np.float64)
    valid = valid_bits(column)
    values = np.asarray(column.cast(pa.float64()).fill_null(0.0).to_numpy(zero_copy_only=False))
    return values, valid & ~np.isnan(values)


def integers(column: pa.Array) -> tuple[NDArray[np.int64], Bits]:
    """Integers as int64, saturated at ±``LIMIT``, and which cells hold one (``5.0`` does, ``5.5`` does not)."""
    kind = column.type
    if pa.types.is_integer(kind):
        valid = valid_bits(column)
        if kind == pa.uint64():
            column = pc.min_element_wise(column, pa.scalar(LIMIT, pa.uint64()))
        values = column.cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False)
        return np.clip(values, -LIMIT, LIMIT), valid
    if is_text(kind):
        return _trimmed_if_needed(as_bytes(column), _INTEGER, _text_integers)
    return _integral(*reals(column))


def ungrouped(column: pa.Array, group: str) -> pa.Array:
    """The column, text cells that are numbers in groups of three digits without the ``group`` character between."""
    if not is_text(column.type):
        return column
    cells = trimmed(as_bytes(column))
    mark = rf"\x{{{ord(group):X}}}"
    grouped = matches(cells, rf"^[+-]?[0-9]{{1,3}}({mark}[0-9]{{3}})+(\.[0-9]*)?$")
    if not grouped.any():
        return cells
    plain = pc.replace_substring(cells, pattern=group.encode(), replacement=b"")
    return pc.if_else(pa.array(grouped), plain, cells)


def _integral(values: NDArray[np.float64], valid: Bits) -> tuple[NDArray[np.int64], Bits]:
    bounded = np.clip(np.where(valid, values, 0.0), -float(LIMIT), float(LIMIT))
    whole = np.floor(bounded)
    return whole.astype(np.int64), valid & (whole == bounded)


def _trimmed_if_needed(
    column: pa.Array, pattern: str, read: Callable[[pa.Array, Bits], tuple[NDArray[Any], Bits]]
) -> tuple[NDArray[Any], Bits]:
    """``read`` on the trimmed cells and those of them that match; most columns match untrimmed."""
    plain = matches(column, pattern)
    if plain.all():
        return read(column, plain)
    column = trimmed(column)
    return read(column, matches(column, pattern))


def _text_integers(column: pa.Array, plain: Bits) -> tuple[NDArray[np.int64], Bits]:
    direct = _cast(column, plain, pa.int64())
    if plain.all():
        return direct, plain
    values, valid = _integral(*_text_reals(column, matches(column, _MODERATE)))
    return np.where(plain, direct, values), valid


def _text_reals(column: pa.Array, moderate: Bits) -> tuple[NDArray[np.float64], Bits]:
    ordinary = moderate & _short(column)
    values = _cast(column, ordinary, pa.float64())
    if ordinary.all():
        return values, ordinary
    extreme = (matches(column, _NUMBER) & ~ordinary) | matches(column, _INFINITE)
    if not extreme.any():
        return values, ordinary
    column = pc.replace_substring_regex(column, pattern=_LONG_FRACTION, replacement=r"\1")
    ordinary = matches(column, _MODERATE) & _short(column)
    values = _cast(column, ordinary, pa.float64())
    beyond = np.where(matches(column, r"^-"), -np.inf, np.inf)
    outside = np.where(matches(column, _VANISHING), 0.0, beyond)
    return np.where(ordinary, values, np.where(extreme, outside, 0.0)), ordinary | extreme


def _short(column: pa.Array) -> Bits:
    lengths = pc.fill_null(pc.binary_length(column), 0)
    return np.asarray(lengths.to_numpy(zero_copy_only=False)) <= _ORDINARY_LENGTH


def _cast(column: pa.Array, readable: Bits, kind: pa.DataType) -> NDArray[Any]:
    """Readable cells (ASCII by their pattern) as numbers, zero elsewhere."""
    clean = column if readable.all() else pc.if_else(pa.array(readable), column, pa.scalar(b"0", column.type))
    if pc.any(pc.starts_with(clean, pattern="+")).as_py():
        clean = pc.replace_substring_regex(clean, pattern=r"^\+", replacement="")
    text = pa.large_string() if pa.types.is_large_binary(column.type) else pa.string()
    return np.asarray(clean.cast(text).cast(kind).to_numpy(zero_copy_only=False))


def _nothing(length: int, dtype: type[np.generic]) -> tuple[NDArray[Any], Bits]:
    return np.zeros(length, dtype=dtype), np.zeros(length, dtype=np.bool_)
