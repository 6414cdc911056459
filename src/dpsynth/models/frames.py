"""A sampled Arrow table as the frame that the caller asked for; column types come from the schema alone."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa
import pyarrow.compute as pc

from dpsynth.errors import UsageError
from dpsynth.schema.codecs import CategoryCodec, Codec, ListedCodec

if TYPE_CHECKING:
    import pandas as pd

    from dpsynth.schema import Schema

Output = Literal["pandas", "polars", "pyarrow"]

_ARROW = "[pyarrow]"
_ZONED = re.compile(r"\[\w+, ?[^\]]+\]")


def converted(table: pa.Table, output: Output, schema: Schema | None) -> Any:
    """The table as a ``pandas.DataFrame``, a ``polars.DataFrame`` or itself.

    In pandas a field has its declared ``dtype``; without one, integers and booleans are numpy's, or nullable where the
    schema allows null, dates are ``datetime64[s]``, text is pandas' default. Raises ``UsageError`` for another name of
    an output, or polars that is not installed.
    """
    if output == "pyarrow":
        return table
    if output == "polars":
        try:
            import polars as pl
        except ImportError:
            hint = "Install polars, or ask for output='pyarrow'."
            raise UsageError("polars is not installed", where="output", hint=hint) from None
        return pl.from_arrow(table)
    return table.to_pandas() if schema is None else _pandas(table, schema)


def _pandas(table: pa.Table, schema: Schema) -> pd.DataFrame:
    import pandas as pd

    columns = {}
    for name in table.column_names:
        field = schema.field(name)
        columns[name] = _series(table.column(name), field.codec, field.dtype)
    return pd.DataFrame(columns, columns=table.column_names)


def _series(column: pa.ChunkedArray, codec: Codec | None, dtype: str | None) -> Any:
    """The column of a codec, or without one of invented values, which are never null."""
    import pandas as pd

    nullable = codec is not None and codec.nullable
    if dtype is not None and dtype.endswith(_ARROW) and dtype != "string[pyarrow]":
        return _arrow_backed(column, dtype)
    if dtype == "category":
        kind: Any = "category"
        if isinstance(codec, CategoryCodec | ListedCodec):
            kind = pd.CategoricalDtype(_default(codec_values(codec), nullable=False).array)
        return _default(column, nullable=nullable).astype(kind)
    if dtype == "object":
        return pd.Series(column.to_pylist(), dtype=object)
    if dtype == "str" and pd.__version__.startswith("2."):
        dtype = None  # pandas 2 has no such dtype: its text columns are objects
    if dtype is not None and dtype.startswith("datetime64"):
        return _moments(column, dtype)
    series = _default(column, nullable=nullable)
    return series if dtype is None else series.astype(dtype)


def codec_values(codec: CategoryCodec | ListedCodec) -> pa.ChunkedArray:
    """The cell of every category of an enumeration, in schema order."""
    return pa.chunked_array([pa.array(codec.values, codec.arrow_type)])


def _default(column: pa.ChunkedArray, *, nullable: bool) -> Any:
    """The column in the type that pandas gives it, the same whether or not this sample holds a null."""
    import pandas as pd

    if pa.types.is_date(column.type):
        return _moments(column, "datetime64[s]")
    masked = {pa.int64(): pd.Int64Dtype(), pa.bool_(): pd.BooleanDtype()} if nullable else {}
    # Text goes without a mapper: with one, an empty column would be of objects in pandas 3 also.
    return column.to_pandas(types_mapper=masked.get if column.type in masked else None)


def _moments(column: pa.ChunkedArray, dtype: str) -> Any:
    """Dates and moments as ``datetime64``; a dtype without a zone shows the wall clock of the field's zone."""
    plain = column.cast(pa.timestamp("s")) if pa.types.is_date(column.type) else column
    if pa.types.is_timestamp(plain.type) and plain.type.tz and not _ZONED.search(dtype):
        plain = pc.local_timestamp(plain)
    series = plain.to_pandas()
    return series.astype(re.sub(r", ?", ", ", dtype))


def _arrow_backed(column: pa.ChunkedArray, dtype: str) -> Any:
    import pandas as pd

    wanted: Any = pd.api.types.pandas_dtype(dtype)
    kind = wanted.pyarrow_dtype
    if pa.types.is_timestamp(kind) and pa.types.is_timestamp(column.type) and column.type.tz and not kind.tz:
        column = pc.local_timestamp(column)
    return pd.Series(pd.arrays.ArrowExtensionArray(column.cast(kind)))
