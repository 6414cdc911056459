"""Frames in memory as tables: pandas, polars, pyarrow, and anything with the Arrow PyCapsule stream."""

from __future__ import annotations

import sys
import tempfile
import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import ipc

from dpsynth.errors import DataMismatchError, UsageError
from dpsynth.tables.arrow_reader import ArrowReader, types_of
from dpsynth.tables.reader import check_names

_WHERE = "<frame>"


def open_frame(frame: Any) -> ArrowReader:
    """A pandas, polars or pyarrow frame, or any ``__arrow_c_stream__``, as a table; its index is not a column.

    A stream that can be read once is copied, when rows are first asked for, to a temporary file without a name.
    Raises ``UsageError`` for an object that is no table, ``DataMismatchError`` for one whose columns Arrow cannot
    hold.
    """
    if _is_a(frame, "pandas", "DataFrame"):
        return _open_pandas(frame)
    if _is_a(frame, "polars", "DataFrame"):
        return _open_polars(frame)
    if isinstance(frame, pa.RecordBatch):
        frame = pa.Table.from_batches([frame])
    if isinstance(frame, pa.Table):
        return _open_table(frame)
    if hasattr(frame, "__arrow_c_stream__"):
        return _open_stream(_exported(frame))
    raise UsageError(
        "a table is a path, or a pandas, polars or pyarrow frame", hint="Any object with __arrow_c_stream__ will do."
    )


def _is_a(value: object, module: str, name: str) -> bool:
    # A frame of a library exists only once the library was imported.
    return module in sys.modules and isinstance(value, getattr(sys.modules[module], name))


def _open_table(table: pa.Table) -> ArrowReader:
    def batches_of(columns: Sequence[str], batch_rows: int) -> Iterator[pa.RecordBatch]:
        return iter(table.select(columns).to_batches(max_chunksize=batch_rows))

    return ArrowReader(_WHERE, types_of(table.schema), batches_of)


def _open_polars(frame: Any) -> ArrowReader:
    def batches_of(columns: Sequence[str], batch_rows: int) -> Iterator[pa.RecordBatch]:
        del batch_rows
        return iter(pa.RecordBatchReader.from_stream(frame.select(columns)))

    return ArrowReader(_WHERE, types_of(_exported(frame.head(0)).schema), batches_of)


def _open_stream(stream: pa.RecordBatchReader) -> ArrowReader:
    spool = tempfile.TemporaryFile(prefix="dpsynth-")  # noqa: SIM115  (lives as long as the reader)
    pending = [stream]

    def batches_of(columns: Sequence[str], batch_rows: int) -> Iterator[pa.RecordBatch]:
        del batch_rows
        if pending:
            with ipc.new_stream(spool, stream.schema) as copy:
                for batch in pending.pop():
                    copy.write_batch(batch)
        spool.seek(0)
        return (batch.select(columns) for batch in ipc.open_stream(spool))

    reader = ArrowReader(_WHERE, types_of(stream.schema), batches_of)
    weakref.finalize(reader, spool.close)
    return reader


def _exported(frame: Any) -> pa.RecordBatchReader:
    try:
        return pa.RecordBatchReader.from_stream(frame)
    except Exception:  # whatever the other library raises
        raise DataMismatchError(
            "this frame cannot be read as a table of Arrow columns", hint="Drop or convert the columns of objects."
        ) from None


def _open_pandas(frame: Any) -> ArrowReader:
    names = check_names([str(name) for name in frame.columns], _WHERE)

    def batches_of(columns: Sequence[str], batch_rows: int) -> Iterator[pa.RecordBatch]:
        arrays = [_pandas_column(frame.iloc[:, names.index(name)]) for name in columns]
        return iter(pa.table(arrays, names=list(columns)).to_batches(max_chunksize=batch_rows))

    empty = frame.iloc[:0]
    types = [(name, _pandas_column(empty.iloc[:, index]).type) for index, name in enumerate(names)]
    return ArrowReader(_WHERE, types, batches_of)


def _pandas_column(series: Any) -> Any:
    """One pandas column as Arrow. Columns of Python objects become text value by value.

    Arrow would guess one type from all values of such a column, and one person's value would then change how
    another's is read.
    """
    if series.dtype == object:
        return _texts(series)
    if str(series.dtype) == "category" and series.cat.categories.dtype == object:
        codes = pa.array(series.cat.codes.to_numpy(), mask=series.isna().to_numpy())
        return pa.DictionaryArray.from_arrays(codes, _texts(series.cat.categories))
    try:
        return pa.array(series, from_pandas=True)
    except (pa.ArrowException, TypeError, ValueError):
        return _texts(series.astype(object))


def _texts(values: Any) -> pa.Array:
    if _all_text(values):
        try:
            return pa.array(values, type=pa.string(), from_pandas=True).cast(pa.binary())
        except (pa.ArrowException, UnicodeError):
            pass  # lone surrogates: value by value below
    return pa.array([None if gone else _text(value) for value, gone in _with_gaps(values)], pa.binary())


def _all_text(values: Any) -> bool:
    try:
        return sys.modules["pandas"].api.types.infer_dtype(values, skipna=True) in {"string", "empty"}
    except Exception:  # a value's own code decides what a comparison raises
        return False


def _with_gaps(values: Any) -> list[tuple[object, bool]]:
    """Each value, and whether it is missing."""
    is_missing = sys.modules["pandas"].isna
    try:
        return list(zip(values, is_missing(values), strict=True))
    except Exception:  # one value that cannot be compared must not decide about the others
        return [(value, _is_missing(value, is_missing)) for value in values]


def _is_missing(value: object, is_missing: Callable[[Any], Any]) -> bool:
    try:
        return bool(is_missing(sys.modules["pandas"].Series([value], dtype=object)).iloc[0])
    except Exception:  # neither missing nor comparable
        return False


def _text(value: object) -> bytes | None:
    """The text of one value; null for an object without any: nothing about a value may raise.

    A whole number reads alike as a float and as an integer: pandas turns one into the other, and both into objects,
    when a single odd cell joins a column.
    """
    try:
        if isinstance(value, float | np.floating) and value.is_integer() and abs(float(value)) < 2.0**63:
            value = int(value)
        return value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogatepass")
    except Exception:  # a value's own code, or the limit on the digits of an integer
        return None
