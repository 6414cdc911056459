"""Measures of loss against their definitions in plain Python."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpsynth.anonymization.loss import losses
from dpsynth.anonymization.records import Generalized, Ranges, Records
from recoding_examples import groups, leaves_under, permuted, tables


@st.composite
def released(draw: st.DrawFn) -> tuple[Records, Generalized | Ranges]:
    """A table, and any recoding of it: levels by row, or ranges around the values."""
    table = draw(tables())

    def drawn(low: np.ndarray, high: np.ndarray, dtype: type) -> np.ndarray:
        return np.array([draw(st.integers(int(a), int(b))) for a, b in zip(low, high, strict=True)], dtype)

    suppressed = drawn(np.zeros(table.rows), np.ones(table.rows), np.bool_)
    zeros, pairs = np.zeros(table.rows), list(zip(table.hierarchies, table.codes, strict=True))
    if draw(st.booleans()):
        levels = tuple(drawn(zeros, zeros + one.height - 1, np.uint8) for one, _ in pairs)
        return table, Generalized(levels, suppressed, 0.0)
    low = tuple(drawn(zeros, codes, np.int32) for _, codes in pairs)
    high = tuple(drawn(codes, zeros + one.leaves - 1, np.int32) for one, codes in pairs)
    return table, Ranges(low, high, suppressed, 0.0)


@given(case=released())
def test_every_measure_is_its_definition(case) -> None:
    table, found = case
    measured = losses(table, found)
    classes = groups(table, found)
    dropped = int(found.suppressed.sum())
    kept = table.rows - dropped
    assert measured["classes"] == len(classes)
    assert measured["suppressed_rows"] == dropped
    assert measured["discernibility"] == sum(len(rows) ** 2 for rows in classes.values()) + dropped * table.rows
    assert measured["average_class_size"] == pytest.approx(kept / len(classes) if classes else 0)
    penalty = lost = everything = 0.0
    empty = 0
    for at, (one, codes) in enumerate(zip(table.hierarchies, table.codes, strict=True)):
        values = codes.tolist()
        for row, value in enumerate(values):
            under = leaves_under(table, found, row, at)
            gone = found.suppressed[row]
            share = 1.0 if gone else (len(under) - 1) / max(one.leaves - 1, 1)
            penalty += share * table.importance[at] / table.rows
            empty += bool(gone or (share == 1 and one.leaves > 1))
            group = table.rows if gone else sum(other in under for other in values)
            lost += math.log2(group / values.count(value))
            everything += math.log2(table.rows / values.count(value))
    assert measured["gcp"] == pytest.approx(penalty)
    assert measured["suppressed_cells"] == empty
    assert measured["non_uniform_entropy"] == pytest.approx(lost / everything if everything else 0)


@given(case=released(), seed=st.integers(0, 2**32 - 1))
def test_the_order_of_the_rows_changes_no_measure(case, seed) -> None:
    table, found = case
    order = np.random.default_rng(seed).permutation(table.rows)
    if isinstance(found, Ranges):
        low, high = (tuple(end[order] for end in ends) for ends in (found.low, found.high))
        moved: Generalized | Ranges = Ranges(low, high, found.suppressed[order], 0.0)
    else:
        moved = Generalized(tuple(levels[order] for levels in found.of), found.suppressed[order], 0.0)
    assert losses(permuted(table, order), moved) == pytest.approx(losses(table, found))
