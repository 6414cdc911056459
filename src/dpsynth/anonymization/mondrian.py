"""Strict Mondrian: the table is cut in two again and again, as long as both halves satisfy the models."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dpsynth.anonymization.distinct import Distinct, distinct, distinct_leaves
from dpsynth.anonymization.loss import gcp
from dpsynth.anonymization.privacy_models import PrivacyModel, satisfied
from dpsynth.anonymization.recoding import passing
from dpsynth.anonymization.records import Classes, Counts, Ranges, Records
from dpsynth.anonymization.tallies import distributions

Flags = NDArray[np.bool_]
Judge = Callable[[Classes], Flags]
Progress = Callable[[float], object]


def mondrian(records: Records, models: Sequence[PrivacyModel], *, progress: Progress = lambda _: None) -> Ranges:
    """A recoding to ranges of leaves in which every class satisfies every model.

    A partition is cut along the attribute with the widest range (share of the attribute's leaves, times its weight), at
    the place between two leaves where both halves are nearest to equally many rows. The cut is made when both halves
    satisfy the models; else the next attribute is tried. A partition that no attribute cuts is a class, and shows the
    smallest ranges that hold its rows. When the whole table as one class does not satisfy the models, every row is
    suppressed. Otherwise no row is left out, and models that refer to the table's distribution are judged by that of
    the whole table. Only where a person has rows in several classes does that distribution change with the cuts; the
    classes are judged once more by it at the end, and those that fail are suppressed.

    For k-map, those of the population who lie within the ranges of a half count for it. ``progress`` is called with
    the share of the different records that are in their class.

    Time: all partitions of a depth are cut in one pass, at most one sort of the records per attribute. Source: LeFevre,
    DeWitt and Ramakrishnan, "Mondrian multidimensional k-anonymity", ICDE 2006, section 4 (strict). There the rows of
    the median itself fall into the first half, here into the one that makes the halves more equal.
    """
    if not records.rows:
        return Ranges(records.codes, records.codes, np.zeros(0, np.bool_), 0.0)
    whole, row_of = distinct(records)
    everybody = None if records.population is None else _placed(distinct_leaves(records.population))
    placed, others = _cut_up(records, models, _placed(whole), everybody, progress)
    passed = satisfied(models, placed.classes(int(placed.of[-1]) + 1, others))
    shown = passed[placed.of]
    numbers = placed.numbers[shown]
    low, high = np.zeros_like(whole.codes), np.zeros_like(whole.codes) + _last(records)
    low[:, numbers], high[:, numbers] = placed.bounds()[:, :, placed.of[shown]]
    suppressed = np.ones(len(whole.counts), np.bool_)
    suppressed[numbers] = False
    ends = [tuple(end.astype(np.int32)[:, row_of]) for end in (low, high)]
    found = Ranges(ends[0], ends[1], suppressed[row_of], 0.0)
    return replace(found, loss=gcp(records, found))


@dataclass(frozen=True, eq=False)
class _Cuts:
    """By partition: whether it is cut, along which attribute, and the last leaf of the first half."""

    made: Flags
    along: Counts
    after: Counts


@dataclass(frozen=True, eq=False)
class _Placed:
    """Records in ascending order of the partition that they are ``of``, and the number of each among all."""

    part: Distinct
    of: Counts
    numbers: Counts

    def bounds(self) -> Counts:
        """Shape (2, attributes, partitions): the first and the last leaf of each, none of which is empty."""
        starts = np.flatnonzero(np.diff(self.of, prepend=-1))
        codes = self.part.codes
        return np.stack([np.minimum.reduceat(codes, starts, axis=1), np.maximum.reduceat(codes, starts, axis=1)])

    def leaves(self, along: Counts) -> Counts:
        """The leaf of each record in the attribute along which its partition is to be cut."""
        return self.part.codes[along[self.of], np.arange(len(self.of))]

    def divided(self, cuts: _Cuts) -> _Placed:
        """The records of partitions that are cut, in their halves; a partition's halves follow each other."""
        rank = np.cumsum(cuts.made) - 1
        half = 2 * rank[self.of] + (self.leaves(cuts.along) > cuts.after[self.of])
        going = np.flatnonzero(cuts.made[self.of])
        order = going[np.argsort(half[going], kind="stable")]
        return _Placed(self.part.take(order), half[order], self.numbers[order])

    def uncut(self, cuts: _Cuts, first: int) -> _Placed:
        """The records of partitions that are not cut; these are numbered anew, from ``first``."""
        chosen = np.flatnonzero(~cuts.made[self.of])
        rank = np.cumsum(~cuts.made) - 1 + first
        return _Placed(self.part.take(chosen), rank[self.of[chosen]], self.numbers[chosen])

    def classes(self, number: int, others: _Placed | None = None) -> Classes:
        """The partitions as classes; those of the ``others`` who lie within the bounds of their partition count."""
        matching = None
        if others is not None:
            low, high = self.bounds()[:, :, others.of]
            within = ((low <= others.part.codes) & (others.part.codes <= high)).all(axis=0)
            matching = np.bincount(others.of, weights=others.part.counts * within, minlength=number).astype(np.int64)
        return self.part.classes(self.of, number, matching)


def _placed(part: Distinct) -> _Placed:
    """All records in one partition."""
    return _Placed(part, np.zeros(len(part.counts), np.int64), np.arange(len(part.counts)))


def _cut_up(
    records: Records, models: Sequence[PrivacyModel], whole: _Placed, everybody: _Placed | None, progress: Progress
) -> tuple[_Placed, _Placed | None]:
    """The records, and those of the population, in the partitions that no more cut is allowed in."""
    shares = distributions(whole.part.classes(whole.of, 1))

    def judge(classes: Classes) -> Flags:
        return passing(models, classes, shares)

    placed, others, finished, number = whole, everybody, [], 0
    if not judge(whole.classes(1, everybody)).all():
        return whole, everybody
    while len(placed.of):
        cuts = _cuts(placed, others, _preference(placed.bounds(), _last(records), records.importance), judge)
        finished.append((placed.uncut(cuts, number), others and others.uncut(cuts, number)))
        number += int((~cuts.made).sum())
        placed, others = placed.divided(cuts), others and others.divided(cuts)
        progress(1 - len(placed.of) / len(whole.of))
    mine, theirs = zip(*finished, strict=True)
    return _joined(whole, mine), everybody and _joined(everybody, theirs)


def _joined(whole: _Placed, parts: Sequence[_Placed]) -> _Placed:
    numbers = np.concatenate([part.numbers for part in parts])
    return _Placed(whole.part.take(numbers), np.concatenate([part.of for part in parts]), numbers)


def _last(records: Records) -> Counts:
    """The last leaf of every attribute, as a column."""
    return np.array([[hierarchy.leaves - 1] for hierarchy in records.hierarchies], np.int64)


def _preference(bounds: Counts, last: Counts, importance: NDArray[np.float64]) -> Counts:
    """Shape (attributes, partitions): the attributes from the widest to the narrowest; -1 where one leaf is left."""
    width = (bounds[1] - bounds[0]) / np.maximum(last, 1) * importance[:, None]
    order = np.argsort(-width, axis=0, kind="stable")
    return np.where(np.take_along_axis(width, order, axis=0) > 0, order, -1)


def _cuts(placed: _Placed, others: _Placed | None, preference: Counts, judge: Judge) -> _Cuts:
    """The first allowed cut of every partition, in the order of its preference."""
    number = preference.shape[1]
    cuts = _Cuts(np.zeros(number, np.bool_), np.zeros(number, np.int64), np.zeros(number, np.int64))
    for along in preference:
        trying = ~cuts.made & (along >= 0)
        if not trying.any():
            break
        tried = _Cuts(trying, along, _balanced(placed, trying, along))
        halves = placed.divided(tried)
        passed = judge(halves.classes(2 * int(trying.sum()), others and others.divided(tried)))
        made = np.flatnonzero(trying)[passed.reshape(-1, 2).all(axis=1)]
        cuts.made[made], cuts.along[made], cuts.after[made] = True, along[made], tried.after[made]
    return cuts


def _balanced(placed: _Placed, trying: Flags, along: Counts) -> Counts:
    """By partition that is tried: the leaf after which a cut makes the rows of both halves most equal."""
    chosen = np.flatnonzero(trying[placed.of])
    of, leaves = placed.of[chosen], placed.leaves(along)[chosen]
    order = np.lexsort((leaves, of))
    leaves, rows = leaves[order], placed.part.counts[chosen[order]]
    first = np.flatnonzero(np.diff(of, prepend=-1))
    size = np.diff(first, append=len(of))
    before = np.cumsum(rows)
    total = np.add.reduceat(rows, first)
    uneven = np.abs(2 * (before - np.repeat(before[first] - rows[first], size)) - np.repeat(total, size))
    inner = np.ones(len(of), np.bool_)
    inner[:-1] = (leaves[1:] == leaves[:-1]) | (of[1:] != of[:-1])
    uneven[inner] = total.max() + 1
    least = np.repeat(np.minimum.reduceat(uneven, first), size)
    hits = np.flatnonzero(uneven == least)[::-1]
    after = np.zeros(len(trying), np.int64)
    after[of[hits]] = leaves[hits]
    return after


__all__ = ["mondrian"]
