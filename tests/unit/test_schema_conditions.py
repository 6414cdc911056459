"""Conditions: their three forms, what they weigh, and what decoding under them respects."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest

from dpsynth.errors import UsageError
from dpsynth.schema import Condition, Schema, parse_where
from dpsynth.schema.codecs import Codec

SCHEMA = Schema.loads("""
dpsynth: {version: 1, name: t}
fields:
- {name: age, type: integer, constraints: {minimum: 0, maximum: 99}, dpsynth: {source: public, bins: {width: 10}}}
- {name: sex, type: string, constraints: {enum: [Female, Male, "<=50K"]}, dpsynth: {source: public}}
- {name: kids, type: integer, constraints: {enum: [3, 0, 1]}, dpsynth: {source: public, null: 0}}
- {name: x, type: number, constraints: {minimum: 0, maximum: 10}, dpsynth: {source: public, bins: {count: 5}}}
- {name: cost, type: number, dpsynth: {source: public, bins: {edges: [0, 0.01, 1, 5]}, decimals: 2}}
- {name: ok, type: boolean, dpsynth: {source: public}}
- name: day
  type: date
  constraints: {minimum: "2020-01-01", maximum: "2020-12-31"}
  dpsynth: {source: public, bins: month}
- name: seen
  type: datetime
  constraints: {minimum: "2020-03-28", maximum: "2020-03-30"}
  dpsynth: {source: public, bins: day, zone: Europe/Paris}
""")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sex=Female", Condition("sex", "eq", ("Female",))),
        (" sex = Female ", Condition("sex", "eq", ("Female",))),
        ("income=<=50K", Condition("income", "eq", ("<=50K",))),
        ("income in <=50K,>50K", Condition("income", "in", ("<=50K", ">50K"))),
        ('"a b" in x, "y, z"', Condition("a b", "in", ("x", "y, z"))),
        ('"a=b"=1', Condition("a=b", "eq", ("1",))),
        ("two words=1", Condition("two words", "eq", ("1",))),
        ("age 18..65", Condition("age", "range", ("18", "65"))),
        ("age 18..", Condition("age", "range", ("18", ""))),
        ("age ..65", Condition("age", "range", ("", "65"))),
        ("t -1.5..-0.5", Condition("t", "range", ("-1.5", "-0.5"))),
        ("two words 1..2", Condition("two words", "range", ("1", "2"))),
        ("name=a in b", Condition("name", "eq", ("a in b",))),
        ("x=", Condition("x", "eq", ("",))),
    ],
)
def test_forms(text: str, expected: Condition) -> None:
    assert parse_where(text) == expected


@pytest.mark.parametrize("text", ["", "age", "age ..", "age > 5", "in a,b", "=5", "age 18 65", "age in "])
def test_what_is_no_condition(text: str) -> None:
    with pytest.raises(UsageError, match="not understood"):
        parse_where(text)


def weights(text: str) -> list[float]:
    condition = parse_where(text)
    return SCHEMA.codec(condition.column).evidence(condition).tolist()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("age 18..29", [0, 0.2, 1, *[0] * 8]),
        ("age ..9", [1, *[0] * 10]),
        ("age 95..", [*[0] * 9, 0.5, 0]),
        ("age in 5,5,15", [0.1, 0.1, *[0] * 9]),
        ("age=null", [*[0] * 10, 1]),
        ("age in null,7", [0.1, *[0] * 9, 1]),
        ("age 40..30", [0] * 11),
        ("age=1000", [0] * 11),
        ("sex in Male,<=50K", [0, 1, 1, 0]),
        ("sex=null", [0, 0, 0, 1]),
        ("kids 1..", [1, 0, 1]),
        ("kids=0", [0, 1, 0]),
        ("x 1..3", [0.5, 0.5, 0, 0, 0, 0]),
        ("x ..", None),
        ("x 9..99", [0, 0, 0, 0, 0.5, 0]),
        ("cost=0", [1, 0, 0, 0]),
        ("cost 0.5..1", [0, 50 / 99, 1 / 401, 0]),
        ("ok=true", [0, 1, 0]),
        ("day=2020-02", [0, 1, *[0] * 11]),
        ("day 2020-02-15..", [0, 15 / 29, *[1] * 10, 0]),
        ("day=2020", [*[1] * 12, 0]),
        ("seen=2020-03-29", [0, 1, 0, 0]),
        ("seen 2020-03-29T12:00..2020-03-29", [0, 12 / 23, 0, 0]),
    ],
)
def test_evidence_is_the_share_of_each_code(text: str, expected: list[float] | None) -> None:
    if expected is None:
        with pytest.raises(UsageError):
            weights(text)
    else:
        assert weights(text) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    "text", ["age=x", "age 1.5..2", "sex=female", "sex A..B", "kids=null", "x=5", "x a..b", "day=2020-13", "seen=noon"]
)
def test_texts_of_another_type(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        weights(text)
    assert text.split("=", maxsplit=1)[0].split(maxsplit=1)[0] in str(caught.value)


def decoded(text: str, codes: list[int]) -> list[object]:
    condition = parse_where(text)
    codec: Codec = SCHEMA.codec(condition.column)
    column = codec.decode(np.repeat(codes, 300), np.random.default_rng(5), condition)
    assert codec.encode(column).tolist() == np.repeat(codes, 300).tolist()
    values: list[object] = column.to_pylist()
    return values


def test_decoding_stays_inside_the_condition() -> None:
    assert set(decoded("age 18..21", [1, 2])) == {18, 19, 20, 21}
    assert set(decoded("age in 12,15,31", [1])) == {12, 15}
    assert all(1.5 <= value <= 2.5 for value in decoded("x 1.5..2.5", [0, 1]))
    assert set(decoded("cost 0.98..1.01", [1, 2])) == {0.98, 0.99, 1.0, 1.01}
    assert set(decoded("day 2020-02-28..2020-03-01", [1, 2])) == {
        dt.date(2020, 2, 28),
        dt.date(2020, 2, 29),
        dt.date(2020, 3, 1),
    }
    hours = {
        value.hour
        for value in decoded("seen 2020-03-29T01:00..2020-03-29T03:59:59", [1])
        if isinstance(value, dt.datetime)
    }
    assert hours == {1, 3}


def test_a_code_that_the_condition_excludes_is_drawn_from_its_whole_bin() -> None:
    assert {value // 10 for value in decoded("age 18..21", [7]) if isinstance(value, int)} == {7}
    assert all(6 <= value <= 8 for value in decoded("x 1..2", [3]) if isinstance(value, float))
