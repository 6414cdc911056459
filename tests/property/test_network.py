"""Whatever the network: marginals are those of the product, samples follow them, and a tree of it is it again."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dpsynth.models import BayesianNetwork
from model_examples import counts, joint_of_network, random_network, summed_to

SIZES = st.lists(st.integers(1, 4), min_size=1, max_size=6).map(tuple)


@given(sizes=SIZES, seed=st.integers(0, 10**6), parents=st.integers(0, 4), skew=st.sampled_from([0.03, 0.5, 5.0]))
def test_marginals_are_those_of_the_product(sizes, seed, parents, skew):
    network = random_network(sizes, seed, parents, concentration=skew)
    joint = joint_of_network(network)
    again = BayesianNetwork.of_tree(network.field.tree, network.domain.attributes[-1:])
    for ways in range(1, len(sizes) + 1):
        for clique in itertools.combinations(network.domain.attributes, ways):
            expected = summed_to(joint, network.domain, clique)
            np.testing.assert_allclose(network.marginal(clique), expected, atol=1e-7)
            np.testing.assert_allclose(again.marginal(clique), expected, atol=1e-7)


@given(sizes=SIZES, seed=st.integers(0, 10**6), parents=st.integers(0, 3), n=st.integers(0, 3000))
def test_samples_stay_next_to_every_family(sizes, seed, parents, n):
    network = random_network(sizes, seed, parents)
    codes = network.sample_codes(n, np.random.default_rng(seed))
    assert {len(column) for column in codes.values()} == {n}
    for table in network.tables:
        found = counts(codes, network.domain, table.family)
        assert np.abs(found - network.marginal(table.family) * n / network.total).max() < 3
