"""Optimal generalization on real data and at the edges: the published optima, tiny and hostile tables, limits."""

from __future__ import annotations

import csv
import gzip
import itertools
from collections import Counter
from importlib.resources import files

import numpy as np
import pytest

from dpsynth.anonymization import optimal as search
from dpsynth.anonymization.hierarchies import Hierarchy
from dpsynth.anonymization.optimal import optimal
from dpsynth.anonymization.privacy_models import Closeness, DistinctDiversity, KAnonymity, KMap
from dpsynth.anonymization.records import Records, Sensitive
from dpsynth.errors import GateError, SchemaError, UsageError
from lattice_examples import hierarchy
from reading import ROOT

ATTRIBUTES = ("age", "sex", "race", "education", "marital-status", "native-country", "workclass", "occupation")


@pytest.fixture(scope="module")
def adult() -> Records:
    """Raw Adult, ``?`` a value like any other, with the hierarchies of the example."""
    folder = ROOT / "examples" / "adult" / "hierarchies"
    lines = [(folder / f"{name}.csv").read_text().splitlines() for name in ATTRIBUTES]
    hierarchies = [
        Hierarchy.from_paths(name, [line.split(";") for line in text])
        for name, text in zip(ATTRIBUTES, lines, strict=True)
    ]
    source = files("dpsynth") / "demo_data" / "adult.csv.gz"
    with source.open("rb") as raw, gzip.open(raw, "rt", newline="") as text:
        rows = list(csv.DictReader(text))
    numbers = [{label: number for number, label in enumerate(one.labels[0])} for one in hierarchies]
    codes = [
        np.array([known[row[name]] for row in rows], np.int32) for name, known in zip(ATTRIBUTES, numbers, strict=True)
    ]
    return Records(tuple(hierarchies), tuple(codes))


def table(*columns: list[int], heights: int = 2, **more: object) -> Records:
    """Columns of codes; every attribute has its values and, above them, one group of all."""
    hierarchies = tuple(
        Hierarchy.from_paths(
            f"a{axis}", [[str(leaf)] + ["*"] * (heights - 1) for leaf in range(max(codes, default=0) + 1)]
        )
        for axis, codes in enumerate(columns)
    )
    return Records(hierarchies, tuple(np.array(codes, np.int32) for codes in columns), **more)


@pytest.mark.parametrize(
    ("k", "suppression", "loss", "suppressed", "classes"),
    [
        (5, 1.0, 0.2190, 4_024, 932),
        (5, 0.05, 0.2564, 1_974, 597),
        (5, 0.0, 0.6563, 0, 40),
        (10, 1.0, 0.2566, 5_039, 484),
        (10, 0.05, 0.3302, 2_400, 296),
    ],
)
def test_the_optima_of_adult(adult, k, suppression, loss, suppressed, classes):
    found = optimal(adult, [KAnonymity(k)], suppression=suppression)
    assert round(found.loss, 4) == loss
    assert found.bound == found.loss
    assert found.suppressed.sum() == suppressed
    groups = Counter(
        zip(
            *(
                one.nodes[level][codes][~found.suppressed].tolist()
                for one, level, codes in zip(adult.hierarchies, found.levels, adult.codes, strict=True)
            ),
            strict=True,
        )
    )
    assert len(groups) == classes
    assert min(groups.values()) >= k
    assert found.checked < 300  # of 6,480 nodes


def test_boxes_decide_most_of_a_large_lattice_unseen(adult):
    rows = slice(0, 2_000)
    rng = np.random.default_rng(3)
    more = tuple(hierarchy(rng, f"b{axis}", 6, 4) for axis in range(5))
    codes = (*(codes[rows] for codes in adult.codes), *(rng.integers(0, 6, 2_000).astype(np.int32) for _ in more))
    found = optimal(Records((*adult.hierarchies, *more), codes), [KAnonymity(5)], suppression=0.05)
    assert search.NODES < 6_480 * 4**5
    assert found.bound <= found.loss < 1
    assert found.checked <= search.CHECKS


