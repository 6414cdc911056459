"""Distances of marginals, against a brute-force oracle that counts with pandas."""

import itertools
import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dpsynth.domain import Domain
from dpsynth.errors import DomainError, UsageError
from dpsynth.metrics import (
    CodedTable,
    choose,
    column_distances,
    smallest_dtype,
    total_variation,
    way_distances,
)
from dpsynth.metrics import coded as coded_module
from dpsynth.metrics.choice import groups
from dpsynth.metrics.coded import occupied_counts

DOMAIN = Domain(("age", "sex", "city", "flag"), (7, 2, 5, 1))


def table(rows, seed, domain=DOMAIN):
    generator = np.random.default_rng(seed)
    columns = {
        name: np.minimum(generator.geometric(0.4, rows) - 1, size - 1).astype(smallest_dtype(size))
        for name, size in zip(domain.attributes, domain.sizes, strict=True)
    }
    return CodedTable(domain, columns)


def frame(coded):
    return pd.DataFrame({name: coded.columns[name] for name in coded.domain})


def brute_force(real, synthetic, clique):
    """½ L1 of the relative frequencies of every combination that occurs, counted by pandas."""
    left = frame(real).value_counts(list(clique), normalize=True)
    right = frame(synthetic).value_counts(list(clique), normalize=True)
    return 0.5 * left.sub(right, fill_value=0.0).abs().sum()


@dataclass
class FixedMarginals:
    """A model: one joint array of expected counts over the whole domain."""

    domain: Domain
    joint: np.ndarray

    def marginals(self, cliques):
        found = []
        for clique in cliques:
            kept = self.domain.axes(clique)
            others = tuple(axis for axis in range(len(self.domain)) if axis not in kept)
            found.append(self.joint.sum(axis=others))
        return found


@pytest.mark.parametrize("ways", [1, 2, 3, 4])
@pytest.mark.parametrize("cell_limit", [1 << 22, 12, 1])
def test_mean_and_worst_agree_with_brute_force(ways, cell_limit):
    real, synthetic = table(400, 1), table(150, 2)
    oracle = {clique: brute_force(real, synthetic, clique) for clique in DOMAIN.cliques(ways)}
    found = way_distances(real, synthetic, ways, max_cliques=100, cell_limit=cell_limit)
    assert found.compared == found.possible == math.comb(4, ways)
    assert found.mean == pytest.approx(np.mean(list(oracle.values())), abs=1e-12)
    assert found.worst == pytest.approx(max(oracle.values()), abs=1e-12)
    assert oracle[found.worst_clique] == pytest.approx(found.worst, abs=1e-12)
    assert (found.seed, found.too_large, found.mean_error) == (None, 0, 0.0)


def test_marginals_agree_with_crosstab_across_blocks(monkeypatch):
    monkeypatch.setattr(coded_module, "BLOCK_ROWS", 64)
    coded = table(1000, 3)
    cliques = [("age", "city"), ("age", "sex"), ("city", "age"), ("sex",), ()]
    counts = coded.marginals(cliques)
    rows = frame(coded)
    for (first, second), cells in zip(cliques[:3], counts[:3], strict=True):
        expected = pd.crosstab(rows[first], rows[second]).reindex(
            index=range(DOMAIN[first]), columns=range(DOMAIN[second]), fill_value=0
        )
        np.testing.assert_array_equal(cells, expected.to_numpy())
    np.testing.assert_array_equal(counts[3], rows["sex"].value_counts().reindex(range(2), fill_value=0))
    assert counts[4].shape == ()
    assert counts[4] == 1000


def test_a_model_is_compared_by_its_exact_marginals():
    real = table(300, 4)
    joint = np.random.default_rng(5).random(DOMAIN.sizes)
    model = FixedMarginals(DOMAIN, joint)
    found = way_distances(real, model, 2, max_cliques=100)
    counts = real.marginals([DOMAIN.attributes])[0] / 300
    expected = []
    for kept in itertools.combinations(range(4), 2):
        others = tuple(axis for axis in range(4) if axis not in kept)
        expected.append(0.5 * np.abs(counts.sum(axis=others) - (joint / joint.sum()).sum(axis=others)).sum())
    assert found.mean == pytest.approx(np.mean(expected), abs=1e-12)
    assert found.worst == pytest.approx(max(expected), abs=1e-12)


def test_marginals_of_a_model_beyond_the_cell_limit_are_left_out_and_counted():
    real = table(50, 6)
    model = FixedMarginals(DOMAIN, np.ones(DOMAIN.sizes))
    found = way_distances(real, model, 2, max_cliques=100, cell_limit=13)
    assert (found.compared, found.too_large, found.possible) == (4, 2, 6)
    assert found.mean_error is None
    assert way_distances(real, model, 3, max_cliques=100, cell_limit=1) is None


def test_too_few_columns_for_a_way_is_nothing_to_compare():
    one = Domain(("only",), (3,))
    left, right = table(5, 1, one), table(5, 2, one)
    assert way_distances(left, right, 1, max_cliques=10).compared == 1
    assert way_distances(left, right, 2, max_cliques=10) is None


@pytest.mark.parametrize("cell_limit", [1 << 22, 1])
@pytest.mark.parametrize(("rows", "other", "expected"), [(0, 0, 0.0), (0, 20, 1.0), (20, 0, 1.0)])
def test_empty_tables_have_a_distance(rows, other, expected, cell_limit):
    for ways in (1, 2, 3):
        found = way_distances(table(rows, 1), table(other, 2), ways, max_cliques=10, cell_limit=cell_limit)
        assert (found.mean, found.worst) == (expected, expected)
    columns = column_distances(table(rows, 1), table(other, 2))
    assert {column.distance for column in columns} == {expected}


