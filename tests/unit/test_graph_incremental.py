"""A field that learns one marginal after the other."""

from __future__ import annotations

import numpy as np
import pytest

from dpsynth.domain import Domain
from dpsynth.graph.factors import summed
from dpsynth.graph.incremental import IncrementalField, ridge_step
from dpsynth.graph.pooled_counts import PooledCounts

DOMAIN = Domain(tuple("abcde"), (3, 4, 2, 5, 3))
ROWS = 5_000


@pytest.fixture(scope="module")
def joint():
    rng = np.random.default_rng(0)
    logs = sum(
        1.5 * rng.normal(size=DOMAIN.shape(pair)).reshape([DOMAIN[n] if n in pair else 1 for n in DOMAIN])
        for pair in (("a", "b"), ("b", "c"), ("c", "d"), ("a", "d"), ("d", "e"))
    )
    cells = np.exp(logs)
    return ROWS * cells / cells.sum()


def exact(joint, clique):
    return summed(joint, DOMAIN.attributes, clique)


def field(joint, *, shrink=True, noise=0.0):
    rng = np.random.default_rng(1)
    counts = PooledCounts(DOMAIN)
    for name in DOMAIN:
        values = exact(joint, (name,)) + noise * rng.normal(size=DOMAIN[name])
        counts.add_fine(name, values, max(noise, 1e-3) ** 2, None)
    return IncrementalField(DOMAIN, counts, shrink=shrink)


def distance(left, right):
    return float(np.abs(left - right).sum()) / 2 / ROWS


def test_it_starts_independent(joint):
    start = field(joint)
    expected = np.multiply.outer(exact(joint, ("a",)), exact(joint, ("c",))) / ROWS
    np.testing.assert_allclose(start.calibrated.marginal(("a", "c")), expected, rtol=1e-9)
    assert start.fit(3).converged


def test_exact_answers_are_met_and_joined(joint):
    model = field(joint)
    for pair in (("a", "b"), ("b", "c"), ("c", "d"), ("a", "d"), ("d", "e")):
        model.learn(pair, exact(joint, pair), 1e-4)
    convergence = model.fit(300, 1e-7)
    assert convergence.converged
    assert 1 < convergence.iterations <= 300
    for triple in DOMAIN.cliques(3):
        assert distance(model.calibrated.marginal(triple), exact(joint, triple)) < 1e-3


def test_beliefs_stay_calibrated(joint):
    model = field(joint, noise=5.0)
    rng = np.random.default_rng(3)
    for pair in (("a", "b"), ("d", "e"), ("b", "d"), ("a", "b"), ("a", "c")):
        model.learn(pair, exact(joint, pair) + rng.normal(0, 10, DOMAIN.shape(pair)), 100.0)
        model.fit(2, start=pair)
        tree = model.calibrated
        for (left, right), separator in zip(tree.tree.edges, tree.tree.separators, strict=True):
            marginals = [summed(tree.beliefs[node], tree.tree.cliques[node], separator) for node in (left, right)]
            np.testing.assert_allclose(*marginals, rtol=1e-6)
        assert all(belief.sum() == pytest.approx(tree.total) for belief in tree.beliefs)
        assert all((belief >= 0).all() for belief in tree.beliefs)


def test_growing_the_tree_keeps_what_was_learned(joint):
    model = field(joint)
    model.learn(("a", "b"), exact(joint, ("a", "b")), 1.0)
    model.fit(50, 1e-9)
    before = model.calibrated.marginal(("a", "b"))
    model.learn(("b", "c"), exact(joint, ("b", "c")), 1.0)
    np.testing.assert_allclose(model.calibrated.marginal(("a", "b")), before, rtol=1e-6)


def test_repeated_answers_are_pooled(joint):
    model = field(joint)
    pair = exact(joint, ("a", "b"))
    model.learn(("a", "b"), pair + 30, 300.0)
    model.learn(("a", "b"), pair, 100.0)
    (known,) = model.learned.values()
    assert known.variance == pytest.approx(75.0)
    np.testing.assert_allclose(known.values, pair + 7.5)


def test_noise_alone_teaches_little(joint):
    independent = field(joint).calibrated.marginal(("a", "e"))
    moved = []
    for shrink in (True, False):
        model = field(joint, shrink=shrink)
        noise = np.random.default_rng(5).normal(0, 200, independent.shape)
        model.learn(("a", "e"), independent + noise, 200.0**2)
        model.fit(100, 1e-6)
        moved.append(distance(model.calibrated.marginal(("a", "e")), independent))
    assert moved[0] < 0.02 < 0.05 < moved[1]


def test_one_ways_are_met_whatever_the_pairs_say(joint):
    model = field(joint)
    model.learn(("a", "b"), np.zeros((3, 4)), 1e6)
    model.fit(50)
    np.testing.assert_allclose(model.calibrated.marginal(("a",)), exact(joint, ("a",)), rtol=1e-3)


@pytest.mark.parametrize("ridge", [1e-6, 1.0, 1e9])
@pytest.mark.parametrize("target", [-500.0, 0.0, 3.0, 1e5])
def test_a_step_solves_its_equation(ridge, target):
    model = np.array([1e-8, 1.0, 4e4])
    theta = np.array([0.5, 0.0, -2.0])
    step = ridge_step(model, theta, np.full(3, target), ridge)
    residual = model * np.exp(step) - target + ridge * (theta + step)
    bound = 1e-6 * (abs(target) + ridge + model)
    inside = np.abs(step) < 100
    assert inside.any() or target < 0
    assert (np.abs(residual) <= bound)[inside].all()


def test_cells_without_a_model_do_not_move():
    assert ridge_step(np.zeros(2), np.zeros(2), np.ones(2), 1.0).tolist() == [0.0, 0.0]


def test_pooled_counts_merge_buckets_and_projections():
    counts = PooledCounts(Domain(("a", "b"), (2, 2)))
    counts.add_fine("a", np.array([10.0, 20.0, 30.0]), 1.0, np.array([0, 1, 1]))
    counts.add_fine("b", np.array([30.0, 30.0]), 1.0, None)
    assert counts.total == pytest.approx(60.0)
    np.testing.assert_allclose(counts.one_ways()["a"], [10, 50])
    counts.add(("a", "b"), np.array([[5.0, 5.0], [25.0, 25.0]]), 1e-6)
    np.testing.assert_allclose(counts.one_ways()["b"], [30, 30], rtol=1e-6)


def test_a_negative_total_becomes_one_row():
    counts = PooledCounts(Domain(("a",), (2,)))
    counts.add_fine("a", np.array([-10.0, -20.0]), 1.0, None)
    assert counts.total == 1.0
    assert counts.one_ways()["a"].sum() == pytest.approx(1.0)
