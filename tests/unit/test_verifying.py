"""``verify``: an honest release passes in every packing; whoever changes anything in it is found out."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import csv, parquet

from dpsynth.errors import VerificationError
from dpsynth.ledger import Ledger
from dpsynth.release.keys import PrivateKey, PublicKey, parsed_signature
from dpsynth.release.layout import SIGNATURE, SUMS, content_digest
from dpsynth.release.verifying import Outcome, Verified, verify
from release_examples import (
    CSV,
    EVERY_TYPE,
    KEY,
    PARQUET,
    as_folder,
    as_json,
    as_zip,
    digest,
    edited,
    failed,
    honest_members,
    made_model,
    release_members,
    set_at,
    signed,
    visits,
    with_tables,
)

OTHER = PrivateKey.create()


@pytest.fixture
def honest() -> dict[str, bytes]:
    return honest_members()


def found_in(members: dict[str, bytes], folder: Path, key: PublicKey | None = KEY.public) -> Verified:
    return verify(as_zip(members, folder / "r.zip"), key)


def test_an_honest_release_holds_as_folder_as_zip_and_zipped_again_in_another_order(honest, tmp_path):
    folder = verify(as_folder(honest, tmp_path / "r"), KEY.public)
    assert folder.ok, folder.failure
    assert {one.outcome for one in folder.checks} == {Outcome.HOLDS}
    again = as_zip(dict(reversed(honest.items())), tmp_path / "again.zip")
    with zipfile.ZipFile(again, "a") as archive:
        archive.mkdir("data")
    for found in (verify(as_zip(honest, tmp_path / "r.zip"), KEY.public), verify(again, KEY.public)):
        assert found.ok, found.failure
        assert found.record() == folder.record()
    assert folder.facts["rows"] == 500
    assert folder.facts["guarantee"]["epsilon"] == "1"
    assert not list(tmp_path.parent.glob("dpsynth-verify-*"))


def test_without_a_key_nothing_is_said_about_who_signed(honest, tmp_path):
    found = found_in(honest, tmp_path, None)
    assert found.ok
    assert any("proves nothing about who" in one for one in found.rests)
    assert found_in(signed(honest, OTHER), tmp_path, None).ok
    given = found_in(honest, tmp_path)
    assert not any("proves nothing about who" in one for one in given.rests)
    assert any("noise was drawn" in one for one in given.rests)
    # A key was given, though nothing got as far as to use it.
    early = found_in({**honest, "notes.txt": b""}, tmp_path)
    assert failed(early) == "package"
    assert early.rests == given.rests
    assert early.record()["key_given"]


def test_one_flipped_bit_of_any_file_is_found(honest, tmp_path):
    for number, name in enumerate(sorted(honest)):
        data = bytearray(honest[name])
        data[len(data) * (number + 1) // (len(honest) + 1)] ^= 1 << (number % 7)
        found = verify(as_folder({**honest, name: bytes(data)}, tmp_path / f"{number}"), KEY.public)
        assert failed(found) in {"sums", "signature"}, name
        if name not in (SUMS, SIGNATURE):
            assert found.failure.where == name


def test_every_bit_of_the_signature_file_matters(honest, tmp_path):
    content, sums = honest[SIGNATURE], honest[SUMS]
    for bit in range(8 * len(content)):
        flipped = bytearray(content)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(VerificationError):
            check_signature(bytes(flipped), sums)
    record = json.loads(content)
    assert as_signature(record) == content
    for key in record:
        changed = {**record, key: 2 if key == "version" else record[key][:-5] + "AAAA" + record[key][-1:]}
        assert failed(found_in({**honest, SIGNATURE: as_signature(changed)}, tmp_path)) == "signature", key
    more = as_signature({**record, "note": "checked by an authority"})
    for other in (b"", b"{}", b"[]", b"\xff", b"[" * 100_000, more, as_json(record), content + b"\n", content[:-1]):
        assert failed(found_in({**honest, SIGNATURE: other}, tmp_path)) == "signature"


def check_signature(content: bytes, sums: bytes) -> None:
    signer, signature = parsed_signature(content)
    signer.verify(signature, sums)


def as_signature(record: dict[str, object]) -> bytes:
    """The record in the form in which signatures are written."""
    return (json.dumps(record, indent=1) + "\n").encode()


def test_another_key_is_found(honest, tmp_path):
    resigned = signed(honest, OTHER)
    found = found_in(resigned, tmp_path)
    assert failed(found) == "signature"
    assert OTHER.public.id in str(found.failure)
    # The signature of one key under the name of another.
    record = json.loads(resigned[SIGNATURE])
    named = {**json.loads(honest[SIGNATURE]), "signature": record["signature"]}
    assert failed(found_in({**honest, SIGNATURE: as_signature(named)}, tmp_path)) == "signature"


def tables_of(honest: dict[str, bytes]) -> pa.Table:
    return parquet.read_table(io.BytesIO(honest[PARQUET]))


def as_parquet(table: pa.Table) -> bytes:
    out = io.BytesIO()
    parquet.write_table(table, out)
    return out.getvalue()


def as_csv(table: pa.Table) -> bytes:
    out = io.BytesIO()
    csv.write_csv(table, out, csv.WriteOptions(quoting_style="needed"))
    return out.getvalue()


def changed_rows(table: pa.Table, how: str) -> pa.Table:
    if how == "added":
        return pa.concat_tables([table, table.slice(3, 1)])
    if how == "removed":
        return pa.concat_tables([table.slice(0, 7), table.slice(8)])
    if how == "swapped":
        ages = table["age"].to_pylist()
        other = next(one for one in range(1, len(ages)) if ages[one] != ages[0])
        order = [other, *range(1, other), 0, *range(other + 1, len(ages))]
        return table.take(order)
    ages = table["age"].to_pylist()
    moved = [(ages[0] + 50) % 100, *ages[1:]]
    return table.set_column(0, table.schema.field(0), pa.array(moved, table.schema.field(0).type))


@pytest.mark.parametrize("how", ["added", "removed", "swapped", "one cell"])
def test_changed_rows_are_found_by_the_sums_and_by_the_other_form(honest, tmp_path, how):
    table = changed_rows(tables_of(honest), how)
    assert failed(found_in({**honest, PARQUET: as_parquet(table)}, tmp_path)) == "sums"
    assert failed(found_in({**honest, CSV: as_csv(table)}, tmp_path)) == "sums"
    # With everything signed anew by the right key.
    assert failed(found_in(with_tables(honest, KEY, parquet=as_parquet(table)), tmp_path)) == "rows"
    assert failed(found_in(with_tables(honest, KEY, csv=as_csv(table)), tmp_path)) == "rows"


@pytest.mark.parametrize(
    ("how", "check"), [("added", "statements"), ("removed", "statements"), ("one cell", "synthetic figures")]
)
def test_a_dishonest_publisher_who_changes_both_forms_and_signs_is_found_by_the_report(honest, tmp_path, how, check):
    table = changed_rows(tables_of(honest), how)
    assert failed(found_in(with_tables(honest, KEY, parquet=as_parquet(table), csv=as_csv(table)), tmp_path)) == check


@pytest.mark.parametrize("how", ["not at all", "swapped"])
def test_files_made_after_the_release_was_recorded_are_found_by_the_ledger(honest, tmp_path, how):
    """The same rows in other files, or in another order: every figure agrees, but the ledger knows other files."""
    table = tables_of(honest) if how == "not at all" else changed_rows(tables_of(honest), how)
    found = found_in(with_tables(honest, KEY, parquet=as_parquet(table), csv=as_csv(table)), tmp_path)
    assert failed(found) == "release"


def test_a_release_that_was_withdrawn_or_that_hides_an_override_is_found(honest, tmp_path):
    def over(content):
        for one in (content, content.get("dpsynth", {})):
            if "override" in one:
                one["override"] = True
            if "content" in one:
                tables = {member: digest(honest[member]) for member in (CSV, PARQUET)}
                one["content"] = content_digest(tables, one["model_digest"], override=True)

    hidden = edited(edited(honest, KEY, "report.json", over), KEY, "datapackage.json", over)
    assert failed(found_in(hidden, tmp_path)) == "release"
    made = made_model(tmp_path, method="direct", workload="all-2way")
    members = release_members(tmp_path, made)
    assert found_in(signed(members, KEY), tmp_path).ok
    ledger = Ledger.open(tmp_path / "l.db")
    content = json.loads(members["datapackage.json"])["dpsynth"]["content"]
    ledger.record(ledger.pools()[0].name, "RELEASE", {"withdraws": content})
    later = {**members, "ledger.jsonl": ("\n".join(ledger.extract(ledger.pools()[0].name)) + "\n").encode()}
    found = found_in(signed(later, KEY), tmp_path)
    assert failed(found) == "release"
    assert "withdrawn" in str(found.failure)


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("age", lambda old: [100, *old[1:]]),
        ("age", lambda old: [None, *old[1:]]),
        ("age", lambda old: [-1, *old[1:]]),
        ("job", lambda old: ["spy", *old[1:]]),
        ("height", lambda old: [2.6, *old[1:]]),
    ],
)
def test_rows_that_do_not_conform_are_found(honest, tmp_path, column, values):
    table = tables_of(honest)
    at = table.column_names.index(column)
    kind = pa.string() if column == "job" else table.schema.field(at).type
    table = table.set_column(at, pa.field(column, kind), pa.array(values(table[column].to_pylist()), kind))
    found = found_in(with_tables(honest, KEY, parquet=as_parquet(table), csv=as_csv(table)), tmp_path)
    assert failed(found) == "rows"
    assert column in str(found.failure)
    assert "spy" not in str(found.failure)


@pytest.mark.parametrize("form", ["csv", "parquet"])
@pytest.mark.parametrize("content", [b"", b"PAR1", b"age,job\n1,2\n", b"\x00" * 99, b'a"b\n"'])
def test_tables_that_are_none(honest, tmp_path, form, content):
    assert failed(found_in(with_tables(honest, KEY, **{form: content}), tmp_path)) == "rows"


def test_a_parquet_that_would_not_fit_into_memory_is_refused_by_the_size_of_the_csv(honest, tmp_path):
    table = tables_of(honest).slice(0, 1)
    many = pa.concat_tables([table] * (len(honest[CSV]) + 1)).combine_chunks()
    assert failed(found_in(with_tables(honest, KEY, parquet=as_parquet(many)), tmp_path)) == "rows"
    long = pa.DictionaryArray.from_arrays(pa.array([0] * 500, pa.int32()), ["x" * 1_000])
    texts = tables_of(honest).set_column(1, "job", long)
    found = found_in(with_tables(honest, KEY, parquet=as_parquet(texts)), tmp_path)
    assert "longer texts" in str(found.failure)


def test_a_model_that_is_not_the_reports_is_found(honest, tmp_path):
    def over(content):
        tables = {member: digest(honest[member]) for member in (CSV, PARQUET)}
        content["dpsynth"]["model_digest"] = digest(b"no model")
        content["dpsynth"]["content"] = content_digest(tables, digest(b"no model"), override=False)

    other = edited({**honest, "model.dps": b"no model"}, KEY, "datapackage.json", over)
    assert failed(found_in(signed({**honest, "model.dps": b"no model"}, KEY), tmp_path)) == "data package"
    assert failed(found_in(other, tmp_path)) == "model"

    def another_count(content):
        measured = next(one for one in content["marginals"] if one["draw"] is not None)
        measured["noisy"][0] += 1

    noisy = edited(honest, KEY, "report.json", another_count)
    assert failed(found_in(noisy, tmp_path)) == "model"
    without = {name: data for name, data in honest.items() if name != "model.dps"}
    found = found_in(signed(without, KEY), tmp_path)
    assert found.ok, found.failure
    assert [one.name for one in found.checks if one.outcome is not Outcome.HOLDS] == ["model"]


@pytest.mark.parametrize(
    ("path", "to", "check"),
    [
        (("guarantee", "epsilon"), "0.5", "statements"),
        (("synthetic_rows",), 501, "statements"),
        (("edition",), "internal", "statements"),
        (("override",), True, "statements"),
        (("marginals", 0, "synthetic", 0), 501, "synthetic figures"),
        (("marginals", 0, "columns"), ["who"], "synthetic figures"),
        (("marginals", 0, "low"), [], "synthetic figures"),
        (("pool", "cap", "epsilon"), "0.5", "pool"),
        (("pool", "digest"), "0" * 64, "pool"),
        (("pool", "raised_after_outputs"), True, "pool"),
        (("pool", "disclosures"), 1, "pool"),
        (("spent", "mu2"), "1", "guarantee"),
        (("transaction",), "0" * 32, "guarantee"),
        (("answers", 0, "scale"), "0x1.0p+9", "answers"),
        (("answers", 0, "sensitivity"), 2, "answers"),
        (("answers", 0, "columns"), ["job"], "answers"),
        (("answers", 0, "receipt", "event"), "0" * 64, "answers"),
        (("answers", 0, "receipt", "loss", "mu2"), "1", "answers"),
        (("answers",), [], "answers"),
        (("answers",), None, "answers"),
        (("marginals",), {}, "synthetic figures"),
    ],
)
def test_an_edited_report_is_found_though_the_right_key_signed_it(honest, tmp_path, path, to, check):
    assert failed(found_in(edited(honest, KEY, "report.json", set_at(*path, to=to)), tmp_path)) == check


@pytest.mark.parametrize(
    ("epsilon", "delta"),
    [("0.5", "1e-9"), ("0.999999", "1e-9"), ("1", "1e-10"), ("2", "1e-9"), ("nan", "1e-9"), ("1e999", "0")],
)
def test_an_edited_guarantee_is_found_by_arithmetic_though_both_documents_state_it(honest, tmp_path, epsilon, delta):
    def change(content):
        for one in (content.get("guarantee"), content.get("dpsynth", {}).get("guarantee")):
            if one is not None:
                one.update(epsilon=epsilon, delta=delta)

    members = edited(edited(honest, KEY, "report.json", change), KEY, "datapackage.json", change)
    assert failed(found_in(members, tmp_path)) == "guarantee"


@pytest.mark.parametrize(
    ("name", "path", "to", "check"),
    [
        ("datapackage.json", ("resources", 0, "bytes"), 1, "data package"),
        ("datapackage.json", ("resources", 1, "hash"), "sha256:0", "data package"),
        ("datapackage.json", ("resources",), [], "data package"),
        ("datapackage.json", ("resources", 0, "schema", "fields", 0, "name"), "who", "rows"),
        ("datapackage.json", ("resources", 0, "schema", "fields", 0, "type"), "string", "rows"),
        ("datapackage.json", ("resources", 0, "schema", "fields", 0, "constraints", "maximum"), 5, "rows"),
        ("datapackage.json", ("resources", 0, "schema", "fields", 0, "constraints", "pattern"), "x", "rows"),
        ("datapackage.json", ("resources", 0, "schema", "primaryKey"), ["job"], "rows"),
        ("datapackage.json", ("dpsynth", "pool"), "0" * 64, "pool"),
        ("datapackage.json", ("dpsynth", "content"), "0" * 64, "statements"),
        ("datapackage.json", ("dpsynth", "schema"), {"fields": 3}, "synthetic figures"),
        ("croissant.json", ("distribution", 0, "sha256"), "0" * 64, "croissant"),
        ("croissant.json", ("distribution", 0, "contentUrl"), "https://example.com/x", "croissant"),
    ],
)
def test_an_edited_description_is_found(honest, tmp_path, name, path, to, check):
    assert failed(found_in(edited(honest, KEY, name, set_at(*path, to=to)), tmp_path)) == check


@pytest.mark.parametrize("name", ["datapackage.json", "croissant.json", "report.json"])
@pytest.mark.parametrize("content", [b"", b"[]", b"{", b'{"a": NaN}', b'{"a": 1, "a": 2}', b"\xff", b"[" * 100_000])
def test_documents_that_are_none(honest, tmp_path, name, content):
    members = signed({**honest, name: content}, KEY)
    assert failed(found_in(members, tmp_path)) in {"data package", "croissant", "statements"}


@pytest.mark.parametrize("settings", [{"delta": 0}, {"epsilon": 3, "delta": 1e-5}])
def test_guarantees_of_other_budgets_hold(tmp_path, settings):
    members = signed(
        release_members(tmp_path, made_model(tmp_path, method="direct", workload="all-2way", **settings)), KEY
    )
    found = found_in(members, tmp_path)
    assert found.ok, found.failure


def test_dates_times_zones_numbers_and_invented_keys_are_the_same_in_both_forms(tmp_path):
    # So large an epsilon that noise leaves no column of the sample with one value only.
    settings = {"method": "direct", "workload": "all-2way", "epsilon": 50}
    made = made_model(tmp_path, table=visits(), schema=EVERY_TYPE, **settings)
    members = signed(release_members(tmp_path, made), KEY)
    found = found_in(members, tmp_path)
    assert found.ok, found.failure

    def over(content):
        for one in (content.get("guarantee"), content.get("dpsynth", {}).get("guarantee")):
            if one is not None:
                one["stability"] = 2

    # One person moves two rows: noise for two rows is no noise for a person whose rows were doubled before.
    moved = edited(edited(members, KEY, "report.json", over), KEY, "datapackage.json", over)
    found = found_in(moved, tmp_path)
    assert failed(found) == "guarantee"
    assert "fewer rows" in str(found.failure)

    # Each column of the Parquet form changed in one cell.
    table = tables_of(members)
    for at, field in enumerate(table.schema):
        column = table.column(at).combine_chunks()
        other = next(one for one in range(1, len(column)) if column[one] != column[0])
        changed = table.set_column(at, field, column.take(pa.array([other, *range(1, len(column))])))
        assert failed(found_in(with_tables(members, KEY, parquet=as_parquet(changed)), tmp_path)) == "rows", field.name
