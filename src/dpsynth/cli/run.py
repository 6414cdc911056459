"""``dpsynth run``: the stages of a pipeline file, each run when it must be and reused when it can be."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import chdir
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dpsynth.cli.command import Answer, Output, command
from dpsynth.cli.nested import line_of, run_command
from dpsynth.errors import UsageError

if TYPE_CHECKING:
    from dpsynth.cli.reuse import Course, Decision
    from dpsynth.cli.stages import Stage

CLOSED = 5


@command(
    "run",
    "dpsynth run pipeline.yaml --plan",
    "dpsynth run pipeline.yaml",
    "dpsynth run examples/adult/pipeline.yaml --again sample",
    "dpsynth run pipeline.yaml --json",
)
@click.argument("pipeline", type=click.Path())
@click.option("--plan", "only_plan", is_flag=True, help="Say what would run and what a fit would cost; run nothing.")
@click.option(
    "--again",
    metavar="STAGE",
    multiple=True,
    help="Run this stage, by number or command, even if it need not; a fit is paid for again. Repeatable.",
)
def run(output: Output, *, pipeline: str, only_plan: bool, again: tuple[str, ...]) -> Answer:
    """Run the stages of PIPELINE in order: each is a command with its long options.

    A stage whose settings, inputs and outputs are unchanged is reused. A fit is paid for once: the ledger tells, even
    after a crash. A table of real rows is known by the declared data_version alone. The first stage that fails, or a
    gate that stays closed, ends the run with its exit code; the next run goes on from there. Paths count from the
    folder of PIPELINE.
    """
    from dpsynth.cli.reuse import Course
    from dpsynth.cli.stages import check_stages, stage_of
    from dpsynth.pipeline.run_document import read_run
    from dpsynth.pipeline.run_state import RunState, state_path

    document, path = read_run(pipeline), Path(pipeline).absolute()
    with chdir(path.parent):
        stages = tuple(stage_of(one) for one in document.stages)
        check_stages(stages, document.data_version)
        chosen = frozenset(number for text in again for number in _numbers(text, stages))
        state = RunState.load(state_path(path))
        course = Course(pipeline, state, document.data_version, chosen, look=not only_plan)
        if only_plan:
            from dpsynth.cli.run_plan import planned

            return planned(course, stages, output)
        return _run(course, stages, output)


def _numbers(text: str, stages: Sequence[Stage]) -> list[int]:
    """The number of the stage that is meant."""
    name = " ".join(text.split())
    found = [one.number for one in stages if name in {one.name, str(one.number)}]
    if len(found) == 1:
        return found
    if found:
        hint = f"Give a number: {', '.join(map(str, found))}."
        raise UsageError(f"several stages are called {name}", where="--again", hint=hint)
    hint = f"Stages: {', '.join(f'{one.number} {one.name}' for one in stages)}."
    raise UsageError("there is no such stage", where="--again", hint=hint)


def _run(course: Course, stages: Sequence[Stage], output: Output) -> Answer:
    """Stage after stage, until one ends with another code than 0."""
    from dpsynth.cli.run_keys import KeyCheck

    records: list[dict[str, object]] = []
    keys = KeyCheck(stages)
    for stage in stages:
        decision = course.decide(stage)
        keys.before(stage, decision)
        head = f"[{stage.number}/{len(stages)}] {stage.name}"
        if decision.action == "reuse":
            output.note(f"{head}: reused {', '.join(stage.outputs)}")
            code = decision.exit_code
            record: dict[str, object] = {"exit_code": code}
            _remember(course, stage, decision, code)
        else:
            words = (*stage.name.split(), *decision.extra, *stage.arguments)
            output.note(f"{head}: {decision.why}\n$ {line_of(words)}")
            code, record = _stage(course, stage, decision, words, output)
        records.append({"stage": stage.number, "name": stage.name, "action": decision.action, **record})
        if code:
            output.note(_stopped(stage, len(stages), code))
            return Answer({"stages": records}, "", code)
    output.note(f"All {len(stages)} stages are done.")
    return Answer({"stages": records})


def _stage(
    course: Course, stage: Stage, decision: Decision, words: Sequence[str], output: Output
) -> tuple[int, dict[str, object]]:
    """Runs one stage; on disk before: that it began, and after: what it made."""
    from dpsynth.cli.run_holdout import key_set_aside
    from dpsynth.pipeline.run_state import Made

    state, before = course.state, {path: _stamp(path) for path in stage.outputs}
    known = state.made
    if decision.key is not None and state.owns(stage.outputs):
        state.put(Made(decision.key, stage.outputs))
    with key_set_aside(stage, decision, output):
        ended = run_command(words, output)
    written = [path for path in stage.outputs if _stamp(path) not in {None, before[path]}]
    if ended.exit_code == 0 or (ended.exit_code == CLOSED and written):
        _remember(course, stage, decision, ended.exit_code)
    elif state.made is not known and not written:
        state.keep(known)
    return ended.exit_code, ended.record()


def _remember(course: Course, stage: Stage, decision: Decision, code: int) -> None:
    """What the stage made, unless that is known already."""
    from dpsynth.pipeline.run_state import Made, files_of

    if decision.key is None:
        return
    made = Made(decision.key, stage.outputs, files_of(stage.outputs), code)
    if made not in course.state.made:
        course.state.put(made)


def _stamp(path: str) -> tuple[int, int] | None:
    """Tells one writing of a file from another."""
    try:
        found = Path(path).stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns


def _stopped(stage: Stage, count: int, code: int) -> str:
    left = count - stage.number
    after = "" if not left else f" The {left} stage{'' if left == 1 else 's'} after it did not run."
    why = "its gate is not open" if code == CLOSED else f"exit code {code}"
    return f"Stopped at stage {stage.number} of {count}, {stage.name}: {why}.{after}"


COMMAND = run
