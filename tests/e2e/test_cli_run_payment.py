"""What ``dpsynth run`` pays for and what it does not: the key of a fit, and the paid model that stands there."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from dpsynth.cli.reuse import Course
from dpsynth.ledger import Ledger
from dpsynth.tables import atomic
from run_examples import PIPELINE, STATE, actions, call, edit, paid, prepare, run

REUSED = ["run", "reuse", "reuse", "reuse"]


@pytest.fixture(autouse=True)
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    prepare()


def fit_with(**more: str) -> None:
    """More options of the fit in the pipeline."""
    words = "".join(f"{name}: {value}, " for name, value in more.items())
    Path("pipeline.yaml").write_text(PIPELINE.replace("method: independent, ", f"method: independent, {words}"))


# --- one key for one fit ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        {"pool": "people", "unit": "row"},
        {"delimiter": '","'},
        {"max-stability": "2"},
        {"delta": "1e-9"},
        {"purpose": "a pilot"},
        {"memory-limit": "5GB"},
        {"epsilon": "1.0"},
    ],
    ids=str,
)
def test_options_that_change_no_answer_pay_nothing(words: dict[str, str]) -> None:
    actions()
    model = Path("model.dps").read_bytes()
    fit_with(**words)
    if "epsilon" in words:
        Path("pipeline.yaml").write_text(PIPELINE.replace("epsilon: 1,", "epsilon: 1.0,"))
    assert actions() == REUSED
    assert paid() == 1
    assert Path("model.dps").read_bytes() == model


def test_settings_of_the_surroundings_that_change_no_answer_pay_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    actions()
    for name, value in {"MEMORY_LIMIT": "5GB", "POOL": "people", "UNIT": "row", "DEGREE": "2", "DELTA": "1e-9"}.items():
        monkeypatch.setenv(f"DPSYNTH_{name}", value)
    assert actions() == REUSED
    assert paid() == 1


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("source: public}", "source: public, public_reason: the form}"),
        ("name: sex", "name: sex, title: Sex, description: as told"),
        ("fields:", "title: People\nfields:"),
        ("name: people, unit", "name: people, population: people, unit"),
        (", unit: row", ""),
        ("source: public}", "source: public, role: other}"),
    ],
    ids=["reason", "words", "title", "population", "unit", "role"],
)
def test_words_and_defaults_of_a_schema_pay_nothing(old: str, new: str) -> None:
    actions()
    edit("schema.yaml", old, new)
    assert actions() == REUSED
    assert paid() == 1


# --- another fit, and the model that was paid for ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "old", "new", "named"),
    [
        ("pipeline.yaml", "epsilon: 1", "epsilon: 0.5", "epsilon"),
        ("pipeline.yaml", "epsilon: 1", "share: 1/5", "epsilon, delta, share"),
        ("pipeline.yaml", "epsilon: 1", "epsilon: 1, delta: 1e-10", "delta"),
        ("pipeline.yaml", "epsilon: 1", "epsilon: 1, holdout: 10%", "holdout"),
        ("pipeline.yaml", "epsilon: 1", "epsilon: 1, pool: others", "pool"),
        ("pipeline.yaml", "epsilon: 1", "epsilon: 1, unit: 'id:2'", "unit"),
        ("pipeline.yaml", "method: independent", "method: mst", "method"),
        ("pipeline.yaml", "fit: {data: masked.csv", "fit: {data: raw.csv", "the stage that makes its table"),
        ("schema.yaml", "width: 50", "width: 25", "schema"),
        ("schema.yaml", "enum: [Female, Male]", "enum: [Female, Male, Other]", "schema"),
        ("policy.yaml", "name: sex", "name: sex, title: Sex", "the stage that makes its table"),
    ],
)
def test_a_paid_model_is_not_overwritten_because_a_setting_changed(path: str, old: str, new: str, named: str) -> None:
    actions()
    model = Path("model.dps").read_bytes()
    edit(path, old, new)
    refused = run(code=4).stderr
    assert f"this fit is another one: what changed since: {named}\n" in refused
    assert "dpsynth run pipeline.yaml --again 3" in refused
    assert "this fit is another one" in run("--plan", code=4).stderr
    Path(STATE).unlink()
    Path("masked.csv").unlink()
    assert "this fit is another one" in run(code=4).stderr
    assert Path("model.dps").read_bytes() == model
    assert paid() == 1


def test_a_paid_model_is_overwritten_on_request_or_for_data_of_another_version() -> None:
    actions()
    edit("schema.yaml", "width: 50", "width: 25")
    run(code=4)
    assert actions("--again", "fit") == ["run", "reuse", "run", "run"]
    assert paid() == 2
    assert actions() == REUSED
    edit("schema.yaml", "width: 25", "width: 10")
    edit("pipeline.yaml", "2026-11", "2026-12")
    assert actions() == ["run"] * 4
    assert paid() == 3


def test_force_does_not_stand_for_a_second_payment() -> None:
    fit_with(force="true")
    actions()
    edit("pipeline.yaml", "epsilon: 1", "epsilon: 0.5")
    assert "this fit is another one" in run(code=4).stderr
    assert paid() == 1


def test_another_output_makes_room_for_another_fit() -> None:
    actions()
    edit("pipeline.yaml", "epsilon: 1", "epsilon: 0.5")
    edit("pipeline.yaml", "model.dps", "second.dps")
    assert actions() == ["run", "reuse", "run", "run"]
    assert paid() == 2


def test_a_model_that_another_ledger_paid_for_is_not_overwritten() -> None:
    actions()
    edit("pipeline.yaml", "epsilon: 1", "epsilon: 1, ledger: other.db")
    Path(STATE).unlink()
    Path("masked.csv").unlink()
    assert "how it was asked for is not on record" in run(code=4).stderr
    assert not Path("other.db").exists()


# --- payments of earlier versions -------------------------------------------------------------------------------------


@pytest.fixture
def paid_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run of an earlier version: its fits were paid under one digest of what was written."""
    with monkeypatch.context() as patch:
        patch.setattr(Course, "key", Course._digest)
        actions()
    once = [event.secret("once") for event in Ledger.open().events("people") if event.kind == "RESERVE"]
    assert [len(str(key)) for key in once] == [64]


