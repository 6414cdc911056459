"""What was done to a table before a fit, in words."""

from __future__ import annotations

from collections.abc import Sequence


def label_words(labels: Sequence[str], stability: int) -> str:
    """The label chain of a table, a line each, and what it does to the noise; empty without labels."""
    if not labels:
        return ""
    effect = "the noise stays as it is" if stability == 1 else f"STABLE({stability}): noise × {stability}"
    return "\n".join(["", f"Done to the table before ({effect}):", *(f"  {label}" for label in labels)])