@given(st.lists(st.integers(0, 9), min_size=2, max_size=30), st.lists(st.integers(0, 9), min_size=2, max_size=30))
@settings(max_examples=50, deadline=None)
def test_distance_lies_between_0_and_1_and_is_symmetric(left, right):
    size = min(len(left), len(right))
    first, second = np.array(left[:size]), np.array(right[:size])
    distance = total_variation(first, second)
    assert 0 <= distance <= 1
    assert distance == pytest.approx(total_variation(second, first), abs=1e-12)
    assert total_variation(first, 3 * first) == pytest.approx(0, abs=1e-12)


def test_disjoint_tables_are_at_distance_1():
    assert total_variation(np.array([3, 0]), np.array([0, 5])) == 1.0


def test_a_sample_of_marginals_is_declared_seeded_and_covers_the_truth():
    domain = Domain(tuple(f"c{index}" for index in range(30)), (3,) * 30)
    real, synthetic = table(200, 1, domain), table(200, 2, domain)
    everything = way_distances(real, synthetic, 3, max_cliques=10_000)
    sample = way_distances(real, synthetic, 3, max_cliques=400, seed=9)
    again = way_distances(real, synthetic, 3, max_cliques=400, seed=9)
    assert everything.compared == math.comb(30, 3)
    assert (sample.compared, sample.possible, sample.seed) == (400, 4060, 9)
    assert sample == again
    assert sample != way_distances(real, synthetic, 3, max_cliques=400, seed=10)
    assert 0 < sample.mean_error < 0.01
    assert abs(sample.mean - everything.mean) < 2 * sample.mean_error
    assert sample.worst <= everything.worst


def test_a_chosen_sample_holds_distinct_cliques_in_domain_order():
    domain = Domain(tuple(f"c{index:03}" for index in range(200)), (2,) * 200)
    choice = choose(domain, 3, 500, seed=1)
    assert len(set(choice.cliques)) == 500
    assert all(clique == domain.canonical(clique) and len(clique) == 3 for clique in choice.cliques)
    assert list(choice.cliques) == sorted(choice.cliques)
    assert choice.possible == 1_313_400


def test_every_clique_can_be_chosen():
    domain = Domain(tuple("abcdef"), (2,) * 6)
    seen = {clique for seed in range(60) for clique in choose(domain, 3, 5, seed).cliques}
    assert seen == set(domain.cliques(3))


def test_groups_partition_the_cliques_within_the_limit():
    cliques = DOMAIN.cliques(2)
    parts = list(groups(DOMAIN, cliques, 20))
    assert [index for start, stop in parts for index in range(start, stop)] == list(range(len(cliques)))
    for start, stop in parts:
        assert stop - start == 1 or sum(DOMAIN.cells(clique) for clique in cliques[start:stop]) <= 20


def test_occupied_counts_survive_domains_beyond_64_bits():
    domain = Domain(("a", "b", "c"), (1 << 30, 1 << 30, 1 << 30))
    left = CodedTable(domain, {name: np.array([0, 5, 5, (1 << 30) - 1]) for name in domain})
    right = CodedTable(domain, {name: np.array([5, 5]) for name in domain})
    counts, other = occupied_counts(left, right, ("a", "b", "c"))
    np.testing.assert_array_equal(np.sort(counts), [1, 1, 2])
    assert counts[other > 0] == [2]
    found = way_distances(left, right, 3, max_cliques=1)
    assert found.worst == 0.5


def test_columns_name_the_code_that_differs_most():
    domain = Domain(("x",), (3,))
    real = CodedTable(domain, {"x": np.array([0, 0, 1, 2], dtype=np.uint8)})
    synthetic = CodedTable(domain, {"x": np.array([2, 2], dtype=np.uint8)})
    (column,) = column_distances(real, synthetic)
    assert (column.attribute, column.code, column.distance, column.difference) == ("x", 2, 0.75, 0.75)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"a": np.array([0, 1])}, "lacks this attribute"),
        ({"a": np.array([0, 1]), "b": np.array([0])}, "differ in length"),
        ({"a": np.array([0, 2]), "b": np.array([0, 0])}, "outside the domain"),
        ({"a": np.array([0, -1]), "b": np.array([0, 0])}, "outside the domain"),
        ({"a": np.array([0.0, 1.0]), "b": np.array([0, 0])}, "are integers"),
    ],
)
def test_a_coded_table_is_checked(columns, message):
    with pytest.raises(DomainError, match=message):
        CodedTable(Domain(("a", "b"), (2, 2)), columns)


def test_different_domains_are_not_compared():
    other = table(5, 1, Domain(("age",), (7,)))
    with pytest.raises(DomainError, match="different domains"):
        way_distances(table(5, 1), other, 1, max_cliques=5)
    with pytest.raises(DomainError, match="different domains"):
        column_distances(table(5, 1), other)


@pytest.mark.parametrize("arguments", [{"ways": 0, "max_cliques": 1}, {"ways": 1, "max_cliques": 0}])
def test_limits_are_at_least_1(arguments):
    with pytest.raises(UsageError):
        way_distances(table(5, 1), table(5, 1), **arguments)


@pytest.mark.parametrize(
    ("size", "dtype"), [(1, "u1"), (256, "u1"), (257, "u2"), (1 << 16, "u2"), (1 << 32, "u4"), ((1 << 32) + 1, "i8")]
)
def test_smallest_dtype(size, dtype):
    assert smallest_dtype(size) == np.dtype(dtype)
