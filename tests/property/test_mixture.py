"""Whatever the mixture: answers are those of its joint, and samples keep rows, zeros and one-way counts."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from model_examples import counts, joint_of, random_mixture, summed_to

SIZES = st.lists(st.integers(1, 6), min_size=1, max_size=5).map(tuple)
SKEWS = st.sampled_from([0.03, 0.5, 5.0])


@given(sizes=SIZES, seed=st.integers(0, 10**6), components=st.integers(1, 12), skew=SKEWS, data=st.data())
def test_marginals_and_conditioning_are_those_of_the_joint(sizes, seed, components, skew, data):
    model = random_mixture(sizes, seed, components, concentration=skew)
    joint = joint_of(model)
    for name in data.draw(st.sets(st.sampled_from(model.domain.attributes))):
        weights = np.random.default_rng(seed).random(model.domain[name]) * data.draw(st.sampled_from([0.0, 1e-3, 1.0]))
        model = model.conditioned({name: weights})
        shape = [1] * len(sizes)
        shape[model.domain.axes((name,))[0]] = -1
        joint = joint * weights.reshape(shape)
    clique = tuple(data.draw(st.permutations(model.domain.attributes)))[: data.draw(st.integers(0, 4))]
    assert np.isclose(model.total, joint.sum())
    assert np.allclose(model.marginal(clique), summed_to(joint, model.domain, clique))


@given(sizes=SIZES, seed=st.integers(0, 10**6), n=st.integers(0, 3000), components=st.integers(1, 40), skew=SKEWS)
def test_samples_keep_rows_zeros_and_one_way_counts(sizes, seed, n, components, skew):
    model = random_mixture(sizes, seed, components, concentration=skew)
    codes = model.sample_codes(n, np.random.default_rng(seed))
    assert {len(column) for column in codes.values()} == {n}
    for name in model.domain:
        found, expected = counts(codes, model.domain, (name,)), model.marginal((name,)) * n / model.total
        # The promise (3 rows) is for every component; a column's total adds up to 40 of them.
        assert np.abs(found - expected).max() < 6
    joint = joint_of(model)
    assert not counts(codes, model.domain, model.domain.attributes)[joint == 0].any()


@given(sizes=SIZES, seed=st.integers(0, 10**6), n=st.integers(0, 500))
def test_independent_rows_keep_zeros(sizes, seed, n):
    model = random_mixture(sizes, seed, 8, concentration=0.02)
    codes = model.sample_codes(n, np.random.default_rng(seed), method="iid")
    assert {len(column) for column in codes.values()} == {n}
    assert not counts(codes, model.domain, model.domain.attributes)[joint_of(model) == 0].any()
