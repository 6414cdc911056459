"""Record and replay: run on a table, freeze the outputs of all primitives, run again on a neighbor.

Whatever is not a primitive must then be equal: the questions, their order and scales, and the model. Every exact input
of a primitive may move by its declared sensitivity at most. A bug that reads rows beside the primitives, or moves them
further, shows in one pair of runs, whatever the noise (Cebere et al., "Privacy in Theory, Bugs in Practice", 2026).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from dpsynth.audit.recorded import Output, RecordedQueryable
from dpsynth.errors import DpsynthError
from dpsynth.models import Model
from dpsynth.privacy.reconciliation import reconcile

Fit = Callable[[RecordedQueryable], Model]
"""A mechanism under audit: a synthesizer's ``fit``."""
Opened = Callable[[Sequence[Output] | None], RecordedQueryable]
"""A table ready to be asked, given frozen outputs or none."""
Run = Callable[[Sequence[Any] | None], "Recording"]
"""A whole run on one table, given frozen outputs or none."""


class Primitive(Protocol):
    """One primitive of a run, as ``recorded.Asked`` describes it."""

    @property
    def law(self) -> str:
        """The law of the noise."""

    @property
    def question(self) -> tuple[object, ...]:
        """All that was asked, hashable and public."""

    @property
    def sensitivity(self) -> int:
        """How far a unit may move the exact input."""

    @property
    def scale(self) -> float:
        """The scale of the noise."""

    @property
    def exact(self) -> Any:
        """The exact input: numbers, or numbers by key."""

    @property
    def output(self) -> Any:
        """What was answered."""


@dataclass(frozen=True, eq=False)
class Recording:
    """One run: its transcript, a digest of everything that it releases, and the type of an error that ended it.

    ``reconciled``: whether the released answers cost exactly what was drawn, within the budget.
    """

    transcript: tuple[Primitive, ...]
    released: str
    error: str | None
    reconciled: bool

    @property
    def outputs(self) -> tuple[Any, ...]:
        """What a replay is given."""
        return tuple(asked.output for asked in self.transcript)


@dataclass(frozen=True)
class Deviation:
    """What differed between two runs, at which primitive (from 0), and by how much of what was allowed."""

    table: str
    neighbor: str
    what: str
    primitive: int | None = None
    distance: float | None = None
    allowed: int | None = None


def recording(fit: Fit, queryable: RecordedQueryable) -> Recording:
    """The run of ``fit``; whatever it raises becomes part of the recording."""
    try:
        model = fit(queryable)
        released, error = digest_of(model), None
    except Exception as fault:
        return Recording(tuple(queryable.transcript), "", type(fault).__name__, reconciled=False)
    return Recording(tuple(queryable.transcript), released, error, _reconciled(model, queryable))


def digest_of(model: Model) -> str:
    """SHA-256 over what a model gives out: total, settings, single columns and 50 seeded rows."""
    facts = (model.domain, model.total, model.method, sorted(model.settings.items(), key=str), model.convergence)
    digest = hashlib.sha256(repr(facts).encode())
    for attribute in model.domain:
        digest.update(model.marginal((attribute,)).values.tobytes())
    for codes in model.distribution.sample_codes(50, np.random.default_rng(0)).values():
        digest.update(codes.tobytes())
    return digest.hexdigest()


def distance(before: Any, after: Any, *, largest: bool = False) -> float:
    """How far two exact inputs lie apart: L1 (which no L2 distance exceeds), or the ``largest`` difference of scores.

    Of numbers by key a missing one is 0. NaN and unequal shapes count as infinite.
    """
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        keys = before.keys() | after.keys()
        before, after = ([held.get(key, 0) for key in keys] for held in (before, after))
    first, second = np.asarray(before), np.asarray(after)
    if first.shape != second.shape:
        return float("inf")
    moved = np.abs(first - second)
    if moved.dtype.kind == "f" and np.isnan(moved).any():
        return float("inf")
    return float((moved.max() if largest else moved.sum()) if moved.size else 0)


def compared(first: Recording, second: Recording, table: str, neighbor: str) -> list[Deviation]:
    """Every deviation of a replay from what it replays."""
    found = [
        Deviation(table, neighbor, f"{what} differs")
        for what, differs in (
            (f"the outcome ({second.error or 'a model'})", first.error != second.error),
            ("the number of primitives", len(first.transcript) != len(second.transcript)),
            ("the model", first.released != second.released),
        )
        if differs
    ]
    if not second.error and not second.reconciled:
        found.append(Deviation(table, neighbor, "the answers cost other than what was drawn"))
    pairs = zip(first.transcript, second.transcript, strict=False)
    for number, (one, other) in enumerate(pairs):
        if _asked(one) != _asked(other):
            return [*found, Deviation(table, neighbor, "the question differs", number)]
        moved = _moved(one, other)
        if moved > one.sensitivity:
            what = "an exact input moves further than its sensitivity"
            found.append(Deviation(table, neighbor, what, number, moved, one.sensitivity))
    return found


@dataclass(frozen=True)
class Replayed:
    """What replays on all neighbors of a table showed. ``largest``: the furthest move, as part of its sensitivity."""

    table: str
    neighbors: int
    primitives: int
    largest: float
    deviations: tuple[Deviation, ...]

    @property
    def passed(self) -> bool:
        """Whether nothing deviated."""
        return not self.deviations


def replayed(fit: Fit, table: str, opened: Opened, neighbors: Sequence[tuple[str, Opened]]) -> Replayed:
    """The mechanism recorded on a table and replayed on each of its neighbors, named."""

    def run(one: Opened) -> Run:
        return lambda answers: recording(fit, one(answers))

    return replayed_runs(table, run(opened), [(name, run(neighbor)) for name, neighbor in neighbors])


def replayed_runs(table: str, run: Run, neighbors: Sequence[tuple[str, Run]]) -> Replayed:
    """A run recorded on a table and replayed on each of its neighbors, named."""
    first = run(None)
    found = [] if first.error is None else [Deviation(table, "", f"ends in {first.error}")]
    if first.error is None and not first.reconciled:
        found.append(Deviation(table, "", "the answers cost other than what was drawn"))
    largest = 0.0
    for name, neighbor in neighbors:
        second = neighbor(first.outputs)
        found += compared(first, second, table, name)
        pairs = zip(first.transcript, second.transcript, strict=False)
        largest = max([largest, *(_moved(one, other) / one.sensitivity for one, other in pairs)])
    return Replayed(table, len(neighbors), len(first.transcript), largest, tuple(found))


def _asked(asked: Primitive) -> tuple[object, ...]:
    return asked.law, asked.question, asked.sensitivity, asked.scale


def _moved(one: Primitive, other: Primitive) -> float:
    return distance(one.exact, other.exact, largest=isinstance(one.output, int))


def _reconciled(model: Model, queryable: RecordedQueryable) -> bool:
    try:
        reconcile(model.answers, queryable.draws, queryable.budget, queryable.governor)
    except DpsynthError:
        return False
    return True
