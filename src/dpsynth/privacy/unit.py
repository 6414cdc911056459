"""The privacy unit: what one neighbor adds or removes."""

from __future__ import annotations

from dataclasses import dataclass, field

from dpsynth.errors import UsageError


@dataclass(frozen=True, slots=True)
class Unit:
    """What the guarantee protects: one row, or one person with at most ``max_rows`` rows.

    Neighboring tables differ by adding or removing one unit. ``column`` is the person's identifier, or ``None``
    when the unit is a row. ``stability``: the product of the stabilities of what was done to the table before; no part
    of what a unit is (units that differ in it are equal). Raises ``UsageError`` for ``max_rows`` or ``stability``
    below 1, and for ``max_rows`` above 1 without a column.
    """

    column: str | None = None
    max_rows: int = 1
    stability: int = field(default=1, compare=False)

    def __post_init__(self) -> None:
        if min(self.max_rows, self.stability) < 1:
            raise UsageError("a unit needs max_rows of at least 1, and a stability of at least 1")
        if self.column is None and self.max_rows != 1:
            raise UsageError("a unit of several rows needs the column that identifies the person")

    @property
    def rows(self) -> int:
        """How many rows of the table that is read one unit moves at most: every sensitivity is computed from it."""
        return self.max_rows * self.stability

    @staticmethod
    def parse(text: str) -> Unit:
        """``row`` or ``COLUMN:MAX_ROWS``; ``UsageError`` otherwise."""
        if text == "row":
            return Unit()
        column, separator, rows = text.rpartition(":")
        if not separator or not column or not rows.isascii() or not rows.isdigit():
            raise UsageError("the unit is 'row' or COLUMN:MAX_ROWS", hint="Example: --unit patient_id:4")
        return Unit(column, int(rows))

    def __str__(self) -> str:
        return "row" if self.column is None else f"{self.column}:{self.max_rows}"

    @property
    def description(self) -> str:
        """Plain words for reports: what is protected, and what is not."""
        if self.column is None:
            return "protects one ROW; if a person may have several rows this is not a guarantee per person"
        rows = "1 row" if self.max_rows == 1 else f"{self.max_rows} rows"
        return f"protects one person (column {self.column!r}) with at most {rows} each"
