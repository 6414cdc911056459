"""What was done to a table before a fit: multiplied, refused or told, by its sidecar, in every journey that asks."""

from __future__ import annotations

import hashlib
import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pytest
from click.testing import CliRunner, Result

import dpsynth
from dpsynth.anonymization.hierarchies import Hierarchy
from dpsynth.anonymization.records import Records
from dpsynth.anonymization.suppression import suppressed, suppression_label
from dpsynth.cli.main import APPLICATION
from dpsynth.curator.table_bounding import bounded_rows
from dpsynth.errors import NoGuaranteeError, UsageError
from dpsynth.ledger import Ledger
from dpsynth.pipeline import fit as journey
from dpsynth.pipeline.schema_discovery import learn_schema
from dpsynth.privacy.labels import Label, LabelKind
from dpsynth.privacy.unit import Unit
from dpsynth.tables import write_sidecar

K = 5
TREES = (
    Hierarchy.from_paths("age", [(str(age), f"{age // 10 * 10}s", "*") for age in range(20, 60)]),
    Hierarchy.from_paths("city", [(city, "*") for city in ("Bonn", "Oslo", "Rome")]),
)
LEVELS = (1, 0)
SCHEMA = """\
dpsynth: {version: 1, name: people, unit: row}
fields:
  - {name: age, type: string, constraints: {enum: [20s, 30s, 40s, 50s]}, dpsynth: {source: public}}
  - {name: city, type: string, constraints: {enum: [Bonn, Oslo, Rome]}, dpsynth: {source: public}}
"""
METHODS = ("independent", "mst", "aim", "direct", "privbayes", "auto")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("s.yaml").write_text(SCHEMA, encoding="utf-8")
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(APPLICATION, list(arguments))


def labeled(path: str, *labels: str | Label) -> None:
    """A sidecar for the table that stands at this path."""
    write_sidecar(path, [str(label) for label in labels], hashlib.sha256(Path(path).read_bytes()).hexdigest())


def suppressed_table(path: str, unit: Unit = Unit()) -> None:
    """People generalized to fixed levels, small classes dropped; beside it the sidecar that says so."""
    draw = np.random.default_rng(2)
    codes = (draw.integers(0, 40, 900).astype(np.int32), draw.choice(3, 900, p=[0.6, 0.39, 0.01]).astype(np.int32))
    who, persons = draw.integers(0, 500, 900), None
    if unit.column is not None:
        kept, persons = bounded_rows(pa.table({"who": who, "age": codes[0], "city": codes[1]}), unit)
        who, codes = who[kept], (codes[0][kept], codes[1][kept])
    stays = ~suppressed(Records(TREES, codes, persons=persons), LEVELS, K)
    assert 0 < stays.sum() < len(stays)
    pairs = zip(TREES, LEVELS, codes, strict=True)
    texts = [np.array(tree.labels[level])[tree.nodes[level][leaves]][stays] for tree, level, leaves in pairs]
    pyarrow.csv.write_csv(pa.table({"who": who[stays], "age": texts[0], "city": texts[1]}), path)
    labeled(path, Label(LabelKind.FREE, "age, city: fixed levels"), suppression_label(K, unit))


def scales(outcome) -> list[float]:
    return [answer.scale for answer in outcome.model.answers]


# --- STABLE(c): the epsilon that was asked holds, the noise grows ------------------------------------------------


@pytest.mark.parametrize("epsilon", [1, Fraction(1, 3)])
def test_a_suppressed_table_has_k_times_the_noise_at_the_same_price(epsilon):
    suppressed_table("kept.csv")
    Path("raw.csv").write_bytes(Path("kept.csv").read_bytes())
    ledger = Ledger.in_memory()
    for pool in ("raw", "kept"):
        ledger.create(pool, epsilon=Fraction(1), delta=Fraction(1, 10**9), governor="zcdp")
    asked = {"epsilon": epsilon, "ledger": ledger, "method": "independent"}
    raw = journey.fit("raw.csv", "s.yaml", **asked, pool="raw")
    kept = journey.fit("kept.csv", "s.yaml", **asked, pool="kept", max_stability=K)
    assert scales(kept) == pytest.approx([K * scale for scale in scales(raw)], rel=1e-6)
    assert [answer.sensitivity for answer in kept.model.answers] == [K, K]
    assert (kept.priced.epsilon, kept.priced.loss) == (raw.priced.epsilon, raw.priced.loss)
    assert kept.spent.rho <= kept.priced.loss.rho
    draws = {pool: [e.data["question"] for e in ledger.events(pool) if e.kind == "DRAW"] for pool in ("raw", "kept")}
    assert {draw["sensitivity"] for draw in draws["raw"]} == {1}
    assert {draw["sensitivity"] for draw in draws["kept"]} == {K}
    for before, after in zip(draws["raw"], draws["kept"], strict=True):
        pairs = zip(before["scales"], after["scales"], strict=True)
        assert all(float.fromhex(b) == pytest.approx(K * float.fromhex(a), rel=1e-6) for a, b in pairs)
    said = kept.model.provenance
    assert said["guarantee"]["stability"] == K
    assert said["labels"][:2] == ["FREE age, city: fixed levels", str(suppression_label(K, Unit()))]


