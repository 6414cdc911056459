"""What every synthesizer promises: it spends at most what it may, asks only within its domain, and always ends."""

from __future__ import annotations

import itertools
import json
import tracemalloc
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
from dpsynth.synthesizers import NAMES, synthesizer
from dpsynth.synthesizers.candidates import CandidatePairs
from dpsynth.synthesizers.compression import rare_buckets
from dpsynth.synthesizers.effort import EFFORTS, Effort
from fake_queryable import FakeQueryable

DELTA = Fraction(1, 10**9)
LOSS = budget_of(Fraction(1), DELTA)


def chain(rows, sizes, seed=0):
    """Rows in which every column mostly follows the one before it."""
    rng = np.random.default_rng(seed)
    columns = [rng.integers(0, sizes[0], rows)]
    for size in sizes[1:]:
        follow = columns[-1] % size
        columns.append(np.where(rng.random(rows) < 0.8, follow, rng.integers(0, size, rows)))
    return np.column_stack(columns)


TABLES = {
    "one column": ((5,), 500),
    "one constant column": ((1,), 500),
    "two columns": ((3, 4), 500),
    "constants among others": ((1, 4, 1, 3), 500),
    "wide values": ((2, 300, 3), 2_000),
    "a small joint table": ((2, 200, 3), 2_000),
    "no rows": ((3, 4, 2, 5), 0),
    "one row": ((3, 4, 2), 1),
    "150 columns": ((2,) * 150, 200),
    "pairs of many values": ((30, 1, 24, 36, 18), 2_000),
    "pairs and three rows": ((30, 24, 36, 18), 3),
    "pairs and no rows": ((30, 24, 36, 18), 0),
    "one value in 100,000": ((100_000, 2, 3), 50),
}


@pytest.fixture(params=NAMES)
def method(request, monkeypatch):
    """Each synthesizer with its own settings; the mixture of ``auto`` is smaller than any that is offered."""
    monkeypatch.setitem(EFFORTS, "default", Effort(components=50, steps=150, fits=2))
    return synthesizer(request.param)


@pytest.fixture(params=TABLES)
def table(request):
    sizes, rows = TABLES[request.param]
    domain = Domain(tuple(f"x{axis}" for axis in range(len(sizes))), sizes)
    return domain, chain(rows, sizes)


def test_a_fit_keeps_its_promises(method, table):
    domain, codes = table
    queryable = FakeQueryable(domain, codes, LOSS, seed=3)
    refusals = {"direct": "11,175 marginals", "privbayes": "at most 128 columns"}
    if method.name in refusals and len(domain) == 150:
        for refused in (lambda: method.plan(domain, LOSS, None, Unit()), lambda: method.fit(queryable)):
            with pytest.raises(ResourceLimitError, match=refusals[method.name]):
                refused()
        assert not queryable.asked
        return
    plan = method.plan(domain, LOSS, None, Unit())
    model = method.fit(queryable)
    assert isinstance(model, Model)
    assert model.domain == domain
    assert model.total >= 1
    assert model.method == plan.method == method.name
    assert json.loads(json.dumps(model.settings)) == dict(plan.settings)
    allowed = {frozenset(clique) for clique in plan.workload}
    assert all(frozenset(clique) in allowed for _, cliques, _ in queryable.asked for clique in cliques)
    assert queryable.remaining.rho <= 2 * len(queryable.asked)
    assert model.convergence.converged
    for attribute in domain:
        values = model.marginal((attribute,)).values
        assert (values >= 0).all()
        assert values.sum() == pytest.approx(model.total)


def test_many_values_that_share_buckets_need_little_memory():
    domain = Domain(("zip", "sex", "group"), (20_000, 2, 10))
    rng = np.random.default_rng(0)
    codes = np.column_stack([rng.integers(0, size, 300_000) for size in domain.sizes])
    for name in ("auto", "mst", "aim"):
        tracemalloc.start()
        model = synthesizer(name).fit(FakeQueryable(domain, codes, LOSS))
        model.distribution.sample_codes(100, np.random.default_rng(0))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 250e6, name


def test_every_answer_is_kept_with_its_receipt(method):
    domain = Domain(("a", "b", "c"), (3, 2, 4))
    queryable = FakeQueryable(domain, chain(500, domain.sizes), LOSS)
    model = method.fit(queryable)
    kinds = [NoisyMarginal if kind == "measure" else Selection for kind, cliques, _ in queryable.asked for _ in cliques]
    assert sum(isinstance(answer, NoisyMarginal) for answer in model.answers) == kinds.count(NoisyMarginal)
    selections = [kind for kind, _, _ in queryable.asked if kind == "select"]
    assert sum(isinstance(answer, Selection) for answer in model.answers) == len(selections)


