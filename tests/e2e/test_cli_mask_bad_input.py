"""``dpsynth mask`` and what can go wrong: one message and exit code, nothing half-written, no cell and no key shown."""

import gzip
import json
import os
import shutil
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import dpsynth
from dpsynth.errors import DataMismatchError
from mask_examples import CELL, MASK, OTHER, POLICY, TABLE, masked, prepare, refused, run


@pytest.fixture(autouse=True)
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    prepare(folder)
    monkeypatch.chdir(folder)


POLICIES = {
    "an unknown mask": ("mask: pseudonym", "mask: pseudonim", "pseudonym"),
    "an unknown key of a mask": ("mask: pseudonym", "mask: {pseudonym: {lenght: 20}}", "length"),
    "a hash": ("mask: pseudonym", "mask: {hash: sha256}", "without a key"),
    "a short pseudonym": ("mask: pseudonym", "mask: {pseudonym: {length: 4}}", "at least 16"),
    "a window in the wrong order": ("[-9, 9]", "[9, -9]", "days"),
    "windows that differ": (
        "{name: ward, dpsynth: {role: quasi}",
        "{name: ward, dpsynth: {mask: {shift: {days: [-8, 9], by: id}}}",
        "intervals",
    ),
    "a mask that merges persons": (
        "{version: 1}\nfields:\n  - {name: id, dpsynth: {role: direct-id, mask: pseudonym}}",
        (
            "{version: 1, unit: {column: id, max_rows: 3}}\nfields:\n"
            "  - {name: id, dpsynth: {role: direct-id, mask: {redact: {first: 1}}}}"
        ),
        "one person of several",
    ),
    "a person that is absent": ("by: id", "by: person", "absent"),
    "a column that is absent": ("name: ward", "name: wards", "absent"),
    "a column that is not named": ("  - {name: ward, dpsynth: {role: quasi}}\n", "", "does not say.*'ward'"),
    "not YAML": ("fields:", "fields: [", "YAML"),
    "no column left": (
        POLICY[POLICY.index("  - ") :],
        "".join(f"  - {{name: {one}, dpsynth: {{mask: drop}}}}\n" for one in ("id", "name", "day", "ward")),
        "no column",
    ),
}


@pytest.mark.parametrize("name", POLICIES)
def test_a_policy_that_is_wrong(name: str) -> None:
    old, new, message = POLICIES[name]
    assert old in POLICY
    Path("policy.yaml").write_text(POLICY.replace(old, new, 1))
    refused(3, message, *MASK)


KEYS = {
    "empty": ("", 2, "empty"),
    "too short": ("ab12" * 8 + "cd", 2, "too short"),
    "not a key": (f"{CELL}!", 2, "neither hex nor base64"),
    "not random": ("00" * 32, 2, "not random"),
    "binary": ("\x00\xff" * 40, 2, "not a key file"),
}


@pytest.mark.parametrize("name", KEYS)
def test_a_key_that_is_wrong(name: str) -> None:
    text, code, message = KEYS[name]
    Path("mask.key").write_text(text)
    refused(code, message, *MASK)


def test_a_key_that_is_absent() -> None:
    refused(2, "needs a key", "people.csv", "-p", "policy.yaml", "-o", "out.csv")
    refused(3, "no such file", "people.csv", "-p", "policy.yaml", "-o", "out.csv", "--key-file", "absent.key")
    refused(2, "a directory, not a key file", "people.csv", "-p", "policy.yaml", "-o", "out.csv", "--key-file", ".")


TABLES_AND_WORDS = {
    "no day": (TABLE.replace("2020-02-28", "2020-02-30").encode(), "does not fit"),
    "a day beyond the calendar": (TABLE.replace("2020-02-28", "9999-12-31").encode(), None),
    "bytes that are no text": (TABLE.replace("North", "N\xff").encode("latin-1"), "not UTF-8"),
    "truncated": (gzip.compress(TABLE.encode() * 1000)[:80], "broke off|gzip"),
    "empty": (b"", "empty"),
}


@pytest.mark.parametrize("name", TABLES_AND_WORDS)
def test_a_table_that_does_not_fit(name: str) -> None:
    content, message = TABLES_AND_WORDS[name]
    Path("people.csv").write_bytes(content)
    if message is not None:
        refused(3, message, *MASK)
        return
    Path("policy.yaml").write_text(POLICY.replace("[-9, 9]", "[1, 9]"))
    refused(3, "does not fit", *MASK)
    Path("policy.yaml").write_text(POLICY.replace("[-9, 9], by: id}", "[1, 9], by: id}, invalid: blank"))
    result = masked("people.csv", "-o", "out.csv")
    assert "Emptied: 1 cell of day" in result.stderr
    assert Path("out.csv").read_text().splitlines()[1].split(",")[1] == ""


@pytest.mark.parametrize("rows", [0, 1])
def test_tables_of_no_row_and_one(rows: int) -> None:
    lines = TABLE.splitlines(keepends=True)[: 1 + rows]
    Path("people.csv").write_text("".join(lines))
    masked("people.csv", "-o", "out.csv")
    assert len(Path("out.csv").read_text().splitlines()) == 1 + rows
    masked("people.csv", "-o", "out.parquet")
    assert pq.read_table("out.parquet").num_rows == rows
    empty = pa.table({"id": [1], "name": ["x"], "day": pa.array([None], pa.date32()), "ward": [[1]]}).slice(0, rows)
    pq.write_table(empty, "typed.parquet")
    masked("typed.parquet", "-o", "typed-out.parquet")
    assert pq.read_table("typed-out.parquet").schema.types == [pa.string(), pa.date32(), pa.list_(pa.int64())]
    refused(3, "cannot hold", "typed.parquet", *MASK[1:-1], "lists.csv")


