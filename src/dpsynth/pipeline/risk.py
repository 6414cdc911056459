"""The journey of a risk report: how likely people are found in a table as it is, and whether its policy is met."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from dpsynth.anonymization.disclosure import disclosures
from dpsynth.anonymization.encoding import Encoded, persons_of, records_of
from dpsynth.anonymization.policy import Policy
from dpsynth.anonymization.population import population_uniqueness
from dpsynth.anonymization.privacy_models import PrivacyModel
from dpsynth.anonymization.records import Classes, classes_of
from dpsynth.anonymization.risks import Risks, Uniqueness, risks, uniqueness
from dpsynth.anonymization.tallies import distributions
from dpsynth.anonymization.uniques import unique_sets
from dpsynth.anonymization.verifying import meant
from dpsynth.anonymization.wildcards import wildcard_sizes
from dpsynth.errors import UsageError
from dpsynth.pipeline.anonymize_label import is_synthetic
from dpsynth.pipeline.label_chain import chain_of
from dpsynth.pipeline.lost_lines import lost_lines
from dpsynth.pipeline.policies import policy_for, population_table, whole_table
from dpsynth.pipeline.progress import Progress, silent
from dpsynth.pipeline.risk_report import Check, RiskReport
from dpsynth.schema import Schema, UnitSpec
from dpsynth.tables import TableReader, open_table

THRESHOLD = 0.2
"""Nobody should be found with a higher probability, where the policy says nothing else."""
LARGEST_SET = 3


def risk(
    data: Any,
    policy: Policy | Mapping[str, Any] | str | Path,
    *,
    schema: Schema | str | Path | None = None,
    table: str | None = None,
    fraction: float | None = None,
    delimiter: str | None = None,
    progress: Progress = silent,
) -> RiskReport:
    """The risks of a table as it stands, under a policy: its models, re-identification, uniqueness, disclosure.

    ``data``: a path, ``-`` or a frame; masked and generalized cells are values like any other, so an anonymized table
    is read under the policy that made it. ``table``: which of the policy's tables this is, by default that of the
    file's name. ``fraction``: which share of the population the table holds; with it the
    share who are unique in the population is estimated. Where the table has no column of the policy's unit any more,
    rows are counted, and the report says so.

    The figures are exact and computed without differential privacy: they are INTERNAL. Raises ``SchemaError`` and
    ``DataMismatchError`` for a policy or table that do not fit, ``UsageError`` for a fraction outside 0 to 1. Memory:
    the columns that the policy names.
    """
    _check_fraction(fraction)
    said = policy_for(policy, schema, data, table)
    reader = open_table(data, delimiter=delimiter)
    progress("reading the table", 0.0)
    encoded = _encoded(reader, said)
    classes = _classes(encoded, population_table(said))
    progress("counting risks", 0.3)
    found = risks(classes, THRESHOLD if said.limits.prosecutor is None else said.limits.prosecutor)
    alone = uniqueness(classes)
    sets, examined = _telling(encoded, progress)
    progress("done", 1.0)
    return RiskReport(
        table=reader.where,
        rows=encoded.records.rows,
        lines_lost=lost_lines(reader, encoded.records.rows),
        persons=_persons(encoded),
        counted=said.unit.column is None or encoded.records.persons is not None,
        classes=classes.number,
        smallest=int(classes.units.min()) if classes.number else 0,
        wildcard=_wildcard(encoded),
        checks=(*_models(said.models, classes), *_limits(said, found, alone)),
        risks=found,
        alone=alone,
        estimates=() if fraction is None else population_uniqueness(classes, fraction),
        known=tuple(one.name for one in encoded.quasi),
        sets=sets,
        examined=examined,
        disclosures=disclosures(classes),
        synthetic=is_synthetic(chain_of(data) or ()),
    )


def _check_fraction(fraction: float | None) -> None:
    if fraction is not None and not 0 < fraction <= 1:
        raise UsageError("the share of the population is a number above 0 and of at most 1", where="fraction")


def _persons(encoded: Encoded) -> int | None:
    """How many different persons the rows are about, None where rows are counted."""
    persons = encoded.records.persons
    return None if persons is None else len(np.unique(persons))


def _wildcard(encoded: Encoded) -> int | None:
    """How few rows match a row when a missing value matches everything, if the policy asks for that reading."""
    if encoded.policy.limits.nulls != "wildcard":
        return None
    return wildcard_sizes(encoded.records.codes, encoded.null_codes)[1]


def _telling(encoded: Encoded, progress: Progress) -> tuple[tuple[tuple[tuple[str, ...], int], ...], int | None]:
    """The three sets of columns that single out most rows, by name; the largest size if not all asked were examined."""
    names = [one.name for one in encoded.quasi]

    def report(share: float) -> None:
        progress("looking for columns that make people unique", 0.4 + 0.55 * share)

    found = unique_sets(
        encoded.records.codes, min(LARGEST_SET, len(names)), persons=encoded.records.persons, progress=report
    )
    most = sorted(found.sets, key=lambda one: -one.minimal)[:3]
    said = tuple((tuple(names[at] for at in one.columns), one.minimal) for one in most)
    return said, None if found.complete else found.examined


def _encoded(reader: TableReader, policy: Policy) -> Encoded:
    """The columns that the policy is about, every text a value of its own; rows where persons are not known."""
    wanted = [one.name for one in policy.fields if one.role in ("quasi", "sensitive") and one.mask != "drop"]
    table = whole_table(reader, wanted)
    column = policy.unit.column
    if column is None or column not in reader.names:
        return records_of(table, replace(policy, unit=UnitSpec()), as_is=True)
    ids = whole_table(reader, [column]).column(column)
    return records_of(table, policy, persons=persons_of(ids, policy.missing, column), as_is=True)


def _classes(encoded: Encoded, table: pa.Table | None) -> Classes:
    """Rows with equal texts, with those of a population that they may mean."""
    records = encoded.records
    of, first = classes_of(records.codes)
    listed = None if table is None else meant(encoded, table, first)
    return Classes(of, len(first), np.ones(records.rows, np.int64), records.sensitive, records.persons, listed)


def _models(models: Sequence[PrivacyModel], classes: Classes) -> Iterator[Check]:
    """Whether every class satisfies each model, by the distribution of the whole table."""
    shares = distributions(classes, np.ones(classes.number, np.bool_))
    for model in models:
        yield Check(str(model), bool(model.passes(classes, shares).all()), model.reached(classes, shares), None)


def _limits(policy: Policy, found: Risks, alone: Uniqueness) -> Iterator[Check]:
    """Whether the risks stay within what the policy allows."""
    limits = policy.limits
    measured = {
        "highest prosecutor risk": (found.prosecutor.highest, limits.prosecutor),
        "marketer risk": (found.marketer, limits.marketer),
        "share of unique rows": (alone.row_share, limits.uniques),
    }
    for name, (value, most) in measured.items():
        if most is not None:
            yield Check(f"{name} of at most {most:g}", value <= most + 1e-12, value, most)
