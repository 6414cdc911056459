"""The documents of the command line are true: the reference is what the commands say, the guide runs."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from dpsynth.cli import options, plan
from dpsynth.cli.failures import describe
from dpsynth.errors import DpsynthError

GUIDE = "docs/guide/journey.md"
BLOCK = re.compile(r"^```bash\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_the_reference_is_what_the_commands_say(root: Path) -> None:
    path = root / "docs/reference/write_cli.py"
    spec = importlib.util.spec_from_file_location("write_cli", path)
    assert spec
    assert spec.loader
    writer = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(writer)
    text = path.with_name("cli.md").read_text(encoding="utf-8")
    assert text == writer.written(text), "run: python docs/reference/write_cli.py"


def test_the_reference_lists_every_exit_code_and_error_code(root: Path) -> None:
    text = (root / "docs/reference/cli.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| (\d+) \| .*? \| (.*) \|$", text, re.MULTILINE))
    kinds = [DpsynthError]
    for kind in kinds:
        kinds.extend(kind.__subclasses__())
        failure = describe(kind("what"), "fit")
        assert f"`{failure.code}`" in rows[str(failure.exit_code)]
    for error in (OSError(), MemoryError(), RuntimeError(), KeyboardInterrupt()):
        failure = describe(error, "fit")
        assert f"`{failure.code}`" in rows[str(failure.exit_code)]


def test_the_methods_offered_are_those_that_exist() -> None:
    from dpsynth.synthesizers.registry import NAMES

    kind = next(param.type for param in plan.COMMAND.params if param.name == "method")
    assert isinstance(kind, click.Choice)
    assert set(kind.choices) == set(NAMES)
    assert options.method is not None


@pytest.fixture
def shell(tmp_path: Path) -> dict[str, str]:
    """An environment in which ``dpsynth`` is the command under test, whatever is installed beside it."""
    tools = tmp_path / "bin"
    tools.mkdir()
    script = tools / "dpsynth"
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m dpsynth "$@"\n')
    script.chmod(0o755)
    return {**os.environ, "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}"}


def test_every_block_of_the_guide_runs(root: Path, tmp_path: Path, shell: dict[str, str]) -> None:
    blocks = BLOCK.findall((root / GUIDE).read_text(encoding="utf-8"))
    assert len(blocks) >= 5
    folder = tmp_path / "guide"
    folder.mkdir()
    for block in blocks:
        done = subprocess.run(
            ["bash", "-eu", "-o", "pipefail", "-c", block],
            cwd=folder, env=shell, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{block}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr
    assert (folder / "synthetic.parquet").exists()
