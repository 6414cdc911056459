"""Small tables for the tests of anonymization."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np

from dpsynth.anonymization.records import Classes, Sensitive


def sensitive(name: str, values: Sequence[Hashable], *, ordered: bool = False) -> Sensitive:
    """An attribute whose values are those that occur, sorted by their text, or as they are where they have an order."""
    labels = sorted(set(values), key=None if ordered else str)  # type: ignore[arg-type,type-var]
    codes = np.array([labels.index(value) for value in values], np.int32)
    return Sensitive(name, codes, tuple(map(str, labels)), ordered)


def classes(
    of: Sequence[int],
    *attributes: Sensitive,
    counts: Sequence[int] | None = None,
    persons: Sequence[int] | None = None,
    population: Sequence[int] | None = None,
) -> Classes:
    """Classes as they stand, each record one row unless ``counts`` are given."""
    return Classes(
        np.array(of, np.int64),
        max(of, default=-1) + 1,
        np.ones(len(of), np.int64) if counts is None else np.array(counts, np.int64),
        attributes,
        None if persons is None else np.array(persons, np.int64),
        None if population is None else np.array(population, np.int64),
    )
