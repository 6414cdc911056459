"""Commands that run commands: in this process, with the streams, messages and exit codes of a shell."""

from __future__ import annotations

import io
import json
import shlex
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass

from dpsynth.cli.command import Output


@dataclass(frozen=True, slots=True)
class Ended:
    """A command that has run: its line, its exit code, and with ``--json`` what it printed."""

    line: str
    exit_code: int
    said: str = ""

    def record(self) -> dict[str, object]:
        """What ``--json`` says of it."""
        answer = {"answer": json.loads(self.said)} if self.said else {}
        return {"command": self.line, "exit_code": self.exit_code, **answer}


PRIVATE = {"--purpose", "--recipient", "--override", "--reason", "--once"}
"""Options whose values the ledger keeps to itself, or for its owner: no line and no log repeats them."""


def line_of(words: Sequence[str]) -> str:
    """The command as one would type it, without the values of private options."""
    shown: list[str] = []
    hidden = False
    for position, word in enumerate(words):
        if word == "--":
            return shlex.join(("dpsynth", *shown, *words[position:]))
        name, equals, _ = word.partition("=")
        shown.append("..." if hidden else f"{name}=..." if equals and name in PRIVATE else word)
        hidden = not hidden and word in PRIVATE
    return shlex.join(("dpsynth", *shown))


def run_command(words: Sequence[str], output: Output) -> Ended:
    """Runs the command as the shell would; with ``--json`` its object is kept instead of printed."""
    from dpsynth.cli.main import APPLICATION

    sys.stdout.flush()
    flags = ("--json",) if output.as_json else ("--quiet",) if output.quiet else ()
    said = io.StringIO()
    end = words.index("--") if "--" in words else len(words)
    given = [*words[:end], *flags, *words[end:]]
    if output.as_json:
        with redirect_stdout(said):
            code = APPLICATION.main(given, standalone_mode=False)
    else:
        code = APPLICATION.main(given, standalone_mode=False)
    return Ended(line_of(words), code or 0, said.getvalue())
