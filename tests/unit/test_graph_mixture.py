"""The goals of a mixture and the descent to them, against brute force and hard cases."""

from __future__ import annotations

import numpy as np
import pytest

from dpsynth.domain import Domain
from dpsynth.graph.mixture import Descent, PairGoals, fit_mixture
from dpsynth.graph.pooling import Target

DOMAIN = Domain(("a", "b", "c"), (3, 2, 4))


def joint_of(domain=DOMAIN, total=1_000.0, seed=0):
    """A correlated joint table: a mixture of three products."""
    rng = np.random.default_rng(seed)
    joint = np.zeros(domain.sizes)
    for _ in range(3):
        product = np.ones(())
        for size in domain.sizes:
            product = np.multiply.outer(product, rng.dirichlet(np.full(size, 0.5)))
        joint += product
    return total * joint / joint.sum()


def marginal(joint, domain, clique):
    drop = tuple(axis for axis in range(len(domain)) if axis not in domain.axes(clique))
    return joint.sum(axis=drop)


def builder_of(joint, domain=DOMAIN):
    one_ways = {name: marginal(joint, domain, (name,)) for name in domain}
    return PairGoals(domain, one_ways, float(joint.sum()))


def goals_of(joint, domain=DOMAIN, variance=1.0, pairs=None):
    builder = builder_of(joint, domain)
    for pair in domain.cliques(2) if pairs is None else pairs:
        builder.measured(Target(pair, (None, None), marginal(joint, domain, pair), variance))
    return builder.goals(dict.fromkeys(domain, 1.0))


def pair_of(fitted, domain, left, right):
    starts = dict(zip(domain, np.cumsum([0, *domain.sizes[:-1]]), strict=True))
    blocks = [fitted.probabilities[:, starts[name] : starts[name] + domain[name]] for name in (left, right)]
    return (blocks[0] * fitted.weights[:, None]).T @ blocks[1]


def test_a_measured_pair_becomes_its_posterior():
    joint = joint_of()
    builder = builder_of(joint)
    noisy = marginal(joint, DOMAIN, ("a", "b")) + np.array([[9.0, -4.0], [3.0, 0.0], [-8.0, 5.0]])
    variance = 25.0
    spread, gain = builder.measured(Target(("a", "b"), (None, None), noisy, variance))
    prior = np.outer(marginal(joint, DOMAIN, ("a",)), marginal(joint, DOMAIN, ("b",))) / joint.sum()
    assert spread == pytest.approx((((noisy - prior) ** 2).sum() - 6 * variance) / prior.sum())
    posterior = np.empty_like(prior)
    for cell in np.ndindex(prior.shape):
        weight = spread * prior[cell] / (spread * prior[cell] + variance)
        posterior[cell] = max(prior[cell] + weight * (noisy[cell] - prior[cell]), 1e-9 * prior[cell])
    goals = builder.goals(dict.fromkeys(DOMAIN, 1.0))
    np.testing.assert_allclose(goals.pairs[:3, 3:5], posterior / joint.sum(), rtol=1e-5)
    np.testing.assert_array_equal(goals.pairs, goals.pairs.T)
    np.testing.assert_array_equal(goals.precision, goals.precision.T)
    assert gain == pytest.approx(np.abs(posterior - prior).sum())
    assert (goals.precision > 0).sum() == 2 * 6
    assert goals.precision[goals.precision > 0].mean() == pytest.approx(1.0, rel=1e-5)


def test_pure_noise_is_held_at_independence():
    joint = joint_of()
    builder = builder_of(joint)
    prior = np.outer(marginal(joint, DOMAIN, ("a",)), marginal(joint, DOMAIN, ("b",))) / joint.sum()
    spread, gain = builder.measured(Target(("a", "b"), (None, None), prior, 100.0))
    assert (spread, gain) == (0.0, 0.0)


def test_gradients_are_those_of_the_objective():
    goals = goals_of(joint_of(seed=4), variance=50.0)
    descent = Descent(goals, components=4, start=0)
    logits, mixing = descent.gradients()
    for position, gradient in enumerate((logits, mixing)):
        flat = descent.logits[position].ravel()
        for index in np.linspace(0, flat.size - 1, 9).astype(int):
            kept, step = flat[index], np.float32(0.03)
            flat[index] = kept + step
            above = descent.objective()
            flat[index] = kept - step
            below = descent.objective()
            flat[index] = kept
            slope = (above - below) / (2 * float(step))
            assert slope == pytest.approx(float(gradient.ravel()[index]), rel=0.02, abs=3e-6)


