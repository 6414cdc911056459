"""``fit --holdout``: a control group that no question sees, and its key beside the model."""

from __future__ import annotations

import gzip
import json
import stat
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result

import dpsynth
from dpsynth.anonymization.masks.keys import MaskKey
from dpsynth.cli.main import APPLICATION
from dpsynth.errors import DpsynthError, OutputExistsError, UsageError
from dpsynth.ledger import Ledger
from dpsynth.pipeline import fit as journey
from dpsynth.pipeline.holdout import HoldoutWish, read_holdout
from dpsynth.tables import open_table

SCHEMA = """\
dpsynth: {version: 1, name: people, unit: UNIT}
fields:
  - {name: id, type: string, dpsynth: {role: direct-id, source: public}}
  - {name: seen, type: string, constraints: {enum: ["yes", "no"]}, dpsynth: {source: public}}
  - {name: age, type: integer, constraints: {minimum: 0, maximum: 99}, dpsynth: {source: public, bins: {width: 25}}}
"""
KEY = bytes(range(32))
ROWS = 4_000
UNITS = {"row": "row", "person": "{column: id, max_rows: 2}"}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("s.yaml").write_text(SCHEMA.replace("UNIT", "row"), encoding="utf-8")
    people().to_csv("people.csv", index=False)
    return tmp_path


def people(seen="yes") -> pd.DataFrame:
    names = [f"p{one // 2}" for one in range(ROWS)]
    return pd.DataFrame({"id": names, "seen": seen, "age": np.arange(ROWS) % 100})


def run(*arguments: str) -> Result:
    return CliRunner().invoke(APPLICATION, list(arguments))


def fit(*more: str) -> Result:
    return run("fit", "people.csv", "-s", "s.yaml", "--epsilon", "1", "--method", "independent", *more)


def rows(side) -> int:
    return sum(batch.num_rows for batch in side(open_table("people.csv")).batches(("seen",)))


def test_the_key_stands_beside_the_model_and_brings_the_split_back():
    found = fit("--holdout", "10%", "-o", "m.dps", "--json")
    assert found.exit_code == 0
    assert "m.dps.holdout.json tells who was held out" in " ".join(json.loads(found.stdout)["result"]["warnings"])
    assert stat.S_IMODE(Path("m.dps.holdout.json").stat().st_mode) == 0o600
    model, holdout = dpsynth.load("m.dps"), read_holdout("m.dps.holdout.json")
    assert holdout.transaction == model.provenance["transaction"]
    assert any(
        label.startswith("FREE held out before the fit") and "1/10" in label for label in model.provenance["labels"]
    )
    assert rows(holdout.training) + rows(holdout.control) == ROWS
    # The released total counts the training side: noise of a few rows, against 400 that are missing.
    assert abs(model.total - rows(holdout.training)) < 100 < rows(holdout.control)
    assert holdout.coins.key.id.encode() not in Path("m.dps").read_bytes()


def test_the_ledger_and_the_model_hold_no_key():
    assert fit("--holdout", "10%", "-o", "m.dps").exit_code == 0
    key = json.loads(Path("m.dps.holdout.json").read_text())["key"]
    everything = "\n".join(Ledger.open().extract(public=False)) + json.dumps(dpsynth.load("m.dps").provenance)
    assert key not in everything
    assert bytes.fromhex(key) not in Path("m.dps").read_bytes()


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("discovers", [False, True])
def test_no_question_sees_who_was_held_out(unit, discovers, monkeypatch):
    monkeypatch.setattr(MaskKey, "fresh", staticmethod(lambda: (MaskKey(KEY), KEY.hex())))
    Path("s.yaml").write_text(SCHEMA.replace("UNIT", UNITS[unit]), encoding="utf-8")
    wish = HoldoutWish.of("20%", "probe.json", None)
    column = None if unit == "row" else "id"
    held = (
        wish.coins.of_rows(0, ROWS)
        if column is None
        else np.repeat(wish.coins.of_persons(_ids(people()["id"][::2])), 2)
    )
    assert 0.1 < held.mean() < 0.3
    frame = people(np.where(held, "no", "yes"))
    schema, how = ("s.yaml", {}) if not discovers else (None, {"unit": "row" if column is None else "id:2"})
    model = dpsynth.fit(
        frame if not discovers else frame.drop(columns=[] if column else ["id"]),
        schema,
        epsilon=2000,
        delta="1e-9",
        method="independent",
        holdout="20%",
        holdout_file="k.json",
        **how,
    )
    counts = model.marginal(("seen",))
    found = dict(zip(counts.labels["seen"], counts.values.tolist(), strict=True))
    assert found["yes"] == pytest.approx((~held).sum(), abs=5)
    assert sum(count for label, count in found.items() if label != "yes") == pytest.approx(0, abs=5)


