"""A calibrated tree against its joint table."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from dpsynth.domain import Domain
from dpsynth.errors import DomainError, UsageError
from dpsynth.graph import CalibratedTree, junction_tree, propagate
from dpsynth.graph.factors import aligned, summed

NAMES = ("a", "b", "c", "d", "e")
DOMAIN = Domain(NAMES, (2, 3, 2, 4, 3))
SHAPES = [
    [("a", "b"), ("b", "c"), ("c", "d"), ("d", "e")],
    [("a", "b"), ("a", "c"), ("a", "d")],
    [("a", "b", "c"), ("c", "d", "b"), ("e", "d")],
    [("a", "b"), ("b", "c"), ("c", "d"), ("d", "a"), ("d", "e")],
    [("e",)],
]


@pytest.fixture(params=range(len(SHAPES)))
def model(request):
    """A tree and its joint counts, with some impossible cells."""
    rng = np.random.default_rng(request.param)
    tree = junction_tree(DOMAIN, SHAPES[request.param])
    joint = np.ones(DOMAIN.sizes)
    for clique in tree.cliques:
        factor = rng.gamma(0.5, size=DOMAIN.shape(clique)) * (rng.random(DOMAIN.shape(clique)) > 0.1)
        joint = joint * aligned(factor, clique, NAMES)
    joint *= 1000 / joint.sum()
    return CalibratedTree(tree, tuple(summed(joint, NAMES, clique) for clique in tree.cliques), 1000.0), joint


def test_every_marginal_in_every_axis_order(model):
    calibrated, joint = model
    cliques = [clique for size in range(6) for clique in itertools.permutations(NAMES, size)]
    for clique, found in zip(cliques, calibrated.marginals(cliques), strict=True):
        np.testing.assert_allclose(found, summed(joint, NAMES, clique), atol=1e-9, err_msg=str(clique))


def test_one_marginal_equals_the_batch(model):
    calibrated, _ = model
    pairs = DOMAIN.cliques(2)
    for pair, found in zip(pairs, calibrated.marginals(pairs), strict=True):
        np.testing.assert_allclose(calibrated.marginal(pair), found)


def test_conditioning_is_exact(model):
    calibrated, joint = model
    evidence = {"a": [0.25, 1.0], "d": [0.0, 1.0, 1.0, 0.0]}
    expected = joint
    for name, weights in evidence.items():
        expected = expected * aligned(np.array(weights), (name,), NAMES)
    found = calibrated.conditioned(evidence)
    assert found.total == pytest.approx(expected.sum())
    for clique in DOMAIN.cliques(3):
        np.testing.assert_allclose(found.marginal(clique), summed(expected, NAMES, clique), atol=1e-9)


def test_impossible_evidence_has_total_zero(model):
    calibrated, _ = model
    found = calibrated.conditioned({"b": [0.0, 0.0, 0.0]})
    assert found.total == 0.0
    assert all((belief == 0).all() for belief in found.beliefs)


@pytest.mark.parametrize("weights", [[1.0], [1.0, -1.0], [np.nan, 1.0], [np.inf, 1.0]])
def test_bad_evidence_is_refused(model, weights):
    with pytest.raises(UsageError):
        model[0].conditioned({"a": weights})


def test_unknown_attributes_are_refused(model):
    with pytest.raises(DomainError):
        model[0].marginal(("a", "z"))
    with pytest.raises(DomainError):
        model[0].conditioned({"z": [1.0]})


@pytest.mark.parametrize("scale", [1.0, 400.0, 5000.0])
@pytest.mark.parametrize("cliques", SHAPES)
def test_propagation_against_the_joint(cliques, scale):
    """Large scales underflow in the plain domain and take the logarithmic path."""
    rng = np.random.default_rng(3)
    tree = junction_tree(DOMAIN, cliques)
    potentials = [rng.normal(0, scale, DOMAIN.shape(clique)) for clique in tree.cliques]
    potentials[0].flat[0] = -np.inf
    logs = np.zeros(DOMAIN.sizes)
    for clique, potential in zip(tree.cliques, potentials, strict=True):
        logs = logs + aligned(potential, clique, NAMES)
    peak = logs.max()
    log_partition = peak + np.log(np.exp(logs - peak).sum())
    found = propagate(tree, potentials)
    assert found.log_partition == pytest.approx(log_partition, rel=1e-9)
    for clique, belief in zip(tree.cliques, found.beliefs, strict=True):
        np.testing.assert_allclose(belief, summed(np.exp(logs - log_partition), NAMES, clique), atol=1e-9)


def test_disjoint_tiny_messages_take_the_logarithmic_path():
    """Each message underflows exactly where the other does not: the product would vanish in plain numbers."""
    domain = Domain(("a", "b", "c"), (2, 2, 2))
    tree = junction_tree(domain, [("a", "b"), ("b", "c")])
    first, second = np.array([[0.0, -2000.0], [0.0, -2000.0]]), np.array([[-2000.0, -2000.0], [0.0, 0.0]])
    potentials = [{("a", "b"): first, ("b", "c"): second}[clique] for clique in tree.cliques]
    found = propagate(tree, potentials)
    assert found.log_partition == pytest.approx(-2000 + np.log(8))
    np.testing.assert_allclose(found.beliefs[0], 0.25)


def test_structural_zeros_without_a_possible_row_are_refused():
    domain = Domain(("a", "b", "c"), (2, 2, 2))
    tree = junction_tree(domain, [("a", "b"), ("b", "c")])
    first, second = np.array([[0.0, -np.inf], [0.0, -np.inf]]), np.array([[-np.inf, -np.inf], [0.0, 0.0]])
    with pytest.raises(DomainError):
        propagate(tree, [{("a", "b"): first, ("b", "c"): second}[clique] for clique in tree.cliques])
    with pytest.raises(DomainError):
        propagate(tree, [np.full((2, 2), -np.inf)] * 2)
