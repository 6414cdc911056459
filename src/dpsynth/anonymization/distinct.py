"""The different records of a table: equal ones once, with the number of rows that each stands for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dpsynth.anonymization.records import Classes, Codes, Counts, Records, Sensitive, classes_of


@dataclass(frozen=True, eq=False)
class Distinct:
    """Records that differ in a quasi-identifier, a sensitive attribute or the person; ``counts`` equal rows each.

    ``codes``: shape (attributes, records), int64: the leaves.
    """

    codes: Counts
    counts: Counts
    sensitive: tuple[Sensitive, ...] = ()
    persons: Counts | None = None

    def take(self, chosen: NDArray[np.bool_] | Counts) -> Distinct:
        """The chosen records, in the order chosen."""
        sensitive = tuple(replace(one, codes=one.codes[chosen]) for one in self.sensitive)
        persons = None if self.persons is None else self.persons[chosen]
        return Distinct(self.codes[:, chosen], self.counts[chosen], sensitive, persons)

    def classes(self, of: Counts, number: int, population: Counts | None = None) -> Classes:
        """The records as the classes ``of`` each."""
        return Classes(of, number, self.counts, self.sensitive, self.persons, population)


def distinct(records: Records) -> tuple[Distinct, Counts]:
    """The different records of a table in ascending order of their codes, and by row the number of its record."""
    sensitive = [one.codes for one in records.sensitive]
    persons = [] if records.persons is None else [classes_of([records.persons])[0]]
    of, first = classes_of([*records.codes, *sensitive, *persons])
    counts = np.bincount(of, minlength=len(first)).astype(np.int64)
    codes = np.stack([codes[first] for codes in records.codes]).astype(np.int64)
    chosen = tuple(replace(one, codes=one.codes[first]) for one in records.sensitive)
    return Distinct(codes, counts, chosen, None if records.persons is None else records.persons[first]), of


def distinct_leaves(codes: Sequence[Codes]) -> Distinct:
    """The different combinations of leaves of a table that has nothing else, as a population has."""
    of, first = classes_of(codes)
    counts = np.bincount(of, minlength=len(first)).astype(np.int64)
    return Distinct(np.stack([one[first] for one in codes]).astype(np.int64), counts)


__all__ = ["Distinct", "distinct", "distinct_leaves"]
