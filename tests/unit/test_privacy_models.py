"""Privacy models on the examples of their papers, on persons, and at the edges."""

from __future__ import annotations

import math

import numpy as np
import pytest

from anonymization_examples import classes, sensitive
from dpsynth.anonymization.privacy_models import (
    AlphaK,
    BetaLikeness,
    Closeness,
    DeltaDisclosure,
    DistinctDiversity,
    EntropyDiversity,
    KAnonymity,
    KMap,
    PrivacyModel,
    RecursiveDiversity,
    monotone,
    satisfied,
)
from dpsynth.anonymization.tallies import distributions
from dpsynth.errors import DpsynthError, SchemaError, UsageError

OF = [0] * 4 + [1] * 4 + [2] * 4
# Machanavajjhala et al., figures 2 and 3: conditions of inpatients, 4-anonymous and 3-diverse.
FOUR_ANONYMOUS = ["heart", "heart", "viral", "viral", "cancer", "heart", "viral", "viral", *["cancer"] * 4]
THREE_DIVERSE = ["heart", "viral", "cancer", "cancer", "cancer", "heart", "viral", "viral"]
THREE_DIVERSE += ["heart", "viral", "cancer", "cancer"]
MODELS = [
    KAnonymity(2),
    DistinctDiversity("s", 2),
    EntropyDiversity("s", 1.5),
    RecursiveDiversity("s", 2.0, 2),
    Closeness("s", 0.3),
    Closeness("s", 0.3, ordered=True),
    AlphaK("s", 0.5, 2),
    BetaLikeness("s", 1.0),
    BetaLikeness("s", 1.0, enhanced=True),
    DeltaDisclosure("s", 1.0),
]
every_model = pytest.mark.parametrize("model", [KMap(2), *MODELS], ids=str)


def reached(model: PrivacyModel, of: list[int], values: list[object], **given: list[int]) -> float:
    ordered = isinstance(model, Closeness) and model.ordered
    found = classes(of, sensitive("s", values, ordered=ordered), **given)
    return model.reached(found, distributions(found))


def test_the_inpatients_of_machanavajjhala() -> None:
    assert reached(KAnonymity(4), OF, FOUR_ANONYMOUS) == 4
    assert reached(DistinctDiversity("s", 3), OF, FOUR_ANONYMOUS) == 1
    assert reached(DistinctDiversity("s", 3), OF, THREE_DIVERSE) == 3
    # "entropy 2.8-diverse", says the paper: shares of a half and two quarters
    assert reached(EntropyDiversity("s", 2.8), OF, THREE_DIVERSE) == pytest.approx(math.sqrt(8))
    assert reached(RecursiveDiversity("s", 3, 2), OF, THREE_DIVERSE) == 1.0
    assert reached(RecursiveDiversity("s", 3, 3), OF, THREE_DIVERSE) == 2.0
    assert reached(RecursiveDiversity("s", 3, 3), OF, FOUR_ANONYMOUS) == math.inf


@pytest.mark.parametrize(
    ("groups", "distance"),
    [([[3, 4, 5]], 0.375), ([[6, 8, 11]], 1 / 6), ([[3, 5, 9], [6, 11, 8], [4, 7, 10]], 1 / 6)],
)
def test_the_salaries_of_li(groups: list[list[int]], distance: float) -> None:
    salaries = [3, 4, 5, 6, 11, 8, 7, 9, 10]
    whole = {"s": np.full(9, 1 / 9)}
    numbered = {value: number for number, group in enumerate(groups) for value in group}
    found = classes([numbered.get(one, len(groups)) for one in salaries], sensitive("s", salaries, ordered=True))
    wanted = Closeness("s", distance, ordered=True)
    assert wanted._measured(found, whole)[: len(groups)].max() == pytest.approx(distance)
    assert wanted.passes(found, whole)[: len(groups)].all()
    assert not Closeness("s", distance - 1e-6, ordered=True).passes(found, whole)[: len(groups)].all()


