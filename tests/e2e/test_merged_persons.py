"""After a step that may make one person of several, no fit per person. Proof page: ``docs/proofs/masked-tables.md``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from dpsynth.cli.main import APPLICATION
from dpsynth.errors import NoGuaranteeError, SchemaError, UsageError
from dpsynth.ledger import Ledger
from dpsynth.pipeline import fit as journey
from dpsynth.privacy.labels import Label, LabelKind

SCHEMA = """\
dpsynth: {version: 1, name: people, unit: row}
fields:
  - {name: sex, type: string, constraints: {enum: [f, m]}, dpsynth: {source: public}}
  - {name: who, type: string, constraints: {enum: [a, b]}, dpsynth: {source: public, overflow: other%s}}
"""
POLICY = """\
dpsynth: {version: 1, name: people}
fields:
  - {name: who, dpsynth: {role: direct-id, mask: %s}}
  - {name: sex}
"""
KEY = "0123456789abcdef" * 4


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DPSYNTH_MASK_KEY", KEY)
    rows = "".join(f"person-{row % 40},{'fm'[row % 2]}\n" for row in range(200))
    Path("people.csv").write_text(f"who,sex\n{rows}", encoding="utf-8")
    Path("s.yaml").write_text(SCHEMA % "", encoding="utf-8")
    return tmp_path


def masked(mask: str) -> None:
    Path("policy.yaml").write_text(POLICY % mask, encoding="utf-8")
    done = CliRunner().invoke(APPLICATION, ["mask", "people.csv", "--policy", "policy.yaml", "-o", "masked.csv"])
    assert done.exit_code == 0, done.output


def fitted(table: str, unit: str, schema: str = "s.yaml") -> None:
    journey.fit(table, schema, epsilon=1, unit=unit, ledger=Ledger.in_memory(), method="independent")


@pytest.mark.parametrize("mask", ["{redact: {first: 2}}", "{constant: x}", '{replace: {regex: "[a-z]{2}"}}'])
def test_a_fit_per_person_is_refused_where_a_mask_may_have_merged_persons(mask):
    masked(mask)
    labels = json.loads(Path("masked.csv.dpsynth.json").read_text(encoding="utf-8"))["labels"]
    assert [label for label in labels if label.startswith('FREE(merges ["who"]) ')]
    ledger = Ledger.in_memory()
    with pytest.raises(NoGuaranteeError, match="one person of several") as caught:
        journey.fit("masked.csv", "s.yaml", epsilon=1, unit="who:5", ledger=ledger, method="independent")
    assert caught.value.exit_code == 9
    assert ledger.pool("people") is None
    with pytest.raises(NoGuaranteeError, match="one person of several"):
        journey.fit("masked.csv", None, epsilon=1, unit="who:5", ledger=Ledger.in_memory())
    fitted("masked.csv", "row")


@pytest.mark.parametrize("mask", ["pseudonym", "format"])
def test_masks_that_keep_persons_apart_are_fitted_per_person(mask):
    masked(mask)
    fitted("masked.csv", "who:5")


@pytest.mark.parametrize("mask", [", mask: {redact: {first: 1}}", ', hierarchy: {paths: [[p, a, "*"]]}, level: 1'])
def test_a_schema_may_not_mask_the_column_of_the_unit(mask):
    Path("masking.yaml").write_text(SCHEMA % mask, encoding="utf-8")
    with pytest.raises(SchemaError, match=r"field 'who': .*one person of several"):
        fitted("people.csv", "who:5", "masking.yaml")
    fitted("people.csv", "row", "masking.yaml")


def test_fixed_levels_above_the_values_merge_and_are_written_and_read():
    label = Label(LabelKind.FREE, "fixed levels: 'a \"b' 1, 'c' 1", merges=('a "b', "c"))
    assert str(label).startswith('FREE(merges ["a \\"b", "c"]) fixed')
    assert Label.parse(str(label), "t.csv") == label
    with pytest.raises(UsageError, match="only a FREE step"):
        Label(LabelKind.POST, "sampled", merges=("a",))
