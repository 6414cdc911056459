"""``dpsynth verify`` as a partner runs it: codes, one line for what fails, and what is said to rest on whom."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from click.testing import CliRunner, Result

from dpsynth.cli.main import APPLICATION
from dpsynth.pipeline.sample import sample
from release_examples import (
    EVERY_TYPE,
    KEY,
    as_folder,
    as_zip,
    edited,
    honest_members,
    made_model,
    rechained,
    signed,
    visits,
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an honest release ``r.zip``, a forged one ``forged`` and the key."""
    folder = tmp_path_factory.mktemp("received")
    honest = honest_members()
    as_zip(honest, folder / "r.zip")
    as_folder({**honest, "README.md": b"changed"}, folder / "forged")
    as_zip(edited(honest, KEY, "report.json", as_before), folder / "earlier.zip")
    KEY.save(folder / "k")
    return folder


def as_before(report: dict[str, Any]) -> None:
    """The report as the first version of its form had it."""
    report["report_version"] = 1
    for part, names in (
        (report, ("made_by", "candidates")),
        (report["pool"], ("charged_amount", "reserved_amount")),
        *((step, ("grew",)) for step in report["pool"]["timeline"]),
        *((one, ("color", "error")) for one in report["marginals"]),
    ):
        for name in names:
            del part[name]
    report["meaning"]["candidates"] = "Another sentence."


def run(*arguments: object) -> Result:
    return CliRunner().invoke(APPLICATION, ["verify", *map(str, arguments)])


def test_an_honest_release_says_what_is_proved_and_what_rests_on_the_publisher(place):
    result = run(place / "r.zip", "--key", place / "k.pub")
    assert result.exit_code == 0, result.output
    assert result.output.startswith("VERIFIED\n")
    proved, rests = result.output.partition("Rests on the publisher:")[::2]
    assert "integrity" in proved
    assert "arithmetic" in proved
    for what in ("noise was drawn", "ledger is complete", "whose the key is"):
        assert what in rests
    assert KEY.public.id in proved


def test_without_a_key_it_says_that_nobody_is_proved_to_have_signed(place):
    result = run(place / "r.zip")
    assert result.exit_code == 0
    assert "proves nothing about who made this" in result.output


def test_a_forged_release_ends_with_6_and_one_line(place):
    result = run(place / "forged", "--key", place / "k.pub")
    assert result.exit_code == 6
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith("Error: README.md: ")


def test_json_lists_every_check_whatever_the_outcome(place):
    good, bad = run(place / "r.zip", "--json"), run(place / "forged", "--json")
    assert (good.exit_code, bad.exit_code) == (0, 6)
    held, failed = json.loads(good.stdout), json.loads(bad.stdout)
    assert (held["ok"], failed["ok"]) == (True, False)
    names = [one["check"] for one in held["result"]["checks"]]
    assert [one["check"] for one in failed["result"]["checks"]] == names
    assert len(names) == len(set(names)) > 10
    assert {one["outcome"] for one in held["result"]["checks"]} == {"holds"}
    assert [one["outcome"] for one in failed["result"]["checks"]][:2] == ["holds", "fails"]
    assert failed["result"]["failure"].startswith("README.md: ")
    assert failed["result"]["proves"] == []
    assert held["result"]["rests_on_the_publisher"]


def hidden(content: bytes) -> bytes:
    """A zip with a member in front that its directory does not list."""
    return content[: content.index(b"PK\x01\x02")] + content


def no_epsilon(bodies: list[Any]) -> None:
    next(body for body in bodies if body["kind"] == "RESERVE")["data"]["epsilon"] = "1e400"


def huge_scale(bodies: list[Any]) -> None:
    next(body for body in bodies if body["kind"] == "DRAW")["data"]["question"]["scales"][0] = "1e400"