@pytest.mark.parametrize("method", METHODS)
def test_every_method_asks_with_the_stability_and_plans_the_noise_that_it_gets(method):
    suppressed_table("kept.csv")
    asked = {"method": method, "epsilon": 3, "max_stability": K}
    outcome = journey.fit("kept.csv", "s.yaml", ledger=Ledger.in_memory(), **asked)
    assert all(answer.sensitivity % K == 0 for answer in outcome.model.answers)
    planned = dpsynth.plan("s.yaml", data="kept.csv", **asked)
    stable, plain = (
        dpsynth.plan("s.yaml", **asked, data=data, governor="zcdp").plan.steps for data in ("kept.csv", None)
    )
    for step, alone in zip(stable, plain, strict=True):
        assert step.scale == pytest.approx(K * alone.scale, rel=1e-6)
    assert planned.plan.steps == outcome.priced.plan.steps
    assert planned.labels == outcome.priced.labels


def test_stabilities_multiply_over_the_chain():
    suppressed_table("kept.csv")
    labeled("kept.csv", suppression_label(2, Unit()), "FREE renamed", suppression_label(3, Unit()))
    outcome = journey.fit("kept.csv", "s.yaml", epsilon=1, ledger=Ledger.in_memory(), max_stability=6)
    assert {answer.sensitivity for answer in outcome.model.answers} == {6}
    with pytest.raises(NoGuaranteeError, match="by 6, above the limit of 5"):
        journey.fit("kept.csv", "s.yaml", epsilon=1, ledger=Ledger.in_memory(), max_stability=5)


@pytest.mark.parametrize("learns", ["fit", "schema"])
def test_every_question_of_a_discovery_has_the_stability(learns):
    suppressed_table("kept.csv")
    ledger = Ledger.in_memory()
    asked = {"epsilon": 50, "ledger": ledger, "max_stability": K}
    if learns == "fit":
        journey.fit("kept.csv", **asked, method="independent")
    else:
        learn_schema("kept.csv", "learned.yaml", **asked)
    draws = [event.data["question"] for event in ledger.events("kept") if event.kind == "DRAW"]
    assert {"measure", "categories", "distinct_counts"} <= {draw["question"] for draw in draws}
    assert {draw["sensitivity"] for draw in draws} == {K}


def test_persons_are_counted_with_all_rows_that_they_may_have():
    unit = Unit("who", 2)
    suppressed_table("kept.csv", unit)
    asked = {"epsilon": 2, "ledger": Ledger.in_memory(), "method": "independent", "max_stability": 9}
    outcome = journey.fit("kept.csv", "s.yaml", unit="who:2", **asked)
    assert {answer.sensitivity for answer in outcome.model.answers} == {2 * (2 * (K - 1) + 1)}
    assert outcome.pool.unit == unit
    more = journey.fit("kept.csv", "s.yaml", unit="who:3", **{**asked, "ledger": Ledger.in_memory()})
    assert {answer.sensitivity for answer in more.model.answers} == {3 * 9}


# --- what is refused, before anything is spent -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("unit", "counted", "words"),
    [
        ("row", Unit("who", 1), "for persons"),
        ("who:2", Unit(), "for rows only"),
        ("who:2", Unit("family", 2), "for persons"),
        ("who:1", Unit("who", 2), "could be exchanged"),
    ],
)
def test_a_stability_that_is_about_another_unit_is_refused(unit, counted, words):
    suppressed_table("kept.csv")
    labeled("kept.csv", suppression_label(3, counted))
    ledger = Ledger.in_memory()
    with pytest.raises(NoGuaranteeError, match=words) as caught:
        journey.fit("kept.csv", "s.yaml", epsilon=1, unit=unit, ledger=ledger, max_stability=1000)
    assert caught.value.exit_code == 9
    assert ledger.pool("people") is None


def test_a_later_step_that_keeps_fewer_rows_of_a_person_is_refused():
    suppressed_table("kept.csv")
    labeled("kept.csv", suppression_label(2, Unit("who", 3)), suppression_label(2, Unit("who", 2)))
    with pytest.raises(NoGuaranteeError, match="below an earlier step"):
        journey.fit("kept.csv", "s.yaml", epsilon=1, unit="who:3", ledger=Ledger.in_memory(), max_stability=1000)


