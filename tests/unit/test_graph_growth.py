"""The announced size of a model is what it becomes, or more."""

from __future__ import annotations

import math

import numpy as np
import pytest

from dpsynth.domain import Domain
from dpsynth.graph import junction_tree
from dpsynth.graph.growth import ModelSize

DOMAIN = Domain(tuple("abcdefgh"), (3, 4, 2, 5, 3, 2, 7, 4))


def test_what_a_node_holds_needs_no_growth():
    tree = junction_tree(DOMAIN, [("a", "b", "c")])
    size = ModelSize(DOMAIN, tree, [("a", "b", "c")])
    assert size.holds(("c", "a"))
    assert not size.holds(("a", "d"))


def test_separate_components_are_joined_by_the_clique_alone():
    tree = junction_tree(DOMAIN, [("a", "b"), ("c", "d")])
    size = ModelSize(DOMAIN, tree, [("a", "b"), ("c", "d")])
    assert size.cells(("b", "c"), math.inf) == tree.cells + 8
    assert size.grown(("b", "c")).containing(("b", "c")) is not None


def test_a_cycle_costs_its_triangulation():
    learned = [("a", "b"), ("b", "c"), ("c", "d")]
    tree = junction_tree(DOMAIN, learned)
    exact = junction_tree(DOMAIN, [*learned, ("a", "d")]).cells
    assert ModelSize(DOMAIN, tree, learned).cells(("a", "d"), 0) == exact


@pytest.mark.parametrize("seed", range(8))
def test_the_grown_tree_keeps_the_promise(seed):
    rng = np.random.default_rng(seed)
    learned = []
    tree = junction_tree(DOMAIN, learned)
    for _ in range(9):
        clique = DOMAIN.canonical(rng.choice(DOMAIN.attributes, rng.integers(2, 4), replace=False))
        size = ModelSize(DOMAIN, tree, learned)
        announced, exact = (size.cells(clique, limit) for limit in (math.inf, 0))
        assert exact <= announced
        if not size.holds(clique):
            tree = size.grown(clique)
            assert tree.cells <= exact
        learned.append(clique)
        assert all(tree.containing(one) is not None for one in learned)


def test_many_columns_are_bounded_without_triangulation():
    domain = Domain(tuple(f"x{axis}" for axis in range(100)), (2,) * 100)
    learned = [(f"x{axis}", f"x{axis + 1}") for axis in range(99)]
    size = ModelSize(domain, junction_tree(domain, learned), learned)
    assert size.cells(("x0", "x99"), 0) == 4 + 98 * 8