def test_distances_of_one_class_by_hand() -> None:
    of, values = [0, 0, 0, 1, 1, 1, 1, 1], list("aabbbbcc")
    # p = (2/3, 1/3, 0) and (0, 3/5, 2/5); q = (1/4, 1/2, 1/4)
    assert reached(Closeness("s", 1), of, values) == pytest.approx(2 / 3 - 1 / 4)
    assert reached(Closeness("s", 1, ordered=True), of, values) == pytest.approx((5 / 12 + 1 / 4) / 2)
    assert reached(BetaLikeness("s", 1), of, values) == pytest.approx(5 / 3)
    assert reached(BetaLikeness("s", 1, enhanced=True), of, values) == math.inf  # 5/3 > ln 4
    assert reached(AlphaK("s", 1, 1), of, values) == pytest.approx(2 / 3)
    assert reached(DeltaDisclosure("s", 1), of, values) == math.inf
    assert reached(DeltaDisclosure("s", 1), [0, 0, 0, 1, 1, 1], list("aababb")) == pytest.approx(math.log(1.5))


def test_limits_met_exactly_pass_unless_the_inequality_is_strict() -> None:
    thirds = classes([0] * 3 + [1] * 3, sensitive("s", list("abcabc")))
    q = distributions(thirds)
    assert EntropyDiversity("s", 3).passes(thirds, q).all()
    assert AlphaK("s", 1 / 3, 3).passes(thirds, q).all()
    assert not AlphaK("s", 1 / 3, 4).passes(thirds, q).any()
    assert Closeness("s", 0).passes(thirds, q).all()
    assert RecursiveDiversity("s", 0.51, 2).passes(thirds, q).all()
    assert not RecursiveDiversity("s", 0.5, 2).passes(thirds, q).any()


def test_persons_are_counted_once() -> None:
    # nine rows of one person with influenza, and two persons with something that nobody should learn
    of, values, persons = [0] * 11, ["flu"] * 9 + ["hiv"] * 2, [7] * 9 + [1, 2]
    assert reached(KAnonymity(2), of, values) == 11
    assert reached(KAnonymity(2), of, values, persons=persons) == 3
    assert reached(AlphaK("s", 1, 1), of, values) == pytest.approx(9 / 11)
    found = classes(of, sensitive("s", values), persons=persons)
    assert AlphaK("s", 1, 1).reached(found, {}) == pytest.approx(2 / 3)
    assert distributions(found)["s"].tolist() == pytest.approx([1 / 3, 2 / 3])
    assert found.tally("s") is found.tally("s")
    # of two persons both have "a": whoever is in the class has it
    both = classes([0, 0, 0], sensitive("s", ["a", "b", "a"]), persons=[1, 1, 2])
    assert AlphaK("s", 1, 1).reached(both, {}) == 1.0


def test_five_rows_of_one_patient_are_not_five_anonymous() -> None:
    found = classes([0] * 5, persons=[3] * 5)
    assert not KAnonymity(5).passes(found, {}).any()
    assert KAnonymity(5).passes(classes([0] * 5), {}).all()


def test_k_map_counts_the_population() -> None:
    found = classes([0, 1, 1], population=[9, 4])
    assert KMap(5).passes(found, {}).tolist() == [True, False]
    assert KMap(5).reached(found, {}) == 4
    with pytest.raises(UsageError, match="no table of the population"):
        KMap(5).passes(classes([0]), {})


def test_dropping_classes_moves_the_table_until_the_rest_passes() -> None:
    # shares of "a": 1, 0.5 and 0.3 in classes, 0.7 in the table; 5/6 without class 2, from which class 1 is too far
    of = [0] * 20 + [1] * 10 + [2] * 10
    found = classes(of, sensitive("s", ["a"] * 20 + ["a"] * 5 + ["b"] * 5 + ["a"] * 3 + ["b"] * 7))
    model = Closeness("s", 0.31)
    assert model.passes(found, distributions(found)).tolist() == [True, True, False]
    assert satisfied([model], found).tolist() == [True, False, False]
    assert satisfied([Closeness("s", 0.41)], found).all()


def test_nothing_left_is_an_answer() -> None:
    found = classes([0, 1], sensitive("s", ["a", "b"]))
    assert not satisfied([KAnonymity(2), Closeness("s", 0.1)], found).any()
    assert distributions(found, np.zeros(2, np.bool_))["s"].tolist() == [0, 0]


def test_several_models_and_attributes_hold_together() -> None:
    found = classes(OF, sensitive("s", FOUR_ANONYMOUS), sensitive("sex", list("mfmfmfmfmmmf")))
    asked = [KAnonymity(4), DistinctDiversity("s", 2), AlphaK("sex", 0.5, 2)]
    assert satisfied(asked, found).tolist() == [True, True, False]
    assert monotone(asked[:2])
    assert not monotone(asked)


