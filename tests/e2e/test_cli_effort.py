"""``--method auto`` and ``--effort`` from the plan to the rows."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from dpsynth.cli.main import APPLICATION
from dpsynth.synthesizers.effort import EFFORTS, Effort
from wide_table import write_wide_table

PRICE = ("--schema", "wide.yaml", "--epsilon", "1")


@pytest.fixture(autouse=True)
def wide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setitem(EFFORTS, "fast", Effort(components=20, steps=50, fits=1))
    write_wide_table()


def run(*arguments: str, **environment: str) -> Result:
    return CliRunner().invoke(APPLICATION, list(arguments), env=environment)


def test_a_plan_explains_the_choice() -> None:
    found = run("plan", *PRICE, "--method", "auto", "--effort", "max")
    assert found.exit_code == 0, found.output
    assert "Why so: the columns have too many values" in found.stdout
    told = json.loads(run("plan", *PRICE, "--method", "auto", "--json").stdout)["result"]
    assert "mixture of products" in told["explanation"]
    assert sum(step["share"] for step in told["steps"]) == pytest.approx(1)
    assert json.loads(run("plan", *PRICE, "--json").stdout)["result"] == {**told, "method": "auto"}
    assert json.loads(run("plan", *PRICE, "--method", "mst", "--json").stdout)["result"]["explanation"] is None


def test_a_fit_with_little_effort_can_be_saved_and_sampled() -> None:
    found = run("fit", "wide.csv", *PRICE, "--method", "auto", "--effort", "fast", "-o", "model.dps")
    assert found.exit_code == 0, found.output
    assert "Why so" in found.stderr
    shown = json.loads(run("show", "model.dps", "--json").stdout)["result"]
    assert shown["method"] == "auto"
    assert run("sample", "model.dps", "-n", "7", "--where", "a=12", "-o", "-").stdout.count("\n") == 8


@pytest.mark.parametrize("command", [("plan",), ("fit", "wide.csv", "-o", "model.dps")])
@pytest.mark.parametrize("method", ["mst", "independent"])
def test_other_methods_have_no_effort(command: tuple[str, ...], method: str) -> None:
    found = run(*command, *PRICE, "--method", method, "--effort", "fast")
    assert found.exit_code == 2
    assert f"--method {method} has no effort" in found.stderr
    assert "--method auto" in found.stderr


def test_an_unknown_effort_is_a_usage_error() -> None:
    assert run("plan", *PRICE, "--method", "auto", "--effort", "huge").exit_code == 2


def test_effort_and_method_may_come_from_the_environment() -> None:
    found = run("plan", *PRICE, DPSYNTH_METHOD="auto", DPSYNTH_EFFORT="fast")
    assert found.exit_code == 0, found.output
    left_out = run("plan", *PRICE, DPSYNTH_METHOD="mst", DPSYNTH_EFFORT="fast")
    assert left_out.exit_code == 0, left_out.output
    assert "effort is set, but --method mst has none" in left_out.stderr
