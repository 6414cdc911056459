"""A schema from a draft to a fit: init, the steward's answers, check, confirm; and from other tools' metadata."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from dpsynth.cli.main import APPLICATION
from dpsynth.schema import Schema

TABLE = "name,age,city\nZaphod,30,Rome\nTrillian,41,Oslo\n"


@pytest.fixture(autouse=True)
def people(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("people.csv").write_text(TABLE)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(APPLICATION, list(arguments))


def ok(*arguments: str) -> Result:
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    return result


def test_a_draft_holds_names_and_no_value_of_the_rows() -> None:
    result = ok("schema", "init", "people.csv", "-o", "people.yaml")
    draft = Path("people.yaml").read_text()
    assert "schema check people.yaml" in result.stderr
    assert [field.name for field in Schema.load("people.yaml").fields] == ["name", "age", "city"]
    for cell in ("Zaphod", "30", "Rome"):
        assert cell not in draft


def test_a_draft_of_parquet_proposes_the_physical_types() -> None:
    pq.write_table(pa.table({"age": [30], "city": ["Rome"], "member": [True]}), "people.parquet")
    ok("schema", "init", "people.parquet", "--name", "members", "-o", "people.yaml")
    schema = Schema.load("people.yaml")
    assert schema.name == "members"
    assert {field.name: field.type for field in schema.fields}["age"] == "integer"
    assert {field.name: field.type for field in schema.fields}["member"] == "boolean"


def test_a_draft_is_incomplete_and_the_check_says_each_question() -> None:
    ok("schema", "init", "people.csv", "-o", "people.yaml")
    result = run("schema", "check", "people.yaml")
    assert result.exit_code == 3
    for name in ("name", "age", "city"):
        assert f"field '{name}'" in result.stderr
    said = json.loads(run("schema", "check", "people.yaml", "--json").stdout)
    assert said["error"]["code"] == "schema"
    assert run("plan", "--schema", "people.yaml", "--epsilon", "1").exit_code == 3


def test_what_was_peeked_is_refused_until_it_is_confirmed() -> None:
    result = ok("schema", "init", "people.csv", "--peek", "-o", "people.yaml")
    assert "schema confirm" in result.stderr
    assert run("schema", "check", "people.yaml").exit_code == 9
    words = ("fit", "people.csv", "--schema", "people.yaml", "--epsilon", "1", "-o", "model.dps")
    assert run(*words).exit_code == 9
    ok("schema", "confirm", "people.yaml", "name", "age", "--public", "they are characters of a book")
    assert run("schema", "check", "people.yaml").exit_code == 9
    ok("schema", "confirm", "people.yaml", "city", "--public", "they are capitals")
    assert "ready for a fit" in ok("schema", "check", "people.yaml", "--data", "people.csv").stdout
    assert "they are capitals" in Path("people.yaml").read_text()
    ok(*words)


def test_confirm_refuses_what_it_cannot_do_and_changes_nothing() -> None:
    ok("schema", "init", "people.csv", "--peek", "-o", "people.yaml")
    before = Path("people.yaml").read_text()
    for words in (["agee", "--public", "x"], ["age", "--public", " "], ["--public", "x"], ["age"]):
        assert run("schema", "confirm", "people.yaml", *words).exit_code == 2
    assert run("schema", "confirm", "absent.yaml", "age", "--public", "x").exit_code == 3
    assert Path("people.yaml").read_text() == before


def test_check_compares_names_and_types_with_the_table() -> None:
    ok("schema", "init", "people.csv", "--peek", "-o", "people.yaml")
    ok("schema", "confirm", "people.yaml", "name", "age", "city", "--public", "a book")
    Path("more.csv").write_text("name,age,city,extra\n")
    assert "extra" in ok("schema", "check", "people.yaml", "--data", "more.csv").stderr
    Path("less.csv").write_text("name,age\n")
    result = run("schema", "check", "people.yaml", "--data", "less.csv")
    assert result.exit_code == 3
    assert "city" in result.stderr
    pq.write_table(pa.table({"name": ["a"], "age": [True], "city": [[1, 2]]}), "other.parquet")
    assert run("schema", "check", "people.yaml", "--data", "other.parquet").exit_code == 3


def test_metadata_of_other_tools_count_as_public_only_by_word() -> None:
    Path("domain.json").write_text('{"a": 2, "b": 3}')
    ok("schema", "import", "domain.json", "--from", "mbi", "-o", "left.yaml")
    assert run("schema", "check", "left.yaml").exit_code == 3
    ok("schema", "import", "domain.json", "--from", "mbi", "--public", "questionnaire", "-o", "said.yaml")
    assert Schema.load("said.yaml").domain.sizes == (2, 3)
    table_schema = {
        "fields": [{"name": "sex", "type": "string", "constraints": {"enum": ["f", "m"], "required": True}}]
    }
    Path("package.json").write_text(json.dumps(table_schema))
    said = ok("schema", "import", "package.json", "--from", "frictionless", "--public", "form 7", "-o", "-")
    assert "sex" in [field.name for field in Schema.loads(said.stdout).fields]


def test_metadata_that_are_none_are_refused() -> None:
    Path("domain.json").write_text("[1, 2]")
    for kind in ("mbi", "frictionless"):
        result = run("schema", "import", "domain.json", "--from", kind, "-o", "s.yaml")
        assert result.exit_code == 3
        assert not Path("s.yaml").exists()
    assert run("schema", "import", "domain.json", "--from", "csvw", "-o", "s.yaml").exit_code == 2


def test_a_draft_does_not_overwrite_and_does_not_read_first() -> None:
    Path("people.yaml").write_text("mine")
    result = run("schema", "init", "people.csv", "-o", "people.yaml")
    assert result.exit_code == 2
    assert Path("people.yaml").read_text() == "mine"
    ok("schema", "init", "people.csv", "-o", "people.yaml", "--force")


def test_a_map_in_a_file_is_confirmed_and_checked_where_it_stands() -> None:
    Path("maps").mkdir()
    Path("maps/s.yaml").write_text("""
dpsynth: {version: 1, name: t}
fields:
- {name: city, type: string, constraints: {enum: [Rome, Oslo]}, dpsynth: {source: public}}
- {name: country, type: string, dpsynth: {source: data, derived: {map: {from: city, file: c.csv}}}}
""")
    Path("maps/c.csv").write_text("city,country\nRome,Italy\nOslo,Norway\n")
    assert run("schema", "check", "maps/s.yaml").exit_code == 9
    ok("schema", "confirm", "maps/s.yaml", "country", "--public", "an atlas")
    assert "file: c.csv" in Path("maps/s.yaml").read_text()
    result = ok("schema", "check", "maps/s.yaml", "--data", "people.csv", "--json")
    fields = {field["name"]: field for field in json.loads(result.stdout)["result"]["fields"]}
    assert fields["country"]["derived_from"] == ["city"]
    assert (fields["country"]["size"], fields["city"]["size"]) == (None, 3)
    assert fields["city"]["attributes"] == {"city": 3}
    assert "follows from city" in ok("schema", "check", "maps/s.yaml").stdout
