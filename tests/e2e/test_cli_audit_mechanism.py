"""``dpsynth audit mechanism``: what it prints and writes, how it fails, and bad input."""

from __future__ import annotations

import itertools
import json

import pytest
from click.testing import CliRunner

from dpsynth.audit.exact_losses import ExactLoss
from dpsynth.audit.replay import Deviation, Replayed
from dpsynth.cli.main import APPLICATION
from dpsynth.pipeline import audit_mechanism

TIERS = ["T0 replay", "T1 enumeration", "T1 draws", "T1 room", "T2 likelihood ratio", "T3 end to end"]


def run(*words):
    return CliRunner().invoke(APPLICATION, ["audit", "mechanism", *words])


@pytest.fixture
def short(monkeypatch):
    """Fewer cases of what other tests run at full length, and replays of rows of one table alone."""
    for name, kept in (
        ("mechanism_cases", 2),
        ("room_cases", 1),
        ("exact_losses", 5),
        ("made_up_tables", 1),
        ("discovery_replays", 0),
    ):
        whole = getattr(audit_mechanism, name)
        monkeypatch.setattr(
            audit_mechanism,
            name,
            lambda *given, whole=whole, kept=kept, **named: itertools.islice(whole(*given, **named), kept),
        )
    monkeypatch.setattr(audit_mechanism, "UNITS", audit_mechanism.UNITS[:1])
    monkeypatch.setattr(audit_mechanism, "BLACK_BOX", 8)
    fitted = audit_mechanism.audit_fit
    monkeypatch.setattr(audit_mechanism, "audit_fit", lambda *given: fitted(*given, 2))


@pytest.mark.usefixtures("short")
def test_a_method_that_keeps_its_promise(tmp_path):
    target = tmp_path / "audit.json"
    done = run("--method", "independent", "--epsilon", "10", "--trials", "60", "-o", str(target))
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert lines[0] == "independent at epsilon 10, delta 1e-09 (gdp)"
    assert [line.split("  ")[0] for line in lines[2:8]] == TIERS
    assert "PASS: no violation was found." in lines
    assert "Not found is not proved" in lines[-1]
    written = json.loads(target.read_text(encoding="utf-8"))
    assert (written["verdict"], written["color"], written["method"]) == ("PASS", "released", "independent")
    assert written["verdicts"] == dict.fromkeys(TIERS, "PASS")
    game = written["likelihood_ratio"]
    assert 0 <= game["mu_lower"] < game["mu_ceiling"]
    assert game["trials"] == 60
    box = written["end_to_end"]
    assert game["false_alarm"] + box["false_alarm"] == written["false_alarm"]["T2 and T3"] == 2e-6
    assert (box["trials"], box["trained"]) == (8, 4)
    assert "2 noises follow their laws; 2 of them would show a scale 10 % off" in done.stdout
    assert sum(one["neighbors"] for one in written["replays"]) >= 10
    again = run("--method", "independent", "-o", str(target))
    assert again.exit_code == 2
    assert "the output exists" in again.stderr


@pytest.mark.usefixtures("short")
def test_to_stdout_goes_the_audit_alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = run("--method", "independent", "--epsilon", "10", "--trials", "20", "-o", "-")
    assert json.loads(done.stdout)["verdict"] == "PASS"
    assert "PASS: no violation was found." in done.stderr
    assert not list(tmp_path.iterdir())
    refused = run("--method", "independent", "-o", "-", "--json")
    assert (refused.exit_code, "both write to stdout" in refused.stdout + refused.stderr) == (2, True)


@pytest.mark.usefixtures("short")
def test_pure_epsilon_and_json():
    done = run("--method", "mst", "--delta", "0", "--trials", "5", "--seed", "3", "--json")
    assert done.exit_code == 0, done.output
    result = json.loads(done.stdout)["result"]
    assert (result["governor"], result["delta"], result["seed"]) == ("pure", 0, 3)
    assert result["likelihood_ratio"]["claim"]["mu"] is None


@pytest.mark.usefixtures("short")
def test_a_violation_exits_with_5(tmp_path, monkeypatch):
    monkeypatch.setattr(audit_mechanism, "exact_losses", lambda: [ExactLoss("gaussian", 1, 1.0, {"rho": 1.1})])
    target = tmp_path / "audit.json"
    failed = run("--method", "independent", "--trials", "5", "-o", str(target))
    assert failed.exit_code == 5
    assert "T1 enumeration: independent does not keep its promise" in failed.stderr
    assert "FAIL: the promise is not kept." in failed.stderr
    assert json.loads(target.read_text(encoding="utf-8"))["verdicts"]["T1 enumeration"] == "FAIL"


@pytest.mark.usefixtures("short")
def test_a_discovery_that_depends_on_rows_fails_the_replays(monkeypatch):
    seen = Replayed("ordinary", 13, 16, 1.0, (Deviation("ordinary", "added: nulls", "the question differs", 3),))
    monkeypatch.setattr(audit_mechanism, "discovery_replays", lambda units, *, seed: [seen])
    failed = run("--method", "independent", "--trials", "5")
    assert failed.exit_code == 5
    assert "T0 replay: independent does not keep its promise" in failed.stderr
    assert "tables and 13 without a schema: same questions" in failed.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--method", "nothing"), "'nothing' is not one of"),
        (("--epsilon", "-1"), "--epsilon"),
        (("--epsilon", "many"), "--epsilon"),
        (("--delta", "2"), "--delta"),
        (("--trials", "0"), "from 1 to 1000000"),
        (("--seed", "-1"), "whole number from 0"),
        (("--method", "auto", "--delta", "0"), "needs a delta"),
        (("table.csv",), "unexpected extra argument"),
    ],
)
def test_bad_input_is_told_at_once(words, message):
    refused = run(*words)
    assert refused.exit_code == 2
    assert message in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_folder_that_does_not_exist_is_told_before_the_work(tmp_path):
    refused = run("-o", str(tmp_path / "missing" / "audit.json"))
    assert refused.exit_code == 1
    assert "the folder does not exist" in refused.stderr
