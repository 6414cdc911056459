"""``verify``: documents of a release that were edited and signed anew, by the right key: arithmetic finds them."""

from __future__ import annotations

import pytest

from dpsynth.release.verifying import Outcome
from release_examples import KEY, edited, failed, found_in, honest_members, set_at, signed


@pytest.fixture
def honest() -> dict[str, bytes]:
    return honest_members()


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
        (("report_version",), 1, None),
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
        (("pool", "governor"), "zcdp", "pool"),
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
        (("pool", "charged_is_a_guarantee"), 0, "facts"),
        (("pool", "timeline", 0, "this_fit"), 0, "facts"),
        (("figures", 0, "value"), 1, "facts"),
        (("answers", 0, "cells"), 10**29, "facts"),
        (("answers", 0, "cells"), -1, "facts"),
        (("answers", 0, "sampler"), None, "facts"),
        (("answers", 0, "sensitivity"), None, "facts"),
        (("answers", 0, "question"), None, "facts"),
        (("answers", 0, "law"), None, "facts"),
        (("answers", 0, "coarsened"), ["age"], "facts"),
        (("answers", 0, "real"), [1, 2], "facts"),
        (("marginals", 0, "real"), [1, 2], "facts"),
        (("settings",), "x", "facts"),
        (("method",), None, "facts"),
        (("software", "opendp"), 3, "facts"),
        (("settings", "effort"), "best", "facts"),
        (("method",), "another", "facts"),
        (("software",), {}, "facts"),
        (("made_by",), "dpsynth 0.0.1", None),
        (("made_by",), None, None),
    ],
)
def test_an_edited_report_is_found_though_the_right_key_signed_it(honest, tmp_path, path, to, check):
    found = found_in(edited(honest, KEY, "report.json", set_at(*path, to=to)), tmp_path)
    if check is None:
        # Another version may write the same facts otherwise: nothing is proved of its texts, and that is said.
        assert found.ok
        assert [one.name for one in found.checks if one.outcome is not Outcome.HOLDS] == ["facts", "texts"]
        assert any("prose" in one for one in found.rests)
        assert not any("README" in one or "arithmetic" in one for one in found.proves)
        assert found.facts["guarantee"]["epsilon"] == "1"
        assert "protects" not in found.facts["guarantee"]
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
        ("datapackage.json", ("dpsynth", "schema"), None, "rows"),
        ("datapackage.json", ("dpsynth", "pool"), "0" * 64, "pool"),
        ("datapackage.json", ("dpsynth", "content"), "0" * 64, "statements"),
        ("datapackage.json", ("dpsynth", "schema"), {"fields": 3}, "rows"),
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
