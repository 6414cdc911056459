"""Which model a table was drawn from: what the label of a draw says of it."""

from __future__ import annotations

import re

_DIGITS = 16
_DRAWN = re.compile(rf"sample of model ([0-9a-f]{{{_DIGITS}}})(?![0-9a-f])", re.ASCII)


def drawing(digest: str) -> str:
    """How the label of a draw begins: the first 16 digits of the model's digest are in it."""
    return f"sample of model {digest[:_DIGITS]}"


def drawn_from(step: str) -> str | None:
    """The first 16 digits of the digest of the model that a step drew from; ``None`` for any other step."""
    match = _DRAWN.match(step)
    return None if match is None else match[1]
