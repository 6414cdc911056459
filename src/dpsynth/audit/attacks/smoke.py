"""Distances to real rows: a memorization smoke test, no evidence of privacy.

Tables that pass such tests have been attacked with success (Yao et al., "The DCR delusion", 2025; Ganev & De
Cristofaro, 2023): they find copies of rows, nothing else, so nothing here is judged.
"""

from __future__ import annotations

import numpy as np

from dpsynth.audit.attacks.distances import two_nearest
from dpsynth.audit.attacks.tables import AttackedTables, first, taken
from dpsynth.evidence import Color, InternalFigure

LABEL = "memorization smoke test, not privacy evidence"


def smoke_test(tables: AttackedTables, rng: np.random.Generator, rows: int = 2_000) -> tuple[InternalFigure, ...]:
    """For up to ``rows`` synthetic rows and as many fitted as held-out ones: exact matches, distance to the closest
    record (attributes that differ), its ratio to the second closest (1 when both are 0), and the share closer to
    fitted rows, ties counting half, about 0.5 without copies. Nothing when a table has no rows.
    """
    size = min(tables.fitted.rows, tables.held_out.rows)
    if not (size and tables.synthetic.rows):
        return ()
    drawn = first(taken(tables.synthetic, rng.permutation(tables.synthetic.rows)), rows)
    sides = {
        name: two_nearest(drawn, taken(table, rng.permutation(table.rows)[:size]))
        for name, table in (("fitted", tables.fitted), ("held-out", tables.held_out))
    }
    figures = [_figure(f"exact matches with {name} rows", (d[:, 0] == 0).mean(), "share") for name, d in sides.items()]
    for name, found in sides.items():
        ratio = np.divide(found[:, 0], found[:, 1], out=np.ones(len(found)), where=found[:, 1] > 0)
        figures += [
            _figure(f"mean distance to the closest {name} record", found[:, 0].mean(), "columns"),
            _figure(f"mean ratio of closest to second closest {name} record", ratio.mean(), ""),
        ]
    fitted, held_out = (found[:, 0] for found in sides.values())
    closer = (fitted < held_out).mean() + (fitted == held_out).mean() / 2
    return (*figures, _figure("synthetic rows closer to fitted than to held-out rows", closer, "share"))


def _figure(name: str, value: float, unit: str) -> InternalFigure:
    return InternalFigure(name, float(value), unit, Color.INTERNAL, LABEL)
