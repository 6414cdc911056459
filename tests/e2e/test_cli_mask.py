"""``dpsynth mask``: the clinic of the examples under one key, and everything that can go wrong."""

import gzip
import json
import os
import re
import shutil
import stat
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

import dpsynth
from dpsynth.cli.main import APPLICATION
from dpsynth.errors import DataMismatchError
from dpsynth.tables import verify_sidecar

CELL = "Zaphod"
KEY = bytes(range(32)).hex()
OTHER = bytes(range(7, 39)).hex()
TABLES = ("patients", "conditions", "medications", "allergies")
POLICY = """\
dpsynth: {version: 1}
fields:
  - {name: id, dpsynth: {role: direct-id, mask: pseudonym}}
  - {name: name, dpsynth: {role: direct-id}}
  - {name: day, dpsynth: {mask: {shift: {days: [-9, 9], by: id}}}}
  - {name: ward, dpsynth: {role: quasi}}
"""
TABLE = f"id,name,day,ward\np1,{CELL},2020-02-28,North\np2,{CELL},2020-03-01,\np1,,,South\n"


@pytest.fixture(autouse=True)
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    Path("policy.yaml").write_text(POLICY)
    Path("people.csv").write_text(TABLE)
    Path("mask.key").write_text(KEY + "\n")
    Path("mask.key").chmod(0o600)
    return folder


def run(*arguments: str) -> Result:
    return CliRunner().invoke(APPLICATION, ["mask", *arguments])


def masked(*arguments: str) -> Result:
    result = run(*arguments, "--policy", "policy.yaml", "--key-file", "mask.key")
    assert result.exit_code == 0, result.output
    return result


def contents() -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in Path().rglob("*") if path.is_file()}


def refused(code: int, message: str, *arguments: str) -> None:
    """This code and one message; nothing appears or changes; no cell and no key is shown."""
    before = contents()
    result = run(*arguments)
    assert result.exit_code == code, result.output
    assert re.search(message, result.stderr), result.stderr
    for secret in (CELL, KEY, OTHER, "Traceback", "unexpected"):
        assert secret not in result.output
    assert contents() == before


MASK = ("people.csv", "--policy", "policy.yaml", "--key-file", "mask.key", "-o", "out.csv")

# --- the journey -----------------------------------------------------------------------------------------------


def clinic(root: Path) -> dict[str, pd.DataFrame]:
    return {name: pd.read_csv(root / "examples/clinic" / f"{name}.csv", dtype=str) for name in TABLES}


def test_four_tables_of_a_clinic_join_after_masking_as_before(root: Path) -> None:
    folder = root / "examples/clinic"
    files = [str(folder / f"{name}.csv") for name in TABLES]
    result = run(*files, "-p", str(folder / "policy.yaml"), "--key-file", "mask.key", "-o", "out/")
    assert result.exit_code == 0, result.output
    assert "still personal data" in result.stderr
    assert "patients.Id and conditions.PATIENT share" in result.stderr
    before = clinic(root)
    after = {name: pd.read_csv(f"out/{name}.csv", dtype=str) for name in TABLES}
    patients, masked_patients = before["patients"], after["patients"]
    to = dict(zip(patients.Id, masked_patients.Id, strict=True))
    days = {}
    for person, old, new in zip(patients.Id, patients.BIRTHDATE, masked_patients.BIRTHDATE, strict=True):
        days[person] = pd.Timestamp(new) - pd.Timestamp(old)
        assert abs(days[person].days) <= 60
    assert len(set(days.values())) > 5
    for name in TABLES[1:]:
        assert after[name].PATIENT.tolist() == before[name].PATIENT.map(to).tolist()
        for column in ("START", "STOP"):
            moved = pd.to_datetime(after[name][column]) - pd.to_datetime(before[name][column])
            expected = before[name].PATIENT.map(days).where(before[name][column].notna())
            assert moved.equals(expected.astype(moved.dtype))
        assert after[name].CODE.tolist() == before[name].CODE.tolist()
        assert "DESCRIPTION" not in after[name]
    assert masked_patients.SSN.str.fullmatch(r"\d{3}-\d{2}-\d{4}").all()
    assert not set(masked_patients.SSN) & set(patients.SSN)
    assert masked_patients.DRIVERS.isna().tolist() == patients.DRIVERS.isna().tolist()
    assert {"PASSPORT", "MAIDEN", "ADDRESS", "CITY"}.isdisjoint(masked_patients)
    written = b"".join(Path("out").joinpath(f"{name}.csv").read_bytes() for name in TABLES).decode()
    identifying = patients[["Id", "SSN", "FIRST", "LAST", "ADDRESS"]].to_numpy().ravel()
    assert not [value for value in identifying if value in written]
    assert not [path.name for path in Path("out").iterdir() if path.name.startswith(".")]


def test_the_same_key_masks_alike_in_another_call_and_format(root: Path) -> None:
    folder = root / "examples/clinic"
    table = pc.read_csv(folder / "conditions.csv")
    pq.write_table(table, "conditions.parquet")
    policy = str(folder / "policy.yaml")
    one = dpsynth.mask(folder / "conditions.csv", policy, key=KEY).table
    two = dpsynth.mask("conditions.parquet", policy, key=bytes.fromhex(KEY)).table
    assert two.schema.field("START").type == pa.date32()
    assert two.schema.field("CODE").type == pa.int64()
    assert one.column("PATIENT").to_pylist() == two.column("PATIENT").to_pylist()
    assert one.column("START").to_pylist() == [day.isoformat() for day in two.column("START").to_pylist()]
    assert one.column("CODE").to_pylist() == [str(code) for code in two.column("CODE").to_pylist()]
    frames = dpsynth.mask({"conditions": table, "allergies": folder / "allergies.csv"}, policy, key=KEY)
    assert frames.tables[0].table.equals(two)
    assert all(join.holds for join in frames.joins)


