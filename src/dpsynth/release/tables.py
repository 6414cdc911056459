"""The released rows in both forms, from either: CSV for everybody, Parquet with types. No value is altered."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
from pyarrow import csv, ipc, parquet

from dpsynth.errors import DataMismatchError, VerificationError
from dpsynth.release.layout import DATAPACKAGE, table_members
from dpsynth.release.metadata import table_schema
from dpsynth.release.verifying.documents import Part
from dpsynth.release.verifying.opening import Package
from dpsynth.release.verifying.rows import check_rows, read_rows, whole
from dpsynth.schema import Schema
from dpsynth.schema.restoring import as_text, formatted
from dpsynth.tables import is_csv, write_table

_FAULTS = (pa.ArrowException, OSError, ValueError, OverflowError)


@dataclass(frozen=True, eq=False)
class ReleasedRows:
    """The members that hold the rows, the names of the columns in order, and how many rows there are."""

    members: dict[str, bytes]
    columns: tuple[str, ...]
    rows: int


def released_rows(path: str | os.PathLike[str], schema: Schema, name: str, labels: Sequence[str]) -> ReleasedRows:
    """Both forms of the table at ``path``, as a model of this schema writes them; ``labels`` go into the Parquet form.

    The same table gives the same bytes. Raises ``DataMismatchError`` for a table with other columns, types or values
    than the description of the package will say: ``verify`` would refuse it. Memory: the table, and both forms of it.
    """
    table = _typed(path, schema)
    _check_values(table, schema, os.fspath(path))
    members = {}
    with tempfile.TemporaryDirectory() as folder:
        for member in table_members(name):
            target = Path(folder, Path(member).name)
            batches = table.to_batches(max_chunksize=1 << 20)
            shown = (as_text(schema.output, batch) for batch in batches) if is_csv(target) else iter(batches)
            write_table(shown, table.schema, target, force=False, labels=tuple(labels))
            members[member] = target.read_bytes()
        _check_readable(Path(folder), members, schema, table.column_names, os.fspath(path))
    return ReleasedRows(members, tuple(table.column_names), table.num_rows)


def _check_values(table: pa.Table, schema: Schema, where: str) -> None:
    described = Part(table_schema(schema, table.column_names), DATAPACKAGE)
    try:
        check_rows(whole(table), described, where, schema)
    except VerificationError as error:
        hint = "A package describes the rows as the model writes them: release what 'dpsynth sample' wrote."
        raise DataMismatchError(error.message, where=where, hint=hint) from None


def _check_readable(
    folder: Path, members: dict[str, bytes], schema: Schema, columns: Sequence[str], where: str
) -> None:
    """``DataMismatchError`` for rows that ``verify`` would not find the same in both forms, whatever the reason."""
    files = {member: folder / Path(member).name for member in members}
    package = Package(files, {member: len(content) for member, content in members.items()}, {})
    try:
        read_rows(package, Part(table_schema(schema, columns), DATAPACKAGE), schema)
    except VerificationError as error:
        hint = "Marks of byte order and line breaks in names of columns are such: fit the table under other names."
        what = f"a partner could not read its rows as CSV and find them the same: {error.message}"
        raise DataMismatchError(what, where=where, hint=hint) from None


def _typed(path: str | os.PathLike[str], schema: Schema) -> pa.Table:
    wanted = schema.arrow_schema
    where = os.fspath(path)
    try:
        table = _csv(path, schema, wanted) if is_csv(path) else _binary(path)
        if sorted(table.column_names) != sorted(wanted.names):
            hint = "Release the table as 'dpsynth sample' wrote it."
            raise DataMismatchError("its columns are not those that the model writes", where=where, hint=hint)
        return table.select(wanted.names).cast(wanted)
    except DataMismatchError:
        raise
    except _FAULTS:
        hint = "Release the table as 'dpsynth sample' wrote it."
        raise DataMismatchError(
            "it cannot be read as the types that the model writes", where=where, hint=hint
        ) from None


def _binary(path: str | os.PathLike[str]) -> pa.Table:
    if Path(path).name.lower().endswith(".parquet"):
        return parquet.read_table(path, partitioning=None)
    with ipc.open_file(path) as file:
        return file.read_all()


def _csv(path: str | os.PathLike[str], schema: Schema, wanted: pa.Schema) -> pa.Table:
    formats = formatted(schema.output)
    kinds = {one.name: pa.string() if one.name in formats else _plain(one.type) for one in wanted}
    table = csv.read_csv(
        path,
        parse_options=csv.ParseOptions(newlines_in_values=True),
        convert_options=csv.ConvertOptions(
            column_types=kinds,
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=len(kinds) == 1,
            true_values=["true"],
            false_values=["false"],
        ),
    )
    for name, (_, scale, _form) in formats.items():
        if name in table.column_names:
            texts = pa.concat_arrays(table[name].chunks) if table[name].num_chunks else pa.array([], pa.string())
            numbers, known = scale.read(texts)
            if not (known | texts.is_null().to_numpy(zero_copy_only=False)).all():
                raise ValueError(name)
            moments = scale.write(numbers, ~known).cast(wanted.field(name).type)
            table = table.set_column(table.column_names.index(name), name, moments)
    return table


def _plain(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind
