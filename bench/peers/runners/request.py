"""What a runner is asked to do: the harness writes it as JSON, every runner reads it. Standard library only."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Request:
    """Fit ``method`` on the codes in the CSV ``table`` and write ``rows`` synthetic rows of codes to ``output``.

    ``sizes`` are the public numbers of codes per column, in column order. The budget is (``epsilon``, ``delta``) with
    neighbors that differ in one row more or less; ``rho`` is the zCDP budget that implies it. ``target``: the column
    that a classifier will be trained to predict, if the table has one.
    """

    method: str
    table: str
    output: str
    sizes: dict[str, int]
    rows: int
    epsilon: float
    delta: float
    rho: float
    target: str | None = None

    @staticmethod
    def read(path: str) -> Request:
        """The request in a JSON file."""
        return Request(**json.loads(Path(path).read_text(encoding="utf-8")))