def test_nulls_order_and_rows_stay_and_no_column_is_added() -> None:
    result = masked("people.csv", "-o", "out.csv")
    assert "identifiers without a mask: name" in result.stderr
    lines = Path("out.csv").read_text().splitlines()
    assert lines[0] == "id,day,ward"
    rows = [line.split(",") for line in lines[1:]]
    assert [row[2] for row in rows] == ["North", "", "South"]
    assert rows[0][0] == rows[2][0] != rows[1][0]
    assert rows[2][1] == ""
    assert CELL not in Path("out.csv").read_text()


def test_spellings_of_a_missing_cell_stay() -> None:
    Path("people.csv").write_text(TABLE.replace(f"p2,{CELL},2020-03-01", f"?,{CELL},").replace("2020-02-28", " ? "))
    Path("policy.yaml").write_text(POLICY.replace("fields:", 'missingValues: ["?"]\nfields:'))
    masked("people.csv", "-o", "out.csv")
    rows = [line.split(",") for line in Path("out.csv").read_text().splitlines()[1:]]
    assert [row[0] == "?" for row in rows] == [False, True, False]
    assert rows[0][1] == " ? "


def test_the_sidecar_carries_labels_and_the_id_of_the_key_but_never_the_key() -> None:
    result = masked("people.csv", "-o", "out.parquet", "--json")
    found = json.loads(result.stdout)["result"]
    sidecar = verify_sidecar("out.parquet")
    assert sidecar is not None
    assert list(sidecar.labels) == found["tables"][0]["labels"]
    assert all(label.startswith("FREE ") for label in sidecar.labels)
    assert sum("not protection" in label and found["key_id"] in label for label in sidecar.labels) == 2
    assert "dropped 'name'" in sidecar.labels[-1]
    for path in Path().iterdir():
        assert path.name == "mask.key" or KEY.encode() not in path.read_bytes()
    again = POLICY.replace("direct-id, mask: pseudonym", "direct-id, mask: {redact: {first: 2}}").replace(
        "  - {name: name, dpsynth: {role: direct-id}}\n", ""
    )
    Path("policy.yaml").write_text(again)
    masked("out.parquet", "-o", "twice.csv")
    second = verify_sidecar("twice.csv")
    assert second is not None
    assert second.labels[: len(sidecar.labels)] == sidecar.labels
    assert len(second.labels) == len(sidecar.labels) + 2


def test_a_new_key_is_for_its_owner_and_never_overwritten() -> None:
    result = run("--new-key", "new.key")
    assert result.exit_code == 0, result.output
    assert stat.S_IMODE(Path("new.key").stat().st_mode) == 0o600
    text = Path("new.key").read_text().strip()
    assert text not in result.output
    assert len(bytes.fromhex(text)) == 32
    refused(2, "exists", "--new-key", "new.key")
    refused(1, "folder", "--new-key", "nowhere/new.key")
    refused(2, "alone", "people.csv", "--new-key", "second.key")


def test_the_key_may_come_from_the_environment_and_a_readable_file_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    masked("people.csv", "-o", "one.csv")
    monkeypatch.setenv("DPSYNTH_MASK_KEY", KEY)
    assert run("people.csv", "-p", "policy.yaml", "-o", "two.csv").exit_code == 0
    assert Path("one.csv").read_bytes() == Path("two.csv").read_bytes()
    Path("mask.key").chmod(0o644)
    assert "others can read mask.key" in masked("people.csv", "-o", "three.csv").stderr


def test_the_policy_as_it_is_understood_loads_again() -> None:
    result = run("people.csv", "-p", "policy.yaml", "--print-policy")
    assert result.exit_code == 0, result.output
    Path("printed.yaml").write_text(result.stdout)
    assert run("people.csv", "-p", "printed.yaml", "--print-policy").stdout == result.stdout


def test_a_schema_counts_where_the_policy_is_silent() -> None:
    Path("schema.yaml").write_text(
        "dpsynth: {version: 1, name: people}\nfields:\n"
        "  - {name: id, type: string, dpsynth: {role: direct-id}}\n"
        "  - {name: name, type: string, dpsynth: {role: direct-id}}\n"
        "  - {name: day, type: string, constraints: {enum: [a]}, dpsynth: {source: public}}\n"
        "  - {name: ward, type: string, constraints: {enum: [a]}, dpsynth: {role: quasi, source: public}}\n"
    )
    fields = "dpsynth: {version: 1}\nfields:\n  - {name: ward, dpsynth: {mask: {constant: here}}}\n"
    Path("policy.yaml").write_text(fields)
    result = run("people.csv", "-p", "policy.yaml", "-s", "schema.yaml", "-o", "out.csv")
    assert result.exit_code == 0, result.output
    assert Path("out.csv").read_text().splitlines()[0] == "day,ward"
    refused(2, "one table", "people.csv", "out.csv", "-p", "policy.yaml", "-s", "schema.yaml", "-o", "both/")


# --- bad input -------------------------------------------------------------------------------------------------

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
        "{version: 1, unit: {column: id, max_rows: 3}}\nfields:\n  - {name: id, dpsynth: {role: direct-id, mask: {redact: {first: 1}}}}",
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
    assert not list(Path("out.csv.d").iterdir())
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
