"""Gates: those that ship, those of one's own, the rules on facts, and bad documents."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from attack_examples import DOMAIN, SMALL, release
from dpsynth.audit.attacks.suite import attacked
from dpsynth.audit.attacks.tables import AttackedTables
from dpsynth.audit.gate import RiskName, gate_names, load_gate, parse_gate
from dpsynth.audit.judging import Observed
from dpsynth.audit.rates import Advantage, Rate
from dpsynth.audit.release_audit import Guarantee, judged_by, threshold, unmeasured
from dpsynth.audit.rules import ReleaseFacts, ruling, words_of
from dpsynth.domain import Domain
from dpsynth.errors import DataMismatchError, DpsynthError, SchemaError, UsageError
from dpsynth.evidence import Verdict
from dpsynth.metrics import CodedTable
from dpsynth.schema import Schema

GATE = """\
gate: 1
name: ours
version: "1"
title: Ours
about: A test.
candidates: 2
rules:
  - {rule: pool-epsilon, at_most: 4, citation: board}
risks:
  - {risk: membership, measure: advantage, at_most: 0.2, or_claim: true, demand: pass, citation: board}
"""
SCHEMA = Schema.loads("""\
dpsynth: {version: 1, name: people, unit: {column: id, max_rows: 1}}
fields:
  - {name: id, type: string, dpsynth: {role: direct-id}}
  - {name: homeZip, type: string, constraints: {enum: [a, b]}, dpsynth: {source: public}}
  - {name: age, type: integer, constraints: {minimum: 0, maximum: 110}, dpsynth: {source: public, bins: {width: 10}}}
  - {name: born, type: date, constraints: {minimum: "2000-01-01", maximum: "2020-12-31"},
     dpsynth: {source: public, bins: year}}
  - {name: city, type: string, constraints: {enum: [x, y]}, dpsynth: {source: data}}
