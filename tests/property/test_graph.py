"""Properties of triangulation and inference on random cliques."""

from __future__ import annotations

import itertools

import networkx as nx
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dpsynth.domain import Domain
from dpsynth.graph import CalibratedTree, junction_tree, propagate
from dpsynth.graph.factors import aligned, summed

NAMES = ("a", "b", "c", "d", "e", "f")


@st.composite
def structures(draw):
    names = NAMES[: draw(st.integers(1, 6))]
    sizes = draw(st.lists(st.integers(1, 3), min_size=len(names), max_size=len(names)))
    cliques = draw(
        st.lists(st.lists(st.sampled_from(names), min_size=1, max_size=3, unique=True).map(tuple), max_size=6)
    )
    return Domain(names, tuple(sizes)), cliques


@given(structures())
def test_junction_trees_have_the_running_intersection_property(structure):
    domain, cliques = structure
    tree = junction_tree(domain, cliques)
    assert all(tree.containing(clique) is not None for clique in cliques)
    graph = nx.Graph(tree.edges)
    graph.add_nodes_from(range(len(tree.cliques)))
    assert nx.is_tree(graph)
    for attribute in domain:
        holding = [node for node, clique in enumerate(tree.cliques) if attribute in clique]
        assert holding
        assert nx.is_connected(graph.subgraph(holding))
    for (left, right), separator in zip(tree.edges, tree.separators, strict=True):
        assert set(separator) == set(tree.cliques[left]) & set(tree.cliques[right])


@given(structures(), st.integers(0, 2**32), st.sampled_from([1.0, 30.0, 900.0]))
def test_propagation_and_marginals_equal_the_joint(structure, seed, scale):
    domain, cliques = structure
    tree = junction_tree(domain, cliques)
    rng = np.random.default_rng(seed)
    potentials = [rng.normal(0, scale, domain.shape(clique)) for clique in tree.cliques]
    logs = sum(
        (
            aligned(potential, clique, domain.attributes)
            for clique, potential in zip(tree.cliques, potentials, strict=True)
        ),
        np.zeros(domain.sizes),
    )
    joint = np.exp(logs - logs.max())
    joint /= joint.sum()
    model = CalibratedTree(tree, propagate(tree, potentials).beliefs, 1.0)
    wanted = [clique for size in (1, 2, 3) for clique in itertools.permutations(domain.attributes, size)]
    for clique, found in zip(wanted, model.marginals(wanted), strict=True):
        np.testing.assert_allclose(found, summed(joint, domain.attributes, clique), atol=1e-9)
