"""The snippets of ``tests/typing``: every marked line is refused by mypy, for the stated reason, and no other line is.

``make check`` runs mypy over the snippets as they stand, where an unused mark is an error. Here the marks are taken
away first, so that the refusals themselves are seen. What mypy knows of the package it shares with ``make check``.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SNIPPETS = sorted((ROOT / "tests" / "typing").glob("*.py"))
MARK = re.compile(r"\s*# type: ignore\[([a-z-]+)\]")


@pytest.fixture(scope="module")
def refused(tmp_path_factory: pytest.TempPathFactory) -> set[tuple[str, int, str]]:
    folder = tmp_path_factory.mktemp("snippets")
    for snippet in SNIPPETS:
        (folder / snippet.name).write_text(MARK.sub("", snippet.read_text(encoding="utf-8")), encoding="utf-8")
    run = subprocess.run(
        [
            sys.executable,
            "-m",
            "mypy",
            f"--config-file={ROOT / 'pyproject.toml'}",
            f"--cache-dir={ROOT / '.mypy_cache'}",
            "--no-error-summary",
            "--show-error-codes",
            "--hide-error-context",
            "--no-pretty",
            folder,
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    lines = re.findall(r"^(?:.*/)?(\w+\.py):(\d+): error: .*\[([a-z-]+)\]$", run.stdout, flags=re.MULTILINE)
    assert lines, run.stdout + run.stderr
    return {(name, int(line), code) for name, line, code in lines}


def marks(snippet: Path) -> set[tuple[str, int, str]]:
    text = snippet.read_text(encoding="utf-8")
    return {
        (snippet.name, number, match.group(1))
        for number, line in enumerate(text.splitlines(), start=1)
        for match in MARK.finditer(line)
    }


@pytest.mark.parametrize("snippet", SNIPPETS, ids=lambda path: path.stem)
def test_mypy_refuses_every_marked_line_and_no_other(snippet: Path, refused: set[tuple[str, int, str]]) -> None:
    assert {error for error in refused if error[0] == snippet.name} == marks(snippet)


def test_failing_snippets_fail_and_passing_snippets_pass() -> None:
    assert {path.name.split("_")[0] for path in SNIPPETS} == {"fail", "pass"}
    for snippet in SNIPPETS:
        assert bool(marks(snippet)) == snippet.name.startswith("fail_")
