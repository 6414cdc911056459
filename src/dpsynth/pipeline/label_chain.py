"""Which label chain a table carries: beside it in a sidecar, and within it where its format has a place for one."""

from __future__ import annotations

import os
from typing import Any

from dpsynth.errors import DataMismatchError
from dpsynth.privacy.labels import Label, LabelKind
from dpsynth.tables import labels_within, read_sidecar, verify_sidecar

UNLABELED = "What was written to stdout carries no labels: a fit would take it for raw, and claim too much."
"""What is said of labels that ``-`` has no place for."""


def chain_of(data: Any, *, unread: bool = False) -> tuple[str, ...] | None:
    """The label chain of a table, None when nothing says what was done to it.

    A sidecar is believed of the file that it describes (``unread``: of any); it says what the file itself says, if that
    says anything. A file that lost its sidecar, and a table in memory, may have changed since: of what they say
    themselves everything counts but that they are synthetic. Raises ``DataMismatchError`` when the file is not the one
    its sidecar describes, when the two disagree, and for a label that is not known.
    """
    within = labels_within(data)
    named = isinstance(data, str | os.PathLike) and os.fspath(data) != "-"
    sidecar = (read_sidecar(data) if unread else verify_sidecar(data)) if named else None
    where = os.fspath(data) if named else "<frame>"
    if sidecar is None:
        return None if within is None else tuple(text for text in within if not _is_post(text, where))
    if within is not None and within != sidecar.labels:
        hint = "One of them was edited. Make the table again, or fit the table that it was made from."
        raise DataMismatchError("the sidecar says other labels than the file itself", where=where, hint=hint)
    return sidecar.labels


def _is_post(text: str, where: str) -> bool:
    return Label.parse(text, where).kind is LabelKind.POST
