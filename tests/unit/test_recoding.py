"""Local recoding and Mondrian on tables worked out by hand, on extreme ones, and on lattices too large to walk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest

from dpsynth.anonymization.hierarchies import Hierarchy
from dpsynth.anonymization.loss import losses
from dpsynth.anonymization.mondrian import mondrian
from dpsynth.anonymization.privacy_models import Closeness, KAnonymity, KMap
from dpsynth.anonymization.recoding import swept
from dpsynth.anonymization.records import Classes, Records, Sensitive
from recoding_examples import cells, groups, records

CITIES = [["Bonn", "west", "*"], ["Köln", "west", "*"], ["Jena", "east", "*"], ["Gera", "east", "*"]]
LETTERS = [[letter, "*"] for letter in "abcd"]
both = pytest.mark.parametrize("recoding", [swept, mondrian])


def binary(name: str, bits: int) -> Hierarchy:
    """A binary tree over numbers of so many bits."""
    leaves = np.arange(2**bits)
    paths = [[f"{leaf >> level}/{level}" for level in range(bits + 1)] for leaf in leaves]
    return Hierarchy.from_paths(name, paths)


def test_each_class_is_generalized_as_far_as_it_needs() -> None:
    table = records(["Bonn"] * 3 + ["Köln", "Jena", "Gera", "Köln"], paths=[CITIES])
    released = swept(table, [KAnonymity(2)])
    assert [cells(table, released, row) for row in range(7)] == [
        *[("Bonn",)] * 3,
        ("Köln",),
        ("east",),
        ("east",),
        ("Köln",),
    ]
    assert released.loss == pytest.approx(2 / 3 / 7)
    assert (released.levels, released.bound) == (None, 0)


def test_a_class_goes_on_where_it_would_leave_too_few() -> None:
    table = records(["Bonn", "Bonn", "Köln"], paths=[CITIES])
    released = swept(table, [KAnonymity(2)])
    assert [cells(table, released, row) for row in range(3)] == [("west",)] * 3
    assert not released.suppressed.any()


def test_the_smallest_class_is_the_one_that_goes_on() -> None:
    table = records(["Bonn"] * 3 + ["Jena"] * 2 + ["Gera"], paths=[CITIES])
    released = swept(table, [KAnonymity(2)])
    assert [cells(table, released, row)[0] for row in range(6)] == ["Bonn"] * 3 + ["east"] * 3


def test_what_finds_no_class_is_suppressed() -> None:
    """There is no root that all share: whoever is alone in the east has nobody to be grouped with."""
    table = records(["Bonn", "Bonn", "Köln", "Köln", "Jena"], paths=[[path[:2] for path in CITIES]])
    released = swept(table, [KAnonymity(2)])
    assert released.suppressed.tolist() == [False] * 4 + [True]
    assert released.loss == pytest.approx(1 / 5)


def test_the_important_attribute_keeps_its_detail() -> None:
    columns = list("aabb"), list("cdcd")
    for weights, generalized in (((1.0, 3.0), 0), ((3.0, 1.0), 1)):
        table = records(*columns, paths=[LETTERS, LETTERS], weights=weights)
        released = swept(table, [KAnonymity(2)])
        assert [levels.any() for levels in released.of] == [at == generalized for at in (0, 1)]
        assert released.loss == pytest.approx(0.25)
        ranges = mondrian(table, [KAnonymity(2)])
        assert [bool((low != high).any()) for low, high in zip(ranges.low, ranges.high, strict=True)] == [
            at == generalized for at in (0, 1)
        ]


def test_mondrian_cuts_where_the_halves_are_most_equal() -> None:
    table = records(list("aaabbcd"), paths=[LETTERS])
    released = mondrian(table, [KAnonymity(2)])
    assert [cells(table, released, row)[0] for row in range(7)] == ["a..a"] * 3 + ["b..b"] * 2 + ["c..d"] * 2
    assert released.loss == pytest.approx(2 / 3 / 7)


@both
def test_persons_are_counted_not_rows(recoding) -> None:
    table = records(["Bonn"] * 5 + ["Gera", "Jena"], paths=[CITIES], persons=np.array([7, 7, 7, 7, 7, 8, 9]))
    released = recoding(table, [KAnonymity(2)])
    persons = [{int(table.persons[row]) for row in rows} for rows in groups(table, released).values()]
    assert all(len(one) >= 2 for one in persons)


@both
@pytest.mark.parametrize("rows", [0, 1, 4])
def test_fewer_rows_than_k_are_all_suppressed(recoding, rows) -> None:
    table = records(["Bonn"] * rows, paths=[CITIES])
    released = recoding(table, [KAnonymity(5)])
    assert released.suppressed.tolist() == [True] * rows
    assert released.loss == (1 if rows else 0)
    assert losses(table, released)["classes"] == 0


@both
def test_a_table_of_equal_rows_loses_nothing(recoding) -> None:
    table = records(["Bonn"] * 6, ["a"] * 6, paths=[CITIES, LETTERS])
    released = recoding(table, [KAnonymity(5)])
    assert (released.loss, released.suppressed.any()) == (0, False)
    assert losses(table, released) == {
        "gcp": 0,
        "non_uniform_entropy": 0,
        "discernibility": 36,
        "average_class_size": 6,
        "classes": 1,
        "suppressed_rows": 0,
        "suppressed_cells": 0,
    }


@both
def test_the_population_hides_whom_the_table_does_not(recoding) -> None:
    table = records(["Bonn", "Gera"], paths=[CITIES], population=(np.array([0, 0, 0, 3, 2], np.int32),))
    released = recoding(table, [KMap(2)])
    assert not released.suppressed.any()
    assert cells(table, released, 0)[0] == {swept: "Bonn", mondrian: "Bonn..Gera"}[recoding]


@dataclass(frozen=True)
class TwoOrThree:
    """A model that is not monotone: a class of two rows passes, two such classes as one do not."""

    name: ClassVar[str] = "two or three"
    monotone: ClassVar[bool] = False

    def passes(self, classes: Classes, shares: object) -> np.ndarray:
        return (classes.rows >= 2) & (classes.rows <= 3)


def test_classes_that_a_reader_cannot_tell_apart_are_judged_as_one() -> None:
    """The value "other" and the group "other" each have two rows; both say "other", which is then said of four."""
    paths = [["other", "other"], ["b", "other"], ["c", "other"], ["d", "d"]]
    table = records(["other", "other", "b", "c", "d", "d"], paths=[paths])
    released = swept(table, [TwoOrThree()])
    assert released.suppressed.tolist() == [True] * 4 + [False] * 2


def test_the_released_table_is_what_closeness_is_about() -> None:
    """Without the third of the rows that are suppressed, the table's distribution is that of the rows released."""
    ill = Sensitive("ill", np.array([0, 1, 0, 1, 1, 1], np.int32), ("no", "yes"))
    paths = [["a", "a"], ["b", "b"], ["c", "c"]]
    table = records(list("aabbcc"), paths=[paths], sensitive=(ill,))
    released = swept(table, [Closeness("ill", 0.2)])
    assert released.suppressed.tolist() == [False] * 4 + [True] * 2


