"""``audit release`` from files: good and bad releases, gates, attempts, and everything that does not fit together.

The attackers' draws are seeded. The noise of the fits is not: each verdict on a good release leaves bounds so wide that
a false FAIL has probability below 1e-3 (Holm at 5 % needs a lower bound of 0.5 where nothing leaks).
"""

from __future__ import annotations

import json
import stat
from pathlib import Path

import jsonschema
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result

import dpsynth
from dpsynth.cli.main import APPLICATION
from dpsynth.errors import GateError
from dpsynth.evidence import INTERNAL_WATERMARK, Verdict
from dpsynth.ledger import Ledger
from dpsynth.pipeline.audit_release import audit_release
from dpsynth.tables import write_sidecar

SCHEMA = """\
dpsynth: {version: 1, name: people, unit: UNIT}
fields:
  - {name: id, type: string, dpsynth: {role: direct-id, source: public}}
  - {name: sex, type: string, constraints: {enum: [f, m]}, dpsynth: {source: public, role: quasi}}
  - {name: age, type: integer, constraints: {minimum: 0, maximum: 79}, dpsynth: {source: public, bins: {width: 1}}}
  - {name: pay, type: integer, constraints: {minimum: 0, maximum: 79}, dpsynth: {source: public, bins: {width: 1}}}
  - {name: job, type: string, constraints: {enum: [a, b, c, d]}, dpsynth: {source: public}}
"""
GATE = """\
gate: 1
name: ours
version: "1"
title: Ours
about: A test.
candidates: 2
rules:
  - {rule: guarantee, citation: test}
  - {rule: no-direct-identifiers, citation: test}
risks:
  - {risk: membership, measure: advantage, at_most: 0.5, demand: pass, citation: test}
checklist:
  - {clause: c, item: Somebody looked at it.}
"""
ROWS = 3_000


def people(rows=ROWS, seed=1):
    draw = np.random.default_rng(seed)
    age = draw.integers(0, 80, rows)
    return pd.DataFrame(
        {
            "id": [f"p{one}" for one in range(rows)],
            "sex": draw.choice(["f", "m"], rows),
            "age": age,
            "pay": np.clip(age + draw.integers(-9, 10, rows), 0, 79),
            "job": draw.choice(list("abcd"), rows),
        }
    )