def test_the_same_answers_give_the_same_model(method):
    domain = Domain(("a", "b", "c"), (3, 2, 4))
    codes = chain(500, domain.sizes)
    first, second = (method.fit(FakeQueryable(domain, codes, LOSS, seed=9)) for _ in range(2))
    for pair in domain.cliques(2):
        np.testing.assert_array_equal(first.marginal(pair).values, second.marginal(pair).values)


@pytest.mark.parametrize("epsilon", ["0.001", "0.1", "10", "1000"])
def test_any_budget_ends_in_a_model(method, epsilon):
    domain = Domain(("a", "b", "c", "d"), (3, 2, 4, 7))
    loss = budget_of(Fraction(epsilon), DELTA)
    model = method.fit(FakeQueryable(domain, chain(300, domain.sizes), loss))
    assert np.isfinite(model.marginal(("a", "d")).values).all()


def test_a_plan_prices_what_the_fit_asks(method):
    domain = Domain(("a", "b", "c", "d"), (3, 2, 4, 7))
    plan = method.plan(domain, LOSS, 10_000, Unit())
    assert sum(step.share for step in plan.steps) == 1
    assert sum(step.rho for step in plan.steps) <= LOSS.rho_exact
    assert plan.bytes >= 8 * plan.cells > 0
    assert "total variation" in plan.expected_error
    assert plan.warnings == ()
    queryable = FakeQueryable(domain, chain(10_000, domain.sizes), LOSS)
    answers = [answer for answer in method.fit(queryable).answers if isinstance(answer, NoisyMarginal)]
    assert len(answers) <= sum(step.questions for step in plan.steps)
    one_way = [answer.scale for answer in answers if len(answer.clique) == 1]
    assert max(one_way, default=0.0) <= plan.steps[0].scale


def test_persons_with_several_rows_cost_more_noise(method):
    domain = Domain(("a", "b"), (3, 2))
    row, person = (method.plan(domain, LOSS, None, unit).steps[0].scale for unit in (Unit(), Unit("id", 4)))
    assert person == pytest.approx(4 * row)


def test_too_many_values_for_the_rows_are_named(method):
    domain = Domain(("fine", "crowded"), (2, 1000))
    warnings = method.plan(domain, LOSS, 2_000, Unit()).warnings
    assert any("crowded" in warning and "fine" not in warning for warning in warnings)


def test_a_budget_too_small_to_split_is_refused_by_the_plan(method):
    domain = Domain(("a", "b", "c"), (3, 2, 4))
    with pytest.raises(UsageError, match="too small"):
        method.plan(domain, PrivacyLoss(rho=300), None, Unit())


def test_the_registry_explains_itself():
    with pytest.raises(UsageError, match="aim, auto, direct, independent, mst, privbayes"):
        synthesizer("magic")
    with pytest.raises(UsageError, match="one_way, select"):
        synthesizer("mst", splits=3)
    with pytest.raises(UsageError, match="Settings: none"):
        synthesizer("independent", select=0.1)


@pytest.mark.parametrize(
    "settings",
    [
        {"one_way": 0},
        {"select": 0.7},
        {"penalty": -1},
        {"compress": float("nan")},
        {"refine": "0.1"},
        {"penalty": True},
    ],
)
def test_bad_settings_are_refused(settings):
    with pytest.raises(UsageError):
        synthesizer("mst", **settings)


