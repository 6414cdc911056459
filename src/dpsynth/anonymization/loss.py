"""What a released table lost: penalties of cells, entropy of cells, and sizes of classes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from dpsynth.anonymization.records import Classes, Counts, Generalized, Ranges, Records, classes_of
from dpsynth.anonymization.released import released_classes

Figures = NDArray[np.float64]


def gcp(records: Records, released: Generalized | Ranges) -> float:
    """The weighted mean penalty of a cell, from 0 (nothing lost) to 1 (everything suppressed); 0 for no rows.

    A cell costs (leaves under it - 1) / (leaves of the attribute - 1), a cell of a suppressed row 1. Attributes count
    by their weights. Sources: NCP of a cell, Xu et al., "Utility-based anonymization using local recoding", KDD 2006;
    the mean over a table, Ghinita et al., "Fast data anonymization with low information loss", VLDB 2007 (GCP). Where
    theirs takes the range of a number, the leaves count here: the values that the hierarchy lists.
    """
    return _gcp(records, released, _all_cells(records, released))


def losses(records: Records, released: Generalized | Ranges) -> dict[str, float]:
    """Every measure of this module by its name, with how many classes there are and rows and cells are suppressed.

    Suppressed cells tell nothing: those of suppressed rows, and those that show the group or range of all leaves.
    """
    cells = _all_cells(records, released)
    classes = released_classes(records, released)
    gone = int(released.suppressed.sum())
    return {
        "gcp": _gcp(records, released, cells),
        "non_uniform_entropy": _non_uniform_entropy(records, gone, cells),
        "discernibility": _discernibility(classes, gone),
        "average_class_size": len(classes.of) / max(classes.number, 1),
        "classes": float(classes.number),
        "suppressed_rows": float(gone),
        "suppressed_cells": float(gone * len(cells) + sum(int(one.rows[one.penalties == 1].sum()) for one in cells)),
    }


@dataclass(frozen=True, eq=False)
class _Cells:
    """The different cells of an attribute in the rows that are left: in how many rows each is, its leaf, and what it
    shows: ``under`` sums the weights of the leaves under each cell.
    """

    leaves: int
    rows: Counts
    leaf: Counts
    under: Callable[[Counts], Counts]

    @cached_property
    def penalties(self) -> Figures:
        """By cell the share of the attribute's detail that is lost."""
        found: Figures = (self.under(np.ones(self.leaves, np.int64)) - 1) / max(self.leaves - 1, 1)
        return found


def _gcp(records: Records, released: Generalized | Ranges, cells: Sequence[_Cells]) -> float:
    if not records.rows:
        return 0.0
    lost = np.array([float(one.rows @ one.penalties) for one in cells]) + float(released.suppressed.sum())
    return float(records.importance @ lost) / records.rows


def _non_uniform_entropy(records: Records, gone: int, cells: Sequence[_Cells]) -> float:
    """The bits lost about the values of the cells, as a share of those lost when every row is suppressed.

    A cell of value v that shows a group g loses -log2(rows with v / rows of the table whose value lies in g); a cell of
    a suppressed row shows the group of all values. Not weighted; 0 when no attribute varies. Sources: Gionis and Tassa,
    "k-Anonymization with minimal loss of information", 2009; de Waal and Willenborg, "Information loss through global
    recoding and local suppression", 1999. The rows of a group are those of the whole table, suppressed ones too.
    """
    lost = total = 0.0
    for one, codes in zip(cells, records.codes, strict=True):
        rows = np.bincount(codes, minlength=one.leaves).astype(np.int64)
        left = np.bincount(one.leaf, weights=one.rows, minlength=one.leaves)
        bits = np.log2(max(records.rows, 1) / np.maximum(rows, 1))
        lost += float(one.rows @ np.log2(one.under(rows) / rows[one.leaf]))
        lost += float((rows - left) @ bits) if gone else 0.0
        total += float(rows @ bits)
    return lost / total if total else 0.0


def _discernibility(classes: Classes, gone: int) -> float:
    """The sum over the classes of their rows squared, and all rows of the table for each one suppressed.

    Source: Bayardo and Agrawal, "Data privacy through optimal k-anonymization", ICDE 2005. Classes are what a reader
    sees, also where a single one has fewer than k rows because it counts persons.
    """
    rows = classes.rows.astype(np.float64)
    return float(rows @ rows) + float(gone) * (len(classes.of) + gone)


def _all_cells(records: Records, released: Generalized | Ranges) -> list[_Cells]:
    kept = ~released.suppressed
    attributes = range(len(records.hierarchies))
    if isinstance(released, Ranges):
        return [_in_ranges(records, released, at, kept) for at in attributes]
    return [_at_levels(records, released, at, kept) for at in attributes]


def _in_ranges(records: Records, released: Ranges, at: int, kept: NDArray[np.bool_]) -> _Cells:
    columns = [released.low[at][kept], released.high[at][kept], records.codes[at][kept]]
    of, first = classes_of(columns)
    low, high, leaf = (column[first].astype(np.int64) for column in columns)

    def under(weights: Counts) -> Counts:
        ends = np.concatenate([[0], np.cumsum(weights)])
        within: Counts = ends[high + 1] - ends[low]
        return within

    return _Cells(records.hierarchies[at].leaves, np.bincount(of).astype(np.int64), leaf, under)


def _at_levels(records: Records, released: Generalized, at: int, kept: NDArray[np.bool_]) -> _Cells:
    hierarchy = records.hierarchies[at]
    key = released.of[at][kept] * np.int64(hierarchy.leaves) + records.codes[at][kept]
    rows = np.bincount(key, minlength=hierarchy.height * hierarchy.leaves).astype(np.int64)
    there = np.flatnonzero(rows)
    level, leaf = np.divmod(there, hierarchy.leaves)

    def under(weights: Counts) -> Counts:
        sums = np.stack([np.bincount(nodes, weights=weights)[nodes] for nodes in hierarchy.nodes])
        found: Counts = np.rint(sums[level, leaf]).astype(np.int64)
        return found

    return _Cells(hierarchy.leaves, rows[there], leaf, under)


__all__ = ["gcp", "losses"]
