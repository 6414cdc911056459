"""Which way ``auto`` goes, what it asks on each, and what it says about it; the contract tests hold the promises."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

from dpsynth.domain import Domain
from dpsynth.errors import UsageError
from dpsynth.graph.residual import fit_joint
from dpsynth.models import MarkovRandomField, Model
from dpsynth.privacy.answers import NoisyMarginal, Selection
from dpsynth.privacy.conversions import budget_of
from dpsynth.privacy.loss import PrivacyLoss
from dpsynth.privacy.unit import Unit
from dpsynth.synthesizers import synthesizer
from dpsynth.synthesizers.dense import DenseJoint, best_order
from dpsynth.synthesizers.effort import EFFORTS, Effort
from dpsynth.synthesizers.pair_mixture import PairMixture
from dpsynth.synthesizers.pair_questions import PairQuestions
from dpsynth.synthesizers.spanning import OneWays
from fake_queryable import FakeQueryable


def loss_of(epsilon):
    return budget_of(Fraction(epsilon), Fraction(1, 10**9))


def domain_of(*sizes):
    return Domain(tuple(f"x{axis}" for axis in range(len(sizes))), sizes)


SMALL, PAIRS, MANY = domain_of(3, 4, 2, 5), domain_of(20, 25, 30, 20, 15), domain_of(*[3] * 70)


def ring(rows, domain, seed=0):
    """Rows whose columns depend on each other in a cycle: a hidden number shows in every column."""
    rng = np.random.default_rng(seed)
    hidden = rng.integers(0, 12, rows)
    noisy = [(hidden + rng.integers(0, 3, rows)) % size for size in domain.sizes]
    return np.column_stack(noisy)


@pytest.fixture(autouse=True)
def little_effort(monkeypatch):
    monkeypatch.setitem(EFFORTS, "default", Effort(components=60, steps=200, fits=2))


def fitted(domain, epsilon, rows=20_000, name="auto", **settings):
    queryable = FakeQueryable(domain, ring(rows, domain), loss_of(epsilon), seed=1)
    return synthesizer(name, **settings).fit(queryable), queryable


def distance(model, queryable, ways=2):
    cliques = model.domain.cliques(ways)
    found = [(model.marginal(clique).values, queryable.counts(clique)) for clique in cliques]
    return np.mean([0.5 * np.abs(ours / ours.sum() - real / real.sum()).sum() for ours, real in found])


@pytest.mark.parametrize(
    ("domain", "path"),
    [
        (SMALL, "dense"),
        (domain_of(*[2] * 16), "dense"),
        (domain_of(*[1] * 19, 4), "independent"),
        (PAIRS, "mixture"),
        (domain_of(8, 8, 8, 8), "mixture"),
        (domain_of(2, 2, 2, 2, 2, 17), "mixture"),
        (domain_of(*[2] * 40), "mixture"),
        (domain_of(*[1] * 30, 4, 4, 4), "mixture"),
        (domain_of(5), "independent"),
        (domain_of(5, 300_000), "independent"),
        (domain_of(100_000, 3, 4), "mst"),
        (domain_of(2000, 2000, 2000), "independent"),
        (MANY, "mst"),
    ],
)
def test_the_way_follows_from_the_domain_and_is_explained(domain, path):
    plan = synthesizer("auto").plan(domain, loss_of(1), None, Unit())
    assert (plan.method, plan.settings["path"]) == ("auto", path)
    words = {
        "dense": "fitted as a whole",
        "mixture": "mixture of products",
        "mst": "as mst does",
        "independent": "no two",
    }
    assert words[path] in plan.explanation
    assert sum(step.share for step in plan.steps) == 1
    assert json_like(plan.settings)


def json_like(settings):
    return all(isinstance(value, str | int | float) for value in settings.values())


def test_beyond_its_reach_it_asks_what_mst_asks():
    model, queryable = fitted(MANY, "1", rows=500)
    tree, other = fitted(MANY, "1", rows=500, name="mst")
    assert queryable.asked == other.asked
    assert model.settings == {"workload": "all-3way", "effort": "default", "path": "mst", **tree.settings}
    np.testing.assert_array_equal(model.marginal(("x0", "x1")).values, tree.marginal(("x0", "x1")).values)


@pytest.mark.parametrize("domain", [SMALL, PAIRS])
@pytest.mark.parametrize("epsilon", ["0.01", "1", "100"])
def test_the_last_measurement_takes_what_is_left(domain, epsilon):
    model, queryable = fitted(domain, epsilon)
    assert queryable.remaining.rho == 0
    assert queryable.asked[-1][0] == "measure"
    assert model.convergence.iterations >= 0


class TestDense:
    def test_every_marginal_of_one_order_is_measured_once(self):
        model, queryable = fitted(SMALL, "1")
        order = model.settings["order"]
        assert queryable.asked == [("measure", SMALL.cliques(order), loss_of("1"))]

    @pytest.mark.parametrize(
        ("domain", "order"),
        [(domain_of(*[2] * 16), 4), (domain_of(3, 4), 2), (domain_of(100, 100), 2), (domain_of(*[2] * 3), 3)],
    )
    def test_the_order_serves_pairs_and_triples(self, domain, order):
        assert best_order(domain) == order

    def test_the_order_is_close_to_that_of_least_error(self):
        domain = domain_of(*[2] * 8)
        errors = {}
        for order in (1, 2, 3, 4, 5):
            queryable = FakeQueryable(domain, ring(20_000, domain), loss_of("0.3"), seed=1)
            tree, _ = fit_joint(domain, queryable.measure(domain.cliques(order), queryable.remaining))
            errors[order] = distance(Model(MarkovRandomField(tree)), queryable, ways=3)
        assert errors[best_order(domain)] <= 1.3 * min(errors.values()) < 0.3 * errors[1]

    def test_it_beats_a_tree(self):
        domain = domain_of(4, 4, 4, 4, 4)
        (model, queryable), (tree, other) = fitted(domain, "3"), fitted(domain, "3", name="mst")
        assert distance(model, queryable, 3) < 0.5 * distance(tree, other, 3)

    def test_a_plan_says_how_large_the_joint_table_is(self):
        plan = synthesizer("auto").plan(SMALL, loss_of("1"), None, Unit())
        assert plan.cells == 120
        assert "only 120 cells" in plan.explanation
        assert DenseJoint.suits(SMALL)


class TestPairMixture:
    def test_noise_decides_how_many_pairs_are_measured(self):
        counts, looks, selections = [], [], []
        for epsilon in ("0.02", "1", "100"):
            model, queryable = fitted(PAIRS, epsilon)
            measured = [a.clique for a in model.answers if isinstance(a, NoisyMarginal)]
            counts.append(len({clique for clique in measured if len(clique) == 2}))
            looks.append(sum(kind == "measure" and len(cliques[0]) == 1 for kind, cliques, _ in queryable.asked))
            selections.append(sum(isinstance(answer, Selection) for answer in model.answers))
        assert counts[0] == len(PAIRS) - 1 < counts[1] < counts[2] == 10
        assert looks == [2, 2, 1]
        assert selections == [*counts[:2], 0]

    def test_a_selection_never_offers_what_was_taken(self):
        _, queryable = fitted(PAIRS, "0.02")
        offered = [set(cliques) for kind, cliques, _ in queryable.asked if kind == "select"]
        assert [len(cliques) for cliques in offered] == [10, 9, 8, 7]
        assert offered[-1] < offered[0]

    def test_pairs_that_close_cycles_are_met(self):
        (model, queryable), (tree, other) = fitted(PAIRS, "10"), fitted(PAIRS, "10", name="mst")
        assert distance(model, queryable) < 0.7 * distance(tree, other)

    def test_selections_cost_no_more_than_their_share(self):
        _, queryable = fitted(PAIRS, "0.02", select=0.1)
        spent = sum(loss.rho for kind, _, loss in queryable.asked if kind == "select")
        assert 0 < spent <= loss_of("0.02").share(Fraction(1, 10)).rho

    def test_without_a_share_for_selections_all_pairs_are_measured(self):
        model, queryable = fitted(PAIRS, "0.02", select=0, again=0)
        assert [kind for kind, _, _ in queryable.asked] == ["measure", "measure"]
        assert len(model.answers) == 15
        plan = synthesizer("auto", select=0, again=0).plan(PAIRS, loss_of("1"), None, Unit())
        assert [step.name for step in plan.steps] == ["one-way marginals", "pairs (at most)"]

    @pytest.mark.parametrize("epsilon", ["0.02", "1", "100"])
    def test_no_answer_is_noisier_than_the_plan_says(self, epsilon):
        plan = synthesizer("auto").plan(PAIRS, loss_of(epsilon), None, Unit())
        model, _ = fitted(PAIRS, epsilon)
        scales = {step.name.partition(" (")[0]: step.scale for step in plan.steps}
        pairs = [a.scale for a in model.answers if isinstance(a, NoisyMarginal) and len(a.clique) == 2]
        assert np.mean(np.array(pairs) ** -2) ** -0.5 <= scales["pairs"]
        selections = [a.scale for a in model.answers if isinstance(a, Selection)]
        assert max(selections, default=0) <= scales["pair selections"]

    @pytest.mark.parametrize("rows", [0, 1, 3])
    @pytest.mark.parametrize("epsilon", ["0.00001", "0.1", "1000"])
    def test_tables_without_anything_to_learn(self, rows, epsilon):
        model, _ = fitted(PAIRS, epsilon, rows=rows)
        assert model.total >= 1
        pair = model.marginal(("x0", "x3")).values
        assert np.isfinite(pair).all()
        assert pair.sum() == pytest.approx(model.total)
        assert len(model.sample(5, seed=0)) == 5

    def test_perfectly_dependent_and_constant_columns(self):
        domain = domain_of(30, 1, 30, 30, 30)
        first = np.random.default_rng(0).integers(0, 30, 20_000)
        codes = np.column_stack([first, np.zeros_like(first), first, 29 - first, first])
        model = synthesizer("auto").fit(FakeQueryable(domain, codes, loss_of("5")))
        pair = model.marginal(("x0", "x2")).values
        assert np.trace(pair) / pair.sum() > 0.8
        assert not any("x1" in answer.clique for answer in model.answers if len(answer.clique) == 2)

    def test_the_number_of_offers_is_bounded(self):
        domain = domain_of(*[2] * 64)
        queryable = FakeQueryable(domain, ring(100, domain), loss_of("1"))
        answers = queryable.measure(domain.cliques(1), queryable.remaining.share(Fraction(1, 10)))
        questions = PairQuestions(OneWays.of(domain, answers), domain.cliques(2))
        selected = questions.selected(queryable, queryable.remaining.share(Fraction(3, 100)))
        assert 63 <= len(selected.asked) == len(selected.pairs) <= 65

    def test_a_budget_too_small_to_split_is_refused(self):
        with pytest.raises(UsageError, match="too small"):
            synthesizer("auto").plan(PAIRS, PrivacyLoss(rho=300), None, Unit())


class TestEffort:
    def test_more_effort_is_a_larger_model_and_a_higher_price(self):
        plans = [synthesizer("auto", effort=name).plan(PAIRS, loss_of("1"), None, Unit()) for name in EFFORTS]
        assert [plan.settings["effort"] for plan in plans] == ["fast", "default", "max"]
        seconds = [effort.seconds(600) for effort in (EFFORTS["fast"], Effort(500, 500, 4), EFFORTS["max"])]
        assert seconds[0] < seconds[1] < seconds[2]
        assert all("CPU seconds" in plan.explanation for plan in plans)
        assert plans[0].bytes < plans[2].bytes

    def test_the_price_of_many_codes_grows_with_the_codes(self):
        effort = Effort(components=500, steps=500, fits=4)
        assert [effort.components_for(codes) for codes in (10, 1024, 2048, 4096)] == [500, 500, 250, 125]
        assert effort.seconds(4096) < 4 * effort.seconds(1024)
        assert 5 * 4 * 500 < effort.seconds(600) * 1000 < 20 * 4 * 500

    def test_the_model_has_the_planned_size(self):
        plan = synthesizer("auto").plan(PAIRS, loss_of("1"), None, Unit())
        model, _ = fitted(PAIRS, "1")
        assert model.distribution.cells == plan.cells

    def test_fast_is_another_model_than_default(self, monkeypatch):
        monkeypatch.setitem(EFFORTS, "fast", Effort(components=20, steps=50, fits=1))
        assert fitted(PAIRS, "1", effort="fast")[0].distribution.cells < fitted(PAIRS, "1")[0].distribution.cells


@pytest.mark.parametrize(
    "settings",
    [
        {"effort": "huge"},
        {"effort": 3},
        {"one_way": 0},
        {"one_way": -0.1},
        {"again": math.nan},
        {"again": 0.9},
        {"select": "0.1"},
        {"select": True},
        {"one_way": math.inf},
    ],
)
def test_bad_settings_are_refused(settings):
    with pytest.raises(UsageError, match="auto"):
        synthesizer("auto", **settings)


def test_shares_outside_the_mixture_are_not_recorded_as_spent():
    assert "one_way" not in fitted(SMALL, "1", one_way=0.3)[0].settings
    assert PairMixture("fast", 0.1, 0.5, 0.03).name == "mixture"


def test_a_budget_for_single_columns_buys_single_columns_and_says_so():
    domain = domain_of(*[30] * 60)
    loss = loss_of("0.0001")
    plan = synthesizer("auto").plan(domain, loss, None, Unit())
    assert "buys one-way marginals only" in plan.explanation
    assert plan.settings["path"] == "independent"
    queryable = FakeQueryable(domain, np.zeros((50, 60), dtype=int), loss)
    assert synthesizer("auto").fit(queryable).settings["path"] == "independent"
    assert queryable.remaining.rho == 0
