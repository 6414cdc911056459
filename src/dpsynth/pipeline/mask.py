"""The journey of a mask: tables in, tables with hidden cells out, all of one call under one key."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from dpsynth.anonymization.masks.keys import MaskKey
from dpsynth.anonymization.policy import Policy
from dpsynth.errors import DataMismatchError, UsageError
from dpsynth.pipeline.label_chain import chain_of
from dpsynth.pipeline.lost_lines import lost_lines
from dpsynth.pipeline.mask_joins import Join, check_joins
from dpsynth.pipeline.mask_key import find_key
from dpsynth.pipeline.mask_plan import MaskPlan, Others, check_windows, key_ids, plan_masks
from dpsynth.pipeline.plan import load_schema
from dpsynth.pipeline.policies import file_stem, named_policy
from dpsynth.pipeline.progress import Progress, silent
from dpsynth.schema import Schema
from dpsynth.schema.table import read_text
from dpsynth.schema.yamltext import parse
from dpsynth.tables import (
    check_format,
    check_not_itself,
    check_output,
    is_csv,
    label_metadata,
    open_table,
    read_sidecar,
    write_table,
)
from dpsynth.tables.atomic import writing_error
from dpsynth.tables.sidecar import sidecar_path

REMINDER = "Pseudonymized data are still personal data: whoever holds the key, or knows enough else, can find people."
"""What every masking ends with."""

_KNOWN = (".csv", ".csv.gz", ".parquet", ".pq", ".arrow", ".feather", ".ipc")
_STREAM = "-"


@dataclass(frozen=True)
class MaskedTable:
    """One masked table: where it was written (None: it is ``table``), its rows and label chain, what became of which
    column, how many cells were emptied, and how many lines of a CSV were no rows.
    """

    name: str
    path: str | None
    rows: int
    labels: tuple[str, ...]
    masked: Mapping[str, str]
    kept: tuple[str, ...]
    dropped: tuple[str, ...]
    unsaid: tuple[str, ...]
    blanked: Mapping[str, int]
    left_out: int
    table: pa.Table | None = field(default=None, repr=False)


@dataclass(frozen=True)
class MaskOutcome:
    """The masked tables, the id of the key (None: no mask needed one), and the joins that were checked."""

    tables: tuple[MaskedTable, ...]
    key_id: str | None
    joins: tuple[Join, ...]

    @property
    def table(self) -> pa.Table | None:
        """The one table of a call without an output, else None."""
        return self.tables[0].table if len(self.tables) == 1 else None


def mask(
    data: Any,
    policy: Policy | Mapping[str, Any] | str | Path,
    output: str | Path | None = None,
    *,
    key: bytes | str | MaskKey | None = None,
    key_file: str | Path | None = None,
    schema: Schema | str | Path | None = None,
    others: Others = "refuse",
    force: bool = False,
    delimiter: str | None = None,
    progress: Progress = silent,
) -> MaskOutcome:
    """Mask one table, or several in one call, as the policy says; row order is kept.

    ``data``: a path, ``-``, a frame, a list of paths, or a map from table names to any of these. ``output``: a file
    for one table, a folder for several, None to get Arrow tables in the outcome. ``key``: 32 to 64 bytes, or their hex
    or base64 text; else ``key_file``, else the environment variable ``DPSYNTH_MASK_KEY``. ``others``: what becomes of
    columns that neither the policy nor the ``schema`` names.

    Masks are no protection in the sense of differential privacy; each carries the label FREE. Several files appear
    together or not at all. Raises ``UsageError`` for a key that is needed and absent, ``SchemaError`` for a wrong
    policy, ``DataMismatchError`` for columns and cells that do not fit it and for outputs that were masked with
    another key, ``OutputExistsError`` if an output exists. Memory: one batch of rows per table.
    """
    sources = _sources(data)
    if schema is not None and len(sources) > 1:
        raise UsageError("a schema describes one table", hint="Mask one table at a time, or leave the schema out.")
    found = find_key(key, key_file)
    loaded = None if schema is None else load_schema(schema)
    targets = _targets(sources, output, force=force)
    plans = []
    for name, source in sources.items():
        said = named_policy(policy, loaded, name)
        reader = open_table(source, delimiter=delimiter)
        csv_output = targets[name] is not None and is_csv(str(targets[name]))
        plans.append(plan_masks(name, reader, said, found, others=others, csv_output=csv_output))
    check_windows(plans)
    used = found if any(one.domain for plan in plans for one in plan.columns) else None
    _check_neighbors(policy, targets, used)
    chains = {plan.name: (*(chain_of(sources[plan.name]) or ()), *plan.labels(used)) for plan in plans}
    with _staged(targets, force=force) as places:
        tables = []
        for done, plan in enumerate(plans):
            progress(f"masking {plan.name}", done / len(plans))
            tables.append(_written(plan, chains[plan.name], places[plan.name], targets[plan.name], force=force))
        joins = () if len(plans) == 1 else check_joins(plans, [places[one.name] or one.table for one in tables])
    return MaskOutcome(tuple(tables), used.id if used else None, joins)


def resolved_policies(policy: str | Path, schema: str | Path | None, data: Sequence[str]) -> dict[str, Policy]:
    """The policy of each table, or of all that it names when there are none; no table is opened."""
    loaded = None if schema is None else load_schema(schema)
    names = list(_sources(list(data))) if data else sorted(_table_names(policy)) or ["table"]
    return {name: named_policy(policy, loaded, name) for name in names}


def _sources(data: Any) -> dict[str, Any]:
    if isinstance(data, Mapping):
        found = {str(name): source for name, source in data.items()}
    elif isinstance(data, list | tuple):
        names = [_stem(source) for source in data]
        if twice := [name for name in names if names.count(name) > 1]:
            raise UsageError(f"two tables are named {twice[0]!r}", hint="Rename a file: the name chooses its policy.")
        found = dict(zip(names, data, strict=True))
    else:
        found = {_stem(data): data}
    if not found:
        raise UsageError("there is no table to mask")
    return found


def _stem(source: Any) -> str:
    return file_stem(source) or "table"


def _targets(sources: Mapping[str, Any], output: str | Path | None, *, force: bool) -> dict[str, str | None]:
    """Where each table goes; checked before anything is read."""
    if output is None:
        return dict.fromkeys(sources)
    text = os.fspath(output)
    folder = Path(text)
    if len(sources) == 1 and not folder.is_dir() and not text.endswith(("/", os.sep)):
        found = dict.fromkeys(sources, text)
    elif text == _STREAM or (folder.exists() and not folder.is_dir()):
        raise UsageError("several tables need a folder as output", where=text)
    else:
        found = {name: str(folder / _file_name(name, source)) for name, source in sources.items()}
    for name, target in found.items():
        _check_target(sources[name], target, force=force, new_folder=target != text and not folder.exists())
    return dict(found)


def _check_target(source: Any, target: str, *, force: bool, new_folder: bool) -> None:
    if target == _STREAM:
        return
    check_format(target)
    check_not_itself(source, target)
    if not new_folder:
        check_output(target, force=force)


def _file_name(name: str, source: Any) -> str:
    if not isinstance(source, str | os.PathLike):
        return f"{name}.parquet"
    own = Path(source).name
    return own if own.lower().endswith(_KNOWN) else f"{name}.csv"


def _check_neighbors(policy: Any, targets: Mapping[str, str | None], key: MaskKey | None) -> None:
    """Refuse a folder in which another table of the policy was masked with another key: the two would not join."""
    names = _table_names(policy)
    for target in targets.values():
        if key is None or target is None or target == _STREAM:
            continue
        for neighbor in sorted(Path(target).absolute().parent.glob("*.dpsynth.json")):
            table = neighbor.with_name(neighbor.name.removesuffix(".dpsynth.json"))
            stem = table.name.partition(".")[0]
            if stem not in names or stem in targets or not (sidecar := read_sidecar(table)):
                continue
            if ids := key_ids(sidecar.labels) - {key.id}:
                hint = f"Use that key, mask the tables in one call, or write to another folder. This key is {key.id}."
                said = f"this table was masked with another key ({min(ids)}): the two would not join"
                raise DataMismatchError(said, where=str(table), hint=hint)


def _table_names(policy: Any) -> set[str]:
    """The tables that a policy of several tables names."""
    if isinstance(policy, Policy):
        return set()
    document = policy if isinstance(policy, Mapping) else parse(read_text(policy), str(policy))
    return set(document.get("tables", ()))


@contextmanager
def _staged(targets: Mapping[str, str | None], *, force: bool) -> Iterator[dict[str, str | None]]:
    """Where to write first: one table at its place, several in a folder beside, from which they move together."""
    if None in targets.values() or _STREAM in targets.values():
        yield dict(targets)
        return
    goals = {name: Path(str(target)) for name, target in targets.items()}
    parent = next(iter(goals.values())).parent
    fresh = not parent.exists()
    try:
        with _placed(goals, parent, force=force) as places:
            yield places
    except BaseException:
        if fresh:
            with suppress(OSError):
                parent.rmdir()
        raise


@contextmanager
def _placed(goals: Mapping[str, Path], parent: Path, *, force: bool) -> Iterator[dict[str, str | None]]:
    folder = _new_folder(parent, within=len(goals) > 1)
    if folder is None:
        yield {name: str(goal) for name, goal in goals.items()}
        return
    try:
        yield {name: str(folder / goal.name) for name, goal in goals.items()}
        for goal in goals.values():
            check_output(goal, force=force)
        for goal in goals.values():
            (folder / goal.name).replace(goal)
            sidecar_path(folder / goal.name).replace(sidecar_path(goal))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _new_folder(parent: Path, *, within: bool) -> Path | None:
    """A fresh folder inside the parent, which is made if it does not exist; None when only the parent is asked for."""
    try:
        parent.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix=".dpsynth-", dir=parent)) if within else None
    except OSError as error:
        raise writing_error(error, str(parent)) from None


def _written(
    plan: MaskPlan, labels: Sequence[str], place: str | None, target: str | None, *, force: bool
) -> MaskedTable:
    if place is None:
        made = pa.Table.from_batches(list(plan.batches()), plan.schema)
        table = made.replace_schema_metadata(label_metadata(labels))
        rows = int(table.num_rows)
    else:
        table = None
        rows = write_table(plan.batches(), plan.schema, place, force=force, labels=labels).rows
    return MaskedTable(
        name=plan.name,
        path=target,
        rows=rows,
        labels=tuple(labels),
        masked={one.name: one.mask.step for one in plan.columns if one.mask is not None},
        kept=tuple(one.name for one in plan.columns if one.mask is None),
        dropped=(*plan.dropped, *plan.others),
        unsaid=plan.unsaid,
        blanked=dict(plan.blanked),
        left_out=lost_lines(plan.reader, rows),
        table=table,
    )