""")
FACTS = ReleaseFacts(SCHEMA, ("homeZip", "age", "born", "city"), True, 1.0, 1e-9, 4.0, 11)
PLAIN = ReleaseFacts(
    Schema.from_domain({"a": 2, "b": 3}, name="t", public="made up"), ("a", "b"), True, 1.0, 1e-9, 4.0, 11
)


def rule(name, facts, **limit):
    text = GATE.replace("{rule: pool-epsilon, at_most: 4, citation: board}", "")
    extra = "".join(f", {key}: {value}" for key, value in limit.items())
    document = text.replace("rules:\n  - \n", f"rules:\n  - {{rule: {name}, citation: c{extra}}}\n")
    (part,) = parse_gate(document, "g.yaml").document.rules
    return ruling(part, facts)


# --- documents ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", gate_names())
def test_every_gate_that_ships_loads_and_cites_every_threshold(name):
    gate = load_gate(name)
    assert gate.document.name == name
    assert gate.document.version.startswith("20")
    for part in (*gate.document.rules, *gate.document.risks):
        assert len(part.citation) > 10
    for part in gate.document.risks:
        # A threshold that no authority names says whose it is.
        assert "0.09" in part.citation or "house default" in part.citation
    assert gate.to_dict()["sha256"] == gate.sha256


def test_the_default_is_first_and_judges_the_promise_before_the_attacks():
    assert gate_names()[0] == "default"
    names = [part.rule for part in load_gate().document.rules]
    assert names == ["guarantee", "public-domain", "no-direct-identifiers", "pool-epsilon"]
    membership = load_gate().risk_of("membership", "advantage")
    assert (membership.at_most, membership.or_claim, membership.demand) == (0.2, True, "pass")


def test_a_file_of_ones_own(tmp_path):
    path = tmp_path / "ours.yaml"
    path.write_text(GATE, encoding="utf-8")
    for given in (path, str(path)):
        assert load_gate(given).name == "ours (1)"
    other = parse_gate(GATE.replace("0.2", "0.3"), "g")
    assert other.sha256 != load_gate(path).sha256


def test_an_unknown_gate_names_the_known_ones():
    with pytest.raises(UsageError, match=r"no gate 'wp217'.*wp216"):
        load_gate("wp217")
    with pytest.raises(DpsynthError, match="no such file"):
        load_gate("./wp216.yaml")
    with pytest.raises(DpsynthError, match="no such file"):
        load_gate(Path("default"))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("gate: 1", "gate: 2"), "gate"),
        (("name: ours", ""), "the key 'name' is missing"),
        (("candidates: 2", "candidates: 0"), "candidates"),
        (("candidates: 2", "candidates: 2\nalpha: 0.7"), "alpha"),
        (("pool-epsilon, at_most: 4", "pool-epsilon"), "needs the key 'at_most'"),
        (("pool-epsilon, at_most: 4", "pool-epsilon, at_least: 4"), "needs the key 'at_most'"),
        (("pool-epsilon, at_most: 4", "guarantee, at_most: 4"), "has no limit"),
        (("pool-epsilon", "pool-epsilom"), "rule"),
        (("at_most: 0.2", "at_most: 1.2"), "at_most"),
        (("at_most: 0.2", "at_most: .nan"), "at_most"),
        (("at_most: 0.2", "at_mast: 0.2"), "unknown key 'at_mast'.*at_most"),
        (("demand: pass, ", ""), "'demand' is missing"),
        (("risk: membership", "risk: member"), "risk"),
        ((", citation: board}\nrisks", "}\nrisks"), "'citation' is missing"),
        (("rules:", "ruler:"), "unknown key 'ruler'.*rules"),
    ],
)
def test_a_document_that_is_no_gate_is_refused_by_its_key(change, said):
    with pytest.raises(SchemaError, match=said):
        parse_gate(GATE.replace(*change), "g.yaml")


@pytest.mark.parametrize("text", ["", "[]", "7", "gate", "a: {", "gate: &x 1", "gate: 1\ngate: 1"])
def test_hostile_yaml_is_refused(text):
    with pytest.raises(DataMismatchError):
        parse_gate(text, "g.yaml")


def test_a_gate_without_thresholds_is_refused():
    head = GATE.partition("rules:")[0]
    for text in (head, head + "checklist: [{clause: c, item: i}]\n", head + "rules: []\nrisks: []\n"):
        with pytest.raises(SchemaError, match="no rule and no threshold"):
            parse_gate(text, "g.yaml")


# --- rules -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dp", "verdict", "said"),
    [
        (True, Verdict.PASS, "epsilon 1"),
        (False, Verdict.FAIL, "others may"),
        (None, Verdict.INCONCLUSIVE, "no model"),
        ("claimed by Office", Verdict.INCONCLUSIVE, "claimed by Office.*did not check"),
    ],
)
def test_the_guarantee(dp, verdict, said):
    found = rule("guarantee", replace(PLAIN, dp=dp))
    assert found.verdict is verdict
    assert re.search(said, found.words)


def test_a_domain_from_the_rows_fails_and_names_the_columns():
    found = rule("public-domain", FACTS)
    assert (found.verdict, "'city'" in found.words) == (Verdict.FAIL, True)
    assert rule("public-domain", PLAIN).verdict is Verdict.PASS


def test_identifiers_fail_only_where_the_table_has_them():
    assert rule("no-direct-identifiers", FACTS).verdict is Verdict.PASS
    found = rule("no-direct-identifiers", replace(FACTS, columns=("id", "age")))
    assert (found.verdict, "'id'" in found.words) == (Verdict.FAIL, True)


@pytest.mark.parametrize(
    ("epsilon", "verdict"), [(10.0, Verdict.PASS), (10.001, Verdict.FAIL), (None, Verdict.INCONCLUSIVE)]
)
def test_the_cap_of_the_pool(epsilon, verdict):
    assert rule("pool-epsilon", replace(PLAIN, pool_epsilon=epsilon), at_most=10).verdict is verdict


@pytest.mark.parametrize(("smallest", "verdict"), [(0, Verdict.FAIL), (10, Verdict.FAIL), (11, Verdict.PASS)])
def test_the_smallest_class(smallest, verdict):
    assert rule("smallest-class", replace(PLAIN, smallest=smallest), at_least=11).verdict is verdict


def test_safe_harbor_looks_at_types_bounds_and_names():
    assert "'born'" in rule("years-only", FACTS).words
    assert "'age'" in rule("ages-below-90", FACTS).words
    assert "'homeZip'" in rule("field-names", FACTS, words="[zip]").words
    found = [rule(*asked) for asked in (("years-only", PLAIN), ("ages-below-90", PLAIN))]
    assert {one.verdict for one in (*found, rule("field-names", FACTS, words="[phone]"))} == {Verdict.PASS}
    gone = replace(FACTS, columns=("city",))
    assert {rule(name, gone).verdict for name in ("years-only", "ages-below-90")} == {Verdict.PASS}


def test_names_are_split_into_words():
    assert words_of("IPAddress") == {"ip", "address"}
    assert words_of("average") == {"average"}


# --- thresholds --------------------------------------------------------------------------------------------------


def seen(measure="advantage", risk="membership", hits=(50, 50), trials=1000):
    return Observed(risk, "attack", "knows", "random", measure, Advantage(*(Rate(one, trials) for one in hits)))


def test_what_the_claim_promises_lowers_the_threshold():
    part = parse_gate(GATE, "g").document.risks[0]
    assert threshold(part, Guarantee(True, 1.0, 0.0), "advantage") == 0.2
    assert threshold(part, Guarantee(True, 0.1, 0.0), "advantage") == pytest.approx(0.04996, abs=1e-4)
    assert threshold(part, Guarantee(False, 0.1, 0.0), "advantage") == 0.2
    assert threshold(part, Guarantee(None), "advantage") == 0.2


def test_what_the_claim_allows_of_every_measure():
    claim = Guarantee(True, 1.0, 0.0)
    allowed = [claim.allows(f"true positives at {f} false positives") for f in ("0.1%", "1.0%")]
    assert allowed == pytest.approx([0.0027183, 0.027183], rel=1e-4)
    assert claim.allows("excess risk") is None
    assert Guarantee(False, 1.0, 0.0).allows("advantage") is None


def test_a_figure_without_a_threshold_is_reported_and_not_judged():
    gate = parse_gate(GATE, "g")
    findings, rest = judged_by(gate, Guarantee(True, 1.0, 0.0), (seen(), seen("excess risk"), seen(risk="inference")))
    assert [one.finding.figure.name for one in findings] == ["advantage"]
    assert [one.measure for one in rest] == ["excess risk", "advantage"]
    assert findings[0].finding.verdict is Verdict.PASS


def test_a_risk_that_nobody_measured_is_no_pass():
    gate = parse_gate(GATE, "g")
    assert unmeasured(gate, (seen(),)) == ()
    (found,) = unmeasured(gate, (seen("excess risk"),))
    assert found.verdict is Verdict.INCONCLUSIVE
    assert unmeasured(parse_gate(GATE.replace("demand: pass", "demand: no-failure"), "g"), ()) == ()


@pytest.fixture(scope="module")
def emitted():
    """Which measures of which risks the attacks give on a small release where enough persons hold a code alone."""
    domain = Domain((*DOMAIN, "alone"), (*(DOMAIN[name] for name in DOMAIN), 2_000))
    rng = np.random.default_rng(17)
    parts = release(rng, 400, 200, 400)
    tables = (parts.fitted, parts.held_out, parts.synthetic)
    wide = [
        CodedTable(domain, {**table.columns, "alone": rng.integers(0, 2_000, table.rows, dtype=np.uint16)})
        for table in tables
    ]
    found = attacked(AttackedTables(*wide), rng, sizes=SMALL, secrets=["h"])
    return {(one.risk, one.measure) for one in found.observed}


@pytest.mark.parametrize("name", gate_names())
def test_what_a_shipped_gate_asks_for_is_measured_by_some_attack(name, emitted):
    known = emitted | {(risk, None) for risk, _ in emitted}
    assert {(part.risk, part.measure) for part in load_gate(name).document.risks} <= known


def test_every_risk_that_a_gate_may_name_is_measured_by_some_attack(emitted):
    assert set(get_args(RiskName)) == {risk for risk, _ in emitted}


@pytest.fixture(scope="module")
def harmless():
    """What attacks find on a table that was drawn without looking at anybody, with enough rows to tell."""
    rng = np.random.default_rng(18)
    sizes = replace(SMALL, random=4_000, vulnerable=2_000, persons=4_000, predicates=2_000)
    return attacked(release(rng, 6_000, 6_000, 6_000), rng, sizes=sizes).observed


HARMLESS = Schema.loads("""\
dpsynth: {version: 1, name: people, unit: row}
fields:
  - {name: sex, type: string, constraints: {enum: [f, m]}, dpsynth: {source: public, role: quasi}}
  - {name: age, type: integer, constraints: {minimum: 0, maximum: 90}, dpsynth: {source: public, bins: {width: 10}}}
""")


@pytest.mark.parametrize("name", gate_names())
def test_every_shipped_gate_opens_for_a_harmless_table_of_enough_rows(name, harmless):
    gate, claim = load_gate(name), Guarantee(True, 1.0, 1e-9)
    facts = ReleaseFacts(HARMLESS, ("sex", "age"), True, 1.0, 1e-9, 2.0, 2_000)
    findings, _ = judged_by(gate, claim, harmless)
    demanded = {one.finding.words: one.finding.verdict for one in findings if one.demand == "pass"}
    assert {words for words, verdict in demanded.items() if verdict is not Verdict.PASS} == set()
    assert Verdict.FAIL not in {one.finding.verdict for one in findings}
    assert {ruling(part, facts).verdict for part in gate.document.rules} == {Verdict.PASS}
    assert not unmeasured(gate, harmless)
