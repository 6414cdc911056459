"""Stages of a pipeline as the commands they name: their options, checked by those commands, and their files."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dpsynth.cli.command import Documented
from dpsynth.cli.failures import describe
from dpsynth.errors import UsageError

if TYPE_CHECKING:
    from dpsynth.pipeline.run_document import Values, WrittenStage

SENSITIVE = {"data", "real"}
"""Parameters that name a table of real rows, in every command: told by name and declared version, never by content."""

WRITTEN = {"target", "new_key"}
"""Parameters that name what a command writes."""

PLACES = {"ledger"}
"""Parameters that name what a command reads and writes, and that no stage depends on."""

_OWN = {
    "json": "Give it to 'dpsynth run'.",
    "quiet": "Give it to 'dpsynth run'.",
    "help": "See 'dpsynth COMMAND --help'.",
    "once": "A run gives every fit a key of its own.",
}
_BY_HAND = {
    "run": "a pipeline does not run pipelines",
    "demo": "it is a journey of its own",
    "completion": "it makes no file",
    "schema confirm": "what is public knowledge is stated by a person",
    "ledger": "a budget is decided by a person: create the pool before the run",
}


@dataclass(frozen=True, slots=True)
class StageFile:
    """A file that a stage reads. ``pattern``: the text may also be a word of its option, or name no file."""

    parameter: str
    path: str
    sensitive: bool
    pattern: bool = False


@dataclass(frozen=True, eq=False)
class Stage:
    """One stage: the arguments of its command, and their meaning in ``context``."""

    number: int
    name: str
    where: str
    arguments: tuple[str, ...]
    context: click.Context

    @property
    def settings(self) -> Mapping[str, Any]:
        """Every parameter of the command by name, as given or from environment, dpsynth.yaml or default."""
        return self.context.params

    @property
    def outputs(self) -> tuple[str, ...]:
        """The files or folders that it writes."""
        given = [self.settings[name] for name in sorted(WRITTEN) if self.settings.get(name)]
        return tuple(_tidy(path) for path in given)

    @property
    def files(self) -> tuple[StageFile, ...]:
        """What it reads, in the order of the command's parameters."""
        return tuple(_files(self.context))

    @property
    def reads_people(self) -> bool:
        """Whether it names a table of real rows."""
        return any(one.sensitive for one in self.files)

    def has(self, option: str) -> bool:
        """Whether the command has this option."""
        return any(option in one.opts for one in self.context.command.params)


def stage_of(written: WrittenStage) -> Stage:
    """The stage, its options parsed by its command; ``UsageError`` that names the stage for anything wrong."""
    command = _command(written)
    arguments = _arguments(command, written)
    try:
        context = command.make_context(written.name, list(arguments))
    except click.ClickException as error:
        failure = describe(error, written.name)
        place = f"{failure.where}: " if failure.where else ""
        raise UsageError(f"{place}{failure.message}", where=written.where, hint=failure.hint) from None
    stage = Stage(written.number, written.name, written.where, arguments, context)
    if "-" in {*stage.outputs, *(one.path for one in stage.files)}:
        raise UsageError("a stage reads and writes files, not standard input or output", where=written.where)
    return stage


def _command(written: WrittenStage) -> Documented:
    from dpsynth.cli.main import APPLICATION

    found: click.Command = APPLICATION
    words = written.name.split()
    for depth, word in enumerate(words, 1):
        reason = _BY_HAND.get(" ".join(words[:depth]))
        if reason is not None:
            raise UsageError(f"this command is no stage: {reason}", where=written.where)
        inner = found.get_command(click.Context(found), word) if isinstance(found, click.Group) else None
        if inner is None:
            raise UsageError(f"no such command{_near(word, _names(found))}", where=written.where)
        found = inner
    if not isinstance(found, Documented):
        raise UsageError(f"say which command: {', '.join(_names(found))}", where=written.where)
    return found


def _names(group: click.Command) -> list[str]:
    return group.list_commands(click.Context(group)) if isinstance(group, click.Group) else []


def _near(word: str, names: list[str]) -> str:
    near = get_close_matches(word, names, n=2)
    return f"; did you mean {' or '.join(near)}?" if near else ""


def _arguments(command: Documented, written: WrittenStage) -> tuple[str, ...]:
    """The words of the command line: the arguments in their order, and the options."""
    known = {name: param for param in command.params for name in _long_names(param)}
    given: dict[str, Values] = {}
    for name, value in written.options:
        if name in _OWN and (name != "once" or name in known):
            raise UsageError(f"{name} is no option of a stage", where=written.where, hint=_OWN[name])
        if name not in known:
            hint = f"Options: {', '.join(one for one in known if one not in _OWN)}."
            raise UsageError(f"no option {_shown(name)}{_near(name, list(known))}", where=written.where, hint=hint)
        given[name] = value
    plain: list[str] = []
    named: list[str] = []
    for name, param in known.items():
        if name in given and isinstance(param, click.Argument):
            plain += _texts(name, given[name], many=param.nargs == -1, where=written.where)
    for name, value in given.items():
        if isinstance(known[name], click.Option):
            named += _option(name, known[name], value, written.where)
    # After "--" nothing is taken for an option.
    return (*named, "--", *plain) if any(text.startswith("-") for text in plain) else (*plain, *named)


