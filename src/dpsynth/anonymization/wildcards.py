"""Class sizes when a missing value may be any value, the reading in which suppressed cells hide among all others."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dpsynth.anonymization.records import Codes, Counts, classes_of
from dpsynth.errors import UsageError


def wildcard_sizes(codes: Sequence[Codes], null_codes: Sequence[int | None]) -> tuple[Counts, int]:
    """By row how many rows match it, itself included, when a null matches anything; and k, the least of them.

    ``null_codes``: by column the code that stands for null, None where the column has none. Two rows that match the
    same third may differ from each other, so that there are no classes. A size is never below that of the strict
    reading, in which null is a value of its own. Rows are counted, not persons; k is 0 for a table without rows.

    Cost: with p patterns of nulls among the different rows, p group-bys of those rows for each set of columns that two
    patterns have in common, at most p * p; without nulls one. Source: sdcMicro's frequency counts with alpha = 1.
    """
    if len(codes) != len(null_codes) or not codes:
        raise UsageError("there is one null code, or None, for each of at least one column")
    of, first = classes_of(codes)
    counts = np.bincount(of, minlength=len(first))
    columns = [column[first] for column in codes]
    known = np.array([_known(column, null) for column, null in zip(columns, null_codes, strict=True)])
    pattern, examples = classes_of([*known.astype(np.int32)])
    patterns = known[:, examples]
    sizes = np.zeros(len(first), np.int64)
    for common, pairs in _in_common(patterns).items():
        shared = [column for column, asked in zip(columns, common, strict=True) if asked]
        keys = classes_of(shared)[0] if shared else np.zeros(len(first), np.int64)
        for mine, theirs in pairs.items():
            among = np.isin(pattern, theirs)
            found = np.bincount(keys[among], weights=counts[among], minlength=len(first)).astype(np.int64)
            rows = pattern == mine
            sizes[rows] += found[keys[rows]]
    return sizes[of], int(sizes.min()) if len(first) else 0


def _known(column: Codes, null: int | None) -> NDArray[np.bool_]:
    return np.ones(len(column), np.bool_) if null is None else column != null


def _in_common(patterns: NDArray[np.bool_]) -> dict[tuple[bool, ...], dict[int, list[int]]]:
    """By the columns known in two patterns: for each pattern the others, itself included, that share just those."""
    found: dict[tuple[bool, ...], dict[int, list[int]]] = {}
    for mine in range(patterns.shape[1]):
        for theirs in range(patterns.shape[1]):
            common = tuple((patterns[:, mine] & patterns[:, theirs]).tolist())
            found.setdefault(common, {}).setdefault(mine, []).append(theirs)
    return found
