"""Rounds of candidates before a gate: what starts one, what the numbers say, and a table without a row."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dpsynth.ledger import Ledger
from dpsynth.tables import read_sidecar
from release_journey import MARKER, enter, labeled, members, prepare, release, run

GATE = """\
gate: 1
name: ours
version: "1"
title: Ours
about: A test.
candidates: 2
rules:
  - {rule: guarantee, citation: test}
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    prepare(folder)
    (folder / "ours.yaml").write_text(GATE, encoding="utf-8")
    for number in range(1, 6):
        words = ("sample", folder / "m.dps", "-n", 100, "--seed", number, "-o", folder / f"t{number}.csv")
        assert run(*words).exit_code == 0
    drawn = read_sidecar(folder / "t1.csv")
    assert drawn is not None
    header = (folder / "t1.csv").read_bytes().partition(b"\n")[0] + b"\n"
    labeled(str(folder / "t0.csv"), header, *drawn.labels)
    return folder


@pytest.fixture(autouse=True)
def folder(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    enter(made, tmp_path, monkeypatch)


def brought(number: int, gate: str = "./ours.yaml") -> tuple[str, tuple[int, int]] | None:
    """The verdict on a table, and which attempt it was; None when it was one too many."""
    words = ("audit", "release", f"{MARKER}.parquet", f"t{number}.csv", "--model", "m.dps", "--gate", gate)
    found = run(*words, "-o", f"{number}.json", "--force")
    if "candidates of this pool were brought before a gate already" in found.stderr:
        assert found.exit_code == 5
        return None
    said = json.loads(Path(f"{number}.json").read_text(encoding="utf-8"))
    assert found.exit_code == (0 if said["verdict"] == "PASS" else 5), found.output
    return said["verdict"], (said["attempt"]["candidate"], said["attempt"]["of"])


def handed_out(number: int, *more: str, audited: bool = True) -> None:
    found = release(*more, "--force", table=f"t{number}.csv", audit=f"{number}.json" if audited else None)
    assert found.exit_code == 0, found.output


def test_only_the_release_of_what_passed_starts_another_round() -> None:
    assert brought(1) == ("PASS", (1, 2))
    assert brought(2) == ("PASS", (2, 2))
    assert brought(3) is None
    handed_out(3, "--override", "reset the counter", audited=False)
    assert brought(4) is None
    handed_out(2, "--override", "reset the counter")
    assert brought(4) is None
    book = Ledger.open()
    (pool,) = (one.name for one in book.pools())
    book.record(pool, "RELEASE", {"withdraws": "0" * 64}, private={"reason": "reset the counter"})
    book.record(pool, "RELEASE", {"content": "0" * 64, "override": False})
    assert brought(4) is None
    handed_out(1)
    # The numbers go on counting: no release came from more tables than its report says.
    assert brought(3) == ("PASS", (3, 4))
    handed_out(1, "--recipient", "somebody else")
    assert brought(4) == ("PASS", (4, 4))
    assert brought(5) is None
    handed_out(4)
    facts = json.loads(members()["report.json"])
    assert "up to 4 candidates" in facts["meaning"]["candidates"]
    assert book.verify().problems == ()
    assert '"candidate"' not in "\n".join(book.extract(pool))


@pytest.mark.parametrize("gate", ["./ours.yaml", "default"])
def test_an_empty_table_passes_no_gate_and_starts_no_round(gate: str) -> None:
    assert brought(0, gate) == ("INCONCLUSIVE", (1, 2) if gate != "default" else (1, 3))
    (said,) = (one for one in json.loads(Path("0.json").read_text(encoding="utf-8"))["rules"] if one["rule"] == "rows")
    assert said["verdict"] == "INCONCLUSIVE"
    assert "has no row: nothing was attacked" in said["words"]
    refused = release("--force", table="t0.csv", audit="0.json")
    assert (refused.exit_code, Path("r.zip").exists()) == (5, False)
