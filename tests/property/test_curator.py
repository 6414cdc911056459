"""The bounds that the proof pages of the room rely on, on random neighbors."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from dpsynth.curator.coarsening import CoarsenedSource
from dpsynth.domain import Domain
from dpsynth.privacy import laws
from dpsynth.privacy.loss import UNITS

CELLS = 12
counts = arrays(np.int64, CELLS, elements=st.integers(0, 10**6))
rows_of_a_unit = st.lists(st.integers(0, CELLS - 1), min_size=1, max_size=7)


def added(cells):
    move = np.zeros(CELLS, dtype=np.int64)
    np.add.at(move, np.array(cells), 1)
    return move


@given(counts, counts, rows_of_a_unit, st.integers(1, 2**20), st.integers(-(2**60), 2**60))
def test_a_score_moves_at_most_by_its_sensitivity(exact, estimate, rows, weight, penalty):
    neighbor = exact + added(rows)
    before = laws.score(exact, estimate, weight, penalty)
    after = laws.score(neighbor, estimate, weight, penalty)
    assert abs(after - before) <= laws.score_sensitivity(weight, len(rows))


def test_scores_are_not_monotone():
    low, high = np.array([0, 0], dtype=np.int64), np.array([9, 9], dtype=np.int64)
    counts_before, counts_after = np.array([5, 5], dtype=np.int64), np.array([6, 5], dtype=np.int64)
    moves = [laws.score(counts_after, e, 1, 0) - laws.score(counts_before, e, 1, 0) for e in (low, high)]
    assert moves == [1, -1]


@given(st.sampled_from([(0,) * CELLS, (2**40,) * CELLS]), st.integers(1, 2**20), st.integers(-(2**60), 2**60))
def test_a_score_fits_int64_whatever_the_counts(estimate, weight, penalty):
    value = laws.score(np.full(CELLS, 2**50, dtype=np.int64), np.array(estimate, dtype=np.int64), weight, penalty)
    assert -(2**63) <= value < 2**63


@given(rows_of_a_unit)
def test_a_marginal_moves_at_most_by_its_sensitivity(rows):
    move = added(rows)
    assert int((move**2).sum()) <= laws.measure_sensitivity(len(rows)) ** 2
    assert int((added([rows[0]] * len(rows)) ** 2).sum()) == laws.measure_sensitivity(len(rows)) ** 2


@given(st.integers(1, 1000), st.integers(1, 80 * UNITS))
def test_a_scale_is_never_cheaper_than_its_charge(sensitivity, rho_units):
    scale = laws.scale_of_rho(sensitivity, rho_units)
    exact = laws.rho_of_scale(sensitivity, scale)
    for loss in (laws.gaussian_loss(sensitivity, scale), laws.noisy_max_loss(sensitivity, scale)):
        assert exact <= Fraction(loss.rho, UNITS)
        assert loss.rho <= rho_units
        assert loss.rho >= rho_units * (1 - 1e-12) - 1


class OneTable:
    domain = Domain(("a", "b"), (3, 4))

    def __init__(self, table):
        self.table = table

    def counts(self, cliques):
        axes = {("a",): 1, ("b",): 0}
        tables = {("a", "b"): self.table, ("b", "a"): self.table.T}
        return [tables[c] if c in tables else self.table.sum(axis=axes[c]) for c in cliques]


@given(arrays(np.int64, (3, 4), elements=st.integers(0, 100)), st.permutations([0, 0, 1, 2]))
def test_coarse_counts_are_the_counts_of_the_mapped_rows(table, buckets):
    bucket_of_code = np.array(buckets, dtype=np.int64)
    coarse = CoarsenedSource(OneTable(table), {"b": bucket_of_code})
    pair, flipped, single = coarse.counts([("a", "b"), ("b", "a"), ("b",)])
    expected = np.zeros((3, 3), dtype=np.int64)
    rows = np.repeat(np.arange(12), table.ravel())
    np.add.at(expected, (rows // 4, bucket_of_code[rows % 4]), 1)
    assert (pair == expected).all()
    assert (flipped == expected.T).all()
    assert (single == expected.sum(axis=0)).all()
