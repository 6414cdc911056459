"""Dealing: rows are shuffled fairly within their group, whatever the type of the group's number."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest

from dpsynth.models.dealing import shuffled


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.uint32, np.uint64])
def test_rows_are_sorted_by_key_and_each_comes_once(kind):
    keys = np.random.default_rng(0).integers(0, 200, size=5000).astype(kind)
    rows = np.flatnonzero(keys % 3 > 0)
    found = shuffled(keys, rows, np.random.default_rng(1))
    assert found.dtype == np.intp
    assert (np.sort(found) == rows).all()
    assert (np.diff(keys[found].astype(int)) >= 0).all()
    assert (found == shuffled(keys, rows, np.random.default_rng(1))).all()
    assert (found != shuffled(keys, rows, np.random.default_rng(2))).any()
    assert len(shuffled(keys, rows[:0], np.random.default_rng(1))) == 0


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.uint32])
def test_every_order_within_a_key_is_equally_likely(kind):
    rng, rounds = np.random.default_rng(3), 6000
    top = np.iinfo(kind).max
    keys = np.array([top, 0, top, 0, top], dtype=kind)
    orders = Counter(tuple(shuffled(keys, np.arange(5), rng).tolist()) for _ in range(rounds))
    assert set(orders) == {(*low, *high) for low in ((1, 3), (3, 1)) for high in itertools.permutations((0, 2, 4))}
    expected = rounds / 12
    assert sum((count - expected) ** 2 / expected for count in orders.values()) < 31  # 11 degrees: 1 in 1000
