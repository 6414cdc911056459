"""``dpsynth mask``: the clinic of the examples under one key, and what stands beside its tables."""

import json
import stat
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq
import pytest

import dpsynth
from dpsynth.tables import verify_sidecar
from mask_examples import CELL, KEY, POLICY, TABLE, TABLES, masked, prepare, refused, run


@pytest.fixture(autouse=True)
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    prepare(folder)
    monkeypatch.chdir(folder)


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
