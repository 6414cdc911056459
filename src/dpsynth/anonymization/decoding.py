"""Recoded records as a table again: group names and ranges in place of values, suppressed rows gone, a fresh order."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from dpsynth.anonymization.encoding import MISSING, Encoded, Quasi
from dpsynth.anonymization.hierarchies import SUPPRESSED
from dpsynth.anonymization.policy import Policy, PolicyField
from dpsynth.anonymization.records import Generalized, Ranges
from dpsynth.errors import DataMismatchError

ROWS = 1 << 16
"""At most so many rows are decoded at once."""
_MISSING_WORD = "missing"
_CASTABLE = (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean, pa.types.is_date)


def fresh_order(released: Generalized | Ranges) -> NDArray[np.int64]:
    """The rows that are not suppressed, in a secret random order that no one can draw again."""
    kept = np.flatnonzero(~released.suppressed)
    order: NDArray[np.int64] = kept[np.argsort(np.frombuffer(secrets.token_bytes(8 * len(kept)), np.uint64))]
    return order


def released_table(encoded: Encoded, released: Generalized | Ranges, order: NDArray[np.int64]) -> pa.Table:
    """The table as it may be handed out, the rows in this ``order`` (see ``fresh_order``).

    Columns stand in the order of the table, quasi-identifiers recoded. Those with ``mask: drop`` are gone; so are those
    of role ``direct-id``, and the unit's, unless the policy masks them. The others are carried as they are. A
    quasi-identifier of which every value is kept keeps its type where all that its hierarchy may show is of that type,
    whatever the rows hold; the others are text, as dictionaries. Missing values stay null where nothing was grouped
    with them. Raises ``DataMismatchError`` for a carried column of text that is not UTF-8. Cost: memory for one more
    table.
    """
    table = encoded.table
    places = {one.name: place for place, one in enumerate(encoded.quasi)}
    columns: dict[str, pa.Array | pa.ChunkedArray] = {}
    for name in table.column_names:
        if name in places:
            kind = table.schema.field(name).type
            columns[name] = _recoded(encoded, released, places[name], order, kind)
        elif not _hidden(encoded.policy, name):
            columns[name] = as_text(table.column(name).take(pa.array(order)), name)
    return pa.table(columns)


def plain_table(table: pa.Table) -> pa.Table:
    """The table with values in place of dictionaries."""
    kinds = [kind.value_type if pa.types.is_dictionary(kind) else kind for kind in table.schema.types]
    return pa.Table.from_batches(plain_batches(table), pa.schema(list(zip(table.column_names, kinds, strict=True))))


def plain_batches(table: pa.Table) -> Iterator[pa.RecordBatch]:
    """The rows of the table, ``ROWS`` at a time, with values in place of dictionaries."""
    for batch in table.to_batches(max_chunksize=ROWS):
        yield pa.RecordBatch.from_arrays([_decoded(column) for column in batch.columns], names=table.column_names)


def _decoded(column: pa.Array) -> pa.Array:
    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column


def _hidden(policy: Policy, name: str) -> bool:
    """Whether a column that is no quasi-identifier stays out of every output."""
    one = policy.by_name.get(name)
    mask = None if one is None else one.mask
    identifies = name == policy.unit.column or (one is not None and one.role == "direct-id")
    return mask == "drop" or (identifies and mask is None)


def as_text(column: pa.ChunkedArray, name: str) -> pa.ChunkedArray:
    """A column with raw bytes as text; ``DataMismatchError`` when they are not UTF-8."""
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if not (pa.types.is_binary(kind) or pa.types.is_large_binary(kind)):
        return column
    try:
        return column.cast(pa.string() if pa.types.is_binary(kind) else pa.large_string())
    except pa.ArrowInvalid:
        raise DataMismatchError("a cell is not UTF-8 text", where=f"field {name!r}") from None


def _recoded(
    encoded: Encoded, released: Generalized | Ranges, place: int, order: NDArray[np.int64], kind: pa.DataType
) -> pa.Array:
    """One quasi-identifier of the rows in this order."""
    one = encoded.quasi[place]
    if isinstance(released, Ranges):
        return _ranges(one, released.low[place][order], released.high[place][order])
    hierarchy, codes, levels = one.hierarchy, encoded.records.codes[place][order], released.of[place][order]
    labels = pa.array([label or None for level in hierarchy.labels for label in level], pa.string())
    starts = np.cumsum([0, *(len(level) for level in hierarchy.labels)]).astype(np.int32)
    texts = _coded(labels, starts[levels] + hierarchy.nodes[levels, codes])
    level = int(levels.max(initial=0)) if released.levels is None else released.levels[place]
    if level or not _typed(encoded.policy.by_name[one.name], kind):
        return texts
    if not pa.types.is_date(kind):
        return texts.cast(pa.string()).cast(kind)
    # No text names the days beyond the year 9999.
    days = encoded.table.column(one.name).take(pa.array(order)).combine_chunks().cast(pa.date32(), safe=False)
    return pc.if_else(texts.is_valid(), days, pa.scalar(None, pa.date32())).cast(kind)


def _typed(field: PolicyField, kind: pa.DataType) -> bool:
    """Whether every text that a value may show is a value of this type: told by the policy, never by the rows."""
    if field.uncovered == "top" or not any(check(kind) for check in _CASTABLE) or pa.types.is_float16(kind):
        return False
    if field.builder.listed is None:
        return True
    try:
        pa.array(field.builder.listed.labels[0], pa.string()).cast(kind)
    except pa.ArrowInvalid:  # a value that the hierarchy writes in words
        return False
    return True


def _coded(texts: pa.StringArray, places: NDArray[np.int32]) -> pa.DictionaryArray:
    """The texts at these places; null where the text is."""
    unique = texts.dictionary_encode()
    codes = unique.indices.take(pa.array(places))
    return pa.DictionaryArray.from_arrays(codes, unique.dictionary)


def _ranges(one: Quasi, low: NDArray[np.int32], high: NDArray[np.int32]) -> pa.Array:
    """The texts of ranges of leaves: a value, ``[low, high]`` in an order, ``{a, b}`` without one, ``*`` for all."""
    pairs, place = np.unique(low.astype(np.int64) << 32 | high.astype(np.int64), return_inverse=True)
    names = [_range(one, pair >> 32, pair & 0xFFFFFFFF) for pair in pairs.tolist()]
    return _coded(pa.array(names, pa.string()), place.reshape(-1).astype(np.int32))


def _range(one: Quasi, first: int, last: int) -> str | None:
    leaves = one.hierarchy.labels[0]
    if first == last:
        return leaves[first] or None
    if first == 0 and last == len(leaves) - 1:
        return SUPPRESSED
    inside = leaves[first : last + 1]
    plain = [label for label in inside if label not in (MISSING, SUPPRESSED)]
    special = [label or _MISSING_WORD for label in inside if label in (MISSING, SUPPRESSED)]
    if not one.ordered:
        return f"{{{', '.join([*plain, *special])}}}"
    ends = [plain[0]] if len(plain) == 1 else [f"[{plain[0]}, {plain[-1]}]"] if plain else []
    return " or ".join([*ends, *special])


__all__ = ["as_text", "fresh_order", "plain_batches", "plain_table", "released_table"]
