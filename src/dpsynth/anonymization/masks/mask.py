"""What all masks have in common: the columns they read, the type they give, and arrays in, arrays out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import pyarrow as pa
import pyarrow.compute as pc

from dpsynth.anonymization.masks.values import as_cells, is_plain, over_distinct
from dpsynth.errors import DataMismatchError
from dpsynth.schema.cells import is_text


class Mask(Protocol):
    """One column's mask. Row by row: a cell of the result depends on the cells of its own row, and on the key."""

    @property
    def step(self) -> str:
        """What it does, in a few words for the label."""
        ...

    @property
    def by(self) -> tuple[str, ...]:
        """Further columns that it reads."""
        ...

    def output(self, kind: pa.DataType, where: str) -> pa.DataType:
        """The type of the result; ``DataMismatchError`` when columns of this type cannot be masked so."""
        ...

    def masked(self, column: pa.Array, *others: pa.Array) -> pa.Array:
        """The masked cells, of the output type; null for null, and for a cell that the mask does not fit."""
        ...


@dataclass(frozen=True, eq=False)
class OverCells:
    """A mask that turns each distinct cell into a text. ``rule`` takes bytes without nulls and gives strings.

    Integers are written with at least ``width`` digits before they are masked.
    """

    step: str
    rule: Callable[[pa.Array], pa.Array]
    width: int = 0
    by: tuple[str, ...] = ()

    def output(self, kind: pa.DataType, where: str) -> pa.DataType:
        """Text; lists and structs cannot be masked."""
        if not is_plain(kind):
            raise unfit_type(self.step, kind, where)
        return pa.string()

    def masked(self, column: pa.Array, *others: pa.Array) -> pa.Array:
        """See ``Mask.masked``."""
        del others
        if self.width and pa.types.is_integer(column.type):
            column = pc.utf8_lpad(column.cast(pa.string()), self.width, "0")
        return over_distinct(column, lambda cells: self.rule(cells).cast(pa.string()))


def unfit_type(step: str, kind: pa.DataType, where: str) -> DataMismatchError:
    """The error for a column whose physical type a mask does not know."""
    return DataMismatchError(f"the mask {step} does not apply to columns of type {kind}", where=where)


def plain_text(column: pa.Array) -> pa.Array:
    """A dictionary of text as its cells; any other column as it is."""
    if pa.types.is_dictionary(column.type):
        return as_cells(column) if is_text(column.type.value_type) else column.cast(column.type.value_type)
    return column
