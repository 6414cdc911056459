"""``dpsynth estimate``: from tables noised elsewhere to rows, the stamp at every step, and every kind of bad input."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

import dpsynth
from dpsynth.cli.main import APPLICATION
from dpsynth.ledger import Ledger
from dpsynth.models import load
from dpsynth.tables import read_sidecar, write_sidecar

SCHEMA = """\
dpsynth: {version: 1, name: people, unit: row}
fields:
  - {name: sex, type: string, constraints: {enum: [Female, Male]}, dpsynth: {source: public}}
  - {name: age, type: integer, constraints: {minimum: 0, maximum: 59}, dpsynth: {source: public, bins: {width: 20}}}
  - {name: count, type: boolean, constraints: {required: true}, dpsynth: {source: public, "null": false}}
  - {name: id, type: string, dpsynth: {role: direct-id}}
"""
SEXES, AGES, FLAGS = ["Female", "Male", "null"], ["0..19", "20..39", "40..59", "null"], ["false", "true"]
ESTIMATE = ("estimate", "tables.csv", "--schema", "schema.yaml", "--owner", "Statistics Office")
WRITE = (*ESTIMATE, "-o", "model.dps")
VALUE = "Zaphod"
"""A value that stands in no schema; no message may hold it."""


def tables() -> pd.DataFrame:
    """Sex with age, and the flag alone: 1,200 rows and noise of standard deviation 2, made once."""
    rng = np.random.default_rng(5)
    pairs = [("sex and age", sex, age, None, 100.0, 2.0) for sex in SEXES for age in AGES]
    flags = [("flag", None, None, flag, 600.0, 2.0) for flag in FLAGS]
    frame = pd.DataFrame(pairs + flags, columns=["marginal", "sex", "age", "field:count", "count", "scale"])
    return frame.assign(count=frame["count"] + rng.normal(0, 2, len(frame)))


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "work"
    place.mkdir()
    monkeypatch.chdir(place)
    Path("schema.yaml").write_text(SCHEMA)
    tables().to_csv("tables.csv", index=False)


def run(*arguments: str, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(APPLICATION, list(arguments), input=stdin)


def answer(*arguments: str) -> dict[str, Any]:
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    found: dict[str, Any] = json.loads(result.stdout)["result"]
    return found


# --- the journey ----------------------------------------------------------------------------------------------


def test_the_claim_is_said_at_every_step() -> None:
    stamp = "dp: claimed by Statistics Office"
    made = run(*WRITE, "--claim", "epsilon 1, delta 1e-6, person")
    assert (made.exit_code, made.stdout) == (0, "")
    assert stamp in made.stderr
    assert "from 2 marginals of 14 cells" in made.stderr
    shown = run("show", "model.dps").stdout
    assert stamp in shown
    assert "epsilon 1, delta 1e-6, person (in their words)" in shown
    assert shown.count("claimed counts") == 2
    assert "protects" not in shown
    assert run("sample", "model.dps", "-n", "100", "--seed", "1", "-o", "rows.csv").exit_code == 0
    assert run("sample", "model.dps", "-n", "100", "--seed", "1", "-o", "rows.parquet").exit_code == 0
    sidecar = read_sidecar("rows.csv")
    assert sidecar is not None
    assert re.fullmatch(rf"POST sample of model [0-9a-f]{{16}}, {re.escape(stamp)}", *sidecar.labels)
    assert stamp in pq.read_schema("rows.parquet").metadata[b"dpsynth"].decode()
    for side in ("rows.csv", "model.dps"):
        found = run("evaluate", "rows.parquet", side, "--schema", "schema.yaml").stdout
        assert f"The synthetic side is {stamp}; dpsynth did not check it." in found
    assert "claimed" not in run("evaluate", "rows.csv", "tables.csv", "-s", "schema.yaml").output
    write_sidecar("rows.csv", ["POST sample, dp: claimed by \x1b[2J"], sidecar.sha256)
    assert r"claimed by \x1b[2J" in run("evaluate", "rows.parquet", "rows.csv", "--schema", "schema.yaml").stdout


def test_every_step_answers_in_json() -> None:
    found = answer(*WRITE)
    assert found["dp"] == "claimed by Statistics Office"
    assert found["claim"] == {"owner": "Statistics Office", "text": None}
    assert found["estimator"] == "closed form"
    assert found["marginals"][1] == {"marginal": "flag", "columns": ["count"], "cells": 2, "scale": 2.0}
    assert found["warnings"] == []
    assert abs(found["rows"] - 1200) < 20
    shown = answer("show", "model.dps")
    assert shown["dp"] == "claimed by Statistics Office"
    assert [one["kind"] for one in shown["answers"]] == ["claimed counts"] * 2
    assert not {"guarantee", "spent", "transaction", "pool", "ledger"} & shown["provenance"].keys()


def test_no_ledger_is_opened_and_no_guarantee_is_stated() -> None:
    answer(*WRITE)
    assert not Path("../ledger.db").exists()
    assert Ledger.open().pools() == ()
    assert (load("model.dps").dp, load("model.dps").answers) == (False, ())


def test_a_fit_on_claimed_rows_keeps_the_label() -> None:
    answer(*WRITE)
    answer("sample", "model.dps", "-n", "200", "-o", "rows.csv")
    Path("flat.yaml").write_text(SCHEMA.replace("  - {name: id, type: string, dpsynth: {role: direct-id}}\n", ""))
    words = ("fit", "rows.csv", "-s", "flat.yaml", "--epsilon", "1", "--method", "independent", "-o", "ours.dps")
    answer(*words)
    label = load("ours.dps").provenance["labels"][0]
    assert re.fullmatch("POST sample of model [0-9a-f]{16}, dp: claimed by Statistics Office", label)
    assert load("ours.dps").dp is True


FORMATS: dict[str, Callable[[pd.DataFrame], object]] = {
    "t.parquet": lambda frame: frame.to_parquet("t.parquet"),
    "t.arrow": lambda frame: frame.to_feather("t.arrow", compression="uncompressed"),
    "t.csv.gz": lambda frame: frame.to_csv("t.csv.gz", index=False),
    "t.tsv": lambda frame: frame.to_csv("t.tsv", index=False, sep="\t"),
}


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_gives_the_same_model(name: str) -> None:
    FORMATS[name](tables().sample(frac=1, random_state=3))
    answer(*WRITE)
    answer("estimate", name, *WRITE[2:-1], "other.dps")
    one, other = load("model.dps"), load("other.dps")
    assert np.allclose(one.marginal(("sex", "age")).values, other.marginal(("sex", "age")).values, rtol=1e-12)


def test_tables_may_come_from_stdin() -> None:
    result = run("estimate", "-", *WRITE[2:], stdin=tables().to_csv(index=False).encode())
    assert result.exit_code == 0, result.output
    assert load("model.dps").claims[0].name == "sex and age"


@pytest.mark.parametrize("kind", ["text", "integer", "float with gaps", "category"])
def test_codes_may_stand_for_values(kind: str) -> None:
    frame = tables()
    for name, labels in (("sex", SEXES), ("age", AGES), ("field:count", FLAGS)):
        codes = frame[name].map({label: code for code, label in enumerate(labels)})
        frame[name] = {
            "text": codes.map(lambda code: None if pd.isna(code) else str(int(code))),
            "integer": codes.astype("Int32"),
            "float with gaps": codes.astype(float),
            "category": codes.astype("Int64").astype("string").astype("category"),
        }[kind]
    frame.to_parquet("codes.parquet")
    answer(*WRITE)
    answer("estimate", "codes.parquet", *WRITE[2:-1], "codes.dps", "--values", "codes")
    by_label, by_code = (load(name).marginal(("age", "sex")).values for name in ("model.dps", "codes.dps"))
    assert np.allclose(by_label, by_code, rtol=1e-12)


# --- odd, and yet no error ------------------------------------------------------------------------------------


def test_contradictions_are_settled_and_said_in_standard_deviations() -> None:
    frame = tables()
    frame.loc[frame["marginal"] == "flag", "count"] += 500
    frame.to_csv("tables.csv", index=False)
    (warning,) = answer(*WRITE)["warnings"]
    # 1,000 rows apart at a standard deviation of 2 · √(12 + 2) = 7.5: 133.6 of them, give or take 1 of noise.
    assert "contradict" in warning
    assert "'flag' by 13" in warning
    assert "standard deviations (total)" in warning
    assert warning in run("show", "model.dps").stdout
    assert 1200 < load("model.dps").total < 2200


def test_negative_totals_have_the_least_total() -> None:
    tables().assign(count=-3.0).to_csv("tables.csv", index=False)
    found = answer(*WRITE)
    assert found["rows"] == 1
    assert any("sum to -" in warning and "1 row" in warning for warning in found["warnings"])
    assert (load("model.dps").marginal("sex").values >= 0).all()


def test_fields_that_no_marginal_holds_are_said() -> None:
    tables().query("marginal == 'flag'").drop(columns=["sex"]).to_csv("tables.csv", index=False)
    (warning,) = answer(*WRITE)["warnings"]
    assert warning == "no marginal holds sex, age: the values are spread evenly"


def test_one_table_may_be_measured_twice_and_the_total_alone() -> None:
    again = tables().query("marginal == 'flag'").assign(marginal="flag again", scale=4.0)
    total = pd.DataFrame([{"marginal": "total", "count": 1199.0, "scale": 0.5}])
    pd.concat([tables(), again, total]).to_csv("tables.csv", index=False)
    found = answer(*WRITE)
    assert [one["cells"] for one in found["marginals"]] == [12, 2, 2, 1]
    assert abs(found["rows"] - 1199) <= 2


# --- bad input ------------------------------------------------------------------------------------------------


def refused(code: int, message: str, *arguments: str) -> str:
    """The command fails with this code and one message; no file appears or changes."""
    before = {str(path): path.read_bytes() for path in Path().rglob("*") if path.is_file()}
    result = run(*(arguments or WRITE))
    assert result.exit_code == code, result.output
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) <= 2, result.stderr
    assert message in result.stderr
    assert result.stderr.startswith("Error: ")
    assert all(secret not in result.stderr for secret in (VALUE, "Traceback", "\x1b"))
    assert {str(path): path.read_bytes() for path in Path().rglob("*") if path.is_file()} == before
    return result.stderr


def edited(**columns: Any) -> Callable[[pd.DataFrame], pd.DataFrame]:
    """Set cells of the fourth row, which belongs to 'sex and age'."""

    def edit(frame: pd.DataFrame) -> pd.DataFrame:
        frame = frame.astype(object)
        for name, value in columns.items():
            frame.loc[3, name] = value
        return frame

    return edit


TABLES: dict[str, tuple[Callable[[pd.DataFrame], pd.DataFrame], str]] = {
    "missing cells": (lambda f: f.drop(index=[1, 2]), "marginal 'sex and age': 2 of 12 cells are missing"),
    "a repeated cell": (lambda f: pd.concat([f, f[1:2]]), "marginal 'sex and age': 1 cells are given more than once"),
    "no scale column": (lambda f: f.drop(columns="scale"), "no column 'scale'"),
    "no count column": (lambda f: f.drop(columns="count"), "no column 'count'"),
    "no marginal column": (lambda f: f.drop(columns="marginal"), "no column 'marginal'"),
    "absent scale": (edited(scale=None), "marginal 'sex and age': 1 scales are no numbers between 1e-06 and 1e+12"),
    "scale of zero": (edited(scale=0), "1 scales are no numbers"),
    "negative scale": (edited(scale=-2), "1 scales are no numbers"),
    "infinite scale": (edited(scale="inf"), "1 scales are no numbers"),
    "scale that is no number": (edited(scale=VALUE), "1 scales are no numbers"),
    "several scales": (edited(scale=3), "marginal 'sex and age': the rows of one marginal need one scale"),
    "absent count": (edited(count=None), "1 counts are no numbers between -1e+12 and 1e+12"),
    "count that is no number": (edited(count=VALUE), "1 counts are no numbers"),
    "count that is not finite": (edited(count="nan"), "1 counts are no numbers"),
    "infinite count": (edited(count="-inf"), "1 counts are no numbers"),
    "huge count": (edited(count=1e300), "1 counts are no numbers"),
    "more rows than a model can have": (lambda f: f.assign(count=5e11), "more rows than a model can have"),
    "unknown field": (lambda f: f.assign(**{VALUE: 1}), "column 7 is neither a modeled field of the schema"),
    "direct-id": (lambda f: f.assign(id=1), "column 7 is neither a modeled field of the schema"),
    "field that could be mistaken": (lambda f: f.rename(columns={"field:count": "count2"}), "column 4 is neither"),
    "unknown value": (edited(sex=VALUE), "field 'sex': 1 cells hold a value that is not in the domain of this field"),
    "codes for labels": (edited(age="1"), "field 'age': 1 cells hold a value that is not in the domain"),
    "a field left out in one row": (edited(age=None), "its rows do not all name the same fields"),
    "a field too many in one row": (edited(**{"field:count": "true"}), "its rows do not all name the same fields"),
    "no name": (edited(marginal=None), "1 rows name no marginal"),
    "a name that is too long": (edited(marginal="x" * 300), "more than 200 bytes"),
    "a name that clears the screen": (lambda f: f.assign(marginal="\x1b[2J"), "marginal '\\x1b[2J': its rows"),
    "no rows": (lambda f: f[:0], "holds no marginal"),
    "two columns of one name": (lambda f: f.set_axis([*f.columns[:-1], "count"], axis=1), "same name"),
}


@pytest.mark.parametrize("name", TABLES)
def test_tables_that_do_not_fit(name: str) -> None:
    spoil, message = TABLES[name]
    spoil(tables()).to_csv("tables.csv", index=False)
    refused(3, message)


FILES: dict[str, tuple[Callable[[], object], str]] = {
    "missing file": (lambda: Path("tables.csv").unlink(), "no such file"),
    "a directory": (lambda: (Path("tables.csv").unlink(), Path("tables.csv").mkdir()), "directory"),
    "empty file": (lambda: Path("tables.csv").write_bytes(b""), "empty"),
    "utf-16": (lambda: Path("tables.csv").write_bytes(tables().to_csv().encode("utf-16")), "UTF-8"),
    "a latin-1 value": (lambda: spoiled(b"Female", "Größe".encode("latin-1")), "field 'sex'"),
    "a latin-1 name": (lambda: spoiled(b"sex and age", "Größe".encode("latin-1")), "cells are missing"),
    "ragged rows": (lambda: spoiled(b"sex and age,Male,null,", b"sex and age,Male,null,,,,"), "1 of 12 cells"),
    "wrong delimiter": (lambda: spoiled(b",", b";"), "delimiter"),
    "NUL bytes": (lambda: spoiled(b"0..19", b"\x00"), "field 'age'"),
}


def spoiled(old: bytes, new: bytes) -> None:
    text = Path("tables.csv").read_bytes()
    changed = text.replace(old, new, 1 if len(old) > 1 else -1)
    assert changed != text
    Path("tables.csv").write_bytes(changed)


@pytest.mark.parametrize("name", FILES)
def test_files_that_cannot_be_read(name: str) -> None:
    spoil, message = FILES[name]
    spoil()
    refused(3, message)


CONTAINERS: dict[str, Callable[[], object]] = {
    "cut.parquet": lambda: Path("cut.parquet").write_bytes(parquet()[:-40]),
    "bent.parquet": lambda: Path("bent.parquet").write_bytes(b"PAR1" + b"\xff" * 200 + parquet()[204:]),
    "text.parquet": lambda: Path("text.parquet").write_text("marginal,count\n"),
    "cut.csv.gz": lambda: Path("cut.csv.gz").write_bytes(gzip.compress(Path("tables.csv").read_bytes() * 50)[:-300]),
    "tables.json": lambda: Path("tables.json").write_text("{}"),
}


def parquet() -> bytes:
    tables().to_parquet("whole.parquet")
    data = Path("whole.parquet").read_bytes()
    Path("whole.parquet").unlink()
    return data


@pytest.mark.parametrize("name", CONTAINERS)
def test_containers_that_are_broken(name: str) -> None:
    CONTAINERS[name]()
    refused(3, name, "estimate", name, *WRITE[2:])


COLUMNS: dict[str, tuple[str, pa.Array, str]] = {
    "lists of values": ("sex", pa.array([["Female"]]), "holds no values of a field"),
    "a struct of names": ("marginal", pa.array([{"a": 1}]), "names or whole numbers"),
    "names that are numbers with fractions": ("marginal", pa.array([1.5]), "names or whole numbers"),
    "no names at all": ("marginal", pa.nulls(1), "names or whole numbers"),
    "truth for counts": ("count", pa.array([{"a": 1}]), "1 counts are no numbers"),
    "dates for scales": ("scale", pa.array([18_000], pa.date32()), "1 scales are no numbers"),
    "NaN counts": ("count", pa.array([float("nan")]), "1 counts are no numbers"),
    "fractions for values": ("age", pa.array([0.5]), "field 'age': 1 cells hold a value"),
    "huge integers for values": ("age", pa.array([2**64 - 1], pa.uint64()), "field 'age': 1 cells hold a value"),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_columns_of_a_wrong_type(name: str) -> None:
    column, values, message = COLUMNS[name]
    row = {"marginal": pa.array(["m"]), "sex": pa.array(["Male"]), "count": pa.array([1]), "scale": pa.array([1.0])}
    pq.write_table(pa.table({**row, column: values}), "odd.parquet")
    refused(3, message, "estimate", "odd.parquet", *WRITE[2:])


def wide(columns: int, size: int) -> None:
    sizes = {f"c{number}": size for number in range(columns)}
    Path("wide.yaml").write_text(dpsynth.Schema.from_domain(sizes, public="made up").dump())


def test_a_marginal_that_is_too_large_is_refused_by_its_first_row() -> None:
    wide(10, 1000)
    row = {"marginal": ["m"], **{f"c{number}": [0] for number in range(10)}, "count": [1], "scale": [1]}
    pd.DataFrame(row).to_csv("one.csv", index=False)
    words = ("estimate", "one.csv", "-s", "wide.yaml", "--owner", "A", "-o", "model.dps")
    refused(7, "marginal 'm': a marginal of 10 fields and", *words)


def test_marginals_whose_model_is_too_large_name_the_limit_that_would_do() -> None:
    wide(4, 30)
    triples = [("c0", "c1", "c2"), ("c1", "c2", "c3"), ("c0", "c2", "c3"), ("c0", "c1", "c3")]
    grid = np.indices((30, 30, 30)).reshape(3, -1)
    parts = [pd.DataFrame({"marginal": str(t), **dict(zip(t, grid, strict=True))}) for t in triples]
    pd.concat(parts).assign(count=1.0, scale=1.0).to_parquet("triples.parquet")
    words = ("estimate", "triples.parquet", "-s", "wide.yaml", "--owner", "A", "-o", "model.dps")
    refused(7, "6,480,000 bytes", *words, "--max-model-size", "1MB")


def test_too_many_marginals_are_refused() -> None:
    pd.DataFrame({"marginal": range(10_001), "sex": "Male", "count": 1, "scale": 1}).to_csv("tables.csv", index=False)
    refused(7, "more than 10,000 marginals")


def test_usage_is_checked_before_anything_is_read() -> None:
    Path("tables.csv").unlink()
    Path("taken.dps").write_text("mine")
    refused(2, "exists", *ESTIMATE, "-o", "taken.dps")
    refused(2, "cannot go to stdout", *ESTIMATE, "-o", "-")
    refused(2, "printable", *WRITE, "--owner", "\x1b[2J")
    refused(2, "printable", *WRITE, "--claim", "one\ntwo")
    refused(2, "--owner", "estimate", "tables.csv", "-s", "schema.yaml", "-o", "model.dps")
    refused(2, "--values", *WRITE, "--values", "names")
    refused(2, "--max-model-size", *WRITE, "--max-model-size", "0")


def test_force_overwrites_and_a_failure_leaves_the_old_model() -> None:
    answer(*WRITE)
    tables()[:5].to_csv("tables.csv", index=False)
    refused(3, "7 of 12 cells are missing", *WRITE, "--force")
    tables().to_csv("tables.csv", index=False)
    assert answer(*WRITE, "--force")["path"] == "model.dps"


@pytest.mark.parametrize(("old", "new", "code"), [("[Female, Male]", "TODO", 3), ("public}}", "data}}", 9)])
def test_a_schema_that_no_fit_could_use(old: str, new: str, code: int) -> None:
    Path("schema.yaml").write_text(SCHEMA.replace(old, new, 1))
    refused(code, "schema")
