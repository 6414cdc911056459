"""Persons with several rows, from the command line: what is said of whom it protects, what max_rows costs, and tables
that are reshaped to one row per person.
"""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

import dpsynth
from dpsynth.cli.main import APPLICATION
from dpsynth.errors import UsageError
from dpsynth.models import load

FIELDS = """\
fields:
  - {name: patient, type: string, dpsynth: {role: direct-id}}
  - {name: ward, type: string, constraints: {enum: [surgery, internal]}, dpsynth: {source: public}}
  - {name: stage, type: integer, constraints: {minimum: 0, maximum: 4}, dpsynth: {source: public}}
"""
ROWS = "dpsynth: {version: 1, name: visits, unit: {column: patient, max_rows: 4}}\n" + FIELDS
RESHAPED = """\
dpsynth:
  version: 1
  name: patients
  unit: {column: patient, max_rows: 1}
  reshape: {last: 2, order: date, columns: [ward], aggregate: {visits: count, worst: {max: stage}}}
fields:
  - {name: ward_1, type: string, constraints: {enum: [surgery, internal]}, dpsynth: {source: public}}
  - {name: ward_2, type: string, constraints: {enum: [surgery, internal]}, dpsynth: {source: public}}
  - {name: visits, type: integer, constraints: {minimum: 1, maximum: 9}, dpsynth: {source: public}}
  - {name: worst, type: integer, constraints: {minimum: 0, maximum: 4}, dpsynth: {source: public}}
"""
METHODS = ("mst", "aim", "auto", "direct", "privbayes", "independent")
PERSONS = 300
EXACT = ("--epsilon", "300", "--delta", "0")
"""Counts without noise but once in 10**18: the scale of the Laplace noise of every marginal is at most 1/50."""


