"""The words of the Makefile, the entry for continuous integration, and the switch that forbids skips."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def run(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    # Under `make test` a make would take itself for a part of that one.
    outside = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    return subprocess.run(words, cwd=ROOT, env=outside | environment, capture_output=True, text=True, check=False)


def test_every_word_is_explained() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    words = set(re.findall(r"^\.PHONY: (.*)$", makefile, flags=re.MULTILINE)[0].split())
    explained = {line.split()[0] for line in run("make", "help").stdout.splitlines()}
    assert explained == words
    assert {"setup", "check", "test", "demo", "audits", "bench", "docs", "test-oldest", "test-system"} <= words


def test_the_oldest_dependencies_are_those_that_the_project_admits() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    admitted = dict(re.findall(r"^([a-z0-9]+)>=([\d.]+)", "\n".join(project["dependencies"]), flags=re.MULTILINE))
    text = (ROOT / "tests" / "constraints-oldest.txt").read_text(encoding="utf-8")
    pinned = dict(re.findall(r"^([a-z0-9]+)==([\d.]+)$", text, flags=re.MULTILINE))
    assert len(project["dependencies"]) == len(admitted)
    assert pinned.keys() == admitted.keys()
    assert all(f"{pinned[name]}.".startswith(f"{oldest}.") for name, oldest in admitted.items())


def test_without_python_setup_says_what_to_do(tmp_path: Path) -> None:
    done = run("make", "setup", f"VENV={tmp_path / 'none'}", "PYTHON=")
    assert done.returncode != 0
    assert "3.11" in done.stderr
    assert "PYTHON=" in done.stderr
    assert not (tmp_path / "none").exists()


def test_setup_finds_a_python_that_fits(tmp_path: Path) -> None:
    """An old or broken python earlier in the list is passed over."""
    for name, body in {"python3.11": "exit 1", "python3.12": f'exec "{sys.executable}" "$@"'}.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
        (tmp_path / name).chmod(0o755)
    # With the stamp missing, a dry run shows the interpreter that make would use.
    planned = run(
        "make", "-n", "setup", f"VENV={tmp_path / 'venv'}", PATH=f"{tmp_path}{os.pathsep}/usr/bin{os.pathsep}/bin"
    )
    assert '"python3.12" -m venv' in planned.stdout


def test_continuous_integration_runs_the_tests() -> None:
    entry = ROOT / ".ci" / "run"
    assert os.access(entry, os.X_OK)
    assert "make --no-print-directory test" in entry.read_text(encoding="utf-8")


@pytest.mark.parametrize(("option", "code"), [((), 0), (("--forbid-skips",), 1)])
def test_skips_can_be_forbidden(tmp_path: Path, option: tuple[str, ...], code: int) -> None:
    (tmp_path / "test_one.py").write_text("import pytest\ndef test_a():\n    pytest.skip('absent')\n", encoding="utf-8")
    plugins = ("-p", "conftest", "-p", "no:cacheprovider")
    words = (
        sys.executable,
        "-m",
        "pytest",
        *plugins,
        f"--rootdir={tmp_path}",
        "-c",
        os.devnull,
        *option,
        str(tmp_path),
    )
    alone = {"PYTHONPATH": str(ROOT / "tests"), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    assert run(*words, **alone).returncode == code
