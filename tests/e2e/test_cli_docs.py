"""The reference of the command line is what the commands say."""

import importlib.util
import re
from pathlib import Path

import click

from dpsynth.cli import options, plan
from dpsynth.cli.failures import describe
from dpsynth.cli.settings import KEYS
from dpsynth.errors import DpsynthError


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


def test_the_reference_lists_every_setting(root: Path) -> None:
    text = (root / "docs/reference/cli.md").read_text(encoding="utf-8")
    listed = text.partition("Settings are ")[2].partition(";")[0]
    assert tuple(re.findall(r"`([a-z-]+)`", listed)) == KEYS