def test_a_mixture_of_products_is_found_again():
    joint = joint_of()
    fitted = fit_mixture(goals_of(joint, variance=0.01), components=40, steps=500, fits=2)
    assert fitted.convergence.converged
    assert fitted.convergence.iterations == 1_000
    for left, right in DOMAIN.cliques(2):
        truth = marginal(joint, DOMAIN, (left, right)) / joint.sum()
        assert 0.5 * np.abs(pair_of(fitted, DOMAIN, left, right) - truth).sum() < 0.01


def test_the_result_is_a_mixture_of_products():
    fitted = fit_mixture(goals_of(joint_of()), components=7, steps=30, fits=3)
    assert fitted.weights.shape == (21,)
    assert fitted.weights.sum() == pytest.approx(1.0)
    assert fitted.probabilities.shape == (21, 9)
    assert fitted.probabilities.dtype == np.float64
    assert (fitted.probabilities >= 0).all()
    for start, stop in ((0, 3), (3, 5), (5, 9)):
        np.testing.assert_allclose(fitted.probabilities[:, start:stop].sum(axis=1), 1.0)


def test_the_same_goals_give_the_same_mixture():
    np.random.default_rng(99).standard_normal(5)
    first, second = (fit_mixture(goals_of(joint_of()), components=9, steps=40, fits=2) for _ in range(2))
    np.testing.assert_array_equal(first.probabilities, second.probabilities)
    assert len(np.unique(first.probabilities[:, 0])) == 18


def test_an_early_end_is_told():
    fitted = fit_mixture(goals_of(joint_of(), variance=0.01), components=40, steps=5, fits=1)
    assert not fitted.convergence.converged
    assert "before" in fitted.convergence.reason


def test_an_unmeasured_pair_is_held_at_what_is_expected():
    joint = joint_of(seed=2)
    builder = builder_of(joint)
    for pair in DOMAIN.cliques(2):
        builder.expected(pair, marginal(joint, DOMAIN, pair), 1.0)
    fitted = fit_mixture(builder.goals(dict.fromkeys(DOMAIN, 1.0)), components=40, steps=400, fits=1)
    truth = marginal(joint, DOMAIN, ("a", "c")) / joint.sum()
    assert 0.5 * np.abs(pair_of(fitted, DOMAIN, "a", "c") - truth).sum() < 0.03


def test_one_column_has_no_pairs():
    domain = Domain(("a",), (5,))
    joint = np.array([10.0, 0.0, 30.0, 40.0, 20.0])
    fitted = fit_mixture(goals_of(joint, domain), components=5, steps=200, fits=1)
    np.testing.assert_allclose(fitted.weights @ fitted.probabilities, joint / 100, atol=0.01)


def test_constant_and_perfectly_dependent_columns():
    domain = Domain(("a", "k", "b"), (6, 1, 6))
    joint = np.zeros(domain.sizes)
    joint[np.arange(6), 0, np.arange(6)] = [5.0, 10, 20, 40, 80, 160]
    fitted = fit_mixture(goals_of(joint, domain, variance=0.1), components=40, steps=400, fits=1)
    np.testing.assert_array_equal(fitted.probabilities[:, 6], 1.0)
    assert np.trace(pair_of(fitted, domain, "a", "b")) > 0.97


@pytest.mark.parametrize("variance", [1e-6, 1.0, 1e8, 1e16])
@pytest.mark.parametrize("total", [1.0, 1e3, 1e10])
def test_any_noise_ends_in_finite_numbers(variance, total):
    joint = joint_of(total=total)
    builder, rng = builder_of(joint), np.random.default_rng(1)
    for pair in DOMAIN.cliques(2):
        noisy = marginal(joint, DOMAIN, pair) + rng.normal(0, np.sqrt(variance), DOMAIN.shape(pair))
        builder.measured(Target(pair, (None, None), noisy, variance))
    fitted = fit_mixture(builder.goals(dict.fromkeys(DOMAIN, 1.0 / variance)), components=10, steps=60, fits=1)
    assert np.isfinite(fitted.probabilities).all()
    assert np.isfinite(fitted.convergence.objective)
    assert fitted.weights.sum() == pytest.approx(1.0)