@pytest.mark.parametrize("label", ["NON-DP optimal search", "STABLE(5) suppressed"])
@pytest.mark.parametrize(
    "command",
    [
        ("fit", "kept.csv", "-s", "s.yaml", "--epsilon", "1", "-o", "m.dps"),
        ("fit", "kept.csv", "--epsilon", "1", "-o", "m.dps"),
        ("plan", "kept.csv", "-s", "s.yaml", "--epsilon", "1"),
        ("plan", "kept.csv", "--epsilon", "1"),
        ("schema", "init", "kept.csv", "--dp", "--epsilon", "1", "-o", "learned.yaml"),
    ],
    ids=["fit", "fit without schema", "plan", "plan without schema", "schema init"],
)
def test_the_command_line_refuses_with_exit_9_and_says_what_to_do(command, label, folder):
    suppressed_table("kept.csv")
    labeled("kept.csv", label)
    before = {path.name for path in folder.iterdir()}
    result = run(*command)
    assert result.exit_code == 9
    hint = "--max-stability 5" if label.startswith("STABLE") else "Fit the table as it was before that step"
    assert hint in result.stderr
    assert {path.name for path in folder.iterdir()} - before <= {"ledger.db", "ledger.db-lock"}
    assert not Path("ledger.db").exists() or json.loads(run("ledger", "show", "--json").stdout)["result"]["pools"] == []
    if label.startswith("NON-DP"):
        assert run(*command, "--max-stability", "1000000").exit_code == 9
    else:
        assert run(*command, "--max-stability", "4").exit_code == 9


@pytest.mark.parametrize("given", ["0", "-1", "1.5", "five", "", "1000001"])
def test_the_largest_stability_is_a_whole_number(given):
    suppressed_table("kept.csv")
    result = run("fit", "kept.csv", "-s", "s.yaml", "--epsilon", "1", "-o", "m.dps", "--max-stability", given)
    assert result.exit_code == 2


def test_nothing_is_charged_for_a_draft_so_no_stability_is_allowed_for_it():
    suppressed_table("kept.csv")
    result = run("schema", "init", "kept.csv", "--max-stability", "5", "-o", "draft.yaml")
    assert result.exit_code == 2
    assert "--max-stability" in result.stderr


def test_python_refuses_a_stability_below_one():
    with pytest.raises(UsageError):
        dpsynth.fit(pa.table({"age": ["20s"], "city": ["Rome"]}), "s.yaml", epsilon=1, max_stability=0)


def test_an_option_without_a_table_is_an_error_and_a_setting_is_not(monkeypatch):
    assert run("plan", "-s", "s.yaml", "--epsilon", "1", "--max-stability", "5").exit_code == 2
    monkeypatch.setenv("DPSYNTH_MAX_STABILITY", "5")
    assert run("plan", "-s", "s.yaml", "--epsilon", "1").exit_code == 0
    suppressed_table("kept.csv")
    assert run("fit", "kept.csv", "-s", "s.yaml", "--epsilon", "1", "-o", "m.dps").exit_code == 0


# --- made by the command ---


POLICY = """\
dpsynth: {version: 1, name: people, unit: UNIT}
fields:
  - {name: who, type: string, dpsynth: {role: direct-id, mask: pseudonym}}
  - {name: age, dpsynth: {role: quasi, hierarchy: {intervals: {levels: [10]}}, level: 1}}
  - {name: city, dpsynth: {role: quasi, level: 0}}
limits: {method: fixed}
"""
MODEL = "models: [{k-anonymity: {k: 5}}]\n"


