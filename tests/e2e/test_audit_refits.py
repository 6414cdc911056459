"""``audit release --refits``: the leave-one-out game on a fixed table, and what it refuses."""

from __future__ import annotations

import copy
import json
from fractions import Fraction
from pathlib import Path

import jsonschema
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

import dpsynth
from dpsynth.audit.attacks.refits import ATTACK, InternalModel, left_out
from dpsynth.audit.rates import claimed_advantage
from dpsynth.cli.main import APPLICATION
from dpsynth.errors import UsageError
from dpsynth.ledger import Ledger
from dpsynth.metrics import CodedTable
from dpsynth.pipeline.audit_release import audit_release
from dpsynth.pipeline.refits import refits_of
from dpsynth.privacy.unit import Unit

SCHEMA = """\
dpsynth: {version: 1, name: people, unit: row}
fields:
  - {name: sex, type: string, constraints: {enum: [f, m]}, dpsynth: {source: public}}
  - {name: job, type: string, constraints: {enum: [a, b, c, d, e]}, dpsynth: {source: public}}
"""
GATE = """\
gate: 1
name: ours
version: "1"
title: Ours
about: A test.
candidates: 9
risks:
  - {risk: membership, measure: advantage, at_most: 0.05, demand: no-failure, citation: test}
"""


def people(rows=300):
    draw = np.random.default_rng(1)
    jobs = draw.choice(list("abcd"), rows)
    jobs[0] = "e"  # one person stands out
    return pd.DataFrame({"sex": draw.choice(["f", "m"], rows), "job": jobs})


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("refits")
    people().to_csv(folder / "people.csv", index=False)
    (folder / "s.yaml").write_text(SCHEMA, encoding="utf-8")
    (folder / "ours.yaml").write_text(GATE, encoding="utf-8")
    for name, epsilon in (("large", 1000), ("one", 1)):
        made = dpsynth.fit(
            folder / "people.csv", folder / "s.yaml", epsilon=epsilon, method="independent", ledger=folder / "l.db",
            pool=name,
        )  # fmt: skip
        made.save(folder / f"{name}.dps")
        made.sample(200, seed=1).to_csv(folder / f"{name}.csv", index=False)
    return folder


@pytest.fixture(autouse=True)
def _here(folder, monkeypatch):
    monkeypatch.chdir(folder)
    monkeypatch.setenv("DPSYNTH_LEDGER", "l.db")


def audit(name, *more, gate="./ours.yaml"):
    arguments = ["audit", "release", "people.csv", f"{name}.csv", "--model", f"{name}.dps", "--gate", gate, "--force"]
    return CliRunner().invoke(APPLICATION, [*arguments, "-o", "a.json", *more])


def games() -> dict:
    found = json.loads(Path("a.json").read_text(encoding="utf-8"))
    where = Path(__file__).resolve().parents[2] / "docs/reference/audit.schema.json"
    jsonschema.validate(found, json.loads(where.read_text(encoding="utf-8")))
    return {one["group"]: one for one in found["findings"] if one["attack"] == ATTACK}


def test_an_enormous_epsilon_fails_by_refits_without_any_holdout():
    """Noise of scale 1 in two marginals: 76 % of guesses are right; 180 of them leave 0.05 below Holm's bound but with
    probability 1e-5.
    """
    assert audit("large", "--refits", "60").exit_code == 5
    found = games()
    assert set(found) == {
        "vulnerable record 1",
        "vulnerable record 2",
        "random record 1",
        "all refitted records together",
    }
    assert found["all refitted records together"]["verdict"] == "FAIL"
    assert found["vulnerable record 1"]["trials"] == {"rounds": 60}
    assert found["all refitted records together"]["trials"] == {"rounds": 180}
    assert json.loads(Path("a.json").read_text())["samples"]["refits"] == 60


def test_the_pool_is_not_charged_and_nothing_is_left_behind_but_a_private_note():
    before = Ledger.open("l.db").pool("one")
    files = set(Path().iterdir())
    said = audit("one", "--refits", "3")
    assert "s: all 9 take about" in said.stderr
    assert "The refits speak of the method" in said.stdout
    after = Ledger.open("l.db").pool("one")
    assert (after.charged, after.live) == (before.charged, before.live)
    assert set(Path().iterdir()) - files <= {Path("a.json")}
    noted = [event.secret("refits") for event in Ledger.open("l.db").events("one") if event.kind == "AUDIT"]
    assert noted[-1] == 3
    audit("one")
    assert [e.secret("refits") for e in Ledger.open("l.db").events("one") if e.kind == "AUDIT"] == [*noted, None]
    assert "refits" not in "".join(Ledger.open("l.db").extract("one"))


def test_progress_never_goes_back():
    seen = []
    audit_release(
        "people.csv", "one.csv", "one.dps", gate="ours.yaml", refits=2, progress=lambda _stage, done: seen.append(done)
    )
    assert seen == sorted(seen)
    assert 0 <= seen[0] <= seen[-1] <= 1


