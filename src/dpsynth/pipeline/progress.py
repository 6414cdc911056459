"""Progress of long work: public stages and public work units only."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[str, float], None]
"""Called with the name of a stage and the fraction of all work done, between 0 and 1."""


def silent(stage: str, fraction: float) -> None:
    """Report nothing."""
