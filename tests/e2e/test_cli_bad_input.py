"""Bad input: one exit code, one clear message, nothing half-written, nothing spent."""

import contextlib
import functools
import gzip
import json
import os
import re
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from dpsynth.cli.main import APPLICATION
from dpsynth.ledger import Ledger
from dpsynth.models import load

CELL = "Zaphod"
"""A value of the table; no message may ever hold it."""

SCHEMA = """\
dpsynth: {version: 1, name: people, unit: row}
fields:
  - name: sex
    type: string
    constraints: {enum: [Female, Male]}
    dpsynth: {source: public}
  - name: age
    type: integer
    constraints: {minimum: 0, maximum: 119}
    dpsynth: {source: public, bins: {width: 10}}
  - name: town
    type: string
    constraints: {enum: [North, South]}
    dpsynth: {source: public}
"""
ROWS = "".join(f"{sex},{age},{CELL}\n" for sex in ("Female", "Male") for age in range(20, 60))
TABLE = "sex,age,town\n" + ROWS
FIT = ("fit", "people.csv", "--schema", "schema.yaml", "--epsilon", "1", "-o", "model.dps")


@pytest.fixture(autouse=True)
def people(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    Path("schema.yaml").write_text(SCHEMA)
    Path("people.csv").write_text(TABLE)
    return folder


def run(*arguments: str) -> Result:
    return CliRunner().invoke(APPLICATION, list(arguments))


def refused(code: int, message: str, *arguments: str, lines: int = 2) -> None:
    """The command fails with this code and one message; no file appears or changes, and nothing is spent."""
    before = contents()
    result = run(*arguments)
    assert result.exit_code == code, result.output
    said = [line for line in result.stderr.splitlines() if not line.startswith("Price")]
    said = said[next(number for number, line in enumerate(said) if line.startswith("Error: ")) :]
    assert len(said) <= lines
    assert re.search(message, "\n".join(said)), said
    assert result.stdout == ""
    for secret in (CELL, "Traceback"):
        assert secret not in result.output
    assert contents() == before
    assert spent() == 0


def contents() -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in Path().rglob("*") if path.is_file()}


def spent() -> int:
    return sum(pool.charged.rho + pool.reserved.rho for pool in Ledger.open().pools())


def encoded(encoding: str) -> Callable[[], object]:
    return lambda: Path("people.csv").write_bytes(("Größe," + TABLE).encode(encoding))


def no_header() -> None:
    Path("people.csv").write_text(ROWS)


def truncated_gzip() -> None:
    Path("people.csv").write_bytes(gzip.compress(TABLE.encode())[:12])


TABLES: dict[str, tuple[Callable[[], object], str]] = {
    "missing file": (lambda: Path("people.csv").unlink(), "people.csv"),
    "a directory": (lambda: (Path("people.csv").unlink(), Path("people.csv").mkdir()), "directory"),
    "empty file": (lambda: Path("people.csv").write_bytes(b""), "empty"),
    "no header": (no_header, "column"),
    "absent column": (lambda: Path("people.csv").write_text(TABLE.replace("age", "years", 1)), "age"),
    "duplicate names": (lambda: Path("people.csv").write_text(TABLE.replace("age", "sex", 1)), "same name"),
    "wrong delimiter": (lambda: Path("people.csv").write_text(TABLE.replace(",", ";")), "delimiter"),
    "header in latin-1": (encoded("latin-1"), "UTF-8"),
    "header in utf-16": (encoded("utf-16"), "UTF-8"),
    "truncated gzip header": (truncated_gzip, "gzip"),
}


@pytest.mark.parametrize("name", TABLES)
def test_a_table_that_cannot_be_read(name: str) -> None:
    spoil, message = TABLES[name]
    spoil()
    refused(3, message, *FIT)


SCHEMAS = {
    "typo in a key": ("constraints: {enum: [Female", "constrains: {enum: [Female", "constrains.*\n.*constraints"),
    "unfilled TODO": ("[North, South]", "TODO", "town"),
    "min above max": ("minimum: 0", "minimum: 200", "age"),
    "empty enum": ("[North, South]", "[]", "town"),
    "unknown type": ("type: integer", "type: integr", "age"),
    "duplicate categories": ("[North, South]", "[North, North]", "town"),
    "duplicate fields": ("name: town", "name: age", "age"),
    "not YAML": ("fields:", "fields: [", "schema.yaml"),
    "no fields": (SCHEMA[SCHEMA.index("fields:") :], "fields: []\n", "fields"),
    "wrong bins": ("width: 10", "width: -10", "age"),
}


@pytest.mark.parametrize("name", SCHEMAS)
@pytest.mark.parametrize("command", ["fit", "plan", "check"])
def test_a_schema_that_is_wrong(name: str, command: str) -> None:
    old, new, message = SCHEMAS[name]
    Path("schema.yaml").write_text(SCHEMA.replace(old, new, 1))
    words = {
        "fit": FIT,
        "plan": ("plan", "--schema", "schema.yaml", "--epsilon", "1"),
        "check": ("schema", "check", "schema.yaml"),
    }
    refused(3, message, *words[command], lines=8 if command == "check" else 2)


