"""No chain of commands leads to a fit that does not know what was done: labels within tables, links, types, people."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pyarrow as pa
import pytest
from click.testing import CliRunner
from pyarrow import csv

import dpsynth
from anonymize_examples import FIVE, people, policy
from dpsynth.cli.main import APPLICATION
from dpsynth.errors import DataMismatchError, DpsynthError, FileFormatError, NoGuaranteeError
from dpsynth.ledger import Ledger
from dpsynth.pipeline import fit as journey
from dpsynth.pipeline.anonymize import anonymize
from dpsynth.pipeline.mask import mask
from dpsynth.pipeline.preprocessing import preprocessing_of
from dpsynth.privacy.labels import Label
from dpsynth.privacy.unit import Unit
from dpsynth.tables import write_sidecar, write_table

KEY = bytes(range(32))
NAMES = ("out.parquet", "out.arrow")
PSEUDONYMS = {"dpsynth": {"version": 1}, "fields": [{"name": "name", "dpsynth": {"mask": "pseudonym"}}]}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("name", NAMES)
def test_a_file_that_lost_its_sidecar_says_itself_what_was_done(name):
    anonymize(people(), FIVE, name)
    Path(f"{name}.dpsynth.json").unlink()
    ledger = Ledger.in_memory()
    with pytest.raises(NoGuaranteeError, match="no finite stability"):
        journey.fit(name, None, epsilon=1, ledger=ledger)
    again = mask(name, {"dpsynth": {"version": 1}, "fields": [{"name": "sex"}]}, others="keep").tables[0]
    assert [label.partition(" ")[0] for label in again.labels].count("NON-DP") == 1


def _without_name(document):
    return {**document, "fields": [one for one in document["fields"] if one["name"] != "name"]}


def test_a_table_in_memory_says_what_was_done():
    with pytest.raises(NoGuaranteeError, match="no finite stability"):
        dpsynth.fit(anonymize(people(), FIVE).table, None, epsilon=1, ledger=Ledger.in_memory())
    twice = mask(mask(people(), PSEUDONYMS, key=KEY, others="drop").table, PSEUDONYMS, key=KEY)
    assert sum("pseudonym of 'name'" in label for label in twice.tables[0].labels) == 2


@pytest.mark.parametrize("name", NAMES)
def test_without_a_sidecar_nothing_is_believed_to_be_synthetic(name):
    table = people().drop_columns(["name"])
    write_table(table.to_batches(), table.schema, name, force=False, labels=["POST sample"])
    assert any(label.startswith("POST") for label in anonymize(name, _without_name(FIVE)).labels[1:])
    Path(f"{name}.dpsynth.json").unlink()
    assert anonymize(name, _without_name(FIVE)).labels[-1].startswith("NON-DP")


@pytest.mark.parametrize("name", NAMES)
def test_a_sidecar_that_was_edited_is_refused(name):
    anonymize(people(), FIVE, name)
    write_sidecar(name, ["FREE nothing"], hashlib.sha256(Path(name).read_bytes()).hexdigest())
    for unread in (False, True):
        with pytest.raises(DataMismatchError, match="other labels"):
            preprocessing_of(name, Unit(), unread=unread)


@pytest.mark.parametrize("held", [b"[", b"{}", b"[1]", b"[" * 100_000, b"\xff"])
def test_metadata_without_labels_are_refused(held):
    table = people().replace_schema_metadata({b"dpsynth.labels": held})
    with pytest.raises(FileFormatError, match="no labels"):
        preprocessing_of(table, Unit())


def test_a_link_hides_no_sidecar():
    Path("apart").mkdir()
    Path("link.csv").symlink_to("apart/real.csv")
    anonymize(people(), FIVE, "link.csv")
    Path("other.csv").symlink_to("apart/real.csv")
    for name in ("link.csv", "other.csv", "apart/real.csv"):
        with pytest.raises(NoGuaranteeError, match="no finite stability"):
            preprocessing_of(name, Unit())


def test_what_goes_to_stdout_is_said_to_carry_no_labels():
    csv.write_csv(people(), "people.csv")
    Path("policy.yaml").write_text(json.dumps(FIVE), encoding="utf-8")
    Path("mask.yaml").write_text(json.dumps(PSEUDONYMS), encoding="utf-8")
    Path("mask.key").write_text(KEY.hex(), encoding="utf-8")
    for command in (
        ["anonymize", "people.csv", "--policy", "policy.yaml"],
        ["mask", "people.csv", "--policy", "mask.yaml", "--key-file", "mask.key", "--others", "keep"],
    ):
        found = CliRunner().invoke(APPLICATION, [*command, "-o", "-"])
        assert found.exit_code == 0, found.output
        assert "carries no labels" in found.stderr
        assert "carries no labels" not in CliRunner().invoke(APPLICATION, [*command, "-o", f"{command[0]}.csv"]).stderr


def test_no_table_appears_before_its_sidecar(monkeypatch):
    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("dpsynth.tables.writing.write_sidecar", killed)
    with pytest.raises(KeyboardInterrupt):
        anonymize(people(), FIVE, "out.csv")
    assert not Path("out.csv").exists()


FIXED = {"role": "quasi", "level": 0, "hierarchy": {"groups": {"some": [1, 2, 3]}, "uncovered": "top"}}
LISTED = {"role": "quasi", "level": 0, "hierarchy": {"paths": [[1, "*"], [2, "*"], ["?", "*"]]}}


@pytest.mark.parametrize(
    ("field", "rows", "more", "kind"),
    [
        (FIXED, [1, 2, 3], 9, pa.int64()),
        (LISTED, [1, 2], None, pa.int64()),
        ({"role": "quasi", "level": 0}, [1, 2], 4_000_000, pa.date32()),
        ({"role": "quasi", "level": 1}, [], 1, pa.int64()),
    ],
)
def test_no_row_decides_the_type_of_a_column(field, rows, more, kind):
    made = []
    for held in (rows, [*rows, more]):
        table = pa.table({"a": pa.array(held, pa.int32() if kind == pa.date32() else kind).view(kind)})
        asked = policy({"a": field}, [], missingValues=["?"], limits={"method": "fixed"})
        outcome = anonymize(table, asked)
        assert outcome.labels == (f"FREE(merges [\"a\"]) fixed levels: 'a' {field['level']}",)
        made.append(outcome.table)
    assert made[0].schema.types == made[1].schema.types
    assert set(made[0]["a"].cast(pa.string()).to_pylist()) <= set(made[1]["a"].cast(pa.string()).to_pylist())


def test_a_level_of_values_may_merge_persons_too():
    fields = {"who": {**FIXED}, "sex": {}}
    table = pa.table({"who": [8, 9, 1], "sex": ["f", "m", "f"]})
    anonymize(table, policy(fields, [], limits={"method": "fixed"}), "out.csv")
    with pytest.raises(NoGuaranteeError, match="one person of several"):
        preprocessing_of("out.csv", Unit("who", 1))


@pytest.mark.parametrize("synthetic", [False, True])
def test_a_synthetic_table_that_was_counted_in_real_people_is_none(synthetic):
    table = people().drop_columns(["name"])
    write_table(table.to_batches(), table.schema, "made.parquet", force=False, labels=["POST sample"])
    csv.write_csv(people(400), "register.csv")
    if synthetic:
        write_sidecar("register.csv", ["POST sample"], hashlib.sha256(Path("register.csv").read_bytes()).hexdigest())
    asked = {**_without_name(FIVE), "models": [{"k-map": {"k": 5, "population": "register.csv"}}]}
    Path("policy.yaml").write_text(json.dumps(asked), encoding="utf-8")
    label = Label.parse(anonymize("made.parquet", "policy.yaml").labels[-1], "made.parquet")
    assert label.kind == ("POST" if synthetic else "NON-DP")


def test_raw_bytes_of_one_width_are_cells_like_any_other():
    table = pa.table({"name": pa.array([b"abc", b"abd"], pa.binary(3)), "sex": pa.array([b"f", b"m"], pa.binary(1))})
    found = mask(table, PSEUDONYMS, key=KEY, others="keep").table
    assert (
        found
        == mask(
            table.cast(pa.schema([("name", "string"), ("sex", "string")])), PSEUDONYMS, key=KEY, others="keep"
        ).table
    )
    fields = {"name": {"mask": "drop"}, "sex": {"role": "quasi"}}
    with pytest.raises(DpsynthError, match="every row"):
        anonymize(table, policy(fields, [{"k-anonymity": {"k": 3}}]))
