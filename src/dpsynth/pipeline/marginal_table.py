"""The long table of noisy marginals, one row a cell: ``docs/reference/estimate.md``. Read from others, written of ours.

Everything in such a table is released, so messages may name a marginal and a field; they still quote no value.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike
from typing import Any, Literal, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from dpsynth.domain import Clique, Domain
from dpsynth.errors import DataMismatchError, ResourceLimitError, UsageError
from dpsynth.models import ClaimedMarginal, Model
from dpsynth.models.claims import NAME_LENGTH
from dpsynth.privacy.answers import NoisyMarginal
from dpsynth.schema import Schema
from dpsynth.schema.cells import Bits, Codes, as_bytes, is_text, reals, storage, through_dictionary, trimmed
from dpsynth.tables import TableReader, Written, open_table, write_table

RESERVED = ("marginal", "count", "scale")
MARGINALS, CELLS, CLIQUE_CELLS, CLIQUE_FIELDS = 10_000, 1 << 25, 1 << 25, 32
"""At most this many marginals in a table, cells of all of them, and cells and fields of one."""

LARGEST = 1e12
SMALLEST_SCALE = 1e-6
"""Counts and scales beyond these are no noisy counts of rows: their squares would leave the range of floats."""

Spelling = Literal["labels", "codes"]
"""How a cell names the value of a field: by the label that the schema gives it, or by its integer code."""

_ABSENT, _UNKNOWN = -1, -2
_INDEX = re.compile(r"__index_level_\d+__")
"""How pandas names the index of a frame in a file; it is no column."""
_BATCH_ROWS = 1 << 16


def column_of(attribute: str) -> str:
    """The column that holds the values of a field: its name, or ``field:NAME`` when that could be mistaken."""
    return f"field:{attribute}" if attribute in RESERVED or attribute.startswith("field:") else attribute


def read_marginals(
    source: Any, schema: Schema, *, values: Spelling = "labels", delimiter: str | None = None
) -> tuple[ClaimedMarginal, ...]:
    """The marginals of a long table, in the order of their first rows; axes of each in schema order.

    ``source``: a path, ``-`` or a frame, as for a fit. Raises ``DataMismatchError`` (or ``FileFormatError`` for an
    unreadable file) for an absent or unknown column, a value outside the domain, a count or scale that is no finite
    number in range, several scales or sets of fields in one marginal, repeated or missing cells, and an empty table;
    ``ResourceLimitError`` beyond the limits of this module. Memory: 24 bytes a row.
    """
    if values not in get_args(Spelling):
        raise UsageError("values are given as labels or codes", where="values")
    reader = open_table(source, delimiter=delimiter)
    columns = _columns(reader, schema.domain)
    spelled = {name: _spelled(schema.codec(name).labels, values) for name in columns}
    collected = _Collected(reader.where, schema.domain, tuple(columns))
    for batch in reader.batches([*RESERVED, *columns.values()], _BATCH_ROWS):
        marginal, count, scale, *fields = (storage(column) for column in batch.columns)
        texts = [_codes(column, spelled[name], name) for name, column in zip(columns, fields, strict=True)]
        codes = np.array(texts, dtype=np.int32).reshape(len(columns), batch.num_rows)
        collected.add(marginal, codes, _numbers(count), _numbers(scale))
    return collected.marginals()


def write_marginals(
    model: Model, path: str | PathLike[str], *, values: Spelling = "labels", force: bool = False
) -> Written:
    """Write the noisy marginals that a model was made of as a long table (CSV, Parquet or Arrow by the extension).

    They are released: this costs no budget. Marginals of a fit are numbered from 1; those of a claim keep their names.
    Raises ``UsageError`` for a model without any, and for one whose answers merged values into buckets (as ``mst``
    and ``aim`` do); ``OutputExistsError`` if the file exists.
    """
    if values not in get_args(Spelling):
        raise UsageError("values are given as labels or codes", where="values")
    answers = [answer for answer in model.answers if isinstance(answer, NoisyMarginal)]
    named: list[tuple[str, NoisyMarginal | ClaimedMarginal]] = [(str(n), one) for n, one in enumerate(answers, start=1)]
    named += [(one.name, one) for one in model.claims]
    if not named:
        raise UsageError("the model holds no noisy marginals")
    if any(one.coarsening for _, one in named):
        raise UsageError(
            "the model was made of answers about buckets of values, which a table of marginals cannot hold",
            hint="Fit with the method direct or independent.",
        )
    spelled = {name: _spelled(tuple(model.codecs[name].labels), values) for name in model.domain}
    kinds = [pa.field(column_of(name), pa.string()) for name in model.domain]
    layout = pa.schema(
        [pa.field("marginal", pa.string()), *kinds, pa.field("count", pa.float64()), pa.field("scale", pa.float64())]
    )
    batches = (_batch(name, one, spelled, layout) for name, one in named)
    return write_table(batches, layout, path, force=force)


def _batch(
    name: str, marginal: NoisyMarginal | ClaimedMarginal, spelled: Mapping[str, pa.Array], layout: pa.Schema
) -> pa.RecordBatch:
    cells = marginal.values.size
    codes = dict(zip(marginal.clique, np.indices(marginal.values.shape).reshape(-1, cells), strict=True))
    fields = [
        texts.take(pa.array(codes[attribute])).cast(pa.string()) if attribute in codes else pa.nulls(cells, pa.string())
        for attribute, texts in spelled.items()
    ]
    counts = pa.array(marginal.values.ravel().astype(np.float64))
    arrays = [pa.repeat(name, cells), *fields, counts, pa.repeat(float(marginal.deviation), cells)]
    return pa.RecordBatch.from_arrays(arrays, schema=layout)


# --- columns and cells ----------------------------------------------------------------------------------------


def _columns(reader: TableReader, domain: Domain) -> dict[str, str]:
    """The column of every field that the table has, in schema order."""
    known = {column_of(name): name for name in domain}
    for name in RESERVED:
        if name not in reader.names:
            hint = "One row a cell: marginal, one column a field, count, scale (docs/reference/estimate.md)."
            raise DataMismatchError(f"the table has no column {name!r}", where=reader.where, hint=hint)
    for position, name in enumerate(reader.names, start=1):
        # The name stays unsaid: without a header it is a cell of the first row.
        if name not in known and name not in RESERVED and not _INDEX.fullmatch(name):
            raise DataMismatchError(
                f"column {position} is neither a modeled field of the schema nor marginal, count or scale",
                where=reader.where,
                hint="Is it the schema of these marginals?",
            )
    return {name: column for column, name in known.items() if column in reader.names}


def _spelled(labels: Sequence[str], values: Spelling) -> pa.Array:
    """The text of every code, as binary. Labels of a schema are distinct, and none is empty."""
    texts = [str(code) for code in range(len(labels))] if values == "codes" else labels
    return pa.array([text.encode() for text in texts], pa.binary())


def _codes(column: pa.Array, spelled: pa.Array, attribute: str) -> Codes:
    """The code of each cell; absent where it is null or empty. ``DataMismatchError`` for any other text or type."""
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    plain = is_text(kind) or pa.types.is_boolean(kind) or pa.types.is_integer(kind) or pa.types.is_floating(kind)
    if not plain and not pa.types.is_null(kind):
        raise DataMismatchError(f"a column of type {kind} holds no values of a field", where=f"field {attribute!r}")
    codes = through_dictionary(column, lambda cells: _looked_up(cells, spelled), _ABSENT)
    if unknown := int((codes == _UNKNOWN).sum()):
        raise DataMismatchError(
            f"{unknown:,} cells hold a value that is not in the domain of this field",
            where=f"field {attribute!r}",
            hint=f"Known: {_some_of(spelled)}.",
        )
    return codes


def _looked_up(cells: pa.Array, spelled: pa.Array) -> Codes:
    if pa.types.is_null(cells.type):
        return np.full(len(cells), _ABSENT, dtype=np.int32)
    if pa.types.is_floating(cells.type):
        return _looked_up_numbers(cells, spelled)
    texts = as_bytes(cells if is_text(cells.type) else cells.cast(pa.string()))
    keys = spelled.cast(texts.type)
    found = pc.coalesce(pc.index_in(texts, value_set=keys), pc.index_in(trimmed(texts), value_set=keys), _UNKNOWN)
    absent = pc.fill_null(pc.equal(pc.binary_length(texts), 0), fill_value=True)
    codes: Codes = pc.if_else(absent, _ABSENT, found).to_numpy(zero_copy_only=False).astype(np.int32)
    return codes


def _looked_up_numbers(cells: pa.Array, spelled: pa.Array) -> Codes:
    """Floats by their number, NaN as absent: frames make floats of integers with gaps."""
    numbers, there = reals(cells)
    keys, usable = reals(spelled)
    codes = np.flatnonzero(usable)[np.argsort(keys[usable], kind="stable")]
    if not len(codes):
        return np.where(there, _UNKNOWN, _ABSENT).astype(np.int32)
    nearest = codes[np.minimum(np.searchsorted(keys[codes], numbers), len(codes) - 1)]
    found = np.where(keys[nearest] == numbers, nearest, _UNKNOWN)
    return np.where(there, found, _ABSENT).astype(np.int32)


def _numbers(column: pa.Array) -> tuple[NDArray[np.float64], Bits]:
    """The cells as numbers, and which of them are some; text is read like the text of a CSV."""
    return reals(storage(column.dictionary_decode()) if pa.types.is_dictionary(column.type) else column)


def _some_of(spelled: pa.Array) -> str:
    shown = ", ".join(text.decode() for text in spelled[:12].to_pylist())
    return shown + (", ..." if len(spelled) > 12 else "")


# --- rows, marginal by marginal -------------------------------------------------------------------------------


@dataclass(eq=False)
class _Part:
    """One marginal on its way: its fields, and the flat cell, count and scale of every row so far."""

    name: str
    clique: Clique
    shape: tuple[int, ...]
    cells: list[NDArray[np.int64]] = field(default_factory=list)
    counts: list[NDArray[np.float64]] = field(default_factory=list)
    scales: list[NDArray[np.float64]] = field(default_factory=list)

    def whole(self, where: str) -> ClaimedMarginal:
        """The marginal; ``DataMismatchError`` unless every cell is there once, all with one scale."""
        cells, counts, scales = (np.concatenate(rows) for rows in (self.cells, self.counts, self.scales))
        size = math.prod(self.shape)
        distinct = len(np.unique(cells))
        if distinct < len(cells):
            raise DataMismatchError(f"{len(cells) - distinct:,} cells are given more than once", where=where)
        if distinct < size:
            hint = "Every combination of values needs a row, also one that was released as 0."
            raise DataMismatchError(f"{size - distinct:,} of {size:,} cells are missing", where=where, hint=hint)
        if scales.min() != scales.max():
            raise DataMismatchError("the rows of one marginal need one scale", where=where)
        values = np.empty(size)
        values[cells] = counts
        return ClaimedMarginal(self.name, self.clique, values.reshape(self.shape), float(scales[0]))


class _Collected:
    """The rows of a table, sorted into marginals as they come in."""

    def __init__(self, where: str, domain: Domain, attributes: tuple[str, ...]) -> None:
        self._where, self._domain, self._attributes = where, domain, attributes
        self._parts: dict[bytes, _Part] = {}
        self._rows = 0

    def add(
        self, marginal: pa.Array, codes: Codes, counts: tuple[NDArray[Any], Bits], scales: tuple[NDArray[Any], Bits]
    ) -> None:
        """Take rows: names, codes (fields x rows), and numbers with the bits that tell which cells hold one."""
        self._rows += len(marginal)
        if self._rows > CELLS:
            raise ResourceLimitError(f"the table has more than {CELLS:,} cells", where=self._where)
        for name, rows in self._groups(marginal):
            where = f"{self._where}, marginal {quoted(name)}"
            count, scale = counts[0][rows], scales[0][rows]
            sound = counts[1][rows] & (np.abs(count) <= LARGEST)
            _require(sound, f"{{}} counts are no numbers between -{LARGEST:g} and {LARGEST:g}", where)
            sound = scales[1][rows] & (scale >= SMALLEST_SCALE) & (scale <= LARGEST)
            _require(sound, f"{{}} scales are no numbers between {SMALLEST_SCALE:g} and {LARGEST:g}", where)
            part = self._part(name, codes[:, rows], where)
            taken = codes[[self._attributes.index(attribute) for attribute in part.clique]][:, rows]
            flat = np.ravel_multi_index(tuple(taken), part.shape) if part.shape else np.zeros(len(rows), np.int64)
            part.cells.append(flat.astype(np.int64))
            part.counts.append(count)
            part.scales.append(scale)

    def marginals(self) -> tuple[ClaimedMarginal, ...]:
        """All marginals, each complete."""
        if not self._parts:
            raise DataMismatchError("the table holds no marginal: it has no rows", where=self._where)
        where = {name: f"{self._where}, marginal {quoted(name)}" for name in self._parts}
        return tuple(part.whole(where[name]) for name, part in self._parts.items())

    def _groups(self, marginal: pa.Array) -> Iterator[tuple[bytes, NDArray[np.intp]]]:
        """The rows of each marginal, in the order of its first row."""
        kind = marginal.type.value_type if pa.types.is_dictionary(marginal.type) else marginal.type
        if not (is_text(kind) or pa.types.is_integer(kind)):
            raise DataMismatchError("column 'marginal' holds names or whole numbers, nothing else", where=self._where)
        names = marginal if pa.types.is_dictionary(marginal.type) else marginal.dictionary_encode()
        texts = _names(names.dictionary, self._where)
        named = names.indices.is_valid().to_numpy(zero_copy_only=False)
        present = pc.fill_null(names.indices, 0).to_numpy(zero_copy_only=False)
        if len(texts):
            named = named & np.array([bool(text) for text in texts])[present]
        _require(named, "{} rows name no marginal", self._where)
        order = np.argsort(present, kind="stable")
        groups = np.split(order, np.flatnonzero(np.diff(present[order])) + 1) if len(order) else []
        for rows in sorted(groups, key=lambda rows: int(rows[0])):
            yield texts[present[rows[0]]], rows

    def _part(self, name: bytes, codes: Codes, where: str) -> _Part:
        """The part of this name, made at its first row; ``DataMismatchError`` when its rows name other fields."""
        has = codes >= 0
        clique = tuple(attribute for attribute, there in zip(self._attributes, has[:, 0], strict=True) if there)
        part = self._parts.get(name)
        if part is None:
            part = self._parts[name] = self._started(name, clique, where)
        if part.clique != clique or not (has == has[:, :1]).all():
            hint = "A field is empty in all rows of a marginal or in none; the null category is spelled null."
            raise DataMismatchError("its rows do not all name the same fields", where=where, hint=hint)
        return part

    def _started(self, name: bytes, clique: Clique, where: str) -> _Part:
        cells = self._domain.cells(clique)
        if cells > CLIQUE_CELLS or len(clique) > CLIQUE_FIELDS:
            raise ResourceLimitError(
                f"a marginal of {len(clique)} fields and {cells:,} cells is too large",
                where=where,
                hint=f"At most {CLIQUE_FIELDS} fields and {CLIQUE_CELLS:,} cells.",
            )
        if len(self._parts) >= MARGINALS:
            raise ResourceLimitError(f"the table has more than {MARGINALS:,} marginals", where=self._where)
        return _Part(name.decode("utf-8", "backslashreplace"), clique, self._domain.shape(clique))


def _names(dictionary: pa.Array, where: str) -> list[bytes]:
    """The names of marginals; ``DataMismatchError`` for one that is too long, ``ResourceLimitError`` for too many."""
    if len(dictionary) > MARGINALS:
        raise ResourceLimitError(f"the table has more than {MARGINALS:,} marginals", where=where)
    plain = storage(dictionary)
    if pa.types.is_integer(plain.type):
        plain = plain.cast(pa.string())
    texts = [text or b"" for text in as_bytes(plain).to_pylist()]
    if any(len(text) > NAME_LENGTH for text in texts):
        raise DataMismatchError(f"the name of a marginal has more than {NAME_LENGTH} bytes", where=where)
    return texts


def _require(sound: Bits, fault: str, where: str) -> None:
    """Raise ``DataMismatchError`` with the number of faults unless all is sound."""
    if faults := int(len(sound) - np.count_nonzero(sound)):
        raise DataMismatchError(fault.format(f"{faults:,}"), where=where)


def quoted(name: bytes | str) -> str:
    """The name of a marginal for messages: short, and without control characters."""
    text = name if isinstance(name, str) else name.decode("utf-8", "backslashreplace")
    return repr(text if len(text) <= 40 else f"{text[:39]}…")
