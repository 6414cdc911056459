"""Prosecutor, journalist and marketer risk, uniqueness, and attribute disclosure, by hand."""

from __future__ import annotations

import math
from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anonymization_examples import classes, sensitive
from dpsynth.anonymization.disclosure import disclosure, disclosures
from dpsynth.anonymization.risks import Risk, risks, uniqueness
from dpsynth.errors import SchemaError, UsageError


def test_a_table_that_is_its_own_population() -> None:
    found = risks(classes([0, 1, 1, 2, 2, 2, 2, 2]))  # classes of 1, 2 and 5
    assert found.prosecutor == Risk(1.0, 3 / 8, 3 / 8)  # a risk of exactly the threshold is not above it
    assert found.journalist == found.prosecutor
    assert found.marketer == 3 / 8
    assert not found.population
    assert asdict(found)["prosecutor"]["highest"] == 1.0


def test_a_population_makes_the_journalists_task_harder() -> None:
    found = risks(classes([0, 1, 1, 1], population=[10, 4]), 0.2)
    assert found.prosecutor == Risk(1.0, pytest.approx(0.5), 1.0)
    assert found.journalist == Risk(0.25, pytest.approx((1 / 10 + 3 / 4) / 4), 0.75)
    assert found.marketer == found.journalist.average
    assert (found.population, found.unmatched) == (True, 0)


def test_a_population_that_lacks_people_of_the_table_is_told() -> None:
    found = risks(classes([0, 1, 1, 1], population=[0, 4]))
    assert found.unmatched == 1
    assert found.journalist.highest == 1.0


def test_a_person_runs_the_greatest_risk_of_all_classes() -> None:
    # class 0: persons 1, 2, 3; class 1: person 1 alone, with two rows
    of, persons = [0, 0, 0, 1, 1], [1, 2, 3, 1, 1]
    found = risks(classes(of, persons=persons), 0.5)
    assert found.prosecutor == Risk(1.0, pytest.approx((1 + 1 / 3 + 1 / 3) / 3), pytest.approx(1 / 3))
    alone = uniqueness(classes(of, persons=persons))
    assert (alone.rows, alone.persons) == (0, 1)
    assert alone.person_share == pytest.approx(1 / 3)


def test_rows_alone() -> None:
    found = uniqueness(classes([0, 1, 1, 2]))
    assert (found.rows, found.row_share, found.persons, found.person_share) == (2, 0.5, 2, 0.5)
    assert uniqueness(classes([0, 1], counts=[4, 1])).row_share == 0.2


def test_what_a_class_tells_of_everybody_in_it() -> None:
    of = [0, 0, 1, 1, 1, 1, 1, 2]
    found = classes(of, sensitive("s", list("aa" + "aaaab" + "c")), sensitive("u", list("xyxyxyxy")))
    one, other = disclosures(found, 0.8)
    assert (one.field, one.classes, one.homogeneous_classes) == ("s", 3, 2)
    assert (one.homogeneous, one.above) == (3 / 8, 1.0)
    assert (other.field, other.homogeneous_classes, other.homogeneous) == ("u", 1, 1 / 8)
    assert disclosure(found, "s", 0.81).above == 3 / 8


def test_disclosure_counts_persons() -> None:
    # by rows nine tenths have "a"; it is one of two people
    found = classes([0] * 10, sensitive("s", ["a"] * 9 + ["b"]), persons=[1] * 9 + [2])
    assert disclosure(found, "s", 0.8).above == 0.0
    assert disclosure(found, "s", 0.5).above == 1.0


def test_tables_of_no_and_of_one_row() -> None:
    none, one = classes([], sensitive("s", []), population=[]), classes([0], sensitive("s", ["a"]), population=[1])
    assert risks(none).prosecutor == Risk(0, 0, 0)
    assert uniqueness(none).row_share == 0
    assert disclosures(none)[0].homogeneous == 0
    assert risks(one).journalist == Risk(1, 1, 1)
    assert uniqueness(one).person_share == 1
    assert disclosures(one)[0].homogeneous == 1


@pytest.mark.parametrize("threshold", [-0.1, 1.1, math.nan, "0.2", True])
def test_a_threshold_is_a_probability(threshold: float) -> None:
    found = classes([0], sensitive("s", ["a"]))
    with pytest.raises(UsageError, match="threshold"):
        risks(found, threshold)
    with pytest.raises(UsageError, match="threshold"):
        disclosures(found, threshold)


def test_an_attribute_that_is_not_there() -> None:
    with pytest.raises(SchemaError, match="no sensitive attribute"):
        disclosure(classes([0]), "s")


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 6)), min_size=1, max_size=30), st.sampled_from([0.2, 0.5]))
def test_by_person_is_the_definition(pairs: list[tuple[int, int]], threshold: float) -> None:
    numbers = {old: new for new, old in enumerate(sorted({of for of, _ in pairs}))}
    of, persons = [numbers[one] for one, _ in pairs], [who for _, who in pairs]
    people = {one: {who for a, who in zip(of, persons, strict=True) if a == one} for one in of}
    worst = {who: max(1 / len(people[a]) for a, b in zip(of, persons, strict=True) if b == who) for who in persons}
    found = risks(classes(of, persons=persons), threshold).prosecutor
    assert found.highest == max(worst.values())
    assert found.average == pytest.approx(sum(worst.values()) / len(worst))
    assert found.above == pytest.approx(sum(risk > threshold for risk in worst.values()) / len(worst))
