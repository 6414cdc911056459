"""From an exception to one message and one exit code; never a traceback, never a value of the data."""

from __future__ import annotations

import errno
import json
import os
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import click
from click.core import ParameterSource

from dpsynth.cli.layout import shown
from dpsynth.errors import DpsynthError

SCHEMA_VERSION = 1
"""Version of the object that ``--json`` prints."""

INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class Failure:
    """What ``--json`` prints under ``error``, and the exit code beside it."""

    exit_code: int
    code: str
    message: str
    where: str | None = None
    hint: str | None = None

    def text(self) -> str:
        """One or two lines for stderr."""
        place = f"{self.where}: " if self.where else ""
        advice = f"\n  {self.hint}" if self.hint else ""
        return f"Error: {place}{self.message}{advice}"


def fail(error: BaseException, command: str, *, as_json: bool) -> int:
    """The exit code of the error, after its message went to stderr (as JSON: to stdout)."""
    if isinstance(error, BrokenPipeError):
        _settle_streams()
        return 1
    failure = describe(error, command)
    try:
        if as_json:
            details = {key: value for key, value in asdict(failure).items() if key != "exit_code"}
            click.echo(json.dumps(envelope(command, error=details)))
        else:
            click.echo(shown(failure.text()), err=True)
    except OSError:
        pass  # nobody can be told any more; the exit code still tells
    _settle_streams()
    return failure.exit_code


def envelope(command: str, **outcome: object) -> dict[str, object]:
    """The object of ``--json``: ``result`` when all went well, ``error`` otherwise."""
    return {"schema_version": SCHEMA_VERSION, "command": command, "ok": "error" not in outcome, **outcome}


def describe(error: BaseException, command: str) -> Failure:
    """The failure that this exception stands for."""
    if isinstance(error, DpsynthError):
        return Failure(error.exit_code, error.code, error.message, error.where, error.hint)
    if isinstance(error, click.ClickException):
        return _usage(error, command)
    if isinstance(error, (click.Abort, KeyboardInterrupt)):
        return _interrupted(command)
    if isinstance(error, MemoryError):
        return Failure(1, "memory", "the machine ran out of memory", None, "Close other programs or ask for less.")
    if isinstance(error, OSError):
        return _system(error)
    return _unexpected(error)


def _usage(error: click.ClickException, command: str) -> Failure:
    where = None
    message = error.format_message()
    if isinstance(error, click.BadParameter) and not isinstance(error, click.MissingParameter) and error.param:
        where, message = _origin(error), error.message
    page = f"dpsynth {command} --help".replace("  ", " ")
    return Failure(2, "usage", message, where, f"See '{page}'.")


def _origin(error: click.BadParameter) -> str:
    """Where a bad value came from: the flag, the environment or dpsynth.yaml."""
    param = error.param
    assert param is not None  # noqa: S101 (the caller checked)
    source = error.ctx.get_parameter_source(param.name or "") if error.ctx else None
    if source is ParameterSource.ENVIRONMENT:
        return str(param.envvar)
    if source is ParameterSource.DEFAULT_MAP:
        return f"dpsynth.yaml, {(param.name or '').replace('_', '-')}"
    return (
        param.opts[-1]
        if isinstance(param, click.Option)
        else param.make_metavar(error.ctx or click.Context(click.Command("")))
    )


def _interrupted(command: str) -> Failure:
    hint = None
    if command in {"fit", "demo"}:
        hint = "If reading had begun, the reserved budget is forfeited: 'dpsynth ledger show' tells."
    return Failure(INTERRUPTED, "interrupted", "interrupted; no output was left half-written", None, hint)


def _system(error: OSError) -> Failure:
    where = os.fsdecode(error.filename) if isinstance(error.filename, (str, bytes)) else None
    reason = os.strerror(error.errno).lower() if error.errno else "input or output failed"
    hints = {
        errno.ENOENT: "Check the path.",
        errno.EACCES: "Check who may read or write it.",
        errno.EPERM: "Check who may read or write it.",
        errno.EROFS: "Choose a place that can be written.",
        errno.ENOSPC: "Free some space, or write elsewhere.",
    }
    return Failure(1, "io", reason, where, hints.get(error.errno or 0))


def _unexpected(error: BaseException) -> Failure:
    """Type and place only: the text of a foreign exception may quote a cell."""
    place, trace = None, error.__traceback__
    while trace is not None:
        frame = trace.tb_frame
        if frame.f_globals.get("__name__", "").startswith("dpsynth."):
            place = f"{Path(frame.f_code.co_filename).name}:{trace.tb_lineno}"
        trace = trace.tb_next
    message = f"unexpected {type(error).__name__}" + (f" at {place}" if place else "")
    return Failure(1, "unexpected", message, None, "This is a fault of dpsynth: please report this line.")


def _settle_streams() -> None:
    """Nothing unwritten is left for the interpreter to flush at its end, where a closed or full stream would end the
    process with a code and a message that are not ours.
    """
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
