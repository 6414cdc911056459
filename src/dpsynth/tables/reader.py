"""What a table looks like to the layers above: names, physical types, and batches of Arrow columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

import pyarrow as pa

from dpsynth.errors import DataMismatchError, FileFormatError

BATCH_ROWS = 262_144


class TableReader(Protocol):
    """A table that can be read from its start any number of times.

    Opening reads the header and the physical types only: no statistics, no row counts, no rows.
    """

    @property
    def where(self) -> str:
        """A name for messages: the file's, ``<stdin>`` or ``<frame>``."""
        ...

    @property
    def names(self) -> tuple[str, ...]:
        """The column names, distinct, in table order."""
        ...

    @property
    def types(self) -> Mapping[str, str]:
        """The physical type of every column, in Arrow's words; ``binary`` for the raw cells of CSV."""
        ...

    def batches(self, columns: Sequence[str], batch_rows: int = BATCH_ROWS) -> Iterator[pa.RecordBatch]:
        """The rows, as batches of these columns in this order.

        Text arrives as binary (or dictionaries of binary), so that no byte is ever undecodable. Raises
        ``DataMismatchError`` for an absent column before anything is read; a table that breaks off, or changes,
        while being read is a ``FileFormatError`` with a constant text.
        """
        ...


def broke_off(where: str) -> FileFormatError:
    """The one error for every fault met while rows are being read: constant, whatever and wherever the fault is."""
    return FileFormatError(
        "the table broke off while it was being read", where=where, hint="The file is damaged or was changed."
    )


def check_names(names: Sequence[str], where: str) -> tuple[str, ...]:
    """The names as a tuple; ``DataMismatchError`` for none or for duplicates.

    Columns are given by position: the first line of a file without a header is somebody's data.
    """
    if not names:
        raise DataMismatchError("the table has no columns", where=where)
    seen: dict[str, int] = {}
    for position, name in enumerate(names, start=1):
        if name in seen:
            raise DataMismatchError(
                f"columns {seen[name]} and {position} have the same name",
                where=where,
                hint="Rename one of them; if the first line holds data, add a line with the column names.",
            )
        seen[name] = position
    return tuple(names)


def check_present(columns: Sequence[str], names: Sequence[str], where: str) -> None:
    """Raise ``DataMismatchError`` unless every wanted column is in the table."""
    for column in columns:
        if column not in names:
            raise DataMismatchError(f"the table has no column {column!r}", where=where)


def without_text(column: pa.Array) -> pa.Array:
    """The same column with text as raw bytes and Arrow's view and extension types as their plain forms.

    Nothing is decoded or compared, so nothing about the values can raise.
    """
    if isinstance(column, pa.ExtensionArray):
        column = column.storage
    kind = column.type
    if pa.types.is_dictionary(kind):
        return pa.DictionaryArray.from_arrays(column.indices, without_text(column.dictionary), safe=False)
    if pa.types.is_string(kind):
        return column.view(pa.binary())
    if pa.types.is_large_string(kind):
        return column.view(pa.large_binary())
    if pa.types.is_string_view(kind) or pa.types.is_binary_view(kind):
        return _plain_view(column)
    return column


def _plain_view(column: pa.Array) -> pa.Array:
    raw = column.view(pa.binary_view()) if pa.types.is_string_view(column.type) else column
    return raw.cast(pa.large_binary())