def test_a_schema_that_is_missing_or_a_directory() -> None:
    Path("schema.yaml").unlink()
    refused(3, "schema.yaml", *FIT)
    Path("schema.yaml").mkdir()
    refused(3, "schema.yaml", *FIT)


def test_a_domain_read_from_the_data_makes_no_guarantee() -> None:
    Path("schema.yaml").write_text(SCHEMA.replace("source: public", "source: data", 1))
    refused(9, "sex", *FIT)


@pytest.mark.parametrize("value", ["0", "-1", "nan", "inf", "one", ""])
@pytest.mark.parametrize(
    "words", [FIT, ("plan", "--schema", "schema.yaml"), ("ledger", "create", "p", "--delta", "0.1")]
)
def test_a_wrong_epsilon(words: tuple[str, ...], value: str) -> None:
    refused(2, "epsilon must be a number above 0", *words, "--epsilon", value)


@pytest.mark.parametrize("value", ["1", "-1", "nan", "tiny"])
@pytest.mark.parametrize("words", [FIT, ("ledger", "create", "p", "--epsilon", "1")])
def test_a_wrong_delta(words: tuple[str, ...], value: str) -> None:
    refused(2, "delta must be a number below 1, such as 1e-9, or 0 for pure epsilon", *words, "--delta", value)


def test_epsilon_and_share_exclude_each_other_and_one_is_needed() -> None:
    refused(2, "exclude", *FIT, "--share", "1/5")
    refused(2, "--epsilon or --share", "fit", "people.csv", "--schema", "schema.yaml", "-o", "model.dps")


def test_a_share_of_a_pool_that_does_not_exist() -> None:
    command = "ledger create POOL --epsilon E --delta D"
    refused(2, command, "fit", "people.csv", "--schema", "schema.yaml", "--share", "1/5", "-o", "model.dps")


def test_a_model_larger_than_the_memory_limit_is_told_before_anything_is_spent() -> None:
    refused(7, r"about [\d.]+ [kM]B, above the limit of 1\.0 kB", *FIT, "--memory-limit", "1kB")
    assert Ledger.open().pools() == ()


def test_an_output_that_exists_needs_force() -> None:
    Path("model.dps").write_text("mine")
    refused(2, "--force", *FIT)
    assert run(*FIT, "--force").exit_code == 0
    assert Path("model.dps").read_bytes().startswith(b"PK")


def test_an_output_folder_that_does_not_exist() -> None:
    refused(1, "folder", *FIT[:-1], "absent/model.dps")


def test_a_model_cannot_go_to_stdout() -> None:
    refused(2, "a model is a file", *FIT[:-1], "-")


def test_another_unit_than_the_pools_is_refused() -> None:
    run("ledger", "create", "people", "--epsilon", "3", "--delta", "1e-9", "--unit", "town:2")
    result = run(*FIT)
    assert result.exit_code == 4
    assert "unit" in result.stderr
    assert spent() == 0


def test_an_overspend_is_refused_with_what_a_next_fit_may_ask() -> None:
    run("ledger", "create", "people", "--epsilon", "1", "--delta", "1e-9")
    before = contents()
    result = run(*FIT[:-3], "2", *FIT[-2:])
    assert result.exit_code == 4
    assert "cap epsilon 1" in result.stderr
    assert "largest epsilon a next fit may ask is 1" in result.stderr
    assert contents() == before
    assert spent() == 0


