"""What a fit without a schema makes of wishes that name columns: from the header and released answers alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from dpsynth.domain import Domain
from dpsynth.pipeline.discovery import Learned
from dpsynth.synthesizers import Synthesizer, synthesizer
from dpsynth.synthesizers.workload import Workload, narrowed


def check_workload(method: Synthesizer, columns: Sequence[str]) -> None:
    """Raise ``UsageError`` for a workload that names a column beside these, or that is none."""
    given = getattr(method, "workload", None)
    if given is not None:
        Workload.of(Domain.from_sizes(dict.fromkeys(columns, 2)), given)


def serving(method: Any, learned: Learned) -> tuple[Synthesizer, tuple[str, ...]]:
    """The method with a workload of modeled columns alone, and what the user should know about that."""
    given = getattr(method, "workload", None)
    left = None if given is None else narrowed(given, {one.name for one in learned.discovery.findings if one.modeled})
    if left == given:
        return method, ()
    if left is not None:
        return replace(method, workload=left), ("columns that are not modeled were left out of the workload",)
    usual: Any = synthesizer(method.name)
    note = f"no column of the workload is modeled: {usual.workload} was used in its place"
    return replace(method, workload=usual.workload), (note,)


def reductions(wanted: tuple[Learned, Synthesizer], made: tuple[Learned, Synthesizer]) -> tuple[str, ...]:
    """What the user should know about a domain and a method that ``affordable`` made smaller."""
    notes = []
    if made[0] is not wanted[0]:
        notes.append("the domain was made smaller than what was learned, for the memory limit")
    if made[1].name != wanted[1].name:
        notes.append(f"{wanted[1].name} has no room in the budget or in memory: each column is modeled alone")
    return tuple(notes)
