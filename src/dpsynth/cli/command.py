"""What all commands share: ``--json``, ``--quiet``, examples in the help, settings, and how an answer is printed."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any

import click

from dpsynth.cli.failures import envelope
from dpsynth.cli.layout import shown
from dpsynth.cli.settings import defaults, setting
from dpsynth.errors import UsageError


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command found: ``result`` for ``--json``, ``text`` for everybody else; both go to stdout.

    ``exit_code``: 4 for a plan that a pool would refuse, 5 for a verdict that something is not met, 6 for a release
    that does not verify; it is an answer all the same. ``verbatim``: the text is a document, for a file or another
    program, and printed as it is.
    """

    result: Mapping[str, object]
    text: str = ""
    exit_code: int = 0
    verbatim: bool = False


@dataclass(slots=True)
class Output:
    """Where a command speaks: notes and progress to stderr, nothing of it with ``--quiet``."""

    command: str
    as_json: bool
    quiet: bool
    notes: list[str] = field(default_factory=list)

    def note(self, text: str) -> None:
        """A line for stderr; with ``--json`` it is kept for ``result.notes`` instead."""
        self.notes.append(text)
        if not (self.quiet or self.as_json):
            click.echo(shown(text), err=True)

    @property
    def silent(self) -> bool:
        """Whether progress must not be drawn."""
        return self.quiet or self.as_json

    def keep_stdout_for(self, target: str) -> None:
        """Raise ``UsageError`` if both the data and ``--json`` want stdout."""
        if self.as_json and target == "-":
            raise UsageError("--json and --output - both write to stdout", hint="Give --output a file.")

    def finish(self, answer: Answer) -> None:
        """Prints the answer: exactly one JSON object, or the text."""
        if self.as_json:
            result = {**answer.result, "notes": self.notes} if self.notes else answer.result
            click.echo(json.dumps({**envelope(self.command, result=result), "ok": answer.exit_code == 0}))
        elif answer.text:
            click.echo(answer.text if answer.verbatim else shown(answer.text))


class Documented(click.Command):
    """A command with an Examples section; its callback takes an ``Output`` first and returns an ``Answer``."""

    def __init__(self, *args: Any, examples: tuple[str, ...], **attributes: Any) -> None:
        super().__init__(*args, **attributes)
        self.examples = examples

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """A context whose defaults are those of dpsynth.yaml; help works however broken that file is."""
        if not {"-h", "--help"} & set(args) and not extra.get("resilient_parsing"):
            extra["default_map"] = defaults(self)
        return super().make_context(info_name, args, parent, **extra)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the examples, unwrapped, so that they can be copied."""
        with formatter.section("Examples"):
            for example in self.examples:
                formatter.write(f"{'':>{formatter.current_indent}}{example}\n")

    def invoke(self, ctx: click.Context) -> None:
        """Runs the callback, prints its answer and ends with its exit code."""
        params: MutableMapping[str, Any] = dict(ctx.params)
        path = ctx.command_path.partition(" ")[2]
        output = Output(path, as_json=params.pop("as_json"), quiet=params.pop("quiet"))
        answer = ctx.invoke(self.callback, output, **params)  # type: ignore[arg-type]
        output.finish(answer)
        if answer.exit_code:
            ctx.exit(answer.exit_code)


def command(name: str, *examples: str) -> Callable[[Callable[..., Answer]], Documented]:
    """Turns a function into a command with ``--json`` and ``--quiet``; its docstring is the help page."""

    def wrap(function: Callable[..., Answer]) -> Documented:
        function = setting("quiet", "-q", is_flag=True, help="No messages and no progress on stderr; errors stay.")(
            function
        )
        function = click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")(function)
        made: Documented = click.command(name, cls=Documented, examples=examples)(function)
        return made

    return wrap
