"""Policies and the tables that they name, as the journeys that read them need them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from dpsynth.anonymization.policy import Policy
from dpsynth.errors import FileFormatError
from dpsynth.pipeline.plan import load_schema
from dpsynth.schema import Schema
from dpsynth.tables import TableReader, open_table
from dpsynth.tables.arrow_types import arrow_types


def policy_for(
    policy: Policy | Mapping[str, Any] | str | Path,
    schema: Schema | str | Path | None,
    data: Any,
    table: str | None = None,
) -> Policy:
    """The policy of this table: of a policy for several tables that of this name, or of the table's file name."""
    if isinstance(policy, Policy):
        return policy
    loaded = None if schema is None else load_schema(schema)
    named = isinstance(data, str | os.PathLike) and os.fspath(data) != "-"
    table = table or (Path(data).name.partition(".")[0] if named else None)
    if isinstance(policy, Mapping):
        return Policy.from_dict(policy, loaded, table)
    return Policy.load(policy, loaded, table)


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
    path = population_path(policy)
    return None if path is None else whole_table(open_table(path), [one.name for one in policy.quasi])


def population_path(policy: Policy) -> Path | None:
    """Where the population that the policy names stands, None when it names none; ``FileFormatError`` as above."""
    name = policy.population
    if name is None:
        return None
    if Path(name).is_absolute() or ".." in Path(name).parts or policy.folder is None:
        raise FileFormatError("the table of a population stands beside the policy or below it", where=name)
    return policy.folder / name
