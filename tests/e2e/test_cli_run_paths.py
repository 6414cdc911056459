"""``dpsynth run``: files are told by where their paths lead, and tables of people are never told by what they hold."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from run_examples import PIPELINE, POLICY, STATE, actions, edit, paid, prepare, run

K_MAP = """\
dpsynth: {version: 1}
fields:
  - {name: id, dpsynth: {role: direct-id}}
  - {name: sex, dpsynth: {role: quasi, hierarchy: {uncovered: top, groups: {all: [Female, Male]}}}}
  - {name: age, dpsynth: {role: other}}
models:
  - k-map: {k: 1, population: register.csv}
"""


@pytest.fixture(autouse=True)
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    (tmp_path / "link").symlink_to(folder)
    monkeypatch.chdir(folder)
    prepare()
    return folder


# --- one file, several ways to write its path ------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["absolute", "through a linked folder", "through a link", "with dots", "from a link"])
@pytest.mark.parametrize("side", ["input", "output"])
def test_a_table_is_tied_to_its_maker_however_its_path_is_written(work: Path, way: str, side: str) -> None:
    if way == "through a link":
        Path("same.csv").symlink_to("masked.csv" if side == "input" else "other.csv")
    if way == "from a link":
        Path("d").symlink_to("../work")
    written = {
        "absolute": str(work / "masked.csv"),
        "through a linked folder": str(work.parent / "link/masked.csv"),
        "through a link": "same.csv",
        "with dots": "../work/masked.csv",
        "from a link": "d/../work/masked.csv",
    }[way]
    old = "data: masked.csv" if side == "input" else "output: masked.csv"
    edit("pipeline.yaml", old, f"{old.split(':', maxsplit=1)[0]}: {written}")
    if way == "through a link" and side == "output":
        edit("pipeline.yaml", "data: masked.csv", "data: other.csv")
    assert actions() == ["run"] * 4
    assert actions() == ["run", "reuse", "reuse", "reuse"]
    edit("policy.yaml", "name: sex", "name: sex, title: Sex")
    refused = run(code=4).stderr
    assert "what changed since: the stage that makes its table" in refused
    assert paid() == 1


def test_an_absolute_path_is_the_same_piece_of_work(work: Path) -> None:
    actions()
    for name in ("masked.csv", "model.dps", "synthetic.csv"):
        text = Path("pipeline.yaml").read_text()
        Path("pipeline.yaml").write_text(text.replace(f" {name}", f" {work / name}"))
    assert actions() == ["run", "reuse", "reuse", "reuse"]
    assert paid() == 1


@pytest.mark.parametrize(
    "second",
    ["WORK/synthetic.csv", "LINK/synthetic.csv", "same.csv", "synthetic.csv.dpsynth.json", "synthetic.csv/more.csv"],
)
@pytest.mark.parametrize("turned", [False, True])
def test_two_stages_that_write_one_file_are_refused_before_anything_runs(
    work: Path, second: str, *, turned: bool
) -> None:
    Path("same.csv").symlink_to("synthetic.csv")
    path = second.replace("WORK", str(work)).replace("LINK", str(work.parent / "link"))
    sample = "  - sample: {model: model.dps, seed: 8, rows: 20, output: OUT}\n"
    if turned:
        edit("pipeline.yaml", "output: synthetic.csv", f"output: {path}")
        path = "synthetic.csv"
    Path("pipeline.yaml").write_text(Path("pipeline.yaml").read_text() + sample.replace("OUT", path))
    assert "stage 4 writes" in run(code=2).stderr
    assert not Path(STATE).exists()
    assert not Path("masked.csv").exists()


# --- tables of people that a policy names ----------------------------------------------------------------------------


def anonymized() -> None:
    Path("register.csv").write_text("id,sex,age\n" + "p,Female,1\nq,Male,2\n" * 30)
    Path("policy.yaml").write_text(K_MAP)
    Path("pipeline.yaml").write_text(
        PIPELINE[: PIPELINE.index("stages:")]
        + "stages:\n  - anonymize: {data: raw.csv, policy: policy.yaml, others: drop, output: anonymous.csv}\n"
    )


def test_the_population_of_a_policy_is_never_looked_at() -> None:
    anonymized()
    assert actions() == ["run"]
    lines = Path("register.csv").read_text().splitlines()
    Path("register.csv").write_text("\n".join(lines[:-1]) + "\n")
    os.utime("register.csv", (1, 1))
    assert actions() == ["reuse"]
    Path("register.csv").unlink()
    os.mkfifo("register.csv")  # whoever opens it waits for ever
    assert actions("--plan") == ["reuse"]
    edit("pipeline.yaml", "2026-11", "2026-12")
    assert actions("--plan") == ["run"]


def test_a_population_that_a_stage_makes_is_tied_to_it() -> None:
    anonymized()
    Path("mask.yaml").write_text(POLICY)
    Path("register.csv").rename("people.csv")
    edit(
        "pipeline.yaml", "stages:\n", "stages:\n  - mask: {data: people.csv, policy: mask.yaml, output: register.csv}\n"
    )
    assert actions() == ["run", "run"]
    edit("mask.yaml", "name: sex", "name: sex, title: Sex")
    assert actions("--plan") == ["run", "run"]
    assert actions() == ["run", "run"]
