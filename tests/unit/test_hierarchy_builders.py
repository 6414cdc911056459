"""Builders and files of hierarchies: the groups they make, and what they refuse."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dpsynth.anonymization.builders import Builder, builder_of
from dpsynth.errors import FileFormatError, SchemaError
from dpsynth.schema.hierarchy_files import read_paths
from dpsynth.schema.hierarchy_parts import HierarchyPart


def build(form: str | None = None, **part: Any) -> Builder:
    return builder_of("a", HierarchyPart.model_validate(part), form)


def groups(builder: Builder, *texts: str, counts: list[int] | None = None) -> list[list[str | None]]:
    """By value its groups, from level 1."""
    found = builder.groups(pa.array(texts, pa.string()), np.array(counts or [1] * len(texts)))
    assert len(found) == builder.height - 1
    return [list(path) for path in zip(*(column.to_pylist() for column in found), strict=True)]


def test_without_a_hierarchy_a_value_is_shown_or_not() -> None:
    assert groups(builder_of("a", None), "x", "y") == [["*"], ["*"]]


def test_intervals_of_widths_and_bounds() -> None:
    ages = build(intervals={"levels": [5, 10], "low": 10, "high": 90})
    assert groups(ages, "10", "19", "20", "9", "90", "120", "x") == [
        ["[10, 15)", "[10, 20)", "*"],
        ["[15, 20)", "[10, 20)", "*"],
        ["[20, 25)", "[20, 30)", "*"],
        ["< 10", "< 10", "*"],
        [">= 90", ">= 90", "*"],
        [">= 90", ">= 90", "*"],
        [None, None, None],
    ]
    assert groups(build(intervals={"levels": [20], "high": 90}), "85", "-1") == [["[80, 90)", "*"], ["[-20, 0)", "*"]]


def test_intervals_between_edges() -> None:
    edged = build(intervals={"levels": [[0, 18, 65, 120], [0, 65]]})
    assert groups(edged, "17.5", "18", "65", "120", "-1", "inf") == [
        ["[0, 18)", "[0, 65)", "*"],
        ["[18, 65)", "[0, 65)", "*"],
        ["[65, 120)", ">= 65", "*"],
        [">= 120", ">= 65", "*"],
        ["< 0", "< 0", "*"],
        [None, None, None],
    ]


def test_a_number_on_a_decimal_edge_lies_above_it() -> None:
    tenths = build(intervals={"levels": [0.1, 0.2]})
    assert [path[0] for path in groups(tenths, "0.3", "0.7", "0.29", "1e-1")] == [
        "[0.3, 0.4)",
        "[0.7, 0.8)",
        "[0.2, 0.3)",
        "[0.1, 0.2)",
    ]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(-1e6, 1e6, allow_nan=False), min_size=1, max_size=30, unique=True),
    st.sampled_from([[0.1, 0.2, 1], [5, 10, 20], [2, 4, [-8, 0, 8]], [[0, 1, 2, 5], [0, 2], [2, 100]]]),
)
def test_intervals_nest_and_hold_their_numbers(numbers: list[float], levels: list[Any]) -> None:
    try:
        builder = build(intervals={"levels": levels})
    except SchemaError:
        assert levels[-1] == [2, 100]
        return
    texts = list(dict.fromkeys(map(repr, numbers)))
    paths = groups(builder, *texts)
    for level in range(1, builder.height - 1):
        above: dict[str | None, str | None] = {}
        assert all(above.setdefault(path[level - 1], path[level]) == path[level] for path in paths)
    for text, path in zip(texts, paths, strict=True):
        low, _, high = str(path[0]).strip("<>=[) ").partition(", ")
        if path[0] and path[0][0] == "[":
            assert float(low) - 1e-5 <= float(text) < float(high) + 1e-5


def test_dates_in_calendar_units() -> None:
    every = build(dates=["day", "month", "quarter", "year", "decade"])
    assert groups(every, "2021-02-28", "1999-12-31T23:59:59", "2021-02-30") == [
        ["2021-02-28", "2021-02", "2021-Q1", "2021", "2020s", "*"],
        ["1999-12-31", "1999-12", "1999-Q4", "1999", "1990s", "*"],
        [None] * 6,
    ]
    assert groups(build("%d/%m/%Y", dates=["year"]), "03/04/2005", "x")[0] == ["2005", "*"]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.dates(), min_size=1, max_size=20, unique=True))
def test_weeks_are_those_of_the_calendar(dates: list[dt.date]) -> None:
    found = groups(build(dates=["week"]), *(date.isoformat() for date in dates))
    weeks = [date.isocalendar() for date in dates]
    assert [path[0] for path in found] == [f"{week.year:04d}-W{week.week:02d}" for week in weeks]


def test_prefixes_keep_the_first_characters() -> None:
    assert groups(build(prefix={"keep": [3, 1]}), "81667", "ÄÖÜß", "81", "8") == [
        ["816*", "8*", "*"],
        ["ÄÖÜ*", "Ä*", "*"],
        ["81", "8*", "*"],
        ["8", "8", "*"],
    ]


def test_orders_group_neighbors() -> None:
    sizes = build(order={"values": ["XS", "S", "M", "L", "XL"], "groups": [2, 4]})
    assert groups(sizes, "XL", "S", "XXL") == [["XL", "XL", "*"], ["[XS, S]", "[XS, L]", "*"], [None, None, None]]
    assert (sizes.public, sizes.ordered) == (True, True)
    read = build(order={"groups": [2]})
    assert groups(read, "10", "9", "200") == [["[9, 10]", "*"], ["[9, 10]", "*"], ["200", "*"]]
    assert not read.public


def test_the_most_frequent_values_stay() -> None:
    top = build(priority={"keep": [2, 1]})
    assert groups(top, "b", "a", "c", counts=[3, 3, 9]) == [["*", "*", "*"], ["a", "*", "*"], ["c", "c", "*"]]
    assert not top.public


def test_groups_are_written_out() -> None:
    nested = build(groups={"Europe": {"West": ["France", 7], "North": ["Norway"]}, "Asia": {"East": ["Japan"]}})
    assert groups(nested, "7", "Japan", "Mars") == [["West", "Europe", "*"], ["East", "Asia", "*"], [None, None, None]]


def test_a_listed_number_is_found_however_it_is_written() -> None:
    listed = build(paths=[[1, "low"], [2.0, "low"], ["07", "code"], [True, "yes"]])
    assert [path[0] for path in groups(listed, "1", "1.0", "2", "2.00", "07", "7", "true", "1.5", " 1")] == [
        *["low"] * 4,
        "code",
        None,
        "yes",
        None,
        None,
    ]


REFUSED: dict[str, dict[str, Any]] = {
    "nothing": {},
    "two ways": {"prefix": {"keep": [1]}, "dates": ["day"]},
    "a value twice": {"paths": [["a", "x"], ["a", "x"]]},
    "two parents": {"paths": [["a", "x", "p"], ["b", "x", "q"]]},
    "different lengths": {"paths": [["a", "x"], ["b"]]},
    "a value in two groups": {"groups": {"x": ["a"], "y": ["a"]}},
    "groups of different depth": {"groups": {"x": ["a"], "y": {"z": ["b"]}}},
    "an empty group": {"groups": {"x": []}},
    "a group of lists": {"groups": {"x": [["a"]]}},
    "widths that cut": {"intervals": {"levels": [5, 8]}},
    "widths that stay": {"intervals": {"levels": [5, 5]}},
    "edges that cut": {"intervals": {"levels": [[0, 2, 4], [0, 3]]}},
    "edges off the grid": {"intervals": {"levels": [2, [0, 3]]}},
    "widths above edges": {"intervals": {"levels": [[0, 2, 4], 4]}},
    "edges that descend": {"intervals": {"levels": [[2, 0]]}},
    "edges and low": {"intervals": {"levels": [[0, 2]], "low": 0}},
    "low above high": {"intervals": {"levels": [1], "low": 5, "high": 5}},
    "an order that cuts": {"order": {"groups": [2, 3]}},
    "an order with a value twice": {"order": {"values": [1, 1.0], "groups": [2]}},
    "prefixes that grow": {"prefix": {"keep": [1, 3]}},
    "dates from coarse to fine": {"dates": ["year", "month"]},
    "weeks in months": {"dates": ["week", "month"]},
}


@pytest.mark.parametrize("part", REFUSED.values(), ids=REFUSED)
def test_what_is_no_hierarchy_is_refused(part: dict[str, Any]) -> None:
    with pytest.raises(SchemaError) as raised:
        build(**part)
    assert "hierarchy of 'a'" in str(raised.value)


def test_a_fault_of_a_hierarchy_is_told_by_its_entry(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match="value of entry 3 stands in it twice"):
        build(paths=[["a", "x"], ["b", "x"], ["a", "x"]])
    with pytest.raises(SchemaError, match="Entry 3 has another"):
        build(paths=[["a", "x", "p"], ["b", "y", "p"], ["c", "x", "q"]])
    (tmp_path / "a.csv").write_text("a;x\nb;x\nc\n")
    with pytest.raises(FileFormatError, match="line 3 that is not empty"):
        read_paths(tmp_path, "a.csv")


def test_files_are_read_with_either_separator(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes('\ufeffx; g ;*\r\n\r\ny;"a,b;c";*\r\n'.encode())
    (tmp_path / "b.csv").write_text("x,g\ny,g\n")
    assert read_paths(tmp_path, "a.csv") == [["x", "g", "*"], ["y", "a,b;c", "*"]]
    assert read_paths(tmp_path, "b.csv") == [["x", "g"], ["y", "g"]]


FILES = {"empty": b"", "uneven": b"a;b\nc\n", "latin": b"\xe9;x\n", "quotes": b'"a;x\n'}


@pytest.mark.parametrize("name", ["absent.csv", "/etc/hostname", "../up.csv", ".", "a\0b", *FILES])
def test_a_file_that_is_no_hierarchy_is_refused(tmp_path: Path, name: str) -> None:
    if name in FILES:
        (tmp_path / name).write_bytes(FILES[name])
    with pytest.raises(FileFormatError):
        read_paths(tmp_path, name)