@pytest.mark.parametrize("remembered", [True, False], ids=["state", "no-state"])
@pytest.mark.usefixtures("paid_before")
def test_a_payment_of_an_earlier_version_is_recognized(*, remembered: bool) -> None:
    if not remembered:
        Path(STATE).unlink()
        Path("masked.csv").unlink()
        Path("synthetic.csv").unlink()
    assert actions()[2] == "reuse"
    assert actions() == REUSED
    assert paid() == 1


@pytest.mark.usefixtures("paid_before")
def test_what_an_earlier_version_may_have_paid_for_is_refused() -> None:
    model = Path("model.dps").read_bytes()
    fit_with(pool="people")
    for gone in (False, True):
        if gone:
            Path(STATE).unlink()
            for name in ("masked.csv", "model.dps", "synthetic.csv"):
                Path(name).unlink()
        refused = run(code=4).stderr
        assert "an earlier version of dpsynth paid for a fit like this" in refused
        assert "--again 3" in refused
        assert gone or Path("model.dps").read_bytes() == model
    assert paid() == 1
    assert actions("--again", "fit")[2] == "run"
    assert actions()[2] == "reuse"
    assert paid() == 2


@pytest.mark.usefixtures("paid_before")
def test_what_an_earlier_version_did_not_pay_for_is_another_fit() -> None:
    edit("pipeline.yaml", "epsilon: 1", "epsilon: 0.5")
    assert "how it was asked for is not on record" in run(code=4).stderr
    edit("pipeline.yaml", "model.dps", "second.dps")
    assert actions()[2] == "run"
    assert paid() == 2


# --- a model that waits under its temporary name ----------------------------------------------------------------------


class Killed(BaseException):
    """Ends a process as nothing within it can."""


def kill_before_the_rename(monkeypatch: pytest.MonkeyPatch, *words: str) -> Path:
    """A run that is killed between the commit and the rename: nothing that would clean up after it runs."""
    part = Path(f".model.dps.{'1' * 12}.part")
    publish = atomic._publish

    def crash(made: Path, target: Path, *rest: Any, **more: Any) -> None:
        if target.name == "model.dps":
            part.write_bytes(made.read_bytes())
            raise Killed
        publish(made, target, *rest, **more)

    with monkeypatch.context() as patch:
        patch.setattr(atomic, "_publish", crash)
        with pytest.raises(Killed):
            call("run", "pipeline.yaml", *words)
    return part


