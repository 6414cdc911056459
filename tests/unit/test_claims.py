"""Somebody else's tables in a model: the stamp, the file, and every way to make their claim ours, refused."""

from __future__ import annotations

import json
import zipfile
from dataclasses import replace

import numpy as np
import pytest

from dpsynth.errors import FileFormatError, NoGuaranteeError, UsageError
from dpsynth.models import Claim, ClaimedMarginal, Model, load
from dpsynth.models.model_file import VERSION
from hostile_files import at, rewritten, with_array
from model_examples import answered, random_field, random_mixture

FIELD = random_field((3, 2, 4), 1)
TABLES = (
    ClaimedMarginal("one", ("a", "b"), np.array([[3.5, -1.25], [0.0, 7.0], [1e-7, 2.0]]), 2.5),
    ClaimedMarginal("the total", (), np.array(12.75), 0.1),
)
CLAIM = Claim("Statistics Office", "epsilon 1, delta 1e-6, person")


def claimed(distribution=FIELD, claim=CLAIM, tables=TABLES) -> Model:
    return Model(distribution, provenance={"dp": claim.stamp, "claim": claim.record()}, claims=tables)


@pytest.mark.parametrize("distribution", [FIELD, random_mixture((3, 2, 4), 1)], ids=lambda one: one.kind)
@pytest.mark.parametrize("claim", [CLAIM, Claim("Zoë")])
def test_a_claim_survives_the_file_byte_for_byte(tmp_path, distribution, claim):
    claimed(distribution, claim).save(tmp_path / "one.dps")
    loaded = load(tmp_path / "one.dps")
    loaded.save(tmp_path / "two.dps")
    assert (tmp_path / "one.dps").read_bytes() == (tmp_path / "two.dps").read_bytes()
    assert loaded.claim == claim
    assert loaded.dp is False
    assert loaded.answers == ()
    for found, table in zip(loaded.claims, TABLES, strict=True):
        assert found.record() == table.record()
        assert found.values.dtype == np.float64
        assert np.array_equal(found.values, table.values)
    manifest = json.loads(zipfile.ZipFile(tmp_path / "one.dps").read("manifest.json"))
    assert manifest["dp"] == f"claimed by {claim.owner}"
    assert manifest["version"] == 3 <= VERSION
    assert "receipt" not in json.dumps(manifest)


def test_a_model_without_a_claim_is_written_as_before(tmp_path):
    Model(FIELD).save(tmp_path / "m.dps")
    manifest = json.loads(zipfile.ZipFile(tmp_path / "m.dps").read("manifest.json"))
    assert (manifest["version"], manifest["dp"]) == (1, False)
    assert load(tmp_path / "m.dps").claim is None


def test_a_model_says_whose_word_it_is():
    assert repr(claimed()).endswith("dp: claimed by Statistics Office>")


OURS = {
    "our guarantee": {"provenance": {"dp": True}},
    "no claim": {"provenance": {}},
    "no guarantee": {"provenance": {"dp": False}},
    "answers with receipts": {"answers": answered(FIELD)},
}


@pytest.mark.parametrize("name", OURS)
def test_claimed_tables_never_stand_under_a_guarantee_of_ours(name):
    with pytest.raises(NoGuaranteeError):
        replace(claimed(), **OURS[name])


@pytest.mark.parametrize("text", ["", " x", "x ", "two\nlines", "\x1b[2J", "a\u202eb", "x" * 201, 7, None], ids=repr)
def test_an_owner_is_one_printable_line(text):
    with pytest.raises(UsageError, match="printable") as caught:
        Claim(text)
    assert caught.value.where == "owner"
    if text is not None and text != "x" * 201:
        with pytest.raises(UsageError) as caught:
            Claim("A", text)
        assert caught.value.where == "claim"


LIES = {
    "ours after all": at("dp", value=True),
    "ours in the provenance": at("provenance", "dp", value=True),
    "ours in both": lambda manifest, _: (manifest.update(dp=True), manifest["provenance"].update(dp=True)),
    "no guarantee, tables kept": lambda manifest, _: (
        manifest.update(dp=False, version=1),
        manifest["provenance"].update(dp=False),
    ),
    "another owner in the stamp": at("dp", value="claimed by somebody"),
    "another owner in the record": at("provenance", "claim", "owner", value="somebody"),
    "no record of the claim": lambda manifest, _: manifest["provenance"].pop("claim"),
    "a record that is none": at("provenance", "claim", value=3),
    "an owner that clears the screen": lambda manifest, _: (
        manifest.update(dp="claimed by \x1b[2J"),
        manifest["provenance"].update(dp="claimed by \x1b[2J", claim={"owner": "\x1b[2J", "text": None}),
    ),
    "a version without claims": at("version", value=2),
    "a table that passes for an answer": at("answers", 0, "kind", value="marginal"),
    "a receipt": at("answers", 0, "receipt", value={}),
    "scale of zero": at("answers", 0, "scale", value="0x0p+0"),
    "scale that is not finite": at("answers", 0, "scale", value="inf"),
    "scale that is no text": at("answers", 0, "scale", value=2.5),
    "another shape": at("answers", 0, "shape", value=[2, 3]),
    "clique outside the domain": at("answers", 0, "clique", value=["a", "x"]),
    "clique of another shape": at("answers", 0, "clique", value=["b", "a"]),
    "counts that are not finite": with_array(
        lambda m: m["answers"][0]["array"], lambda values: np.full_like(values, np.nan)
    ),
    "whole counts": with_array(lambda m: m["answers"][0]["array"], lambda values: values.astype(np.int64)),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_file_that_lies_about_a_claim_is_refused(tmp_path, lie):
    with pytest.raises(FileFormatError) as caught:
        load(rewritten(tmp_path, claimed(), LIES[lie]))
    assert caught.value.where in {"m.dps", "b"}
    assert "\x1b" not in str(caught.value)