@pytest.mark.parametrize(
    ("check", "change"),
    [
        ("package", lambda content: content[:-9]),
        ("package", lambda content: b""),
        ("package", hidden),
        ("guarantee", no_epsilon),
        ("losses", huge_scale),
    ],
)
def test_json_lists_every_check_whatever_fails_and_a_line_says_what(place, tmp_path, check, change):
    path = tmp_path / "r.zip"
    if check == "package":
        path.write_bytes(change((place / "r.zip").read_bytes()))
    else:
        honest = honest_members()
        as_zip(signed({**honest, "ledger.jsonl": rechained(honest, change)}, KEY), path)
    result = run(path, "--key", place / "k.pub", "--json")
    assert result.exit_code == 6
    found = json.loads(result.stdout)["result"]
    listed = json.loads(run(place / "r.zip", "--json").stdout)["result"]["checks"]
    assert [one["check"] for one in found["checks"]] == [one["check"] for one in listed]
    assert [one["check"] for one in found["checks"] if one["outcome"] == "fails"] == [check]
    assert not any("without the publisher's key" in one for one in found["rests_on_the_publisher"])
    said = run(path, "--key", place / "k.pub")
    assert (said.exit_code, said.stdout) == (6, "")
    assert said.stderr.splitlines()[0] == f"Error: {found['failure']}"


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_what_the_release_command_writes_verifies_and_an_override_is_said_first(place, tmp_path, form):
    other = {"table": visits(), "schema": EVERY_TYPE, "delta": 0} if form == "csv" else {}
    model = made_model(tmp_path, method="direct", workload="all-2way", **other)
    model.write(tmp_path / "m.dps")
    table = tmp_path / f"s.{form}"
    sample(model, table, n=300, seed=1)
    for target, more in ((tmp_path / "o.zip", ()), (tmp_path / "o", ("--with-model",))):
        arguments = ["release", str(table), "--model", str(tmp_path / "m.dps"), "--key", str(place / "k")]
        wishes = ["--ledger", str(tmp_path / "l.db"), "--override", "tests", "-o", str(target), *more]
        made = CliRunner().invoke(APPLICATION, [*arguments, *wishes])
        assert made.exit_code == 0, made.output
        result = run(target, "--key", place / "k.pub")
        assert result.exit_code == 0, result.stderr
        assert result.output.splitlines()[1].startswith("Released under override")
        held = json.loads(run(target, "--json").stdout)["result"]
        assert {one["outcome"] for one in held["checks"] if one["check"] != "model"} == {"holds"}


def test_bad_arguments_are_errors_of_their_own(place, tmp_path):
    assert run(tmp_path / "absent.zip").exit_code == 3
    assert run(place / "r.zip", "--key", tmp_path / "absent.pub").exit_code == 3
    private = run(place / "r.zip", "--key", place / "k")
    assert (private.exit_code, "stays with the publisher" in private.stderr) == (3, True)
    folder = run(place / "r.zip", "--key", tmp_path)
    assert (folder.exit_code, "folder, not a key" in folder.stderr) == (3, True)
    (tmp_path / "two.pub").write_text((place / "k.pub").read_text() * 2)
    assert run(place / "r.zip", "--key", tmp_path / "two.pub").exit_code == 3
    assert run().exit_code == 2


def test_it_neither_needs_nor_imports_what_touches_rows_or_draws_noise(place):
    code = (
        "import sys; from dpsynth.release.keys import PublicKey; from dpsynth.release.verifying import verify;"
        f"assert verify({str(place / 'r.zip')!r}).ok;"
        "bad = [m for m in sys.modules if m.split('.')[0] in {'opendp', 'networkx', 'sklearn'}"
        " or m.startswith(('dpsynth.curator', 'dpsynth.audit', 'dpsynth.pipeline', 'dpsynth.synthesizers'))];"
        "assert not bad, bad"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("unit", ["row", "who:2"])
def test_what_was_learned_without_a_schema_is_accounted_for(place, tmp_path, monkeypatch, unit):
    monkeypatch.chdir(tmp_path)
    table = pd.DataFrame(
        {"who": [f"p{n // 2}" for n in range(600)], "sex": ["f", "m"] * 300, "age": [20, 40, 60] * 200}
    )
    (table if unit != "row" else table[["sex", "age"]]).to_csv("people.csv", index=False)
    ledger = ("--ledger", "l.db")

    def done(*words: object) -> None:
        found = CliRunner().invoke(APPLICATION, [*map(str, words)])
        assert found.exit_code == 0, found.output

    done("fit", "people.csv", "--epsilon", 8, "--method", "mst", "--unit", unit, "-o", "m.dps", *ledger)
    done("sample", "m.dps", "-n", 50, "--seed", 1, "-o", "s.csv")
    for more in ((), ("--with-model",)):
        words = ("s.csv", "--model", "m.dps", "--key", place / "k", "--override", "x", *more, "--force", *ledger)
        done("release", *words, "-o", "r.zip")
        held = json.loads(run("r.zip", "--key", place / "k.pub", "--json").stdout)["result"]
        assert held["verified"], held["failure"]
        assert {one["outcome"] for one in held["checks"] if one["check"] != "model" or more} == {"holds"}


def test_a_release_of_an_earlier_version_is_read_and_what_it_cannot_show_is_said(place):
    held = json.loads(run(place / "earlier.zip", "--key", place / "k.pub", "--json").stdout)["result"]
    assert held["verified"], held["failure"]
    assert [one["check"] for one in held["checks"] if one["outcome"] != "holds"] == ["facts", "texts"]
    text = run(place / "earlier.zip", "--key", place / "k.pub")
    assert text.exit_code == 0
    assert "written by an earlier version" in text.stdout
