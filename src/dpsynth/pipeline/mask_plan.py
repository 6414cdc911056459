"""What will become of each column of a table that is masked: settled before its first row is read."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dpsynth.anonymization.masks.building import build_mask
from dpsynth.anonymization.masks.dates import Shift
from dpsynth.anonymization.masks.keys import MaskKey
from dpsynth.anonymization.masks.mask import Mask, plain_text, unfit_type
from dpsynth.anonymization.masks.values import is_plain
from dpsynth.anonymization.policy import Policy
from dpsynth.errors import DataMismatchError, SchemaError
from dpsynth.privacy.labels import Label, LabelKind
from dpsynth.schema.cells import as_bytes, is_text, trimmed
from dpsynth.schema.mask_parts import Mask as SaidMask
from dpsynth.schema.mask_rules import the_mask
from dpsynth.tables import TableReader
from dpsynth.tables.arrow_types import arrow_types
from dpsynth.tables.csv_reader import CsvReader

INJECTIVE = frozenset({"pseudonym", "format"})
"""The masks under which different values stay different."""

Others = Literal["refuse", "keep", "drop"]
_KEY = re.compile(r", key ([0-9a-f]{8}): not protection$")


@dataclass(frozen=True, eq=False)
class MaskedColumn:
    """A column of the output: its mask (None: kept as it is), its type, and whether unfit cells become empty.

    ``domain``: the kind and the namespace of a keyed mask, None for any other.
    """

    name: str
    mask: Mask | None
    kind: pa.DataType
    blank: bool = False
    domain: tuple[str, str] | None = None

    @property
    def identifies(self) -> bool:
        """Whether the masked cells may still join tables."""
        return self.domain is not None and self.domain[0] in INJECTIVE


@dataclass(frozen=True, eq=False)
class MaskPlan:
    """How one table is masked. ``dropped``: columns with ``mask: drop``; ``unsaid``: identifiers without a mask, which
    are dropped too; ``others``: columns that nobody named and that are left out.
    """

    name: str
    reader: TableReader
    columns: tuple[MaskedColumn, ...]
    dropped: tuple[str, ...]
    unsaid: tuple[str, ...]
    others: tuple[str, ...]
    missing: tuple[str, ...]
    from_csv: bool
    blanked: Counter[str] = field(default_factory=Counter)

    @property
    def schema(self) -> pa.Schema:
        """The schema of the output."""
        return pa.schema([pa.field(one.name, one.kind) for one in self.columns])

    def labels(self, key: MaskKey | None) -> list[str]:
        """One FREE label for each mask and one for what was dropped."""
        said = []
        for one in self.columns:
            if one.mask is not None:
                by = f", key {key.id}" if one.domain and key else ""
                step = f"{one.mask.step} of {one.name!r}{by}: not protection"
                said.append(Label(LabelKind.FREE, step, merges=() if one.identifies else (one.name,)))
        if gone := (*self.dropped, *self.unsaid, *self.others):
            said.append(Label(LabelKind.FREE, f"dropped {', '.join(map(repr, gone))}"))
        return [str(label) for label in said]

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The masked rows, in the order of the table. ``DataMismatchError`` for a cell that a mask does not fit,
        unless the policy says that it becomes empty.
        """
        needed = [name for one in self.columns for name in (one.name, *(one.mask.by if one.mask else ()))]
        names = tuple(dict.fromkeys(needed))
        for batch in self.reader.batches(names):
            cells = {name: self._with_nulls(plain_text(batch.column(name))) for name in names}
            arrays = [self._masked(one, cells) for one in self.columns]
            yield pa.RecordBatch.from_arrays(arrays, schema=self.schema)

    def _with_nulls(self, column: pa.Array) -> tuple[pa.Array, pa.Array]:
        """The column as it is, and with null where a text means a missing value."""
        if not is_text(column.type):
            return column, column
        column = as_bytes(column)
        words = pa.array([text.encode() for text in self.missing], pa.binary()).cast(column.type)
        gone = pc.is_in(trimmed(column), value_set=words)
        nothing = pa.scalar(None, column.type)
        # CSV has no other null than the empty cell; a quoted one reads alike.
        raw = pc.if_else(pc.equal(pc.binary_length(column), 0), nothing, column) if self.from_csv else column
        return raw, pc.if_else(gone, nothing, column)

    def _masked(self, one: MaskedColumn, cells: Mapping[str, tuple[pa.Array, pa.Array]]) -> pa.Array:
        raw, known = cells[one.name]
        if one.mask is None:
            return self._text(_bare(raw), one) if is_text(raw.type) else _bare(raw).cast(one.kind)
        try:
            masked = one.mask.masked(known, *(cells[name][1] for name in one.mask.by))
        except DataMismatchError as error:
            raise DataMismatchError(error.message, where=self._where(one.name), hint=error.hint) from None
        if (unfit := masked.null_count - known.null_count) > 0:
            self.blanked[one.name] += unfit
            if not one.blank:
                hint = "Correct the cells, choose another mask, or say invalid: blank beside the mask to empty them."
                said = f"the mask {one.mask.step} does not fit some of the cells"
                raise DataMismatchError(said, where=self._where(one.name), hint=hint)
        if known.null_count and is_text(raw.type) and pa.types.is_string(masked.type):
            kept = self._text(pc.if_else(known.is_null(), raw, pa.scalar(None, raw.type)), one)
            return pc.if_else(known.is_null(), kept, masked)
        return masked

    def _text(self, cells: pa.Array, one: MaskedColumn) -> pa.Array:
        try:
            return cells.cast(pa.string())
        except pa.ArrowInvalid:
            hint = "Save the table in UTF-8, or drop the column."
            raise DataMismatchError("a cell is not UTF-8 text", where=self._where(one.name), hint=hint) from None

    def _where(self, column: str) -> str:
        return f"{self.reader.where}, column {column!r}"


