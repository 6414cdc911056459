"""Fields that follow from others: a lag after another field, a sum, a coarse code; never modeled twice.

``Lag.encode`` is the part that meets sensitive rows (``docs/proofs/codecs.md``): elementwise and total. The rest makes
the table's columns out of decoded attributes, and is post-processing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from dpsynth.errors import UsageError
from dpsynth.schema.attributes import Attribute, Rows, numbers_of
from dpsynth.schema.cells import Bits, Codes
from dpsynth.schema.codecs import NULL, BinnedCodec, CategoryCodec, Codec, ListedCodec
from dpsynth.schema.conditions import Condition
from dpsynth.schema.scales import Scale


@dataclass(frozen=True, eq=False)
class LengthCodec:
    """The codes of a lag: the bins of the length; ``alone``, for a row that has the later value but not the earlier
    one; the null category.

    Among decoded rows those that are alone borrow the length of another row.
    """

    inner: BinnedCodec
    alone: str | None

    @property
    def scale(self) -> Scale:
        """The scale of the length."""
        return self.inner.scale

    @property
    def nullable(self) -> bool:
        """Whether the length may be null: then the derived field is."""
        return self.inner.nullable

    @property
    def size(self) -> int:
        """How many codes there are, the null category included."""
        return self.inner.size + (self.alone is not None)

    @property
    def arrow_type(self) -> pa.DataType:
        """int64, or float64 for numbers and for moments with decimals of a second."""
        return self.inner.arrow_type

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """The bins' names, then the name of ``alone``, then ``null``."""
        bins = self.inner.labels[: self.inner.bins.count]
        return (*bins, *([self.alone] if self.alone else []), *([NULL] if self.nullable else []))

    @property
    def _null_code(self) -> int:
        inner = self.inner
        return inner.null_code + (self.alone is not None) if inner.nullable else inner.null_code

    def encode(self, column: pa.Array) -> Codes:
        """The int32 code of each length; total and elementwise."""
        return self.located(*numbers_of(self.inner, column))

    def located(self, lengths: NDArray[Any], valid: Bits) -> Codes:
        """The code of each length; the null policy's where there is none, or where it is outside and nulled."""
        bins = self.inner.bins
        bounded = np.clip(lengths, bins.low, bins.high)
        if not self.inner.clip:
            valid = valid & (bounded == lengths)
        return np.where(valid, bins.locate(bounded), self._null_code).astype(np.int32)

    def decode(
        self, codes: NDArray[np.integer[Any]], rng: np.random.Generator, condition: Condition | None = None
    ) -> pa.Array:
        """One length per code, uniform within its bin; where ``alone``, within the bin of a random other row."""
        count = self.inner.bins.count
        wide = np.asarray(codes).astype(np.int64)
        if self.alone is not None:
            lone = np.flatnonzero(wide == count)
            wide = np.where(wide > count, count, wide)
            if len(lone):
                pool = wide[wide < count]
                wide[lone] = pool[rng.integers(len(pool), size=len(lone))] if len(pool) else 0
        return self.inner.decode(wide, rng, condition)

    def evidence(self, condition: Condition) -> NDArray[np.float64]:
        """The share of each bin that satisfies the condition; ``alone`` satisfies none."""
        shares = self.inner.evidence(condition)
        return shares if self.alone is None else np.insert(shares, self.inner.bins.count, 0.0)