def test_a_lattice_of_more_nodes_than_a_number_can_hold_ends(monkeypatch):
    monkeypatch.setattr(search, "CHECKS", 150)
    rng = np.random.default_rng(5)
    levels = [[str(leaf), str(leaf // 2), str(leaf // 4), str(leaf // 8), "*"] for leaf in range(16)]
    hierarchies = tuple(Hierarchy.from_paths(f"a{axis}", levels) for axis in range(30))
    records = Records(hierarchies, tuple(rng.integers(0, 16, 300).astype(np.int32) for _ in hierarchies))
    told: list[float] = []
    found = optimal(records, [KAnonymity(3)], suppression=0.2, progress=told.append)
    assert 0 < found.bound < found.loss <= 1
    assert found.suppressed.sum() <= 60
    assert found.checked <= 150
    assert told == sorted(told)
    assert told[-1] == 1


def test_the_descent_alone_finds_more_than_the_top(adult, monkeypatch):
    monkeypatch.setattr(search, "CHECKS", 30)
    found = optimal(adult, [KAnonymity(5)], suppression=0.05, nodes=1)
    assert found.loss < 0.35  # the optimum: 0.2564, the top: 1
    assert found.bound < 0.2564


def test_a_table_without_rows_stays_as_it_is():
    told: list[float] = []
    found = optimal(table([], []), [KAnonymity(5)], progress=told.append)
    assert (found.loss, found.bound, found.levels, found.checked) == (0.0, 0.0, (0, 0), 0)
    assert [len(level) for level in found.of] == [0, 0]
    assert told == [1.0]


def test_one_row_is_itself_or_nothing():
    assert optimal(table([0]), [KAnonymity(1)]).levels == (0,)
    with pytest.raises(GateError, match="every row would be suppressed: no class of rows meets 2-anonymity") as raised:
        optimal(table([0]), [KAnonymity(2)])
    assert raised.value.exit_code == 5


def test_k_larger_than_the_table():
    with pytest.raises(GateError, match="every row would be suppressed"):
        optimal(table([0, 0, 1], [0, 1, 0]), [KAnonymity(4)])


def test_a_limit_that_no_level_meets():
    records = table([0, 0, 0, 1], heights=1)
    with pytest.raises(GateError, match=r"no levels meet 2-anonymity with at most 10 % of the rows suppressed"):
        optimal(records, [KAnonymity(2)], suppression=0.1)
    assert optimal(records, [KAnonymity(2)], suppression=0.25).suppressed.tolist() == [False, False, False, True]


def test_nothing_found_before_the_time_is_over():
    with pytest.raises(GateError, match="before the search had to end"):
        optimal(table([0, 0]), [KAnonymity(2)], time_limit=1.0, clock=itertools.count(0, 5).__next__)


def test_a_column_unique_in_every_row_is_generalized_away():
    found = optimal(table(list(range(300)), [0, 1] * 150), [KAnonymity(5)], suppression=0.0)
    assert found.levels == (1, 0)
    assert found.loss == 0.5


def test_an_attribute_of_one_value_costs_nothing():
    found = optimal(table([0] * 6, [0, 0, 0, 1, 1, 1]), [KAnonymity(3)], suppression=0.0)
    assert found.levels == (0, 0)
    assert found.loss == 0


def test_a_level_that_repeats_the_one_below_is_not_taken():
    paths = [["x", "x", "first", "*"], ["y", "y", "second", "*"], ["z", "z", "second", "*"]]
    records = Records((Hierarchy.from_paths("a", paths),), (np.array([0, 0, 1, 1], np.int32),))
    assert optimal(records, [KAnonymity(2)]).levels == (0,)
    assert optimal(records, [KAnonymity(2)], fixed={0: (1, 3)}).levels == (1,)
    sensitive = Sensitive("s", np.array([0, 1, 0, 1], np.int32), ("p", "q"))
    with_sensitive = Records(records.hierarchies, records.codes, (sensitive,))
    assert optimal(with_sensitive, [Closeness("s", 0.0)]).levels == (0,)


def test_a_suppressed_row_costs_all_even_where_generalization_would_not():
    found = optimal(table([0, 0, 0, 1], heights=1), [KAnonymity(2)])
    assert found.loss == 0.25


def test_persons_are_counted_not_rows():
    columns = [0, 0, 0, 1, 1, 1]
    assert optimal(table(columns), [KAnonymity(3)], suppression=0.0).levels == (0,)
    same = table(columns, persons=np.array([1, 1, 1, 2, 3, 4]))
    assert optimal(same, [KAnonymity(3)], suppression=0.0).levels == (1,)
    assert optimal(same, [KAnonymity(3)]).suppressed.tolist() == [True, True, True, False, False, False]


def test_k_map_counts_the_population():
    records = table([0, 1], population=(np.array([0, 0, 0, 1, 1], np.int32),))
    assert optimal(records, [KMap(2)]).loss == 0
    assert optimal(records, [KMap(3)], suppression=0.5).suppressed.tolist() == [False, True]
    with pytest.raises(UsageError, match="no table of the population"):
        optimal(table([0, 1]), [KMap(2)])


def test_weights_decide_what_is_generalized():
    columns = [0, 0, 1, 1], [0, 1, 0, 1]
    assert optimal(table(*columns, weights=(5.0, 1.0)), [KAnonymity(2)]).levels == (0, 1)
    assert optimal(table(*columns, weights=(1.0, 5.0)), [KAnonymity(2)]).levels == (1, 0)


def test_levels_are_fixed():
    columns = [0, 0, 1, 1], [0, 1, 0, 1]
    records = table(*columns, weights=(5.0, 1.0))
    assert optimal(records, [KAnonymity(2)], fixed={0: (1, 1), 1: (0, 0)}).levels == (1, 0)
    assert optimal(records, [KAnonymity(1)], fixed={1: (1, 1)}).levels == (0, 1)


def test_a_model_that_is_not_monotone_joins_one_that_is():
    codes = np.array([0, 0, 0, 1, 1, 1, 0, 1], np.int32)
    records = table([0, 0, 0, 1, 1, 1, 2, 2], sensitive=(Sensitive("s", codes, ("x", "y")),))
    found = optimal(records, [KAnonymity(2), Closeness("s", 0.1)], suppression=0.5)
    assert (found.levels, found.loss) == ((1,), 1.0)
    assert optimal(records, [KAnonymity(2), DistinctDiversity("s", 1)]).levels == (0,)


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"suppression": -0.1}, UsageError, "not a share"),
        ({"suppression": 1.5}, UsageError, "not a share"),
        ({"suppression": float("nan")}, UsageError, "not a share"),
        ({"nodes": 0}, UsageError, "not a number of nodes"),
        ({"time_limit": 0.0}, UsageError, "time limit"),
        ({"time_limit": float("nan")}, UsageError, "time limit"),
        ({"fixed": {7: (0, 0)}}, SchemaError, "attribute 7"),
        ({"fixed": {-1: (0, 0)}}, SchemaError, "attribute -1"),
        ({"fixed": {0: (0, 2)}}, SchemaError, "levels of 'a0': 0 to 2"),
        ({"fixed": {0: (1, 0)}}, SchemaError, "levels of 'a0': 1 to 0"),
    ],
)
def test_settings_out_of_range(settings, error, words):
    with pytest.raises(error, match=words):
        optimal(table([0, 0]), [KAnonymity(2)], **settings)


def test_a_sensitive_attribute_that_is_not_there():
    with pytest.raises(SchemaError, match="no sensitive attribute"):
        optimal(table([0, 0]), [DistinctDiversity("s", 2)])
