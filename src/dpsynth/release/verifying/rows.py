"""The table of a package: both forms hold the same rows, and every row conforms to the published Table Schema.

Whole columns at a time; texts stay in the dictionary encoding, so that a million rows of a category cost one look at
each of its values. Memory: both forms of the table.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv, parquet

from dpsynth.errors import VerificationError
from dpsynth.release.verifying.documents import Part
from dpsynth.release.verifying.opening import Package
from dpsynth.schema import Schema
from dpsynth.schema.codecs import BinnedCodec
from dpsynth.schema.date_texts import written
from dpsynth.schema.restoring import formatted
from dpsynth.schema.scales import DateScale, InstantScale

_TYPES = {
    "string": pa.types.is_dictionary,
    "integer": pa.types.is_integer,
    "number": lambda kind: pa.types.is_floating(kind) or pa.types.is_integer(kind),
    "boolean": pa.types.is_boolean,
    "date": pa.types.is_date32,
    "datetime": pa.types.is_timestamp,
    "any": lambda _: True,
}
_LIMITS = {"minimum": pc.greater_equal, "maximum": pc.less_equal}
_CHECKED = {"required", "unique", "enum", "minimum", "maximum"}
_LABELS = b"dpsynth.labels"
_KEYS = {"$schema", "title", "description", "fields", "missingValues", "primaryKey"}
_FIELD = {"name", "type", "title", "description", "format", "constraints"}
_GROWN, _SLACK = 64, 64 << 20
"""A typed cell takes at most so many times the characters of its text, beside what every table takes."""
_BATCH = 1 << 18
_FAULTS = (pa.ArrowException, OSError, ValueError, OverflowError)


def read_rows(package: Package, described: Part, schema: Schema) -> pa.Table:
    """The table, texts as dictionaries; ``VerificationError`` unless both forms hold it, row for row: dates and moments
    with a declared format stand in the CSV form as that format writes those of the Parquet form.

    The CSV form bounds the memory: the Parquet form may hold neither more rows nor longer texts than it.
    """
    names = [field.text("name") for field in described.parts("fields")]
    table = _parquet(package, names)
    texts = {name: written(table[name].chunk(0), *how[1:]) for name, how in _formatted(schema, names).items()}
    other = _csv(package, table, set(texts))
    if table.num_rows != other.num_rows:
        what = f"the CSV form has {other.num_rows} rows, the Parquet form {table.num_rows}"
        raise VerificationError(what, where=package.csv)
    for name in names:
        if not _same(_encoded(texts[name]) if name in texts else table[name].chunk(0), other[name].chunk(0)):
            raise VerificationError(f"column {name!a} differs between CSV and Parquet", where=package.csv)
    return table


def check_rows(table: pa.Table, described: Part, where: str, schema: Schema) -> str:
    """In words that every row conforms to the Table Schema; ``VerificationError`` names the first column that does not.

    A constraint or a property that is not known here is an error, never passed over. The bounds of dates and moments
    with a declared format, which may be coarser than they are, are those of the public schema.
    """
    _check_known(described, _KEYS)
    bounded = _formatted(schema, table.column_names)
    for field in described.parts("fields"):
        name = field.text("name")
        _check_known(field, _FIELD)
        if not _TYPES.get(field.text("type"), lambda _: False)(table[name].type):
            raise VerificationError(f"column {name!a} is not of the type that the schema states", where=where)
        constraints = field.part("constraints") if "constraints" in field.value else Part({}, field.where)
        if unknown := sorted(set(constraints.value) - _CHECKED):
            raise VerificationError(f"a constraint that this version cannot check: {unknown[0]!a}", where=where)
        limits = {key: one for key, one in constraints.value.items() if name not in bounded or key not in _LIMITS}
        broken = _broken(table[name], limits)
        if name in bounded and broken is None and not _between(table[name].chunk(0), bounded[name][0]):
            broken = "minimum or maximum"
        if broken:
            raise VerificationError(f"column {name!a} breaks the constraint {broken}", where=where)
    _check_key(table, described.value.get("primaryKey"), where)
    return f"{table.num_rows:,} rows, the same in CSV and Parquet, conform to the schema"


def _check_known(part: Part, known: set[str]) -> None:
    if unknown := sorted(set(part.value) - known):
        raise VerificationError(f"a property that this version cannot check: {unknown[0]!a}", where=part.where)


def _parquet(package: Package, names: list[str]) -> pa.Table:
    member, room = package.parquet, package.sizes[package.csv]
    try:
        with parquet.ParquetFile(package.files[member]) as file:
            kinds = file.schema_arrow
            if list(kinds.names) != names or any(not _plain(kind) for kind in kinds.types):
                raise VerificationError("its columns are not those of the description", where=member)
            _check_size(file.metadata, room, member)
            _check_metadata(kinds, member)
        texts = [name for name, kind in zip(names, kinds.types, strict=True) if _is_text(kind)]
        with parquet.ParquetFile(package.files[member], read_dictionary=texts) as file:
            table = _bounded(file, _GROWN * room + _SLACK, member)
    except _FAULTS:
        raise VerificationError("the table cannot be read", where=member) from None
    for name in texts:
        column = table[name]
        if sum(_length(chunk) for chunk in column.chunks) > room:
            raise VerificationError("it holds longer texts than the CSV form", where=member)
    return whole(table)


def labels_of(package: Package) -> list[str]:
    """The label chain that the Parquet form carries; ``VerificationError`` if it is none."""
    kept = parquet.read_schema(package.files[package.parquet]).metadata or {}
    try:
        found = json.loads(kept.get(_LABELS, b"[]"))
    except ValueError:
        found = None
    if not isinstance(found, list) or not all(isinstance(label, str) for label in found):
        raise VerificationError("its labels are malformed", where=package.parquet)
    return found


def _check_metadata(kinds: pa.Schema, member: str) -> None:
    """``VerificationError`` for anything that a Parquet file says of itself beside types and labels."""
    if set(kinds.metadata or {}) - {_LABELS} or any(field.metadata for field in kinds):
        raise VerificationError("it carries other metadata than its labels", where=member)


def _check_size(stated: parquet.FileMetaData, room: int, member: str) -> None:
    """``VerificationError`` for a table that cannot be the one whose CSV form has so many bytes: each cell has one."""
    if stated.num_rows * max(stated.num_columns, 1) > room:
        raise VerificationError("it holds more rows than the CSV form has characters", where=member)
    groups = (stated.row_group(place) for place in range(stated.num_row_groups))
    sizes = (group.column(place).total_uncompressed_size for group in groups for place in range(group.num_columns))
    if sum(sizes) > _GROWN * room + _SLACK:
        raise VerificationError("it would unpack to a size out of proportion to the CSV form", where=member)


def _bounded(file: parquet.ParquetFile, most: int, member: str) -> pa.Table:
    """The table, part by part: what it says of its size need not be true."""
    parts, size = [], 0
    for batch in file.iter_batches(batch_size=_BATCH):
        size += batch.nbytes
        if size > most:
            raise VerificationError("it would unpack to a size out of proportion to the CSV form", where=member)
        parts.append(batch)
    return pa.Table.from_batches(parts, schema=parts[0].schema if parts else file.schema_arrow)


def whole(table: pa.Table) -> pa.Table:
    """The table with every column as one array, texts as dictionaries: what ``check_rows`` takes."""
    unified = table.unify_dictionaries()
    return pa.table([_combined(unified[name]) for name in table.column_names], names=table.column_names)


def _plain(kind: pa.DataType) -> bool:
    return _is_text(kind) or any(test(kind) for name, test in _TYPES.items() if name not in ("string", "any"))


def _is_text(kind: pa.DataType) -> bool:
    inner = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_string(inner) or pa.types.is_large_string(inner))


def _length(chunk: pa.DictionaryArray) -> int:
    lengths = pc.binary_length(chunk.dictionary).to_numpy(zero_copy_only=False).astype(np.int64)
    used = chunk.indices.drop_null().to_numpy(zero_copy_only=False)
    return int(lengths @ np.bincount(used, minlength=len(lengths))) if len(lengths) else 0


def _combined(column: pa.ChunkedArray) -> pa.Array:
    """The column as one array, texts as dictionaries of int32 and plain strings."""
    whole = pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
    if not _is_text(whole.type):
        return whole
    if not pa.types.is_dictionary(whole.type):
        return whole.cast(pa.string()).dictionary_encode()
    return pa.DictionaryArray.from_arrays(whole.indices.cast(pa.int32()), whole.dictionary.cast(pa.string()))


def _csv(package: Package, like: pa.Table, texts: set[str]) -> pa.Table:
    """The CSV form, in the types of the Parquet form; ``texts``: columns that are compared as texts."""
    kinds = {name: pa.string() if name in texts else like[name].type for name in like.column_names}
    options = csv.ConvertOptions(
        column_types=kinds,
        null_values=[""],
        strings_can_be_null=True,
        # A null alone in its row is written as "", which would be an empty text in a table of several columns.
        quoted_strings_can_be_null=like.num_columns == 1,
        true_values=["true"],
        false_values=["false"],
    )
    breaks = any(_breaks_lines(like[name]) for name in like.column_names)
    try:
        table = csv.read_csv(
            package.files[package.csv],
            read_options=csv.ReadOptions(block_size=1 << 24),
            parse_options=csv.ParseOptions(newlines_in_values=breaks),
            convert_options=options,
        )
        if table.column_names != like.column_names:
            raise VerificationError("its header is not that of the description", where=package.csv)
        return whole(table)
    except _FAULTS:
        raise VerificationError("the table cannot be read as what the description says", where=package.csv) from None


def _formatted(schema: Schema, names: Iterable[str]) -> dict[str, tuple[BinnedCodec, DateScale | InstantScale, str]]:
    return {name: how for name, how in formatted(schema.output).items() if name in set(names)}


def _encoded(column: pa.Array) -> pa.DictionaryArray:
    return column.dictionary_encode()


def _between(column: pa.Array, codec: BinnedCodec) -> bool:
    """Whether every date or moment lies within the bounds of the public schema."""
    numbers, known = codec.scale.read(column)
    return bool(((numbers >= codec.bins.low) & (numbers <= codec.bins.high) | ~known).all())


def _breaks_lines(column: pa.ChunkedArray) -> bool:
    if not pa.types.is_dictionary(column.type):
        return False
    return bool(pc.any(pc.match_substring_regex(column.chunk(0).dictionary, "[\r\n]")).as_py())


def _same(first: pa.Array, second: pa.Array) -> bool:
    if not pa.types.is_dictionary(first.type):
        return bool(first.equals(second))
    # The codes of the second dictionary in the first: -1 for a text that the first lacks, -2 for null.
    places = pc.index_in(second.dictionary, value_set=first.dictionary).fill_null(-1)
    mine = first.indices.fill_null(-2).to_numpy()
    theirs = places.take(second.indices).fill_null(-2).to_numpy(zero_copy_only=False)
    return bool(np.array_equal(mine, theirs))


def _broken(column: pa.ChunkedArray, constraints: Any) -> str | None:
    """The first constraint that a column breaks; None when it breaks none."""
    array = column.chunk(0)
    if constraints.get("required") and array.null_count:
        return "required"
    if constraints.get("unique") and pc.count_distinct(array.drop_null()).as_py() != len(array) - array.null_count:
        return "unique"
    values = array.dictionary if pa.types.is_dictionary(array.type) else array
    kind = values.type
    if "enum" in constraints and not _within(values, constraints["enum"], kind):
        return "enum"
    for name, holds in _LIMITS.items():
        if name in constraints:
            limit = _limit(constraints[name], kind)
            if limit is None or pc.all(holds(values, limit)).as_py() not in (True, None):
                return name
    return None


def _within(values: pa.Array, listed: Any, kind: pa.DataType) -> bool:
    try:
        allowed = pa.array(listed).cast(kind)
    except (*_FAULTS, TypeError):
        return False
    return pc.all(pc.is_in(values.drop_null(), value_set=allowed)).as_py() in (True, None)


def _limit(value: Any, kind: pa.DataType) -> pa.Scalar | None:
    try:
        return pa.scalar(value).cast(kind)
    except (*_FAULTS, TypeError):
        return None


def _check_key(table: pa.Table, key: Any, where: str) -> None:
    names = [key] if isinstance(key, str) else key
    if not names:
        return
    if not isinstance(names, list) or not all(name in table.column_names for name in names):
        raise VerificationError("the primary key names a column that is not there", where=where)
    if len(table.group_by(names).aggregate([])) != table.num_rows:
        raise VerificationError("two rows have the same primary key", where=where)
