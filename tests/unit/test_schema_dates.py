"""Dates and moments: formats, calendars, zones, and texts that only look like dates."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pytest

from dpsynth.schema import Schema
from dpsynth.schema.codecs import Codec
from dpsynth.schema.dates import ISO, pattern_of, read_moments

PARIS = ZoneInfo("Europe/Paris")


def codec(kind: str, low: str, high: str, extra: str, form: str = "default") -> Codec:
    field = f"name: a, type: {kind}, format: '{form}', constraints: {{minimum: '{low}', maximum: '{high}'}}"
    text = f"dpsynth: {{version: 1, name: t}}\nfields:\n- {{{field}, dpsynth: {{source: public, {extra}}}}}\n"
    return Schema.loads(text).codec("a")


def encoded(one: Codec, *cells: object) -> list[str]:
    column = pa.array([cell.encode() if isinstance(cell, str) else cell for cell in cells])
    return [one.labels[code] for code in one.encode(column)]


def test_iso_dates() -> None:
    one = codec("date", "2020-01-01", "2020-12-31", "bins: day, overflow: 'null'")
    assert encoded(one, "2020-02-29", " 2020-03-01 ", "2020-03-01T23:59:59Z", "2020-03-01 00:00") == [
        "2020-02-29",
        "2020-03-01",
        "2020-03-01",
        "2020-03-01",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "2020-02-30",
        "2021-02-29",
        "2020-13-01",
        "2020-00-10",
        "2020-01-00",
        "0000-01-01",
        "2020-1-1",
        "20200101",
        "2020-01-01T24:00",
        "2020-01-01T10:60",
        "2020-01-01T10:00:60",
        "2020-01-01T10:00+99:99",
        "2020-01-01x",
        "x2020-01-01",
        "2020-01-01\x00",
        "２０２０-01-01",
        "",
    ],
)
def test_what_only_looks_like_a_date_is_null(text: str) -> None:
    for kind in ("date", "datetime"):
        assert encoded(codec(kind, "2020-01-01", "2020-12-31", "bins: day"), text) == ["null"]


def test_dates_beyond_the_bounds_are_clipped() -> None:
    one = codec("date", "2020-02-10", "2020-04-20", "bins: month")
    assert one.labels == ("2020-02", "2020-03", "2020-04", "null")
    assert encoded(one, "1900-01-01", "9999-12-31", "2020-02-09", "2020-03-31") == [
        "2020-02",
        "2020-04",
        "2020-02",
        "2020-03",
    ]
    drawn = one.decode(np.array([0, 2]).repeat(500), np.random.default_rng(0)).to_pylist()
    assert min(drawn) == dt.date(2020, 2, 10)
    assert max(drawn) == dt.date(2020, 4, 20)


@pytest.mark.parametrize(
    ("unit", "first", "last", "size"),
    [
        ("day", "2019-12-30", "2021-01-03", 371),
        ("week", "2020-W01", "2020-W53", 53),
        ("month", "2019-12", "2021-01", 14),
        ("quarter", "2019-Q4", "2021-Q1", 6),
        ("year", "2019", "2021", 3),
    ],
)
def test_calendars(unit: str, first: str, last: str, size: int) -> None:
    for kind in ("date", "datetime"):
        one = codec(kind, "2019-12-30", "2021-01-03", f"bins: {unit}")
        assert (one.labels[0], one.labels[-2], one.size) == (first, last, size + 1)
        assert len(set(one.labels)) == one.size


def test_years_before_1970_and_physical_dates() -> None:
    one = codec("date", "1900-01-01", "1969-12-31", "bins: year")
    assert encoded(one, dt.date(1969, 12, 31), dt.date(1900, 1, 1), None) == ["1969", "1900", "null"]
    moment = codec("datetime", "1900-01-01", "1969-12-31", "bins: year")
    assert encoded(moment, np.datetime64("1969-12-31T23:59:59.999999")) == ["1969"]
    column = pa.array([dt.date(1950, 6, 1)], pa.date64())
    assert moment.labels[moment.encode(column)[0]] == "1950"


def test_timestamps_at_the_ends_of_their_range() -> None:
    one = codec("datetime", "2020-01-01", "2020-12-31", "bins: month, zone: Europe/Paris")
    for unit in ("s", "ms", "us", "ns"):
        for zone in (None, "UTC"):
            column = pa.array([-(2**63), 2**63 - 1, None], pa.int64()).view(pa.timestamp(unit, tz=zone))
            assert [one.labels[code] for code in one.encode(column)] == ["2020-01", "2020-12", "null"]


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("%d/%m/%Y", "5/03/2020"),
        ("%d.%m.%y", "05.03.20"),
        ("%Y%m%d", "20200305"),
        ("%d %b %Y", "05 Mar 2020"),
        ("%B %d, %Y", "MARCH 5, 2020"),
        ("%Y-%m-%d %I:%M %p", "2020-03-05 12:30 AM"),
        ("%d/%m/%Y %H:%M:%S.%f", "05/03/2020 01:02:03.4"),
        ("100%% %Y.%m.%d", "100% 2020.03.05"),
    ],
)
def test_formats(form: str, text: str) -> None:
    one = codec("date", "2020-01-01", "2020-12-31", "bins: day", form)
    assert encoded(one, text, text + "x", "2020-03-05 ?") == ["2020-03-05", "null", "null"]


def test_integers_are_read_by_the_format() -> None:
    one = codec("date", "2020-01-01", "2020-12-31", "bins: day", "%Y%m%d")
    assert encoded(one, 20200305, 20201301) == ["2020-03-05", "null"]


def test_two_digit_years_and_noon() -> None:
    moments = read_moments(pa.array([b"01-01-69 12 am", b"01-01-68 12 pm"]), pattern_of("%d-%m-%y %I %p"))
    assert (moments.days + 719_163).tolist() == [dt.date(1969, 1, 1).toordinal(), dt.date(2068, 1, 1).toordinal()]
    assert (moments.nanoseconds // 10**9 // 3600).tolist() == [0, 12]


@pytest.mark.parametrize(
    "form", ["", "%Y", "%Y-%m", "%Y-%m-%d %Y", "%Y-%m-%d %", "%x", "%y %Y %m %d", "%Y-%m-%d %I", "%m %b %d %Y"]
)
def test_formats_that_are_no_dates(form: str) -> None:
    with pytest.raises(ValueError, match="%"):
        pattern_of(form)


def test_moments_are_read_exactly() -> None:
    moments = read_moments(pa.array([b"2020-01-02T03:04:05.123456789+05:30"]), ISO)
    assert moments.nanoseconds.tolist() == [((3 * 60 + 4) * 60 + 5) * 10**9 + 123456789]
    assert moments.offsets.tolist() == [5 * 3600 + 1800]


def test_a_zone_means_the_same_moment_in_every_spelling() -> None:
    one = codec("datetime", "2020-07-01", "2020-07-31", "bins: hour, zone: Europe/Paris")
    moment = dt.datetime(2020, 7, 14, 12, 30, tzinfo=PARIS)
    utc = pa.array([moment]).cast(pa.timestamp("ns", tz="UTC"))
    assert [one.labels[code] for code in one.encode(utc)] == ["2020-07-14T12"]
    texts = ("2020-07-14 12:30", "2020-07-14T10:30Z", "2020-07-14T16:00:00+05:30")
    assert encoded(one, *texts) == ["2020-07-14T12"] * 3
    assert encoded(one, np.datetime64("2020-07-14T12:30:00")) == ["2020-07-14T12"]


def test_without_a_zone_offsets_are_taken_to_utc() -> None:
    one = codec("datetime", "2020-07-01", "2020-07-31", "bins: hour")
    assert encoded(one, "2020-07-14 12:30", "2020-07-14T12:30+02:00") == ["2020-07-14T12", "2020-07-14T10"]


def test_hours_that_a_clock_skips_or_repeats() -> None:
    spring = codec("datetime", "2020-03-29", "2020-03-29", "bins: hour, zone: Europe/Paris")
    assert spring.size == 23 + 1
    assert "2020-03-29T02" not in spring.labels
    assert encoded(spring, "2020-03-29 02:30") == ["2020-03-29T03"]
    autumn = codec("datetime", "2020-10-25", "2020-10-25", "bins: hour, zone: Europe/Paris")
    assert autumn.size == 24 + 1
    drawn = autumn.decode(np.full(400, 2), np.random.default_rng(0)).to_pylist()
    assert {value.astimezone(PARIS).hour for value in drawn} == {2}
    assert {value.astimezone(dt.UTC).hour for value in drawn} == {0, 1}


def test_decimals_of_moments() -> None:
    whole = codec("datetime", "2020-01-01", "2020-01-31", "bins: day")
    assert {value.microsecond for value in whole.decode(np.zeros(50, int), np.random.default_rng(0)).to_pylist()} == {0}
    fine = codec("datetime", "2020-01-01", "2020-01-31", "bins: day, decimals: 6")
    values = fine.decode(np.full(50, 30), np.random.default_rng(0)).to_pylist()
    assert any(value.microsecond % 1000 for value in values)
    assert {value.date() for value in values} == {dt.date(2020, 1, 31)}
