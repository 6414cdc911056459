"""Which few columns are enough to tell a row from all others: minimal unique column sets, in the manner of SUDA.

Elliot, Manning & Ford, A computational algorithm for handling the special uniques problem, 2002; Manning, Haglin &
Keane, A recursive search algorithm for statistical disclosure assessment, 2008.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dpsynth.anonymization.records import Codes, Counts, classes_of
from dpsynth.errors import UsageError

Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class UniqueSet:
    """Columns (numbers) that tell rows from all others: how many rows in all, and how many with no column less."""

    columns: tuple[int, ...]
    unique: int
    minimal: int


@dataclass(frozen=True, eq=False)
class UniqueSets:
    """By size, up to ``examined``: the sets that are minimal for some row, those for most rows first.

    ``asked``: the size that was asked for, larger than ``examined`` when the limit came first. ``scores``: shape
    (rows,), float64: the SUDA score of each row, the sum over its minimal sets of c columns of
    (columns - c) (columns - c - 1) ... down to the largest size, 0 when it has none.
    """

    sets: tuple[UniqueSet, ...]
    scores: NDArray[np.float64]
    examined: int
    asked: int

    @property
    def complete(self) -> bool:
        """Whether every size that was asked for was examined."""
        return self.examined == self.asked


def unique_sets(
    codes: Sequence[Codes],
    largest: int = 3,
    *,
    persons: Counts | None = None,
    limit: int = 10_000,
    progress: Callable[[float], object] = lambda _: None,
) -> UniqueSets:
    """The column sets of at most ``largest`` columns; sizes that would take more than ``limit`` sets are left out.

    With ``persons`` a row is unique when no other person has its values. Cost: a group-by per set of the rows that no
    smaller set tells apart; memory: a bit per row and set, of all sizes but the largest. ``progress`` hears the share
    that is done.
    """
    if largest < 1 or limit < 1 or not codes:
        raise UsageError("the largest set, the limit of sets and the number of columns are at least 1")
    asked = min(largest, len(codes))
    numbers = [math.comb(len(codes), size) for size in range(1, asked + 1)]
    examined = sum(total <= limit for total in itertools.accumulate(numbers))
    work = sum(numbers[:examined])
    sets: list[UniqueSet] = []
    scores = np.zeros(len(codes[0]))
    below: dict[tuple[int, ...], NDArray[np.uint8]] = {(): np.packbits(np.zeros(len(codes[0]), np.bool_))}
    done = 0
    for size in range(1, examined + 1):
        found: dict[tuple[int, ...], NDArray[np.uint8]] = {}
        weight = _weight(len(codes), size, asked)
        for columns in itertools.combinations(range(len(codes)), size):
            smaller = np.bitwise_or.reduce([below[part] for part in itertools.combinations(columns, size - 1)])
            known = np.unpackbits(smaller, count=len(codes[0])).astype(np.bool_)
            new = _told_apart([codes[column] for column in columns], ~known, persons)
            scores[new] += weight
            if size < examined:
                found[columns] = np.packbits(known | new)
            if new.any():
                sets.append(UniqueSet(columns, int(np.count_nonzero(known | new)), int(np.count_nonzero(new))))
            done += 1
            progress(done / work)
        below = found
    sets.sort(key=lambda one: (len(one.columns), -one.minimal, one.columns))
    return UniqueSets(tuple(sets), scores, examined, asked)


def _told_apart(columns: Sequence[Codes], left: Flags, persons: Counts | None) -> Flags:
    """Of the rows that are left: unique in these columns. No other row can equal them there."""
    rows = np.flatnonzero(left)
    found = np.zeros(len(left), np.bool_)
    of, number = _grouped([column[rows] for column in columns])
    if persons is None:
        found[rows] = (np.bincount(of, minlength=number) == 1)[of]
        return found
    somebody = np.zeros(number, np.int64)
    somebody[of] = persons[rows]
    other = persons[rows] != somebody[of]
    found[rows] = (np.bincount(of, weights=other, minlength=number) == 0)[of]
    return found


def _grouped(columns: Sequence[Codes]) -> tuple[Counts, int]:
    """By row the number of its group, and how many numbers there may be: without a sort where that is no waste."""
    sizes = [int(column.max(initial=0)) + 1 for column in columns]
    number = math.prod(sizes)
    if number <= 4 * len(columns[0]):
        return np.ravel_multi_index(tuple(columns), sizes).astype(np.int64), number
    of, first = classes_of(columns)
    return of, len(first)


def _weight(columns: int, size: int, largest: int) -> float:
    """What a minimal set adds to the score; the factor 0 of a set of all columns is left out."""
    return float(math.prod(columns - one for one in range(size, min(largest, columns - 1) + 1)))
