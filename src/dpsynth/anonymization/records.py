"""What every algorithm here works on: a table's quasi-identifiers, sensitive attributes and persons as codes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from dpsynth.anonymization.hierarchies import Hierarchy

Codes = NDArray[np.int32]
Counts = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Sensitive:
    """A sensitive attribute: the code of every row, and its values in their order.

    ``ordered``: the order has a meaning, as that of numbers and grades has.
    """

    name: str
    codes: Codes
    labels: tuple[str, ...]
    ordered: bool = False

    @property
    def size(self) -> int:
        """The number of values that it can take."""
        return len(self.labels)


@dataclass(frozen=True, eq=False)
class Records:
    """A table for anonymization. Shapes: every array has one entry per row.

    ``codes``: the leaf of each row, one array per hierarchy. ``persons``: who a row is about, any numbering; None
    when a row is a person. ``population``: the leaves of a second table that lists everybody, for k-map.
    ``weights``: how much the detail of each attribute matters, one number above 0 each.
    """

    hierarchies: tuple[Hierarchy, ...]
    codes: tuple[Codes, ...]
    sensitive: tuple[Sensitive, ...] = ()
    persons: Counts | None = None
    population: tuple[Codes, ...] | None = None
    weights: tuple[float, ...] = ()

    @property
    def rows(self) -> int:
        """The number of rows."""
        return len(self.codes[0])

    @cached_property
    def importance(self) -> NDArray[np.float64]:
        """The weights of the attributes, divided by their sum; equal ones when none are given."""
        given = np.asarray(self.weights or [1.0] * len(self.hierarchies), dtype=np.float64)
        importance: NDArray[np.float64] = given / given.sum()
        return importance


@dataclass(frozen=True, eq=False)
class Crosstab:
    """The counts of a sensitive attribute by class, zeros left out, in order of class and then value (equal shapes)."""

    classes: Counts
    values: Counts
    rows: Counts


@dataclass(frozen=True, eq=False)
class Classes:
    """Equivalence classes. ``of``: the class of each record, from 0; a record stands for ``counts`` equal rows.

    ``sensitive`` and ``persons`` are those of the records. ``population``: by class, how many rows of the population
    fall into it, where a population is known. ``number``: how many classes there are.
    """

    of: Counts
    number: int
    counts: Counts
    sensitive: tuple[Sensitive, ...] = ()
    persons: Counts | None = None
    population: Counts | None = None
    _tabs: dict[str, Crosstab] = field(default_factory=dict, init=False, repr=False)
    _tallies: dict[str, Crosstab] = field(default_factory=dict, init=False, repr=False)

    @cached_property
    def rows(self) -> Counts:
        """The number of rows by class."""
        return _summed(self.of, self.counts, self.number)

    @cached_property
    def units(self) -> Counts:
        """The number of different persons by class; rows where a row is a person."""
        if self.persons is None:
            return self.rows
        pairs = _distinct_pairs(self.of, self.persons)
        return np.bincount(pairs, minlength=self.number).astype(np.int64)

    def crosstab(self, name: str) -> Crosstab:
        """Rows by class and value of a sensitive attribute; kept once it is made."""
        if name not in self._tabs:
            (one,) = (one for one in self.sensitive if one.name == name)
            keys, inverse = np.unique(self.of * one.size + one.codes, return_inverse=True)
            rows = _summed(inverse, self.counts, len(keys))
            self._tabs[name] = Crosstab(keys // one.size, keys % one.size, rows)
        return self._tabs[name]

    def tally(self, name: str) -> Crosstab:
        """Different persons by class and value of a sensitive attribute: the crosstab where a row is a person."""
        if self.persons is None:
            return self.crosstab(name)
        if name not in self._tallies:
            (one,) = (one for one in self.sensitive if one.name == name)
            pairs = _distinct_pairs(self.of * one.size + one.codes, self.persons)
            keys, persons = np.unique(pairs, return_counts=True)
            self._tallies[name] = Crosstab(keys // one.size, keys % one.size, persons.astype(np.int64))
        return self._tallies[name]


@dataclass(frozen=True, eq=False)
class Generalized:
    """A table recoded to nodes of hierarchies: by attribute the level of every row, and which rows are dropped.

    ``bound``: no recoding of this kind loses less; equal to the loss when it is the optimum. ``checked``: how many
    nodes were looked at. ``levels``: the one node of a full-domain generalization, None for a local recoding.
    """

    of: tuple[NDArray[np.uint8], ...]
    suppressed: NDArray[np.bool_]
    loss: float
    bound: float = 0.0
    checked: int = 0
    levels: tuple[int, ...] | None = None


@dataclass(frozen=True, eq=False)
class Ranges:
    """A table recoded to ranges of leaves: by attribute the first and the last leaf of every row, and rows dropped."""

    low: tuple[Codes, ...]
    high: tuple[Codes, ...]
    suppressed: NDArray[np.bool_]
    loss: float


def classes_of(columns: Sequence[NDArray[np.integer]]) -> tuple[Counts, Counts]:
    """Rows equal in all columns: the class of each row, and by class the first row of it. No column: one class."""
    key = np.zeros(len(columns[0]), np.int64)
    for column in columns:
        size = int(column.max(initial=0)) + 1
        if int(key.max(initial=0)) >= (1 << 62) // size:
            key = np.unique(key, return_inverse=True)[1].astype(np.int64)
        key = key * size + column
    _, first, of = np.unique(key, return_index=True, return_inverse=True)
    return of.astype(np.int64), first.astype(np.int64)


def _summed(of: Counts, counts: Counts, number: int) -> Counts:
    return np.rint(np.bincount(of, weights=counts, minlength=number)).astype(np.int64)


def _distinct_pairs(of: Counts, persons: Counts) -> Counts:
    """The classes of the different pairs of class and person."""
    order = np.lexsort((persons, of))
    of, persons = of[order], persons[order]
    new = np.ones(len(of), np.bool_)
    new[1:] = (of[1:] != of[:-1]) | (persons[1:] != persons[:-1])
    return of[new]


__all__ = [
    "Classes",
    "Codes",
    "Counts",
    "Crosstab",
    "Generalized",
    "Ranges",
    "Records",
    "Sensitive",
    "classes_of",
]
