"""A table of people from file to file: identifiers leave before the fit and are invented after the sample."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from dpsynth.cli.main import APPLICATION

SCHEMA = """
dpsynth: {version: 1, name: visits, unit: {column: patient, max_rows: 2}}
primaryKey: ["--where"]
fields:
  - {name: "--where", type: string, dpsynth: {role: direct-id, generate: {regex: "V[0-9]{3}"}}}
  - name: age
    type: integer
    constraints: {minimum: 0, maximum: 99}
    dpsynth: {source: public, bins: {width: 20}, step: 5}
  - {name: patient, type: string, dpsynth: {role: direct-id, generate: uuid}}
  - {name: ward, type: string, constraints: {enum: [a, b]}, dpsynth: {source: public}}
  - {name: note, type: string, dpsynth: {role: direct-id}}
"""


def run(*arguments: str, code: int = 0) -> Result:
    result = CliRunner().invoke(APPLICATION, list(arguments))
    assert result.exit_code == code, result.output
    return result


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    rows = [f"V{row:03d},{20 + row % 50},person {row // 2},{'ab'[row % 2]},said {row}" for row in range(600)]
    Path("visits.csv").write_text("--where,age,patient,ward,note\n" + "\n".join(rows) + "\n", encoding="utf-8")
    Path("visits.yaml").write_text(SCHEMA, encoding="utf-8")
    options = ("--epsilon", "2", "--method", "independent", "--ledger", "ledger.db")
    run("fit", "visits.csv", "--schema", "visits.yaml", *options, "-o", "model.dps")
    return tmp_path / "model.dps"


def test_no_identifier_of_the_table_is_in_the_model_or_in_a_sample(model: Path) -> None:
    run("sample", str(model), "-n", "1000", "--seed", "1", "-o", "rows.csv")
    run("sample", str(model), "-n", "1000", "--seed", "1", "-o", "rows.parquet")
    text, table = pa_csv.read_csv("rows.csv"), pq.read_table("rows.parquet")
    assert text.column_names == table.column_names == ["--where", "age", "patient", "ward"]
    assert text["patient"].to_pylist() == table["patient"].to_pylist()
    assert sorted(table["--where"].to_pylist()) == [f"V{number:03d}" for number in range(1000)]
    # Synthetic rows are independent: each has a person of its own.
    assert len(set(table["patient"].to_pylist())) == 1000
    assert {age % 5 for age in table["age"].drop_null().to_pylist()} == {0}
    for path in (model, Path("rows.csv"), Path("rows.parquet")):
        assert b"person 1" not in path.read_bytes()
        assert b"said 1" not in path.read_bytes()
    labels = json.loads(Path("rows.csv.dpsynth.json").read_text(encoding="utf-8"))["labels"]
    assert [re.sub("model [0-9a-f]{16}", "model M", one) for one in labels] == [
        "POST sample of model M; invented: --where, patient"
    ]


def test_show_and_check_say_what_is_invented(model: Path) -> None:
    assert json.loads(run("show", str(model), "--json").stdout)["result"]["invented"] == ["--where", "patient"]
    assert "--where, patient (no value of these is a real one)" in run("show", str(model)).stdout
    said = run("schema", "check", "visits.yaml").stdout
    assert said.count("invented") == 2
    assert said.count("not modeled") == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("-n", "1001"), "the pattern has 1,000 texts, fewer than 1,001 rows"),
        (("-n", "5", "--where", "patient=person 1"), "'patient' is invented after the sample"),
        (("-n", "5", "--where", '"--where" in V001'), "'--where' is invented after the sample"),
        (("-n", "5", "--where", "note=said 1"), "the model has no column 'note'"),
    ],
)
def test_what_cannot_be_kept_is_refused_and_nothing_is_written(
    model: Path, arguments: tuple[str, ...], said: str
) -> None:
    result = run("sample", str(model), *arguments, "-o", "rows.csv", code=2)
    assert said in result.output
    assert "Traceback" not in result.output
    assert not list(model.parent.glob("rows.csv*"))


def test_a_hostile_pattern_stops_a_fit_before_anything_is_spent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("visits.yaml").write_text(SCHEMA.replace("V[0-9]{3}", "((a+)+)+$"), encoding="utf-8")
    Path("visits.csv").write_text("--where,age,patient,ward,note\n", encoding="utf-8")
    options = ("--schema", "visits.yaml", "--epsilon", "1", "--ledger", "ledger.db", "-o", "model.dps")
    result = run("fit", "visits.csv", *options, code=3)
    assert "regex: repeats without end" in result.output
    assert not Path("ledger.db").exists()
    assert not Path("model.dps").exists()