def plan_masks(
    name: str, reader: TableReader, policy: Policy, key: MaskKey | None, *, others: Others, csv_output: bool
) -> MaskPlan:
    """The plan for a table under its policy. Raises ``DataMismatchError`` for a column that is absent, of a type that
    its mask does not know, or that nobody named (unless ``others`` says what becomes of it), and what ``build_mask``
    raises.
    """
    kinds = arrow_types(reader)
    where = reader.where
    _check_columns(policy, kinds, where, others)
    _check_unit(policy, where)
    columns, dropped, unsaid = list[MaskedColumn](), list[str](), list[str]()
    for column, kind in kinds.items():
        entry = policy.by_name.get(column)
        if entry is None and others == "drop":
            continue
        if entry is not None and entry.mask is None and entry.role == "direct-id":
            unsaid.append(column)
        elif entry is None or entry.mask is None:
            columns.append(MaskedColumn(column, None, _kept(kind)))
        elif (mask := build_mask(entry.mask, column, key, where)) is None:
            dropped.append(column)
        else:
            columns.append(_column(column, entry.mask, mask, kinds, where))
    if not columns:
        raise DataMismatchError("no column is left", where=where, hint="Every column is dropped by the policy.")
    for one in columns:
        if csv_output and not is_plain(one.kind):
            hint = "Drop the column, or write Parquet."
            raise DataMismatchError(f"CSV cannot hold columns of type {one.kind}", where=one.name, hint=hint)
    rest = tuple(column for column in kinds if column not in policy.by_name) if others == "drop" else ()
    from_csv = isinstance(reader, CsvReader)
    return MaskPlan(name, reader, tuple(columns), tuple(dropped), tuple(unsaid), rest, policy.missing, from_csv)


def key_ids(labels: Sequence[str]) -> set[str]:
    """The ids of the keys that a label chain names."""
    return {found.group(1) for label in labels if (found := _KEY.search(label))}