@every_model
def test_a_table_without_rows(model: PrivacyModel) -> None:
    found = classes([], sensitive("s", [], ordered=True), population=[])
    assert satisfied([model], found).tolist() == []
    assert model.reached(found, distributions(found)) in {0.0, math.inf}


@every_model
def test_a_table_of_one_row_is_its_one_class(model: PrivacyModel) -> None:
    found = classes([0], sensitive("s", ["a"], ordered=True), population=[1])
    exact = {Closeness, BetaLikeness, DeltaDisclosure}
    assert satisfied([model], found).tolist() == [type(model) in exact]


def test_a_table_of_one_class_is_as_far_from_itself_as_it_can_be() -> None:
    values = ["a", "b", "b", "c", "c", "c"]
    for model in (Closeness("s", 0), Closeness("s", 0, ordered=True), BetaLikeness("s", 1), DeltaDisclosure("s", 1)):
        assert reached(model, [0] * 6, values) == pytest.approx(0, abs=1e-12)


def test_counts_stand_for_rows() -> None:
    found = classes([0, 0, 1], sensitive("s", ["a", "b", "a"]), counts=[3, 1, 4])
    assert KAnonymity(2).reached(found, {}) == 4
    assert AlphaK("s", 1, 1).reached(found, {}) == 1.0
    assert distributions(found)["s"].tolist() == pytest.approx([7 / 8, 1 / 8])


@pytest.mark.parametrize("wrong", [0, -1, 2.5, math.nan, math.inf, True, "5", None])
@pytest.mark.parametrize(
    "model", [KAnonymity, KMap, lambda k: DistinctDiversity("s", k), lambda k: AlphaK("s", 0.5, k)]
)
def test_what_is_counted_is_a_whole_number(model: object, wrong: object) -> None:
    with pytest.raises(UsageError, match="whole number of at least 1"):
        model(wrong)  # type: ignore[operator]


@pytest.mark.parametrize(
    ("model", "wrong"),
    [
        (lambda value: EntropyDiversity("s", value), [0.9, -1, math.nan, math.inf, True, "2"]),
        (lambda value: RecursiveDiversity("s", value, 2), [0, -1, math.nan, None]),
        (lambda value: RecursiveDiversity("s", 2, value), [0, 1.5]),
        (lambda value: Closeness("s", value), [-0.1, 1.1, math.nan, "0.2"]),
        (lambda value: AlphaK("s", value, 2), [0, 1.1, math.nan]),
        (lambda value: BetaLikeness("s", value), [0, -1, math.nan, math.inf]),
        (lambda value: DeltaDisclosure("s", value), [0, -1, math.nan, math.inf]),
    ],
)
def test_a_parameter_outside_its_range_is_refused(model: object, wrong: list[object]) -> None:
    for value in wrong:
        with pytest.raises(UsageError, match=r"is a (whole )?number"):
            model(value)  # type: ignore[operator]


@pytest.mark.parametrize("model", MODELS[1:], ids=str)
def test_an_attribute_that_is_not_there(model: PrivacyModel) -> None:
    with pytest.raises(SchemaError, match=r"'s'.*no sensitive attribute"):
        model.passes(classes([0, 0], sensitive("other", ["a", "b"])), {})


def test_distributions_and_orders_are_not_guessed() -> None:
    found = classes([0, 0], sensitive("s", ["a", "b"]))
    with pytest.raises(DpsynthError, match="distribution over the table is not given"):
        Closeness("s", 0.1).passes(found, {})
    with pytest.raises(SchemaError, match="no order"):
        Closeness("s", 0.1, ordered=True).passes(found, distributions(found))


def test_models_are_told_in_words() -> None:
    assert [str(model) for model in MODELS] == [
        "2-anonymity",
        "distinct 2-diversity of 's'",
        "entropy 1.5-diversity of 's'",
        "recursive (2, 2)-diversity of 's'",
        "0.3-closeness of 's'",
        "0.3-closeness of 's' in its order",
        "(0.5, 2)-anonymity of 's'",
        "basic 1-likeness of 's'",
        "enhanced 1-likeness of 's'",
        "1-disclosure privacy of 's'",
    ]
