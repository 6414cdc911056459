"""The journey ``risk``, and both commands."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from click.testing import CliRunner, Result

import dpsynth
from anonymize_examples import FIELDS, FIVE, PLAIN, people, policy
from dpsynth.cli.main import APPLICATION
from dpsynth.errors import UsageError
from dpsynth.evidence import INTERNAL_WATERMARK
from dpsynth.pipeline.anonymized import LIMITS
from dpsynth.schema.yamltext import dump


def run(*arguments: object) -> Result:
    return CliRunner().invoke(APPLICATION, [str(argument) for argument in arguments])


@pytest.mark.parametrize("method", ["optimal", "local", "mondrian"])
def test_k_map_counts_in_the_population(tmp_path: Path, method: str) -> None:
    people(200).drop_columns(["ill"]).to_pandas().to_csv(tmp_path / "all.csv", index=False)
    people(20).to_pandas().to_csv(tmp_path / "few.csv", index=False)
    said = policy(FIELDS, [{"k-map": {"k": 6, "population": "all.csv"}}], limits={"method": method})
    (tmp_path / "policy.yaml").write_text(dump(said))
    outcome = dpsynth.anonymize(tmp_path / "few.csv", tmp_path / "policy.yaml", tmp_path / "out.csv")
    assert outcome.models["6-map"] >= 6
    assert outcome.smallest < 6
    if method != "mondrian":
        report = dpsynth.risk(tmp_path / "out.csv", tmp_path / "policy.yaml")
        assert [(check.holds, check.reached) for check in report.checks] == [(True, outcome.models["6-map"])]
    raw = dpsynth.risk(tmp_path / "few.csv", tmp_path / "policy.yaml")
    frame = people(200).to_pandas().groupby(["age", "sex"]).size()
    few = people(20).to_pandas()
    assert raw.checks[0].reached == min(frame[age, sex] for age, sex in zip(few["age"], few["sex"], strict=True))


def test_risk_reads_thresholds_persons_and_wildcards() -> None:
    table = pa.table({"pid": ["a", "a", "b", "c"], "q": ["x", "x", None, "y"], "s": [1, 1, 1, 2]})
    fields = {"q": PLAIN, "s": {"role": "sensitive"}}
    limits = {"prosecutor": 0.5, "marketer": 1, "uniques": 0.5, "nulls": "wildcard"}
    report = dpsynth.risk(table, policy(fields, [], head={"unit": {"column": "pid", "max_rows": 2}}, limits=limits))
    assert (report.persons, report.smallest, report.wildcard) == (3, 1, 2)
    assert [check.holds for check in report.checks] == [False, True, True]
    assert not report.met
    assert report.alone.persons == 3
    assert "'s' is known" in report.verdict
    assert "every row matches at least 2 rows." in report.render()
    assert "at least 1 row, itself." in replace(report, wildcard=1).render()
    rows = dpsynth.risk(
        table.drop_columns(["pid"]), policy(fields, [], head={"unit": {"column": "pid", "max_rows": 2}})
    )
    assert (rows.persons, rows.counted) == (None, False)
    assert "rows were counted, not persons" in rows.verdict
    assert rows.met
    with pytest.raises(UsageError):
        dpsynth.risk(table, policy(fields, []), fraction=0)
    shares = dpsynth.risk(people(), FIVE, fraction=0.1)
    assert [one.estimator for one in shares.estimates] == ["Pitman", "Zayatz"]


def test_a_policy_that_is_met_says_what_that_does_not_give() -> None:
    raw, made = dpsynth.risk(people(), FIVE), dpsynth.risk(dpsynth.anonymize(people(), FIVE).table, FIVE)
    assert (raw.met, LIMITS in raw.render(), "limits" in raw.to_dict()) == (False, False, False)
    assert (made.met, LIMITS in made.render(), made.to_dict()["limits"]) == (True, True, LIMITS)
    assert LIMITS not in replace(made, synthetic=True).render()


def test_sets_that_were_too_many_are_told() -> None:
    many = pa.table({f"c{number}": [0, number, 1] for number in range(60)})
    report = dpsynth.risk(many, policy(dict.fromkeys(many.column_names, PLAIN), []))
    assert (report.examined, report.to_dict()["unique_columns_up_to"]) == (2, 2)
    assert "Sets of more than 2 columns were not looked at" in report.render()
    assert dpsynth.risk(people(), FIVE).examined is None


def test_the_commands_answer_and_end_with_their_codes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    people().to_pandas().to_csv("people.csv", index=False)
    Path("policy.yaml").write_text(dump(FIVE))
    before = run("risk", "people.csv", "--policy", "policy.yaml")
    assert (before.exit_code, before.stdout.count(INTERNAL_WATERMARK)) == (5, 2)
    assert "NOT MET  5-anonymity" in before.stdout
    made = run("anonymize", "people.csv", "-p", "policy.yaml", "-o", "out.csv")
    assert made.exit_code == 0
    assert (made.stdout, "5-anonymity holds in out.csv" in made.stderr) == ("", True)
    assert run("risk", "out.csv", "-p", "policy.yaml").exit_code == 0
    said = json.loads(run("risk", "people.csv", "-p", "policy.yaml", "--json").stdout)
    assert (said["ok"], said["result"]["met"], said["result"]["watermark"]) == (False, False, INTERNAL_WATERMARK)
    printed = run("anonymize", "people.csv", "-p", "policy.yaml", "--print-policy")
    Path("again.yaml").write_text(printed.stdout)
    assert run("anonymize", "people.csv", "-p", "again.yaml", "--print-policy").stdout == printed.stdout
    shown = run("anonymize", "people.csv", "-p", "policy.yaml", "-o", "-", "--quiet")
    assert shown.stdout.startswith("age,sex,ill\n")
    assert pd.read_csv("out.csv").shape[1] == 3
    for wrong, code in (
        (["people.csv", "-p", "policy.yaml"], 2),
        (["people.csv", "-p", "absent.yaml", "-o", "x.csv"], 3),
        (["absent.csv", "-p", "policy.yaml", "-o", "x.csv"], 3),
        (["people.csv", "-p", "policy.yaml", "-o", "out.csv"], 2),
        (["people.csv", "-p", "policy.yaml", "-o", "out.xls"], 2),
        (["people.csv", "-p", "policy.yaml", "-o", "x.csv", "--time-limit", "0"], 2),
    ):
        result = run("anonymize", *wrong)
        assert (result.exit_code, result.stdout) == (code, ""), result.stderr


def test_what_was_not_looked_at_and_what_does_not_fit_is_said() -> None:
    names = [f"q{at}" for at in range(41)]
    table = pd.DataFrame({name: [0, 0, 1, 1] for name in names})
    document = {"dpsynth": {"version": 1}, "fields": [{"name": name, "dpsynth": {"role": "quasi"}} for name in names]}
    found = dpsynth.risk(table, document)
    assert found.to_dict()["unique_columns_up_to"] == 2
    assert "Sets of more than 2 columns were not looked at: they are too many." in found.render()
    few = dpsynth.risk(table, {**document, "fields": document["fields"][:4]})
    assert few.to_dict()["unique_columns_up_to"] is None
    assert "were not looked at" not in few.render()


def test_a_population_that_lists_too_few_is_told(tmp_path: Path) -> None:
    (tmp_path / "everybody.csv").write_text("a\nx\ny\ny\n")
    (tmp_path / "policy.yaml").write_text(
        "dpsynth: {version: 1}\nfields: [{name: a, dpsynth: {role: quasi}}]\n"
        "models: [{k-map: {k: 1, population: everybody.csv}}]\n"
    )
    found = dpsynth.risk(pd.DataFrame({"a": ["x", "x", "y"]}), tmp_path / "policy.yaml")
    assert found.to_dict()["classes_larger_than_the_population"] == 1
    assert "The population has fewer rows than the table of 1 of 2 classes" in found.render()
