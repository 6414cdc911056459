"""``--method privbayes`` from the plan to the rows, through the real room."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from dpsynth.cli.main import APPLICATION
from wide_table import write_wide_table

PRICE = ("--schema", "wide.yaml", "--epsilon", "1", "--method", "privbayes")
FIT = ("fit", "wide.csv", *PRICE, "-o", "model.dps")


@pytest.fixture(autouse=True)
def wide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    write_wide_table()


def run(*arguments: str, **environment: str) -> Result:
    return CliRunner().invoke(APPLICATION, list(arguments), env=environment)


@pytest.mark.parametrize("theta", ["0", "1000000"])
def test_a_network_is_fitted_shown_and_sampled(theta: str) -> None:
    found = run(*FIT, "--theta", theta, "--degree", "2")
    assert found.exit_code == 0, found.output
    assert "Why so: a column gets up to 2 parents" in found.stderr
    shown = json.loads(run("show", "model.dps", "--json").stdout)["result"]
    assert shown["distribution"]["kind"] == "bayesian-network"
    assert shown["settings"]["theta"] == float(theta)
    told = {entry["column"]: entry["given"] for entry in shown["network"]}
    assert told.keys() == shown["columns"].keys()
    assert any(told.values()) == (theta != "1000000")
    words = run("show", "model.dps").stdout
    assert "bayesian network" in words
    assert "given" in words
    assert run("sample", "model.dps", "-n", "7", "--where", "a=12", "-o", "-").stdout.count("\n") == 8


def test_a_theta_that_leaves_no_parents_is_said_by_the_plan() -> None:
    found = run("plan", *PRICE, "--rows", "1000", "--theta", "1000000")
    assert found.exit_code == 0, found.output
    assert "all columns are independent" in found.stdout
    assert "Note: theta leaves no column any parents" in found.stdout


@pytest.mark.parametrize("words", [("--degree", "0"), ("--degree", "5"), ("--degree", "two"), ("--theta", "-1")])
@pytest.mark.parametrize("command", [("plan", *PRICE), FIT])
def test_bad_settings_exit_2_and_spend_nothing(command: tuple[str, ...], words: tuple[str, ...]) -> None:
    found = run(*command, *words)
    assert found.exit_code == 2, found.output
    assert words[0] in found.stderr
    assert not Path("model.dps").exists()


@pytest.mark.parametrize("theta", ["nan", "inf", "1e400", "", "4;5"])
def test_a_theta_that_is_no_number_exits_2(theta: str) -> None:
    assert run("plan", *PRICE, "--theta", theta).exit_code == 2
    assert run("plan", *PRICE, DPSYNTH_THETA=theta or "x").exit_code == 2


def test_settings_of_privbayes_belong_to_privbayes() -> None:
    found = run("plan", "--schema", "wide.yaml", "--epsilon", "1", "--degree", "2")
    assert found.exit_code == 2
    assert "--method auto has no degree" in found.stderr
    assert "use --method privbayes" in found.stderr
    Path("dpsynth.yaml").write_text("method: privbayes\ndegree: 1\ntheta: 2.5\n")
    told = run("plan", "--schema", "wide.yaml", "--epsilon", "1")
    assert "up to 1 parent, as many" in told.stdout
