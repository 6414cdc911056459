"""No value of a real row leaves with a model through its schema: from a draft that was filled in, to the package.

Every cell of the table is a marker. Columns that the model does not hold keep what ``schema init --peek`` copied.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner, Result

import dpsynth
from dpsynth.cli.main import APPLICATION
from dpsynth.ledger import Ledger
from dpsynth.release.keys import PrivateKey
from dpsynth.schema import Schema
from release_journey import audit_of

TEXT, NUMBERS = "zanzibar", ("777123", "777999", "1777-07-17", "1777-09-19")
ROWS = 300


def run(*words: object) -> Result:
    return CliRunner().invoke(APPLICATION, [str(word) for word in words])


def ok(*words: object) -> Result:
    found = run(*words)
    assert found.exit_code == 0, found.output
    assert_clean(found.output.encode(), " ".join(map(str, words)))
    return found


def people() -> pd.DataFrame:
    half = [row % 2 for row in range(ROWS)]
    pick = {
        "who": [f"{TEXT} {row}" for row in range(ROWS)],
        "doctor": [f"{TEXT} doctor {one}" for one in half],
        "zip": [NUMBERS[one] for one in half],
        "born": [NUMBERS[2 + one] for one in half],
        "ward": [f"{TEXT} ward {one}" for one in half],
        "stay": [f"{NUMBERS[one]}.5" for one in half],
        "factor": [NUMBERS[one] for one in half],
        "age": [NUMBERS[one] for one in half],
        "job": [f"{TEXT} job {one}" for one in half],
    }
    return pd.DataFrame(pick)


def texts(content: bytes) -> Iterator[bytes]:
    """The content, and that of every member where it is an archive."""
    yield content
    if zipfile.is_zipfile(io.BytesIO(content)):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for name in archive.namelist():
                yield from texts(archive.read(name))


def assert_clean(content: bytes, where: str) -> None:
    found = [mark for mark in (TEXT, *NUMBERS) for text in texts(content) if mark.encode() in text]
    assert not found, where


def filled_in() -> dict:
    """The draft of ``--peek``, its fields by name: what it copied is still there."""
    assert run("schema", "init", "people.csv", "--peek", "-o", "draft.yaml").exit_code == 0
    copied = Path("draft.yaml").read_text(encoding="utf-8")
    assert all(mark in copied for mark in (TEXT, *NUMBERS))
    return Schema.loads(copied).to_dict()


def settled() -> dict:
    """Columns marked as identifiers, dropped or weights as they are; those that are modeled get a made-up domain."""
    document = filled_in()
    fields = {one["name"]: one for one in document["fields"]}
    for name in ("who", "doctor", "zip", "born"):
        fields[name]["dpsynth"] |= {"role": "direct-id"}
    fields["who"].pop("constraints")  # more values than are listed: left open
    fields["who"]["dpsynth"] |= {"generate": {"regex": "P[0-9]{4}"}, "mask": {"constant": TEXT}}
    fields["doctor"] |= {"title": TEXT, "description": TEXT, "trueValues": [TEXT], "falseValues": [f"{TEXT} 2"]}
    fields["doctor"]["dpsynth"] |= {"public_reason": TEXT, "hierarchy": {"paths": [[f"{TEXT} doctor 0", TEXT]]}}
    fields["zip"]["dpsynth"] |= {"null": 777123, "bins": {"edges": [777123, 777999]}, "overflow": "null"}
    fields["ward"]["dpsynth"] |= {"mask": "drop"}
    fields["stay"]["dpsynth"] |= {"mask": "drop"}
    fields["factor"]["dpsynth"] |= {"role": "weight"}
    public = {"source": "public", "public_reason": "the form"}
    for name, constraints in (("age", {"minimum": 0, "maximum": 99}), ("job", {"enum": ["clerk", "cook"]})):
        fields[name] |= {"constraints": constraints, "dpsynth": dict(public)}
    fields["job"]["dpsynth"] |= {"hierarchy": {"paths": [["clerk", TEXT], ["cook", TEXT]]}, "overflow": "null"}
    return document


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DPSYNTH_LEDGER", str(tmp_path / "ledger.db"))
    people().to_csv("people.csv", index=False)
    PrivateKey.create().save("k")


def fitted() -> None:
    Path("s.yaml").write_text(Schema.from_dict(settled()).dump(), encoding="utf-8")
    checked = run("schema", "check", "s.yaml")
    assert checked.exit_code == 0, checked.output
    ok("fit", "people.csv", "-s", "s.yaml", "--epsilon", 1, "--method", "independent", "-o", "m.dps")


def sampled() -> None:
    ok("sample", "m.dps", "-n", 200, "-o", "t.csv")
    Path("a.json").write_text(json.dumps(audit_of("t.csv", "m.dps")), encoding="utf-8")


def released(*more: object) -> Result:
    return run("release", "t.csv", "--model", "m.dps", "--audit", "a.json", "--key", "k", "-o", "r.zip", *more)


def test_no_value_of_a_row_leaves_through_the_schema() -> None:
    fitted()
    assert_clean(Path("m.dps").read_bytes(), "m.dps")
    sampled()
    invented = pd.read_csv("t.csv", dtype=str)
    assert list(invented.columns) == ["who", "age", "job"]
    assert invented["who"].str.fullmatch("P[0-9]{4}").all()
    for form in ("html", "json", "md", "registry"):
        ok("report", "m.dps", "--synthetic", "t.csv", "--edition", "public", "--format", form, "-o", f"report.{form}")
    ok("show", "m.dps")
    ok("show", "m.dps", "--json")
    shown = ok("show", "m.dps", "--schema").stdout
    assert [one.name for one in Schema.loads(shown).fields] == list(people().columns)
    package = released("--with-model")
    assert package.exit_code == 0, package.output
    assert_clean(package.output.encode(), "release")
    with zipfile.ZipFile("r.zip") as archive:
        assert {"model.dps", "datapackage.json", "report.json"} <= set(archive.namelist())
    for path in (*Path().glob("report.*"), Path("t.csv"), Path("r.zip")):
        assert_clean(path.read_bytes(), path.name)
    assert ok("verify", "r.zip").exit_code == 0


def test_what_a_model_holds_is_refused_as_before() -> None:
    document = settled()
    next(one for one in document["fields"] if one["name"] == "job")["dpsynth"] = {"source": "data"}
    Path("s.yaml").write_text(Schema.from_dict(document).dump(), encoding="utf-8")
    assert run("fit", "people.csv", "-s", "s.yaml", "--epsilon", 1, "-o", "m.dps").exit_code == 9
    assert not Path("m.dps").exists()


def test_an_older_model_file_is_read_and_does_not_leave_as_it_is() -> None:
    fitted()
    model = dpsynth.load("m.dps")
    whole = Schema.load("s.yaml")
    assert model.schema == whole.public != whole
    object.__setattr__(model, "schema", whole)  # what older versions wrote
    model.write("m.dps")
    assert TEXT.encode() in b"".join(texts(Path("m.dps").read_bytes()))
    assert dpsynth.load("m.dps").schema == whole.public
    sampled()
    refused = released("--with-model")
    assert (refused.exit_code, Path("r.zip").exists()) == (9, False)
    assert "an older dpsynth wrote it" in refused.stderr
    assert_clean(refused.output.encode(), "the refusal")
    assert released().exit_code == 0
    assert_clean(Path("r.zip").read_bytes(), "r.zip")


NAMED = "the name of the file, up to its first dot, is that of the pool and of the schema"


@pytest.mark.parametrize(("pool", "schema"), [(None, "people"), ("town", "town"), ("TODO", "table")])
def test_without_a_schema_the_pool_names_it_and_by_default_the_file(pool: str | None, schema: str) -> None:
    """At this epsilon every value of 150 rows is found."""
    given = () if pool is None else ("--pool", pool)
    found = run("fit", "people.csv", "--epsilon", 200, "--method", "independent", *given, "-o", "m.dps")
    assert found.exit_code == 0, found.output
    assert (NAMED in found.stderr) is (pool is None)
    assert [one.name for one in Ledger.open().pools()] == [pool or "people"]
    model = dpsynth.load("m.dps")
    assert model.schema is not None
    assert model.schema.name == schema
    told = any(b"people" in text for text in texts(Path("m.dps").read_bytes()))
    assert told is (pool is None)
