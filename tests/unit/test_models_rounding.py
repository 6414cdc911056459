"""Controlled rounding: exact rows, cells next to their expectation, watched sums within one, no bias, zeros stay."""

from __future__ import annotations

import numpy as np
import pytest

from dpsynth.models import rounding
from dpsynth.models.rounding import Watch, split_groups


def column_watch(target):
    groups, codes = target.shape
    return Watch(np.tile(np.arange(codes), groups), target.sum(axis=0))


@pytest.fixture
def table():
    rng = np.random.default_rng(3)
    sizes = rng.integers(0, 9, size=60)
    shares = rng.dirichlet(np.full(25, 0.2), size=60)
    shares[shares < 0.01] = 0
    return sizes, shares, shares / shares.sum(axis=1, keepdims=True) * sizes[:, None]


@pytest.mark.parametrize("seed", range(5))
def test_rows_are_exact_cells_are_next_to_their_expectation_and_columns_within_one(table, seed):
    sizes, shares, target = table
    counts = split_groups(sizes, shares, [column_watch(target)], [], np.random.default_rng(seed))
    assert (counts.sum(axis=1) == sizes).all()
    assert np.abs(counts - target).max() < 1 + 2**-9
    assert np.abs(counts.sum(axis=0) - target.sum(axis=0)).max() < 1.1
    assert not counts[shares == 0].any()


def test_without_a_watch_columns_err_more(table):
    sizes, shares, target = table
    worst = {
        watched: max(
            np.abs(split_groups(sizes, shares, chain, [], np.random.default_rng(seed)).sum(0) - target.sum(0)).max()
            for seed in range(5)
        )
        for watched, chain in ((True, [column_watch(target)]), (False, []))
    }
    assert worst[True] < worst[False]


def test_the_mean_over_seeds_is_the_expectation(table):
    sizes, shares, target = table
    mean = np.mean(
        [split_groups(sizes, shares, [column_watch(target)], [], np.random.default_rng(seed)) for seed in range(400)],
        axis=0,
    )
    # A cell is floor or ceiling: its standard deviation is at most 1/2.
    assert np.abs(mean - target).max() < 5 * 0.5 / np.sqrt(400)


def test_nested_watches_are_kept_together():
    rng = np.random.default_rng(0)
    sizes = rng.integers(1, 6, size=40)
    shares = rng.dirichlet(np.full(12, 0.5), size=40)
    target = shares * sizes[:, None]
    halves = np.arange(40) % 2
    fine = Watch((halves[:, None] * 12 + np.arange(12)).ravel(), np.zeros(24))
    coarse = Watch(np.tile(np.arange(12), 40), np.zeros(12))
    counts = split_groups(sizes, shares, [fine, coarse], [], rng)
    for watch, parts in ((fine, 24), (coarse, 12)):
        found = np.bincount(watch.ids, weights=(counts - target).ravel(), minlength=parts)
        assert np.abs(found).max() < 1.1


def test_steering_removes_the_drift_of_earlier_steps():
    shares = np.tile([0.25, 0.75], (2, 1))
    sizes = np.array([38, 62])
    watch = Watch(np.tile(np.arange(2), 2), np.array([30.0, 70.0]))
    counts = split_groups(sizes, shares, [watch], [], np.random.default_rng(0))
    assert (counts.sum(axis=1) == sizes).all()
    assert np.abs(counts.sum(axis=0) - [30, 70]).max() <= 1


def test_small_sums_are_not_steered():
    shares = np.array([[1.0, 1e-9], [1.0, 1e-9]])
    watch = Watch(np.tile(np.arange(2), 2), np.array([1.0, 3.0]))
    counts = split_groups(np.array([2, 2]), shares, [watch], [], np.random.default_rng(0))
    assert counts.tolist() == [[2, 0], [2, 0]]


def test_too_many_fractional_cells_are_rounded_group_by_group(monkeypatch, table):
    sizes, shares, target = table
    monkeypatch.setattr(rounding, "BALANCED_CELLS", 3)
    counts = split_groups(sizes, shares, [column_watch(target)], [], np.random.default_rng(1))
    assert (counts.sum(axis=1) == sizes).all()
    assert np.abs(counts - target).max() < 1 + 1e-4
    assert not counts[shares == 0].any()


def test_large_counts_are_exact():
    sizes = np.array([10**12, 0, 7])
    shares = np.array([[1.0, 2.0, 3.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    counts = split_groups(sizes, shares, [], [], np.random.default_rng(0))
    assert counts.sum(axis=1).tolist() == sizes.tolist()
    assert counts[2].tolist() == [0, 7, 0]


def test_a_group_without_weight_is_spread_evenly():
    counts = split_groups(np.array([4]), np.zeros((1, 4)), [], [], np.random.default_rng(0))
    assert counts.tolist() == [[1, 1, 1, 1]]
