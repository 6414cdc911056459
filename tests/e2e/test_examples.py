"""The examples run as they stand, on the bundled data."""

import os
import shutil
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


def test_the_example_release_is_rebuilt_and_verifies_with_zip_and_key_alone(
    root: Path, tmp_path: Path, environment: dict[str, str]
) -> None:
    """The gate asks for an advantage of at most 0.9, which 180 controls bound but with probability below 1e-9."""
    made, received = tmp_path / "made", tmp_path / "received"
    shutil.copytree(root / "examples/release", made)
    received.mkdir()
    ours = environment | {"DPSYNTH_LEDGER": str(tmp_path / "ledger.db")}
    assert "All 7 stages are done." in run(tmp_path, ours, "sh", "made/build.sh")
    for name in ("people.zip", "release.key.pub"):
        shutil.copy(made / name, received)
    said = run(
        received, environment | {"HOME": str(received)}, "dpsynth", "verify", "people.zip", "--key", "release.key.pub"
    )
    assert said.startswith("VERIFIED")
    assert {path.name for path in received.iterdir()} == {"people.zip", "release.key.pub"}


def test_the_pipeline_of_adult_is_one_that_runs(root: Path, tmp_path: Path, environment: dict[str, str]) -> None:
    """Checked whole, and priced; the run itself audits all of Adult, which takes a minute."""
    run(tmp_path, environment, "dpsynth", "demo", "--files-only", "-o", "adult")
    shutil.copy(root / "examples/adult/pipeline.yaml", tmp_path / "adult")
    ours = environment | {"DPSYNTH_LEDGER": str(tmp_path / "ledger.db")}
    run(tmp_path / "adult", ours, "dpsynth", "key", "create", "--no-passphrase", "-o", "release.key")
    assert "Nothing was run or spent" in run(tmp_path / "adult", ours, "dpsynth", "run", "pipeline.yaml", "--plan")
