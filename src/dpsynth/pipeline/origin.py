"""Which model a table was drawn from: the label of the draw says it, and whatever is done to the table keeps it."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from dpsynth.errors import DataMismatchError, FileFormatError, NoGuaranteeError
from dpsynth.models import Model
from dpsynth.models.origin import drawing, drawn_from
from dpsynth.pipeline.holdout import table_digest
from dpsynth.pipeline.label_chain import chain_of
from dpsynth.privacy.labels import Label, LabelKind


def model_digest(model: Model | str | Path) -> str:
    """The SHA-256 of the model file in hex; of a model in memory, that of the file that it would be."""
    if isinstance(model, Model):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "model.dps")
            model.write(path)
            return model_digest(path)
    return str(table_digest(model))


def check_origin(synthetic: Any, digest: str) -> bool:
    """Whether the labels of a table say that it was drawn from the model of this digest; False when they say nothing.

    ``DataMismatchError`` (3) when they name another model: its guarantee is not that of this one.
    """
    where = os.fspath(synthetic) if isinstance(synthetic, str | os.PathLike) else "<frame>"
    labels = [] if synthetic is None else [Label.parse(text, where) for text in chain_of(synthetic) or ()]
    found = {drawn_from(label.step) for label in labels if label.kind is LabelKind.POST} - {None}
    if found - {drawn_from(drawing(digest))}:
        raise DataMismatchError("the table was drawn from another model", where=where, hint="Give the model it is of.")
    return bool(found)


def drawn_labels(synthetic: Any, digest: str) -> tuple[str, ...]:
    """The label chain of a table that was drawn from the model of this digest: of no other may counts be published.

    ``NoGuaranteeError`` (9) when a label says that no guarantee holds; ``DataMismatchError`` (3) when the labels name
    another model, or none: then it may be the real table. ``FileFormatError`` (3) for a path without a file.
    """
    where = os.fspath(synthetic) if isinstance(synthetic, str | os.PathLike) else "<frame>"
    if where != "<frame>" and not Path(synthetic).is_file():
        raise FileFormatError("no such file", where=where)
    chain = chain_of(synthetic) or ()
    labels = [Label.parse(text, where) for text in chain]
    if any(label.kind is LabelKind.NON_DP or "dp: false" in label.step for label in labels):
        raise NoGuaranteeError("its labels say that no guarantee holds for this table", where=where)
    if not check_origin(synthetic, digest):
        hint = "Give the file that 'dpsynth sample' wrote, with its sidecar beside it."
        what = "nothing says that this table was drawn from the model: it may be anything"
        raise DataMismatchError(what, where=where, hint=hint)
    return chain
