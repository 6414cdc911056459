"""Made-up populations, and releases of them that leak as much as a test wants."""

from __future__ import annotations

import numpy as np

from dpsynth.audit.attacks.suite import Sizes
from dpsynth.audit.attacks.tables import AttackedTables, Targets, joined, taken
from dpsynth.domain import Domain
from dpsynth.metrics import CodedTable

DOMAIN = Domain(tuple("abcdefgh"), (12, 9, 7, 5, 4, 3, 2, 2))
SMALL = Sizes(random=400, vulnerable=60, persons=400, predicates=300, smoke=200)


def population(rows: int, rng: np.random.Generator, domain: Domain = DOMAIN) -> CodedTable:
    """Columns that depend on one hidden class, with common and rare codes."""
    hidden = rng.integers(0, 3, rows)
    columns = {}
    for number, name in enumerate(domain):
        size = domain[name]
        weights = 1 / np.arange(1, size + 1)
        drawn = rng.choice(size, rows, p=weights / weights.sum())
        columns[name] = np.where(rng.random(rows) < 0.5, (hidden * (number + 1)) % size, drawn).astype(np.uint8)
    return CodedTable(domain, columns)


def release(rng, fitted=1600, held_out=400, synthetic=1600, copied=0.0, domain=DOMAIN) -> AttackedTables:
    """Independent draws of one population; a part of the synthetic rows are copies of fitted ones."""
    real = population(fitted, rng, domain)
    copies = taken(real, rng.permutation(fitted)[: round(copied * synthetic)])
    return AttackedTables(
        real,
        population(held_out, rng, domain),
        joined([population(synthetic - copies.rows, rng, domain), copies]),
    )


def everybody(tables: AttackedTables) -> Targets:
    return Targets("random", tables.fitted, tables.held_out)


def seeded() -> np.random.Generator:
    return np.random.default_rng(99)
