"""The examples run as they stand, on the bundled data."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

QUICKLY = """\
import runpy, sys
from dpsynth.synthesizers.effort import EFFORTS

EFFORTS["default"] = EFFORTS["fast"]
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
"""Runs a script with less effort where it names none; the README fits the same table with all defaults."""
MADE = {"adult.csv.gz", "schema.yaml", "README.md", "ledger.db", "model.dps", "synthetic.csv"}


@pytest.fixture
def environment() -> dict[str, str]:
    """The surroundings of a newcomer: ``dpsynth`` on the path, no ledger named."""
    rest = {name: value for name, value in os.environ.items() if not name.startswith("DPSYNTH_")}
    return rest | {"PATH": os.pathsep.join([str(Path(sys.executable).parent), rest["PATH"]])}


def run(folder: Path, environment: dict[str, str], *words: str) -> str:
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_the_journey_in_python(root: Path, tmp_path: Path, environment: dict[str, str]) -> None:
    run(tmp_path, environment, "dpsynth", "demo", "--files-only", "-o", "adult")
    said = run(tmp_path, environment, sys.executable, "-c", QUICKLY, str(root / "examples/adult/journey.py"), "adult")
    assert said.count("Female") == 5
    assert "refused: " in said
    assert {path.name for path in (tmp_path / "adult").iterdir()} >= MADE
    assert {path.name for path in tmp_path.iterdir()} == {"adult"}
    assert not (tmp_path / "share").exists()


def test_the_journey_on_the_command_line(root: Path, tmp_path: Path, environment: dict[str, str]) -> None:
    quick = environment | {"DPSYNTH_METHOD": "mst"}  # the journey in Python fits with the default method
    said = run(tmp_path, quick, "sh", str(root / "examples/adult/journey.sh"), "adult")
    assert said.count(",Female,") == 5
    assert "budget" in said
    assert {path.name for path in (tmp_path / "adult").iterdir()} >= MADE
    assert not (tmp_path / "adult/second.dps").exists()
