"""The audit of a mechanism on made-up tables, from CSV text through the room's own encoding and bounding."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from dpsynth.audit.made_up import PERSON, MadeUpTable, made_up_tables
from dpsynth.audit.recorded import Output, RecordedQueryable
from dpsynth.audit.replay import Fit, Opened, Replayed, replayed
from dpsynth.pipeline.ingest import source_of
from dpsynth.privacy.conversions import budget_of
from dpsynth.privacy.governor import Governor
from dpsynth.privacy.loss import PrivacyLoss
from dpsynth.privacy.unit import Unit
from dpsynth.schema import Schema
from dpsynth.tables import open_table

UNITS = (Unit(), PERSON)
DELTA = Fraction(1, 10**5)


def replays(
    fit: Fit, governor: Governor, budget: PrivacyLoss, *, units: Sequence[Unit] = UNITS, seed: int = 0
) -> Iterator[Replayed]:
    """The mechanism recorded on every made-up table and replayed on all its neighbors, for rows and for persons."""
    with TemporaryDirectory() as folder:
        for unit in units:
            for table in made_up_tables(unit):
                opened = [_opened(one, Path(folder), governor, budget, seed) for one in (table, *table.neighbors())]
                named = [(one.change, open_) for one, open_ in zip(table.neighbors(), opened[1:], strict=True)]
                yield replayed(fit, f"{table.name}, unit {unit}", opened[0], named)


def audit_budget(epsilon: Fraction, governor: Governor) -> PrivacyLoss:
    """The budget of an audited fit: epsilon, and a delta of 1e-5 where the governor has one."""
    return budget_of(epsilon, Fraction(0) if governor is Governor.PURE else DELTA, governor)


def _opened(table: MadeUpTable, folder: Path, governor: Governor, budget: PrivacyLoss, seed: int) -> Opened:
    path = folder / f"{len(list(folder.iterdir()))}.csv"
    path.write_text(table.csv(), encoding="utf-8")
    source = source_of(open_table(path), Schema.loads(table.schema), table.unit)

    def opened(answers: Sequence[Output] | None) -> RecordedQueryable:
        rng = np.random.default_rng(seed)
        return RecordedQueryable(source.domain, source, table.unit, governor, budget, rng, answers=answers)

    return opened