def test_lines_that_are_no_rows_are_said() -> None:
    Path("people.csv").write_text(TABLE + 'p3,"over two\nlines",2020-01-01,North\n')
    assert "2 lines of the file are no rows" in masked("people.csv", "-o", "out.csv").stderr


def test_a_cell_of_ten_megabytes() -> None:
    table = pa.table(
        {"id": ["x" * 10_000_000, "p2"], "name": ["a", "b"], "day": [None, None], "ward": ["N", "y" * 10_000_000]}
    )
    pq.write_table(table.set_column(2, "day", pa.array([None, None], pa.string())), "people.parquet")
    masked("people.parquet", "-o", "out.parquet")
    found = pq.read_table("out.parquet")
    assert [len(cell) for cell in found.column("id").to_pylist()] == [32, 32]
    assert [len(cell) for cell in found.column("ward").to_pylist()] == [1, 10_000_000]


def test_outputs_are_never_overwritten_by_accident() -> None:
    masked("people.csv", "-o", "out.csv")
    refused(2, "exists", *MASK)
    masked("people.csv", "-o", "out.csv", "--force")
    refused(2, "table itself", *MASK[:-1], "people.csv", "--force")
    refused(2, "unknown output format", *MASK[:-1], "out.txt")
    refused(1, "folder", *MASK[:-1], "nowhere/out.csv")
    refused(2, "needs a folder|need a folder", "people.csv", "out.csv", *MASK[1:-1], "-")
    refused(2, "two tables are named", "people.csv", "./people.csv", *MASK[1:-1], "out/")
    refused(2, "DATA is missing", *MASK[1:])
    refused(2, "policy is needed", "people.csv", "-o", "x.csv")
    assert "both write to stdout" in json.loads(run(*MASK[:-1], "-", "--json").stdout)["error"]["message"]


def test_several_tables_appear_together_or_not_at_all() -> None:
    shutil.copy("people.csv", "others.csv")
    Path("broken.csv").write_text(TABLE.replace("2020-02-28", "soon"))
    refused(3, "does not fit", "people.csv", "broken.csv", *MASK[1:-1], "out.csv.d/")
    assert not Path("out.csv.d").exists()
    refused(3, "does not fit", "broken.csv", *MASK[1:-1], "alone/")
    assert not Path("alone").exists()
    Path("kept").mkdir()
    refused(3, "does not fit", "people.csv", "broken.csv", *MASK[1:-1], "kept/")
    assert not list(Path("kept").iterdir())
    masked("people.csv", "others.csv", "-o", "out.csv.d")
    assert {path.name for path in Path("out.csv.d").glob("*.csv")} == {"people.csv", "others.csv"}


def test_a_table_masked_with_another_key_is_noticed() -> None:
    shutil.copy("people.csv", "visits.csv")
    inner = POLICY.split("\n", 1)[1].replace("\n", "\n    ")
    Path("policy.yaml").write_text(
        f"dpsynth: {{version: 1}}\ntables:\n  people:\n    {inner}\n  visits:\n    {inner}\n"
    )
    Path("out").mkdir()
    masked("people.csv", "-o", "out/people.csv")
    Path("other.key").write_text(OTHER)
    arguments = ("visits.csv", "-p", "policy.yaml", "-o", "out/visits.csv")
    refused(3, "another key", *arguments, "--key-file", "other.key")
    masked("visits.csv", "-o", "out/visits.csv")
    refused(3, "no table 'others'", "others.csv", *MASK[1:])


def test_a_join_that_the_policy_breaks_is_refused_and_one_that_it_means_to_break_is_told() -> None:
    shutil.copy("people.csv", "visits.csv")
    inner = POLICY.split("\n", 1)[1].replace("\n", "\n    ")
    short = inner.replace("mask: pseudonym", "mask: {pseudonym: {length: 20}}")
    apart = inner.replace("mask: pseudonym", "mask: {pseudonym: {namespace: visits}}")
    for other, code in ((short, 3), (apart, 0)):
        Path("policy.yaml").write_text(
            f"dpsynth: {{version: 1}}\ntables:\n  people:\n    {inner}\n  visits:\n    {other}\n"
        )
        result = run("people.csv", "visits.csv", "-p", "policy.yaml", "--key-file", "mask.key", "-o", "out/")
        assert result.exit_code == code, result.output
        assert "people.id and visits.id shared 2 values, and share 0 now" in result.stderr


def test_a_table_that_was_changed_since_its_sidecar_is_refused() -> None:
    masked("people.csv", "-o", "masked.csv")
    with Path("masked.csv").open("a") as file:
        file.write("p9,,\n")
    Path("policy.yaml").write_text(POLICY.replace("  - {name: name, dpsynth: {role: direct-id}}\n", ""))
    refused(3, "not the one its sidecar describes", "masked.csv", *MASK[1:])


def test_frames_of_pandas_are_masked_too() -> None:
    frame = pd.DataFrame(
        {"id": [1, 2], "name": [CELL, None], "day": pd.to_datetime(["2020-01-01", None]), "ward": ["a", "b"]}
    )
    outcome = dpsynth.mask(frame, "policy.yaml", key_file="mask.key")
    found = outcome.table
    assert found is not None
    assert found.column_names == ["id", "day", "ward"]
    assert found.column("ward").to_pylist() == ["a", "b"]
    assert pa.types.is_timestamp(found.schema.field("day").type)
    with pytest.raises(DataMismatchError, match="does not say"):
        dpsynth.mask(frame.assign(extra=1), "policy.yaml", key_file="mask.key")
    assert dpsynth.mask(frame.assign(extra=1), "policy.yaml", key_file="mask.key", others="keep").tables[0].kept == (
        "ward",
        "extra",
    )
    assert os.environ.get("DPSYNTH_MASK_KEY") is None
