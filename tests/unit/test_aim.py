"""AIM: what it asks, in which order, and what its settings change."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
import pytest

from dpsynth.domain import Domain
from dpsynth.errors import ResourceLimitError, UsageError
from dpsynth.models import Model
from dpsynth.privacy.answers import NoisyMarginal, Selection
from dpsynth.privacy.conversions import budget_of
from dpsynth.privacy.loss import PrivacyLoss
from dpsynth.privacy.unit import Unit
from dpsynth.synthesizers import synthesizer
from dpsynth.synthesizers.aim import AdaptiveIterative
from dpsynth.synthesizers.annealing import RoundBudget
from dpsynth.synthesizers.scoring import noise_error
from fake_queryable import FakeQueryable

DELTA = Fraction(1, 10**9)
LOSS = budget_of(Fraction(1), DELTA)
DOMAIN = Domain(("a", "b", "c", "d", "e"), (4, 4, 2, 3, 4))


def rows(count, seed=0):
    """b follows a, c is decided by a and d together, e is apart."""
    rng = np.random.default_rng(seed)
    a, d, e = (rng.integers(0, size, count) for size in (4, 3, 4))
    b = np.where(rng.random(count) < 0.8, a, rng.integers(0, 4, count))
    c = np.where(rng.random(count) < 0.9, (a + d) % 2, rng.integers(0, 2, count))
    return np.column_stack([a, b, c, d, e])


def fitted(codes=None, loss=LOSS, domain=DOMAIN, **settings):
    queryable = FakeQueryable(domain, rows(20_000) if codes is None else codes, loss, seed=1)
    return AdaptiveIterative(**settings).fit(queryable), queryable


def error(model, queryable, ways=2):
    pairs = [(model.marginal(one).values, queryable.counts(one)) for one in queryable.domain.cliques(ways)]
    return np.mean([0.5 * np.abs(m / m.sum() - x / x.sum()).sum() for m, x in pairs])


def selected(queryable):
    return [cliques[0] for kind, cliques, _ in queryable.asked if kind == "measure" and len(cliques[0]) > 1]


def test_it_finds_what_the_tree_cannot():
    model, queryable = fitted()
    tree = synthesizer("mst").fit(FakeQueryable(DOMAIN, rows(20_000), LOSS, seed=1))
    assert error(model, queryable, 3) < 0.6 * error(tree, queryable, 3)
    assert {"a", "c", "d"} in [set(clique) for clique in selected(queryable)]


def test_it_spends_everything_in_rounds_of_one_selection_and_one_measurement():
    model, queryable = fitted()
    assert queryable.remaining.rho == 0
    kinds = [kind for kind, cliques, _ in queryable.asked if kind == "select" or len(cliques[0]) > 1]
    assert kinds == ["select", "measure"] * (len(kinds) // 2)
    answers = {NoisyMarginal: 0, Selection: 0}
    for answer in model.answers:
        answers[type(answer)] += 1
    assert answers[Selection] == len(kinds) // 2
    assert answers[NoisyMarginal] == sum(len(cliques) for kind, cliques, _ in queryable.asked if kind == "measure")


def test_rounds_become_dearer_by_the_factor_and_never_cheaper():
    _, queryable = fitted(factor=4)
    losses = [loss.rho for kind, cliques, loss in queryable.asked if kind == "measure" and len(cliques[0]) > 1]
    steps = {later / earlier for earlier, later in itertools.pairwise(losses[:-1])}
    assert steps <= {1.0, 4.0}
    assert losses[-1] >= losses[-2]


def test_without_patience_rounds_keep_their_price():
    _, queryable = fitted(patience=0, rounds=4)
    losses = {loss.rho for kind, cliques, loss in queryable.asked if kind == "measure" and len(cliques[0]) > 1}
    assert len(losses) == 2


def test_a_second_look_only_where_noise_dominates():
    looks = []
    for epsilon in (Fraction(1, 100), Fraction(10)):
        _, queryable = fitted(loss=budget_of(epsilon, DELTA))
        looks.append(sum(kind == "measure" and len(cliques[0]) == 1 for kind, cliques, _ in queryable.asked))
    assert looks == [2, 1]


def test_a_workload_decides_what_is_measured():
    _, queryable = fitted(workload=[["a", "e"], {"columns": ["b", "d"], "weight": 2}])
    assert set(selected(queryable)) <= {("a", "e"), ("b", "d")}


def test_a_single_candidate_is_not_selected():
    model, queryable = fitted(workload=[["b", "a"]])
    assert not any(isinstance(answer, Selection) for answer in model.answers)
    assert queryable.remaining.rho == 0


def test_one_way_workloads_measure_one_ways_only():
    _, queryable = fitted(workload="all-1way")
    assert [len(cliques) for _, cliques, _ in queryable.asked] == [5]
    assert queryable.remaining.rho == 0


def test_scores_weigh_overlap_as_published():
    asked = []

    class Listening(FakeQueryable):
        def select(self, candidates, loss):
            asked.append({candidate.clique: candidate.weight for candidate in candidates})
            return super().select(candidates, loss)

    AdaptiveIterative().fit(Listening(DOMAIN, rows(2_000), LOSS))
    assert asked[0]["a", "b"] == 2
    assert asked[0]["a", "b", "c"] == 3


def test_penalties_are_the_published_ones_or_the_estimators():
    expected = np.array([[0.0, 1.0], [1e6, 1e6]])
    mean = np.sqrt(2 / np.pi)
    assert noise_error(expected, 10.0, "published") == pytest.approx(4 * 10 * mean)
    assert noise_error(expected, 10.0, "estimator") == pytest.approx(2 + 2 * 10 * mean)


@pytest.mark.parametrize("settings", [{"score": "published"}, {"shrink": False}, {"compress": 0}, {"refine": 0}])
def test_every_switch_gives_a_good_model(settings):
    model, queryable = fitted(**settings)
    assert error(model, queryable) < 0.02
    assert model.settings | settings == model.settings


def test_the_model_stays_within_its_limit():
    free, _ = fitted(workload="all-2way")
    limit = 8 * 45
    bound, _ = fitted(workload="all-2way", max_model_size=limit)
    assert bound.distribution.cells * 8 <= limit < free.distribution.cells * 8


def test_a_named_clique_beyond_the_limit_is_refused_with_the_limit_that_would_do():
    method = AdaptiveIterative(workload=[["a", "b", "e"]], max_model_size=300)
    needed = 8 * (4 * 4 * 4 + 2 + 3)
    with pytest.raises(ResourceLimitError, match=str(needed)):
        method.plan(DOMAIN, LOSS, None, Unit())
    AdaptiveIterative(workload=[["a", "b", "e"]], max_model_size=needed).plan(DOMAIN, LOSS, None, Unit())


def test_all_ways_leave_large_cliques_out_and_say_so():
    domain = Domain(("a", "b", "c"), (3_000, 3_000, 2))
    plan = AdaptiveIterative(workload="all-2way").plan(domain, LOSS, None, Unit())
    assert ("a", "b") not in plan.workload
    assert any("not candidates" in warning for warning in plan.warnings)


def test_many_columns_take_turns_and_say_so():
    domain = Domain(tuple(f"x{axis}" for axis in range(60)), (2,) * 60)
    plan = AdaptiveIterative().plan(domain, LOSS, None, Unit())
    assert any("take turns" in warning for warning in plan.warnings)
    assert len(plan.workload) == 60 + 60 * 59 // 2


def test_a_budget_for_one_ways_only_works_and_says_so():
    loss = budget_of(Fraction(1, 10_000), DELTA)
    plan = AdaptiveIterative().plan(DOMAIN, loss, 1_000, Unit())
    assert any("one-way marginals only" in warning for warning in plan.warnings)
    model, _ = fitted(rows(1_000), loss)
    assert np.isfinite(model.marginal(("a", "b")).values).all()
    plan = AdaptiveIterative().plan(DOMAIN, LOSS, 100_000, Unit())
    assert not any("one-way marginals only" in warning for warning in plan.warnings)


@pytest.mark.parametrize(
    "codes",
    [
        rows(0),
        rows(3),
        np.zeros((500, 5), dtype=int),
        np.repeat(np.arange(2_000)[:, None] % 2, 5, axis=1),
    ],
    ids=["no rows", "three rows", "one value each", "all columns equal"],
)
def test_odd_tables_end_in_a_model(codes):
    for epsilon in ("0.01", "1", "100"):
        model, queryable = fitted(codes, budget_of(Fraction(epsilon), DELTA))
        assert isinstance(model, Model)
        assert queryable.remaining.rho == 0
        for pair in DOMAIN.cliques(2):
            values = model.marginal(pair).values
            assert (values >= 0).all()
            assert values.sum() == pytest.approx(model.total)


def test_equal_columns_stay_equal():
    codes = np.repeat(np.arange(20_000)[:, None] % 2, 5, axis=1)
    model, _ = fitted(codes, budget_of(Fraction(10), DELTA))
    pair = model.marginal(("a", "e")).values
    assert pair[0, 0] + pair[1, 1] > 0.99 * model.total


def test_merged_values_come_back_over_the_whole_domain():
    domain = Domain(("a", "b"), (40, 3))
    codes = rows(5_000)[:, [0, 3]]
    model, _ = fitted(codes, domain=domain)
    assert model.marginal(("a", "b")).values.shape == (40, 3)
    assert any(isinstance(answer, NoisyMarginal) and answer.coarsening for answer in model.answers)
    drawn = model.distribution.sample_codes(100, np.random.default_rng(0))
    assert drawn["a"].max() < 40


@pytest.mark.parametrize(
    "settings",
    [
        {"one_way": 0},
        {"one_way": 0.6, "refine": 0.4},
        {"select": 0},
        {"select": 1},
        {"rounds": 0},
        {"rounds": 1.5},
        {"factor": 1},
        {"patience": -1},
        {"patience": float("nan")},
        {"score": "best"},
        {"shrink": 1},
        {"compress": "3"},
        {"max_model_size": 0},
        {"max_model_size": 1e6},
        {"sweeps": True},
        {"precision": 0},
        {"workload": []},
        {"workload": 3},
    ],
)
def test_bad_settings_are_refused(settings):
    with pytest.raises(UsageError):
        synthesizer("aim", **settings)


def test_round_budgets_never_exceed_the_whole():
    loss = PrivacyLoss(rho=1_000_003, mu2=77)
    budget = RoundBudget.first(loss, 10, Fraction(1, 5))
    assert 10 * budget.units <= loss.rho
    assert budget.raised(2).units == 2 * budget.units
    assert not budget.is_last(PrivacyLoss(rho=2 * budget.units))
    assert budget.is_last(PrivacyLoss(rho=2 * budget.units - 1))
    last = budget.all_of(loss, Fraction(1, 5))
    assert last.select + last.measure == loss


def test_a_raise_happens_where_rounds_teach_little():
    _, queryable = fitted(codes=np.zeros((500, 5), dtype=int), factor=4)
    losses = [loss.rho for kind, cliques, loss in queryable.asked if kind == "measure" and len(cliques[0]) > 1]
    assert 4.0 in {later / earlier for earlier, later in itertools.pairwise(losses[:-1])}


def test_shrinkage_takes_noise_out_of_the_model():
    loss = budget_of(Fraction(1, 20), DELTA)
    errors = {}
    for shrink in (True, False):
        found = [fitted(codes=rows(2_000, seed), loss=loss, shrink=shrink, compress=0) for seed in range(5)]
        errors[shrink] = np.mean([error(model, queryable) for model, queryable in found])
    assert errors[True] < 0.95 * errors[False]


def test_an_only_candidate_is_measured_once_with_all_that_is_left():
    _, queryable = fitted(workload=[["a", "b"]])
    assert [cliques for kind, cliques, _ in queryable.asked if len(cliques[0]) > 1] == [(("a", "b"),)]
    assert queryable.remaining.rho == 0


def test_a_limit_that_holds_no_pair_is_refused_with_the_one_that_would_do():
    with pytest.raises(ResourceLimitError, match="no two columns") as refusal:
        AdaptiveIterative(max_model_size=100).plan(DOMAIN, LOSS, None, Unit())
    enough = int(str(refusal.value.hint).split("at least ")[1].rstrip("."))
    model, _ = fitted(max_model_size=enough)
    assert 8 * model.distribution.cells <= enough + 8 * 17


@pytest.mark.parametrize(
    ("name", "setting", "value"),
    [
        ("aim", "precision", 1e-200),
        ("aim", "refine", 1e-19),
        *(("aim", setting, 10**400) for setting in ("precision", "compress", "patience")),
        ("mst", "refine", 1e-19),
        ("mst", "compress", 10**400),
        ("mst", "penalty", 1e308),
    ],
)
def test_settings_that_would_fail_after_the_data_was_read_are_refused(name, setting, value):
    with pytest.raises(UsageError):
        synthesizer(name, **{setting: value})


def test_settings_may_be_numpy_numbers():
    assert synthesizer("aim", one_way=np.float64(0.1)).plan(DOMAIN, LOSS, None, Unit()).steps[0].share == Fraction(
        1, 10
    )


def test_a_plan_prices_the_second_look():
    plan = AdaptiveIterative().plan(DOMAIN, LOSS, None, Unit())
    shares = {step.name: step.share for step in plan.steps}
    assert shares["one-way marginals again (at most)"] == Fraction(1, 2)
    assert sum(shares.values()) == 1
