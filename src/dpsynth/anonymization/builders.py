"""Builders of hierarchies: from a few words of a policy to the groups of every value."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dpsynth.anonymization.groupings import (
    Level,
    Whole,
    date_order,
    dates,
    intervals,
    most_frequent,
    natural_order,
    neighbors,
    prefixes,
    root,
    runs,
)
from dpsynth.anonymization.hierarchies import SUPPRESSED, Hierarchy
from dpsynth.errors import SchemaError
from dpsynth.schema.dates import ISO, pattern_of
from dpsynth.schema.hierarchy_parts import DateLevel, HierarchyPart, IntervalsPart, OrderPart, Scalar

_CALENDAR: tuple[DateLevel, ...] = ("day", "week", "month", "quarter", "year", "decade")


@dataclass(frozen=True, eq=False)
class Builder:
    """How the values of a field are grouped, in ``height`` levels, that of the values included.

    ``groups``: of different values and of how often each occurs, by level from 1 the group of each value; null at
    every level where the value is not covered. ``order``: the positions of different values that are covered, in the
    order of the hierarchy; when ``ordered``, a value lies between its neighbors. ``public``: the group of a value is a
    function of that value alone, so which others stand in the column changes nothing about it. ``listed``: the
    hierarchy, where all of it is written out.
    """

    height: int
    groups: Callable[[pa.StringArray, Whole], list[pa.StringArray]]
    order: Callable[[pa.StringArray], Whole] = natural_order
    ordered: bool = False
    public: bool = True
    listed: Hierarchy | None = None


def builder_of(name: str, part: HierarchyPart | None, form: str | None = None) -> Builder:
    """The builder that a ``hierarchy`` describes; without one a value is shown or it is not.

    ``form``: the ``strptime``-like format of a field of dates. Raises ``SchemaError`` for none or several ways at
    once, levels that do not coarsen one another, a value twice, and a group with two parents.
    """
    if part is None:
        return Builder(2, lambda texts, _: [root(texts)])
    given = {key: value for key in _WAYS if (value := getattr(part, key)) is not None}
    if len(given) != 1:
        raise SchemaError(
            "needs exactly one way to group the values", where=_where(name), hint=f"Known: {', '.join(_WAYS)}."
        )
    ((key, value),) = given.items()
    if part.dates is not None:
        return _of_dates(part.dates, name, form)
    return _WAYS[key](value, name)


def listed(hierarchy: Hierarchy, *, ordered: bool = False) -> Builder:
    """The builder of a hierarchy that is written out."""

    def groups(texts: pa.StringArray, _: Whole) -> list[pa.StringArray]:
        places = leaves_of(hierarchy, texts)
        levels = zip(hierarchy.labels[1:], hierarchy.nodes[1:], strict=True)
        return [pa.array(labels, pa.string()).take(pa.array(nodes).take(places)) for labels, nodes in levels]

    def order(texts: pa.StringArray) -> Whole:
        return np.asarray(pc.sort_indices(leaves_of(hierarchy, texts)), np.int64)

    return Builder(hierarchy.height, groups, order, ordered=ordered, listed=hierarchy)


def leaves_of(hierarchy: Hierarchy, texts: pa.StringArray) -> pa.Int32Array:
    """The leaf of each value, null for none; a whole number written with a fraction of zeros is that number."""
    leaves = pa.array(hierarchy.labels[0], pa.string())
    exact = pc.index_in(texts, value_set=leaves)
    if not exact.null_count:
        return exact
    whole = pc.replace_substring_regex(texts, pattern=r"^([+-]?[0-9]+)\.0+$", replacement=r"\1")
    return pc.coalesce(exact, pc.index_in(whole, value_set=leaves))


def text_of(value: Scalar) -> str:
    """A scalar of a policy as the text by which a cell is known: ``true``, ``5`` also for 5.0, text as it is."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return str(value).strip(" \t\r\n\f\v")


def _of_paths(paths: Sequence[Sequence[Scalar]], name: str) -> Builder:
    return listed(Hierarchy.from_paths(name, [[text_of(cell) for cell in path] for path in paths]))


def _of_groups(groups: dict[str, Any], name: str) -> Builder:
    return listed(Hierarchy.from_paths(name, [[*path, SUPPRESSED] for path in _paths(groups, name)]))