def _ids(values):
    import pyarrow as pa

    from dpsynth.curator.bounding import canonical_ids

    return canonical_ids(pa.array(list(values)))


def test_every_fit_has_a_key_of_its_own():
    for name in ("a", "b"):
        assert fit("--holdout", "1/4", "-o", f"{name}.dps", "--pool", name).exit_code == 0
    keys = {json.loads(Path(f"{name}.dps.holdout.json").read_text())["key"] for name in ("a", "b")}
    assert len(keys) == 2


def test_a_key_that_stands_there_is_refused_before_anything_is_spent():
    assert fit("--holdout", "10%", "-o", "m.dps").exit_code == 0
    before, events = Path("m.dps.holdout.json").read_bytes(), len(Ledger.open().events())
    found = fit("--holdout", "10%", "-o", "m.dps", "--force")
    assert (found.exit_code, "stands here already" in found.stderr) == (2, True)
    assert Path("m.dps.holdout.json").read_bytes() == before
    assert len(Ledger.open().events()) == events


def test_a_fit_that_fails_leaves_no_key():
    whole = gzip.compress(Path("people.csv").read_bytes())
    Path("broken.csv.gz").write_bytes(whole[: len(whole) // 2])
    found = run("fit", "broken.csv.gz", "-s", "s.yaml", "--epsilon", "1", "--holdout", "10%", "-o", "m.dps")
    assert found.exit_code == 3
    assert not list(Path().glob("*holdout*"))


def test_a_commit_that_fails_takes_the_key_away(monkeypatch):
    def fail(*_):
        raise DpsynthError("no commit")

    monkeypatch.setattr("dpsynth.ledger.transaction.Transaction.commit", fail)
    with pytest.raises(DpsynthError, match="no commit"):
        journey.fit(people(), "s.yaml", epsilon=1, method="independent", holdout="10%", output="m.dps")
    assert not list(Path().glob("m.dps*"))


def test_a_refused_fit_leaves_no_key():
    assert fit("--holdout", "10%", "-o", "m.dps").exit_code == 0
    assert fit("--holdout", "10%", "-o", "second.dps").exit_code == 4
    assert not Path("second.dps.holdout.json").exists()


@pytest.mark.parametrize("share", ["0", "60%", "ten", "-1/10", "1/0"])
def test_a_share_that_is_none_is_a_usage_error(share):
    found = fit("--holdout", share, "-o", "m.dps")
    assert found.exit_code == 2
    assert not Ledger.open().exists()


def test_in_python_the_key_needs_a_file():
    with pytest.raises(UsageError, match="file of its own"):
        dpsynth.fit(people(), "s.yaml", epsilon=1, holdout="10%")
    Path("k.json").touch()
    with pytest.raises(OutputExistsError):
        dpsynth.fit(people(), "s.yaml", epsilon=1, holdout="10%", holdout_file="k.json")
    assert not Ledger.open().exists()


def test_a_person_needs_its_column():
    found = run(
        "fit", "people.csv", "-s", "s.yaml", "--unit", "nobody:2", "--epsilon", "1", "--holdout", "10%", "-o", "m"
    )
    assert (found.exit_code, "'nobody'" in found.stderr) == (3, True)
    assert not list(Path().glob("*holdout*"))