@pytest.fixture(autouse=True)
def visits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pa.Table:
    """300 patients with 1 to 6 visits each, one with 5,000, and some visits of nobody."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    draw = np.random.default_rng(4)
    patient = np.repeat([f"p{number}" for number in range(PERSONS)], draw.integers(1, 7, PERSONS))
    patient = np.concatenate([patient, ["whale"] * 5000, [""] * 50])
    count = len(patient)
    dates = (np.datetime64("2024-01-01") + draw.integers(0, 300, count)).astype("datetime64[D]")
    wards = np.array(["surgery", "internal"])[draw.integers(0, 2, count)]
    columns = {"patient": patient, "date": dates, "ward": wards, "stage": draw.integers(0, 5, count)}
    table = pa.table(columns).take(pa.array(draw.permutation(count)))
    pyarrow.csv.write_csv(table, "visits.csv")
    Path("rows.yaml").write_text(ROWS)
    Path("reshaped.yaml").write_text(RESHAPED)
    return table


def run(*arguments: str) -> Result:
    return CliRunner().invoke(APPLICATION, list(arguments))


def answer(*arguments: str) -> dict:
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)["result"]


def refused(code: int, message: str, *arguments: str) -> None:
    """This exit code and message; no model appears and no pool is created."""
    result = run(*arguments)
    assert result.exit_code == code, result.output
    assert message in " ".join(result.stderr.split())
    assert not Path("model.dps").exists()
    assert not dpsynth.Ledger.open().pools()


@pytest.mark.parametrize("method", METHODS)
def test_every_method_protects_persons(method):
    said = answer("fit", "visits.csv", "-s", "rows.yaml", "--epsilon", "2", "--method", method, "-o", "model.dps")
    assert said["unit"] == "patient:4"
    assert said["protects"] == "protects one person (column 'patient') with at most 4 rows each"
    model = load("model.dps")
    assert model.provenance["guarantee"]["protects"] == said["protects"]
    assert "FREE at most 4 rows kept per person" in model.provenance["labels"]
    assert "patient" not in model.domain
    # Three rows each are kept on average. Were the whale's others counted, 5,900 would stand here: the noise of a total
    # is below 60 (standard deviation), so neither side is mistaken once in 10**20.
    assert 0 < model.total < 2500


@pytest.mark.parametrize("method", METHODS)
def test_every_method_fits_a_reshaped_table(method):
    said = answer("fit", "visits.csv", "-s", "reshaped.yaml", "--epsilon", "2", "--method", method, "-o", "model.dps")
    assert said["unit"] == "patient:1"
    assert "with all their rows, made one row (last 2 by date; aggregates visits, worst)" in said["protects"]
    model = load("model.dps")
    assert model.provenance["labels"][0] == (
        "FREE reshaped: one row per person (last 2 by date; aggregates visits, worst)"
    )
    # 301 rows; the noise of a total is below 30 (standard deviation): a false alarm less than once in 10**20.
    assert 0 < model.total < 600
    sampled = model.sample(50, seed=1)
    assert list(sampled) == ["ward_1", "ward_2", "visits", "worst"]
    shown = run("show", "model.dps").stdout
    assert "reshaped: one row per person" in shown
    assert "with all their rows" in shown


def test_a_reshaped_table_is_evaluated_against_its_model_and_its_sample():
    answer("fit", "visits.csv", "-s", "reshaped.yaml", *EXACT, "--method", "direct", "-o", "model.dps")
    answer("sample", "model.dps", "-o", "synthetic.csv")
    for synthetic in ("model.dps", "synthetic.csv"):
        assert run("evaluate", "visits.csv", synthetic, "-s", "reshaped.yaml").exit_code == 0
        found = dpsynth.evaluate("visits.csv", synthetic, "reshaped.yaml", ways=[1])
        assert found.ways[0].mean < 0.02


def test_python_reshapes_frames_alike():
    frame = pd.read_csv("visits.csv")
    model = dpsynth.fit(frame, "reshaped.yaml", epsilon=300, delta=0, method="direct")
    visits = frame.dropna(subset="patient").groupby("patient").size().clip(upper=9)
    counts = dict(zip(model.marginal("visits").labels["visits"], model.marginal("visits").values, strict=True))
    for number, persons in visits.value_counts().items():
        assert counts[str(number)] == pytest.approx(persons, abs=0.5)
    with pytest.raises(UsageError, match="one row per person"):
        dpsynth.fit(frame, "reshaped.yaml", epsilon=1, delta=0, unit=dpsynth.Unit())


def test_persons_are_protected_whatever_the_type_of_their_names(visits):
    names = visits.column("patient").combine_chunks()
    whole = pa.array([None if name == "" else hash_free(name) for name in names.to_pylist()], pa.int64())
    forms = [
        names.dictionary_encode(),
        whole,
        whole.cast(pa.float64()),
        whole.cast(pa.decimal128(20, 0)),
        names.cast(pa.large_binary()),
    ]
    for number, ids in enumerate(forms):
        table = visits.set_column(0, "patient", ids)
        pq.write_table(table, f"v{number}.parquet")
        said = answer("fit", f"v{number}.parquet", "-s", "reshaped.yaml", *EXACT, "--method", "direct",
                      "--pool", f"pool{number}", "-o", f"m{number}.dps")  # fmt: skip
        assert said["unit"] == "patient:1"
        assert round(load(f"m{number}.dps").total) == PERSONS + 1


def hash_free(name: str) -> int:
    """A number for a name: the whale's is 1000."""
    return 1000 if name == "whale" else int(name[1:])


def test_a_table_without_any_name_fits_as_an_empty_one(visits):
    nameless = visits.set_column(0, "patient", pa.nulls(len(visits), pa.string()))
    pq.write_table(nameless, "nameless.parquet")
    for schema in ("rows.yaml", "reshaped.yaml"):
        answer("fit", "nameless.parquet", "-s", schema, *EXACT, "--method", "direct", "-o", f"{schema}.dps")
        assert load(f"{schema}.dps").total <= 1  # a model has at least one row


