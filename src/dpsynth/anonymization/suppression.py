"""Small classes dropped at fixed levels, and what that does to a later guarantee.

Proof page: ``docs/proofs/suppression.md``. The levels must be fixed without a look at the rows: a choice among levels
has no finite stability.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dpsynth.anonymization.records import Classes, Records, classes_of
from dpsynth.errors import UsageError
from dpsynth.privacy.labels import Label, LabelKind
from dpsynth.privacy.unit import Unit


def suppressed(records: Records, levels: Sequence[int], k: int) -> NDArray[np.bool_]:
    """By row: dropped, because its class at these levels (one for each attribute) has fewer than ``k`` units.

    Units are persons where the records have them, else rows. The rows are to be left out, not starred: a row of stars
    would stay in the table and move in another class. Of persons, the rows are bounded before. Raises ``UsageError``
    for ``k`` below 1 and for levels that the hierarchies do not have. Cost: one sort of the rows.
    """
    _check(records, levels, k)
    pairs = zip(records.hierarchies, levels, records.codes, strict=True)
    of, first = classes_of([hierarchy.nodes[level][codes] for hierarchy, level, codes in pairs])
    classes = Classes(of, len(first), np.ones(records.rows, np.int64), persons=records.persons)
    dropped: NDArray[np.bool_] = (classes.units < k)[of]
    return dropped


def suppression_label(k: int, unit: Unit) -> Label:
    """STABLE(k) for rows; STABLE(m (k - 1) + 1) for persons with at most m = ``unit.max_rows`` rows, bounded first.

    One unit more or less changes the rows of at most so many units. ``UsageError`` for ``k`` below 1.
    """
    if k < 1:
        raise UsageError("k is at least 1")
    stability = unit.max_rows * (k - 1) + 1
    if unit.column is None:
        return Label(LabelKind.STABLE, f"classes of fewer than {k} rows dropped, at fixed levels", stability, unit)
    rows = "1 row" if unit.max_rows == 1 else f"{unit.max_rows} rows"
    step = f"at most {rows} kept per person, then classes of fewer than {k} persons dropped, at fixed levels"
    return Label(LabelKind.STABLE, step, stability, unit)


def bounding_label(unit: Unit) -> Label:
    """STABLE(1) for persons whose rows were bounded and nothing dropped: a person more or less is one person.

    It is no claim about rows: one row more can take the place of another. ``UsageError`` for rows.
    """
    if unit.column is None:
        raise UsageError("only the rows of persons are bounded")
    rows = "1 row" if unit.max_rows == 1 else f"{unit.max_rows} rows"
    return Label(LabelKind.STABLE, f"at most {rows} kept per person", 1, unit)


def _check(records: Records, levels: Sequence[int], k: int) -> None:
    if k < 1:
        raise UsageError("k is at least 1")
    if len(levels) != len(records.hierarchies):
        raise UsageError("every attribute has one fixed level")
    for hierarchy, level in zip(records.hierarchies, levels, strict=True):
        if not 0 <= level < hierarchy.height:
            raise UsageError(f"{hierarchy.name!r} has the levels 0 to {hierarchy.height - 1}, not {level}")
