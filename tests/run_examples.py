"""A small pipeline with a schema, a policy and forty rows, and how tests run it."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner, Result

from dpsynth.cli.main import APPLICATION
from dpsynth.ledger import Ledger

SCHEMA = """\
dpsynth: {version: 1, name: people, unit: row}
fields:
  - {name: sex, type: string, constraints: {enum: [Female, Male]}, dpsynth: {source: public}}
  - {name: age, type: integer, constraints: {minimum: 0, maximum: 99}, dpsynth: {source: public, bins: {width: 50}}}
"""
POLICY = """\
dpsynth: {version: 1, name: people}
fields:
  - {name: id, type: string, dpsynth: {role: direct-id}}
  - {name: sex, type: string}
  - {name: age, type: integer}
"""
PIPELINE = """\
run: 1
data_version: 2026-11
stages:
  - schema check: {schema: schema.yaml}
  - mask: {data: raw.csv, policy: policy.yaml, output: masked.csv}
  - fit: {data: masked.csv, schema: schema.yaml, epsilon: 1, method: independent, output: model.dps}
  - sample: {model: model.dps, seed: 7, rows: 20, output: synthetic.csv}
"""
STATE = "pipeline.yaml.state.json"


def prepare() -> None:
    """The files of the pipeline in the working folder, and the pool."""
    for name, text in {"schema.yaml": SCHEMA, "policy.yaml": POLICY, "pipeline.yaml": PIPELINE}.items():
        Path(name).write_text(text)
    Path("raw.csv").write_text("id,sex,age\n" + "a,Female,30\nb,Male,70\n" * 20)
    call("ledger", "create", "people", "--epsilon", "5", "--delta", "1e-9")


def call(*words: str) -> Result:
    return CliRunner().invoke(APPLICATION, list(words))


def run(*words: str, code: int = 0) -> Result:
    result = call("run", "pipeline.yaml", *words)
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    return result


def actions(*words: str, code: int = 0) -> list[str]:
    stages = json.loads(run("--json", *words, code=code).stdout)["result"]["stages"]
    return [one["action"] for one in stages]


def edit(path: str, old: str, new: str) -> None:
    text = Path(path).read_text()
    assert old in text
    Path(path).write_text(text.replace(old, new))


def paid() -> int:
    """How many reservations stand."""
    kinds = [event.kind for event in Ledger.open().events("people")]
    return kinds.count("RESERVE") - kinds.count("ABORT")
