"""Pipelines that are none: one message that names the file and the stage, and nothing is run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from dpsynth.cli.main import APPLICATION

STATE = "pipeline.yaml.state.json"
STAGES = "run: 1\ndata_version: 2026-11\nstages:\n"


@pytest.fixture(autouse=True)
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("raw.csv").write_text("id,sex,age\na,Female,30\n")


def run(*, code: int) -> Result:
    result = CliRunner().invoke(APPLICATION, ["run", "pipeline.yaml"])
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    return result


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        ("", 3, "the file is empty"),
        ("run: 1\nstages: [\n", 3, "not valid YAML"),
        ("- run\n", 2, "a pipeline is a map"),
        ("run: 2\nstages: [fit]\n", 2, "run: 1"),
        ("run: 1\nstagse: []\n", 2, "pipeline.yaml, line 2: unknown key stagse"),
        ("run: 1\nstages: []\n", 2, "a list of 1 to 200 commands"),
        ("run: 1\nstages: {fit: {}}\n", 2, "a list of 1 to 200 commands"),
        ("run: 1\ndata_version: [1]\nstages: [show]\n", 2, "data_version is"),
        ("run: 1\nrun: 1\n", 3, "appears twice"),
        ("a: &a [x, x]\nb: [*a, *a]\n", 3, "anchors and aliases"),
        ("run: !!python/object:os.system x\n", 3, "tags (!) are not read"),
        ("run: 1\nstages: " + "[" * 500 + "]" * 500, 3, "nested deeper"),
        ("run: 1\nstages:\n" + "  - show: {model: m}\n" * 201, 2, "a list of 1 to 200 commands"),
        ("# " + "x" * 1_000_001, 3, "larger than"),
        (STAGES + "  - {fit: {}, sample: {}}\n", 2, "stage 1: a stage is one command"),
        (STAGES + "  - fit: [a]\n", 2, "stage 1 (fit): the options of a stage"),
        (STAGES + "  - fti: {data: raw.csv}\n", 2, "stage 1 (fti): no such command; did you mean fit?"),
        (STAGES + "  - audit: {data: raw.csv}\n", 2, "say which command: mechanism, release"),
        (STAGES + "  - run: {pipeline: pipeline.yaml}\n", 2, "this command is no stage"),
        (STAGES + "  - ledger raise: {pool: people}\n", 2, "this command is no stage"),
        (STAGES + "  - sample: {model: m.dps, sede: 1, output: s.csv}\n", 2, "no option sede; did you mean seed?"),
        (STAGES + "  - sample: {model: m.dps, json: true, output: s.csv}\n", 2, "json is no option of a stage"),
        (STAGES + "  - sample: {model: raw.csv, seed: x, output: s.csv}\n", 2, "stage 1 (sample): --seed: must be"),
        (STAGES + "  - sample: {model: raw.csv, seed: [1, 2], output: s.csv}\n", 2, "seed takes one value"),
        (STAGES + "  - sample: {model: raw.csv, seed: , output: s.csv}\n", 2, "seed needs a plain value"),
        (STAGES + "  - sample: {model: raw.csv, force: yes, output: s.csv}\n", 2, "force is true or false"),
        (STAGES + "  - sample: {model: raw.csv}\n", 2, "stage 1 (sample): Missing option '-o' / '--output'"),
        (STAGES + "  - sample: {model: raw.csv, output: '-'}\n", 2, "not standard input or output"),
        (STAGES + "  - sample: {model: m.dps, output: s.csv}\n", 2, "model: no such file, m.dps"),
        (STAGES + f"  - sample: {{model: {'m' * 9_999}, output: s.csv}}\n", 2, "no such file, of a name"),
        (STAGES + '  - sample: {model: "\\e[31m", output: s.csv}\n', 2, "no such file, of a name"),
        (STAGES + f"  - {'sample' * 99}: {{model: m.dps}}\n", 2, "no such command"),
        (STAGES + "  - show: {model: m.dps}\n  - sample: {model: raw.csv, output: m.dps}\n", 2, "change the order"),
        (STAGES + "  - sample: {model: raw.csv, output: s.csv}\n" * 2, 2, "stage 1 writes s.csv too"),
        (STAGES + "".join(f"  - sample: {{model: raw.csv, output: {s}}}\n" for s in ("s.csv", "./s.csv")), 2, "too"),
        (STAGES + '  - sample: {model: "a\\0b", output: s.csv}\n', 2, "needs a plain value"),
    ],
)  # fmt: skip
def test_a_pipeline_that_is_none_says_why_and_runs_nothing(text: str, code: int, message: str) -> None:
    Path("pipeline.yaml").write_text(text)
    result = run(code=code)
    assert message in result.stderr
    assert "pipeline.yaml" in result.stderr
    assert len(result.stderr.splitlines()) <= 3
    assert not Path(STATE).exists()


def test_two_stages_do_not_write_one_file_by_two_paths(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    for other in (tmp_path / "s.csv", "link/s.csv"):
        stages = "".join(f"  - sample: {{model: raw.csv, output: {one}}}\n" for one in ("s.csv", other))
        Path("pipeline.yaml").write_text(STAGES + stages)
        assert re.search(r"stage 1 writes (link/)?s\.csv too", run(code=2).output)


def test_a_table_of_real_rows_needs_a_declared_version() -> None:
    Path("pipeline.yaml").write_text(
        "run: 1\nstages:\n  - show: {model: raw.csv}\n  - risk: {data: raw.csv, policy: raw.csv}\n"
    )
    refused = run(code=2).stderr
    assert "stage 2 (risk)" in refused
    assert "data_version: 2026-11" in refused
    assert "[1/2]" not in refused


def test_a_file_that_is_no_text_and_one_that_is_missing() -> None:
    Path("pipeline.yaml").write_bytes(b"\xff\xfe\x00")
    assert "not UTF-8" in run(code=3).stderr
    Path("pipeline.yaml").unlink()
    assert "no such file" in run(code=3).stderr
