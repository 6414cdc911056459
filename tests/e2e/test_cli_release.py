"""``dpsynth release`` and ``key``: what leaves, what never does, what refuses, and that packages can be made again."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import zipfile
from pathlib import Path

import pytest
from pyarrow import parquet

import dpsynth
from dpsynth.cli.passphrases import PASSPHRASE
from dpsynth.ledger import Ledger
from dpsynth.pipeline.sample import sample
from dpsynth.release.keys import PublicKey
from dpsynth.release.metadata import table_schema
from release_examples import SCHEMA, people
from release_journey import (
    MARKER,
    assert_others_find_nothing_wrong,
    audit_of,
    enter,
    members,
    prepare,
    refused,
    release,
    run,
    unpacked,
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    prepare(folder)
    return folder


@pytest.fixture(autouse=True)
def folder(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    enter(made, tmp_path, monkeypatch)
    return tmp_path


# --- what leaves -------------------------------------------------------------------------------------------------


def test_a_release_verifies_with_the_zip_and_the_public_key_alone(tmp_path):
    found = release("--recipient", "City", "--license", "CC-BY-4.0", "--title", "Made-up people")
    assert found.exit_code == 0, found.output
    assert "recorded in the ledger" in found.stdout
    assert "begin with = + - or @" in found.stderr
    partner = tmp_path / "partner"
    partner.mkdir()
    shutil.copy("r.zip", partner)
    shutil.copy("k.pub", partner)
    checked = run("verify", partner / "r.zip", "--key", partner / "k.pub", "--json")
    assert checked.exit_code == 0, checked.output
    checks = {one["check"]: one["outcome"] for one in json.loads(checked.stdout)["result"]["checks"]}
    assert {name for name, outcome in checks.items() if outcome != "holds"} == {"model"}


@pytest.mark.parametrize("out", ["r.zip", "r"])
def test_other_tools_find_nothing_wrong(out):
    assert release(out=out).exit_code == 0
    assert_others_find_nothing_wrong(Path(out) if out == "r" else unpacked(out), deep=out != "r")


def test_the_same_inputs_give_the_same_bytes_and_one_event():
    assert release("--recipient", "City").exit_code == 0
    again = release("--recipient", "City", out="again.zip")
    assert "the ledger knew this release already" in again.stdout
    assert Path("r.zip").read_bytes() == Path("again.zip").read_bytes()
    assert release("--recipient", "Town", out="town.zip").exit_code == 0
    events = Ledger.open().events(releases=True)
    assert [one.secret("recipient") for one in events] == ["City", "Town"]
    assert Ledger.open().verify().problems == ()


def test_both_forms_of_a_table_give_the_same_rows():
    assert release().exit_code == 0
    audit = audit_of("t.parquet", "m.dps")
    Path("p.json").write_text(json.dumps(audit), encoding="utf-8")
    assert release(table="t.parquet", audit="p.json", out="p.zip").exit_code == 0
    first, second = members(), members("p.zip")
    assert first["data/people.csv"] == second["data/people.csv"] == Path("t.csv").read_bytes()
    assert first["data/people.parquet"] == second["data/people.parquet"]


def test_nothing_internal_is_in_a_package():
    assert release("--recipient", MARKER, "--with-model", out="r.zip").exit_code == 0
    assert release("--override", MARKER, audit="f.json", out="o.zip").exit_code == 0
    assert "ledger.jsonl" in members()
    user = {os.environ.get("USER", ""), str(Path.cwd()), os.uname().nodename} - {""}
    real = hashlib.sha256(Path(f"{MARKER}.parquet").read_bytes()).hexdigest()
    unwanted = {MARKER, "0.123456", "INCONCLUSIVE", real, *(one for one in user if len(one) > 4)}
    found = [(path, name, readable(content)) for path in ("r.zip", "o.zip") for name, content in members(path).items()]
    assert not [(path, name, one) for path, name, text in found for one in unwanted if one.encode() in text]
    assert [b"transaction" in text for _, name, text in found if name == "model.dps"] == [True]


def readable(content: bytes) -> bytes:
    """The bytes, and those of the members of a zip or the metadata of a Parquet file, which are compressed in it."""
    if content.startswith(b"PK"):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return content + b"".join(archive.read(name) for name in archive.namelist())
    if content.startswith(b"PAR1"):
        return content + repr(parquet.read_table(io.BytesIO(content)).schema.metadata).encode()
    return content


def test_an_override_is_on_the_first_page_and_its_reason_in_the_ledger():
    assert "RELEASED UNDER OVERRIDE" in release("--override", "the board", audit=None).stdout
    found = members()
    assert b"RELEASED UNDER OVERRIDE" in found["README.md"].split(b"##")[0]
    assert json.loads(found["report.json"])["override"] is True
    assert b"override" in found["report.html"][:20_000].lower()
    shown = run("ledger", "show", "--releases")
    assert "override: the board" in shown.stdout


def test_what_was_given_to_whom_and_withdrawn():
    digest = json.loads(release("--recipient", "City", "--json").stdout)["result"]["digest"]
    assert run("sample", "m.dps", "-n", 200, "--seed", 2, "-o", "n.csv").exit_code == 0
    Path("n.json").write_text(json.dumps(audit_of("n.csv", "m.dps")), encoding="utf-8")
    newer = release("--withdraws", digest[:8], table="n.csv", audit="n.json", out="n.zip")
    assert newer.exit_code == 0, newer.output
    listed = json.loads(run("ledger", "show", "--releases", "--json").stdout)["result"]["releases"]
    assert [(one["recipient"], bool(one["withdrawn"])) for one in listed] == [("City", True), (None, False)]
    unknown = release("--withdraws", "00000000", out="x.zip")
    assert (unknown.exit_code, "no one release" in unknown.stderr) == (2, True)


# --- what refuses ------------------------------------------------------------------------------------------------


def test_gates():
    refused(release(audit=None), 5, "not audited")
    refused(release(audit="f.json"), 5, "INCONCLUSIVE")
    refused(release("--override", " "), 2, "needs a reason")
    Path("other.json").write_text(json.dumps(audit_of("t.parquet", "m.dps")), encoding="utf-8")
    refused(release(audit="other.json"), 3, "another synthetic table")
    refused(release("--override", "because", audit="other.json"), 3)
    assert not Ledger.open().events(releases=True)


def test_tables_and_models_that_nobody_vouches_for():
    refused(release("--override", "x", table="none.csv", audit=None), 3, "no such file")
    shutil.copy("t.csv", "bare.csv")
    refused(release("--override", "x", table="bare.csv", audit=None), 3, "it may be anything")
    Path("t.csv").write_text(Path("t.csv").read_text() + "1,clerk,1.5,1950-05-12,true\n")
    refused(release("--override", "x", audit=None), 3, "not the one its sidecar describes")
    memory = dpsynth.fit(
        people(), dpsynth.Schema.loads(SCHEMA), epsilon=1, ledger=Ledger.in_memory(), method="independent"
    )
    memory.save("m.dps", force=True)
    assert run("sample", "m.dps", "-n", 10, "-o", "e.csv").exit_code == 0
    refused(release("--override", "x", table="e.csv", audit=None), 9, "ended with its process")


def test_a_ledger_of_another_population():
    refused(release("--ledger", "other.db"), 8, "other.db: no such ledger")
    words = ("audit", "release", f"{MARKER}.parquet", "t.csv", "--model", "m.dps", "-o", "new.json")
    refused(run(*words, "--ledger", "other.db"), 8, "other.db: no such ledger")
    assert not Path("new.json").exists()
    assert not Path("other.db").exists()
    assert run("ledger", "create", "others", "--epsilon", 1, "--delta", "1e-9", "--ledger", "other.db").exit_code == 0
    refused(release("--ledger", "other.db"), 8, "another population")
    refused(release(audit="nowhere.json"), 3, "nowhere.json: no such file", "dpsynth audit release")


def test_keys(monkeypatch):
    refused(release(key="nowhere"), 3)
    Path("k").chmod(0o644)
    refused(release(), 2, "chmod 600")
    Path("t.key").write_text("no key")
    Path("t.key").chmod(0o600)
    refused(release(key="t.key"), 3, "not a private key")
    monkeypatch.setenv(PASSPHRASE, "open sesame")
    assert run("key", "create", "-o", "locked").exit_code == 0
    assert b"ENCRYPTED" in Path("locked").read_bytes()
    assert Path("locked").stat().st_mode & 0o777 == 0o600
    monkeypatch.setenv(PASSPHRASE, "wrong")
    refused(release(key="locked"), 2, "does not open")
    monkeypatch.delenv(PASSPHRASE)
    refused(release(key="locked"), 2, "locked")
    monkeypatch.setenv(PASSPHRASE, "open sesame")
    assert release(key="locked").exit_code == 0
    again = run("key", "create", "-o", "locked")
    assert (again.exit_code, "--force" in again.stderr, "never replaced" in again.stderr) == (2, False, True)
    shown = run("key", "show", "locked")
    assert PublicKey.load("locked.pub").text in shown.stdout
    assert run("key", "show", "locked.pub").stdout == shown.stdout


def test_a_key_that_nobody_is_there_to_lock(monkeypatch):
    monkeypatch.delenv(PASSPHRASE, raising=False)
    found = run("key", "create", "-o", "new")
    assert (found.exit_code, Path("new").exists()) == (2, False)
    assert run("key", "create", "--no-passphrase", "-o", "new").exit_code == 0
    assert run("key", "show", "t.csv").exit_code == 3


def test_outputs_are_kept():
    Path("r").mkdir()
    Path("r/mine.txt").write_text("mine")
    assert release(out="r").exit_code == 2
    assert release("--force", out="r").exit_code == 2
    assert Path("r/mine.txt").read_text() == "mine"
    assert release(out="-").exit_code == 2
    assert release(out="p").exit_code == 0
    assert release(out="p").exit_code == 2
    assert release("--force", out="p").exit_code == 0
    assert not list(Path().glob(".*.part*"))
    refused(release("--name", "Bad Name"), 2, "lower case")
    refused(release("--license", "no such license"), 2, "SPDX")


def test_an_empty_table_is_said():
    sample("m.dps", "e.csv", n=0)
    found = release("--override", "a test", table="e.csv", audit=None)
    assert found.exit_code == 0, found.output
    assert "The table is empty" in found.stderr
    assert run("verify", "r.zip", "--key", "k.pub").exit_code == 0


def test_booleans_are_described_as_they_are_written():
    schema = dpsynth.Schema.loads(
        "dpsynth: {version: 1, name: p}\nfields:\n  - {name: ok, type: boolean, trueValues: [yes], falseValues: [no], "
        "dpsynth: {source: public}}\n"
    )
    assert table_schema(schema, ["ok"])["fields"] == [{"name": "ok", "type": "boolean"}]


def test_schema_check_names_categories_that_look_like_formulas():
    found = run("schema", "check", "s.yaml")
    assert found.exit_code == 0
    assert "Texts of job begin with" in found.stderr
