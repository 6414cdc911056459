"""Whatever the model: samples follow its cliques within three counts, keep zeros, and agree on separators."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dpsynth.models import Model
from dpsynth.models.dealing import rounded_tables
from dpsynth.models.rounding import split_groups
from model_examples import counts, random_field

SIZES = st.lists(st.integers(1, 25), min_size=1, max_size=7).map(tuple)


@given(sizes=SIZES, seed=st.integers(0, 10**6), n=st.integers(0, 5000), skew=st.sampled_from([0.03, 0.5, 5.0]))
def test_every_clique_is_within_three_counts(sizes, seed, n, skew):
    field = random_field(sizes, seed, concentration=skew)
    codes = field.sample_codes(n, np.random.default_rng(seed))
    assert {len(column) for column in codes.values()} == {n}
    for clique, belief in zip(field.tree.tree.cliques, field.tree.beliefs, strict=True):
        found, expected = counts(codes, field.domain, clique), belief * n / field.total
        assert np.abs(found - expected).max() < 3
        assert not found[belief == 0].any()


@given(sizes=SIZES, seed=st.integers(0, 10**6), n=st.integers(1, 3000))
def test_tables_agree_on_what_they_share(sizes, seed, n):
    field = random_field(sizes, seed)
    tables = rounded_tables(field._plan(), n, np.random.default_rng(seed))
    for table in tables:
        assert table.counts.sum() == n
        assert (table.counts > 0).all()
        for other in tables:
            shared = tuple(sorted(set(table.draw.variables) & set(other.draw.variables)))
            for mine, theirs in zip(table.counted(shared), other.counted(shared), strict=True):
                assert mine.tolist() == theirs.tolist()


@given(
    seed=st.integers(0, 10**6),
    groups=st.integers(1, 30),
    codes=st.integers(1, 30),
    most=st.sampled_from([1, 5, 10**9]),
)
def test_rounding_keeps_rows_and_is_next_to_the_expectation(seed, groups, codes, most):
    rng = np.random.default_rng(seed)
    sizes = rng.integers(0, most + 1, size=groups)
    shares = rng.dirichlet(np.full(codes, 0.3), size=groups)
    found = split_groups(sizes, shares, [], [], rng)
    assert (found.sum(axis=1) == sizes).all()
    assert (found >= 0).all()
    assert np.abs(found - shares * sizes[:, None]).max() < 1.01


@given(sizes=SIZES, seed=st.integers(0, 10**6), data=st.data())
def test_every_row_meets_the_condition(sizes, seed, data):
    model = Model(random_field(sizes, seed, concentration=5.0))
    column = data.draw(st.sampled_from(model.domain.attributes))
    wanted = data.draw(st.sets(st.integers(0, model.domain[column] - 1), min_size=1))
    method = data.draw(st.sampled_from(["rounding", "iid"]))
    table = model.sample(40, where={column: sorted(wanted)}, seed=seed, method=method)
    assert len(table) == 40
    assert set(table[column]) <= wanted
