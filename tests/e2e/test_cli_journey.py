"""From a table to a synthetic table by the commands alone; odd rows are no errors and show nowhere."""

import csv
import gzip
import io
import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from dpsynth.cli.main import APPLICATION

SCHEMA = """\
dpsynth: {version: 1, name: people, unit: row}
fields:
  - name: sex
    type: string
    constraints: {enum: [Female, Male]}
    dpsynth: {source: public}
  - name: age
    type: integer
    constraints: {minimum: 0, maximum: 119}
    dpsynth: {source: public, bins: {width: 10}}
  - name: id
    type: string
    dpsynth: {role: direct-id}
"""
ROWS = "".join(f"{sex},{age},{sex[0]}{age}\n" for sex in ("Female", "Male") for age in range(20, 70) for _ in range(5))
TABLE = "sex,age,id\n" + ROWS
PRICE = ("--schema", "schema.yaml", "--epsilon", "1")


@pytest.fixture(autouse=True)
def people(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    Path("schema.yaml").write_text(SCHEMA)
    Path("people.csv").write_text(TABLE)


def run(*arguments: str, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(APPLICATION, list(arguments), input=stdin)


def answer(*arguments: str, stdin: bytes | None = None) -> dict[str, Any]:
    result = run(*arguments, "--json", stdin=stdin)
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    said = json.loads(result.stdout)
    assert said["command"] in " ".join(arguments)
    assert (said["schema_version"], said["ok"]) == (1, True)
    found: dict[str, Any] = said["result"]
    return found


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_every_step_answers_in_json() -> None:
    assert answer("schema", "check", "schema.yaml", "--data", "people.csv")["unused"] == []
    plan = answer("plan", *PRICE)
    assert abs(sum(step["share"] for step in plan["steps"]) - 1) < 1e-9
    fit = answer("fit", "people.csv", *PRICE, "--purpose", "a test", "-o", "model.dps")
    assert fit["created_pool"] is True
    assert 0 < fit["spent"]["rho"] <= plan["rho"]
    assert fit["pool"]["cap"]["epsilon"] == 1.0
    assert any("sidecar (TABLE.dpsynth.json)" in warning for warning in fit["warnings"])
    assert answer("show", "model.dps")["columns"].keys() == {"sex", "age"}
    sample = answer("sample", "model.dps", "-n", "50", "--seed", "1", "-o", "out.csv")
    assert sample["rows"] == 50
    found = answer("evaluate", "people.csv", "out.csv", "--schema", "schema.yaml")
    assert found["color"] == "internal"
    ledger = answer("ledger", "show", "people", "--events")
    assert ledger["pools"][0]["charged"]["rho"] == pytest.approx(fit["spent"]["rho"])
    assert {"CREATE", "RESERVE", "TOUCH", "DRAW", "COMMIT"} == {event["kind"] for event in ledger["events"]}
    assert {event["purpose"] for event in ledger["events"]} >= {"a test"}
    assert answer("ledger", "verify")["events"] == len(ledger["events"])
    assert answer("ledger", "export", "-o", "all.jsonl")["events"] == len(ledger["events"])
    assert answer("ledger", "import", "all.jsonl", "--ledger", "copy.db")["events"] == len(ledger["events"])
    assert answer("ledger", "show", "--ledger", "copy.db")["pools"] == ledger["pools"]
    raised = answer("ledger", "raise", "people", "--epsilon", "2", "--delta", "1e-9", "--reason", "more")
    assert raised["raised_late"] is True


def test_a_fit_says_price_cost_meaning_and_next_step() -> None:
    result = run("fit", "people.csv", *PRICE, "-o", "model.dps")
    assert result.exit_code == 0
    assert result.stdout == ""
    said = result.stderr
    assert said.index("Price of one auto fit") < said.index("Wrote model.dps")
    for words in (
        "epsilon 1, delta 1e-9",
        "protects one ROW",
        "with or without any one row, no outcome of this fit is more than 2.72 times as likely",
        "It was created now, with the budget of this fit as its cap.",
        "Cap of pool 'people': epsilon 1, delta 1e-9.",
        "Charged so far (not a guarantee): epsilon ",
        "othing is left",
        "Next: dpsynth sample model.dps",
    ):
        assert words in said
    assert "500" not in said.replace("1,500", "")


def test_a_second_fit_beyond_the_cap_is_refused() -> None:
    assert run("fit", "people.csv", *PRICE, "-o", "model.dps").exit_code == 0
    result = run("fit", "people.csv", *PRICE, "-o", "second.dps")
    assert result.exit_code == 4
    assert "largest epsilon a next fit may ask" in result.stderr
    assert not Path("second.dps").exists()


def test_shares_divide_a_cap_without_remainder() -> None:
    answer("ledger", "create", "people", "--epsilon", "1", "--delta", "1e-9")
    words = ("fit", "people.csv", "--schema", "schema.yaml", "--share", "1/3", "--method", "independent")
    for number in range(3):
        assert run(*words, "-o", f"{number}.dps").exit_code == 0
    assert run(*words, "-o", "3.dps").exit_code == 4


def test_the_flag_wins_over_the_other_price_in_the_settings() -> None:
    Path("dpsynth.yaml").write_text("share: 1/5\nschema: schema.yaml\nmethod: independent\n")
    assert answer("fit", "people.csv", "--epsilon", "0.5", "-o", "model.dps")["epsilon"] == 0.5


def test_samples_repeat_by_seed_and_obey_conditions() -> None:
    run("fit", "people.csv", *PRICE, "-o", "model.dps")
    words = ("sample", "model.dps", "-n", "40", "--where", "sex=Female", "--where", "age 30..39", "-o", "-")
    first, again, other = (run(*words, "--seed", seed).stdout for seed in ("7", "7", "8"))
    assert first == again != other
    rows = rows_of(first)
    assert len(rows) == 40
    assert all(row["sex"] == "Female" and 30 <= int(row["age"]) <= 39 for row in rows)


@pytest.mark.parametrize("name", ["out.csv", "out.csv.gz", "out.parquet", "out.arrow"])
def test_formats_follow_the_extension_and_carry_a_sidecar(name: str) -> None:
    run("fit", "people.csv", *PRICE, "-o", "model.dps")
    assert answer("sample", "model.dps", "-n", "25", "--draw", "iid", "-o", name)["rows"] == 25
    assert Path(f"{name}.dpsynth.json").exists()
    if name.endswith(".parquet"):
        assert pq.read_table(name).num_rows == 25
    if name.endswith(".gz"):
        assert len(rows_of(gzip.decompress(Path(name).read_bytes()).decode())) == 25


def test_a_table_may_come_from_stdin() -> None:
    found = answer("fit", "-", *PRICE, "-o", "model.dps", stdin=TABLE.encode())
    assert found["path"] == "model.dps"


def test_other_delimiters_are_said() -> None:
    Path("people.csv").write_text(TABLE.replace(",", ";"))
    assert run("fit", "people.csv", *PRICE, "--delimiter", ";", "-o", "model.dps").exit_code == 0


ODD = {
    "unknown values": b"sex,age,id\n" + b"Martian,old,x\n" * 200,
    "ragged rows": b"sex,age,id\n" + b"Male\nMale,30,a,b,c\nFemale,40,z\n" * 100,
    "undecodable bytes": b"sex,age,id\n" + b"\xff\xfe,30,\x80\n" * 100,
    "no rows": b"sex,age,id\n",
    "no rows, no line end": b"sex,age,id",
    "one row": b"sex,age,id\nMale,30,a\n",
    "all null": b"sex,age,id\n" + b",,\n" * 100,
    "constant": b"sex,age,id\n" + b"Male,30,a\n" * 100,
}


@pytest.mark.parametrize("name", ODD)
def test_odd_rows_fit_and_show_nowhere(name: str) -> None:
    run("ledger", "create", "people", "--epsilon", "9", "--delta", "1e-9")
    words = ("fit", "people.csv", *PRICE, "-o", "model.dps", "--force")
    usual = run(*words)
    Path("people.csv").write_bytes(ODD[name])
    odd = run(*words)
    assert (odd.exit_code, odd.stdout) == (0, "")
    assert strip_numbers(odd.stderr) == strip_numbers(usual.stderr)


def strip_numbers(text: str) -> str:
    """The charges of two fits differ with the edges chosen from noisy answers; the words do not."""
    return "".join(letter for letter in text if not letter.isdigit() and letter not in ".e-")


@pytest.mark.parametrize(("columns", "method"), [(1, "mst"), (40, "mst"), (200, "independent")])
def test_one_column_and_two_hundred(columns: int, method: str) -> None:
    names = [f"c{number}" for number in range(columns)]
    fields = [
        {
            "name": name,
            "type": "boolean",
            "constraints": {"required": True},
            "dpsynth": {"source": "public", "null": False},
        }
        for name in names
    ]
    Path("wide.yaml").write_text(json.dumps({"dpsynth": {"version": 1, "name": "wide"}, "fields": fields}))
    lines = [",".join(names), *(",".join(["true"] * columns) for _ in range(20))]
    Path("wide.csv").write_text("\n".join(lines) + "\n")
    found = run("fit", "wide.csv", "--schema", "wide.yaml", "--epsilon", "1", "--method", method, "-o", "wide.dps")
    assert found.exit_code == 0, found.output
    assert run("sample", "wide.dps", "-n", "3", "-o", "-").stdout.count("\n") == 4
