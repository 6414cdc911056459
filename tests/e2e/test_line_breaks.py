"""Categories with a line break: synthetic tables hold them in every format, a CSV of real rows never can.

Nothing here is statistical: forms of the same table are compared.
"""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner, Result

from dpsynth.cli.main import APPLICATION

SCHEMA = """
dpsynth: {version: 1, name: people, unit: row}
fields:
  - name: c
    type: string
    constraints: {enum: ["line1\\nline2", plain]}
    dpsynth: {source: public}
  - name: d
    type: string
    constraints: {enum: [u, v]}
    dpsynth: {source: public}
"""
CANNOT = "no CSV of real rows can hold it"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(APPLICATION, [str(one) for one in arguments])


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fit of a Parquet table, and one table drawn from it in both formats."""
    folder = tmp_path_factory.mktemp("breaks")
    table = pd.DataFrame({"c": ["line1\nline2", "plain"] * 150, "d": ["u"] * 100 + ["v"] * 200})
    table.to_parquet(folder / "real.parquet")
    table.to_csv(folder / "real.csv", index=False)
    (folder / "s.yaml").write_text(SCHEMA, encoding="utf-8")
    words = ("fit", folder / "real.parquet", "-s", folder / "s.yaml", "--epsilon", 5, "--method", "independent")
    assert run(*words, "--holdout", "50%", "-o", folder / "m.dps", "--ledger", folder / "l.db").exit_code == 0
    for end in ("csv", "parquet"):
        assert run("sample", folder / "m.dps", "-n", 200, "--seed", 1, "-o", folder / f"t.{end}").exit_code == 0
    return folder


@pytest.fixture(autouse=True)
def folder(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(made)
    monkeypatch.setenv("DPSYNTH_LEDGER", str(made / "l.db"))
    return tmp_path


def facts(command: str, *words: object) -> dict:
    found = run(command, *words, "--json")
    assert found.exit_code in (0, 5), found.output
    return json.loads(found.stdout)["result"]


def test_both_forms_of_a_table_give_the_same_public_report(folder: Path) -> None:
    found = {}
    for end in ("csv", "parquet"):
        target = folder / f"{end}.json"
        words = ("m.dps", "--synthetic", f"t.{end}", "--edition", "public", "-o", target)
        assert run("report", *words).exit_code == 0
        found[end] = json.loads(target.read_text(encoding="utf-8"))
    assert found["csv"] == found["parquet"]
    assert found["csv"]["synthetic_rows"] == 200


def test_both_forms_of_a_table_lie_equally_far_from_the_real_one() -> None:
    first, second = (facts("evaluate", "real.parquet", f"t.{end}", "-s", "s.yaml") for end in ("csv", "parquet"))
    distances = [
        [(one["mean"]["value"], one["worst"]["value"], one["worst_columns"]) for one in found["marginals"]]
        for found in (first, second)
    ]
    assert distances[0] == distances[1]
    assert distances[0][0][1] < 0.2


def test_both_forms_of_a_table_are_audited_alike(folder: Path) -> None:
    found = []
    for end in ("csv", "parquet"):
        target = folder / f"{end}.json"
        words = ("real.parquet", f"t.{end}", "--model", "m.dps", "--holdout", "m.dps.holdout.json", "-o", target)
        assert run("audit", "release", *words).exit_code in (0, 5)
        found.append(json.loads(target.read_text(encoding="utf-8")))
    assert found[0]["findings"] == found[1]["findings"]
    assert found[0]["samples"] == found[1]["samples"]


def test_a_csv_of_real_rows_that_cannot_hold_a_category_is_refused(folder: Path) -> None:
    ledger = folder / "new.db"
    asked = [
        ("schema", "check", "s.yaml", "--data", "real.csv"),
        ("fit", "real.csv", "-s", "s.yaml", "--epsilon", 1, "--ledger", ledger, "-o", folder / "x.dps"),
        ("evaluate", "real.csv", "t.csv", "-s", "s.yaml"),
        ("audit", "release", "real.csv", "t.csv", "--schema", "s.yaml", "-o", folder / "a.json"),
        ("report", "m.dps", "--synthetic", "t.csv", "--real", "real.csv", "-o", folder / "r.html"),
    ]
    for words in asked:
        found = run(*words)
        assert (found.exit_code, CANNOT in found.stderr, "Parquet" in found.stderr) == (3, True, True), words
    assert not ledger.exists()
    assert list(folder.iterdir()) == []
    assert run("schema", "check", "s.yaml", "--data", "real.parquet").exit_code == 0
