"""``role: weight``: a survey weight that never enters a fit, and is said not to."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

import dpsynth
from dpsynth.cli.main import APPLICATION
from dpsynth.errors import SchemaError
from dpsynth.schema import Schema

TEXT = """
dpsynth: {version: 1, name: survey%s}
fields:
- {name: age, type: integer, constraints: {minimum: 0, maximum: 99}, dpsynth: {source: public, bins: {width: 10}}}
- {name: ill, type: boolean, dpsynth: {source: public}}
- {name: wgt, type: number, dpsynth: {role: weight}}
"""
SAID = "column 'wgt' is ignored: counts are of rows, not weighted"


def test_a_weight_needs_no_domain_and_is_not_modeled():
    schema = Schema.loads(TEXT % "")
    assert schema.domain.attributes == ("age", "ill")
    assert schema.remarks == (SAID,)
    assert schema.problems() == []
    schema.check_columns(["age", "ill"], {})
    with pytest.raises(SchemaError, match="a weight field has no codec"):
        schema.codec("wgt")
    with pytest.raises(SchemaError, match="a direct-id or a weight"):
        Schema.loads(
            "dpsynth: {version: 1, name: t}\nfields: [{name: w, type: number, dpsynth: {role: weight}}]"
        ).require_fit()


def test_plan_and_fit_say_so_and_the_sample_has_no_weight(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    Path("s.yaml").write_text(TEXT % "", encoding="utf-8")
    frame = pd.DataFrame({"age": range(100), "ill": [True, False] * 50, "wgt": [1.5] * 100})
    frame.to_csv("t.csv", index=False)
    assert SAID in dpsynth.plan("s.yaml", epsilon=1).warnings
    price = ["--schema", "s.yaml", "--epsilon", "1"]
    assert SAID in CliRunner().invoke(APPLICATION, ["plan", *price]).stdout
    assert SAID in CliRunner().invoke(APPLICATION, ["schema", "check", "s.yaml", "--data", "t.csv"]).stdout
    fitted = CliRunner().invoke(APPLICATION, ["fit", "t.csv", *price, "--ledger", "l.db", "-o", "m.dps"])
    assert fitted.exit_code == 0
    assert SAID in fitted.stderr
    assert dpsynth.load("m.dps").sample(5).columns.tolist() == ["age", "ill"]


def test_check_and_show_tell_the_constraints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    rule = ', constraints: [{if: "age ..9", then: "ill = false"}]'
    Path("s.yaml").write_text(TEXT % rule, encoding="utf-8")
    pd.DataFrame({"age": [*range(100)] * 20, "ill": [True, False] * 1_000}).to_csv("t.csv", index=False)
    said = "kept exactly; they cut the table into 2 parts (at most 256) by age, ill"
    assert f"Constraints: {said}." in CliRunner().invoke(APPLICATION, ["schema", "check", "s.yaml"]).stdout
    checked = CliRunner().invoke(APPLICATION, ["schema", "check", "s.yaml", "--json"])
    assert json.loads(checked.stdout)["result"]["constrained_parts"] == 2
    words = ["fit", "t.csv", "--schema", "s.yaml", "--epsilon", "1", "--ledger", "l.db", "-o", "m.dps"]
    assert CliRunner().invoke(APPLICATION, words).exit_code == 0
    assert said in " ".join(CliRunner().invoke(APPLICATION, ["show", "m.dps"]).stdout.split())
    rows = dpsynth.load("m.dps").sample(2_000, seed=1)
    assert not rows.loc[rows["age"] <= 9, "ill"].any()
    assert len(rows.loc[rows["age"] <= 9]) > 20
    Path("s.yaml").write_text((TEXT % rule).replace("..9", "..8"), encoding="utf-8")
    refused = CliRunner().invoke(APPLICATION, ["schema", "check", "s.yaml"])
    assert refused.exit_code == 3
    assert "Add 9 to the edges" in refused.stderr
