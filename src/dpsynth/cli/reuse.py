"""Whether a stage of a run must run: by its key, what it made before, and, for a fit, what the ledger says of it.

The key of a stage covers its settings and its files. A file is known by what it says; a table of real rows is known by
the declared version of the data and by the stage that made it: never by its content, size or time.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import click

from dpsynth.cli.stages import PLACES, WRITTEN, Stage, StageFile, maker_of

if TYPE_CHECKING:
    from dpsynth.pipeline.run_state import Made, RunState

_NO_INPUT = {"as_json", "quiet", "force", "once", "purpose", *WRITTEN, *PLACES}
"""Parameters that change nothing of what a stage makes, or that are told apart in another way."""

Action = Literal["run", "reuse", "wait"]


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of a stage. ``wait``: it depends on what an earlier one will make. ``extra``: words that a run adds
    to the command. ``exit_code``: that of the answer which is reused. ``moves``: what is reused is still to be put in
    its place.
    """

    action: Action
    why: str
    key: str | None = None
    extra: tuple[str, ...] = ()
    exit_code: int = 0
    moves: bool = False


@dataclass(slots=True)
class Course:
    """A pipeline on its way: what the stages so far made, and under which keys (``None``: not known before they ran).

    ``look``: whether the files of real people's rows may be compared; a plan leaves them alone.
    """

    pipeline: str
    state: RunState
    data_version: str | None
    again: Collection[int]
    look: bool = True
    made: dict[str, Stage] = field(default_factory=dict)
    keys: dict[int, str | None] = field(default_factory=dict)
    due: set[int] = field(default_factory=set)

    def decide(self, stage: Stage) -> Decision:
        """What becomes of the next stage; ``BudgetExceededError`` for a fit that was paid for and is lost."""
        decision = self._decide(stage)
        self.made |= dict.fromkeys(stage.outputs, stage)
        self.keys[stage.number] = decision.key
        if decision.action != "reuse" or decision.moves:
            self.due.add(stage.number)
        return decision

    def waits_for(self, path: str) -> bool:
        """Whether an earlier stage is still to make this file."""
        maker = maker_of(path, self.made)
        return maker is not None and maker.number in self.due

    def _decide(self, stage: Stage) -> Decision:
        if not stage.outputs:
            return Decision("run", "its answer is what it prints")
        pending = self._pending(stage)
        if pending is not None:
            return Decision("wait", f"after stage {pending}, unless that makes the same file again")
        key = self.key(stage)
        made = self.state.of(key, stage.outputs)
        if stage.number in self.again:
            return self._run(stage, key, "asked for again", again=True)
        if made is not None and made.unchanged(look=self.look or not stage.reads_people):
            return Decision("reuse", "inputs, settings and outputs are unchanged", key, exit_code=made.exit_code)
        return self._run(stage, key, self._reason(stage, made))

    def _run(self, stage: Stage, key: str, why: str, *, again: bool = False) -> Decision:
        force = ("--force",) if self._may_replace(stage) else ()
        if not stage.has("--once"):
            return Decision("run", why, key, force)
        from dpsynth.cli.run_fit import payment_of

        earlier, owned = self._digest(stage), self.state.owns(stage.outputs)
        paid = payment_of(stage, key, earlier, self._again(stage), repeat=again, move=self.look, owned=owned)
        if paid.transaction is not None:
            waits = "; its model is still to be put in its place" if paid.waits else ""
            return Decision("reuse", f"it was paid for (transaction {paid.transaction}){waits}", key, moves=paid.waits)
        return Decision("run", why, key, (*force, f"--once={paid.next_key}"))

    def _again(self, stage: Stage) -> str:
        return shlex.join(("dpsynth", "run", self.pipeline, "--again", str(stage.number)))

    def _may_replace(self, stage: Stage) -> bool:
        """Whether something stands at its outputs that a run of this pipeline made, and nobody changed since."""
        taken = any(os.path.lexists(path) for path in stage.outputs)
        return taken and stage.has("--force") and not stage.settings.get("force") and self.state.owns(stage.outputs)

    def _reason(self, stage: Stage, made: Made | None) -> str:
        if made is not None:
            return "what it made was changed or removed" if made.files is not None else "its last run did not end"
        before = any(set(one.outputs) & set(stage.outputs) for one in self.state.made)
        return "its inputs or settings changed" if before else "it was not run before"

    def _pending(self, stage: Stage) -> int | None:
        """The number of an earlier stage that is still to make what this one's key depends on; only in a plan."""
        if self.look:
            return None
        for one in stage.files:
            maker = maker_of(one.path, self.made)
            # Of a table of real rows only the key of its maker counts, and that is known before it runs.
            if maker and maker.number in self.due and not (one.sensitive and self.keys[maker.number]):
                return maker.number
        return None

    def key(self, stage: Stage) -> str:
        """The key of a stage whose inputs are there; of a fit that of its payment (``run_key``)."""
        if not stage.has("--once"):
            return self._digest(stage)
        from dpsynth.cli.run_fit import key_of

        return key_of(stage, data_version=self.data_version, maker=self._maker(stage.settings["data"]))

    def _digest(self, stage: Stage) -> str:
        """SHA-256 of a stage's command, settings and files."""
        from dpsynth.pipeline.run_state import text_digest

        files = {(one.parameter, one.path): self._identity(one) for one in stage.files}
        named = {one.parameter for one in stage.files if not one.pattern or files[one.parameter, one.path]}
        settings = {name: str(value) for name, value in _chosen(stage.context) if name not in _NO_INPUT | named}
        known = [[parameter, identity] for (parameter, _), identity in files.items() if identity is not None]
        return text_digest([1, stage.name, settings, known])

    def _identity(self, one: StageFile) -> Any:
        """What a file is known by; ``None`` for a word that is no file."""
        from dpsynth.pipeline.run_state import digest_of, policy_digest, schema_digest

        if one.sensitive:
            return [self.data_version, self._maker(one.path)]
        told = {"schema": schema_digest, "policy": policy_digest}.get(one.parameter, digest_of)
        return told(one.path)

    def _maker(self, path: str) -> str | None:
        """The key of the stage that makes a table of real rows, ``None`` for one that stands by itself."""
        maker = maker_of(path, self.made)
        return None if maker is None else self.keys[maker.number]


def _chosen(context: click.Context) -> list[tuple[str, Any]]:
    """The parameters that differ from their defaults, by name: what a later dpsynth adds leaves a key as it is."""
    params = {str(one.name): one for one in context.command.params}
    return [(name, value) for name, value in sorted(context.params.items()) if not _usual(params[name], value, context)]


def _usual(param: click.Parameter, value: Any, context: click.Context) -> bool:
    if value is None or value is False or value == ():
        return True
    usual = param.default
    return isinstance(usual, str | int | float) and bool(value == param.type.convert(usual, param, context))
