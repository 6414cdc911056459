"""The masks and fixed levels of a schema, applied to the cells of a table before they are encoded.

Proof page: ``docs/proofs/masking.md``. A masked cell depends on the cell it was and on the schema; nothing about the
values raises. What a mask does not fit, or a hierarchy does not cover, counts as unknown: ``other`` or missing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dpsynth.anonymization.builders import Builder, builder_of
from dpsynth.anonymization.encoding import distinct_texts
from dpsynth.anonymization.hierarchies import SUPPRESSED
from dpsynth.anonymization.masks.building import build_mask
from dpsynth.anonymization.masks.mask import OverCells
from dpsynth.anonymization.masks.values import as_cells
from dpsynth.errors import DataMismatchError, SchemaError
from dpsynth.schema import Field, Schema
from dpsynth.schema.cells import is_text, reals, storage, trimmed
from dpsynth.schema.mask_parts import Mask
from dpsynth.schema.masking_rules import DROP
from dpsynth.schema.physical import family, plain_type
from dpsynth.tables.reader import TableReader

_TEXT = "string"
_UNKNOWN = "other"


@dataclass(frozen=True, eq=False)
class CellMask:
    """What is done to one column. ``masked``: cells to cells, null for null and for what it does not fit.

    ``text``: it makes text of any cell; else numbers keep their type, and ``whole`` says whether integers may.
    """

    step: str
    masked: Callable[[pa.Array], pa.Array]
    text: bool
    whole: bool = True

    def output(self, physical: str, where: str) -> str:
        """The physical type of the masked column; ``DataMismatchError`` for one that cannot be masked so."""
        kind = family(physical)
        if kind is None:
            raise DataMismatchError(f"{self.step}: a column of type {physical} has no cells with a text", where=where)
        if self.text or kind == "text":
            return _TEXT
        plain = plain_type(physical)
        if kind == "null" or (kind == "integer" and self.whole) or plain in ("float", "double"):
            return plain
        raise DataMismatchError(f"{self.step} does not apply to a column of type {physical}", where=where)


class MaskedReader:
    """The table of ``reader`` with the masks and levels of the schema applied, row by row; other columns are as they
    were. Raises ``SchemaError`` for a hierarchy that is none, ``DataMismatchError`` for types that cannot be masked.
    """

    def __init__(self, reader: TableReader, schema: Schema) -> None:
        self._reader = reader
        self._masks = {name: mask for name, mask in cell_masks(schema).items() if name in reader.names}
        self._types = dict(reader.types)
        for name, mask in self._masks.items():
            self._types[name] = mask.output(self._types[name], f"{reader.where}: column {name!r}")

    @property
    def where(self) -> str:
        """The name of the raw table."""
        return self._reader.where

    @property
    def names(self) -> tuple[str, ...]:
        """The columns of the raw table."""
        return self._reader.names

    @property
    def types(self) -> Mapping[str, str]:
        """The physical types of the masked columns."""
        return dict(self._types)

    def batches(self, columns: Sequence[str], batch_rows: int = 1 << 17) -> Iterator[pa.RecordBatch]:
        """These columns, masked; see ``TableReader.batches``."""
        for batch in self._reader.batches(columns, batch_rows):
            with np.errstate(all="ignore"):  # an infinity among somebody's numbers shows nowhere
                arrays = [self._masked(name, batch.column(name)) for name in columns]
            yield pa.RecordBatch.from_arrays(arrays, names=list(columns))

    def _masked(self, name: str, column: pa.Array) -> pa.Array:
        mask = self._masks.get(name)
        return column if mask is None or pa.types.is_null(column.type) else mask.masked(column)


def cell_masks(schema: Schema) -> dict[str, CellMask]:
    """What a fit does to each column before it reads it. ``SchemaError`` for a hierarchy or a level that is none."""
    missing = tuple(str(text) for text in schema.document.get("missingValues", ("",)))
    made = {one.name: _cell_mask(one, missing, schema.name) for one in schema.modeled if not one.todo}
    return {name: mask for name, mask in made.items() if mask is not None}


def _cell_mask(field: Field, missing: Sequence[str], where: str) -> CellMask | None:
    if field.level is not None:
        return _level(field, field.level, missing)
    if field.mask is None or field.mask == DROP:
        return None
    mask = build_mask(field.mask, field.name, None, where)
    if mask is None:
        return None
    spelled = _Missing.of(missing, numeric=field.type in ("integer", "number"))
    unknown = _unknown(field)

    def masked(column: pa.Array) -> pa.Array:
        column = storage(column)
        found = mask.masked(column)
        gone = spelled.among(column)
        found = pc.if_else(pa.array(gone), pa.scalar(None, found.type), found)
        if unknown is None or not is_text(found.type):
            return found
        unfit = found.is_null().to_numpy(zero_copy_only=False) & ~gone & _valid(column)
        return pc.if_else(pa.array(unfit), pa.scalar(unknown, found.type), found)

    return CellMask(f"{mask.step} of {field.name!r}", masked, isinstance(mask, OverCells), _whole(field.mask))


def _level(field: Field, level: int, missing: Sequence[str]) -> CellMask:
    builder = builder_of(field.name, field.hierarchy, field.format)
    where = f"hierarchy of {field.name!r}"
    if not builder.public:
        hint = "List the values, or choose the level on a synthetic table."
        raise SchemaError(
            "it depends on which values the column holds: its levels are not fixed", where=where, hint=hint
        )
    if level >= builder.height:
        raise SchemaError(f"it has the levels 0 to {builder.height - 1}, not {level}", where=where)
    uncovered = field.hierarchy.uncovered if field.hierarchy is not None else "error"
    unknown = SUPPRESSED if uncovered == "top" else _unknown(field)

    def masked(column: pa.Array) -> pa.Array:
        texts, rows = distinct_texts(pa.chunked_array([column]), missing, field.name)
        labels = _labels(builder, texts, level)
        if unknown is not None:
            labels = labels.fill_null(unknown)
        # The last two of the list are the unreadable and the missing cells: numbers -2 and -1.
        labels = pa.concat_arrays([labels, pa.array([unknown, None], pa.string())])
        return labels.take(pa.array(np.where(rows < 0, rows + len(labels), rows)))

    return CellMask(f"level {level} of the hierarchy of {field.name!r}", masked, text=True)


def _labels(builder: Builder, texts: pa.StringArray, level: int) -> pa.StringArray:
    """The group of each text at the level; null for what the hierarchy does not cover."""
    groups = builder.groups(texts, np.ones(len(texts), np.int64))
    return groups[level - 1] if level else pc.if_else(groups[-1].is_valid(), texts, pa.scalar(None, pa.string()))


def _whole(mask: Mask) -> bool:
    """Whether the numbers that the mask names are whole."""
    if isinstance(mask, str):
        return True
    named = (mask.top, mask.bottom, None if mask.round is None else mask.round.to)
    return all(float(one).is_integer() for one in named if one is not None)


@dataclass(frozen=True, eq=False)
class _Missing:
    """The cells that mean a missing value by their text, or as a number."""

    texts: pa.Array
    numbers: Any

    @staticmethod
    def of(missing: Sequence[str], *, numeric: bool) -> _Missing:
        spelled = [text.strip(" \t\r\n\f\v").encode() for text in ("", *missing)]
        values, known = reals(pa.array(spelled, pa.binary()))
        return _Missing(pa.array(spelled, pa.binary()), values[known & numeric])

    def among(self, column: pa.Array) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """By cell whether it is missing, by its text."""
        cells = trimmed(as_cells(column))
        gone = pc.fill_null(pc.is_in(cells, value_set=self.texts.cast(cells.type)), fill_value=True)
        found = np.asarray(gone.to_numpy(zero_copy_only=False))
        if len(self.numbers):
            values, known = reals(cells)
            found = found | (known & np.isin(values, self.numbers))
        return found


def _valid(column: pa.Array) -> np.ndarray[Any, np.dtype[np.bool_]]:
    return np.asarray(as_cells(column).is_valid().to_numpy(zero_copy_only=False))


def _unknown(field: Field) -> str | None:
    """The text of a value that is not in the domain: of a field whose unknown values are counted as ``other``."""
    codec = field.codec
    other = getattr(codec, "unknown_code", None) != getattr(codec, "null_code", None)
    return _UNKNOWN if codec is not None and other else None
