"""A sampled Arrow table as the frame that the caller asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa

from dpsynth.errors import UsageError

if TYPE_CHECKING:
    from dpsynth.schema import Schema

Output = Literal["pandas", "polars", "pyarrow"]


def converted(table: pa.Table, output: Output, schema: Schema | None) -> Any:
    """The table as a ``pandas.DataFrame``, a ``polars.DataFrame`` or itself; column types come from the schema.

    Raises ``UsageError`` for another name, or polars that is not installed.
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
    if output == "pandas":
        return table.to_pandas()
    raise UsageError("the output is pandas, polars or pyarrow", where="output")
