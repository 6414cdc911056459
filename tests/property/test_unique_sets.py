"""Minimal unique column sets and sizes under wildcards, against row-by-row definitions."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpsynth.anonymization.records import classes_of
from dpsynth.anonymization.uniques import unique_sets
from dpsynth.anonymization.wildcards import wildcard_sizes
from dpsynth.errors import ResourceLimitError, UsageError

tables = st.integers(1, 4).flatmap(
    lambda columns: st.lists(st.tuples(*[st.integers(0, 2)] * columns), min_size=1, max_size=14)
)


def columns_of(rows: list[tuple[int, ...]]) -> list[np.ndarray]:
    return [np.array(column, np.int32) for column in zip(*rows, strict=True)]


@given(rows=tables, largest=st.integers(1, 4), by_person=st.booleans(), data=st.data())
def test_unique_sets_are_those_of_the_definition(
    rows: list[tuple[int, ...]], largest: int, by_person: bool, data: st.DataObject
) -> None:
    who = list(range(len(rows)))
    if by_person:
        who = data.draw(st.lists(st.integers(0, 5), min_size=len(rows), max_size=len(rows)))
    width = len(rows[0])
    sizes = range(1, min(largest, width) + 1)
    told = {
        (row, part)
        for row in range(len(rows))
        for size in sizes
        for part in itertools.combinations(range(width), size)
        if all(
            who[other] == who[row] or any(rows[other][one] != rows[row][one] for one in part)
            for other in range(len(rows))
        )
    }
    minimal = {
        (row, part)
        for row, part in told
        if not any((row, less) in told for less in itertools.combinations(part, len(part) - 1))
    }
    found = unique_sets(columns_of(rows), largest, persons=np.array(who, np.int64) if by_person else None)
    assert found.complete
    assert {(one.columns, one.unique, one.minimal) for one in found.sets} == {
        (part, sum(p == part for _, p in told), sum(p == part for _, p in minimal)) for part in {p for _, p in minimal}
    }
    top = min(largest, width)
    scores = [
        sum(
            math.prod(width - i for i in range(len(part), min(top, width - 1) + 1))
            for row, part in minimal
            if row == at
        )
        for at in range(len(rows))
    ]
    assert found.scores.tolist() == scores


def test_scores_of_the_papers_rule() -> None:
    # the last row alone has 9 in the first column, and alone the pair (1, 1) of the others
    rows = [(0, 0, 0, 0), (0, 0, 1, 0), (0, 1, 0, 0), (0, 0, 0, 0), (0, 0, 1, 0), (0, 1, 0, 0), (9, 1, 1, 0)]
    found = unique_sets(columns_of(rows), 3)
    assert [(one.columns, one.minimal) for one in found.sets] == [((0,), 1), ((1, 2), 1)]
    assert found.scores.tolist() == [0] * 6 + [3 * 2 * 1 + 2 * 1]


def test_work_is_bounded_and_says_so() -> None:
    rng = np.random.default_rng(3)
    codes = [rng.integers(0, 3, 50).astype(np.int32) for _ in range(10)]
    heard: list[float] = []
    found = unique_sets(codes, 4, limit=200, progress=heard.append)
    assert (found.examined, found.asked, found.complete) == (3, 4, False)
    assert max(len(one.columns) for one in found.sets) <= 3
    assert heard == sorted(heard)
    assert heard[-1] == 1.0
    assert len(heard) == 10 + 45 + 120
    assert unique_sets(codes, 2, limit=9).examined == 0


@pytest.mark.parametrize(("largest", "limit", "columns"), [(0, 10, 2), (1, 0, 2), (1, 10, 0)])
def test_nothing_to_do_is_refused(largest: int, limit: int, columns: int) -> None:
    with pytest.raises(UsageError, match="at least 1"):
        unique_sets([np.zeros(3, np.int32)] * columns, largest, limit=limit)


def test_an_empty_table_and_a_column_that_tells_all() -> None:
    assert unique_sets([np.zeros(0, np.int32)] * 2).sets == ()
    found = unique_sets([np.arange(5, dtype=np.int32), np.zeros(5, np.int32)])
    assert [(one.columns, one.unique) for one in found.sets] == [((0,), 5)]


@given(rows=tables, nulls=st.lists(st.sampled_from([None, 0, 2]), min_size=4, max_size=4))
def test_wildcards_match_anything(rows: list[tuple[int, ...]], nulls: list[int | None]) -> None:
    nulls = nulls[: len(rows[0])]
    sizes, k = wildcard_sizes(columns_of(rows), nulls)
    wanted = [
        sum(
            all(a == b or (null is not None and null in (a, b)) for a, b, null in zip(one, other, nulls, strict=True))
            for other in rows
        )
        for one in rows
    ]
    assert sizes.tolist() == wanted
    assert k == min(wanted)
    of, first = classes_of(columns_of(rows))
    assert (sizes >= np.bincount(of, minlength=len(first))[of]).all()


def test_wildcards_of_nothing() -> None:
    sizes, k = wildcard_sizes([np.zeros(0, np.int32)], [0])
    assert (sizes.tolist(), k) == ([], 0)
    with pytest.raises(UsageError, match="null code"):
        wildcard_sizes([np.zeros(3, np.int32)], [])
    with pytest.raises(UsageError, match="null code"):
        wildcard_sizes([], [])


def test_too_many_patterns_of_nulls_are_refused() -> None:
    bits = np.arange(2_048)
    codes = [((bits >> one) & 1).astype(np.int32) for one in range(11)]
    with pytest.raises(ResourceLimitError, match="1024 combinations of missing columns"):
        wildcard_sizes(codes, [0] * 11)
    # 32 patterns of five columns, each 64 times; their known cells are all alike, so that every row matches every other
    assert wildcard_sizes(codes[:5], [0] * 5)[0].tolist()[:2] == [2_048, 2_048]
    sizes, k = wildcard_sizes(codes[:5], [None] * 5)
    assert (set(sizes.tolist()), k) == ({64}, 64)
