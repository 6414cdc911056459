"""Cells of any physical type → keys: canonical texts by which distinct values are told apart.

Every function here is total and elementwise, as in ``cells.py``. Proof page: ``docs/proofs/keys.md``.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dpsynth.schema.cells import as_bytes, is_text, matches, reals, storage, trimmed

CELL_BYTES = 1024
"""A longer cell has no key, whatever stands in it."""
KEY_BYTES = 100
"""A longer text, without the white space at its ends, is no key."""
# UTF-8, byte by byte, without control characters (U+0000 to U+001F, U+007F to U+009F).
_PRINTABLE = (
    r"^([\x20-\x7e]|\xc2[\xa0-\xbf]|[\xc3-\xdf][\x80-\xbf]|\xe0[\xa0-\xbf][\x80-\xbf]"
    r"|[\xe1-\xec\xee\xef][\x80-\xbf]{2}|\xed[\x80-\x9f][\x80-\xbf]|\xf0[\x90-\xbf][\x80-\xbf]{2}"
    r"|[\xf1-\xf3][\x80-\xbf]{3}|\xf4[\x80-\x8f][\x80-\xbf]{2})+$"
)


def keys_of(column: pa.Array, missing: Sequence[bytes] = ()) -> pa.LargeBinaryArray:
    """The key of each cell, or null for none: elementwise and total, whatever the physical type.

    Text without ASCII white space at its ends; numbers, booleans and dates as the text by which a categorical field
    knows them. No key: null, NaN, empty, one of ``missing``, invalid UTF-8, control characters, more than
    ``KEY_BYTES`` (or ``CELL_BYTES`` untrimmed), dates that no calendar has, and types that are no scalar.
    """
    plain = storage(column)
    if pa.types.is_dictionary(plain.type):
        return keys_of(plain.dictionary, missing).take(plain.indices)
    cells = trimmed(_at_most(texts_of(plain), CELL_BYTES))
    good = matches(cells, _PRINTABLE)
    if missing:
        listed = pc.is_in(cells, value_set=pa.array(missing, cells.type))
        good &= ~np.asarray(listed.to_numpy(zero_copy_only=False))
    return _at_most(pc.if_else(pa.array(good), cells, pa.scalar(None, cells.type)), KEY_BYTES).cast(pa.large_binary())


def _at_most(cells: pa.Array, most: int) -> pa.Array:
    return pc.if_else(pc.less_equal(pc.binary_length(cells), most), cells, pa.scalar(None, cells.type))


def texts_of(column: pa.Array) -> pa.Array:
    """Cells of a plain type as bytes: text unchanged, numbers, booleans, dates as their text, else null."""
    kind = column.type
    if is_text(kind):
        return as_bytes(column)
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        numbers, valid = reals(column)
        column = pa.array(numbers, mask=~valid)
    elif pa.types.is_timestamp(kind):
        column = column.view(pa.int64()).view(pa.timestamp(kind.unit))
    elif not (
        pa.types.is_boolean(kind) or pa.types.is_integer(kind) or pa.types.is_date(kind) or pa.types.is_time(kind)
    ):
        return pa.nulls(len(column), pa.binary())
    texts = column.cast(pa.string())
    # Arrow's words for what no calendar has begin like this; no other cell of these types does.
    return pc.if_else(pc.starts_with(texts, "<"), pa.scalar(None, pa.string()), texts).cast(pa.binary())
