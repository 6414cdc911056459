"""Bayesian networks: marginals, conditioning and samples against brute force; what is no network is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dpsynth.domain import Domain
from dpsynth.errors import DomainError, ResourceLimitError, UsageError
from dpsynth.models import BayesianNetwork, ConditionalTable, Expansion, MarkovRandomField
from dpsynth.models import bayesian as module
from model_examples import counts, joint_of_network, random_field, random_network, summed_to


@pytest.mark.parametrize("seed", range(6))
def test_every_marginal_is_that_of_the_product(seed):
    network = random_network((3, 2, 4, 1, 3), seed)
    joint = joint_of_network(network)
    assert joint.sum() == pytest.approx(network.total)
    wanted = [network.domain.attributes[:k] for k in range(1, 6)] + [("e", "a"), ("d", "b", "e")]
    for clique, values in zip(wanted, network.marginals(wanted), strict=True):
        np.testing.assert_allclose(values, summed_to(joint, network.domain, clique), atol=1e-9)
        np.testing.assert_allclose(network.marginal(clique), values, atol=1e-9)


def test_parents_of_a_common_child_stay_independent():
    tables = (
        ConditionalTable("b", (), np.array([0.25, 0.75])),
        ConditionalTable("a", (), np.array([0.5, 0.5])),
        ConditionalTable("c", ("b", "a"), np.array([[[1.0, 0.0], [0.0, 1.0]], [[0.0, 1.0], [1.0, 0.0]]])),
    )
    network = BayesianNetwork(Domain(("a", "b", "c"), (2, 2, 2)), 80.0, tables)
    np.testing.assert_allclose(network.marginal(("a", "b")), [[10, 30], [10, 30]])
    np.testing.assert_allclose(network.marginal(("b", "c")), [[10, 10], [30, 30]])
    given = network.conditioned({"c": [1.0, 0.0]})
    np.testing.assert_allclose(given.marginal(("a", "b")), [[10, 0], [0, 30]], atol=1e-12)
    assert network.parents == {"b": (), "a": (), "c": ("b", "a")}
    assert network.cells == 2 + 2 + 8


@pytest.mark.parametrize("method", ["rounding", "iid"])
def test_samples_follow_the_families(method):
    network = random_network((3, 2, 4, 1, 3), 1)
    n = 4000
    codes = network.sample_codes(n, np.random.default_rng(0), method=method)
    for table in network.tables:
        expected = network.marginal(table.family) * n / network.total
        error = np.abs(counts(codes, network.domain, table.family) - expected)
        assert (error < (3 if method == "rounding" else 5 * np.sqrt(expected) + 5)).all()


def test_a_junction_tree_is_a_network():
    field = random_field((3, 4, 2, 5), 3)
    network = BayesianNetwork.of_tree(field.tree, ("c", "a"))
    assert network.tables[0].attribute in field.tree.tree.cliques[field.tree.tree.home["c"]]
    for clique in [*network.domain.cliques(2), *network.domain.cliques(3)]:
        np.testing.assert_allclose(network.marginal(clique), field.marginal(clique), atol=1e-9)
    assert sum(len(parents) for parents in network.parents.values()) == 3


def test_codes_that_never_occur_leave_conditional_probabilities():
    field = random_field((3, 4), 3)
    beliefs = tuple(belief * (np.arange(belief.shape[0]) > 0)[:, None] for belief in field.tree.beliefs)
    total = float(beliefs[0].sum())
    network = BayesianNetwork.of_tree(replace(field.tree, beliefs=beliefs, total=total), ("a",))
    np.testing.assert_allclose(network.marginal(("a", "b")), beliefs[0], atol=1e-9)
    assert all(np.allclose(table.probabilities.sum(axis=-1), 1.0) for table in network.tables)


def test_buckets_are_spread_over_their_codes():
    inner = random_network((3, 2, 4), 2)
    expansion = Expansion("a", np.array([0, 2, 2, 1]), np.array([1.0, 0.25, 0.75, 1.0]))
    network = replace(inner, expansions=(expansion,))
    assert network.domain.sizes == (4, 2, 4)
    coarse = inner.marginal(("a", "b"))
    np.testing.assert_allclose(network.marginal(("b", "a")), (coarse[[0, 2, 2, 1]] * expansion.weights[:, None]).T)
    assert (network.cells, network.bytes) == (inner.cells + 4, inner.bytes + 64)
    codes = network.sample_codes(500, np.random.default_rng(0), {"a": [0.0, 1.0, 0.0, 0.0]})
    assert set(codes["a"].tolist()) == {1}


def test_evidence_that_is_impossible_has_no_rows():
    network = random_network((3, 2), 0)
    assert isinstance(network.conditioned({"a": [1.0, 0.5, 0.0]}), MarkovRandomField)
    with pytest.raises(UsageError, match="no rows"):
        network.sample_codes(3, np.random.default_rng(0), {"a": np.zeros(3)})


HALF = np.array([0.5, 0.5])
PAIR = np.full((2, 2), 0.5)
A = ConditionalTable("a", (), HALF)
BAD = {
    "a table too few": ((A,), "one table per attribute"),
    "no tables": ((), "one table per attribute"),
    "a table twice": ((A, A), "stand once"),
    "a child before its parent": ((ConditionalTable("b", ("a",), PAIR), A), "after those of its parents"),
    "an unknown parent": ((A, ConditionalTable("b", ("z",), PAIR)), "after those of its parents"),
    "an unknown attribute": ((A, ConditionalTable("z", (), HALF)), "distinct ones"),
    "its own parent": ((A, ConditionalTable("b", ("b",), PAIR)), "distinct ones"),
    "a parent twice": ((A, ConditionalTable("b", ("a", "a"), np.full((2, 2, 2), 0.5))), "distinct ones"),
    "another shape": ((A, ConditionalTable("b", ("a",), HALF)), "shape"),
    "another sum": ((A, ConditionalTable("b", ("a",), PAIR * 1.001)), "sum to 1"),
    "a negative probability": ((A, ConditionalTable("b", (), np.array([1.5, -0.5]))), "sum to 1"),
    "NaN": ((A, ConditionalTable("b", (), np.array([np.nan, 1.0]))), "sum to 1"),
    "infinity": ((A, ConditionalTable("b", (), np.array([np.inf, -np.inf]))), "sum to 1"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_no_network_is_refused(case):
    tables, words = BAD[case]
    with pytest.raises(DomainError, match=words):
        BayesianNetwork(Domain(("a", "b"), (2, 2)), 10.0, tables)


def test_an_expansion_that_does_not_fit_is_refused():
    with pytest.raises(DomainError, match="expansion"):
        replace(random_network((3, 2), 0), expansions=(Expansion.even("a", [0, 1]),))


def test_too_large_networks_and_marginals_are_refused(monkeypatch):
    network = random_network((3, 2, 4), 0)
    monkeypatch.setattr(module, "MODEL_CELLS", 20)
    with pytest.raises(ResourceLimitError, match="24 cells"):
        network.marginal(("a", "b", "c"))
    child = ConditionalTable("c", ("a", "b"), np.full((3, 2, 4), 0.25))
    with pytest.raises(ResourceLimitError, match="junction tree of 24 cells"):
        replace(network, tables=(*network.tables[:2], child))
    monkeypatch.setattr(module, "COLUMNS", 2)
    with pytest.raises(ResourceLimitError, match="at most 2 columns"):
        replace(network)