def test_closeness_by_persons_holds_for_the_classes_as_they_are() -> None:
    """A person with rows in many classes weighs more in the table than in the whole as one class."""
    rng = np.random.default_rng(5)
    persons = np.repeat(np.arange(40), rng.integers(1, 9, 40))
    ill = Sensitive("ill", rng.integers(0, 3, 40)[persons].astype(np.int32), ("no", "yes", "?"))
    codes = tuple(rng.integers(0, 16, len(persons)).astype(np.int32) for _ in range(2))
    table = Records((binary("a", 4), binary("b", 4)), codes, (ill,), persons)
    models = [KAnonymity(2), Closeness("ill", 0.25)]
    for released in (swept(table, models), mondrian(table, models)):
        classes = [
            {(int(persons[row]), int(ill.codes[row])) for row in rows} for rows in groups(table, released).values()
        ]
        assert len(classes) > 1
        tallies = np.array([[sum(value == of for _, value in one) for of in range(3)] for one in classes])
        whole = tallies.sum(axis=0) / tallies.sum()
        apart = np.abs(tallies / tallies.sum(axis=1, keepdims=True) - whole).sum(axis=1) / 2
        assert (apart <= 0.25 + 1e-9).all()


@pytest.mark.parametrize("nodes", [1, 300])
def test_a_lattice_too_large_to_walk_ends_at_its_root(nodes) -> None:
    rng = np.random.default_rng(1)
    hierarchies = tuple(binary(f"q{at}", 4) for at in range(30))
    table = Records(hierarchies, tuple(rng.integers(0, 16, 200).astype(np.int32) for _ in hierarchies))
    seen: list[float] = []
    released = swept(table, [KAnonymity(5)], nodes=nodes, progress=seen.append)
    heights = 1 + 30 * 4
    assert released.checked <= max(nodes, heights)
    assert not released.suppressed.any()
    assert all(len(rows) >= 5 for rows in groups(table, released).values())
    assert seen == sorted(seen)
    assert (seen[0], seen[-1]) == (0, 1)


def test_progress_of_mondrian_ends_at_one() -> None:
    table = Records((binary("q", 6),), (np.arange(64, dtype=np.int32),))
    seen: list[float] = []
    mondrian(table, [KAnonymity(2)], progress=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 1
