"""What a package says of its pool and its draw, which words never get into it, and which release is the last word."""

from __future__ import annotations

import io
import json
import re
import shutil
from fractions import Fraction
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import ipc, parquet

from dpsynth.ledger import Ledger
from dpsynth.ledger import book as writer
from dpsynth.privacy.conversions import budget_of
from dpsynth.privacy.governor import Governor
from dpsynth.privacy.receipt import loss_record
from dpsynth.tables import write_sidecar
from release_examples import digest
from release_journey import MARKER, audit_of, enter, members, prepare, refused, release, run

DELTA = Fraction(1, 10**9)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    prepare(folder)
    return folder


@pytest.fixture(autouse=True)
def folder(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    enter(made, tmp_path, monkeypatch)
    return tmp_path


def verified(path: str = "r.zip") -> dict:
    return json.loads(run("verify", path, "--key", "k.pub", "--json").stdout)["result"]


def everything(path: str = "r.zip") -> bytes:
    """All bytes of a package, and what Parquet keeps compressed."""
    found = members(path)
    table = next(content for name, content in found.items() if name.endswith(".parquet"))
    return b"".join(found.values()) + repr(parquet.read_schema(io.BytesIO(table)).metadata).encode()


# --- the pool ----------------------------------------------------------------------------------------------------


def test_a_cap_raised_late_and_disclosures_are_said_wherever_the_total_is():
    raised = run("ledger", "raise", "town", "--epsilon", 2, "--delta", "1e-9", "--reason", MARKER)
    assert raised.exit_code == 0, raised.output
    Ledger.open().record("town", "DISCLOSURE", {"what": MARKER}, actor=MARKER)
    assert release("--override", MARKER, "--recipient", MARKER).exit_code == 0
    assert MARKER.encode() not in everything()
    readme = members()["README.md"].decode()
    late, disclosed = "the cap was raised after outputs had been seen", "plus 1 disclosure without DP: no bound holds"
    assert f"for all its releases together: ε = 2, δ = 1e-9; {late}; {disclosed} for the total." in readme.replace(
        "\\", ""
    )
    found = verified()
    assert found["verified"]
    assert found["pool"] == {"raised_after_outputs": True, "disclosures": 1}
    (pool,) = [one["words"] for one in found["checks"] if one["check"] == "pool"]
    assert late in pool
    assert disclosed in pool
    assert MARKER in run("ledger", "show", "--events").stdout
    entry = run("report", "m.dps", "--edition", "public", "--format", "registry", "-o", "entry.yaml")
    assert entry.exit_code == 0, entry.output
    said = " ".join(Path("entry.yaml").read_text(encoding="utf-8").split())
    assert re.search("raised.after.outputs(: true| had been seen)", said)
    assert re.search("(no bound holds for the total|no bound of the total)", said)


def test_of_a_pool_as_it_was_created_nothing_of_the_kind_is_said():
    assert release().exit_code == 0
    readme = members()["README.md"].decode()
    assert "for all its releases together: ε = 1, δ = 1e-9." in readme
    assert "raised" not in readme
    assert verified()["pool"] == {"raised_after_outputs": False, "disclosures": 0}


def test_words_that_an_earlier_version_made_public_are_named_to_the_giver():
    cap = loss_record(budget_of(Fraction(2), DELTA, Governor.GDP))
    with Ledger.open()._store.writing() as session:
        facts = {"epsilon": "2", "delta": str(DELTA), "cap": cap, "reason": MARKER}
        writer.append(session, "town", "RAISE", data=facts)
    found = release("--json")
    assert found.exit_code == 0, found.output
    (note,) = [one for one in json.loads(found.stdout)["result"]["notes"] if "RAISE" in one]
    assert "nothing can take them out" in note
    assert MARKER not in note
    assert MARKER.encode() in members()["ledger.jsonl"]
    assert verified()["verified"]


# --- the last word -----------------------------------------------------------------------------------------------


def test_the_last_word_on_a_release_counts():
    assert run("sample", "m.dps", "-n", 200, "--seed", 2, "-o", "n.csv").exit_code == 0
    Path("n.json").write_text(json.dumps(audit_of("n.csv", "m.dps")), encoding="utf-8")
    first, second = {"table": "t.csv", "audit": "a.json"}, {"table": "n.csv", "audit": "n.json"}

    def made(out: str, which: dict[str, str], *more: str) -> str:
        result = release("--json", *more, out=out, **which)
        assert result.exit_code == 0, result.output
        assert verified(out)["verified"], out
        return json.loads(result.stdout)["result"]["digest"]

    a = made("a1.zip", first)
    b = made("b1.zip", second, "--withdraws", a)
    # Packed again while it is withdrawn, then released again: the extract decides.
    assert made("a2.zip", first) == a
    assert made("b2.zip", second, "--withdraws", a) == b
    assert made("a3.zip", first, "--withdraws", b) == a
    assert made("b3.zip", second) == b
    events = [dict(one.data) for one in Ledger.open().events(releases=True)]
    told = [("-" + one["withdraws"][:2]) if "withdraws" in one else one["content"][:2] for one in events]
    assert told == [a[:2], f"-{a[:2]}", b[:2], a[:2], f"-{a[:2]}", f"-{b[:2]}", a[:2], b[:2]]
    assert Ledger.open().verify().ok


# --- the draw ----------------------------------------------------------------------------------------------------


def drawn(*wishes: str) -> tuple[str, str]:
    """The label of a sample under these wishes, and the first lines of its package's README."""
    assert run("sample", "m.dps", "-n", 60, "--seed", 3, *wishes, "-o", "w.csv").exit_code == 0
    (label,) = json.loads(Path("w.csv.dpsynth.json").read_text(encoding="utf-8"))["labels"]
    made = release("--override", "tests", table="w.csv", audit=None, out="w.zip")
    assert made.exit_code == 0, made.output
    assert verified("w.zip")["verified"]
    return label.partition("sample of model ")[2][16:], members("w.zip")["README.md"].decode().partition("##")[0]


@pytest.mark.parametrize(
    ("wishes", "said"),
    [
        (("--where", "job=clerk"), " where job=clerk"),
        (("--where", "job=clerk", "--where", "age 18..29"), " where job=clerk and age 18..29"),
        (("--where", "age 40..", "--balance", "ok"), " where age 40.. balanced by 'ok'"),
        (("--where", 'job in "cook, or ""chef""",clerk'), ' where job in "cook, or \\"chef\\"",clerk'),
        (("--balance", "job"), " balanced by 'job'"),
    ],
)
def test_a_table_drawn_under_a_condition_says_so_first(wishes, said):
    label, first = drawn(*wishes)
    assert label == said
    assert "DRAWN UNDER A CONDITION" in first
    assert said.strip() in first.replace("\\", "") or '"' in said
    assert json.loads(members("w.zip")["report.json"])["preprocessing"][-1].endswith(said)
    compared = run("evaluate", "t.parquet", "w.csv", "--schema", "s.yaml", "--json")
    assert compared.exit_code == 0, compared.output


def test_a_plain_sample_says_nothing_of_the_kind():
    label, first = drawn()
    assert label == ""
    assert "CONDITION" not in first


# --- what rides along --------------------------------------------------------------------------------------------


def test_metadata_of_the_table_that_is_given_stays_behind():
    table = parquet.read_table("t.parquet")
    marked = [field.with_metadata({"note": MARKER}) for field in table.schema]
    found = table.cast(pa.schema(marked, metadata={**(table.schema.metadata or {}), MARKER: MARKER}))
    parquet.write_table(found, "t.parquet")
    content = Path("t.parquet").read_bytes()
    assert MARKER.encode() in content
    sidecar = json.loads(Path("t.parquet.dpsynth.json").read_text(encoding="utf-8"))
    more = {"actor": MARKER, "path": f"/{MARKER}", "purpose": MARKER, "file": MARKER}
    kept = {**sidecar, "sha256": digest(content), **more}
    Path("t.parquet.dpsynth.json").write_text(json.dumps(kept), encoding="utf-8")
    made = release("--override", MARKER, table="t.parquet", audit=None)
    assert made.exit_code == 0, made.output
    assert MARKER.encode() not in everything()
    assert release(out="clean.zip").exit_code == 0
    assert members()["data/people.parquet"] == members("clean.zip")["data/people.parquet"]
    assert verified()["verified"]


def test_a_dictionary_of_arrow_loses_the_values_that_no_row_has():
    table = parquet.read_table("t.parquet")
    jobs = table["job"].combine_chunks().dictionary_encode()
    longer = pa.concat_arrays([jobs.dictionary, pa.array([MARKER], jobs.dictionary.type)])
    wider = pa.DictionaryArray.from_arrays(jobs.indices, longer)
    table = table.set_column(table.schema.get_field_index("job"), "job", wider)
    with ipc.new_file("t.arrow", table.schema) as file:
        file.write_table(table)
    content = Path("t.arrow").read_bytes()
    assert MARKER.encode() in content
    write_sidecar("t.arrow", json.loads(Path("t.parquet.dpsynth.json").read_text())["labels"], digest(content))
    made = release("--override", "tests", table="t.arrow", audit=None)
    assert made.exit_code == 0, made.output
    assert MARKER.encode() not in everything()


@pytest.mark.parametrize("place", ["first", "last"])
def test_a_line_of_csv_that_is_no_row_never_leaves(place):
    text, line = Path("t.csv").read_text(encoding="utf-8"), f"# {MARKER}\n"
    content = (line + text if place == "first" else text + line).encode()
    Path("t.csv").write_bytes(content)
    labels = json.loads(Path("t.csv.dpsynth.json").read_text(encoding="utf-8"))["labels"]
    write_sidecar("t.csv", labels, digest(content))
    result = release("--override", "tests", audit=None)
    refused(result, 3)
    assert MARKER not in result.output
    assert not Ledger.open().events(releases=True)


def test_what_a_sample_writes_names_neither_person_nor_place_nor_purpose():
    for path in ("t.csv", "t.parquet"):
        said = Path(f"{path}.dpsynth.json").read_text(encoding="utf-8")
        assert set(json.loads(said)) == {"dpsynth_sidecar", "file", "sha256", "labels"}
        assert MARKER not in said
    metadata = parquet.read_schema("t.parquet").metadata
    assert set(metadata) <= {b"dpsynth", b"ARROW:schema"}
    assert MARKER not in repr(metadata)
    assert str(Path.cwd()) not in repr(metadata)


def test_the_reason_of_an_override_stays_in_private_fields():
    result = release("--override", MARKER, "--withdraws", "0" * 64, audit=None)
    refused(result, 2)
    assert MARKER not in result.output
    for out in ("o.zip", "o"):
        made = release("--override", MARKER, "--with-model", audit=None, out=out)
        assert made.exit_code == 0, made.output
        assert MARKER not in made.output
    assert MARKER.encode() not in everything("o.zip")
    assert not [one for one in Path("o").rglob("*") if one.is_file() and MARKER.encode() in one.read_bytes()]
    (event,) = Ledger.open().events(releases=True)
    assert (set(event.data), event.secret("reason")) == ({"content", "override"}, MARKER)
    assert MARKER not in "".join(Ledger.open().extract("town"))
    shutil.rmtree("o")
