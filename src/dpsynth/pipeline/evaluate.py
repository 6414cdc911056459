"""The journey of an evaluation: how far a synthetic table, or a model, lies from the real one.

Reads real rows on an explicit command and adds no noise. Its result is INTERNAL: watermarked in every form, and no
layer that makes a release or a public report takes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dpsynth.domain import Clique, Domain
from dpsynth.errors import DataMismatchError, SchemaError, UsageError
from dpsynth.metrics import (
    CodedTable,
    Marginals,
    WayDistances,
    column_distances,
    smallest_dtype,
    way_distances,
)
from dpsynth.models import Model, load
from dpsynth.models.claims import STAMP
from dpsynth.pipeline.csv_values import readable
from dpsynth.pipeline.evaluation import ColumnResult, Evaluation
from dpsynth.pipeline.ingest import described
from dpsynth.pipeline.plan import load_schema
from dpsynth.pipeline.progress import Progress, silent
from dpsynth.schema import Schema
from dpsynth.tables import TableReader, open_table, read_sidecar, verify_sidecar

WAYS = (1, 2, 3)
MAX_CLIQUES = 20_000


def evaluate(
    real: Any,
    synthetic: Any,
    schema: Schema | str | Path | None = None,
    *,
    ways: Sequence[int] = WAYS,
    max_cliques: int = MAX_CLIQUES,
    seed: int = 0,
    delimiter: str | None = None,
    progress: Progress = silent,
) -> Evaluation:
    """Mean and worst total variation distance of all 1-, 2- and 3-way marginals, and the distance of every column.

    ``real``: a path, ``-`` or a frame. ``synthetic``: the same, or a ``Model`` or ``.dps`` path, which is compared by
    its exact marginals: no sampling noise. ``schema`` may be left out when the model carries one. More than
    ``max_cliques`` marginals of one kind are compared on a uniform sample of that many, drawn with ``seed``, and the
    result says so. Each table is read once; memory: rows × columns codes of 1 to 4 bytes, plus 4 million cells.

    Raises ``UsageError`` for ``ways`` outside 1 to 3 or a missing schema, ``DataMismatchError`` when a column is
    absent, the model was fitted under another schema, or a real CSV cannot hold a value of the schema (line breaks),
    ``FileFormatError`` when a table breaks off.
    """
    wanted = _ways(ways)
    if max_cliques < 1 or seed < 0:
        raise UsageError("max_cliques must be at least 1 and the seed at least 0")
    if str(real) == str(synthetic) == "-":
        raise UsageError("only one of the two tables can come from standard input")
    model = _model(synthetic)
    loaded = _schema(schema, model)
    reader = _open(real, loaded, delimiter, raw=True)
    other = _ModelMarginals(model, loaded.domain) if model else _open(synthetic, loaded, delimiter)
    progress("reading the real table", 0.0)
    table = _coded(reader, loaded)
    progress("reading the synthetic side", 0.2)
    compared: CodedTable | _ModelMarginals = other if isinstance(other, _ModelMarginals) else _coded(other, loaded)
    found: dict[int, WayDistances | None] = {}
    for done, way in enumerate(wanted):
        progress(f"comparing {way}-way marginals", 0.4 + 0.6 * done / len(wanted))
        found[way] = way_distances(table, compared, way, max_cliques=max_cliques, seed=seed)
    progress("done", 1.0)
    return Evaluation(
        schema=loaded.name,
        real=reader.where,
        synthetic=_name(synthetic, other),
        kind="model" if model else "table",
        ways=tuple(result for result in found.values() if result),
        columns=_columns(table, compared, loaded),
        notes=(*_claimed(synthetic, model), *_notes(found, table, compared)),
    )


@dataclass(frozen=True, eq=False)
class _ModelMarginals:
    """A model's exact marginals, under the attribute order of the schema."""

    model: Model
    domain: Domain

    def marginals(self, cliques: Sequence[Clique]) -> Sequence[NDArray[np.float64]]:
        """Expected counts of each clique."""
        return self.model.constrained.marginals(cliques)


def _ways(ways: Sequence[int]) -> tuple[int, ...]:
    wanted = tuple(sorted(set(ways)))
    if not wanted or not set(wanted) <= set(WAYS):
        raise UsageError("marginals of 1, 2 or 3 columns are compared")
    return wanted


def _model(synthetic: Any) -> Model | None:
    if isinstance(synthetic, Model):
        return synthetic
    if isinstance(synthetic, str | Path) and Path(synthetic).suffix == ".dps":
        return load(synthetic)
    return None


