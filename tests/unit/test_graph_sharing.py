"""Shared marginals equal those computed one by one."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from dpsynth.domain import Domain
from dpsynth.graph import CalibratedTree, junction_tree, propagate
from dpsynth.graph.sharing import SharedMarginals, marginals_within

DOMAIN = Domain(tuple("abcdefgh"), (3, 4, 2, 5, 3, 2, 1, 4))


def calibrated(cliques, seed=0):
    tree = junction_tree(DOMAIN, cliques)
    rng = np.random.default_rng(seed)
    beliefs = propagate(tree, [rng.normal(size=DOMAIN.shape(clique)) for clique in tree.cliques]).beliefs
    return CalibratedTree(tree, tuple(100 * belief for belief in beliefs), 100.0)


@pytest.mark.parametrize(
    "cliques",
    [
        [],
        [("a", "b"), ("b", "c"), ("c", "d"), ("d", "e")],
        [("a", "b"), ("b", "c", "d"), ("d", "e"), ("e", "f"), ("f", "b"), ("h", "a")],
        [("a", "b", "c", "d"), ("c", "d", "e", "f"), ("f", "h")],
    ],
)
def test_every_clique_up_to_three_and_some_of_four(cliques):
    tree = calibrated(cliques)
    asked = [clique for ways in (1, 2, 3) for clique in DOMAIN.cliques(ways)]
    asked += [("d", "a"), ("h", "e", "c"), ("a", "d", "f", "h")]
    for clique, shared, single in zip(
        asked, SharedMarginals(tree).marginals(asked), tree.marginals(asked), strict=True
    ):
        assert shared.shape == DOMAIN.shape(clique)
        np.testing.assert_allclose(shared, single, atol=1e-9)


def test_within_a_node_axes_stand_as_asked():
    values = np.random.default_rng(1).random((3, 4, 2, 5))
    names = ("a", "b", "c", "d")
    wanted = [(), *itertools.permutations(names, 2), ("d", "a", "b"), names, names[::-1]]
    found = marginals_within(values, names, wanted)
    for clique in wanted:
        letters = "".join(clique)
        np.testing.assert_allclose(found[clique], np.einsum(values, [0, 1, 2, 3], ["abcd".index(x) for x in letters]))


def test_zero_beliefs_stay_zero():
    tree = junction_tree(DOMAIN, [("a", "b"), ("b", "c")])
    logs = [np.zeros(DOMAIN.shape(clique)) for clique in tree.cliques]
    node = tree.containing(("a", "b"))
    logs[node][tuple(slice(None) if name != "b" else 0 for name in tree.cliques[node])] = -np.inf
    model = CalibratedTree(tree, propagate(tree, logs).beliefs, 1.0)
    pair = SharedMarginals(model).marginals([("a", "c")])[0]
    assert np.isfinite(pair).all()
    np.testing.assert_allclose(pair, model.marginal(("a", "c")))
