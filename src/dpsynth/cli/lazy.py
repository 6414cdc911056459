"""Groups of commands whose files are imported only when a command is asked for.

``dpsynth --help`` must not pay for numpy: a group holds each command's name, module and one-line help, and loads the
module when the command runs.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

import click


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a group's help; ``module`` defines ``COMMAND``, a group has ``entries`` instead."""

    summary: str
    module: str = ""
    entries: Mapping[str, Entry] = field(default_factory=dict)


class LazyGroup(click.Group):
    """A click group over ``Entry`` lines; it suggests close names for a command that does not exist."""

    def __init__(self, name: str, entries: Mapping[str, Entry], summary: str, **attributes: Any) -> None:
        super().__init__(name, help=summary, no_args_is_help=False, invoke_without_command=True, **attributes)
        self.entries = entries

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """The arguments, or the help page when there are none: a newcomer types the bare name first."""
        if not args and not ctx.resilient_parsing:
            click.echo(ctx.get_help())
            ctx.exit(0)
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of the data's way, not of the alphabet."""
        return list(self.entries)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The named command, imported now; ``None`` when there is none."""
        entry = self.entries.get(cmd_name)
        if entry is None:
            return None
        if entry.entries:
            return LazyGroup(cmd_name, entry.entries, entry.summary)
        command: click.Command = importlib.import_module(f"dpsynth.cli.{entry.module}").COMMAND
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command of these arguments; a usage error that names the nearest commands otherwise."""
        name = args[0]
        if name not in self.entries and not name.startswith("-") and not ctx.resilient_parsing:
            near = get_close_matches(name, self.entries, n=3)
            advice = f"did you mean {' or '.join(near)}?" if near else f"commands: {', '.join(self.entries)}"
            raise click.UsageError(f"no command {name!r}; {advice}", ctx=ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the static one-line helps; no command file is imported."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.summary) for name, entry in self.entries.items()])


def command_path(entries: Mapping[str, Entry], arguments: list[str]) -> str:
    """The command that the arguments name, such as ``ledger show``; empty when they name none."""
    return " ".join(_words(entries, arguments))


def _words(entries: Mapping[str, Entry], arguments: list[str]) -> Iterator[str]:
    for word in arguments:
        entry = entries.get(word)
        if entry is None:
            return
        yield word
        entries = entry.entries
