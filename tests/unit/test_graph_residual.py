"""The residual basis and the full joint table against brute force on small domains."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
import pytest

from dpsynth.domain import Domain
from dpsynth.errors import DomainError
from dpsynth.graph.residual import Basis, Residuals, contrasts, fit_joint
from dpsynth.privacy.conversions import budget_of
from fake_queryable import FakeQueryable

DOMAIN = Domain(("a", "b", "c"), (3, 2, 4))


def answered(domain, codes, epsilon, ways=2, seed=0):
    queryable = FakeQueryable(domain, codes, budget_of(Fraction(epsilon), Fraction(1, 10**9)), seed)
    return queryable, queryable.measure(domain.cliques(ways), queryable.remaining)


def rows(count, seed=0, domain=DOMAIN):
    rng = np.random.default_rng(seed)
    first = rng.integers(0, domain.sizes[0], count)
    columns = [np.where(rng.random(count) < 0.7, first % size, rng.integers(0, size, count)) for size in domain.sizes]
    return np.column_stack(columns)


@pytest.mark.parametrize("size", [1, 2, 5, 17])
def test_contrasts_are_orthonormal_and_start_with_the_constant(size):
    matrix = contrasts(size)
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(size), atol=1e-12)
    np.testing.assert_allclose(matrix[0], size**-0.5)


def test_the_basis_has_an_inverse_and_its_blocks_partition_the_cells():
    basis = Basis(DOMAIN.sizes)
    joint = np.random.default_rng(0).random(DOMAIN.sizes)
    np.testing.assert_allclose(basis.table(basis.coefficients(joint)), joint)
    seen = np.zeros(DOMAIN.sizes, dtype=int)
    for count in range(4):
        for axes in itertools.combinations(range(3), count):
            seen[basis.block(axes)] += 1
    assert (seen == 1).all()


def test_merging_is_generalized_least_squares():
    """The unconstrained joint table of least squares, from an explicit design matrix."""
    queryable, pairs = answered(DOMAIN, rows(400), "1")
    answers = [*pairs[:2], *FakeQueryable(DOMAIN, rows(400), queryable._loss, 5).measure([("c", "b")], queryable._loss)]
    cells = np.array(list(np.ndindex(*DOMAIN.sizes)))
    design, observed = [], []
    for answer in answers:
        axes = DOMAIN.axes(answer.clique)
        for cell in np.ndindex(*answer.values.shape):
            design.append((cells[:, axes] == cell).all(axis=1) / answer.scale)
            observed.append(answer.values[cell] / answer.scale)
    expected = np.linalg.lstsq(np.array(design), np.array(observed), rcond=None)[0].reshape(DOMAIN.sizes)
    residuals = Residuals.of(DOMAIN, answers)
    coefficients = np.zeros(DOMAIN.sizes)
    for axes, part in residuals.values.items():
        coefficients[residuals.basis.block(axes)] = part
    found = residuals.basis.table(coefficients)
    for clique in [("a", "b"), ("a", "c"), ("b", "c")]:
        drop = tuple(axis for axis in range(3) if axis not in DOMAIN.axes(clique))
        np.testing.assert_allclose(found.sum(axis=drop), expected.sum(axis=drop), atol=1e-6)


def test_variances_of_coefficients_match_repeated_draws():
    codes = rows(300)
    draws = [Residuals.of(DOMAIN, answered(DOMAIN, codes, "1", seed=seed)[1]) for seed in range(400)]
    for axes, variance in draws[0].variances.items():
        spread = np.var(np.array([draw.values[axes] for draw in draws]), axis=0)
        assert spread.mean() == pytest.approx(variance, rel=0.25), axes


def test_precise_answers_are_met():
    codes = rows(5_000)
    queryable, answers = answered(DOMAIN, codes, "1000", ways=3)
    tree, convergence = fit_joint(DOMAIN, answers)
    assert convergence.converged
    assert convergence.iterations > 0
    np.testing.assert_allclose(tree.marginal(("a", "b", "c")), queryable.counts(("a", "b", "c")), atol=3.0)


def test_the_axis_order_of_an_answer_does_not_matter():
    codes = rows(5_000)
    queryable, _ = answered(DOMAIN, codes, "100")
    other = FakeQueryable(DOMAIN, codes, queryable._loss)
    tree, _ = fit_joint(DOMAIN, other.measure([("c", "a"), ("b", "a"), ("c", "b")], other.remaining))
    np.testing.assert_allclose(tree.marginal(("a", "c")), queryable.counts(("a", "c")), atol=30.0)


def test_pure_noise_leaves_independent_columns():
    rng = np.random.default_rng(1)
    codes = np.column_stack([rng.integers(0, size, 2_000) for size in DOMAIN.sizes])
    found = [fit_joint(DOMAIN, answered(DOMAIN, codes, "0.05", seed=seed)[1])[0] for seed in range(6)]
    distances = []
    for tree in found:
        a, b = tree.marginal(("a",)), tree.marginal(("b",))
        distances.append(0.5 * np.abs(tree.marginal(("a", "b")) - np.outer(a, b) / tree.total).sum() / tree.total)
    assert np.median(distances) < 0.01


@pytest.mark.parametrize("epsilon", ["0.001", "1", "1000"])
@pytest.mark.parametrize("count", [0, 1, 3, 2_000])
def test_any_noise_ends_in_a_distribution(epsilon, count):
    tree, convergence = fit_joint(DOMAIN, answered(DOMAIN, rows(2_000)[:count], epsilon)[1])
    assert np.isfinite(convergence.objective)
    assert tree.total >= 1
    joint = tree.marginal(("a", "b", "c"))
    assert (joint >= 0).all()
    assert joint.sum() == pytest.approx(tree.total)


def test_a_total_that_noise_made_negative_is_one():
    queryable, answers = answered(DOMAIN, rows(0), "0.001", seed=2)
    seeds = range(20)
    totals = [fit_joint(DOMAIN, answered(DOMAIN, rows(0), "0.001", seed=seed)[1])[0].total for seed in seeds]
    assert min(totals) == 1.0
    assert queryable.remaining.rho == 0
    assert len(answers) == 3


def test_constant_columns_and_one_column():
    domain = Domain(("k", "a", "one"), (1, 3, 1))
    tree, _ = fit_joint(domain, answered(domain, rows(900, domain=domain), "10")[1])
    assert tree.marginal(("k", "one")).shape == (1, 1)
    single = Domain(("a",), (4,))
    queryable, answers = answered(single, rows(900, domain=single), "100", ways=1)
    tree, convergence = fit_joint(single, answers)
    assert convergence.iterations == 0
    np.testing.assert_allclose(tree.marginal(("a",)), queryable.counts(("a",)), atol=3.0)


def test_perfectly_dependent_columns_are_found():
    domain = Domain(("a", "b", "c"), (4, 4, 2))
    first = np.random.default_rng(0).integers(0, 4, 3_000)
    tree, _ = fit_joint(domain, answered(domain, np.column_stack([first, first, first % 2]), "10")[1])
    pair = tree.marginal(("a", "b"))
    assert np.trace(pair) / pair.sum() > 0.97


def test_without_answers_everything_is_even():
    tree, convergence = fit_joint(DOMAIN, [])
    np.testing.assert_allclose(tree.marginal(("a",)), np.full(3, 1 / 3))
    assert convergence.converged


def test_too_few_steps_are_told():
    _, convergence = fit_joint(DOMAIN, answered(DOMAIN, rows(5_000), "100")[1], iterations=2)
    assert not convergence.converged
    assert "limit" in convergence.reason


def test_answers_that_do_not_fit_are_refused():
    queryable, answers = answered(DOMAIN, rows(100), "10")
    with pytest.raises(DomainError):
        fit_joint(Domain(("a", "b", "c"), (3, 2, 5)), answers)
    queryable = FakeQueryable(DOMAIN, rows(100), queryable._loss)
    coarse = queryable.coarsened({"c": np.array([0, 0, 1, 1])})
    with pytest.raises(DomainError):
        fit_joint(DOMAIN, coarse.measure([("a", "c")], coarse.remaining))
