"""Conditions: forms, several on one column, exactness inside bins."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from dpsynth.errors import UsageError
from dpsynth.models.where import evidence_of
from dpsynth.schema import Condition, Schema
from model_examples import people


@pytest.fixture(scope="module")
def ask():
    model = people()
    return lambda where: evidence_of(where, model.domain, model.codecs)


def test_nothing_asked_is_no_evidence(ask):
    assert ask(None).weights == ask([]).weights == ask({}).weights == {}


@pytest.mark.parametrize(
    "where",
    ["sex=M", ["sex=M"], ["sex in M"], {"sex": "M"}, {"sex": ["M"]}, [Condition("sex", "eq", ("M",))]],
)
def test_all_forms_mean_the_same(ask, where):
    assert ask(where).weights["sex"].tolist() == [0, 1]
    assert ask(where).inside == {}


def test_python_values_are_written_as_conditions_are(ask):
    assert ask({"smoker": True}).weights["smoker"].sum() == 1
    assert (
        ask({"smoker": np.bool_(False)}).weights["smoker"].tolist() != ask({"smoker": True}).weights["smoker"].tolist()
    )
    assert ask({"age": None}).weights["age"].tolist() == [0] * 10 + [1]
    assert ask({"age": (20, 25)}).weights["age"][2] == pytest.approx(0.2)
    assert ask({"born": date(2000, 3, 5)}).weights["born"][2] == pytest.approx(1 / 31)
    assert ask({"age": Condition("age", "range", ("90", ""))}).weights["age"][9] == 1


def test_a_cut_bin_is_decoded_inside(ask):
    evidence = ask("age 15..29")
    np.testing.assert_allclose(evidence.weights["age"][:4], [0, 0.5, 1, 0])
    assert evidence.inside == {"age": Condition("age", "range", ("15", "29"))}
    assert ask("age 10..29").inside.keys() <= {"age"}


@pytest.mark.parametrize(
    ("where", "bins"),
    [
        (["age 15..38", "age 12..33"], {1: 0.5, 2: 1, 3: 0.4}),
        (["age 15..", "age ..24"], {1: 0.5, 2: 0.5}),
        (["age 15..17", "age in 16,17,30"], {1: 0.2}),
        (["age in 16,17,30", "age 17..30"], {1: 0.1, 3: 0.1}),
        (["age=16", "age 10..19"], {1: 0.1}),
        (["age=16", "age=16"], {1: 0.1}),
        (["age in 16,null", "age in null,17"], {10: 1}),
        (["age in 16,20", "age in 16,21"], {1: 0.1}),
        (["age 0..99", "age 15..24", "age 18.."], {1: 0.2, 2: 0.5}),
    ],
)
def test_conditions_on_one_column_are_joined_exactly(ask, where, bins):
    for order in (where, where[::-1]):
        weights = ask(order).weights["age"]
        assert {code: pytest.approx(weight) for code, weight in enumerate(weights) if weight} == bins


def test_dates_are_joined_by_their_days(ask):
    evidence = ask(["born 2000-02..2000-03", "born 2000-02-20..2000-03-10", "born ..2000-12"])
    np.testing.assert_allclose(evidence.weights["born"][1:4], [10 / 29, 10 / 31, 0])
    both = ask(["born 2000-02-03..2000-03-08", "born=2000-03-05"])
    assert both.inside["born"].texts == ("2000-03-05", "2000-03-05")
    np.testing.assert_allclose(both.weights["born"][1:4], [0, 1 / 31, 0])


def test_conditions_that_exclude_each_other_are_impossible(ask):
    for where in (
        ["age 15..17", "age 18..19"],
        ["age=16", "age=17"],
        ["age 15..17", "age in 18,19"],
        ["age=null", "age 1.."],
    ):
        with pytest.raises(UsageError, match="no value of this column"):
            ask(where)


def test_a_value_that_is_cut_in_a_list_is_refused():
    text = people().schema.dump().replace("bins: month", "bins: year")
    schema = Schema.loads(text)
    codecs = {name: schema.codec(name) for name in schema.domain}
    joined = evidence_of(["born in 2000-02,2001-05", "born 2000-02-01..2000-12-31"], schema.domain, codecs)
    np.testing.assert_allclose(joined.weights["born"], [29 / 366, 0, 0])
    with pytest.raises(UsageError, match="cannot be joined"):
        evidence_of(["born in 2000-02,2001-05", "born 2000-02-10..2001-05-10"], schema.domain, codecs)


@pytest.mark.parametrize("where", ["height=1", "name=x", "sex=X", "sex 1..2", "age=old", "nonsense", "age"])
def test_what_cannot_be_understood_is_refused(ask, where):
    with pytest.raises(UsageError):
        ask(where)


def test_a_column_that_is_not_modeled_is_named_with_those_that_are(ask):
    with pytest.raises(UsageError, match="'name'") as caught:
        ask("name=x")
    assert "age, sex" in (caught.value.hint or "")
