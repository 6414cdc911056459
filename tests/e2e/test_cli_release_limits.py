"""``dpsynth release`` at its limits: other models, odd rows, crashes, withdrawals, terms, hostile names."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dpsynth.cli.passphrases import PASSPHRASE
from dpsynth.ledger import Ledger
from dpsynth.release import writing
from release_journey import (
    MARKER,
    assert_others_find_nothing_wrong,
    audit_of,
    enter,
    labeled,
    members,
    prepare,
    refused,
    release,
    run,
    unpacked,
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    prepare(folder)
    return folder


@pytest.fixture(autouse=True)
def folder(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    enter(made, tmp_path, monkeypatch)
    return tmp_path


def test_a_table_of_another_model_never_leaves_under_the_guarantee_of_this_one():
    words = ["fit", f"{MARKER}.parquet", "-s", "s.yaml", "--epsilon", 9, "--method", "independent", "-o", "weak.dps"]
    assert run(*words, "--ledger", "weak.db").exit_code == 0
    assert run("sample", "weak.dps", "-n", 30, "-o", "weak.csv").exit_code == 0
    refused(release("--override", "x", table="weak.csv", audit=None), 3, "another model")
    public = ("--synthetic", "weak.csv", "--edition", "public", "--format", "json")
    assert run("report", "m.dps", *public, "-o", "r.json").exit_code == 3
    labeled("bare.csv", Path("t.csv").read_bytes(), "POST sample")
    refused(release("--override", "x", table="bare.csv", audit=None), 3, "nothing says")
    assert not Ledger.open().events(releases=True)


def test_rows_that_do_not_fit_the_public_schema_never_leave():
    (label,) = json.loads(Path("t.csv.dpsynth.json").read_text())["labels"]
    lines = Path("t.csv").read_text().replace("clerk", "office worker")
    labeled("general.csv", lines.encode(), label, "POST generalization")
    refused(release("--override", "x", table="general.csv", audit=None), 3, "'job'", "enum")
    header, first = Path("t.csv").read_bytes().split(b"\n")[:2]
    age = first.split(b",")[0]
    for name, content in (("old", header + b"\n" + first.replace(age, b"199", 1) + b"\n"), ("none", header + b",z\n")):
        labeled(f"{name}.csv", content, label)
        refused(release("--override", "x", table=f"{name}.csv", audit=None), 3)
    assert not Ledger.open().events(releases=True)


def test_a_crash_between_record_and_package_records_one_release(monkeypatch):
    def broken(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(writing, "write", broken)
        refused(release("--recipient", "City"), 130)
    assert [one.secret("recipient") for one in Ledger.open().events(releases=True)] == ["City"]
    assert "the ledger knew this release already" in release("--recipient", "City").stdout
    assert len(Ledger.open().events(releases=True)) == 1


def test_a_folder_comes_back_when_another_cannot_take_its_place(monkeypatch):
    assert release(out="p").exit_code == 0
    rename = Path.rename

    def fails(path: Path, target: Path) -> Path:
        if path.name.endswith(".part"):
            raise OSError(28, "full")
        return rename(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", fails)
        assert release("--force", "--title", "new", out="p").exit_code == 1
    assert run("verify", "p").exit_code == 0
    assert sorted(one.name for one in Path().iterdir() if one.name.startswith(".")) == []


def test_a_withdrawn_release_can_be_made_again_and_none_replaces_itself():
    digest = json.loads(release("--recipient", "City", "--json").stdout)["result"]["digest"]
    itself = release("--recipient", "City", "--withdraws", digest, out="x.zip")
    assert (itself.exit_code, "its own place" in itself.stderr) == (2, True)
    assert run("sample", "m.dps", "-n", 200, "--seed", 2, "-o", "n.csv").exit_code == 0
    Path("n.json").write_text(json.dumps(audit_of("n.csv", "m.dps")), encoding="utf-8")
    for out in ("n.zip", "n2.zip"):
        assert release("--withdraws", digest[:8], table="n.csv", audit="n.json", out=out).exit_code == 0
    assert Path("n.zip").read_bytes() == Path("n2.zip").read_bytes()
    assert "recorded in the ledger" in release("--recipient", "City", out="again.zip").stdout
    listed = json.loads(run("ledger", "show", "--releases", "--json").stdout)["result"]["releases"]
    assert [(one["recipient"], bool(one["withdrawn"])) for one in listed] == [
        ("City", True), (None, False), ("City", False),
    ]  # fmt: skip


def test_terms_are_a_license_that_exists_or_a_text():
    for wanted in ("CC-BY-5.0", "terms.md", "x" * 5000, "."):
        refused(release("--license", wanted), 3 if len(wanted) > 99 else 2, "--license")
    Path("terms.txt").write_text("Do no harm.\n")
    assert release("--license", "terms.txt").exit_code == 0
    assert members()["LICENSE"] == b"Do no harm.\n"
    assert json.loads(members()["datapackage.json"])["licenses"] == [
        {"path": "LICENSE", "title": "The terms in LICENSE"}
    ]


def test_a_model_that_no_ledger_paid_for_is_named_by_its_owner():
    Path("x.csv").write_text("marginal,ok,count,scale\nit,true,90,2\nit,false,30,2\nit,null,3,2\n")
    claim = ("--owner", "The Office", "--claim", "epsilon 1 | each")
    assert run("estimate", "x.csv", "--schema", "s.yaml", *claim, "-o", "m.dps", "--force").exit_code == 0
    assert run("sample", "m.dps", "-n", 20, "-o", "e.csv").exit_code == 0
    for option in ("--recipient", "--withdraws"):
        refused(release("--override", "x", option, "12345678", table="e.csv", audit=None), 2, option, "no ledger paid")
    refused(release(table="e.csv", audit=None), 5)
    Path("e.json").write_text(json.dumps(audit_of("e.csv", "m.dps")), encoding="utf-8")
    refused(release(table="e.csv", audit="e.json"), 9, "claimed by The Office", "--override")
    found = release("--override", "x", table="e.csv", audit=None)
    assert found.exit_code == 0, found.output
    assert "no ledger records it" in found.stdout
    assert "No ledger paid for the model" in found.stderr
    assert b"The Office vouches for" in members()["README.md"]
    assert b"epsilon 1 \\| each" in members()["README.md"]
    assert members()["ledger.jsonl"] == b""
    assert b"1980" not in members()["datapackage.json"] + members()["croissant.json"]
    seen = run("verify", "r.zip", "--key", "k.pub")
    assert seen.exit_code == 0, seen.stderr
    assert "NO GUARANTEE WAS CHECKED" in seen.stdout
    assert "arithmetic:" not in seen.stdout
    held = json.loads(run("verify", "r.zip", "--json").stdout)["result"]
    assert held["claim"] == {"owner": "The Office", "text": "epsilon 1 | each"}
    assert "guarantee" not in held
    assert_others_find_nothing_wrong(unpacked("r.zip"))


def test_a_recipient_is_one_line():
    for name in ("", "  ", "City\nCounty", "City\x1b[2J", "x" * 201):
        refused(release("--recipient", name), 2, "--recipient", "one line")
        refused(release("--title", name), 2, "--title", "one line")
    refused(release("--title", "\udcff"), 2, "--title", "one line")
    assert not Ledger.open().events(releases=True)


def test_the_ledger_knows_to_whom_the_model_went():
    assert release("--recipient", "City").exit_code == 0
    assert "recorded in the ledger" in release("--recipient", "City", "--with-model", out="m.zip").stdout
    assert "knew this release already" in release("--recipient", "City", "--with-model", out="n.zip").stdout
    listed = json.loads(run("ledger", "show", "--releases", "--json").stdout)["result"]["releases"]
    assert [one["with_model"] for one in listed] == [False, True]
    assert "with the model" in run("ledger", "show", "--releases").stdout
    assert b"with_model" not in members("m.zip")["ledger.jsonl"]
    assert [b"`model.dps`" in members(path)["README.md"] for path in ("r.zip", "m.zip")] == [False, True]


def test_names_of_other_alphabets_still_name_their_files():
    schema = Path("s.yaml").read_text(encoding="utf-8").replace("name: people", "name: Ünïcode Bürger", 1)
    Path("u.yaml").write_text(schema, encoding="utf-8")
    words = ("fit", f"{MARKER}.parquet", "-s", "u.yaml", "--epsilon", 1, "--method", "independent", "--pool", "u")
    made = run(*words, "-o", "m.dps", "--force")
    assert made.exit_code == 0, made.output
    assert run("sample", "m.dps", "-n", 50, "-o", "e.parquet").exit_code == 0
    found = release("--override", "x", table="e.parquet", audit=None)
    assert found.exit_code == 0, found.output
    assert "data/n-code-b-rger.csv" in members()


def test_hostile_names_of_columns_are_described_and_harmless():
    names = ("<script>alert(1)</script>", "\u202emoji \N{OWL}|`*", "w" * 500, '=a,"b"', "two\tparts")
    fields = [
        {"name": name, "type": "boolean", "dpsynth": {"source": "public", "public_reason": "form"}} for name in names
    ]
    Path("h.yaml").write_text(
        json.dumps({"dpsynth": {"version": 1, "name": "H", "unit": "row"}, "fields": fields}, ensure_ascii=False)
    )
    draw = np.random.default_rng(3)
    pd.DataFrame({name: draw.choice(["true", "false"], 300) for name in names}).to_csv("h.csv", index=False)
    fit = run("fit", "h.csv", "-s", "h.yaml", "--epsilon", 1, "--method", "independent", "-o", "m.dps", "--force")
    assert fit.exit_code == 0, fit.output
    assert run("sample", "m.dps", "-n", 50, "-o", "e.csv").exit_code == 0
    found = release("--override", "x", "--title", "a <b> # c", table="e.csv", audit=None)
    assert found.exit_code == 0, found.output
    made = members()
    assert b"<script" not in made["README.md"].replace(rb"\<", b"") + made["report.html"]
    assert b'begin with one of `= + - @`: =a,"b".' in made["README.md"]
    assert "\u202e" not in made["README.md"].decode()
    assert made["README.md"].startswith(b"# a \\<b\\> \\# c\n")
    assert run("verify", "r.zip", "--key", "k.pub").exit_code == 0
    assert_others_find_nothing_wrong(unpacked("r.zip"))


@pytest.mark.parametrize("phrase", ["p" * 1024, "\udcff\udcfe"])
def test_passphrases_of_any_bytes(phrase, monkeypatch):
    monkeypatch.setenv(PASSPHRASE, phrase)
    made = run("key", "create", "-o", "odd")
    assert made.exit_code == (2 if len(phrase) > 1000 else 0), made.output
    if made.exit_code == 0:
        assert run("key", "show", "odd").stdout == run("key", "show", "odd.pub").stdout


@pytest.mark.parametrize("name", ["\ufeffa", "a\rb"])
def test_names_that_no_csv_can_hold_are_refused_before_the_ledger_is_told(name):
    boolean = {"name": name, "type": "boolean", "dpsynth": {"source": "public", "public_reason": "form"}}
    Path("h.yaml").write_text(json.dumps({"dpsynth": {"version": 1, "name": "H", "unit": "row"}, "fields": [boolean]}))
    pd.DataFrame({name: [True, False] * 150}).to_parquet("h.parquet")
    fit = run("fit", "h.parquet", "-s", "h.yaml", "--epsilon", 1, "--method", "independent", "-o", "m.dps", "--force")
    assert fit.exit_code == 0, fit.output
    assert run("sample", "m.dps", "-n", 50, "-o", "e.parquet").exit_code == 0
    refused(release("--override", "x", table="e.parquet", audit=None), 3, "partner")
    assert not Ledger.open().events(releases=True)


MOMENTS = ("%d/%m/%Y %H:%M", "%Y-%m-%dT%H:%M:%S.%f", "%Y-%m-%d %H:%M:%S%z", "%I:%M %p %d.%m.%Y")


@pytest.mark.parametrize(
    ("kind", "form", "ends"),
    [
        *(("datetime", form, end) for form in MOMENTS for end in ("csv", "parquet")),
        ("date", "%d %b %Y", "csv"),
        ("date", "%d.%m.%y", "parquet"),
    ],
)
def test_dates_and_moments_in_any_format_are_released_and_verify(kind, form, ends):
    field = {"name": "at", "type": kind, "format": form, "constraints": {"minimum": "1930", "maximum": "2024"}}
    field["dpsynth"] = {"source": "public", "public_reason": "form", "bins": "year"}
    Path("h.yaml").write_text(json.dumps({"dpsynth": {"version": 1, "name": "H", "unit": "row"}, "fields": [field]}))
    moments = pd.date_range("1990-01-02 03:04:05", periods=300, freq="37D").strftime(form)
    pd.DataFrame({"at": moments}).to_csv("h.csv", index=False)
    fit = run("fit", "h.csv", "-s", "h.yaml", "--epsilon", 1, "--method", "independent", "-o", "m.dps", "--force")
    assert fit.exit_code == 0, fit.output
    assert run("sample", "m.dps", "-n", 200, "--seed", 1, "-o", f"e.{ends}").exit_code == 0
    found = release("--override", "x", table=f"e.{ends}", audit=None)
    assert found.exit_code == 0, found.output
    seen = run("verify", "r.zip", "--key", "k.pub")
    assert seen.exit_code == 0, seen.stderr


def test_a_cell_that_is_no_moment_of_its_format_is_refused_and_not_emptied():
    test_dates_and_moments_in_any_format_are_released_and_verify("datetime", MOMENTS[0], "csv")
    Path("r.zip").unlink()
    lines = Path("e.csv").read_text().splitlines(keepends=True)
    labels = json.loads(Path("e.csv.dpsynth.json").read_text())["labels"]
    labeled("e.csv", "".join([lines[0], "not a moment\n", *lines[2:]]).encode(), *labels)
    refused(release("--override", "x", table="e.csv", audit=None), 3, "types that the model writes")
