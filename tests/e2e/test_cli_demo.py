"""The demo: the whole journey on bundled data, in its own folder, ending in a refusal that it expects."""

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from dpsynth.cli.demo import BUNDLED, COLUMNS, MADE
from dpsynth.cli.main import APPLICATION
from dpsynth.schema import Schema


@pytest.fixture(autouse=True)
def fresh_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_demo_ends_well_and_touches_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DPSYNTH_EFFORT", "fast")  # the README is run with the default
    result = CliRunner().invoke(APPLICATION, ["demo"])
    assert result.exit_code == 0, result.output
    assert {path.name for path in tmp_path.iterdir()} == {"dpsynth-demo"}
    assert not Path(os.environ["DPSYNTH_LEDGER"]).exists()
    made = [path for path in Path("dpsynth-demo").rglob("*") if path.is_file()]
    found = {path.relative_to("dpsynth-demo").as_posix() for path in made}
    assert found == {*BUNDLED, *MADE} - {"second.dps"}
    for words in ("$ dpsynth fit", "Nothing was spent", "the budget is refused", "That refusal is the point"):
        assert words in result.output


def test_the_demo_in_json_tells_every_step_and_repeats_with_force(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DPSYNTH_METHOD", "mst")  # the quickest: the default is seen above
    Path("dpsynth-demo").mkdir()
    Path("dpsynth-demo/model.dps").write_text("of an earlier demo")
    refused = CliRunner().invoke(APPLICATION, ["demo", "--json"])
    assert refused.exit_code == 2
    result = CliRunner().invoke(APPLICATION, ["demo", "--json", "--force"])
    assert result.exit_code == 0
    assert result.stderr == ""
    steps = json.loads(result.stdout)["result"]["steps"]
    assert [step["exit_code"] for step in steps] == [0] * 7 + [4]
    names = ["schema check", "plan", "fit", "sample", "evaluate", "show", "ledger show", "fit"]
    assert [step["answer"]["command"] for step in steps] == names
    assert steps[-1]["answer"]["error"]["code"] == "budget"


def test_the_demo_stops_at_a_step_that_ends_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DPSYNTH_MEMORY_LIMIT", "1kB")
    result = CliRunner().invoke(APPLICATION, ["demo", "--output", "small"])
    assert result.exit_code == 7
    assert "--memory-limit" in result.stderr
    assert not Path("small/model.dps").exists()


def test_only_the_files(root: Path) -> None:
    assert CliRunner().invoke(APPLICATION, ["demo", "--files-only", "-o", "files", "--quiet"]).output == ""
    copied = [path for path in Path("files").rglob("*") if path.is_file()]
    assert {path.relative_to("files").as_posix() for path in copied} == set(BUNDLED)
    for name in ("policy.yaml", *(f"hierarchies/{column}.csv" for column in COLUMNS)):
        assert Path("files", name).read_text() == (root / "examples/adult" / name).read_text()
    assert "10.24432/C5XW20" in Path("files/README.md").read_text()
    bundled = Schema.load("files/schema.yaml")
    assert bundled.problems() == []
    assert bundled == Schema.load(root / "examples/adult/schema.yaml")
