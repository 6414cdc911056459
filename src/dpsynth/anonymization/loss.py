"""What a released table lost: penalties of cells, entropy of cells, and sizes of classes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dpsynth.anonymization.records import Counts, Generalized, Ranges, Records
from dpsynth.anonymization.released import released_classes

Figures = NDArray[np.float64]


def gcp(records: Records, released: Generalized | Ranges) -> float:
    """The weighted mean penalty of a cell, from 0 (nothing lost) to 1 (everything suppressed); 0 for no rows.

    A cell costs (leaves under it - 1) / (leaves of the attribute - 1), a cell of a suppressed row 1. Attributes count
    by their weights. Sources: NCP of a cell, Xu et al., "Utility-based anonymization using local recoding", KDD 2006;
    the mean over a table, Ghinita et al., "Fast data anonymization with low information loss", VLDB 2007 (GCP). Where
    theirs takes the range of a number, the leaves count here: the values that the hierarchy lists.
    """
    if not records.rows:
        return 0.0
    means = [float(_penalties(records, released, at).mean()) for at in range(len(records.hierarchies))]
    return float(records.importance @ means)


def non_uniform_entropy(records: Records, released: Generalized | Ranges) -> float:
    """The bits lost about the values of the cells, as a share of those lost when every row is suppressed.

    A cell of value v that shows a group g loses -log2(rows with v / rows of the table whose value lies in g); a cell of
    a suppressed row shows the group of all values. Not weighted; 0 when no attribute varies. Sources: Gionis and Tassa,
    "k-Anonymization with minimal loss of information", 2009; de Waal and Willenborg, "Information loss through global
    recoding and local suppression", 1999. The rows of a group are those of the whole table, suppressed ones too.
    """
    lost = total = 0.0
    for at, (hierarchy, codes) in enumerate(zip(records.hierarchies, records.codes, strict=True)):
        rows = np.bincount(codes, minlength=hierarchy.leaves).astype(np.int64)
        group = np.where(released.suppressed, records.rows, _under(records, released, at, rows))
        lost += float(np.log2(group / rows[codes]).sum())
        total += float(np.log2(records.rows / rows[codes]).sum())
    return lost / total if total else 0.0


def discernibility(records: Records, released: Generalized | Ranges) -> float:
    """The sum over the classes of their rows squared, and all rows of the table for each one suppressed.

    Source: Bayardo and Agrawal, "Data privacy through optimal k-anonymization", ICDE 2005. Classes are what a reader
    sees, also where a single one has fewer than k rows because it counts persons.
    """
    rows = released_classes(records, released).rows.astype(np.float64)
    return float(rows @ rows) + float(released.suppressed.sum()) * records.rows


def average_class_size(records: Records, released: Generalized | Ranges, k: int = 1) -> float:
    """The rows that are not suppressed by class, divided by ``k``; 0 when all are. 1 is the least that k allows.

    Source: LeFevre, DeWitt and Ramakrishnan, "Mondrian multidimensional k-anonymity", ICDE 2006 (C_AVG), which knows no
    suppressed rows.
    """
    classes = released_classes(records, released)
    return len(classes.of) / max(classes.number, 1) / k


def suppressed_cells(records: Records, released: Generalized | Ranges) -> int:
    """The cells that tell nothing: those of suppressed rows, and those that show the group or range of all leaves."""
    found = int(released.suppressed.sum()) * len(records.hierarchies)
    for at, hierarchy in enumerate(records.hierarchies):
        if hierarchy.leaves > 1:
            found += int((_penalties(records, released, at)[~released.suppressed] == 1).sum())
    return found


def losses(records: Records, released: Generalized | Ranges) -> dict[str, float]:
    """Every measure of this module by its name, with how many classes there are and rows and cells are suppressed."""
    return {
        "gcp": gcp(records, released),
        "non_uniform_entropy": non_uniform_entropy(records, released),
        "discernibility": discernibility(records, released),
        "average_class_size": average_class_size(records, released),
        "classes": float(released_classes(records, released).number),
        "suppressed_rows": float(released.suppressed.sum()),
        "suppressed_cells": float(suppressed_cells(records, released)),
    }


def _penalties(records: Records, released: Generalized | Ranges, at: int) -> Figures:
    """By row: the share of an attribute's detail that is lost."""
    leaves = records.hierarchies[at].leaves
    under = _under(records, released, at, np.ones(leaves, np.int64))
    return np.where(released.suppressed, 1.0, (under - 1) / max(leaves - 1, 1))


def _under(records: Records, released: Generalized | Ranges, at: int, weights: Counts) -> Counts:
    """By row: the sum of the weights of the leaves under the cell that it shows, suppressed or not."""
    if isinstance(released, Ranges):
        ends = np.concatenate([[0], np.cumsum(weights)])
        within: Counts = ends[released.high[at] + 1] - ends[released.low[at]]
        return within
    hierarchy = records.hierarchies[at]
    sums = [np.bincount(nodes, weights=weights)[nodes] for nodes in hierarchy.nodes]
    under: Counts = np.rint(np.stack(sums)).astype(np.int64)[released.of[at], records.codes[at]]
    return under


__all__ = [
    "average_class_size",
    "discernibility",
    "gcp",
    "losses",
    "non_uniform_entropy",
    "suppressed_cells",
]