@pytest.mark.parametrize("how", ["again", "data-version"])
def test_a_paid_model_takes_the_place_of_an_older_one(monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    actions()
    older = Path("model.dps").read_bytes()
    if how == "data-version":
        edit("pipeline.yaml", "2026-11", "2026-12")
    part = kill_before_the_rename(monkeypatch, *(("--again", "fit") if how == "again" else ()))
    newer = part.read_bytes()
    assert "its model is still to be put in its place" in run("--plan").stdout
    assert (Path("model.dps").read_bytes(), part.read_bytes()) == (older, newer)
    assert actions()[2:] == ["reuse", "run"]
    assert Path("model.dps").read_bytes() == newer
    assert not part.exists()
    assert paid() == 2


@pytest.mark.parametrize("what", ["unknown", "not-a-model"])
def test_a_file_of_somebody_else_is_not_replaced_by_a_paid_model(monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    actions()
    edit("pipeline.yaml", "2026-11", "2026-12")
    part = kill_before_the_rename(monkeypatch)
    if what == "unknown":
        Path(STATE).unlink()
        Path("masked.csv").unlink()
        Path("synthetic.csv").unlink()
    else:
        Path("model.dps").write_text("mine\n")
    there = Path("model.dps").read_bytes()
    refused = run(code=2).stderr
    assert "Move it away and run again" in refused
    assert part.name in refused
    assert Path("model.dps").read_bytes() == there
    Path("model.dps").rename("older.dps")
    assert actions()[2] == "reuse"
    assert paid() == 2


def test_a_model_that_waits_is_found_behind_a_link(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("models").mkdir()
    Path("model.dps").symlink_to("models/model.dps")
    part = kill_before_the_rename(monkeypatch)
    part.rename(Path("models", part.name))
    assert actions()[2] == "reuse"
    assert Path("models/model.dps").is_file()
    assert Path("model.dps").is_symlink()
    assert paid() == 1


# --- a plan says what a pool would refuse -----------------------------------------------------------------------------


def test_a_plan_tells_that_the_pool_would_refuse_and_reads_no_row() -> None:
    edit("pipeline.yaml", "epsilon: 1", "epsilon: 50")
    Path("raw.csv").unlink()
    os.mkfifo("raw.csv")  # whoever opens it waits for ever
    said = run("--plan", code=4).stdout
    assert "This stage would be refused (exit 4): the budget is refused: epsilon 50 asked" in said
    assert "The largest epsilon a next fit may ask is" in said
    assert "Nothing was run or spent, and no row was read." in said
    answer = json.loads(run("--plan", "--json", code=4).stdout)
    assert answer["ok"] is False
    assert [one.get("refused") for one in answer["result"]["stages"]] == [None, None, True, None]
    assert [event.kind for event in Ledger.open().events()] == ["CREATE"]


def test_a_plan_tells_that_the_pool_has_another_unit() -> None:
    edit("pipeline.yaml", "epsilon: 1", "epsilon: 1, unit: 'id:2'")
    assert "This stage would be refused (exit 4): the pool protects the unit 'row'" in run("--plan", code=4).stdout


@pytest.mark.parametrize("pool", ["people", "new"])
def test_a_plan_adds_up_the_fits_of_a_pool(pool: str) -> None:
    fit = f"fit: {{data: masked.csv, schema: schema.yaml, epsilon: 4, pool: {pool}, output: "
    pipeline = PIPELINE[: PIPELINE.index("  - fit")] + f"  - {fit}a.dps}}\n  - {fit}b.dps, holdout: 10%}}\n"
    Path("pipeline.yaml").write_text(pipeline)
    said = run("--plan").stdout
    assert said.count(f"if the fits before it draw all that they reserve of pool '{pool}'") == 1
    assert ("create it beforehand" in said) == (pool == "new")


# --- private values --------------------------------------------------------------------------------------------------


def test_no_line_and_no_record_holds_a_private_value() -> None:
    call("key", "create", "--no-passphrase", "-o", "release.key")
    Path("pipeline.yaml").write_text(
        PIPELINE.replace("epsilon: 1,", "epsilon: 1, purpose: MARK of the purpose,")
        + "  - release: {synthetic: synthetic.csv, model: model.dps, key: release.key, recipient: MARK of a partner,\n"
        + "      override: MARK of a reason, output: people.zip}\n"
    )
    said = [run("--plan").output, run("--plan", "--json").output]
    said.append(run("--json").output)
    stages = json.loads(said[-1])["result"]["stages"]
    assert "--purpose=..." in stages[2]["command"]
    assert stages[-1]["exit_code"] == 0
    for path in (STATE, "masked.csv", "synthetic.csv"):
        said.append(Path(path).read_text())
        Path(path).unlink()
    Path("people.zip").unlink()
    said.append(run().output)
    assert "--recipient=..." in said[-1]
    assert "--override=..." in said[-1]
    assert not [text for text in said if "MARK" in text]
