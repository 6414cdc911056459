"""``verify``: an honest release passes in every packing; whoever changes anything in it is found out."""

from __future__ import annotations

import io
import json
import zipfile

import pyarrow as pa
import pytest
from pyarrow import csv, parquet

from dpsynth.errors import VerificationError
from dpsynth.ledger import Ledger
from dpsynth.release.keys import PrivateKey, parsed_signature
from dpsynth.release.layout import SIGNATURE, SUMS, content_digest
from dpsynth.release.verifying import Outcome, verify
from dpsynth.report.meaning import meaning
from release_examples import (
    CSV,
    EVERY_TYPE,
    KEY,
    PARQUET,
    as_folder,
    as_json,
    as_zip,
    dated,
    described,
    digest,
    edited,
    failed,
    found_in,
    honest_members,
    made_model,
    release_members,
    signed,
    visits,
    with_tables,
)

OTHER = PrivateKey.create()


@pytest.fixture
def honest() -> dict[str, bytes]:
    return honest_members()


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
    # README.md names the key of the publisher, so even without it another one is found.
    assert failed(found_in(signed(honest, OTHER), tmp_path, None)) == "texts"
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


def as_parquet(table: pa.Table, **wishes: object) -> bytes:
    out = io.BytesIO()
    parquet.write_table(table, out, **wishes)
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
        if "meaning" in content:
            content["meaning"] = meaning(content["guarantee"], content["pool"], content["candidates"], override=True)

    hidden = edited(edited(honest, KEY, "report.json", over), KEY, "datapackage.json", over)
    assert failed(found_in(hidden, tmp_path)) == "release"
    made = made_model(tmp_path, method="direct", workload="all-2way")
    members = release_members(tmp_path, made)
    assert found_in(signed(members, KEY), tmp_path).ok
    ledger = Ledger.open(tmp_path / "l.db")
    content = json.loads(members["datapackage.json"])["dpsynth"]["content"]
    ledger.record(ledger.pools()[0].name, "RELEASE", {"withdraws": content})
    found = found_in(signed(dated(members, tmp_path, made), KEY), tmp_path)
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
    wide = pa.concat_tables([table] * (len(honest[CSV]) // 2)).combine_chunks()
    found = found_in(with_tables(honest, KEY, parquet=as_parquet(wide)), tmp_path)
    assert "more rows than" in str(found.failure)
    plain = pa.array(["y" * (80 << 20)] + ["x"] * 499)
    blown = tables_of(honest).set_column(1, "job", plain)
    found = found_in(with_tables(honest, KEY, parquet=as_parquet(blown, use_dictionary=False)), tmp_path)
    assert "out of proportion" in str(found.failure)
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
    assert failed(found_in(other, tmp_path)) == "facts"
    sampled = f"POST sample of model {digest(b'no model')[:16]}"

    def relabel(members):
        return edited(members, KEY, "report.json", lambda report: report["preprocessing"].__setitem__(-1, sampled))

    assert failed(found_in(relabel(other), tmp_path)) == "facts"
    labels = {b"dpsynth.labels": json.dumps([sampled]).encode()}
    carried = as_parquet(tables_of(honest).replace_schema_metadata(labels))
    everywhere = with_tables({**other, "model.dps": b"no model"}, KEY, parquet=carried)
    assert failed(found_in(relabel(everywhere), tmp_path)) == "model"


@pytest.mark.parametrize(
    ("metadata", "field"),
    [
        ({b"dpsynth.labels": b'["POST sample of model 0000000000000000"]'}, None),
        ({b"dpsynth.labels": b"[1]"}, None),
        ({b"dpsynth.labels": b"{"}, None),
        ({}, None),
        ({b"real_rows": b"1,2,3"}, None),
        (None, {b"note": b"from ward 7"}),
    ],
)
def test_what_the_typed_form_says_of_itself_is_compared_too(honest, tmp_path, metadata, field):
    table = tables_of(honest)
    if metadata is not None:
        table = table.replace_schema_metadata({**table.schema.metadata, **metadata} if metadata else None)
    if field is not None:
        table = table.cast(pa.schema([one.with_metadata(field) for one in table.schema], table.schema.metadata))
    found = found_in(with_tables(honest, KEY, parquet=as_parquet(table)), tmp_path)
    assert failed(found) in {"rows", "facts"}


def test_counts_and_intervals_that_are_not_the_models_are_found_where_the_model_is(honest, tmp_path):
    def change(content, key, place):
        measured = next(one for one in content["marginals"] if one["draw"] is not None)
        measured[key][place] += 0.5

    for key in ("noisy", "low", "high"):
        changed = edited(honest, KEY, "report.json", lambda content, key=key: change(content, key, 0))
        assert failed(found_in(changed, tmp_path)) == "model", key
    found = found_in(without_model(honest), tmp_path)
    assert found.ok, found.failure
    assert [one.name for one in found.checks if one.outcome is not Outcome.HOLDS] == ["model"]
    assert any("noisy counts" in one for one in found.rests)
    assert not any("noisy counts" in one for one in found.proves)
    assert any("noisy counts" in one for one in found_in(honest, tmp_path).proves)


def without_model(honest: dict[str, bytes]) -> dict[str, bytes]:
    return signed(described(honest, json.loads(honest["report.json"]), with_model=False), KEY)


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
