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
    if table is not None and not _several(policy):
        hint = "Leave it out: the policy is for any table."
        raise UsageError("the policy has no tables to choose from", where="table", hint=hint)
    return named_policy(policy, schema, table or file_stem(data))


def named_policy(
    policy: Policy | Mapping[str, Any] | str | Path, schema: Schema | str | Path | None, name: str | None
) -> Policy:
    """The policy of the table of this name; one policy for any table if that is what it is."""
    if isinstance(policy, Policy):
        return policy
    loaded = None if schema is None else load_schema(schema)
    if isinstance(policy, Mapping):
        return Policy.from_dict(policy, loaded, name)
    return Policy.load(policy, loaded, name)


def _several(policy: Policy | Mapping[str, Any] | str | Path) -> bool:
    """Whether it has policies for several tables; a document that is none is left to whoever loads it."""
    if isinstance(policy, Policy):
        return False
    document = policy if isinstance(policy, Mapping) else parse(read_text(policy), os.fspath(policy))
    return not isinstance(document, Mapping) or "tables" in document


def file_stem(data: Any) -> str | None:
    """The name of a file without its endings, by which a policy knows its table; None for standard input and frames."""
    if not isinstance(data, str | os.PathLike) or os.fspath(data) == "-":
        return None
    return Path(data).name.partition(".")[0]


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
        hint = "Copy it there, and name it from there."
        said = "the table of a population must stand beside the policy or below it"
        raise FileFormatError(said, where=name, hint=hint)
    return policy.folder / name