def test_a_truncated_parquet_file_is_a_constant_message() -> None:
    table = pa.table({"sex": ["Male"] * 9, "age": [30] * 9, "town": [CELL] * 9})
    pq.write_table(table, "people.parquet")
    whole = Path("people.parquet").read_bytes()
    words = ("fit", "people.parquet", *FIT[2:])
    Path("people.parquet").write_bytes(whole[: len(whole) // 2])
    refused(3, "people.parquet", *words)


def test_a_table_that_breaks_off_is_forfeited_with_a_constant_message() -> None:
    """The gzip stream loses its tail: the header opens, the rows break off after TOUCH."""
    whole = gzip.compress((TABLE * 2_000).encode())
    said = []
    for part in (0.5, 0.9):
        Path("people.csv").write_bytes(whole[: int(len(whole) * part)])
        charged = spent()
        result = run(*FIT, "--pool", f"p{part}")
        assert result.exit_code == 3
        assert CELL not in result.output
        assert not Path("model.dps").exists()
        assert spent() > charged
        said.append(result.stderr[result.stderr.index("Error:") :])
    assert said[0] == said[1]
    assert all(pool.forfeited == pool.charged for pool in Ledger.open().pools())


LEDGERS: dict[str, tuple[Callable[[Path], object], str]] = {
    "no ledger file": (lambda path: path.write_text("hello, world\n" * 99), "not a ledger"),
    "truncated": (lambda path: path.write_bytes(path.read_bytes()[:5000]), "ledger"),
    "a directory": (lambda path: (path.unlink(), path.mkdir()), "ledger"),
}


@pytest.mark.parametrize("name", LEDGERS)
def test_a_ledger_that_cannot_be_used(name: str, tmp_path: Path) -> None:
    spoil, message = LEDGERS[name]
    path = tmp_path / "ledger.db"
    run("ledger", "create", "people", "--epsilon", "3", "--delta", "1e-9")
    for extra in tmp_path.glob("ledger.db-*"):
        extra.unlink()
    spoil(path)
    before = contents()
    result = run(*FIT)
    assert result.exit_code == 8
    assert message in result.stderr
    assert contents() == before
    assert run("ledger", "show").exit_code == 8


def test_a_changed_ledger_does_not_verify(tmp_path: Path) -> None:
    run("ledger", "create", "people", "--epsilon", "3", "--delta", "1e-9")
    run("ledger", "export", "-o", "all.jsonl")
    assert run("ledger", "verify", "all.jsonl").exit_code == 0
    Path("all.jsonl").write_text(Path("all.jsonl").read_text().replace('"epsilon":"3"', '"epsilon":"4"'))
    refused(8, "changed", "ledger", "verify", "all.jsonl")
    refused(8, "changed", "ledger", "import", "all.jsonl", "--ledger", str(tmp_path / "other.db"))


def test_a_ledger_that_another_process_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run("ledger", "create", "people", "--epsilon", "3", "--delta", "1e-9")
    monkeypatch.setattr(Ledger, "open", staticmethod(functools.partial(Ledger.open, busy_seconds=0.1)))
    before = contents()
    with contextlib.closing(sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        result = run(*FIT)
    assert result.exit_code == 8
    assert "locked" in result.stderr
    assert contents() == before
    assert spent() == 0


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read and write everything; the mapping has its own unit test")
@pytest.mark.parametrize(("name", "code"), [("people.csv", 1), ("schema.yaml", 3), ("../ledger.db", 8)])
def test_no_permission(name: str, code: int) -> None:
    run("ledger", "create", "people", "--epsilon", "3", "--delta", "1e-9")
    Path(name).chmod(0)
    result = run(*FIT)
    assert result.exit_code == code
    assert "permission" in result.stderr
    Path(name).chmod(0o600)
    assert spent() == 0


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("fitted")
    table, schema, model = (str(folder / name) for name in ("people.csv", "schema.yaml", "model.dps"))
    Path(table).write_text(TABLE)
    Path(schema).write_text(SCHEMA)
    purse = ("--ledger", str(folder / "ledger.db"))
    assert run("fit", table, "--schema", schema, "--epsilon", "1", *purse, "-o", model).exit_code == 0
    return Path(model).read_bytes()


@pytest.fixture
def model(fitted: bytes, people: Path) -> str:
    (people / "model.dps").write_bytes(fitted)
    return "model.dps"


@pytest.mark.parametrize("n", ["0", "-1", "1.5", "many"])
def test_a_wrong_number_of_rows(n: str) -> None:
    refused(2, "must be a whole number from 1", "sample", "model.dps", "-n", n, "-o", "out.csv")


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("sex=Martian", "sex"),
        ("age 130..140", "age"),
        ("species=human", "species"),
        ("age", "condition"),
        ("age=old", "age"),
        ("town in East,West", "town"),
    ],
)
def test_a_condition_that_is_impossible(model: str, where: str, message: str) -> None:
    before = contents()
    result = run("sample", model, "--where", where, "-o", "out.csv")
    assert result.exit_code == 2
    assert message in result.stderr
    assert contents() == before


def test_a_sample_does_not_overwrite(model: str) -> None:
    Path("out.csv").write_text("mine")
    assert run("sample", model, "-o", "out.csv").exit_code == 2
    assert Path("out.csv").read_text() == "mine"
    assert run("sample", model, "-o", "out.csv", "--force").exit_code == 0


def test_json_and_stdout_for_data_exclude_each_other(model: str) -> None:
    result = run("sample", model, "-o", "-", "--json")
    assert result.exit_code == 2
    assert json.loads(result.stdout)["error"]["code"] == "usage"


@pytest.mark.parametrize("spoil", [b"", b"PK\x03\x04", b"no zip at all" * 99], ids=["empty", "head only", "text"])
def test_a_model_file_that_is_none(spoil: bytes) -> None:
    Path("model.dps").write_bytes(spoil)
    for words in (("show", "model.dps"), ("sample", "model.dps", "-o", "out.csv")):
        refused(3, "model.dps", *words)
    Path("model.dps").unlink()
    refused(3, "model.dps", "show", "model.dps")


def test_a_model_whose_record_makes_no_sense(model: str) -> None:
    for number, guarantee in enumerate(({}, {"epsilon": "x", "delta": "1"}, [], "dp")):
        replace(load(model), provenance={"dp": True, "guarantee": guarantee}).save(f"{number}.dps")
        result = run("show", f"{number}.dps")
        assert result.exit_code == 3
        assert "malformed" in result.stderr


def test_an_unknown_extension_of_the_output(model: str) -> None:
    before = contents()
    result = run("sample", model, "-o", "out.xlsx")
    assert result.exit_code == 2
    assert "out.xlsx" in result.stderr
    assert contents() == before
