"""Samples of models with derived fields and calendar parts: no violation, whatever the model holds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

import dpsynth
from dpsynth.errors import UsageError
from dpsynth.models import MixtureOfProducts, Model, dealing
from dpsynth.schema import Schema

STAYS = Schema.loads("""
dpsynth: {version: 1, name: stays}
fields:
- {name: bill, type: number, dpsynth: {source: public, derived: {sum: [drugs, care, days]}, decimals: 2}}
- name: admission
  type: date
  constraints: {minimum: "2019-03-15", maximum: "2023-12-31"}
  dpsynth: {source: public, bins: year, keep: [weekday, season]}
- name: discharge
  type: date
  dpsynth: {source: public, dtype: "datetime64[ns]", derived: {after: admission, bins: {edges: [0, 1, 7, 60]}}}
- name: control
  type: date
  dpsynth: {source: public, derived: {after: discharge, minimum: 2, maximum: 90, bins: {count: 4}}}
- {name: code, type: string, constraints: {enum: [A00, A01, B10]}, dpsynth: {source: public, overflow: other}}
- {name: chapter, type: string, dpsynth: {source: public, dtype: category, derived: {map: {from: code, prefix: 1}}}}
- {name: days, type: integer, constraints: {minimum: 0, maximum: 60}, dpsynth: {source: public, "null": 0}}
- name: drugs
  type: number
  constraints: {minimum: 0, maximum: 900}
  dpsynth: {source: public, bins: {count: 9}, decimals: 2}
- name: care
  type: number
  constraints: {minimum: 0, maximum: 900}
  dpsynth: {source: public, bins: {count: 9}, decimals: 1}
- name: born
  type: datetime
  constraints: {minimum: "2023", maximum: "2023"}
  dpsynth: {source: public, bins: quarter, zone: Europe/Berlin, keep: [hour, weekday]}
- name: first
  type: datetime
  dpsynth: {source: public, zone: UTC, derived: {after: born, maximum: 86399, bins: {log: 5}}}
""")


def arbitrary(schema: Schema, seed: int, rows: int = 20_000) -> Model:
    """A model that knows nothing of the rules: a random mixture over the attributes."""
    rng = np.random.default_rng(seed)
    blocks = [rng.dirichlet(np.full(size, 0.7), size=3) for size in schema.domain.sizes]
    held = MixtureOfProducts(schema.domain, float(rows), rng.dirichlet(np.ones(3)), np.concatenate(blocks, axis=1))
    return Model(held, schema=schema)


@pytest.fixture(scope="module")
def model() -> Model:
    return arbitrary(STAYS, 5)


def column(table: pa.Table, name: str) -> np.ndarray:
    values = table.column(name)
    if pa.types.is_timestamp(values.type):
        values = values.cast(pa.int64())
    return values.to_numpy(zero_copy_only=False)


def violations(table: pa.Table) -> int:
    """Rows that break a rule of STAYS, nulls passing."""
    found = pc.sum(pc.less(table["discharge"], table["admission"])).as_py() or 0
    found += pc.sum(pc.less(table["control"], table["discharge"])).as_py() or 0
    found += pc.sum(pc.less(table["first"].cast(pa.int64()), table["born"].cast(pa.int64()))).as_py() or 0
    total = column(table, "drugs") + column(table, "care") + column(table, "days")
    missing = np.isnan(total)
    found += int((missing != np.isnan(column(table, "bill"))).sum())
    found += int((np.abs(total - column(table, "bill"))[~missing] > 1e-9).sum())
    expected = pc.if_else(pc.equal(table["code"], "other"), table["code"], pc.utf8_slice_codeunits(table["code"], 0, 1))
    found += sum(a != b for a, b in zip(expected.to_pylist(), table["chapter"].to_pylist(), strict=True))
    return found


def encoded(schema: Schema, name: str, rows: pa.RecordBatch) -> np.ndarray:
    return schema.encode([name], rows)[name]


@pytest.mark.parametrize("method", ["rounding", "iid"])
def test_no_row_breaks_a_rule(model: Model, method: str) -> None:
    table = model.sample(50_000, seed=1, method=method, output="pyarrow")
    assert table.schema.names == [one.name for one in STAYS.modeled]
    assert violations(table) == 0


def test_nulls_pass_both_ways(model: Model) -> None:
    table = model.sample(seed=2, output="pyarrow")
    begun, ended = table["admission"].is_valid(), table["discharge"].is_valid()
    for one in (begun, pc.invert(begun)):
        for other in (ended, pc.invert(ended)):
            assert pc.sum(pc.and_(one, other)).as_py() > 0


def test_a_date_has_the_parts_of_its_row(model: Model) -> None:
    rng = np.random.default_rng(3)
    names = STAYS.domain.attributes
    codes = {name: rng.integers(0, STAYS.domain[name], 20_000) for name in names}
    drawn = {name: STAYS.codec(name).decode(codes[name], rng) for name in names}
    table = pa.record_batch(STAYS.restored(drawn, rng))
    weekday, season = encoded(STAYS, "admission (weekday)", table), encoded(STAYS, "admission (season)", table)
    year = encoded(STAYS, "admission", table)
    assert (year == codes["admission"]).all()
    known = (year < 5) & (codes["admission (weekday)"] < 7) & (codes["admission (season)"] < 4)
    assert (weekday == codes["admission (weekday)"])[known].all()
    # Only the year 2019, which begins on March 15th, has first quarters with few days, but every weekday.
    assert (season == codes["admission (season)"])[known].all()
    born = encoded(STAYS, "born", table)
    assert (born == codes["born"]).all()
    hours = (born < 4) & (codes["born (hour)"] < 24)
    assert (encoded(STAYS, "born (hour)", table) == codes["born (hour)"])[hours].all()


def test_the_part_that_is_listed_last_is_given_up_first() -> None:
    schema = Schema.loads("""