class TestMaximumSpanningTree:
    DOMAIN = Domain(("a", "b", "c", "d", "e"), (4, 4, 4, 4, 4))

    def fitted(self, loss=LOSS, **settings):
        queryable = FakeQueryable(self.DOMAIN, chain(20_000, self.DOMAIN.sizes), loss)
        return synthesizer("mst", **settings).fit(queryable), queryable

    def edges(self, model):
        return {
            answer.clique for answer in model.answers if isinstance(answer, NoisyMarginal) and len(answer.clique) == 2
        }

    def test_it_finds_the_chain(self):
        model, _ = self.fitted()
        assert self.edges(model) == {("a", "b"), ("b", "c"), ("c", "d"), ("d", "e")}

    def test_it_beats_independence(self):
        model, queryable = self.fitted()
        baseline = synthesizer("independent").fit(FakeQueryable(self.DOMAIN, chain(20_000, self.DOMAIN.sizes), LOSS))
        errors = []
        for candidate in (model, baseline):
            pairs = [(candidate.marginal(pair).values, queryable.counts(pair)) for pair in self.DOMAIN.cliques(2)]
            errors.append(np.mean([0.5 * np.abs(m / m.sum() - x / x.sum()).sum() for m, x in pairs]))
        assert errors[0] < 0.02 < 0.1 < errors[1]

    def test_each_selection_costs_its_share(self):
        _, queryable = self.fitted()
        selections = [loss for kind, _, loss in queryable.asked if kind == "select"]
        assert selections == [LOSS.share(Fraction(1, 40))] * 4

    def test_candidates_join_different_components(self):
        _, queryable = self.fitted()
        asked = [cliques for kind, cliques, _ in queryable.asked if kind == "select"]
        assert len(asked[0]) == 10
        assert all(len(later) < len(earlier) for earlier, later in itertools.pairwise(asked))

    def test_an_only_candidate_is_taken_without_paying(self):
        domain = Domain(("a", "b"), (3, 3))
        queryable = FakeQueryable(domain, chain(500, domain.sizes), LOSS)
        synthesizer("mst").fit(queryable)
        assert [kind for kind, _, _ in queryable.asked if kind == "select"] == []

    def test_noise_that_dominates_buys_a_second_look_at_the_one_ways(self):
        small = budget_of(Fraction(1, 100), DELTA)
        looks = [
            sum(kind == "measure" and len(cliques[0]) == 1 for kind, cliques, _ in self.fitted(loss)[1].asked)
            for loss in (small, budget_of(Fraction(10), DELTA))
        ]
        assert looks == [2, 1]

    def test_rare_values_are_merged_in_edges_only(self):
        domain = Domain(("a", "b", "c"), (50, 3, 2))
        codes = chain(5_000, (3, 3, 2))
        model = synthesizer("mst").fit(FakeQueryable(domain, codes, LOSS))
        merged = [answer for answer in model.answers if isinstance(answer, NoisyMarginal) and answer.coarsening]
        assert merged
        assert all(len(answer.clique) == 2 for answer in merged)
        assert model.marginal(("a", "b")).values.shape == (50, 3)
        plain = synthesizer("mst", compress=0).fit(FakeQueryable(domain, codes, LOSS))
        assert not any(isinstance(answer, NoisyMarginal) and answer.coarsening for answer in plain.answers)

    def test_pairs_that_are_too_large_are_dropped_and_said(self):
        domain = Domain(("a", "b", "c"), (3000, 3000, 2))
        plan = synthesizer("mst").plan(domain, LOSS, None, Unit())
        assert ("a", "b") not in plan.workload
        assert any("too many cells" in warning for warning in plan.warnings)

    def test_columns_too_large_for_any_pair_fall_back_to_one_ways(self):
        domain = Domain(("a", "b"), (2000, 2000))
        plan = synthesizer("mst").plan(domain, LOSS, None, Unit())
        assert [step.name for step in plan.steps] == ["one-way marginals"]
        queryable = FakeQueryable(domain, chain(100, domain.sizes), LOSS)
        synthesizer("mst").fit(queryable)
        assert len(queryable.asked) == 1
        assert queryable.remaining.rho == 0

    def test_constant_columns_cost_no_selection_and_no_edge(self):
        domain = Domain(("a", "k", "b", "c"), (3, 1, 3, 3))
        queryable = FakeQueryable(domain, chain(2_000, domain.sizes), LOSS)
        synthesizer("mst").fit(queryable)
        pairs = {clique for _, cliques, _ in queryable.asked for clique in cliques if len(clique) == 2}
        assert pairs == {("a", "b"), ("a", "c"), ("b", "c")}
        assert sum(kind == "select" for kind, _, _ in queryable.asked) == 2

    def test_many_columns_are_offered_one_at_a_time(self):
        domain = Domain(tuple(f"x{axis}" for axis in range(70)), (2,) * 70)
        pairs = CandidatePairs.of(domain)
        assert pairs.ordered
        assert pairs.edges == 69
        assert any("one column" in warning for warning in synthesizer("mst").plan(domain, LOSS, None, Unit()).warnings)


def test_rare_buckets_keep_frequent_values_apart():
    counts = {"a": np.array([100.0, 1, 50, 2, 0]), "b": np.array([100.0, 1]), "c": np.zeros(3)}
    found = rare_buckets(counts, {"a": 10.0, "b": 10.0, "c": 10.0}, 3.0)
    assert set(found) == {"a", "c"}
    assert found["a"].tolist() == [0, 2, 1, 2, 2]
    assert found["c"].tolist() == [0, 0, 0]
    assert found["a"].dtype == np.int64