@pytest.mark.parametrize("governor", ["gdp", "zcdp"])
def test_a_model_paid_as_a_share_of_a_pool_is_refitted_from_its_file(governor, tmp_path):
    ledger = Ledger.in_memory()
    ledger.create("p", epsilon=Fraction(3), delta=Fraction(1, 10**9), governor=governor)
    dpsynth.fit("people.csv", "s.yaml", share="1/3", ledger=ledger, pool="p").save(tmp_path / "m.dps")
    model = dpsynth.load(tmp_path / "m.dps")
    fitted = coded(model)
    record = CodedTable(model.domain, {name: column[:1] for name, column in fitted.columns.items()})
    made = refits_of(model, Unit())(fitted)(record, False)
    assert made.answers[0].scale == model.answers[0].scale


def coded(model) -> CodedTable:
    columns = {name: pd.factorize(column, sort=True)[0] for name, column in people().items()}
    return CodedTable(model.domain, {name: columns[name].astype(np.int64) for name in model.domain})


def test_the_game_stays_within_the_claim_and_sees_a_broken_one():
    """25 rounds at ε = 1: the worst record's lower bound at 1e-6 is below what the claim allows; a refit that hands
    out exact counts is found in every round.
    """
    model = dpsynth.load("one.dps")
    fitted = coded(model)
    refit = refits_of(model, Unit())(fitted)
    rng = np.random.default_rng(3)
    bound = claimed_advantage(1, 1e-9)
    assert all(one.estimate.lower(1e-6) <= bound for one in left_out(fitted, refit, 25, rng))

    exact = {}

    def broken(record, present):
        import dataclasses

        answers = exact.setdefault("answers", refit(record, True).answers)
        counts = fitted.marginals([one.clique for one in answers])
        alone = record.marginals([one.clique for one in answers])
        told = [c - (0 if present else 1) * o for c, o in zip(counts, alone, strict=True)]
        values = [dataclasses.replace(one, values=value) for one, value in zip(answers, told, strict=True)]
        return InternalModel(tuple(values))

    assert [one.estimate.value for one in left_out(fitted, broken, 20, rng)] == [1, 1, 1, 1]
    assert left_out(CodedTable(model.domain, {n: c[:0] for n, c in fitted.columns.items()}), refit, 5, rng) == ()


@pytest.mark.parametrize("method", ["auto", "aim", "direct", "independent", "mst", "privbayes"])
def test_refits_of_every_method_have_the_scales_of_the_fit(method):
    """What a model states as its settings is more than its settings: every method is made again from its own model."""
    schema = dpsynth.Schema.load("s.yaml")
    model = dpsynth.fit(people(), schema, epsilon=1, method=method, ledger=Ledger.in_memory())
    fitted = coded(model)
    record = CodedTable(model.domain, {name: codes[:1] for name, codes in fitted.columns.items()})
    first = [(one.clique, one.scale) for one in model.answers[:1]]
    again = refits_of(model, Unit())(fitted)(record, False).answers
    assert [(one.clique, one.scale) for one in again[:1]] == first


def test_a_refit_cannot_leave_memory():
    for way in (copy.copy, copy.deepcopy):
        with pytest.raises(UsageError, match="lives in memory"):
            way(InternalModel(()))
    with pytest.raises(UsageError, match="lives in memory"):
        InternalModel(()).__reduce_ex__(4)  # what pickle calls
    assert not hasattr(InternalModel(()), "__dict__")


@pytest.mark.parametrize("epsilon", [0, -1])
def test_no_pool_is_without_a_cap(epsilon):
    with pytest.raises(UsageError):
        Ledger.in_memory().create("p", epsilon=Fraction(epsilon), delta=Fraction(1, 10**9))
    with pytest.raises((UsageError, ValueError, OverflowError)):
        Ledger.in_memory().create("p", epsilon=float("inf"), delta=Fraction(1, 10**9))
    for asked in ({}, {"epsilon": float("inf")}, {"epsilon": 10_001}, {"share": 1}, {"epsilon": 1, "delta": 1}):
        with pytest.raises(UsageError):
            dpsynth.fit("people.csv", "s.yaml", ledger=Ledger.in_memory(), method="independent", **asked)


def test_what_cannot_be_refitted_is_refused():
    assert audit("one", "--refits", "5", gate="hipaa-safe-harbor").exit_code == 2
    arguments = ["audit", "release", "people.csv", "one.csv", "-s", "s.yaml", "--refits", "5", "-o", "a.json"]
    found = CliRunner().invoke(APPLICATION, [*arguments, "--gate", "./ours.yaml", "--force"])
    assert (found.exit_code, "refits need the model" in found.stderr) == (2, True)
    model = dpsynth.load("one.dps")
    with pytest.raises(UsageError, match="leave out one row"):
        refits_of(model, Unit("sex", 3))
    learned = dict(model.provenance, discovery={})
    import dataclasses

    with pytest.raises(UsageError, match="learned its domain"):
        refits_of(dataclasses.replace(model, provenance=learned), Unit())
    with pytest.raises(UsageError, match="fitted by dpsynth"):
        refits_of(dataclasses.replace(model, provenance={}), Unit())
