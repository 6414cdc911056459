"""``dpsynth run``: what is unchanged is reused, a fit is paid for once whatever happens, a failure ends the run."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from dpsynth.cli import run as run_module
from dpsynth.ledger import Ledger
from dpsynth.models import Model
from dpsynth.tables import atomic
from run_examples import POLICY, SCHEMA, STATE, actions, call, edit, paid, prepare, run


@pytest.fixture(autouse=True)
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    prepare()
    return folder


# --- reuse ---------------------------------------------------------------------------------------------------------


def test_a_second_run_reuses_every_file_and_pays_nothing() -> None:
    assert actions() == ["run"] * 4
    before = {name: Path(name).read_bytes() for name in ("masked.csv", "model.dps", "synthetic.csv", STATE)}
    assert actions() == ["run", "reuse", "reuse", "reuse"]
    assert {name: Path(name).read_bytes() for name in before} == before
    assert paid() == 1
    assert stat.S_IMODE(Path(STATE).stat().st_mode) == 0o600


def test_what_the_data_hold_is_never_looked_at() -> None:
    actions()
    Path("raw.csv").write_text("id,sex,age\n" + "c,Male,10\n" * 7)
    os.utime("raw.csv", (1, 1))
    assert actions() == ["run", "reuse", "reuse", "reuse"]


def test_neither_comments_nor_names_of_files_pay_again() -> None:
    actions()
    Path("schema.yaml").write_text(f"# a remark\n{SCHEMA}")
    Path("policy.yaml").write_text(f"# a remark\n{POLICY}")
    Path("raw.csv").rename("other.csv")
    edit("pipeline.yaml", "raw.csv", "other.csv")
    edit("pipeline.yaml", "epsilon: 1,", "epsilon: 1.0, delta: 1e-9, purpose: a pilot,")
    assert actions() == ["run", "reuse", "reuse", "reuse"]
    assert paid() == 1


@pytest.mark.parametrize(
    ("path", "old", "new", "expected"),
    [
        ("pipeline.yaml", "seed: 7", "seed: 8", ["run", "reuse", "reuse", "run"]),
        ("pipeline.yaml", "2026-11", "2026-12", ["run", "run", "run", "run"]),
    ],
    ids=["seed", "data-version"],
)
def test_what_depends_on_a_change_runs_again(path: str, old: str, new: str, expected: list[str]) -> None:
    actions()
    edit(path, old, new)
    assert actions() == expected
    assert actions() == ["run", "reuse", "reuse", "reuse"]


def test_a_file_that_was_changed_or_removed_is_made_again_but_never_replaced_unasked() -> None:
    actions()
    good = Path("synthetic.csv").read_bytes()
    Path("synthetic.csv").unlink()
    assert actions() == ["run", "reuse", "reuse", "run"]
    assert Path("synthetic.csv").read_bytes() == good
    Path("synthetic.csv").write_text("mine\n")
    assert "the output exists" in run(code=2).stderr
    assert Path("synthetic.csv").read_text() == "mine\n"


def test_a_failure_does_not_make_a_file_of_somebody_else_replaceable() -> None:
    actions()
    edit("pipeline.yaml", "rows: 20", "rows: 20, where: no such condition")
    run(code=2)
    Path("synthetic.csv").write_text("mine\n")
    edit("pipeline.yaml", ", where: no such condition", ", draw: iid")
    run(code=2)
    assert Path("synthetic.csv").read_text() == "mine\n"


def test_a_stage_is_run_again_on_request() -> None:
    actions()
    assert actions("--again", "sample") == ["run", "reuse", "reuse", "run"]
    assert actions("--again", "2") == ["run", "run", "reuse", "reuse"]
    assert "1 schema check, 2 mask" in run("--again", "fitt", code=2).stderr


# --- the fit is paid for once ----------------------------------------------------------------------------------------


def test_a_crash_after_the_commit_does_not_pay_again(monkeypatch: pytest.MonkeyPatch) -> None:
    remember = run_module._remember

    def crash(course: Any, stage: Any, *rest: Any) -> None:
        if stage.name == "fit":
            raise KeyboardInterrupt
        remember(course, stage, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(run_module, "_remember", crash)
        run(code=130)
    model = Path("model.dps").read_bytes()
    assert "it was not run before" in run("--plan").stdout  # of the sample; the fit is known to be paid for
    assert actions() == ["run", "reuse", "reuse", "run"]
    assert Path("model.dps").read_bytes() == model
    assert paid() == 1


def test_a_model_that_was_lost_between_commit_and_rename_is_refused_then_paid_again_on_request(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    publish = atomic._publish

    def crash(part: Path, target: Path, *rest: Any, **more: Any) -> None:
        if target.name == "model.dps":
            raise KeyboardInterrupt
        publish(part, target, *rest, **more)

    with monkeypatch.context() as patch:
        patch.setattr(atomic, "_publish", crash)
        run(code=130)
    assert not Path("model.dps").exists()
    refused = run(code=4).stderr
    assert "was paid for, but the model that it made is not here" in refused
    assert "dpsynth run pipeline.yaml --again 3" in refused
    assert "is not here" in run("--plan", code=4).stderr
    assert paid() == 1
    assert actions("--again", "fit") == ["run", "reuse", "run", "run"]
    assert paid() == 2
    assert actions() == ["run", "reuse", "reuse", "reuse"]
    Path(STATE).unlink()
    Path("masked.csv").unlink()
    Path("synthetic.csv").unlink()
    assert actions() == ["run", "run", "reuse", "run"]
    assert paid() == 2


def test_a_model_that_was_never_renamed_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(part: Path, target: Path, *rest: Any, **more: Any) -> None:
        if target.name == "model.dps":
            Path(f".model.dps.{'0' * 12}.part").write_bytes(part.read_bytes()[:-1])
            Path(f".model.dps.{'1' * 12}.part").write_bytes(part.read_bytes())
            raise KeyboardInterrupt
        publish(part, target, *rest, **more)

    publish = atomic._publish
    with monkeypatch.context() as patch:
        patch.setattr(atomic, "_publish", crash)
        run(code=130)
    assert "its model is still to be put in its place" in run("--plan").stdout
    assert actions("--plan") == ["run", "reuse", "reuse", "wait"]
    assert not Path("model.dps").exists()  # a plan moves nothing
    assert actions() == ["run", "reuse", "reuse", "run"]
    assert paid() == 1
    assert call("show", "model.dps").exit_code == 0


def test_a_fit_that_broke_off_is_forfeited_and_not_repeated_silently(monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Model, "write", crash)
        run(code=130)
    assert "its reservation is forfeited" in run(code=4).stderr
    assert actions("--again", "fit")[2] == "run"


def test_a_fit_that_was_refused_before_it_read_is_free_to_run_again() -> None:
    edit("pipeline.yaml", "epsilon: 1", "epsilon: 50")
    assert "Stopped at stage 3 of 4, fit: exit code 4. The 1 stage after it did not run." in run(code=4).stderr
    edit("pipeline.yaml", "epsilon: 50", "epsilon: 1")
    assert actions()[2] == "run"


def test_another_model_is_not_taken_for_the_one_that_was_paid_for() -> None:
    actions()
    Path(STATE).unlink()
    Path("masked.csv").unlink()
    call(
        "fit", "raw.csv", "-s", "schema.yaml", "--epsilon", "1", "--method", "independent", "-o", "model.dps", "--force"
    )
    assert "not here" in run(code=4).stderr


def test_going_back_to_what_was_paid_for_before_pays_nothing() -> None:
    actions()
    Path("model.dps").rename("first.dps")
    edit("pipeline.yaml", "epsilon: 1", "epsilon: 0.5")
    actions()
    Path("first.dps").replace("model.dps")
    edit("pipeline.yaml", "epsilon: 0.5", "epsilon: 1")
    assert actions()[2] == "reuse"
    assert paid() == 2


def test_a_key_of_ones_own_pays_once() -> None:
    fit = ("fit", "raw.csv", "-s", "schema.yaml", "--epsilon", "1", "--method", "independent", "--once", "night job")
    assert call(*fit, "-o", "a.dps").exit_code == 0
    second = call(*fit, "-o", "b.dps")
    assert second.exit_code == 4
    assert "was paid for before" in second.stderr
    assert not Path("b.dps").exists()
    assert "night job" not in "".join(Ledger.open().extract("people"))
    assert paid() == 1


# --- plan, exit codes, output ---------------------------------------------------------------------------------------


def test_a_plan_reads_no_rows_and_spends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("raw.csv").unlink()
    os.mkfifo("raw.csv")  # whoever opens it waits for ever
    said = run("--plan").stdout
    assert "Price of one independent fit: epsilon 1, delta 1e-9." in said
    assert "A next fit may ask for epsilon" in said
    assert "Nothing was run or spent, and no row was read." in said
    assert not Path(STATE).exists()
    assert not Path("masked.csv").exists()
    assert [event.kind for event in Ledger.open().events()] == ["CREATE"]
    stages = json.loads(run("--plan", "--json").stdout)["result"]["stages"]
    assert [one["action"] for one in stages] == ["run", "run", "run", "wait"]
    assert stages[2]["price"]["epsilon"] == 1


def test_a_plan_after_a_run_tells_what_would_be_reused() -> None:
    actions()
    assert actions("--plan") == ["run", "reuse", "reuse", "reuse"]
    edit("pipeline.yaml", "2026-11", "2026-12")
    assert actions("--plan") == ["run", "run", "run", "wait"]


def test_a_plan_prices_shares_and_fits_without_a_schema() -> None:
    edit("pipeline.yaml", "epsilon: 1, method: independent", "share: 1/5, method: independent")
    found = json.loads(run("--plan", "--json").stdout)["result"]["stages"][2]["price"]
    assert 1 < found["epsilon"] < 5  # a fifth of the cap's budget buys more than a fifth of its epsilon
    assert found["pool"]["name"] == "people"
    edit("pipeline.yaml", "data: masked.csv, schema: schema.yaml, share: 1/5", "data: raw.csv, epsilon: 1")
    assert "Only the header, the names of the columns, is taken as public." in run("--plan").stdout
    edit("pipeline.yaml", "data: raw.csv, epsilon: 1", "data: masked.csv, epsilon: 1")
    assert "is known once the stages before it have run" in run("--plan").stdout
    edit(
        "pipeline.yaml", "data: masked.csv, epsilon: 1", "data: masked.csv, schema: schema.yaml, degree: 2, epsilon: 1"
    )
    assert "pipeline.yaml, stage 3 (fit): --degree: --method independent has no degree" in run("--plan", code=2).stderr


def test_a_gate_that_stays_closed_ends_the_run_and_is_asked_once() -> None:
    edit(
        "pipeline.yaml",
        "  - sample",
        "  - sample: {model: model.dps, seed: 1, rows: 20, output: first.csv}\n  - sample",
    )
    tables = "real: masked.csv, synthetic: first.csv, model: model.dps"
    gate = f"  - audit release: {{{tables}, gate: cms-cells, output: audit.json}}\n"
    edit("pipeline.yaml", "  - sample: {model: model.dps, seed: 7", gate + "  - sample: {model: model.dps, seed: 7")
    first = run(code=5)
    assert "Stopped at stage 5 of 6, audit release: its gate is not open." in first.stderr
    assert not Path("synthetic.csv").exists()
    audit = Path("audit.json").read_bytes()
    again = json.loads(run("--json", code=5).stdout)
    assert again["ok"] is False
    assert again["result"]["stages"][-1] == {"stage": 5, "name": "audit release", "action": "reuse", "exit_code": 5}
    assert Path("audit.json").read_bytes() == audit


def test_paths_count_from_the_folder_of_the_pipeline(monkeypatch: pytest.MonkeyPatch, work: Path) -> None:
    monkeypatch.chdir(work.parent)
    result = call("run", "work/pipeline.yaml", "--quiet")
    assert (result.exit_code, result.stderr) == (0, "")
    assert (work / "synthetic.csv").exists()
    assert Path.cwd() == work.parent


def test_the_state_holds_digests_and_no_row() -> None:
    actions()
    state = Path(STATE).read_text()
    assert "Female" not in state
    assert {one["outputs"][0] for one in json.loads(state)["stages"]} == {"masked.csv", "model.dps", "synthetic.csv"}
    Path(STATE).write_text(state[:50])
    damaged = run(code=3).stderr
    assert "this is not the state of a run" in damaged
    assert "Delete it" in damaged