def _long_names(param: click.Parameter) -> list[str]:
    if isinstance(param, click.Argument):
        return [str(param.name)]
    return [name[2:] for name in param.opts if name.startswith("--")]


def _option(name: str, param: click.Parameter, value: Values, where: str) -> Iterator[str]:
    if not getattr(param, "is_flag", False):
        yield from (f"--{name}={text}" for text in _texts(name, value, many=param.multiple, where=where))
    elif value == "true":
        yield f"--{name}"
    elif value != "false":
        raise UsageError(f"{name} is true or false", where=where)


def _texts(name: str, value: Values, *, many: bool, where: str) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    if not many:
        raise UsageError(f"{name} takes one value, not a list", where=where)
    return value


def _files(context: click.Context) -> Iterator[StageFile]:
    from dpsynth.pipeline.run_state import policy_tables

    for param in context.command.params:
        name, value = str(param.name), context.params.get(str(param.name))
        is_path, pattern = isinstance(param.type, click.Path), "FILE" in (param.metavar or "")
        if value is None or name in WRITTEN | PLACES or not (is_path or pattern):
            continue
        for path in value if isinstance(value, tuple) else (value,):
            yield StageFile(name, _tidy(path), name in SENSITIVE, pattern=not is_path)
            if name == "policy":
                yield from (StageFile("population", one, sensitive=True, pattern=True) for one in policy_tables(path))


def _shown(text: str) -> str:
    """A name for a message, however long or odd it is."""
    return text if text.isprintable() and len(text) <= 200 else "of a name that is too long or odd to print"


def check_stages(stages: tuple[Stage, ...], data_version: str | None) -> None:
    """Raise ``UsageError`` for a table of real rows of no declared version, for an output that two stages write,
    and for an input that neither stands there nor is made by an earlier stage.
    """
    made: dict[str, Stage] = {}
    for stage in stages:
        if data_version is None and any(one.sensitive for one in stage.files):
            hint = "Add a line such as data_version: 2026-11, and change it whenever the data change."
            what = "a stage reads a table of real rows, and the pipeline does not say which version of the data it is"
            raise UsageError(what, where=stage.where, hint=hint)
        for file in stage.files:
            if not (file.pattern or os.path.lexists(file.path) or maker_of(file.path, made)):
                raise _missing(file, stage, stages)
        for path in stage.outputs:
            other = maker_of(path, made) or next((made[one] for one in made if maker_of(one, {path: stage})), None)
            if other is not None:
                raise UsageError(f"stage {other.number} writes {_shown(path)} too", where=stage.where)
        made |= dict.fromkeys(stage.outputs, stage)


def _missing(file: StageFile, stage: Stage, stages: tuple[Stage, ...]) -> UsageError:
    later = any(maker_of(file.path, dict.fromkeys(one.outputs, one)) for one in stages)
    hint = "A later stage makes it: change the order." if later else "Check the path."
    what = f"{file.parameter.replace('_', '-')}: no such file, {_shown(file.path)}"
    return UsageError(what, where=stage.where, hint=hint)


def maker_of(path: str, made: Mapping[str, Stage]) -> Stage | None:
    """The earlier stage that makes this file: as its output, beside it under its name, or inside its folder; however
    the two paths are written, and through whatever links they lead.
    """
    from dpsynth.pipeline.run_state import ENDINGS

    wanted = _places(path)
    for output, stage in made.items():
        places = _places(output)
        if wanted & {f"{place}{ending}" for place in places for ending in ENDINGS}:
            return stage
        if any(one.startswith(f"{place}{os.sep}") for one in wanted for place in places):
            return stage
    return None


def _places(path: str) -> set[str]:
    """Where a path leads: its name in the folder that is meant, and the file behind it if that is a link."""
    return {str(_named_place(path)), os.path.realpath(path)}


def _named_place(path: str) -> Path:
    return Path(os.path.realpath(Path(path).parent)) / Path(path).name


def _tidy(path: str) -> str:
    """The path in its shortest form; below the folder of the pipeline, where the work is done, as counted from it."""
    tidy = os.path.normpath(path)
    if os.path.realpath(tidy) != os.path.realpath(path):
        return path  # ".." behind a link leads elsewhere than the text says
    place, here = _named_place(tidy), os.path.realpath(".")
    return str(place.relative_to(here)) if Path(tidy).is_absolute() and place.is_relative_to(here) else tidy
