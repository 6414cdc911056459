"""Linkability: can two sources about the same person be joined through the synthetic table? (WP216, section 2.2)"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dpsynth.audit.attacks.distances import blocks
from dpsynth.audit.attacks.tables import AttackedTables, Targets
from dpsynth.audit.judging import Observed
from dpsynth.audit.rates import Excess, Rate
from dpsynth.metrics import CodedTable

THREAT_MODEL = "holds the synthetic table and two tables that share persons but no column"


def linkability(tables: AttackedTables, targets: Targets, rng: np.random.Generator) -> Observed:
    """How many targets have a synthetic row that is nearest, or as near as any, in both halves of the columns.

    The columns are halved at random. With a single column nothing can be linked and nothing is tried. After Giomi et
    al. 2023, section 4.2: the nearest neighbors of the two halves, all that tie, have a row in common.
    """
    columns = rng.permutation(len(tables.synthetic.domain)).tolist()
    halves = (columns[: len(columns) // 2], columns[len(columns) // 2 :])
    members, controls = (
        Rate.of(_linked(table, tables.synthetic, halves)) for table in (targets.members, targets.controls)
    )
    estimate = Excess(members, controls)
    return Observed("linkability", "nearest neighbor", THREAT_MODEL, targets.group, "excess risk", estimate)


def _linked(rows: CodedTable, synthetic: CodedTable, halves: tuple[list[int], list[int]]) -> NDArray[np.bool_]:
    if not halves[0] or not synthetic.rows:
        return np.zeros(0, dtype=bool)
    linked = np.zeros(rows.rows, dtype=bool)
    for block in blocks(rows, synthetic):
        left, right = (block.distances(half) for half in halves)
        linked[block.targets] = (left + right).min(axis=1) == left.min(axis=1) + right.min(axis=1)
    return linked
