"""Local recoding and Mondrian: every released class satisfies its models by an independent grouping of shown cells."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from dpsynth.anonymization.loss import gcp
from dpsynth.anonymization.mondrian import mondrian
from dpsynth.anonymization.privacy_models import (
    AlphaK,
    BetaLikeness,
    Closeness,
    DistinctDiversity,
    EntropyDiversity,
    KAnonymity,
    KMap,
    PrivacyModel,
)
from dpsynth.anonymization.recoding import swept
from dpsynth.anonymization.records import Classes, Records
from dpsynth.anonymization.tallies import distributions
from recoding_examples import groups, holds, permuted, tables

MODELS: dict[str, list[PrivacyModel]] = {
    "k": [KAnonymity(3)],
    "k-map": [KMap(4)],
    "l": [KAnonymity(2), DistinctDiversity("s", 2)],
    "entropy": [EntropyDiversity("s", 1.7)],
    "t": [KAnonymity(2), Closeness("s", 0.3)],
    "alpha": [AlphaK("s", 0.6, 2)],
    "beta": [BetaLikeness("s", 0.8)],
}
RECODINGS = {
    "swept": swept,
    "beam": lambda table, models: swept(table, models, nodes=4),
    "mondrian": mondrian,
}
every_model = pytest.mark.parametrize("models", MODELS.values(), ids=list(MODELS))
every_recoding = pytest.mark.parametrize("recoding", RECODINGS.values(), ids=list(RECODINGS))


@pytest.mark.parametrize("recoding", [swept, mondrian])
@every_model
@given(table=tables())
def test_every_released_class_satisfies_the_models(recoding, models, table) -> None:
    released = recoding(table, models)
    assert holds(table, released, models)
    assert released.loss == pytest.approx(gcp(table, released))
    assert 0 <= released.loss <= 1 + 1e-12


@every_recoding
@given(table=tables(starred=False))
def test_hierarchies_without_a_common_root_release_what_they_can(recoding, table) -> None:
    assert holds(table, recoding(table, [KAnonymity(3)]), [KAnonymity(3)])


@every_recoding
@given(table=tables(), k=st.integers(1, 12))
def test_no_row_is_suppressed_unless_all_are_fewer_than_k_persons(recoding, table, k) -> None:
    released = recoding(table, [KAnonymity(k)])
    persons = table.rows if table.persons is None else len(set(table.persons.tolist()))
    assert released.suppressed.tolist() == [persons < k] * table.rows


@every_recoding
@pytest.mark.parametrize("name", ["l", "t", "alpha", "beta"])
@given(table=tables(repeated=False, named=False))
def test_no_row_is_suppressed_where_the_table_as_one_class_satisfies_the_models(recoding, name, table) -> None:
    """Neither persons nor groups of one name: every model is judged by the distribution of the whole table."""
    whole = Classes(np.zeros(table.rows, np.int64), 1, np.ones(table.rows, np.int64), table.sensitive)
    satisfied = all(model.passes(whole, distributions(whole)).all() for model in MODELS[name])
    assume(satisfied or not table.rows)
    assert not recoding(table, MODELS[name]).suppressed.any()


@every_recoding
@given(table=tables(), seed=st.integers(0, 2**32 - 1))
def test_the_order_of_the_rows_changes_nothing(recoding, table, seed) -> None:
    models = [KAnonymity(2), Closeness("s", 0.3), KMap(4)]
    order = np.random.default_rng(seed).permutation(table.rows)
    before, after = recoding(table, models), recoding(permuted(table, order), models)
    assert after.loss == pytest.approx(before.loss)
    np.testing.assert_array_equal(after.suppressed, before.suppressed[order])
    rows = {shown: sorted(order[row] for row in rows) for shown, rows in groups(permuted(table, order), after).items()}
    assert rows == groups(table, before)


@every_recoding
@given(table=tables())
def test_nothing_is_lost_when_nothing_is_asked(recoding, table) -> None:
    released = recoding(table, [KAnonymity(1)])
    assert released.loss == 0
    assert not released.suppressed.any()


@given(table=tables())
def test_a_range_holds_the_value_of_its_row_and_ends_at_values_of_its_class(table) -> None:
    released = mondrian(table, [KAnonymity(2)])
    for rows in groups(table, released).values():
        for low, high, codes in zip(released.low, released.high, table.codes, strict=True):
            assert {(low[row], high[row]) for row in rows} == {(codes[rows].min(), codes[rows].max())}


@given(table=tables(sensitive=False, repeated=False), k=st.integers(1, 5))
def test_mondrian_is_what_recursion_in_plain_python_makes(table, k) -> None:
    expected: dict[int, list[tuple[int, int]]] = {}
    if table.rows >= k:
        _cut(table, list(range(table.rows)), k, expected)
    released = mondrian(table, [KAnonymity(k)])
    assert released.suppressed.all() == (not expected)
    for row, ranges in expected.items():
        assert [(low[row], high[row]) for low, high in zip(released.low, released.high, strict=True)] == ranges


def _cut(table: Records, rows: list[int], k: int, found: dict[int, list[tuple[int, int]]]) -> None:
    """LeFevre et al., figure 4, with the balanced cut of the docstring."""
    values = [[int(codes[row]) for row in rows] for codes in table.codes]
    ranges = [(min(column), max(column)) for column in values]
    widths = [
        (high - low) / max(one.leaves - 1, 1) * weight
        for (low, high), one, weight in zip(ranges, table.hierarchies, table.importance, strict=True)
    ]
    for at in sorted((at for at, width in enumerate(widths) if width > 0), key=lambda at: -widths[at]):
        places = sorted(set(values[at]))[:-1]
        after = min(places, key=lambda place: abs(2 * sum(value <= place for value in values[at]) - len(rows)))
        first = [row for row in rows if table.codes[at][row] <= after]
        if min(len(first), len(rows) - len(first)) >= k:
            _cut(table, first, k, found)
            _cut(table, [row for row in rows if table.codes[at][row] > after], k, found)
            return
    found |= dict.fromkeys(rows, ranges)