def check_windows(plans: Sequence[MaskPlan]) -> None:
    """Raise ``SchemaError`` when dates of one namespace have different windows: those of one person would part."""
    windows: dict[str, tuple[int, int]] = {}
    for plan in plans:
        for one in plan.columns:
            if isinstance(one.mask, Shift) and one.domain is not None:
                window = (one.mask.least, one.mask.most)
                if windows.setdefault(one.domain[1], window) != window:
                    hint = "Give all shifts the same days, or those that need not agree a namespace of their own."
                    said = "mask.shift.days: differs from that of another date, so intervals would not be kept"
                    raise SchemaError(f"field {one.name!r}: {said}", where=plan.reader.where, hint=hint)


def _check_columns(policy: Policy, kinds: Mapping[str, pa.DataType], where: str, others: Others) -> None:
    if absent := [one.name for one in policy.fields if one.name not in kinds]:
        raise DataMismatchError(
            f"the policy names a column that is absent: {', '.join(map(repr, absent))}", where=where
        )
    unnamed = [column for column in kinds if column not in policy.by_name]
    if unnamed and others == "refuse":
        hint = "Name each: role other keeps it, mask drop leaves it out; or say --others keep or --others drop."
        said = f"the policy does not say what becomes of {', '.join(map(repr, unnamed))}"
        raise DataMismatchError(said, where=where, hint=hint)


def _check_unit(policy: Policy, where: str) -> None:
    """The mask of the unit's column keeps persons apart: see ``docs/proofs/masked-tables.md``."""
    person = policy.by_name.get(policy.unit.column or "")
    if person is not None and person.mask is not None and person.mask != "drop":
        kind = person.mask if isinstance(person.mask, str) else the_mask(person.mask)[0]
        if kind not in INJECTIVE:
            said = f"field {person.name!r}: mask.{kind}: could make one person of several, and the unit is a person"
            raise SchemaError(said, where=where, hint=f"Use {' or '.join(sorted(INJECTIVE))} for the unit's column.")


def _column(column: str, said: SaidMask, mask: Mask, kinds: Mapping[str, pa.DataType], where: str) -> MaskedColumn:
    for other in mask.by:
        if other not in kinds:
            raise DataMismatchError(f"the mask {mask.step} needs a column that is absent", where=f"{where}, {column!r}")
        if not is_plain(kinds[other]):
            raise unfit_type(mask.step, kinds[other], f"{where}, column {other!r}")
    name, part = the_mask(said)
    space = getattr(getattr(part, name, None), "namespace", None)
    return MaskedColumn(
        column,
        mask,
        mask.output(kinds[column], f"{where}, column {column!r}"),
        blank=part.invalid == "blank",
        domain=None if space is None else (name, space),
    )


def _kept(kind: pa.DataType) -> pa.DataType:
    """The type of a column that is kept: text is a string, dictionaries are their values, also within others."""
    if pa.types.is_dictionary(kind):
        return _kept(kind.value_type)
    if pa.types.is_nested(kind):
        return _plain(kind)
    return pa.string() if is_text(kind) else kind


def _plain(kind: pa.DataType) -> pa.DataType:
    """The type without dictionaries, which would name the values of rows that are gone."""
    if pa.types.is_dictionary(kind):
        return _plain(kind.value_type)
    if pa.types.is_struct(kind):
        return pa.struct([one.with_type(_plain(one.type)) for one in kind.fields])
    if pa.types.is_map(kind):
        return pa.map_(_plain(kind.key_type), _plain(kind.item_type))
    large, sized = pa.types.is_large_list(kind), pa.types.is_fixed_size_list(kind)
    if large or sized or pa.types.is_list(kind):
        inner = kind.value_field.with_type(_plain(kind.value_type))
        return pa.large_list(inner) if large else pa.list_(inner, kind.list_size if sized else -1)
    return kind


def _bare(column: pa.Array) -> pa.Array:
    """The same cells; what an Arrow buffer may still hold beneath a null is gone."""
    return column.take(pa.array(np.arange(len(column)))) if column.null_count else column