@pytest.mark.parametrize(
    ("unit", "model", "stability", "named"),
    [
        ("row", MODEL, 5, "STABLE(5) "),
        ("{column: who, max_rows: 2}", MODEL, 9, 'STABLE(9 per "who:2") '),
        ("{column: who, max_rows: 2}", "", 1, 'STABLE(1 per "who:2") '),
        ("row", "", 1, 'FREE(merges ["age", "city"]) '),
    ],
)
def test_what_anonymize_makes_at_fixed_levels_is_fitted_with_its_stability(monkeypatch, unit, model, stability, named):
    monkeypatch.setenv("DPSYNTH_MASK_KEY", bytes(range(32)).hex())
    draw = np.random.default_rng(4)
    people = {"who": [f"p{who:08d}" for who in draw.integers(0, 500, 900)], "age": draw.integers(20, 60, 900)}
    pyarrow.csv.write_csv(pa.table(people | {"city": draw.choice(["Bonn", "Oslo", "Rome"], 900)}), "raw.csv")
    Path("p.yaml").write_text(POLICY.replace("UNIT", unit) + model, encoding="utf-8")
    schema = SCHEMA.replace("20s, 30s, 40s, 50s", ", ".join(f'"[{low}, {low + 10})"' for low in (20, 30, 40, 50)))
    Path("s.yaml").write_text(schema, encoding="utf-8")
    made = run("anonymize", "raw.csv", "--policy", "p.yaml", "-o", "kept.csv")
    assert made.exit_code == 0, made.output
    chain = json.loads(Path("kept.csv.dpsynth.json").read_text(encoding="utf-8"))["labels"]
    assert chain[-1].startswith(named)
    whom = "row" if unit == "row" else "who:2"
    asked = {"unit": whom, "epsilon": 1, "method": "independent", "max_stability": stability}
    outcome = journey.fit("kept.csv", "s.yaml", ledger=Ledger.in_memory(), **asked)
    most = 1 if unit == "row" else 2
    assert {answer.sensitivity for answer in outcome.model.answers} == {most * stability}
    if stability > 1:
        with pytest.raises(NoGuaranteeError):
            journey.fit("kept.csv", "s.yaml", ledger=Ledger.in_memory(), **asked | {"max_stability": stability - 1})
    if unit != "row":
        with pytest.raises(NoGuaranteeError, match="for persons"):
            journey.fit("kept.csv", "s.yaml", ledger=Ledger.in_memory(), **asked | {"unit": "row"})


# --- what is said ------------------------------------------------------------------------------------------------


def test_plan_and_fit_show_the_chain_and_the_factor():
    suppressed_table("kept.csv")
    options = ("kept.csv", "-s", "s.yaml", "--epsilon", "1", "--max-stability", "5", "--method", "independent")
    planned = run("plan", *options)
    assert "STABLE(5): noise × 5" in planned.stdout
    assert "  FREE age, city: fixed levels\n  STABLE(5) classes of fewer than 5 rows dropped" in planned.stdout
    fitted = run("fit", *options, "-o", "m.dps")
    assert fitted.exit_code == 0
    assert "STABLE(5): noise × 5" in fitted.stderr
    assert "multiplies all noise by 5, at the same epsilon" in fitted.stderr
    shown = json.loads(run("plan", *options, "--json").stdout)["result"]
    assert (shown["stability"], len(shown["labels"])) == (5, 2)
    assert json.loads(run("fit", *options, "-o", "n.dps", "--pool", "n", "--json").stdout)["result"]["stability"] == 5
    assert "classes of fewer than 5 rows dropped" in run("show", "m.dps").stdout
    assert "noise ×" not in run("plan", "-s", "s.yaml", "--epsilon", "1").stdout


def test_a_plan_of_a_discovery_knows_the_stability():
    suppressed_table("kept.csv")
    options = ("plan", "kept.csv", "--epsilon", "5", "--json")
    stable = json.loads(run(*options, "--max-stability", "5").stdout)["result"]
    labeled("kept.csv", "FREE renamed")
    plain = json.loads(run(*options).stdout)["result"]
    assert (stable["stability"], plain["stability"]) == (5, 1)
    assert stable["vote_noise"] == pytest.approx(5 * plain["vote_noise"], rel=1e-2)
    assert stable["threshold"] > 4 * plain["threshold"]


def test_a_synthetic_table_is_fitted_and_said_to_be_synthetic():
    assert run("fit", "raw.csv", "-s", "s.yaml", "--epsilon", "1", "-o", "m.dps").exit_code == 3
    suppressed_table("kept.csv")
    fitted = run("fit", "kept.csv", "-s", "s.yaml", "--epsilon", "1", "-o", "m.dps", "--max-stability", "5")
    assert fitted.exit_code == 0
    assert run("sample", "m.dps", "-n", "200", "-o", "made.csv").exit_code == 0
    again = run("fit", "made.csv", "-s", "s.yaml", "--epsilon", "1", "-o", "again.dps", "--pool", "made")
    assert again.exit_code == 0
    assert "the table is synthetic already" in again.stderr
    assert "STABLE" not in again.stderr, "what was done to the real table multiplies nothing here"


def test_a_table_that_changed_since_is_refused():
    suppressed_table("kept.csv")
    Path("kept.csv").write_bytes(Path("kept.csv").read_bytes() + b"1,20s,Rome\n")
    options = ("kept.csv", "-s", "s.yaml", "--epsilon", "1", "--max-stability", "5")
    assert run("fit", *options, "-o", "m.dps").exit_code == 3
