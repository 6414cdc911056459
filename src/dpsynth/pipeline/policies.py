"""Policies and the tables that they name, as the journeys that read them need them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from dpsynth.anonymization.policy import Policy
from dpsynth.errors import FileFormatError, UsageError
from dpsynth.pipeline.plan import load_schema
from dpsynth.schema import Schema
from dpsynth.schema.table import read_text
from dpsynth.schema.yamltext import parse
from dpsynth.tables import TableReader, open_table
from dpsynth.tables.arrow_types import arrow_types


def policy_for(
    policy: Policy | Mapping[str, Any] | str | Path,
    schema: Schema | str | Path | None,
    data: Any,
    table: str | None = None,
) -> Policy:
    """The policy of this table: of a policy for several tables that of this name, or of the table's file name.

    Raises ``UsageError`` for a ``table`` of a policy that has none, and what ``Policy.load`` raises.
    """
    if isinstance(policy, Policy):
        _check_choice(table, several=False)
        return policy
    loaded = None if schema is None else load_schema(schema)
    where = "policy" if isinstance(policy, Mapping) else os.fspath(policy)
    document = policy if isinstance(policy, Mapping) else parse(read_text(policy), where)
    _check_choice(table, several=not isinstance(document, Mapping) or "tables" in document)
    named = isinstance(data, str | os.PathLike) and os.fspath(data) != "-"
    table = table or (Path(data).name.partition(".")[0] if named else None)
    folder = None if isinstance(policy, Mapping) else Path(policy).parent
    return Policy.from_dict(document, loaded, table, where=where, folder=folder)


def _check_choice(table: str | None, *, several: bool) -> None:
    if table is not None and not several:
        hint = "Leave it out: the policy is for any table."
        raise UsageError("the policy has no tables to choose from", where="table", hint=hint)


def whole_table(reader: TableReader, columns: Sequence[str]) -> pa.Table:
    """These columns of a table, in memory."""
    kinds = arrow_types(reader)
    batches = list(reader.batches(columns))
    if not batches:
        return pa.table({name: pa.array([], kinds[name]) for name in columns})
    return pa.Table.from_batches(batches)


def population_table(policy: Policy) -> pa.Table | None:
    """The quasi-identifiers of the population that the policy names, None when it names none.

    Raises ``FileFormatError`` for a file that does not stand beside the policy or below it.
    """
    name = policy.population
    if name is None:
        return None
    if Path(name).is_absolute() or ".." in Path(name).parts or policy.folder is None:
        hint = "Copy it there, and name it from there."
        said = "the table of a population must stand beside the policy or below it"
        raise FileFormatError(said, where=name, hint=hint)
    return whole_table(open_table(policy.folder / name), [one.name for one in policy.quasi])
