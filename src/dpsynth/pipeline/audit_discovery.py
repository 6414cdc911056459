"""Record and replay of the discovery of a domain, on made-up tables: from CSV text through the room's own counting.

What discovery asks, what it learns and what it pays must depend on released answers alone, and every exact count that
stands behind one may move by its sensitivity at most. No method takes part: the result is the same for all.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dpsynth.audit.made_up import made_up_tables
from dpsynth.audit.recorded_questions import ExactCounts, RecordedQuestions
from dpsynth.audit.replay import Recording, Replayed, Run, replayed_runs
from dpsynth.discovery import Discovery, Purse, discover, document
from dpsynth.discovery.questions import Partitions
from dpsynth.errors import DpsynthError
from dpsynth.pipeline.table_questions import asked_columns, key_source, partition_source
from dpsynth.privacy.conversions import budget_of
from dpsynth.privacy.governor import Governor
from dpsynth.privacy.loss import PrivacyLoss
from dpsynth.privacy.reconciliation import reconcile
from dpsynth.privacy.unit import Unit
from dpsynth.schema import Schema
from dpsynth.tables import TableReader, open_table

EPSILON, DELTA, SHARE = Fraction(100), Fraction(1, 10**5), Fraction(1, 2)
"""So large that small tables teach something: what a replay shows holds whatever the noise is."""


def discovery_replays(units: Sequence[Unit], *, seed: int = 0) -> Iterator[Replayed]:
    """The discovery recorded on every made-up table and replayed on all its neighbors, in pools of GDP.

    Cost: about 100 CPU milliseconds for each neighbor.
    """
    with TemporaryDirectory() as folder:
        for unit in units:
            for table in made_up_tables(unit):
                runs = [_run(Path(folder), one.csv(), unit, seed) for one in (table, *table.neighbors())]
                named = [(one.change, run) for one, run in zip(table.neighbors(), runs[1:], strict=True)]
                yield replayed_runs(f"{table.name}, unit {unit}", runs[0], named)


def _run(folder: Path, text: str, unit: Unit, seed: int) -> Run:
    path = folder / f"{len(list(folder.iterdir()))}.csv"
    path.write_text(text, encoding="utf-8")

    def run(answers: Sequence[Any] | None) -> Recording:
        reader, budget = open_table(path), budget_of(EPSILON, DELTA, Governor.GDP)
        questions = RecordedQuestions(
            asked_columns(reader, unit), unit, _exact(reader, unit), np.random.default_rng(seed), answers=answers
        )
        try:
            found = discover(questions, Purse(budget, questions.governor, unit.rows, SHARE))
            schema = Schema.from_dict(document(found, name="made-up", unit=unit, header=reader.names))
        except Exception as fault:
            return Recording(tuple(questions.transcript), "", type(fault).__name__, reconciled=False)
        facts = repr((schema.to_dict(), found.rows, found.threshold))
        released = hashlib.sha256(facts.encode()).hexdigest()
        return Recording(tuple(questions.transcript), released, None, _reconciled(found, questions, budget))

    return run


def _exact(reader: TableReader, unit: Unit) -> ExactCounts:
    source = key_source(reader, unit)

    def classes(partitions: Partitions) -> list[NDArray[np.int64]]:
        return partition_source(reader, partitions, unit).counts([(name,) for name in partitions.domain])

    def keys(columns: Sequence[str]) -> list[dict[bytes, int]]:
        found = source.counts(columns)
        return [dict(zip(texts.to_pylist(), counts.tolist(), strict=True)) for texts, counts in found]

    return ExactCounts(classes, keys)


def _reconciled(found: Discovery, questions: RecordedQuestions, budget: PrivacyLoss) -> bool:
    try:
        reconcile(found.answers, questions.draws, budget.share(SHARE), questions.governor)
    except DpsynthError:
        return False
    return True
