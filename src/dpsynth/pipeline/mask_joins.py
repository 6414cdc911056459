"""Whether tables that were masked in one call still join: told by reading them again, before and after."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dpsynth.anonymization.masks.mask import plain_text
from dpsynth.anonymization.masks.values import as_cells
from dpsynth.errors import DataMismatchError
from dpsynth.pipeline.mask_plan import MaskedColumn, MaskPlan
from dpsynth.schema.cells import is_text, trimmed
from dpsynth.tables import TableReader, open_table


@dataclass(frozen=True, slots=True)
class Join:
    """Two identifying columns of two tables, and how many of their values they shared before and after masking."""

    left: str
    right: str
    before: int
    after: int

    @property
    def holds(self) -> bool:
        """Whether every value of one that was in the other still is."""
        return self.before == self.after

    def __str__(self) -> str:
        ids = "value" if self.before == 1 else "values"
        if self.holds:
            return f"{self.left} and {self.right} share {self.before:,} {ids}, before and after"
        return f"{self.left} and {self.right} shared {self.before:,} {ids}, and share {self.after:,} now"


@dataclass(frozen=True, eq=False)
class _Identifier:
    plan: MaskPlan
    column: MaskedColumn
    before: pa.Array
    after: pa.Array

    @property
    def name(self) -> str:
        return f"{self.plan.name}.{self.column.name}"


def check_joins(plans: Sequence[MaskPlan], outputs: Sequence[Any]) -> tuple[Join, ...]:
    """The joins between pseudonymized columns of different tables; those that shared no value are left out.

    Raises ``DataMismatchError`` where two columns of one namespace shared values and now share others: their masks
    differ in length or prefix. Columns of different namespaces are meant not to join. Reads these columns twice.
    """
    found = [
        _Identifier(plan, one, _distinct(plan.reader, one.name, plan), _distinct(open_table(output), one.name, plan))
        for plan, output in zip(plans, outputs, strict=True)
        for one in plan.columns
        if one.identifies
    ]
    return tuple(_joins(found))


def _joins(found: Sequence[_Identifier]) -> Iterator[Join]:
    for left, right in combinations(found, 2):
        if left.plan is right.plan or not (before := _shared(left.before, right.before)):
            continue
        join = Join(left.name, right.name, before, _shared(left.after, right.after))
        blanked = left.plan.blanked[left.column.name] + right.plan.blanked[right.column.name]
        if not join.holds and left.column.domain == right.column.domain and not blanked:
            hint = "Give both masks the same settings, or each a namespace of its own if they must not join."
            raise DataMismatchError(f"a join is lost: {join}", where=join.right, hint=hint)
        yield join


def _shared(left: pa.Array, right: pa.Array) -> int:
    return int(pc.sum(pc.is_in(left, value_set=right)).as_py() or 0)


def _distinct(reader: TableReader, column: str, plan: MaskPlan) -> pa.Array:
    """The distinct cells that are not missing, as bytes without white space at their ends."""
    words = pa.array([text.encode() for text in plan.missing], pa.large_binary())
    parts = [pa.array([], pa.large_binary())]
    for batch in reader.batches([column]):
        given = plain_text(batch.column(column))
        cells = trimmed(as_cells(given).drop_null().cast(pa.large_binary()).unique())
        if is_text(given.type):
            cells = cells.filter(pc.invert(pc.is_in(cells, value_set=words)))
        parts.append(cells)
    return pa.concat_arrays(parts).unique()
