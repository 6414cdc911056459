"""Direct: it measures what it was told to, once, and nothing else."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from dpsynth.domain import Domain
from dpsynth.errors import ResourceLimitError, UsageError
from dpsynth.models import MixtureOfProducts
from dpsynth.privacy.conversions import budget_of
from dpsynth.privacy.unit import Unit
from dpsynth.synthesizers import synthesizer
from dpsynth.synthesizers.effort import EFFORTS, Effort
from fake_queryable import FakeQueryable

LOSS = budget_of(Fraction(1), Fraction(1, 10**9))
DOMAIN = Domain(("a", "b", "c", "d"), (20, 25, 30, 20))


def fitted(**settings):
    rng = np.random.default_rng(3)
    hidden = rng.integers(0, 12, 20_000)
    codes = np.column_stack([(hidden + rng.integers(0, 3, 20_000)) % size for size in DOMAIN.sizes])
    queryable = FakeQueryable(DOMAIN, codes, LOSS, seed=2)
    method = synthesizer("direct", **settings)
    plan = method.plan(DOMAIN, LOSS, 20_000, Unit())
    return method.fit(queryable), queryable, plan


def test_the_named_marginals_and_columns_that_none_holds():
    model, queryable, plan = fitted(workload=[["c", "a"], ["a", "b"]])
    assert [(kind, cliques) for kind, cliques, _ in queryable.asked] == [("measure", plan.workload)]
    assert set(plan.workload) == {("a", "c"), ("a", "b"), ("d",)}
    assert queryable.remaining.rho == 0
    assert "closed form" in plan.explanation
    assert model.marginal(("a", "c")).values.sum() == pytest.approx(model.total)


def test_scales_follow_weights_and_cells():
    entries = [{"columns": ["a", "b"], "weight": 8}, {"columns": ["a", "d"], "weight": "1"}, ["d", "a"]]
    model, _, plan = fitted(workload=entries)
    scales = {answer.clique: answer.scale for answer in model.answers}
    # 8 · 500 cells against 2 · 400 cells: a mention twice counts twice.
    assert scales["a", "d"] / scales["a", "b"] == pytest.approx((4000 / 800) ** (1 / 3), rel=0.01)
    assert plan.steps[0].scale == pytest.approx(max(scales.values()))


def test_weights_far_apart_reach_the_largest_weight():
    entries = [{"columns": ["a", "b"], "weight": 1e-300}, {"columns": ["c", "d"], "weight": 1e300}]
    model, queryable, _ = fitted(workload=entries)
    assert queryable.remaining.rho == 0
    assert model.answers[0].scale > 1000 * model.answers[1].scale


def test_a_target_is_measured_with_every_two_others():
    _, queryable, _ = fitted(workload="target:d", max_model_size=10**8)
    assert set(queryable.asked[0][1]) == {("a", "b", "d"), ("a", "c", "d"), ("b", "c", "d")}


def test_pairs_beyond_the_limit_are_met_by_a_mixture(monkeypatch):
    monkeypatch.setitem(EFFORTS, "fast", Effort(components=60, steps=200, fits=1))
    model, _, plan = fitted(effort="fast", max_model_size=100_000)
    assert isinstance(model.distribution, MixtureOfProducts)
    assert "mixture" in plan.explanation
    assert plan.cells == model.distribution.cells


@pytest.mark.parametrize("workload", ["all-3way", [["a", "b", "c", "d"]]])
def test_larger_sets_beyond_the_limit_are_refused_with_one_that_would_do(workload):
    cells = 20 * 25 * 30 * 20
    method = synthesizer("direct", workload=workload, max_model_size=1_000_000)
    queryable = FakeQueryable(DOMAIN, np.zeros((1, 4), dtype=int), LOSS)
    for refused in (lambda: method.plan(DOMAIN, LOSS, None, Unit()), lambda: method.fit(queryable)):
        with pytest.raises(ResourceLimitError, match=str(8 * cells)):
            refused()
    assert not queryable.asked
    plan = synthesizer("direct", workload=workload, max_model_size=8 * cells).plan(DOMAIN, LOSS, None, Unit())
    assert plan.cells == cells


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"workload": [["a", "z"]]}, "not modeled: 'z'"),
        ({"workload": [[]]}, "empty set"),
        ({"workload": []}, "at least one set"),
        ({"workload": 3}, "a word or a list"),
        ({"workload": "all-pairs"}, "unknown workload"),
        ({"effort": "huge"}, "effort"),
        ({"max_model_size": 0}, "model size"),
        ({"max_model_size": 1.5}, "model size"),
        *(({"workload": [{"columns": ["a"], "weight": weight}]}, "weight") for weight in (0, -1, float("nan"), True)),
    ],
)
def test_bad_settings_are_refused(settings, message):
    with pytest.raises(UsageError, match=message):
        synthesizer("direct", **settings).plan(DOMAIN, LOSS, None, Unit())


def test_too_many_marginals_are_refused():
    domain = Domain(tuple(f"x{axis}" for axis in range(60)), (2,) * 60)
    with pytest.raises(ResourceLimitError, match="34,220 marginals"):
        synthesizer("direct", workload="all-3way").plan(domain, LOSS, None, Unit())
