"""Class sizes when a missing value may be any value, the reading in which suppressed cells hide among all others."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dpsynth.anonymization.records import Codes, Counts, classes_of
from dpsynth.errors import ResourceLimitError, UsageError

MOST_PATTERNS = 1_024


def wildcard_sizes(codes: Sequence[Codes], null_codes: Sequence[int | None]) -> tuple[Counts, int]:
    """By row how many rows match it, itself included, when a null matches anything; and k, the least of them.

    ``null_codes``: by column the code that stands for null, None where the column has none. Two rows that match the
    same third may differ from each other, so that there are no classes. A size is never below that of the strict
    reading, in which null is a value of its own. Rows are counted, not persons; k is 0 for a table without rows.

    Cost: with p patterns of nulls among the different rows, p sorts of those rows. Raises ``ResourceLimitError`` for
    more than ``MOST_PATTERNS``. Source: sdcMicro's frequency counts with alpha = 1.
    """
    if len(codes) != len(null_codes) or not codes:
        raise UsageError("there is one null code, or None, for each of at least one column")
    of, first = classes_of(codes)
    counts = np.bincount(of, minlength=len(first)).astype(np.int64)
    columns = np.array([column[first] for column in codes], np.int64)
    known = np.array([_known(column, null) for column, null in zip(columns, null_codes, strict=True)])
    pattern, examples = classes_of([*known.astype(np.int32)])
    if len(examples) > MOST_PATTERNS:
        hint = "Fewer quasi-identifiers with missing values, or the strict reading, in which null is a value."
        raise ResourceLimitError(f"more than {MOST_PATTERNS} combinations of missing columns", hint=hint)
    rows = [np.flatnonzero(pattern == one) for one in range(len(examples))]
    patterns = known[:, examples]
    sizes = np.zeros(len(first), np.int64)
    for mine, asking in enumerate(rows):
        in_common = patterns & patterns[:, [mine]]
        group, of_group = classes_of([*in_common.astype(np.int32)])
        for number, example in enumerate(of_group):
            among = np.concatenate([rows[theirs] for theirs in np.flatnonzero(group == number)])
            sizes[asking] += _matches(columns[in_common[:, example]], asking, among, counts)
    return sizes[of], int(sizes.min()) if len(first) else 0


def _known(column: NDArray[np.int64], null: int | None) -> NDArray[np.bool_]:
    return np.ones(len(column), np.bool_) if null is None else column != null


def _matches(columns: NDArray[np.int64], asking: Counts, among: Counts, counts: Counts) -> Counts:
    """By asking row: how many of the others' rows equal it in all columns."""
    if not len(columns):
        return np.full(len(asking), counts[among].sum())
    both = np.concatenate([asking, among])
    of, first = classes_of([column[both] for column in columns])
    found = np.bincount(of[len(asking) :], weights=counts[among], minlength=len(first))
    return found[of[: len(asking)]].astype(np.int64)
