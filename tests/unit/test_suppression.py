"""Suppression at fixed levels on all neighbors of small tables: never more than its stability, and sometimes all of it.

Every claim of docs/proofs/suppression.md about a number of rows or persons is counted here.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpsynth.anonymization.hierarchies import Hierarchy
from dpsynth.anonymization.records import Records
from dpsynth.anonymization.suppression import bounding_label, suppressed, suppression_label
from dpsynth.curator import bounding
from dpsynth.curator.table_bounding import bounded_rows
from dpsynth.errors import DataMismatchError, UsageError
from dpsynth.privacy.labels import Label, LabelKind
from dpsynth.privacy.unit import Unit

AGES = Hierarchy.from_paths("age", [(str(age), "young" if age < 2 else "old", "*") for age in range(4)])
CITIES = Hierarchy.from_paths("city", [(name, "*") for name in "abc"])
TREES = (AGES, CITIES)


def records(rows, persons=None):
    """Rows are pairs of leaves."""
    codes = tuple(np.array([row[axis] for row in rows], np.int32) for axis in range(2))
    return Records(TREES, codes, persons=None if persons is None else np.array(persons, np.int64))


def kept_rows(rows, levels, k):
    """The places of the rows that stay."""
    return set() if not rows else set(np.flatnonzero(~suppressed(records(rows), levels, k)).tolist())


def kept_of_persons(table, levels, k, most):
    """The places of the rows that stay, bounded first. A row is (person, age, city)."""
    if not table:
        return set()
    frame = pa.table({name: [row[axis] for row in table] for axis, name in enumerate(("who", "age", "city"))})
    chosen, persons = bounded_rows(frame, Unit("who", most))
    if not len(chosen):
        return set()
    dropped = suppressed(records([table[row][1:] for row in chosen], persons), levels, k)
    return set(chosen[~dropped].tolist())


@pytest.fixture(autouse=True)
def one_key(monkeypatch):
    """Neighbors are compared under one key, as the proof does."""
    monkeypatch.setattr(bounding.os, "urandom", lambda size: np.random.default_rng(3).bytes(size))


LEAVES = st.tuples(st.integers(0, 3), st.integers(0, 2))
LEVELS = st.tuples(st.integers(0, 2), st.integers(0, 1))


@given(st.lists(LEAVES, max_size=14), LEVELS, st.integers(1, 5))
def test_a_row_moves_at_most_k_rows(rows, levels, k):
    before = kept_rows(rows, levels, k)
    for gone in range(len(rows)):
        after = kept_rows(rows[:gone] + rows[gone + 1 :], levels, k)
        after = {place + (place >= gone) for place in after}
        assert after <= before, "a row less never brings another one back"
        assert len(before - after) <= suppression_label(k, Unit()).stability


@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3), st.integers(0, 2)), max_size=14),
    LEVELS,
    st.integers(1, 4),
    st.integers(1, 3),
)
def test_a_person_moves_at_most_the_stated_persons_and_their_rows(table, levels, k, most):
    before = kept_of_persons(table, levels, k, most)
    stability = suppression_label(k, Unit("who", most)).stability
    for gone in {row[0] for row in table}:
        places = [place for place, row in enumerate(table) if row[0] != gone]
        after = {places[place] for place in kept_of_persons([table[place] for place in places], levels, k, most)}
        assert after <= before
        moved = before - after
        assert len({table[place][0] for place in moved}) <= stability
        assert len(moved) <= most * stability
        assert max(Counter(table[place][0] for place in moved).values(), default=0) <= most


@pytest.mark.parametrize("k", [1, 2, 5, 10])
def test_some_row_moves_exactly_k(k):
    rows = [(0, 0)] * k
    assert len(kept_rows(rows, (0, 0), k)) == k
    assert kept_rows(rows[1:], (0, 0), k) == set()
    assert suppression_label(k, Unit()).stability == k


@pytest.mark.parametrize(("k", "most"), [(1, 1), (5, 1), (2, 3), (4, 2), (3, 4)])
def test_some_person_moves_exactly_the_stated_persons_and_rows(k, most):
    """One person in ``most`` classes of exactly k persons, all others with ``most`` rows in their class."""
    mine = [(0, place, 0) for place in range(most)]
    others = [(1 + place * 9 + other, place, 0) for place in range(most) for other in range(k - 1) for _ in range(most)]
    before = kept_of_persons(mine + others, (0, 0), k, most)
    after = kept_of_persons(others, (0, 0), k, most)
    moved = [(mine + others)[place] for place in before - {place + most for place in after}]
    stability = suppression_label(k, Unit("who", most)).stability
    assert after == set()
    assert len({row[0] for row in moved}) == stability == most * (k - 1) + 1
    assert len(moved) == most + most * most * (k - 1), "all of their rows"
    assert len(moved) <= most * stability


def test_rows_that_are_not_bounded_first_move_more_persons_than_stated():
    """The count above is not blind: a person with four rows in four classes, counted as if there were at most one."""
    mine = [(place, 0) for place in range(4)]
    others = [(place, 0) for place in range(4)]
    table = records(mine + others, persons=[0] * 4 + [1, 2, 3, 4])
    alone = records(others, persons=[1, 2, 3, 4])
    assert not suppressed(table, (0, 0), 2).any()
    assert suppressed(alone, (0, 0), 2).all()
    assert suppression_label(2, Unit("who", 1)).stability < 1 + 4


def test_rows_that_are_starred_move_twice():
    """Why rows are dropped: with stars in their place, k - 1 rows leave their class and k - 1 rows of stars come."""
    k = 5
    rows = [(0, 0)] * k

    def starred(given):
        gone = suppressed(records(given), (0, 0), k)
        return Counter("*" if star else row for star, row in zip(gone, given, strict=True))

    before, after = starred(rows), starred(rows[1:])
    moved = sum((before - after).values()) + sum((after - before).values())
    assert moved == 2 * (k - 1) + 1 > suppression_label(k, Unit()).stability


@given(st.lists(st.tuples(LEAVES, st.integers(0, 3)), min_size=1, max_size=20), LEVELS, st.integers(1, 4))
def test_classes_are_counted_in_persons_or_rows(table, levels, k):
    rows, persons = [row for row, _ in table], [person for _, person in table]
    classes = [
        tuple(int(tree.nodes[level][leaf]) for tree, level, leaf in zip(TREES, levels, row, strict=True))
        for row in rows
    ]
    sizes = Counter(classes)
    assert suppressed(records(rows), levels, k).tolist() == [sizes[one] < k for one in classes]
    heads = {one: {person for other, person in zip(classes, persons, strict=True) if other == one} for one in classes}
    assert suppressed(records(rows, persons), levels, k).tolist() == [len(heads[one]) < k for one in classes]


@pytest.mark.parametrize(
    ("levels", "k"), [((0, 0), 0), ((0, 0), -1), ((3, 0), 2), ((0, -1), 2), ((0,), 2), ((0, 0, 0), 2)]
)
def test_levels_and_k_that_do_not_exist_are_refused(levels, k):
    with pytest.raises(UsageError):
        suppressed(records([(0, 0)]), levels, k)


def test_an_empty_table_stays_empty():
    assert suppressed(records([]), (0, 0), 5).tolist() == []
    chosen, persons = bounded_rows(pa.table({"who": pa.array([], pa.string())}), Unit("who", 2))
    assert (chosen.tolist(), persons.tolist()) == ([], [])


def test_k_below_one_has_no_label():
    with pytest.raises(UsageError):
        suppression_label(0, Unit())


# --- the rows of a person ---------------------------------------------------------------------------------------


def visits(rows=300, people=40):
    draw = np.random.default_rng(1)
    return pa.table(
        {
            "who": pa.array([f"p{number}" for number in draw.integers(0, people, rows)]),
            "age": draw.integers(0, 90, rows),
            "cost": draw.normal(size=rows),
            "tags": pa.array([["x"]] * rows),
        }
    )


def test_each_person_keeps_the_rows_it_would_keep_alone():
    table = visits()
    who = np.array(table.column("who").to_pylist())
    chosen, persons = bounded_rows(table, Unit("who", 3))
    assert np.all(np.diff(chosen) > 0), "in the order of the table"
    for name in np.unique(who):
        places = np.flatnonzero(who == name)
        alone, _ = bounded_rows(table.take(pa.array(places)), Unit("who", 3))
        assert places[alone].tolist() == [place for place in chosen.tolist() if who[place] == name]
        assert len(alone) == min(3, len(places))
        assert len(set(persons[who[chosen] == name].tolist())) == 1
    assert len(set(persons.tolist())) == len(np.unique(who))


def test_the_choice_is_by_the_key_and_not_by_place(monkeypatch):
    table = visits(400, 4)
    first, _ = bounded_rows(table, Unit("who", 5))
    mirrored, _ = bounded_rows(table.take(pa.array(np.arange(400)[::-1])), Unit("who", 5))
    assert sorted(399 - mirrored) == first.tolist()
    monkeypatch.setattr(bounding.os, "urandom", lambda size: np.random.default_rng(4).bytes(size))
    assert bounded_rows(table, Unit("who", 5))[0].tolist() != first.tolist()


@pytest.mark.parametrize(
    "ids",
    [
        pa.chunked_array([["1", None], [" 1 ", "", "2", "?"]]),
        pa.chunked_array([pa.array([1.0, None, 1.0, float("nan"), 2.0, None])]),
        pa.chunked_array([pa.array(["1", None, "1", "?", "2", ""]).dictionary_encode()]),
    ],
    ids=["text", "numbers", "dictionary"],
)
def test_rows_of_nobody_are_dropped_and_persons_are_told_apart_exactly(ids):
    chosen, persons = bounded_rows(pa.table({"who": ids, "x": range(6)}), Unit("who", 2), missing=("?",))
    assert chosen.tolist() == [0, 2, 4]
    assert persons[0] == persons[1] != persons[2]


@pytest.mark.parametrize(
    ("table", "unit"),
    [
        (pa.table({"x": [1]}), Unit("who", 2)),
        (pa.table({"x": [1]}), Unit()),
        (pa.table({"who": [[1]]}), Unit("who", 2)),
        (pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["who", "who"]), Unit("who")),
    ],
    ids=["absent", "row", "list", "twice"],
)
def test_a_column_that_names_nobody_is_refused(table, unit):
    with pytest.raises(DataMismatchError):
        bounded_rows(table, unit)


# --- labels -----------------------------------------------------------------------------------------------------


@given(st.text(min_size=1), st.integers(1, 999), st.integers(1, 99))
def test_a_label_with_any_column_name_is_read_back(column, k, most):
    for label in (suppression_label(k, Unit(column, most)), suppression_label(k, Unit())):
        again = Label.parse(str(label), "t.csv")
        assert (again, again.unit) == (label, label.unit)


def test_bounding_alone_is_a_claim_about_persons_only():
    assert str(bounding_label(Unit("who", 2))) == 'STABLE(1 per "who:2") at most 2 rows kept per person'
    with pytest.raises(UsageError):
        bounding_label(Unit())


def test_how_labels_are_written():
    assert str(suppression_label(5, Unit())) == "STABLE(5) classes of fewer than 5 rows dropped, at fixed levels"
    assert str(suppression_label(5, Unit("patient", 2))).startswith('STABLE(9 per "patient:2") at most 2 rows kept')
    assert str(Label(LabelKind.FREE, "age: level 2")) == "FREE age: level 2"


@pytest.mark.parametrize(
    "text",
    ["", "STABLE", "STABLE()", "STABLE(0) x", "STABLE(-1) x", 'STABLE(2 per "who") x', 'STABLE(2 per "who:0") x',
     "STABLE(2 per who:1) x", 'STABLE(2 per "\\x") x', "FREE(2) x", "free x", "STABLE(1000000000000) x", "NON-DPx"],
)  # fmt: skip
def test_other_texts_are_no_labels(text):
    with pytest.raises(DataMismatchError):
        Label.parse(text, "t.csv")
