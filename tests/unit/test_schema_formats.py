"""Declared formats: several in one column, what CSV output shows, the ends of the calendar."""

from __future__ import annotations

import csv
import datetime as dt
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import dpsynth
from dpsynth.errors import SchemaError
from dpsynth.models import MixtureOfProducts, Model
from dpsynth.pipeline.sample import sample
from dpsynth.schema import Schema
from dpsynth.schema.date_texts import written


def schema(*fields: str) -> Schema:
    return Schema.loads("dpsynth: {version: 1, name: t}\nfields:\n" + "".join(f"- {field}\n" for field in fields))


def dated(
    extra: str, low: str = "2019", high: str = "2021", kind: str = "date", form: str = "", bins: str = "year"
) -> Schema:
    shown = f'format: "{form}", ' if form else ""
    bounds = f'constraints: {{minimum: "{low}", maximum: "{high}"}}'
    return schema(f"{{name: d, type: {kind}, {shown}{bounds}, dpsynth: {{source: public, bins: {bins}{extra}}}}}")


def test_every_cell_is_read_by_the_first_format_that_fits_it() -> None:
    codec = dated(', formats: ["%m/%d/%Y", default, "%d %B %Y"]', form="%d/%m/%Y", bins="month").codec("d")
    cells = ["05/03/2020", "12/31/2020", "2020-07-01", "1 August 2020", "31/31/2020", "July", None]
    labels = ["2020-03", "2020-12", "2020-07", "2020-08", "null", "null", "null"]
    for order in (range(7), [6, 5, 4, 3, 2, 1, 0]):
        codes = codec.encode(pa.array([cells[row] for row in order]))
        assert [codec.labels[code] for code in codes] == [labels[row] for row in order]
    assert [codec.labels[codec.encode(pa.array([cell], pa.string()))[0]] for cell in cells] == labels


@pytest.mark.parametrize(
    ("extra", "said"),
    [
        (', formats: ["%d.%m"]', "formats: a format needs one year"),
        (", formats: [default]", "formats: lists a format twice"),
        (", formats: []", "formats"),
        (', formats: "%d.%m.%Y"', "formats"),
    ],
)
def test_formats_that_cannot_be_are_said(extra: str, said: str) -> None:
    with pytest.raises(SchemaError, match=said):
        dated(extra)


def test_formats_apply_to_dates_alone() -> None:
    with pytest.raises(SchemaError, match="formats: does not apply"):
        schema("{name: b, type: boolean, dpsynth: {source: public, formats: [default]}}")


def test_bounds_are_iso_whatever_the_format() -> None:
    loaded = dated("", "2020-01-01T06:30:00", "2020-01-01T08:29:59", "datetime", "%d.%m.%Y %H:%M", "hour")
    assert loaded.codec("d").labels == ("2020-01-01T06", "2020-01-01T07", "2020-01-01T08", "null")


@pytest.mark.parametrize(
    ("low", "high", "kind", "extra", "said"),
    [
        ("0000", "2020", "date", "", "before the year 1"),
        ("0000-12-31", "2020", "datetime", "", "cannot be read"),
        ("0001", "2020", "datetime", ", zone: Asia/Tokyo", "before the year 1"),
        ("2020", "9999", "datetime", ", zone: America/Lima", "after the year 9999"),
        ("2020", "10000", "date", "", "cannot be read"),
    ],
)
def test_bounds_beyond_the_calendar_are_refused(low: str, high: str, kind: str, extra: str, said: str) -> None:
    with pytest.raises(SchemaError, match=said):
        dated(extra, low, high, kind)


@pytest.mark.parametrize("kind", ["date", "datetime"])
def test_the_first_and_the_last_year_hold(kind: str) -> None:
    codec = dated("", "0001", "9999", kind).codec("d")
    assert (codec.labels[0], codec.labels[-2]) == ("0001", "9999")
    cells = ["0001-01-01", "9999-12-31", "0000-05-05", "10000-01-01"]
    assert codec.encode(pa.array(cells)).tolist() == [0, 9998, 9999, 9999]
    drawn = codec.decode(np.array([0, 9998] * 50), np.random.default_rng(0)).to_pylist()
    assert {value.year for value in drawn} == {1, 9999}


@pytest.mark.parametrize(
    "form", ["%d.%m.%Y %H:%M:%S", "%B %d, %y, %I %p %%", "%Y%m%d%H%M%S.%f", "%d-%b-%Y", "%Y/%m/%d %H:%M%z"]
)
def test_moments_are_written_as_python_writes_them(form: str) -> None:
    scale = dated(", decimals: 3, zone: Europe/Paris", kind="datetime", form=form).codec("d").scale
    moments = [dt.datetime(2021, 3, 4, 17, 6, 7, 89_000, dt.UTC), None, dt.datetime(2020, 6, 30, 23, 59, 59, 0, dt.UTC)]
    column = pa.array(moments, pa.timestamp("us", tz="Europe/Paris"))
    wall = [None if value is None else value.strftime(form) for value in column.to_pylist()]
    assert written(column, scale, form).to_pylist() == wall


def test_dates_are_written_as_python_writes_them() -> None:
    scale = dated("", low="0001", high="9999").codec("d").scale
    days = [dt.date(1, 1, 1), dt.date(987, 10, 30), dt.date(1999, 2, 28), dt.date(9999, 12, 31)]
    assert written(pa.array(days), scale, "%Y-%m-%d").to_pylist() == [day.isoformat() for day in days]
    assert written(pa.array(days, pa.date32()), scale, "%d %b %y").to_pylist()[2:] == ["28 Feb 99", "31 Dec 99"]
    assert written(pa.array([], pa.date32()), scale, "%d %b %y").to_pylist() == []


@pytest.mark.parametrize("name", ["out.csv", "out.csv.gz"])
def test_a_csv_shows_the_declared_format_and_reads_back(tmp_path: Path, name: str) -> None:
    loaded = schema(
        '{name: d, type: date, format: "%d.%m.%Y", constraints: {minimum: "2020", maximum: "2022"}, '
        "dpsynth: {source: public, bins: month}}",
        '{name: e, type: date, format: "%d. %B, %Y", dpsynth: {source: public, derived: {after: d, maximum: 9}}}',
        '{name: f, type: datetime, format: "%m/%d/%y %I:%M:%S %p %z", constraints: {minimum: "2020", maximum: "2022"}, '
        "dpsynth: {source: public, bins: quarter, zone: Europe/Paris}}",
    )
    rng = np.random.default_rng(4)
    probabilities = np.concatenate([rng.dirichlet(np.ones(size)) for size in loaded.domain.sizes])[None, :]
    model = Model(MixtureOfProducts(loaded.domain, 500.0, np.ones(1), probabilities), schema=loaded)
    sample(model, tmp_path / name, seed=1)
    sample(model, tmp_path / "out.parquet", seed=1)
    found = dpsynth.evaluate(tmp_path / name, tmp_path / "out.parquet", loaded, ways=(3,))
    assert found.ways[0].mean == 0
    if name == "out.csv":
        with (tmp_path / name).open(newline="") as file:
            rows = list(csv.DictReader(file))
        shown = next(row for row in rows if row["d"] and row["e"])
        first = dt.datetime.strptime(shown["d"], "%d.%m.%Y").replace(tzinfo=dt.UTC)
        assert 0 <= (dt.datetime.strptime(shown["e"], "%d. %B, %Y").replace(tzinfo=dt.UTC) - first).days <= 9