dpsynth: {version: 1, name: short}
fields:
- name: day
  type: date
  constraints: {minimum: "2024-01-01", maximum: "2024-04-02"}
  dpsynth: {source: public, bins: quarter, keep: [weekday, month]}
""")
    # The second quarter has two days: Monday, April 1st and Tuesday, April 2nd.
    parts = [("Monday", "04"), ("Monday", "05"), ("Friday", "04"), (None, "04"), ("Tuesday", None)]
    weekdays, months = (pa.array(texts, pa.string()) for texts in zip(*parts, strict=True))
    drawn = {
        "day": pa.array([np.datetime64("2024-04-02").astype(object)] * 5),
        "day (weekday)": weekdays,
        "day (month)": months,
    }
    days = schema.restored(drawn, np.random.default_rng(0))["day"].to_pylist()
    assert [day.isoformat() for day in days[:2]] == ["2024-04-01"] * 2
    assert days[2].isoformat() == "2024-04-02"  # no Friday: what was drawn stays
    assert all("2024-04-01" <= day.isoformat() <= "2024-04-02" for day in days)


def test_the_same_seed_gives_the_same_rows_in_batches_of_any_size(
    monkeypatch: pytest.MonkeyPatch, model: Model, tmp_path: Path
) -> None:
    monkeypatch.setattr(dealing, "BLOCK_ROWS", 100)
    whole = model.sample(250, seed=3, output="pyarrow")
    batches = list(model.sample_batches(250, seed=3, batch_rows=33))
    assert pa.Table.from_batches(batches).combine_chunks() == whole.combine_chunks()
    model.save(tmp_path / "m.dps")
    assert dpsynth.load(tmp_path / "m.dps").sample(250, seed=3, output="pyarrow").equals(whole)


def test_frames_have_the_declared_dtypes(model: Model) -> None:
    frame = model.sample(100, seed=1)
    assert str(frame.dtypes["discharge"]) == "datetime64[ns]"
    assert str(frame.dtypes["chapter"]) == "category"
    assert str(frame.dtypes["bill"]) == "float64"
    assert model.sample(0).dtypes.tolist() == frame.dtypes.tolist()


def test_conditions_on_what_is_modeled_are_met(model: Model) -> None:
    where = ["chapter=A", "discharge - admission 3..5", '"admission (weekday)" in Monday,Tuesday', "admission=2020"]
    table = model.sample(2_000, seed=4, where=where, output="pyarrow")
    assert set(table["code"].to_pylist()) == {"A00", "A01"}
    stay = pc.days_between(table["admission"], table["discharge"])
    assert (pc.min(stay).as_py(), pc.max(stay).as_py()) == (3, 5)
    assert set(pc.day_of_week(table["admission"]).to_pylist()) == {0, 1}
    assert set(pc.year(table["admission"]).to_pylist()) == {2020}


@pytest.mark.parametrize(
    ("where", "hint"),
    [
        ("discharge=2020-01-01", "'admission' and on 'discharge - admission'"),
        ("bill 3..", "drugs, care, days"),
        ("admission 2020-03..", r"admission \(weekday\)"),
        ("chapter=Z", "A, B, other"),
        ("chapter A..B", "col in"),
        ("admission (weekday)=Caturday", "Monday"),
    ],
)
def test_conditions_that_cannot_be_met_exactly_are_refused(model: Model, where: str, hint: str) -> None:
    with pytest.raises(UsageError, match=hint):
        model.sample(5, where=where)


# --- from rows to rows ----------------------------------------------------------------------------------------


def stays(rows: int, seed: int = 0) -> pa.Table:
    """Made-up stays, most of them in winter and none on a Sunday; the bill and the chapter are no columns of it."""
    rng = np.random.default_rng(seed)
    days = np.arange(np.datetime64("2020-01-01"), np.datetime64("2023-12-01"))
    weight = np.where(days.astype("datetime64[M]").astype(int) % 12 < 3, 5.0, 1.0)
    weight[(days.astype(int) + 3) % 7 == 6] = 0
    admission = rng.choice(days, rows, p=weight / weight.sum())
    discharge = admission + rng.integers(0, 7, rows)
    return pa.table(
        {
            "person": pa.array(rng.integers(0, rows, rows)),
            "admission": pa.array(admission.astype(str)),
            "discharge": pa.array(discharge),
            "control": pa.array(discharge + 30),
            "code": pa.array(rng.choice(["A00", "B10", "none of these"], rows)),
            "days": pa.array(rng.integers(0, 20, rows)),
            "drugs": pa.array(rng.uniform(0, 900, rows)),
            "care": pa.array(rng.uniform(0, 900, rows)),
            "born": pa.array(["2023-07-01T12:34:00"] * rows),
            "first": pa.array(["2023-07-01T10:35:00Z"] * rows),
        }
    )


@pytest.mark.parametrize("unit", ["row", "person:3"])
def test_winters_weekdays_and_lengths_survive_a_fit_in_year_bins(unit: str) -> None:
    table = stays(4_000)
    fitted = dpsynth.fit(
        table, STAYS, epsilon=200, delta=1e-6, method="independent", unit=unit, ledger=dpsynth.Ledger.in_memory()
    )
    sample = fitted.sample(4_000, seed=1, output="pyarrow")
    assert violations(sample) == 0
    first = pc.equal(pc.quarter(sample["admission"]), 1)
    winters = pc.equal(pc.quarter(table["admission"].cast(pa.date32())), 1)
    # At this epsilon noise moves a count by less than 10 rows of 4,000 but with probability below 1e-12; bounding
    # persons drops less than 2 % of the rows.
    assert pc.mean(first).as_py() == pytest.approx(pc.mean(winters).as_py(), abs=0.03)
    assert pc.sum(pc.equal(pc.day_of_week(sample["admission"]), 6)).as_py() < 40
    assert pc.max(pc.days_between(sample["admission"], sample["discharge"])).as_py() <= 60
    assert pc.mean(pc.less(pc.days_between(sample["admission"], sample["discharge"]), 8)).as_py() > 0.95
    assert set(pc.hour(sample["born"]).to_pylist()) - {None} >= {12}
    compared = dpsynth.evaluate(table, sample, STAYS, ways=(1,))
    assert compared.ways[0].mean < 0.03