def run(*arguments: str) -> Result:
    return CliRunner().invoke(APPLICATION, list(arguments))


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A fit with a holdout and its sample, made once; every test works on a copy."""
    folder = tmp_path_factory.mktemp("made")
    people().to_csv(folder / "people.csv", index=False)
    (folder / "s.yaml").write_text(SCHEMA.replace("UNIT", "row"), encoding="utf-8")
    (folder / "ours.yaml").write_text(GATE, encoding="utf-8")
    dpsynth_fit(folder, "m.dps", epsilon=1)
    return folder


def dpsynth_fit(folder: Path, name: str, *, epsilon: float, data="people.csv", schema="s.yaml") -> None:
    from dpsynth.pipeline import fit as journey

    journey.fit(
        folder / data,
        folder / schema,
        epsilon=epsilon,
        method="mst",
        holdout="1/3",
        output=folder / name,
        ledger=folder / "ledger.db",
        pool=name,
    )
    frame = dpsynth.load(folder / name).sample(1_500, seed=2)
    frame.to_csv(folder / name.replace(".dps", ".csv"), index=False)


@pytest.fixture(autouse=True)
def folder(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    import shutil

    for path in made.iterdir():
        shutil.copy(path, tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DPSYNTH_LEDGER", str(tmp_path / "ledger.db"))
    return tmp_path


def audit(synthetic="m.csv", *more: str, model="m.dps", gate="./ours.yaml") -> Result:
    return run("audit", "release", "people.csv", synthetic, "--model", model, "--gate", gate, "-o", "a.json", *more)


def written() -> dict:
    found = json.loads(Path("a.json").read_text(encoding="utf-8"))
    where = Path(__file__).resolve().parents[2] / "docs/reference/audit.schema.json"
    jsonschema.validate(found, json.loads(where.read_text(encoding="utf-8")))
    return found


# --- verdicts ----------------------------------------------------------------------------------------------------


def test_a_good_release_passes_and_says_why():
    found = audit("m.csv", "--figures")
    assert found.exit_code == 0, found.output
    assert {Path(name).stat().st_mode & 0o777 for name in ("a.json", "a.json.roc.svg", "a.json.risks.svg")} == {0o600}
    assert "PASS" in found.stdout
    assert INTERNAL_WATERMARK in found.stdout
    assert "right at most 73.1 times in 100" in found.stdout
    said = written()
    assert (said["verdict"], said["color"], said["notice"]) == ("PASS", "internal", INTERNAL_WATERMARK)
    assert said["attempt"] == {"candidate": 1, "of": 2}
    assert said["holdout"] == {"share": "1/3", "unit": "row", "table_checked": True}
    assert said["samples"]["fitted"] + said["samples"]["held_out"] == ROWS
    assert all(said["digests"].values())
    assert {one["attack"] for one in said["findings"]} >= {"likelihood ratio", "classifier", "tree density ratio"}
    assert {one["risk"] for one in said["reported"]} >= {"membership", "singling out", "linkability", "inference"}
    assert said["roc"]
    assert said["checklist"]
    for name in ("roc", "risks"):
        drawn = Path(f"a.json.{name}.svg").read_text(encoding="utf-8")
        assert (drawn[:4], "INTERNAL" in drawn, "nan" in drawn) == ("<svg", True, False)
    assert {stat.S_IMODE(path.stat().st_mode) for path in Path().glob("a.json*")} == {0o600}


def test_the_same_seed_says_the_same():
    first, second = (
        audit_release("people.csv", "m.csv", "m.dps", holdout="m.dps.holdout.json", gate="ours.yaml").to_dict()
        for _ in range(2)
    )
    assert first["findings"] == second["findings"]


def test_a_table_of_fitted_rows_fails():
    # The advantage is 0.64 with a deviation of 0.02 over the coins; 0.39 are needed.
    Path("low.yaml").write_text(GATE.replace("at_most: 0.5", "at_most: 0.3"), encoding="utf-8")
    real = pd.read_csv("people.csv", dtype=str)
    from dpsynth.pipeline.holdout import read_holdout

    held = read_holdout("m.dps.holdout.json").coins.of_rows(0, len(real))
    real[~held].drop(columns="id").to_csv("copies.csv", index=False)
    assert audit("copies.csv", gate="./low.yaml").exit_code == 5
    said = written()
    assert said["verdict"] == "FAIL"
    lows = [one["figure"]["interval"]["low"] for one in said["findings"] if one["verdict"] == "FAIL"]
    assert min(lows) > 0.3


def test_an_enormous_epsilon_fails_by_the_likelihood_ratio(folder):
    dpsynth_fit(folder, "big.dps", epsilon=1000)
    found = audit("big.csv", model="big.dps")
    assert (found.exit_code, "FAIL" in found.stdout) == (5, True)
    failed = {(one["attack"], one["group"]) for one in written()["findings"] if one["verdict"] == "FAIL"}
    assert ("likelihood ratio", "random") in failed
    assert audit("big.csv", "--force", model="big.dps", gate="default").exit_code == 5
    ruled = {one["rule"]: one["verdict"] for one in written()["rules"]}
    assert ruled["pool-epsilon"] == "FAIL"


def test_a_domain_read_from_the_rows_fails_by_rule():
    Path("data.yaml").write_text(
        SCHEMA.replace("UNIT", "row").replace(
            "[a, b, c, d]}, dpsynth: {source: public}", "[a, b, c, d]}, dpsynth: {source: data}"
        ),
        encoding="utf-8",
    )
    assert audit("m.csv", "--schema", "data.yaml", gate="default").exit_code == 5
    ruled = {one["rule"]: one for one in written()["rules"]}
    assert (ruled["public-domain"]["verdict"], "'job'" in ruled["public-domain"]["words"]) == ("FAIL", True)


def test_without_a_holdout_it_says_what_it_cannot_say():
    Path("m.dps.holdout.json").unlink()
    found = audit()
    assert (found.exit_code, "INCONCLUSIVE" in found.stdout, "--holdout" in found.stdout) == (5, True, True)
    said = written()
    assert (said["verdict"], said["holdout"], said["samples"]["held_out"]) == ("INCONCLUSIVE", None, 0)


def test_a_table_without_a_guarantee_is_audited_and_told_what_follows():
    import hashlib

    digest = hashlib.sha256(Path("m.csv").read_bytes()).hexdigest()
    write_sidecar("m.csv", ["POST sample, dp: false"], digest)
    assert audit().exit_code == 5
    said = written()
    (rule,) = [one for one in said["rules"] if one["rule"] == "guarantee"]
    assert (rule["verdict"], "others may" in rule["words"], said["claim"]["dp"]) == ("FAIL", True, False)
    assert said["findings"]


def test_a_table_without_a_model_needs_a_schema():
    bare = ("audit", "release", "people.csv", "m.csv", "--gate", "cms-cells", "-o", "a.json")
    assert "--schema" in run(*bare).stderr
    found = run(*bare, "-s", "s.yaml")
    assert found.exit_code in (0, 5)
    said = written()
    assert (said["findings"], said["attempt"]) == ([], None)
    assert any("no attack was made" in note for note in said["notes"])
    assert any("attempts were not counted" in note for note in said["notes"])


def test_too_few_rows_say_how_many_are_needed():
    Path("small.yaml").write_text(GATE.replace("at_most: 0.5", "at_most: 0.01"), encoding="utf-8")
    assert audit(gate="./small.yaml").exit_code == 5
    said = written()
    needed = [one["needed"] for one in said["findings"] if one["verdict"] == "INCONCLUSIVE"]
    assert needed
    assert min(number for number in needed if number) > 1_000
    assert "are needed" in said["findings"][0]["words"]


# --- attempts ----------------------------------------------------------------------------------------------------


def test_only_so_many_candidates_as_were_fixed_in_advance():
    for number in range(1, 4):
        dpsynth.load("m.dps").sample(500, seed=10 + number).to_csv(f"try{number}.csv", index=False)
    assert audit("try1.csv").exit_code in (0, 5)
    # Another gate does not buy further tries.
    Path("more.yaml").write_text(GATE.replace("candidates: 2", "candidates: 9"), encoding="utf-8")
    assert audit("try2.csv", "--force", gate="./more.yaml").exit_code in (0, 5)
    assert written()["attempt"] == {"candidate": 2, "of": 2}
    before = Path("a.json").read_bytes()
    refused = audit("try3.csv", "--force", gate="./more.yaml")
    assert (refused.exit_code, "2 candidates" in refused.stderr) == (5, True)
    assert Path("a.json").read_bytes() == before
    again = audit("try1.csv", "--force")
    assert (written()["attempt"]["candidate"], again.stderr) == (1, "")
    events = [one for one in Ledger.open().events("m.dps") if one.kind == "AUDIT"]
    assert len(events) == 4
    assert all(dict(one.data) == {} for one in events)
    extract = "\n".join(Ledger.open().extract("m.dps"))
    assert '"candidate"' not in extract
    assert Ledger.open().verify().problems == ()


def test_tables_that_are_no_files_are_candidates_of_their_own():
    frames = [dpsynth.load("m.dps").sample(300, seed=seed) for seed in (21, 21, 22, 23)]

    def attempt(frame):
        return audit_release("people.csv", frame, "m.dps", gate="ours.yaml").attempt

    assert [attempt(frame)["candidate"] for frame in frames[:3]] == [1, 1, 2]
    with pytest.raises(GateError, match="2 candidates"):
        attempt(frames[3])


def test_after_a_release_the_count_begins_anew():
    audit()
    Ledger.open().record("m.dps", "RELEASE", {"sha256": "0"})
    dpsynth.load("m.dps").sample(400, seed=9).to_csv("next.csv", index=False)
    audit("next.csv", "--force")
    assert written()["attempt"] == {"candidate": 1, "of": 2}


def test_a_pool_that_is_not_known_is_said():
    assert run("ledger", "create", "x", "--epsilon", "1", "--delta", "1e-9", "--ledger", "other.db").exit_code == 0
    assert audit("m.csv", "--ledger", "other.db", gate="default").exit_code == 5
    said = written()
    ruled = {one["verdict"] for one in said["rules"] if one["rule"] in ("pool-epsilon", "candidates")}
    assert (said["attempt"], ruled, "not counted" in " ".join(said["notes"])) == (None, {"INCONCLUSIVE"}, True)


# --- bad input ---------------------------------------------------------------------------------------------------


def refused(result: Result, code: int, *words: str) -> None:
    assert result.exit_code == code, result.output
    assert all(word in result.stderr for word in words), result.stderr
    assert "Traceback" not in result.output
    assert not Path("a.json").exists()


def test_the_holdout_of_another_fit_is_refused(folder):
    dpsynth_fit(folder, "n.dps", epsilon=1)
    refused(audit("m.csv", "--holdout", "n.dps.holdout.json"), 3, "another fit")


def test_another_table_than_the_fitted_one_is_refused():
    people(seed=2).to_csv("people.csv", index=False)
    refused(audit(), 3, "not the file that was fitted")


def test_equal_rows_on_both_sides_are_normal(folder):
    frame = pd.concat([people(300)] * 5)
    frame.to_csv("twice.csv", index=False)
    dpsynth_fit(folder, "t.dps", epsilon=1, data="twice.csv")
    found = audit_release("twice.csv", "t.csv", "t.dps", holdout="t.dps.holdout.json", gate="ours.yaml")
    assert found.verdict is not Verdict.FAIL


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda frame: frame.drop(columns="job"), ("'job'",)),
        (lambda frame: frame.assign(extra=1), ("'extra'", "without being audited")),
        (lambda frame: frame.rename(columns={"job": "Job"}), ("'job'",)),
        (lambda frame: frame.assign(sex=frame["sex"].map({"f": "Female", "m": "Male"})), ("'sex'", "categories")),
    ],
)
def test_columns_and_codings_that_differ_are_refused(change, words):
    change(pd.read_csv("m.csv", dtype=str)).to_csv("other.csv", index=False)
    found = audit("other.csv")
    refused(found, 3, *words)
    assert "Female" not in found.output
    # What cannot be audited is no candidate.
    assert not [one for one in Ledger.open().events("m.dps") if one.kind == "AUDIT"]


def test_identifiers_in_the_table_fail():
    pd.read_csv("m.csv", dtype=str).assign(id="x").to_csv("named.csv", index=False)
    assert audit("named.csv").exit_code == 5
    ruled = {one["rule"]: one["verdict"] for one in written()["rules"]}
    assert ruled["no-direct-identifiers"] == "FAIL"


def test_a_null_is_no_strange_category():
    frame = dpsynth.load("m.dps").sample(300, seed=21)
    frame.loc[0, "sex"] = None
    for table in (frame, frame.assign(sex=None), frame.astype({"sex": "category"})):
        assert audit_release("people.csv", table, "m.dps", gate="ours.yaml").samples["synthetic"] == 300


@pytest.mark.parametrize("rows", [0, 1])
def test_an_empty_table_is_audited(rows):
    pd.read_csv("m.csv", dtype=str).head(rows).to_csv("empty.csv", index=False)
    assert audit("empty.csv").exit_code in (0, 5)
    assert written()["samples"]["synthetic"] == rows


def test_constant_columns_are_audited():
    pd.read_csv("m.csv", dtype=str).assign(sex="f", age="3", pay="3", job="a").to_csv("same.csv", index=False)
    assert audit("same.csv", gate="wp216").exit_code == 5
    assert "NaN" not in Path("a.json").read_text(encoding="utf-8")
    written()


def test_an_unknown_gate_and_one_that_demands_nothing():
    refused(audit(gate="nothing"), 2, "no gate 'nothing'", "wp216")
    Path("none.yaml").write_text(GATE.partition("rules:")[0], encoding="utf-8")
    refused(audit(gate="./none.yaml"), 3, "no rule and no threshold")


@pytest.mark.parametrize("content", [b"", b"{}", b"PK\x03\x04"])
def test_a_broken_holdout_or_model_is_refused(content):
    Path("broken").write_bytes(content)
    refused(audit("m.csv", "--holdout", "broken"), 3, "broken")
    assert audit(model="broken").exit_code == 3


def test_an_output_that_exists_is_kept():
    Path("a.json").write_text("mine", encoding="utf-8")
    assert audit().exit_code == 2
    assert Path("a.json").read_text(encoding="utf-8") == "mine"


def test_a_changed_table_with_a_sidecar_is_refused():
    write_sidecar("m.csv", ["POST sample"], "0" * 64)
    refused(audit(), 3, "sidecar")


def test_to_stdout_goes_the_audit_alone():
    found = run("audit", "release", "people.csv", "m.csv", "--model", "m.dps", "--gate", "./ours.yaml", "-o", "-")
    assert json.loads(found.stdout)["kind"] == "release"
    assert "PASS" in found.stderr


def test_persons_are_attacked_by_one_row_each(folder):
    frame = people(2_000)
    frame["id"] = [f"p{one // 2}" for one in range(2_000)]
    frame.to_csv("visits.csv", index=False)
    Path("p.yaml").write_text(SCHEMA.replace("UNIT", "{column: id, max_rows: 2}"), encoding="utf-8")
    dpsynth_fit(folder, "p.dps", epsilon=1, data="visits.csv", schema="p.yaml")
    found = audit_release("visits.csv", "p.csv", "p.dps", holdout="p.dps.holdout.json", gate="ours.yaml")
    assert found.samples["fitted"] + found.samples["held_out"] == 1_000
    # Which of a person's rows were counted is not known, so no likelihood ratio is exact.
    assert "likelihood ratio" not in {one.name for one in found.membership}
