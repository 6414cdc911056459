"""The tables of a release audit as codes of one schema: rows that were fitted, held out, and synthetic."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from dpsynth.curator.bounding import canonical_ids
from dpsynth.errors import DataMismatchError
from dpsynth.metrics import CodedTable, smallest_dtype
from dpsynth.pipeline.csv_values import readable
from dpsynth.pipeline.holdout import Holdout
from dpsynth.pipeline.ingest import described
from dpsynth.privacy.unit import Unit
from dpsynth.schema import Schema
from dpsynth.schema.cells import as_bytes, is_text, storage, trimmed
from dpsynth.schema.codecs import CategoryCodec
from dpsynth.tables import TableReader, open_table, verify_sidecar


class AuditedTables:
    """Two opened tables that fit one schema, not yet read. ``unit``: whose coming or going was protected.

    Raises ``DataMismatchError`` when a column of either is missing or of another type, when the synthetic table has a
    column that the schema does not describe, or when the real one cannot hold a value of the schema (a line break, in
    CSV).
    """

    def __init__(
        self, real: Any, synthetic: Any, schema: Schema, unit: Unit, *, holdout: Holdout | None, delimiter: str | None
    ) -> None:
        raw = readable(open_table(real, delimiter=delimiter), schema)
        made = open_table(synthetic, delimiter=delimiter, quoted_line_breaks=True)
        if isinstance(synthetic, str | Path) and str(synthetic) != "-":
            verify_sidecar(synthetic)
        self._schema, self._person = schema, unit.column
        self.names = {"real": raw.where, "synthetic": made.where}
        self.columns = made.names
        self._fitted = described(raw if holdout is None else holdout.training(raw), schema)
        self._held_out = None if holdout is None else described(holdout.control(raw), schema)
        self._synthetic = made
        _check(self._fitted, self._fitted.names, schema)
        unit_column = () if schema.unit.column is None else (schema.unit.column,)
        _check(made, tuple(dict.fromkeys((*made.names, *unit_column))), schema)
        known = {field.name for field in schema.fields} | set(unit_column)
        if strange := [name for name in made.names if name not in known]:
            hint = "Whatever it holds would be released without being audited: leave it out, or describe it."
            raise DataMismatchError(f"the schema describes no column {strange[0]!r}", where=made.where, hint=hint)

    def fitted(self) -> CodedTable:
        """The rows that the model may know, one of every person where the unit is a person."""
        return coded(self._fitted, self._schema, person=self._person)

    def held_out(self) -> CodedTable:
        """The control group, the same way; no rows without a holdout."""
        if self._held_out is None:
            return _of_parts(self._schema, {})
        return coded(self._held_out, self._schema, person=self._person)

    def synthetic(self) -> CodedTable:
        """The released rows. ``DataMismatchError`` when a column has categories that the schema does not list."""
        return coded(self._synthetic, self._schema, checked=lambda batch: _check_spelling(batch, self._schema, self))

    def undeclared(self) -> int:
        """Values of category columns that one held-out row alone holds, and that the schema has no code for.

        A public domain misses values of fitted and held-out rows alike; one that was read from the fitted rows misses
        those of held-out rows alone. Not counted where the unit is a person. One more pass over the rows.
        """
        if self._held_out is None or self._person is not None:
            return 0
        codecs = {one.name: one.codec for one in self._schema.modeled if isinstance(one.codec, CategoryCodec)}
        held, fitted = (_unlisted(reader, codecs) for reader in (self._held_out, self._fitted))
        return sum(_alone_in(held[name], fitted[name]) for name in codecs)

    @property
    def where(self) -> str:
        """The synthetic table's name."""
        return self._synthetic.where


