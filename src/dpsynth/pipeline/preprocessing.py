"""What was done to a table before a fit, by its sidecar, and what that does to the guarantee.

Proof pages: ``docs/proofs/suppression.md``, ``docs/proofs/masking.md``.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from dpsynth.errors import NoGuaranteeError, UsageError
from dpsynth.pipeline.label_chain import chain_of
from dpsynth.privacy.labels import Label, LabelKind
from dpsynth.privacy.unit import Unit

MAX_STABILITY = 1
"""What is not asked for is not multiplied."""

_RAW = "no sidecar (TABLE.dpsynth.json) says what was done to the table before: it counts as raw"
_BEFORE = "Fit the table as it was before that step; masks and fixed levels may stay."


@dataclass(frozen=True)
class Preprocessing:
    """What was done to a table before the fit: its label chain, the product of all stabilities, notes for the user."""

    labels: tuple[str, ...] = ()
    stability: int = 1
    notes: tuple[str, ...] = ()

    def seen(self, unit: Unit) -> Unit:
        """The unit with the stability of what was done: its sensitivities are multiplied by it."""
        return replace(unit, stability=self.stability)


def preprocessing_of(
    data: Any, unit: Unit, *, max_stability: int = MAX_STABILITY, unread: bool = False
) -> Preprocessing:
    """The label chain of a table (``chain_of``); a table without one counts as raw, and the notes say so.

    Raises ``DataMismatchError`` when the file is not the one its sidecar describes (``unread``: the sidecar alone is
    looked at), ``UsageError`` for a ``max_stability`` below 1, and ``NoGuaranteeError`` (9) for a step without finite
    stability, one that merges persons, one whose stability is about another unit, and a product of stabilities above
    ``max_stability``.
    """
    if max_stability < 1:
        raise UsageError("the largest stability is a whole number of at least 1", where="--max-stability")
    chain = chain_of(data, unread=unread)
    if chain is None:
        return Preprocessing(notes=(_RAW,))
    where = os.fspath(data) if isinstance(data, str | os.PathLike) else "<frame>"
    labels = [Label.parse(text, where) for text in chain]
    _check_finite(labels, where)
    _check_persons(labels, unit, where)
    _check_units([label for label in labels if label.kind is LabelKind.STABLE], unit, where)
    stability = math.prod(label.stability for label in labels)
    _check_stability(stability, max_stability, where)
    return Preprocessing(chain, stability, tuple(_notes(labels, stability)))


def _check_finite(labels: Sequence[Label], where: str) -> None:
    for label in labels:
        if label.kind is LabelKind.NON_DP:
            what = f"the step {label.step!r} has no finite stability: no guarantee would hold"
            raise NoGuaranteeError(what, where=where, hint=_BEFORE)


def _check_persons(labels: Sequence[Label], unit: Unit, where: str) -> None:
    """No step made one person of several: one person more would then exchange rows of others."""
    for label in labels:
        if unit.column in label.merges:
            raise NoGuaranteeError(
                f"the step {label.step!r} may have made one person of several: no guarantee per person would hold",
                where=where,
                hint="Fit the table as it was before that step, or mask that column with pseudonym or format.",
            )


def _check_units(steps: Sequence[Label], unit: Unit, where: str) -> None:
    """Every stability is about this unit, and rows per person never fall: no later bounding exchanges rows."""
    least = 1
    for step in steps:
        if step.unit.column != unit.column:
            whose = "rows" if step.unit.column is None else f"persons (column {step.unit.column!r})"
            raise NoGuaranteeError(
                f"the step {step.step!r} has a known stability for {whose} only, this fit protects the unit {unit}",
                where=where,
                hint=f"Fit with --unit {step.unit}, or fit the table as it was before that step.",
            )
        if step.unit.max_rows < least:
            what = f"the step {step.step!r} bounded the rows of a person below an earlier step's bound"
            raise NoGuaranteeError(what, where=where, hint=_BEFORE)
        least = step.unit.max_rows
    if unit.column is not None and unit.max_rows < least:
        raise NoGuaranteeError(
            f"an earlier step counts up to {least} rows of a person, this fit keeps {unit.max_rows}: "
            "the rows that it keeps could be exchanged for others",
            where=where,
            hint=f"Fit with --unit {unit.column}:{least}.",
        )


def _check_stability(stability: int, most: int, where: str) -> None:
    if stability > most:
        raise NoGuaranteeError(
            f"what was done to the table multiplies every sensitivity by {stability}, above the limit of {most}",
            where=where,
            hint=f"Fit the table as it was before, or accept {stability} times the noise: --max-stability {stability}.",
        )


def _notes(labels: Sequence[Label], stability: int) -> list[str]:
    notes = []
    if any(label.kind is LabelKind.POST for label in labels):
        notes.append("the table is synthetic already (label POST): the guarantee is about its rows, not about people")
    if stability > 1:
        notes.append(f"what was done to the table before multiplies all noise by {stability}, at the same epsilon")
    return notes
