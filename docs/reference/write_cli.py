"""Writes the command pages of ``cli.md`` from the commands themselves: ``python docs/reference/write_cli.py``."""

from __future__ import annotations

from collections.abc import Iterator
from inspect import cleandoc
from pathlib import Path

import click

from dpsynth.cli.command import Documented
from dpsynth.cli.main import APPLICATION

PAGE = Path(__file__).with_name("cli.md")
MARK = "<!-- below this line: written by write_cli.py -->\n"


def commands(group: click.Group, path: tuple[str, ...] = ("dpsynth",)) -> Iterator[tuple[str, Documented]]:
    """Every command with its full name, in the order of the help."""
    for name in group.list_commands(click.Context(group)):
        found = group.get_command(click.Context(group), name)
        if isinstance(found, click.Group):
            yield from commands(found, (*path, name))
        elif isinstance(found, Documented):
            yield " ".join((*path, name)), found


def page(name: str, command: Documented) -> str:
    """The section of one command: text, arguments and options, examples."""
    context = click.Context(command, info_name=name)
    usage = " ".join((name, *command.collect_usage_pieces(context)))
    options = [param for param in command.params if isinstance(param, click.Option)]
    rows = "\n".join(f"| {_names(option, context)} | {_help(option)} |" for option in options)
    examples = "\n".join(command.examples)
    text = cleandoc(command.help or "")
    return f"## {name}\n\n`{usage}`\n\n{text}\n\n| option | what |\n|---|---|\n{rows}\n\n```bash\n{examples}\n```\n"


def _names(option: click.Option, context: click.Context) -> str:
    names = ", ".join(f"`{name}`" for name in option.opts)
    value = "" if option.is_flag else f" {option.make_metavar(context)}"
    return (names + value).replace("|", "\\|")


def _help(option: click.Option) -> str:
    text = [option.help or ""]
    if option.required:
        text.append("Required.")
    if option.show_default:
        text.append(f"Default: `{option.default}`.")
    if option.envvar:
        text.append(f"Also `{option.envvar}`, or `{option.opts[0].removeprefix('--')}` in dpsynth.yaml.")
    return " ".join(text).replace("|", "\\|")


def written(text: str) -> str:
    """The whole page: what people wrote above the mark, and the sections of the commands below it."""
    preface = text.partition(MARK)[0]
    return preface + MARK + "\n" + "\n".join(page(name, command) for name, command in commands(APPLICATION))


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
