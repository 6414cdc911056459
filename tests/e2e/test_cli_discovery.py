"""``fit``, ``plan`` and ``schema init --dp`` without a schema: what is learned, said, charged and refused."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
import yaml
from click.testing import CliRunner, Result

import dpsynth
from dpsynth.cli.main import APPLICATION
from dpsynth.errors import DpsynthError, UsageError
from dpsynth.models import load
from dpsynth.privacy.loss import UNITS
from dpsynth.schema import Schema

ROWS = 4000
ROW = "protects one ROW; if a person may have several rows this is not a guarantee per person"
SURE = ("--epsilon", "20", "--method", "independent")
"""The noise of every count is below 15 rows (standard deviation): what the tests ask for, thousands of rows have."""


def people(rows: int = ROWS) -> pa.Table:
    draw = np.random.default_rng(3)
    return pa.table(
        {
            "patient": [f"p{number:05d}" for number in draw.integers(0, rows // 2, rows)],
            "name": [f"person {number}" for number in range(rows)],
            "city": draw.choice(["Rome", "Bonn", "Oslo"], rows),
            "age": draw.integers(18, 90, rows),
            "price": np.round(draw.exponential(50, rows), 2),
            "smoker": pa.array([None if x < 0.3 else bool(x < 0.6) for x in draw.random(rows)]),
        }
    )


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    place = tmp_path / "work"
    place.mkdir()
    monkeypatch.chdir(place)
    pyarrow.csv.write_csv(people(), "people.csv")
    return place


def run(*arguments: str, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(APPLICATION, list(arguments), input=stdin)


def answer(*arguments: str, stdin: bytes | None = None) -> dict:
    result = run(*arguments, "--json", stdin=stdin)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)["result"]


def refused(code: int, message: str, *arguments: str, stdin: bytes | None = None) -> None:
    """This exit code and message, no traceback; no file appears and no pool is created."""
    result = run(*arguments, stdin=stdin)
    assert result.exit_code == code, result.output
    assert message in " ".join(result.stderr.split())
    assert "Traceback" not in result.output
    assert not list(Path().glob("*.dps"))
    assert not dpsynth.Ledger.open().pools()


def test_one_command_learns_says_and_charges_once():
    result = run("fit", "people.csv", *SURE, "-o", "m.dps")
    assert result.exit_code == 0, result.output
    said = " ".join(result.stderr.split())
    assert f"It {ROW}." in said
    assert "Only the header, the names of the columns, is taken as public." in said
    assert "the name of the file, up to its first dot, is that of the pool and of the schema" in said
    assert "4 of 6 columns are modeled" in said
    assert "patient text not modeled: no value is frequent enough" in said
    assert "name text not modeled: nearly every row has a value of its own: it identifies rows" in said
    assert "city text 3 values" in said
    model = load("m.dps")
    assert model.provenance["guarantee"]["protects"] == ROW
    found = model.provenance["discovery"]
    assert found["public"] == "only the header, the column names, was taken as public"
    # About 4,000 rows: the noise of this mean is below 10 rows (standard deviation).
    assert abs(found["rows"] - ROWS) < 200
    assert 0 < found["share"] <= 0.35
    assert any("domain discovered" in label for label in model.provenance["labels"])
    shown = " ".join(run("show", "m.dps").stdout.split())
    assert ROW.removeprefix("protects ") in shown
    assert "4 of 6 columns are modeled" in shown
    events = dpsynth.Ledger.open().events("people")
    kinds = [event.kind for event in events]
    assert [kind for kind in kinds if kind != "DRAW"] == ["CREATE", "RESERVE", "TOUCH", "COMMIT"]
    state = dpsynth.Ledger.open().pool("people")
    draws = [event.data["loss"] for event in events if event.kind == "DRAW"]
    assert sum(int(draw["mu2"]) for draw in draws) == state.charged.mu2
    assert sum(int(draw["delta"]) for draw in draws) == state.charged.delta
    assert 0 < state.charged.delta <= UNITS // 10**10 + 1
    sampled = run("sample", "m.dps", "-n", "200", "-o", "-")
    frame = pd.read_csv(io.StringIO(sampled.stdout))
    assert set(frame["city"]) <= {"Rome", "Bonn", "Oslo"}
    # A range may end beyond its rows where noise seems to be some: few rows are drawn there.
    assert frame["age"].between(18, 90).mean() > 0.9


def test_a_schema_learned_once_is_used_at_no_further_cost():
    dpsynth.Ledger.open().create("people", epsilon=30, delta=1e-9, unit=dpsynth.Unit())
    learned = answer("schema", "init", "people.csv", "--dp", "--epsilon", "10", "-o", "people.yaml")
    text = Path("people.yaml").read_text()
    assert text.startswith("# Learned from the rows under differential privacy (epsilon 10")
    assert ROW in text
    fields = {field["name"]: field for field in yaml.safe_load(text)["fields"]}
    assert fields["city"]["dpsynth"]["source"] == "dp"
    assert "Not modeled" in fields["name"]["description"]
    assert learned["discovery"]["columns"][2]["values"] == 3
    assert run("schema", "check", "people.yaml", "--data", "people.csv").exit_code == 0
    before = dpsynth.Ledger.open()
    spent, discovered = before.pool("people").charged, len(before.events("people"))
    answer("fit", "people.csv", "--schema", "people.yaml", "--epsilon", "5", "--method", "independent", "-o", "m.dps")
    after = dpsynth.Ledger.open()
    draws = [event for event in after.events("people")[discovered:] if event.kind == "DRAW"]
    assert {event.data["question"]["question"] for event in draws} == {"measure"}
    assert after.pool("people").charged.delta == spent.delta > 0
    assert "discovery" not in load("m.dps").provenance


def test_a_pool_pays_for_discoveries_while_something_is_left():
    dpsynth.Ledger.open().create("people", epsilon=30, delta=1e-9, unit=dpsynth.Unit())
    for number in range(2):
        answer("fit", "people.csv", "--epsilon", "12", "--method", "independent", "-o", f"m{number}.dps")
    state = dpsynth.Ledger.open().pool("people")
    assert 0 < state.charged.mu2 <= state.cap.mu2
    assert 0 < state.charged.delta <= state.cap.delta
    result = run("fit", "people.csv", "--epsilon", "25", "--method", "independent", "-o", "m3.dps")
    assert result.exit_code == 4, result.output
    assert not Path("m3.dps").exists()


def test_persons_are_protected_without_a_schema():
    said = answer("fit", "people.csv", *SURE, "--unit", "patient:2", "-o", "m.dps")
    assert said["unit"] == "patient:2"
    assert "at most 2 rows each" in said["protects"]
    model = load("m.dps")
    assert "patient" not in model.domain
    assert "patient" not in [column["column"] for column in said["discovery"]["columns"]]
    assert model.schema.to_dict()["fields"][0] == {
        "name": "patient", "type": "string", "dpsynth": {"role": "direct-id"},
    }  # fmt: skip


def _frames():
    table = people().drop_columns(["patient", "name"])
    frame = table.to_pandas(types_mapper={pa.int64(): pd.Int64Dtype(), pa.bool_(): pd.BooleanDtype()}.get)
    frame["city"] = frame["city"].astype("category")
    frame.loc[:9, "age"] = pd.NA
    return {"pandas": frame, "polars": pl.from_arrow(table), "arrow": table}


@pytest.mark.parametrize("kind", ["pandas", "polars", "arrow"])
def test_python_fits_frames_without_a_schema(kind):
    ledger = dpsynth.Ledger.in_memory()
    model = dpsynth.fit(_frames()[kind], epsilon=20, method="independent", ledger=ledger)
    assert list(model.domain) == ["city", "age", "price", "smoker"]
    assert model.domain["city"] == 3
    assert model.domain["smoker"] == 3
    assert model.provenance["guarantee"]["protects"] == ROW
    sampled = model.sample(100, seed=1)
    assert set(sampled["city"]) <= {"Rome", "Bonn", "Oslo"}
    with pytest.raises(UsageError, match="needs a delta"):
        dpsynth.fit(_frames()[kind], epsilon=20, delta=0, ledger=dpsynth.Ledger.in_memory())


def test_a_stream_and_a_parquet_file_are_read_like_a_file():
    said = answer("fit", "-", *SURE, "-o", "stream.dps", stdin=Path("people.csv").read_bytes())
    assert said["pool"]["name"] == "table"
    pq.write_table(people(), "visits.parquet")
    typed = answer("fit", "visits.parquet", *SURE, "-o", "parquet.dps")
    assert typed["pool"]["name"] == "visits"
    kinds = [[column["kind"] for column in one["discovery"]["columns"]] for one in (said, typed)]
    assert kinds[0] == kinds[1] == ["text", "text", "text", "integer", "number", "boolean"]


@pytest.mark.parametrize(
    ("code", "message", "options"),
    [
        (2, "share is a fraction", ("--epsilon", "1", "--discover-share", "0")),
        (2, "share of discovery", ("--epsilon", "1", "--discover-share", "0.95")),
        (2, "--discover-share", ("--epsilon", "1", "--discover-share", "much")),
        (2, "needs a delta", ("--epsilon", "1", "--delta", "0")),
        (2, "give --epsilon or --share", ()),
        (3, "has no column 'absent', the privacy unit", ("--epsilon", "1", "--unit", "absent:2")),
        (7, "above the limit", ("--epsilon", "1", "--memory-limit", "1KB")),
        (2, "too small", ("--epsilon", "1e-9")),
    ],
)
def test_what_can_be_refused_is_refused_before_anything_is_spent(code, message, options):
    refused(code, message, "fit", "people.csv", *options, "-o", "m.dps")


def test_an_output_that_exists_is_kept_and_nothing_spent():
    Path("kept.txt").write_text("precious")
    refused(2, "exists", "fit", "people.csv", *SURE, "-o", "kept.txt")
    refused(2, "exists", "schema", "init", "people.csv", "--dp", "--epsilon", "1", "-o", "kept.txt")
    assert Path("kept.txt").read_text() == "precious"


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("empty.csv", b"", 3),
        ("unnamed.csv", b"a,,c\n1,2,3\n", 3),
        ("todo.csv", b"a,TODO\n1,2\n", 3),
        ("latin.csv", b"caf\xe9,b\n1,2\n", 3),
        ("twice.csv", b"a,a\n1,2\n", 3),
        ("absent.csv", None, 3),
    ],
)
def test_a_header_that_no_schema_can_hold_is_refused(name, content, code):
    if content is not None:
        Path(name).write_bytes(content)
    fit = ("fit", name, *SURE, "-o", "m.dps")
    for command in (
        fit,
        ("schema", "init", name, "--dp", "--epsilon", "1", "-o", "s.y"),
        ("plan", name, "--epsilon", "1"),
    ):
        refused(code, "", *command)
        assert not Path("s.y").exists()


@pytest.mark.parametrize("content", [b"a,b\n", b"a,b\n,\n,\n", b"a,b\n1,x\n"], ids=["header", "nulls", "one row"])
def test_a_table_with_nothing_to_learn_ends_with_that_error_and_is_paid(content):
    """Epsilon 1, noise of about 20 rows in each count. A false alarm needs a count 5 deviations away: once in 10**6."""
    Path("bare.csv").write_bytes(content)
    result = run("fit", "bare.csv", "--epsilon", "1", "-o", "m.dps")
    assert result.exit_code == 1, result.output
    assert "no column could be learned at this epsilon" in result.stderr
    assert "the budget is spent" in result.stderr
    assert not Path("m.dps").exists()
    events = [event.kind for event in dpsynth.Ledger.open().events("bare")]
    assert events[-1] == "FORFEIT"


def test_an_epsilon_too_small_is_told_by_the_plan_with_one_that_would_do():
    drawn = answer("plan", "people.csv", "--epsilon", "0.01", "--rows", str(ROWS))
    assert drawn["enough"] is False
    assert drawn["epsilon_needed"] > 0.01
    words = run("plan", "people.csv", "--epsilon", "0.01", "--rows", str(ROWS)).stdout
    assert "this epsilon is too small to learn much" in words
    assert f"epsilon {drawn['epsilon_needed']:g} would do" in words
    again = answer("plan", "people.csv", "--epsilon", str(drawn["epsilon_needed"]), "--rows", str(ROWS))
    assert again["enough"] is True
    said = answer(
        "fit", "people.csv", "--epsilon", str(drawn["epsilon_needed"]), "--method", "independent", "-o", "m.dps"
    )
    assert {column["column"] for column in said["discovery"]["columns"] if not column["dropped"]} >= {"city", "smoker"}


def test_plan_reads_the_header_alone():
    """Rows that no reader could decode, of a file cut off in the middle, change nothing."""
    head = Path("people.csv").read_bytes().splitlines(keepends=True)[0]
    whole = run("plan", "people.csv", "--epsilon", "1").stdout
    Path("people.csv").write_bytes(head + b'\xff\xfe"unclosed,\n,,,,,,,,,,\n' * 10)
    assert run("plan", "people.csv", "--epsilon", "1").stdout == whole
    assert "of the table only the header was read" in whole
    assert not dpsynth.Ledger.open().pools()


def test_a_truncated_file_forfeits_without_a_word_of_its_cells():
    packed = gzip.compress(Path("people.csv").read_bytes())
    Path("people.csv.gz").write_bytes(packed[: len(packed) // 2])
    result = run("fit", "people.csv.gz", *SURE, "-o", "m.dps")
    assert result.exit_code not in (0, 2), result.output
    assert "Traceback" not in result.output
    assert "person 1" not in result.output
    assert not Path("m.dps").exists()
    assert dpsynth.Ledger.open().events("people")[-1].kind == "FORFEIT"


def test_cells_of_any_encoding_and_hostile_names_are_learned_around():
    """A wrong encoding is a class of cells, not an error; names like options and YAML are names."""
    names = ["--epsilon", "a: b", "- c", "{d", "null", "=cmd()", "ünï", "e,f", "*", "#"]
    header = ",".join(f'"{name}"' for name in names).encode()
    row = b",".join([b"caf\xe9", b"1", b"yes", b"2020-01-01", b"null", b"=1+1", b"x", b"0.5", b"7", b"true"])
    Path("odd.csv").write_bytes(header + b"\n" + (row + b"\n") * 3000)
    said = answer("fit", "odd.csv", *SURE, "-o", "m.dps")
    columns = {column["column"]: column for column in said["discovery"]["columns"]}
    assert list(columns) == names
    assert columns["null"]["kind"] == "empty"
    assert columns["--epsilon"]["dropped"]
    model = load("m.dps")
    assert [field.name for field in Schema.from_dict(model.schema.to_dict()).fields] == names
    assert run("show", "m.dps").exit_code == 0


@pytest.mark.parametrize("broken", ["learn", "learned_text"])
def test_a_schema_that_cannot_be_learned_or_written_forfeits_without_a_word(broken, monkeypatch):
    def fails(*_, **__):
        raise (ValueError if broken == "learn" else OSError)("the cell of somebody")

    monkeypatch.setattr(f"dpsynth.pipeline.schema_discovery.{broken}", fails)
    result = run("schema", "init", "people.csv", "--dp", "--epsilon", "10", "-o", "people.yaml")
    assert result.exit_code == 1
    assert "Traceback" not in result.output
    assert "somebody" not in result.output
    assert ("its reservation is forfeited" in result.stderr) == (broken == "learn")
    assert not Path("people.yaml").exists()
    assert dpsynth.Ledger.open().events("people")[-1].kind == "FORFEIT"


@pytest.mark.parametrize("name", ["TODO.csv", ".csv"])
def test_a_file_whose_name_no_schema_can_hold_is_learned_as_a_table(name):
    Path("people.csv").rename(name)
    assert answer("schema", "init", name, "--dp", "--epsilon", "10", "-o", "table.yaml")
    assert Schema.load("table.yaml").name == "table"
    assert answer("fit", name, *SURE, "--pool", "other", "-o", "m.dps")


def test_a_workload_names_columns_of_the_header():
    message = "the workload names a column that is not modeled: 'nosuch'"
    refused(2, message, "fit", "people.csv", "--epsilon", "1", "--workload", "target:nosuch", "-o", "m.dps")
    refused(2, message, "plan", "people.csv", "--epsilon", "1", "--workload", "target:nosuch")


@pytest.mark.parametrize(
    ("workload", "serves", "note"),
    [
        ("target:city", "target:city", None),
        ("target:name", "all-3way", "no column of the workload is modeled: all-3way was used in its place"),
        ("- [city, name, smoker]\n- [name]", [["city", "smoker"]], "columns that are not modeled were left out"),
    ],
)
def test_a_workload_of_columns_that_were_dropped_is_served_as_far_as_it_can_be(workload, serves, note):
    """What was learned decides, and the user is told; the method is the one that was asked for."""
    if workload.startswith("-"):
        Path("workload.yaml").write_text(workload)
        workload = "workload.yaml"
    said = answer("fit", "people.csv", "--epsilon", "20", "--workload", workload, "--method", "aim", "-o", "m.dps")
    assert said["method"] == "aim"
    assert load("m.dps").settings["workload"] == serves
    notes = " ".join(said["warnings"])
    assert (note in notes) if note else ("workload" not in notes)


def test_a_fit_says_what_the_memory_limit_took_away():
    options = ("--epsilon", "20", "--method", "mst", "--memory-limit", "20KB")
    said = answer("fit", "people.csv", *options, "-o", "m.dps")
    assert any("made smaller" in note for note in said["warnings"]) or said["method"] == "independent"
    assert said["method"] == "mst" or any("each column is modeled alone" in note for note in said["warnings"])


def test_with_a_schema_nothing_is_discovered():
    answer("schema", "init", "people.csv", "--dp", "--epsilon", "10", "--pool", "other", "-o", "people.yaml")
    given = ("--schema", "people.yaml", "--epsilon", "1", "--discover-share", "1/4")
    for command in (("fit", "people.csv", *given, "-o", "m.dps"), ("plan", *given)):
        result = run(*command)
        assert result.exit_code == 2
        assert "with a schema nothing is discovered" in result.stderr
    assert [pool.name for pool in dpsynth.Ledger.open().pools()] == ["other"]


@pytest.mark.parametrize(
    ("message", "options"),
    [
        ("--dp and --peek exclude each other", ("--dp", "--peek", "--epsilon", "1")),
        ("give --epsilon", ("--dp",)),
        ("nothing is charged without --dp", ("--epsilon", "1")),
        ("needs a delta", ("--dp", "--epsilon", "1", "--delta", "0")),
        ("--name: a schema cannot hold this name", ("--dp", "--epsilon", "1", "--name", "TODO")),
        ("--name: a schema cannot hold this name", ("--dp", "--epsilon", "1", "--name", "")),
    ],
)
def test_learning_a_schema_is_refused_before_anything_is_spent(message, options):
    refused(2, message, "schema", "init", "people.csv", *options, "-o", "people.yaml")
    assert not Path("people.yaml").exists()


def test_the_library_raises_what_the_command_line_says():
    with pytest.raises(DpsynthError, match="no column could be learned"):
        dpsynth.fit(pa.table({"a": ["x"]}), epsilon=0.5, ledger=dpsynth.Ledger.in_memory())
