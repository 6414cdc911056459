"""Codecs: the values of one field ↔ integer codes ``0 .. size-1``.

``encode`` is a total, elementwise, data-independent map (``docs/proofs/codecs.md``): whatever stands in a cell, its
code depends on that cell and on the public schema alone. ``decode`` draws within a bin by the law of its bins.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from dpsynth.errors import UsageError
from dpsynth.schema.bins import Bins
from dpsynth.schema.cells import Bits, Codes, as_bytes, is_text, reals, storage, through_dictionary, trimmed
from dpsynth.schema.conditions import Condition
from dpsynth.schema.scales import Scale

NULL = "null"
"""The label of a missing value, and the text that matches it in a condition."""


class Codec(Protocol):
    """Values ↔ codes of one field."""

    @property
    def size(self) -> int:
        """How many codes there are, the null category included."""

    @property
    def labels(self) -> tuple[str, ...]:
        """One readable name per code; the null category is ``null``."""

    @property
    def arrow_type(self) -> pa.DataType:
        """The type of every decoded column."""

    @property
    def nullable(self) -> bool:
        """Whether decoded columns may hold nulls (the null policy is ``category``)."""

    def encode(self, column: pa.Array) -> Codes:
        """The int32 code of each cell; total and elementwise, any physical type."""

    def decode(
        self, codes: NDArray[np.integer[Any]], rng: np.random.Generator, condition: Condition | None = None
    ) -> pa.Array:
        """One cell of ``arrow_type`` per code, anywhere in its bin, or in the part the condition allows."""

    def evidence(self, condition: Condition) -> NDArray[np.float64]:
        """For each code the share of its values that satisfy the condition; ``UsageError`` for a text of another
        type or a value outside an enumeration.
        """


def _codes_of(column: pa.Array | pa.ChunkedArray, codec: CategoryCodec | ListedCodec | BinnedCodec) -> Codes:
    plain = storage(column)
    if pa.types.is_null(plain.type):
        return np.full(len(plain), codec.null_code, dtype=np.int32)
    if pa.types.is_dictionary(plain.type) or (is_text(plain.type) and codec.hashed):
        return through_dictionary(plain, codec.elementwise, codec.null_code)
    return codec.elementwise(plain)


@dataclass(frozen=True, eq=False)
class CategoryCodec:
    """Named categories: strings (their texts) and booleans.

    ``spellings`` maps every accepted text to its code; a text in ``missing`` is null, any other is ``unknown_code``.
    ``values`` holds the cell of each category.
    """

    values: pa.Array
    spellings: Mapping[bytes, int]
    missing: frozenset[bytes]
    null_code: int
    unknown_code: int
    nullable: bool
    hashed = False
    _keys: pa.Array = field(init=False, repr=False)
    _targets: Codes = field(init=False, repr=False)

    def __post_init__(self) -> None:
        table = {**self.spellings, **dict.fromkeys(sorted(self.missing), self.null_code)}
        object.__setattr__(self, "_keys", pa.array(list(table), pa.binary()))
        targets = np.array([*table.values(), self.unknown_code], dtype=np.int32)
        object.__setattr__(self, "_targets", targets)

    @property
    def size(self) -> int:
        """How many codes there are, the null category included."""
        return len(self.values) + self.nullable

    @property
    def arrow_type(self) -> pa.DataType:
        """The type of every decoded column."""
        return self.values.type

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """The category texts, then ``null``."""
        return (*self.values.cast(pa.string()).to_pylist(), *([NULL] if self.nullable else []))

    def encode(self, column: pa.Array) -> Codes:
        """The int32 code of each cell; total and elementwise."""
        return _codes_of(column, self)

    def elementwise(self, column: pa.Array) -> Codes:
        """The code of each cell of a plain (not dictionary-encoded) array."""
        if not is_text(column.type):
            return self._other_types(column)
        cells = as_bytes(column)
        found = self._lookup(cells)
        strays = np.flatnonzero(found == self._unmatched)
        if len(strays):
            found = found.copy()
            found[strays] = self._lookup(trimmed(cells.take(pa.array(strays))))
        codes = self._targets[found]
        return codes if cells.null_count == 0 else np.where(_null_bits(cells), np.int32(self.null_code), codes)

    @property
    def _unmatched(self) -> int:
        return len(self._keys)

    def _lookup(self, cells: pa.Array) -> NDArray[np.int32]:
        keys = self._keys.cast(cells.type)
        return np.asarray(pc.index_in(cells, value_set=keys).fill_null(self._unmatched).to_numpy(zero_copy_only=False))

    def _other_types(self, column: pa.Array) -> Codes:
        kind = column.type
        if pa.types.is_boolean(kind) and pa.types.is_boolean(self.arrow_type):
            cells = column.cast(pa.int32()).fill_null(self.null_code).to_numpy(zero_copy_only=False)
            return np.where(_null_bits(column), np.int32(self.null_code), cells).astype(np.int32)
        if pa.types.is_boolean(kind) or pa.types.is_integer(kind) or pa.types.is_date(kind):
            return through_dictionary(column, lambda cells: self.elementwise(cells.cast(pa.string())), self.null_code)
        if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
            numbers, valid = reals(column)
            text = pa.array(numbers, mask=~valid)
            return through_dictionary(text, lambda cells: self.elementwise(cells.cast(pa.string())), self.null_code)
        return np.where(_null_bits(column), np.int32(self.null_code), np.int32(self.unknown_code)).astype(np.int32)

    def decode(
        self, codes: NDArray[np.integer[Any]], rng: np.random.Generator, condition: Condition | None = None
    ) -> pa.Array:
        """The category of each code; nothing is drawn."""
        del rng, condition
        return self.values.take(_indices(codes, len(self.values)))

    def evidence(self, condition: Condition) -> NDArray[np.float64]:
        """1 for the categories named, 0 for the others."""
        weights = np.zeros(self.size)
        for text in _listed_texts(condition, "categories have no order"):
            if text == NULL and self.nullable:
                weights[-1] = 1.0
            elif text.encode() in self.spellings:
                weights[self.spellings[text.encode()]] = 1.0
            else:
                raise UsageError("a value is not in the field's domain", where=condition.column, hint=self._advice)
        return weights

    @property
    def _advice(self) -> str:
        shown = ", ".join(self.labels[:12])
        return f"The domain is: {shown}{', ...' if self.size > 12 else ''}."


@dataclass(frozen=True, eq=False)
class ListedCodec:
    """An enumeration of numbers; anything else is null's code. ``values`` in schema order, in the scale's dtype."""

    scale: Scale
    values: NDArray[Any]
    sentinels: NDArray[Any]
    null_code: int
    nullable: bool
    hashed = True

    @property
    def size(self) -> int:
        """How many codes there are, the null category included."""
        return len(self.values) + self.nullable

    @property
    def arrow_type(self) -> pa.DataType:
        """The type of every decoded column."""
        return self.scale.arrow_type

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """The numbers, then ``null``."""
        return (*(str(value) for value in self.values.tolist()), *([NULL] if self.nullable else []))

    def encode(self, column: pa.Array) -> Codes:
        """The int32 code of each cell; total and elementwise."""
        return _codes_of(column, self)

    def elementwise(self, column: pa.Array) -> Codes:
        """The code of each cell of a plain (not dictionary-encoded) array."""
        numbers, valid = self.scale.read(column)
        order = np.argsort(self.values)
        ranked = self.values[order]
        position = np.minimum(np.searchsorted(ranked, numbers), len(ranked) - 1)
        valid = valid & (ranked[position] == numbers) & ~_is_sentinel(numbers, self.sentinels)
        return np.where(valid, order[position], self.null_code).astype(np.int32)

    def decode(
        self, codes: NDArray[np.integer[Any]], rng: np.random.Generator, condition: Condition | None = None
    ) -> pa.Array:
        """The number of each code; nothing is drawn."""
        del rng, condition
        missing = np.asarray(codes) >= len(self.values)
        numbers = self.values[np.where(missing, 0, codes)]
        return self.scale.write(numbers, missing if missing.any() else None)

    def evidence(self, condition: Condition) -> NDArray[np.float64]:
        """1 for the numbers that satisfy the condition, 0 for the others."""
        intervals, null = _intervals(condition, self.scale, nullable=self.nullable)
        inside = np.zeros(len(self.values), dtype=np.bool_)
        for low, high in intervals:
            inside |= (self.values >= low) & (self.values <= high)
        return np.append(inside, [null] * self.nullable).astype(np.float64)


@dataclass(frozen=True, eq=False)
class BinnedCodec:
    """A bounded range of numbers, dates or moments in bins; ``clip`` moves what is outside to the nearest bin,
    otherwise it is null's code. ``fill`` is the number that a missing cell counts as, unless null is a category.
    """

    scale: Scale
    bins: Bins
    edges: NDArray[Any]
    sentinels: NDArray[Any]
    null_code: int
    nullable: bool
    clip: bool
    fill: Any = None
    hashed = True

    @property
    def size(self) -> int:
        """How many codes there are, the null category included."""
        return self.bins.count + self.nullable

    @property
    def arrow_type(self) -> pa.DataType:
        """The type of every decoded column."""
        return self.scale.arrow_type

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """The bins' names, then ``null``."""
        return (*self.scale.labels(self.edges), *([NULL] if self.nullable else []))

    def encode(self, column: pa.Array) -> Codes:
        """The int32 code of each cell; total and elementwise."""
        return _codes_of(column, self)

    def elementwise(self, column: pa.Array) -> Codes:
        """The code of each cell of a plain (not dictionary-encoded) array."""
        bounded, valid = self.bounded(column)
        codes = self.bins.locate(bounded)
        return codes if valid.all() else np.where(valid, codes, np.int32(self.null_code))

    def bounded(self, column: pa.Array) -> tuple[NDArray[Any], Bits]:
        """The number of each cell of a plain array, moved into the bounds, and which cells count as one."""
        numbers, valid = self.scale.read(column)
        bounded = np.clip(numbers, self.bins.low, self.bins.high)
        if not self.clip:
            valid = valid & (bounded == numbers)
        if len(self.sentinels):
            valid = valid & ~_is_sentinel(numbers, self.sentinels)
        return bounded, valid

    def decode(
        self, codes: NDArray[np.integer[Any]], rng: np.random.Generator, condition: Condition | None = None
    ) -> pa.Array:
        """One draw from the bin of each code, or from the part of it that the condition allows."""
        missing = np.asarray(codes) >= self.bins.count
        inside = np.where(missing, 0, codes).astype(np.int64)
        intervals = None if condition is None else _intervals(condition, self.scale, nullable=self.nullable)[0]
        numbers = self.bins.draw(inside, rng, intervals)
        if len(self.sentinels):
            self._redraw(numbers, inside, rng, intervals)
        return self.scale.write(numbers, missing if missing.any() else None)

    def _redraw(
        self,
        numbers: NDArray[Any],
        inside: NDArray[np.int64],
        rng: np.random.Generator,
        intervals: list[tuple[Any, Any]] | None,
    ) -> None:
        """Draw again, in place, what came out as a mark of missing values: no row of the table has such a number.

        A bin that consists of marks alone holds no rows but noise; after 40 draws its mark stays.
        """
        for _ in range(40):
            hit = np.flatnonzero(_is_sentinel(numbers, self.sentinels))
            if not len(hit):
                return
            numbers[hit] = self.bins.draw(inside[hit], rng, intervals)

    def evidence(self, condition: Condition) -> NDArray[np.float64]:
        """The share of each bin that satisfies the condition."""
        intervals, null = _intervals(condition, self.scale, nullable=self.nullable)
        return np.append(self.bins.share(intervals), [float(null)] * self.nullable)


