"""What the README, the guide and a page of the reference show is run as it stands; the documentation builds cleanly.

A block of ``console``, ``bash`` or ``python`` is run, page by page, in a folder of its own; in a ``console`` block the
lines after a command are compared with what it prints, where ``...`` stands for anything. ``exit 4`` at the end of a
command's comment is the code it must end with. A block after ``<!-- not run: REASON -->`` is not run. The commands
of the README fit Adult with all defaults; other pages and blocks of Python that do the same do it with less effort.
"""

from __future__ import annotations

import doctest
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from dpsynth.synthesizers.effort import EFFORTS
from forked_commands import commands

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs" / "guide").glob("*.md")),
    ROOT / "docs" / "reference" / "estimate.md",
]
BLOCK = re.compile(
    r"(?:<!-- not run: (?P<reason>[^>]+) -->\s*\n)?^```(?P<language>\w+)[^\n]*\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@dataclass(frozen=True)
class Block:
    language: str
    text: str
    line: int


def blocks(page: str) -> Iterator[Block]:
    for match in BLOCK.finditer(page):
        if not match["reason"] and match["language"] in {"console", "bash", "python"}:
            yield Block(match["language"], match["text"], page[: match.start()].count("\n") + 1)


def commands_of(text: str) -> Iterator[tuple[str, str]]:
    """Each command of a console block, its continuation lines joined, with the output that is shown for it."""
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        head, _, shown = part.partition("\n")
        while head.endswith("\\"):
            more, _, shown = shown.partition("\n")
            head = f"{head[:-1]} {more.strip()}"
        yield head, shown


def run_shell(command: str, folder: Path) -> tuple[int, str]:
    run = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command],
        cwd=folder,
        env=os.environ | {"HOME": str(folder), "COLUMNS": "120"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return run.returncode, run.stdout


def check_console(text: str, folder: Path) -> Path:
    """Runs the block in the folder; the folder in which the next block runs (``cd`` is followed)."""
    for command, shown in commands_of(text):
        if command.startswith("cd "):
            folder = folder / command.removeprefix("cd ")
            continue
        code, printed = run_shell(command, folder)
        expected = re.search(r"#.*\bexit (\d+)$", command)
        assert code == (int(expected.group(1)) if expected else 0), f"{command}\n{printed}"
        if shown.strip():
            assert doctest.OutputChecker().check_output(shown, printed, FLAGS), f"{command}\n{printed}"
    return folder


@pytest.fixture(scope="module")
def path() -> Iterator[str]:
    """Where a shell finds ``dpsynth`` (see ``forked_commands``) and ``python``."""
    with commands() as forked:
        yield os.pathsep.join([str(forked), str(Path(sys.executable).parent), os.environ["PATH"]])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_what_a_page_shows_runs(page: Path, path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", path)
    monkeypatch.setitem(EFFORTS, "default", EFFORTS["fast"])
    if page.stem in {"journey", "sampling"}:
        monkeypatch.setenv("DPSYNTH_EFFORT", "fast")
    folder, namespace = tmp_path, {"__name__": "__main__"}
    for block in blocks(page.read_text(encoding="utf-8")):
        if block.language == "console":
            folder = check_console(block.text, folder)
            monkeypatch.chdir(folder)
        elif block.language == "bash":
            code, printed = run_shell(block.text, folder)
            assert code == 0, f"{page.name}:{block.line}\n{printed}"
        else:
            exec(compile(block.text, f"{page.name}:{block.line}", "exec"), namespace)  # noqa: S102


def test_the_readme_shows_the_journey() -> None:
    shown = " ".join(block.text for block in blocks((ROOT / "README.md").read_text(encoding="utf-8")))
    for words in ("dpsynth plan", "dpsynth fit", "dpsynth sample", "dpsynth ledger show", "exit 4", "dpsynth.fit("):
        assert words in shown


def test_console_blocks_are_read_as_written() -> None:
    text = "$ echo a \\\n    b\na b\n$ false  # exit 1\n$ echo c\n"
    assert list(commands_of(text)) == [("echo a  b", "a b\n"), ("false  # exit 1", ""), ("echo c", "")]


def test_wrong_output_and_wrong_codes_are_noticed(tmp_path: Path) -> None:
    check_console("$ echo one two\none ...\n", tmp_path)
    with pytest.raises(AssertionError):
        check_console("$ echo one\ntwo\n", tmp_path)
    with pytest.raises(AssertionError):
        check_console("$ true  # exit 4\n", tmp_path)


@pytest.mark.parametrize("words", [["fti"], ["plan", "--schema", "schema.yaml", "--epsilon", "0", "--json"]], ids=str)
def test_a_forked_command_is_like_any_other(words: list[str], path: str, tmp_path: Path) -> None:
    (tmp_path / "schema.yaml").write_text("fields: []\n", encoding="utf-8")
    runs = [
        subprocess.run(
            [*command, *words],
            cwd=tmp_path,
            env=os.environ | {"PATH": path},
            capture_output=True,
            text=True,
            check=False,
        )
        for command in (["env", "dpsynth"], [sys.executable, "-m", "dpsynth"])
    ]
    assert runs[0].returncode == runs[1].returncode == 2
    assert runs[0].stdout == runs[1].stdout
    assert runs[0].stderr == runs[1].stderr


def test_links_between_pages_lead_somewhere() -> None:
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "audits").glob("*.md")]
    broken = [
        f"{page.name}: {target}" for page in pages for target in links(page) if not (page.parent / target).exists()
    ]
    assert not broken


def links(page: Path) -> list[str]:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    targets = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text)
    return [target for target in targets if not re.match(r"[a-z]+:", target)]


def test_the_documentation_builds_without_a_warning(tmp_path: Path) -> None:
    """On one page: every source is read, resolved and written, without a search index and a frame for each."""
    words = ["-W", "--keep-going", "-q", "-b", "singlehtml", "-d", str(tmp_path / "doctrees")]
    run = subprocess.run(
        [sys.executable, "-m", "sphinx", *words, str(ROOT / "docs"), str(tmp_path / "html")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-4000:]
    assert "document-proofs/curator" in (tmp_path / "html" / "index.html").read_text(encoding="utf-8")