@dataclass(frozen=True, eq=False)
class Lag:
    """``field = source + length``: the length is modeled, the field restored from it.

    ``reader`` reads the field's own cells, within what source and length can reach; ``origin`` those of the source.
    ``finer`` are the field's steps in one step of the source, ``steps`` its steps in one unit of the length.
    """

    field: str
    source: str
    attribute: str
    length: LengthCodec
    reader: BinnedCodec
    origin: BinnedCodec | ListedCodec
    finer: int = 1
    steps: int = 1
    decimals: int | None = None

    @property
    def sources(self) -> tuple[str, ...]:
        """The fields it is restored from."""
        return (self.source,)

    @property
    def codec(self) -> BinnedCodec:
        """The field's type and range, as one bin."""
        return replace(self.reader, nullable=self.length.nullable)

    @property
    def attributes(self) -> tuple[Attribute, ...]:
        """The length."""
        return (Attribute(self.attribute, self.length, (self.source, self.field), self.encode),)

    def encode(self, rows: Rows) -> Codes:
        """The int32 code of each row's length; total, and a function of the row's two cells alone."""
        starts, begun = rows.numbers(self.source, self.origin)
        ends, ended = rows.numbers(self.field, self.reader)
        codes = self.length.located(self._lengths(starts, ends), ended & begun)
        lone = ended & ~begun
        return codes if self.length.alone is None else np.where(lone, np.int32(self.length.inner.bins.count), codes)

    def _lengths(self, starts: NDArray[Any], ends: NDArray[Any]) -> NDArray[Any]:
        if ends.dtype.kind == "i" and starts.dtype.kind == "i":
            steps = ends - starts * self.finer
            return np.asarray(steps if self.length.arrow_type == pa.int64() else steps / self.steps)
        lengths = ends - starts
        return np.asarray(lengths if self.decimals is None else np.round(lengths, self.decimals))

    def restored(self, columns: Mapping[str, pa.Array], rng: np.random.Generator) -> pa.Array:
        """The field: the source plus the length, null where the length is.

        A row whose source is null but that has a length borrows the source of another row of the block (or one of the
        source's bounds, when all are null).
        """
        starts, begun = numbers_of(self.origin, columns[self.source])
        lengths, present = numbers_of(self.length.inner, columns[self.attribute])
        lent = np.flatnonzero(present & ~begun)
        if len(lent):
            pool = starts[begun] if begun.any() else np.array(reach(self.origin), dtype=starts.dtype)
            starts = starts.copy()
            starts[lent] = pool[rng.integers(len(pool), size=len(lent))]
        ends = self._ends(starts, lengths)
        return self.reader.scale.write(ends, None if present.all() else ~present)

    def _ends(self, starts: NDArray[Any], lengths: NDArray[Any]) -> NDArray[Any]:
        if self.reader.arrow_type != pa.float64():
            steps = lengths if lengths.dtype.kind == "i" else np.rint(lengths * self.steps).astype(np.int64)
            return np.asarray(starts * self.finer + steps)
        ends = starts + lengths
        return np.asarray(ends if self.decimals is None else np.round(ends, self.decimals))

    def condition(self, condition: Condition) -> Condition:
        """A condition on the field cannot be weighed by the model: ``UsageError`` that says what can."""
        hint = f"Give conditions on {self.source!r} and on {self.attribute!r}."
        raise UsageError(
            "the field is derived: no condition on it can be met exactly", where=condition.column, hint=hint
        )


@dataclass(frozen=True, eq=False)
class Sum:
    """The sum of numeric fields, null where one of them is; ``decimals`` rounds away what addition leaves."""

    field: str
    parts: tuple[str, ...]
    codec: BinnedCodec
    decimals: int | None = None

    @property
    def sources(self) -> tuple[str, ...]:
        """The fields it is computed from."""
        return self.parts

    @property
    def reader(self) -> BinnedCodec:
        """How the field's own cells are read, where another field follows from it."""
        return replace(self.codec, nullable=True)

    @property
    def attributes(self) -> tuple[Attribute, ...]:
        """None: the sum is not modeled."""
        return ()

    def restored(self, columns: Mapping[str, pa.Array], rng: np.random.Generator) -> pa.Array:
        """The sums, added from left to right."""
        del rng
        total = columns[self.parts[0]]
        for part in self.parts[1:]:
            total = pc.add(total, columns[part])
        total = total.cast(self.codec.arrow_type)
        return total if self.decimals is None else pc.round(total, self.decimals)

    def condition(self, condition: Condition) -> Condition:
        """A condition on a sum cannot be weighed by the model: ``UsageError`` that says what can."""
        hint = f"Give conditions on its parts: {', '.join(self.parts)}."
        raise UsageError(
            "the field is derived: no condition on it can be met exactly", where=condition.column, hint=hint
        )


@dataclass(frozen=True, eq=False)
class Lookup:
    """A coarse code that follows from a fine one: ``targets`` holds the cell of each of the source's values."""

    field: str
    source: str
    fine: CategoryCodec | ListedCodec
    targets: pa.Array
    codec: Codec

    @property
    def sources(self) -> tuple[str, ...]:
        """The field it is looked up by."""
        return (self.source,)

    @property
    def attributes(self) -> tuple[Attribute, ...]:
        """None: the coarse code is not modeled."""
        return ()

    def restored(self, columns: Mapping[str, pa.Array], rng: np.random.Generator) -> pa.Array:
        """The coarse code of each fine one, null where that is null."""
        del rng
        values = self.fine.values
        known = pa.array(values) if isinstance(values, np.ndarray) else values
        return self.targets.take(pc.index_in(columns[self.source], value_set=known))

    def condition(self, condition: Condition) -> Condition:
        """The condition on the fine code that means the same; ``UsageError`` as for any enumeration."""
        wanted = np.flatnonzero(self.codec.evidence(condition))
        labels = self.codec.labels
        texts = {labels[code] for code in wanted}
        coarse = self.targets.cast(pa.string()).to_pylist()
        fine = [text for text, target in zip(self.fine.labels, coarse, strict=False) if target in texts]
        return Condition(self.source, "in", (*fine, *([NULL] if NULL in texts and self.codec.nullable else [])))


Rule = Lag | Sum | Lookup


def reach(codec: BinnedCodec | ListedCodec) -> tuple[Any, Any]:
    """The smallest and the largest number of a codec's domain."""
    if isinstance(codec, ListedCodec):
        return codec.values.min().item(), codec.values.max().item()
    return codec.bins.low, codec.bins.high
