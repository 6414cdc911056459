"""``verify``: an honest release passes in every packing; whoever changes anything in it is found out."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import csv, parquet

from dpsynth.ledger import Ledger
from dpsynth.release.keys import PrivateKey, PublicKey
from dpsynth.release.layout import SIGNATURE, SUMS, content_digest
from dpsynth.release.verifying import Outcome, Verified, verify
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
    # README.md names the key of the publisher, so even without it another one is found.
    assert failed(found_in(signed(honest, OTHER), tmp_path, None)) == "texts"
    given = found_in(honest, tmp_path)
    assert not any("proves nothing about who" in one for one in given.rests)
    assert any("noise was drawn" in one for one in given.rests)


def test_one_flipped_bit_of_any_file_is_found(honest, tmp_path):
    for number, name in enumerate(sorted(honest)):
        data = bytearray(honest[name])
        data[len(data) * (number + 1) // (len(honest) + 1)] ^= 1 << (number % 7)
        found = verify(as_folder({**honest, name: bytes(data)}, tmp_path / f"{number}"), KEY.public)
        assert failed(found) in {"sums", "signature"}, name
        if name not in (SUMS, SIGNATURE):
            assert found.failure.where == name


def test_every_bit_of_the_signature_file_matters_or_changes_nothing(honest, tmp_path):
    """A flip that still parses to the same key and signature is no forgery; every other one is found."""
    record = json.loads(honest[SIGNATURE])
    for key in record:
        changed = {**record, key: 2 if key == "version" else record[key][:-5] + "AAAA" + record[key][-1:]}
        assert failed(found_in({**honest, SIGNATURE: as_json(changed)}, tmp_path)) == "signature", key
    for content in (b"", b"{}", b"[]", b"\xff", b"[" * 100_000):
        assert failed(found_in({**honest, SIGNATURE: content}, tmp_path)) == "signature"


def test_another_key_is_found(honest, tmp_path):
    resigned = signed(honest, OTHER)
    found = found_in(resigned, tmp_path)
    assert failed(found) == "signature"
    assert OTHER.public.id in str(found.failure)
    # The signature of one key under the name of another.
    record = json.loads(resigned[SIGNATURE])
    named = {**json.loads(honest[SIGNATURE]), "signature": record["signature"]}
    assert failed(found_in({**honest, SIGNATURE: as_json(named)}, tmp_path)) == "signature"


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
    long = pa.DictionaryArray.from_arrays(pa.array([0] * 500, pa.int32()), ["x" * 1_000])
    texts = tables_of(honest).set_column(1, "job", long)
    found = found_in(with_tables(honest, KEY, parquet=as_parquet(texts)), tmp_path)
    assert "longer texts" in str(found.failure)


def test_a_ledger_line_cut_from_the_middle_or_the_end_is_found(honest, tmp_path):
    lines = honest["ledger.jsonl"].splitlines(keepends=True)
    for kept in (lines[:4] + lines[5:], lines[:-1], lines[:1], [lines[0], *lines[2:]], lines + lines[-1:]):
        cut = {**honest, "ledger.jsonl": b"".join(kept)}
        assert failed(found_in(cut, tmp_path)) == "sums"
        assert failed(found_in(signed(cut, KEY), tmp_path)) == "ledger"
    assert failed(found_in(signed({**honest, "ledger.jsonl": b""}, KEY), tmp_path)) == "ledger"


def test_a_model_that_is_not_the_reports_is_found(honest, tmp_path):
    def over(content):
        tables = {member: digest(honest[member]) for member in (CSV, PARQUET)}
        content["dpsynth"]["model_digest"] = digest(b"no model")
        content["dpsynth"]["content"] = content_digest(tables, digest(b"no model"), override=False)

    other = edited({**honest, "model.dps": b"no model"}, KEY, "datapackage.json", over)
    assert failed(found_in(signed({**honest, "model.dps": b"no model"}, KEY), tmp_path)) == "data package"
    assert failed(found_in(other, tmp_path)) == "facts"
    sampled = f"POST sample of model {digest(b'no model')[:16]}"
    relabeled = edited(other, KEY, "report.json", lambda report: report["preprocessing"].__setitem__(-1, sampled))
    assert failed(found_in(relabeled, tmp_path)) == "model"


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


def test_a_ledger_with_private_fields_is_found(honest, tmp_path):
    header, *events = [json.loads(line) for line in honest["ledger.jsonl"].splitlines()]
    events[0]["private"] = {"salt": "00", "fields": {}}
    text = "\n".join(json.dumps(one) for one in (header, *events)).encode()
    assert failed(found_in(signed({**honest, "ledger.jsonl": text}, KEY), tmp_path)) == "ledger"


def test_a_charge_that_does_not_follow_from_its_scales_is_found(honest, tmp_path):
    """Who holds the ledger can write a chain anew, hashes and balances included: not the price of a scale."""
    from dpsynth.ledger import chain

    header, *lines = [json.loads(line) for line in honest["ledger.jsonl"].splitlines()]
    replay, events = chain.Replay(private_omitted=True), []
    for line in lines:
        body = {**line["body"], "previous": replay.head}
        if body["kind"] == "DRAW":
            question = body["data"]["question"]
            name = "scales" if "scales" in question else "scale"
            halved = [(float.fromhex(one) / 2).hex() for one in question.get("scales", [question.get("scale")])]
            question[name] = halved if name == "scales" else halved[0]
        event = chain.Event(body, chain.digest(chain.canonical(body)))
        replay.add(event)
        events.append({"body": body, "hash": event.hash})
    header["pools"][0]["head"] = replay.head
    text = "\n".join(json.dumps(one) for one in (header, *events)).encode()
    assert failed(found_in(signed({**honest, "ledger.jsonl": text}, KEY), tmp_path)) == "losses"


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
        (("marginals",), [], "synthetic figures"),
        (("marginals", 0, "columns"), [["age"]], "synthetic figures"),
        (("columns",), [], "synthetic figures"),
        (("columns", 0, "source"), "dp", "facts"),
        (("columns", 0, "cells"), 7, "facts"),
        (("meaning", "release"), "An attacker is right at most 50.01 % of the time.", "facts"),
        (("meaning", "candidates"), "Checked.", "facts"),
        (("candidates",), 3, "facts"),
        (("candidates",), "many", "facts"),
        (("figures", 0, "value"), 0.001, "facts"),
        (("figures",), [], "facts"),
        (("not_protected",), [], "facts"),
        (("title",), "another", "facts"),
        (("dp",), False, "facts"),
        (("dp",), 1, "facts"),
        (("color",), "internal", "facts"),
        (("report_version",), 2, "facts"),
        (("claim",), {"owner": "the authority", "text": None}, "facts"),
        (("real_rows",), 400, "facts"),
        (("pool", "charged", "epsilon"), "0.001", "facts"),
        (("pool", "cap", "loss"), {}, "facts"),
        (("pool", "cap_amount"), 9.0, "facts"),
        (("pool", "charged_is_a_guarantee"), True, "facts"),
        (("pool", "timeline"), [], "facts"),
        (("pool", "timeline", 0, "time"), "2020-01-01T00:00:00Z", "facts"),
        (("pool", "stages"), {}, "facts"),
        (("pool", "unit"), "who:3", "facts"),
        (("pool", "neighbors"), "none", "facts"),
        (("pool", "name"), "another", "facts"),
        (("pool", "ephemeral"), True, "facts"),
        (("marginals", 0, "labels", 0), "another", "facts"),
        (("marginals", 0, "level"), 0.5, "facts"),
        (("marginals", 0, "source"), "exact count", "facts"),
        (("marginals", 0, "error"), 0.1, "facts"),
        (("marginals", 0, "low", 0), 1e9, "facts"),
        (("marginals", 0, "noisy", 0), None, "facts"),
        (("marginals", 0, "noisy", 0), True, "facts"),
        (("preprocessing",), [], "facts"),
        (("preprocessing", 0), "NON-DP cut by hand", "facts"),
        (("preprocessing", 0), "STABLE(9) cut by hand", "facts"),
        (("preprocessing", 0), 3, "facts"),
        (("settings", "effort"), "best", "model"),
        (("method",), "another", "model"),
        (("software",), {}, "model"),
        (("made_by",), "dpsynth 0.0.1", None),
        (("made_by",), None, None),
    ],
)
def test_an_edited_report_is_found_though_the_right_key_signed_it(honest, tmp_path, path, to, check):
    found = found_in(edited(honest, KEY, "report.json", set_at(*path, to=to)), tmp_path)
    if check is None:
        # Another version may write the same facts otherwise: nothing is proved of its texts, and that is said.
        assert found.ok
        assert [one.name for one in found.checks if one.outcome is not Outcome.HOLDS] == ["texts"]
        assert any("prose" in one for one in found.rests)
        assert not any("README" in one for one in found.proves)
    else:
        assert failed(found) == check


@pytest.mark.parametrize("key", ["protects", "neighbors", "stability", "more"])
def test_words_of_a_guarantee_that_are_not_those_of_its_unit_are_found(honest, tmp_path, key):
    def change(content):
        for one in (content.get("guarantee"), content.get("dpsynth", {}).get("guarantee")):
            if one is not None:
                one[key] = -5 if key == "stability" else "protects every PERSON"

    members = edited(edited(honest, KEY, "report.json", change), KEY, "datapackage.json", change)
    found = found_in(members, tmp_path)
    assert failed(found) in {"guarantee", "facts"}
    assert "guarantee" not in found.facts


@pytest.mark.parametrize("name", ["README.md", "report.html", "report.json", "datapackage.json", "croissant.json"])
def test_a_text_that_says_more_than_the_facts_is_found(honest, tmp_path, name):
    text = honest[name].decode()
    changed = {
        "README.md": text.replace("1 = 1", "1") + "Checked by the authority.\n",
        "report.html": text.replace("73.11 %", "50.01 %"),
        "report.json": text.replace("\n", " \n", 1),
        "datapackage.json": text.replace('"title": "People"', '"title": "People, checked by the authority"'),
        "croissant.json": text.replace("sc:Integer", "sc:Text", 1),
    }[name]
    assert changed != text
    found = found_in(signed({**honest, name: changed.encode()}, KEY), tmp_path)
    assert failed(found) == "texts"
    # The title is the publisher's own; what must say the same is then another text.
    assert found.failure.where == {"datapackage.json": "README.md"}.get(name, name)


def test_terms_that_are_not_those_of_the_description_are_found(honest, tmp_path):
    assert failed(found_in(signed({**honest, "LICENSE": b"Do what you like.\n"}, KEY), tmp_path)) == "texts"
    for path, to in ((("licenses", 0, "name"), "MIT"), (("licenses", 0, "name"), 3), (("licenses",), [])):
        assert failed(found_in(edited(honest, KEY, "datapackage.json", set_at(*path, to=to)), tmp_path)) == "texts"


def test_a_claim_is_no_guarantee_and_nothing_is_said_to_be_proved_of_it(honest, tmp_path):
    claim = {"owner": "the \u202eauthority", "text": None}

    def over(content):
        for one in (content, content.get("dpsynth", {})):
            if "guarantee" in one:
                one["guarantee"] = {}
        if "claim" in content:
            content.update(claim={**claim, "owner": "the authority"}, dp="claimed by the authority")

    beside = edited(edited(honest, KEY, "report.json", over), KEY, "datapackage.json", over)
    assert failed(found_in(beside, tmp_path)) == "guarantee"
    hidden = edited(honest, KEY, "report.json", set_at("claim", to=claim))
    assert failed(found_in(hidden, tmp_path)) == "facts"


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
        ("datapackage.json", ("resources", 0, "schema", "uniqueKeys"), [["job"]], "rows"),
        ("datapackage.json", ("resources", 0, "schema", "fields", 0, "categories"), ["x"], "rows"),
        ("datapackage.json", ("resources", 0, "schema", "fields", 0, "constraints", "maximum"), 9000, "texts"),
        ("datapackage.json", ("resources", 0, "schema", "missingValues"), ["", "clerk"], "texts"),
        ("datapackage.json", ("resources", 0, "dialect"), {"delimiter": ";"}, "data package"),
        ("datapackage.json", ("resources", 0, "encoding"), "utf-16", "data package"),
        ("datapackage.json", ("resources", 2), {"path": "data/people.csv"}, "data package"),
        ("datapackage.json", ("sources",), [{"title": "the authority"}], "texts"),
        ("datapackage.json", ("dpsynth", "schema"), None, "synthetic figures"),
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
