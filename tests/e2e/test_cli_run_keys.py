"""The key of a later release is tried before anything is made or paid for."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from dpsynth.cli.main import APPLICATION
from dpsynth.cli.passphrases import PASSPHRASE
from dpsynth.ledger import Ledger
from dpsynth.release.keys import PrivateKey

SCHEMA = """\
dpsynth: {version: 1, name: people, unit: row}
fields:
  - {name: sex, type: string, constraints: {enum: [f, m]}, dpsynth: {source: public}}
"""
PIPELINE = """\
run: 1
data_version: 2026-11
stages:
  - schema check: {schema: schema.yaml}
  - fit: {data: raw.csv, schema: schema.yaml, epsilon: 1, method: independent, output: model.dps}
  - sample: {model: model.dps, seed: 7, rows: 20, output: synthetic.csv}
  - release: {synthetic: synthetic.csv, model: model.dps, key: k, override: a test, output: out.zip}
"""


@pytest.fixture(autouse=True)
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(PASSPHRASE, raising=False)
    Path("schema.yaml").write_text(SCHEMA)
    Path("pipeline.yaml").write_text(PIPELINE)
    Path("raw.csv").write_text("sex\n" + "f\nm\n" * 50)
    assert call("ledger", "create", "people", "--epsilon", "5", "--delta", "1e-9").exit_code == 0


def call(*words: str) -> Result:
    return CliRunner().invoke(APPLICATION, list(words))


def made() -> set[str]:
    return {name for name in ("model.dps", "synthetic.csv", "out.zip") if Path(name).exists()}


def refused(code: int, *words: str) -> None:
    for more in ((), ("--plan",)):
        found = call("run", "pipeline.yaml", *more)
        assert found.exit_code == code, found.output
        assert all(word in found.stderr for word in ("stage 4 (release): k", *words)), found.stderr
    assert made() == set()
    assert {event.kind for event in Ledger.open().events("people")} == {"CREATE"}


def test_a_locked_key_without_its_passphrase_costs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    PrivateKey.create().save("k", "open sesame")
    refused(2, "the private key is locked", PASSPHRASE)
    monkeypatch.setenv(PASSPHRASE, "wrong")
    refused(2, "does not open")
    monkeypatch.setenv(PASSPHRASE, "open sesame")
    assert call("run", "pipeline.yaml", "--plan").exit_code == 0
    assert call("run", "pipeline.yaml").exit_code == 0
    assert made() == {"model.dps", "synthetic.csv", "out.zip"}
    monkeypatch.delenv(PASSPHRASE)
    assert call("run", "pipeline.yaml").exit_code == 0


def test_a_key_that_others_may_read_and_a_file_that_is_none_cost_nothing() -> None:
    PrivateKey.create().save("k")
    Path("k").chmod(0o644)
    refused(2, "others may read")
    Path("k").write_text("no key")
    refused(3, "not a private key")


def test_a_key_that_an_earlier_stage_makes_is_left_to_it() -> None:
    stages = PIPELINE.replace("stages:\n", "stages:\n  - key create: {no-passphrase: true, output: k}\n")
    Path("pipeline.yaml").write_text(stages)
    found = call("run", "pipeline.yaml")
    assert found.exit_code == 0, found.output
    assert "out.zip" in made()
