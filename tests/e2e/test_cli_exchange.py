"""``schema import`` and ``schema export`` from the command line: files, notes, JSON, and every kind of bad input."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from dpsynth.cli.main import APPLICATION
from dpsynth.cli.schema_export import FORMATS as TO
from dpsynth.cli.schema_import import FORMATS as FROM
from dpsynth.schema import EXPORTS, IMPORTS, Schema

SDV = {
    "METADATA_SPEC_VERSION": "V2",
    "tables": {
        "guests": {"columns": {"room": {"sdtype": "categorical", "range_values": ["a", "b"]}}},
        "hotels": {"columns": {"ok": {"sdtype": "boolean"}}},
    },
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("sdv.json").write_text(json.dumps(SDV))
    Path("adult_hierarchy_age.csv").write_text("1;0-4;*\n2;0-4;*\n")
    Path("adult_hierarchy_sex.csv").write_text("Male;*\nFemale;*\n")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(APPLICATION, list(arguments))


def test_the_options_name_every_format() -> None:
    assert FROM == IMPORTS
    assert TO == EXPORTS


def test_one_table_of_sdv_waits_for_the_stewards_word() -> None:
    words = ("schema", "import", "sdv.json", "--from", "sdv", "-o", "guests.yaml")
    result = run(*words)
    assert result.exit_code == 2
    assert "'guests', 'hotels'" in result.stderr
    assert run(*words, "--table", "guests").exit_code == 0
    assert run("schema", "check", "guests.yaml").exit_code == 9
    assert run("schema", "export", "guests.yaml", "--to", "mbi", "-o", "-").exit_code == 9
    assert run("schema", "confirm", "guests.yaml", "room", "--public", "a price list").exit_code == 0
    assert run("schema", "check", "guests.yaml").exit_code == 0
    assert json.loads(run("schema", "export", "guests.yaml", "--to", "mbi", "-o", "-").stdout) == {"room": 3}


def test_hierarchies_come_in_several_files() -> None:
    words = ("schema", "import", "adult_hierarchy_age.csv", "adult_hierarchy_sex.csv", "--from", "arx")
    result = run(*words, "--public", "code book", "--name", "adult", "-o", "adult.yaml", "--json")
    said = json.loads(result.stdout)["result"]
    assert said["problems"] == []
    assert said["left_out"] == ["the levels above the values ('age', 'sex')"]
    assert said["notes"][0].startswith("Left out: ")
    schema = Schema.load("adult.yaml")
    assert (schema.name, tuple(schema.domain), schema.domain.sizes) == ("adult", ("age", "sex"), (3, 3))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["adult_hierarchy_age.csv", "sdv.json", "--from", "arx"], "--field"),
        (["adult_hierarchy_age.csv", "adult_hierarchy_sex.csv", "--from", "arx", "--field", "x"], "one file"),
        (["adult_hierarchy_age.csv", "./adult_hierarchy_age.csv", "--from", "arx"], "two files"),
        (["adult_hierarchy_age.csv", "--from", "arx", "--table", "x"], "--field"),
        (["sdv.json", "sdv.json", "--from", "sdv"], "only ARX"),
        (["sdv.json", "--from", "sdv", "--field", "x"], "--field"),
        (["sdv.json", "--from", "sdv", "--table", "guest"], "'guests'"),
        (["sdv.json", "--from", "mbi", "--table", "guests"], "one table"),
        (["sdv.json", "--from", "csvw"], "csvw"),
        (["--from", "sdv"], "FILE"),
    ],
)
def test_wrong_usage_is_said_and_writes_nothing(words: list[str], said: str) -> None:
    result = run("schema", "import", *words, "-o", "s.yaml")
    assert result.exit_code == 2
    assert said in result.stderr
    assert len(result.stderr.splitlines()) <= 2
    assert not Path("s.yaml").exists()


@pytest.mark.parametrize("kind", FROM)
@pytest.mark.parametrize(
    "raw", [b"", b"\x00\xff\xfe", b"PK\x03\x04", b"[" * 90_000, b"name,age\nZaphod,30\n"], ids=repr
)
def test_bad_files_are_one_message_without_their_cells(kind: str, raw: bytes) -> None:
    Path("x_hierarchy_f.csv").write_bytes(raw)
    result = run("schema", "import", "x_hierarchy_f.csv", "--from", kind, "-o", "s.yaml")
    assert result.exit_code == 3, result.output
    assert "Zaphod" not in result.stderr
    assert "Traceback" not in result.stderr
    assert len(result.stderr.splitlines()) <= 2
    assert not Path("s.yaml").exists()


def test_a_file_without_end_is_refused() -> None:
    with Path("huge.json").open("wb") as file:
        file.truncate(40_000_000)
    for kind in FROM:
        words = ("--field", "f") if kind == "arx" else ()
        assert run("schema", "import", "huge.json", "--from", kind, *words, "-o", "s.yaml").exit_code == 3
    assert run("schema", "import", "absent.json", "--from", "sdv", "-o", "s.yaml").exit_code == 3


@pytest.mark.parametrize("kind", TO)
def test_export_writes_a_whole_file_and_names_what_is_left_out(kind: str) -> None:
    Path("s.yaml").write_text(
        "dpsynth: {version: 1, name: t}\nfields:\n"
        "- {name: --json, type: integer, constraints: {minimum: 0, maximum: 9999},"
        " dpsynth: {role: quasi, source: public, bins: {width: 100}}}\n"
    )
    words = ("schema", "export", "s.yaml", "--to", kind)
    said = run(*words, "-o", "-")
    assert said.exit_code == 0
    assert "Left out: " in said.stderr
    result = json.loads(run(*words, "-o", "out", "--json").stdout)["result"]
    assert result["format"] == kind
    assert result["left_out"]
    assert Path("out").read_text().rstrip("\n") == said.stdout.rstrip("\n")
    assert run(*words, "-o", "out").exit_code == 2
    assert run(*words, "-o", "-", "--json").exit_code == 2
    again = run("schema", "import", "out", "--from", kind.removesuffix("-v1"), "-o", "-")
    assert [field.name for field in Schema.loads(again.stdout).fields] == ["--json"]


def test_export_of_what_is_no_schema() -> None:
    assert run("schema", "export", "absent.yaml", "--to", "mbi", "-o", "-").exit_code == 3
    assert run("schema", "export", "sdv.json", "--to", "mbi", "-o", "-").exit_code == 3
    assert run("schema", "export", "sdv.json", "--to", "arx", "-o", "-").exit_code == 2