def _of_intervals(part: IntervalsPart, name: str) -> Builder:
    levels: list[Level] = [tuple(map(float, one)) if isinstance(one, list) else float(one) for one in part.levels]
    low, high = (None if bound is None else float(bound) for bound in (part.low, part.high))
    if any(isinstance(level, tuple) for level in levels) and (low is not None or high is not None):
        raise SchemaError("edges say where the intervals end: no low, no high", where=_where(name))
    if low is not None and high is not None and low >= high:
        raise SchemaError("low must be below high", where=_where(name))
    for level in levels:
        if isinstance(level, tuple) and any(a >= b for a, b in itertools.pairwise(level)):
            raise SchemaError("edges must ascend", where=_where(name))
    if not all(_coarsens(fine, coarse) for fine, coarse in itertools.pairwise(levels)):
        hint = "A width is a multiple of the width before; edges are edges of the level before."
        raise SchemaError("a level of intervals cuts those of the level before", where=_where(name), hint=hint)
    return Builder(len(levels) + 2, lambda texts, _: intervals(texts, levels, low, high), ordered=True)


def _coarsens(fine: Level, coarse: Level) -> bool:
    """Whether every interval of the fine level lies in one of the coarse level, and some do together."""
    if isinstance(coarse, tuple):
        if isinstance(fine, tuple):
            return set(coarse) < set(fine)
        return all(Fraction(repr(edge)) % Fraction(repr(fine)) == 0 for edge in coarse)
    if isinstance(fine, tuple):
        return False
    ratio = Fraction(repr(coarse)) / Fraction(repr(fine))
    return ratio > 1 and ratio.denominator == 1


def _of_order(part: OrderPart, name: str) -> Builder:
    for fine, coarse in itertools.pairwise(part.groups):
        if coarse <= fine or coarse % fine:
            hint = "Such as [2, 4, 12]."
            raise SchemaError("a group holds whole groups of the level before", where=_where(name), hint=hint)
    sizes = part.groups
    if part.values is None:
        return Builder(len(sizes) + 2, lambda texts, _: neighbors(texts, sizes), ordered=True, public=False)
    texts = [text_of(value) for value in part.values]
    named = [(runs(texts, size), size) for size in sizes]
    paths = [[text, *(run[place // size] for run, size in named), SUPPRESSED] for place, text in enumerate(texts)]
    return listed(Hierarchy.from_paths(name, paths), ordered=True)


def _of_dates(levels: Sequence[DateLevel], name: str, form: str | None = None) -> Builder:
    places = [_CALENDAR.index(level) for level in levels]
    if any(a >= b for a, b in itertools.pairwise(places)):
        raise SchemaError("dates go from fine to coarse", where=_where(name), hint=f"{', '.join(_CALENDAR)}.")
    if "week" in levels[:-1]:
        hint = "Let week be the last level."
        raise SchemaError("a week lies in two months, and in two years", where=_where(name), hint=hint)
    try:
        pattern = ISO if form is None else pattern_of(form)
    except ValueError as error:
        raise SchemaError(f"format: {error}", where=_where(name)) from None
    return Builder(
        len(levels) + 2,
        lambda texts, _: dates(texts, levels, pattern),
        lambda texts: date_order(texts, pattern),
        ordered=True,
    )


def _of_prefix(part: Any, name: str) -> Builder:
    keep = _descending(part.keep, name)
    return Builder(len(keep) + 2, lambda texts, _: prefixes(texts, keep))


def _of_priority(part: Any, name: str) -> Builder:
    keep = _descending(part.keep, name)
    return Builder(len(keep) + 2, lambda texts, counts: most_frequent(texts, counts, keep), public=False)


def _descending(keep: Sequence[int], name: str) -> Sequence[int]:
    if any(a <= b for a, b in itertools.pairwise(keep)):
        raise SchemaError("every level keeps less than the one before", where=_where(name), hint="Such as [5, 3, 1].")
    return keep


def _paths(groups: dict[str, Any], name: str) -> list[list[str]]:
    """By value its groups from fine to coarse."""
    found: list[list[str]] = []
    for group, below in groups.items():
        if isinstance(below, dict) and below:
            found += [[*path, group] for path in _paths(below, name)]
        elif isinstance(below, list) and below and all(isinstance(value, Scalar) for value in below):
            found += [[text_of(value), group] for value in below]
        else:
            hint = "Such as groups: {Europe: [France, Norway], Asia: [Japan]}."
            raise SchemaError(f"the group {group!r} is no list of values", where=_where(name), hint=hint)
    return found


def _where(name: str) -> str:
    return f"hierarchy of {name!r}"


_WAYS: dict[str, Callable[[Any, str], Builder]] = {
    "paths": _of_paths,
    "intervals": _of_intervals,
    "order": _of_order,
    "prefix": _of_prefix,
    "dates": _of_dates,
    "priority": _of_priority,
    "groups": _of_groups,
}
