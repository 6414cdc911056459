"""Plans that are fixed in advance: their exact epsilon is told, against dp-accounting, and governs nothing."""

from __future__ import annotations

import pytest
from dp_accounting.pld import privacy_loss_distribution as pld

import dpsynth
from dpsynth.privacy.governor import Governor
from dpsynth.synthesizers.allocation import Noise, weight_of

TABLE = dpsynth.Schema.from_domain({"a": 3, "b": 40, "c": 7}, public="made up")


@pytest.mark.parametrize("governor", ["gdp", "zcdp"])
@pytest.mark.parametrize(("method", "columns"), [("independent", 1), ("direct", 2)])
def test_a_fixed_plan_tells_its_exact_epsilon(governor, method, columns):
    """dp-accounting composes the plan's discrete Gaussians numerically: ours is not below, and 1 % above at most."""
    priced = dpsynth.plan(TABLE, epsilon=1, method=method, governor=governor)
    assert {len(clique) for clique in priced.plan.workload} == {columns}
    weights = [weight_of(TABLE.domain.cells(clique)) for clique in priced.plan.workload]
    laws = [
        pld.from_discrete_gaussian_mechanism(sigma, value_discretization_interval=1e-5)
        for sigma in Noise(Governor(governor), 1).joint(priced.loss, weights)
    ]
    composed = laws[0].compose(laws[1]).compose(laws[2])
    exact = composed.get_epsilon_for_delta(1e-9)
    assert exact * (1 - 1e-4) <= float(priced.fixed_epsilon) <= exact * 1.01
    assert float(priced.fixed_epsilon) < 1


@pytest.mark.parametrize(
    ("method", "delta", "epsilon"),
    [("mst", "1e-9", 1), ("aim", "1e-9", 1), ("direct", 0, 1), ("independent", "1e-9", 900)],
)
def test_a_plan_that_adapts_or_is_not_gaussian_tells_none(method, delta, epsilon):
    governor = None if delta == 0 else "zcdp"
    priced = dpsynth.plan(TABLE, epsilon=epsilon, delta=delta, method=method, governor=governor)
    assert priced.plan.fixed_mu2 is None
    assert priced.fixed_epsilon is None