def _schema(schema: Schema | str | Path | None, model: Model | None) -> Schema:
    """The given schema, else the model's own; a model must have been fitted under the same codes."""
    carried = model.schema if model else None
    if schema is None:
        if carried is None:
            raise UsageError("a schema is needed to compare tables", hint="Give one with --schema.")
        return carried
    loaded = load_schema(schema)
    if not loaded.modeled:
        raise SchemaError("no field is left to compare", hint="Every field has the role direct-id or weight.")
    if model is not None:
        _check_model(model, loaded)
    return loaded


def _check_model(model: Model, schema: Schema) -> None:
    if set(model.domain) != set(schema.domain):
        raise DataMismatchError("the model and the schema have different columns", where=schema.name)
    for name in schema.domain:
        same = model.domain[name] == schema.domain[name]
        if model.schema is not None:
            same = same and model.schema.codec(name).labels == schema.codec(name).labels
        if not same:
            raise DataMismatchError(
                "the model was fitted with other categories or bins than the schema declares",
                where=name,
                hint="Evaluate under the schema of the fit.",
            )


def _open(source: Any, schema: Schema, delimiter: str | None, *, raw: bool = False) -> TableReader:
    """The table, opened, with all columns that are compared; a synthetic one has no identifiers of persons, and has
    the form that the schema gives a ``raw`` one.
    """
    if isinstance(source, str | Path) and str(source) != "-":
        verify_sidecar(source)
    reader = open_table(source, delimiter=delimiter, quoted_line_breaks=not raw)
    reader = described(readable(reader, schema), schema) if raw else reader
    unit = schema.unit.column
    names = reader.names if unit is None or unit in reader.names else (*reader.names, unit)
    try:
        schema.check_columns(names, reader.types)
    except DataMismatchError as error:
        raise DataMismatchError(error.message, where=f"{reader.where} ({error.where})", hint=error.hint) from None
    return reader


def _coded(reader: TableReader, schema: Schema) -> CodedTable:
    """All rows of the table as codes: one pass, one narrow array per column."""
    domain = schema.domain
    parts: dict[str, list[NDArray[Any]]] = {name: [] for name in domain}
    for batch in reader.batches(schema.columns(domain.attributes)):
        for name, codes in schema.encode(domain.attributes, batch).items():
            parts[name].append(codes.astype(smallest_dtype(domain[name])))
    empty = {name: np.zeros(0, dtype=smallest_dtype(domain[name])) for name in domain}
    return CodedTable(domain, {name: np.concatenate([empty[name], *parts.pop(name)]) for name in domain})


def _columns(table: CodedTable, compared: Marginals, schema: Schema) -> tuple[ColumnResult, ...]:
    return tuple(
        ColumnResult(column, schema.codec(column.attribute).labels[column.code])
        for column in column_distances(table, compared)
    )


def _name(synthetic: Any, other: TableReader | _ModelMarginals) -> str:
    if isinstance(other, _ModelMarginals):
        return "<model>" if isinstance(synthetic, Model) else str(synthetic)
    return other.where


def _claimed(synthetic: Any, model: Model | None) -> tuple[str, ...]:
    """Whose word the synthetic side stands on, when it was made from somebody else's tables."""
    stamp = model.claim.stamp if model is not None and model.claim else ""
    if model is None and isinstance(synthetic, str | Path) and str(synthetic) != "-":
        sidecar = read_sidecar(synthetic)
        labels = sidecar.labels if sidecar else ()
        found = next((STAMP + label.partition(f"dp: {STAMP}")[2] for label in labels if f"dp: {STAMP}" in label), "")
        stamp = found if found.isprintable() else ascii(found)
    return (f"The synthetic side is dp: {stamp}; dpsynth did not check it.",) if stamp else ()


def _notes(found: dict[int, WayDistances | None], table: CodedTable, compared: Any) -> tuple[str, ...]:
    notes = [note for way, result in found.items() for note in _way_notes(way, result, len(table.domain))]
    if table.rows == 0 or (isinstance(compared, CodedTable) and compared.rows == 0):
        notes.append("A table without rows is at distance 0 from another one without rows and at 1 from any other.")
    return tuple(notes)


def _way_notes(way: int, result: WayDistances | None, columns: int) -> list[str]:
    if result is None and columns < way:
        return [f"There are no {way}-way marginals: the schema models {columns} column{'s' if columns > 1 else ''}."]
    if result is None:
        return [f"Every {way}-way marginal of the model has too many cells: evaluate a sampled table instead."]
    notes = []
    if result.seed is not None:
        notes.append(
            f"Of {result.possible:,} {way}-way marginals {result.compared:,} were compared, drawn at random with seed "
            f"{result.seed}: the mean is an estimate, the worst is the worst of those."
        )
    if result.too_large:
        notes.append(
            f"{result.too_large:,} {way}-way marginals of the model have too many cells and were left out: "
            "evaluate a sampled table to compare them."
        )
    return notes
