"""Linkability: can two sources about the same person be joined through the synthetic table? (WP216, section 2.2)"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dpsynth.audit.attacks.distances import blocks
from dpsynth.audit.attacks.tables import AttackedTables, Targets, taken
from dpsynth.audit.judging import Observed
from dpsynth.audit.rates import Excess, Rate
from dpsynth.metrics import CodedTable

THREAT_MODEL = "holds the synthetic table and two tables that share persons but no column"


def linkability(tables: AttackedTables, targets: Targets, rng: np.random.Generator) -> Observed:
    """How many targets have the same synthetic row as nearest neighbor in both halves of the columns.

    The columns are halved at random; ties go to a random row. With a single column nothing can be linked and nothing
    is tried. After Giomi et al. 2023, section 4.2, with one neighbor.
    """
    columns = rng.permutation(len(tables.synthetic.domain)).tolist()
    halves = (columns[: len(columns) // 2], columns[len(columns) // 2 :])
    synthetic = taken(tables.synthetic, rng.permutation(tables.synthetic.rows))
    members, controls = (Rate.of(_linked(table, synthetic, halves)) for table in (targets.members, targets.controls))
    estimate = Excess(members, controls)
    return Observed("linkability", "nearest neighbor", THREAT_MODEL, targets.group, "excess risk", estimate)


def _linked(rows: CodedTable, synthetic: CodedTable, halves: tuple[list[int], list[int]]) -> NDArray[np.bool_]:
    if not halves[0] or not synthetic.rows:
        return np.zeros(0, dtype=bool)
    linked = np.zeros(rows.rows, dtype=bool)
    for block in blocks(rows, synthetic):
        left, right = (block.distances(half).argmin(axis=1) for half in halves)
        linked[block.targets] = left == right
    return linked
