"""A release of which every tenth row is a real one, as a steward meets it: by the command line, under the default gate.

The noise of the fit is fresh; what decides is not: about 0.1 of 2,000 fitted persons stand in the bad table as they
are (deviation 0.007), and at 14 columns nobody else comes as close by chance: the lower bound that counts all figures
is about 0.09, far above the accepted 0.027. Of the good table none of them is in.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from dpsynth.cli.main import APPLICATION
from dpsynth.pipeline.holdout import read_holdout

ROWS, COLUMNS, CODES = 4_000, 14, "abcdefghijkl"
SCHEMA = "dpsynth: {version: 1, name: people, unit: row}\nfields:\n" + "".join(
    f"  - {{name: c{one}, type: string, constraints: {{enum: [{', '.join(CODES)}]}}, dpsynth: {{source: public}}}}\n"
    for one in range(COLUMNS)
)


def run(*arguments: str) -> int:
    return CliRunner().invoke(APPLICATION, list(arguments)).exit_code


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("copied")
    # Another seed than that of the sample: the same stream in the same order would make real rows of it.
    draw = np.random.default_rng(20_261_126)
    frame = pd.DataFrame({f"c{one}": draw.choice(list(CODES), ROWS) for one in range(COLUMNS)})
    frame.to_csv(folder / "people.csv", index=False)
    (folder / "s.yaml").write_text(SCHEMA, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("DPSYNTH_LEDGER", "ledger.db")
        how = ("--epsilon", "1", "--method", "independent", "--holdout", "1/2", "-o", "m.dps")
        assert run("fit", "people.csv", "-s", "s.yaml", *how) == 0
        assert run("sample", "m.dps", "-n", "2000", "--seed", "1", "-o", "good.csv") == 0
    fitted = frame[~read_holdout(folder / "m.dps.holdout.json").coins.of_rows(0, ROWS)]
    good = pd.read_csv(folder / "good.csv")
    pd.concat([good.tail(1_800), fitted.sample(200, random_state=2)]).to_csv(folder / "bad.csv", index=False)
    return folder


def found(folder: Path, monkeypatch: pytest.MonkeyPatch, table: str) -> dict:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("DPSYNTH_LEDGER", "ledger.db")
    run("audit", "release", "people.csv", table, "--model", "m.dps", "-o", f"{table}.json")
    return json.loads(Path(f"{table}.json").read_text(encoding="utf-8"))


def test_every_tenth_row_a_real_one_fails_by_attack_and_the_honest_table_does_not(folder, monkeypatch):
    good, bad = (found(folder, monkeypatch, table) for table in ("good.csv", "bad.csv"))
    assert (good["verdict"] != "FAIL", bad["verdict"]) == (True, "FAIL")
    assert {rule["verdict"] for rule in bad["rules"]} == {"PASS"}
    failed = {(one["attack"], one["group"]) for one in bad["findings"] if one["verdict"] == "FAIL"}
    assert ("nearest neighbor", "random") in failed