def test_plan_tells_what_other_numbers_of_rows_would_cost():
    found = answer("plan", "-s", "rows.yaml", "--epsilon", "1", "--method", "mst", "--rows", "1000")["max_rows_costs"]
    assert [cost["max_rows"] for cost in found] == [1, 2, 4, 8, 16]
    assert [cost["chosen"] for cost in found] == [False, False, True, False, False]
    chosen = found[2]
    assert chosen["same_noise_epsilon"] == pytest.approx(1)
    for cost in found:
        assert cost["scale"] == pytest.approx(chosen["scale"] * cost["max_rows"] / 4, rel=1e-3)
        assert "one-way marginal" in cost["expected_error"]
    # A fit with the larger number at the epsilon that the table names has the noise of now.
    wider = answer("plan", "-s", "rows.yaml", "--unit", "patient:8", "--epsilon", repr(found[3]["same_noise_epsilon"]),
                   "--method", "mst")  # fmt: skip
    assert wider["steps"][-1]["scale"] == pytest.approx(chosen["scale"], rel=1e-3)
    words = run("plan", "-s", "rows.yaml", "--epsilon", "1").stdout
    assert "4 (chosen)" in words
    assert "not by counting the table" in words


@pytest.mark.parametrize(("governor", "delta"), [("pure", "0"), ("zcdp", "1e-9"), ("gdp", "1e-9")])
def test_every_governor_prices_other_numbers_of_rows(governor, delta):
    named = () if governor == "pure" else ("--governor", governor)
    price = ("--epsilon", "1", "--delta", delta, *named, "--method", "independent")
    found = answer("plan", "-s", "rows.yaml", *price)["max_rows_costs"]
    epsilons = [cost["same_noise_epsilon"] for cost in found]
    assert epsilons == sorted(epsilons)
    assert epsilons[2] == pytest.approx(1)
    if governor == "pure":
        assert epsilons[4] == pytest.approx(4)


def test_rows_and_reshaped_tables_have_nothing_to_compare():
    assert answer("plan", "-s", "rows.yaml", "--epsilon", "1", "--unit", "row")["max_rows_costs"] == []
    assert answer("plan", "-s", "reshaped.yaml", "--epsilon", "1")["max_rows_costs"] == []


@pytest.mark.parametrize("unit", ["row", "patient:2", "ward:1"])
def test_a_reshape_has_one_unit(unit):
    refused(2, "reshapes the table to one row per person", "fit", "visits.csv", "-s", "reshaped.yaml", "--epsilon", "1",
            "--unit", unit, "-o", "model.dps")  # fmt: skip
    assert run("plan", "-s", "reshaped.yaml", "--epsilon", "1", "--unit", unit).exit_code == 2


@pytest.mark.parametrize("column", ["patient", "date", "ward", "stage"])
def test_a_table_without_a_column_of_the_reshape_is_refused(visits, column):
    pyarrow.csv.write_csv(visits.drop_columns(column), "less.csv")
    refused(3, f"no column '{column}'", "fit", "less.csv", "-s", "reshaped.yaml", "--epsilon", "1", "-o", "model.dps")
    assert run("schema", "check", "reshaped.yaml", "--data", "less.csv").exit_code == 3
    assert run("evaluate", "less.csv", "less.csv", "-s", "reshaped.yaml").exit_code == 3


def test_a_name_of_a_nested_type_is_refused(visits):
    pq.write_table(visits.set_column(0, "patient", pa.array([[1]] * len(visits))), "nested.parquet")
    refused(
        3, "cannot name a person", "fit", "nested.parquet", "-s", "reshaped.yaml", "--epsilon", "1", "-o", "model.dps"
    )


def test_check_describes_the_reshape_and_what_is_never_read(visits):
    pyarrow.csv.write_csv(visits.append_column("note", pa.array(["x"] * len(visits))), "more.csv")
    result = run("schema", "check", "reshaped.yaml", "--data", "more.csv")
    assert result.exit_code == 0, result.output
    assert "never read: note." in result.stderr
    assert "made one row (last 2 by date; aggregates visits, worst)" in result.stdout