def coded(
    reader: TableReader,
    schema: Schema,
    *,
    person: str | None = None,
    checked: Callable[[pa.RecordBatch], object] = lambda _: None,
) -> CodedTable:
    """The rows as codes, one narrow array per column: one pass. ``person``: keep the first row of each, and none of
    nobody. ``checked`` sees every batch first.
    """
    domain = schema.domain
    wanted = tuple(dict.fromkeys((*schema.columns(domain.attributes), *([person] if person else []))))
    parts: dict[str, list[NDArray[Any]]] = {name: [] for name in domain}
    persons = [pa.array([], pa.large_binary())]
    for batch in reader.batches(wanted):
        checked(batch)
        if person is not None:
            persons.append(canonical_ids(batch.column(person)))
        for name, codes in schema.encode(domain.attributes, batch).items():
            parts[name].append(codes.astype(smallest_dtype(domain[name])))
    table = _of_parts(schema, parts)
    return table if person is None else _first_rows(table, pa.concat_arrays(persons))


def _of_parts(schema: Schema, parts: dict[str, list[NDArray[Any]]]) -> CodedTable:
    domain = schema.domain
    empty = {name: np.zeros(0, dtype=smallest_dtype(domain[name])) for name in domain}
    return CodedTable(domain, {name: np.concatenate([empty[name], *parts.get(name, [])]) for name in domain})


def _first_rows(table: CodedTable, persons: pa.LargeBinaryArray) -> CodedTable:
    numbers = persons.dictionary_encode().indices.fill_null(-1).to_numpy()
    found, places = np.unique(numbers, return_index=True)
    kept = np.sort(places[found >= 0])
    return CodedTable(table.domain, {name: codes[kept] for name, codes in table.columns.items()})


def _check(reader: TableReader, names: tuple[str, ...], schema: Schema) -> None:
    try:
        schema.check_columns(names, reader.types)
    except DataMismatchError as error:
        raise DataMismatchError(error.message, where=f"{reader.where} ({error.where})", hint=error.hint) from None


def _unlisted(reader: TableReader, codecs: Mapping[str, CategoryCodec]) -> dict[str, pa.Array]:
    """The cells of these columns that their codecs do not list."""
    names = tuple(name for name in codecs if name in reader.names)
    found: dict[str, list[pa.Array]] = {name: [pa.array([], pa.large_binary())] for name in codecs}
    for batch in reader.batches(names):
        for name in names:
            cells = _cells(batch.column(name))
            if cells is not None:
                found[name].append(cells.filter(pc.invert(_listed(cells, codecs[name]))).cast(pa.large_binary()))
    return {name: pa.concat_arrays(parts) for name, parts in found.items()}


def _alone_in(ours: pa.Array, theirs: pa.Array) -> int:
    """How many values occur once in both arrays together, and that once is in ours."""
    counted = pc.value_counts(pa.concat_arrays([ours, theirs]))
    alone = counted.field("values").filter(pc.equal(counted.field("counts"), 1))
    return int(pc.sum(pc.is_in(alone, value_set=ours)).as_py() or 0)


def _cells(column: pa.Array) -> pa.Array | None:
    """The texts of a column without nulls and surrounding white space, as bytes; ``None`` if it holds no text."""
    stored = storage(column)
    if pa.types.is_dictionary(stored.type):
        stored = stored.dictionary_decode()
    return trimmed(as_bytes(stored.drop_null())) if is_text(stored.type) else None


def _listed(cells: pa.Array, codec: CategoryCodec) -> pa.BooleanArray:
    known = pa.array([b"", *codec.spellings, *codec.missing], pa.binary())
    return pc.is_in(cells, value_set=known.cast(cells.type))


def _check_spelling(batch: pa.RecordBatch, schema: Schema, tables: AuditedTables) -> None:
    """Every text of a category column is one that the schema lists: other codings would look like a safe release."""
    for field in schema.modeled:
        codec = field.codec
        if not isinstance(codec, CategoryCodec) or field.name not in batch.schema.names:
            continue
        cells = _cells(batch.column(field.name))
        if cells is not None and not pc.all(_listed(cells, codec), min_count=0).as_py():
            hint = "Audit the table as the model wrote it, under the schema of the fit."
            what = f"column {field.name!r} has categories that the schema does not list"
            raise DataMismatchError(what, where=tables.where, hint=hint)
