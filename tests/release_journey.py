"""The journey to a release by the command line: what there is before it, the command, and what looks at its package."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from dpsynth.cli.main import APPLICATION
from dpsynth.release.keys import PrivateKey
from dpsynth.tables import write_sidecar
from release_examples import SCHEMA, people

MARKER = "zanzibar-secret"


def run(*words: object) -> Result:
    return CliRunner().invoke(APPLICATION, [str(word) for word in words])


def audit_of(table: str, model: str, verdict: str = "PASS") -> dict:
    """An audit of these files as the report reads it, full of a marker: nothing of it may leave."""
    digest = {name: hashlib.sha256(Path(path).read_bytes()).hexdigest() for name, path in
              (("synthetic", table), ("model", model))}  # fmt: skip
    figure = {"name": "advantage", "value": 0.123456, "interval": {"low": 0.1, "high": 0.2, "level": 0.9}}
    finding = {
        "risk": "membership", "attack": MARKER, "group": MARKER, "threat_model": MARKER, "figure": figure,
        "threshold": 0.3, "verdict": verdict, "ceiling": 0.9, "words": MARKER, "trials": {"members": 987654},
        "needed": None, "facts": {}, "citation": MARKER, "demand": "pass",
    }  # fmt: skip
    return {
        "audit_version": 1, "kind": "release", "color": "internal", "notice": MARKER, "verdict": verdict,
        "gate": {"name": "ours", "title": MARKER, "version": "1", "about": MARKER, "candidates": 3, "alpha": 0.05,
                 "sha256": "0" * 64, "rules": [], "risks": [], "checklist": []},
        "tables": {"real": MARKER, "synthetic": MARKER}, "claim": {}, "rules": [], "findings": [finding],
        "reported": [], "smoke_test": [], "roc": [], "checklist": [], "samples": {"fitted": 1, "held_out": 1,
        "synthetic": 1}, "holdout": None, "attempt": {"candidate": 1, "of": 3}, "seed": 0,
        "digests": {**digest, "real": MARKER, "holdout": MARKER, "gate": MARKER}, "environment": {}, "notes": [MARKER],
    }  # fmt: skip


def prepare(folder: Path) -> None:
    """A model, its table, an audit that passes and one that fails, a key."""
    (folder / "s.yaml").write_text(SCHEMA, encoding="utf-8")
    people().to_parquet(folder / f"{MARKER}.parquet")
    words = ["fit", folder / f"{MARKER}.parquet", "-s", folder / "s.yaml", "--epsilon", 1, "--method", "independent"]
    ledger = ("--ledger", folder / "l.db")
    assert run(*words, "--purpose", MARKER, "-o", folder / "m.dps", *ledger).exit_code == 0
    assert run("sample", folder / "m.dps", "-n", 300, "--seed", 1, "-o", folder / "t.csv").exit_code == 0
    assert run("sample", folder / "m.dps", "-n", 300, "--seed", 1, "-o", folder / "t.parquet").exit_code == 0
    for name, verdict in (("a.json", "PASS"), ("f.json", "INCONCLUSIVE")):
        found = audit_of(str(folder / "t.csv"), str(folder / "m.dps"), verdict)
        (folder / name).write_text(json.dumps(found), encoding="utf-8")
    PrivateKey.create().save(folder / "k")


def enter(made: Path, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in a copy of what was prepared, with its ledger."""
    shutil.copytree(made, place, dirs_exist_ok=True)
    monkeypatch.chdir(place)
    monkeypatch.setenv("DPSYNTH_LEDGER", str(place / "l.db"))


def release(*more: object, table: str = "t.csv", audit: str | None = "a.json", out: str = "r.zip", key="k") -> Result:
    audited = () if audit is None else ("--audit", audit)
    return run("release", table, "--model", "m.dps", *audited, "--key", key, "-o", out, *more)


def refused(result: Result, code: int, *words: str) -> None:
    assert result.exit_code == code, result.output
    assert all(word in result.stderr for word in words), result.stderr
    assert "Traceback" not in result.output
    assert not Path("r.zip").exists()


def members(path: str = "r.zip") -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def unpacked(path: str) -> Path:
    with zipfile.ZipFile(path) as archive:
        archive.extractall("open")
    return Path("open")


def labeled(path: str, content: bytes, *labels: str) -> None:
    Path(path).write_bytes(content)
    write_sidecar(path, labels, hashlib.sha256(content).hexdigest())


def assert_others_find_nothing_wrong(place: Path, *, deep: bool = True) -> None:
    if shutil.which("sha256sum"):
        summed = subprocess.run(["sha256sum", "-c", "SHA256SUMS"], cwd=place, capture_output=True, text=True)
        assert summed.returncode == 0, summed.stdout
    if deep:
        found = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", OTHERS], cwd=place, capture_output=True, text=True
        )
        assert found.returncode == 0, found.stderr


OTHERS = """
import frictionless, mlcroissant, sys
assert frictionless.validate("datapackage.json").valid
assert not mlcroissant.Dataset("croissant.json").metadata.ctx.issues.errors
"""
