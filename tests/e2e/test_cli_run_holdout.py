"""A run that replaces a model with a holdout, and a plan that knows of a closed gate."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dpsynth.models import load
from run_examples import PIPELINE, actions, edit, paid, prepare, run

KEY, OLD = Path("model.dps.holdout.json"), Path("model.dps.holdout.1.json")


@pytest.fixture(autouse=True)
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    prepare()
    held = PIPELINE.replace("method: independent,", "method: independent, holdout: 10%,")
    Path("pipeline.yaml").write_text(held, encoding="utf-8")


def of(key: Path) -> str:
    """The fit that a key belongs to."""
    return str(json.loads(key.read_text(encoding="utf-8"))["transaction"])


def test_the_key_of_a_replaced_model_is_kept_and_the_new_one_has_its_name() -> None:
    actions()
    first = of(KEY)
    assert "model.dps.holdout.1.json" in run("--again", "3").stderr
    assert (of(OLD), paid()) == (first, 2)
    assert of(KEY) == load("model.dps").provenance["transaction"] != first
    edit("pipeline.yaml", "2026-11", "2026-12")
    run()
    assert of(KEY) == load("model.dps").provenance["transaction"]
    assert Path("model.dps.holdout.2.json").exists()


def test_the_key_stays_where_it_is_if_no_other_model_came() -> None:
    actions()
    first, model = KEY.read_bytes(), Path("model.dps").read_bytes()
    edit("pipeline.yaml", "epsilon: 1,", "epsilon: 99,")
    edit("pipeline.yaml", "2026-11", "2026-12")
    run(code=4)
    assert (KEY.read_bytes(), Path("model.dps").read_bytes()) == (first, model)
    assert not OLD.exists()


def test_a_plan_says_that_a_closed_gate_would_stop_the_run() -> None:
    rules = "rules:\n  - {rule: pool-epsilon, at_most: 1, citation: c}\n"
    gate = f'gate: 1\nname: g\nversion: "1"\ntitle: t\nabout: a\ncandidates: 3\n{rules}'
    Path("gate.yaml").write_text(gate, encoding="utf-8")
    more = (
        "  - audit release: {real: masked.csv, synthetic: synthetic.csv, model: model.dps, gate: ./gate.yaml, "
        "output: audit.json}\n"
        "  - report: {model: model.dps, synthetic: synthetic.csv, audit: audit.json, output: report.html}\n"
    )
    with Path("pipeline.yaml").open("a", encoding="utf-8") as file:
        file.write(more)
    run(code=5)
    told = run("--plan", code=5)
    assert "would stop at stage 5, audit release: its gate is not open" in told.stdout
    assert actions("--plan", code=5)[-2:] == ["reuse", "not reached"]
