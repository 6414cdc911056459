"""Neighbors under the key questions: one unit's rows move each column's counts by at most max_rows, as its own keys."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from dpsynth.curator import keys as counting
from dpsynth.curator.bounding import HashKey
from dpsynth.curator.keys import KeySource
from dpsynth.privacy.unit import Unit
from dpsynth.schema.keys import KEY_BYTES, keys_of
from dpsynth.tables.reading import open_table

COLUMNS = ("a", "b")
cells = st.one_of(
    st.none(),
    st.sampled_from([b"", b" ", b"x", b" x", b"x\t", b"y", b"NA", b"\xff", b"\0", b"z" * (KEY_BYTES + 1)]),
    st.binary(max_size=6),
)
rows = st.lists(st.tuples(cells, cells), max_size=12)
people = st.lists(st.tuples(st.sampled_from([b"p", b"q", b"r", None, b" "]), cells, cells), max_size=25)


class OneKey:
    """The same hash key for every source: neighbors are compared key by key."""

    @staticmethod
    def fresh(attributes):
        words = np.random.default_rng(attributes).integers(
            2**63, size=17 + 1 + attributes, dtype=np.uint64
        ) | np.uint64(1)
        return HashKey(words[:17], words[17:])


def counts(table, max_rows, batch_rows):
    ids, a, b = zip(*table, strict=True) if table else ((), (), ())
    columns = {"id": pa.array(ids, pa.binary()), "a": pa.array(a, pa.binary()), "b": pa.array(b, pa.binary())}
    unit = Unit() if max_rows is None else Unit("id", max_rows)
    original, counting.HashKey = counting.HashKey, OneKey
    try:
        answers = KeySource(open_table(pa.table(columns)), COLUMNS, unit=unit, batch_rows=batch_rows).counts(COLUMNS)
    finally:
        counting.HashKey = original
    return [Counter(dict(zip(keys.to_pylist(), n.tolist(), strict=True))) for keys, n in answers]


def move(larger, smaller):
    difference = Counter(larger)
    difference.subtract(smaller)
    return {key: n for key, n in difference.items() if n}


@given(people, rows, st.lists(st.integers(0, 40), min_size=12, max_size=12), st.integers(1, 4), st.integers(1, 9))
def test_a_person_moves_every_column_by_at_most_max_rows(table, own, places, max_rows, batch_rows):
    larger = list(table)
    for row, place in zip(own, places, strict=False):
        larger.insert(place, (b"newcomer", *row))
    mine = [row for row in larger if row[0] == b"newcomer"]
    before, after = counts(table, max_rows, batch_rows), counts(larger, max_rows, batch_rows)
    for column, alone in enumerate(counts(mine, max_rows, batch_rows)):
        moved = move(after[column], before[column])
        assert moved == dict(alone)
        assert sum(moved.values()) <= max_rows
        new = set(after[column]) - set(before[column])
        assert len(new) <= max_rows  # as many keys as a unit can create
        assert abs(len(after[column]) - len(before[column])) <= max_rows  # the distinct count


@given(people, st.tuples(cells, cells), st.integers(0, 25), st.integers(1, 9))
def test_a_row_moves_every_column_by_at_most_one(table, row, place, batch_rows):
    larger = list(table)
    larger.insert(place, (b"anyone", *row))
    for after, before in zip(counts(larger, None, batch_rows), counts(table, None, batch_rows), strict=True):
        moved = move(after, before)
        assert min(moved.values(), default=1) == 1
        assert sum(moved.values()) <= 1


@given(st.lists(cells, max_size=20))
def test_a_key_depends_on_its_cell_alone(column):
    together = keys_of(pa.array(column, pa.binary()), [b"NA"]).to_pylist()
    assert together == [keys_of(pa.array([cell], pa.large_binary()), [b"NA"])[0].as_py() for cell in column]
    assert together == keys_of(pa.array(column, pa.binary()).dictionary_encode(), [b"NA"]).to_pylist()
    assert keys_of(pa.array([key for key in together if key], pa.binary())).to_pylist() == [k for k in together if k]
