"""Which model a table was drawn from: what the label of a draw says of it."""

from __future__ import annotations

import re
from collections.abc import Iterable

_DIGITS = 16
_DRAWN = re.compile(rf"sample of model ([0-9a-f]{{{_DIGITS}}})(?![0-9a-f])", re.ASCII)


def drawing(digest: str) -> str:
    """How the label of a draw begins: the first 16 digits of the model's digest are in it."""
    return f"sample of model {digest[:_DIGITS]}"


def drawn_from(step: str) -> str | None:
    """The first 16 digits of the digest of the model that a step drew from; ``None`` for any other step."""
    match = _DRAWN.match(step)
    return None if match is None else match[1]


def chosen(labels: Iterable[str], digest: str) -> str | None:
    """What the label of the draw from the model of this digest says, if it was under a condition or balanced."""
    begins = tuple(f"{drawing(digest)}{how}" for how in (" where ", " balanced by "))
    steps = (label.removeprefix("POST ") for label in labels)
    return next((step for step in steps if step.startswith(begins)), None)