def _null_bits(column: pa.Array) -> Bits:
    return np.asarray(column.is_null().to_numpy(zero_copy_only=False))


def _is_sentinel(numbers: NDArray[Any], sentinels: NDArray[Any]) -> Bits:
    hit = np.zeros(len(numbers), dtype=np.bool_)
    for sentinel in sentinels:
        hit |= numbers == sentinel
    return hit


def _indices(codes: NDArray[np.integer[Any]], count: int) -> pa.Array:
    wide = np.asarray(codes).astype(np.int32)
    missing = wide >= count
    return pa.array(wide, mask=missing) if missing.any() else pa.array(wide)


def _listed_texts(condition: Condition, why_no_range: str) -> tuple[str, ...]:
    if condition.kind == "range":
        raise UsageError(f"a range does not apply: {why_no_range}", where=condition.column, hint='Use "col in a,b".')
    return condition.texts


def _intervals(condition: Condition, scale: Scale, *, nullable: bool) -> tuple[list[tuple[Any, Any]], bool]:
    """The closed intervals that a condition means on a scale, and whether it names null."""
    if condition.kind == "range":
        low, high = condition.texts
        first = _interval(scale, low, condition.column)[0] if low else -np.inf
        last = _interval(scale, high, condition.column)[1] if high else np.inf
        return [(first, last)], False
    texts = [text for text in condition.texts if text != NULL]
    null = len(texts) < len(condition.texts)
    if null and not nullable:
        raise UsageError("the field has no null category", where=condition.column)
    return [_interval(scale, text, condition.column) for text in texts], null


def _interval(scale: Scale, text: str, column: str) -> tuple[Any, Any]:
    try:
        return scale.interval(text)
    except (ValueError, OverflowError):
        kind = {"int64": "an integer", "double": "a number", "date32[day]": "a date"}.get(str(scale.arrow_type))
        hint = f"The field holds {kind or 'moments: give a date or a time'}."
        raise UsageError("a value cannot be read", where=column, hint=hint) from None
