"""What was found about a column: how it will be modeled, or why it will not."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dpsynth.discovery.magnitudes import Line, Ticks
from dpsynth.discovery.votes import Vote


@dataclass(frozen=True, eq=False)
class Finding:
    """One column on its way from a vote to a field of the schema.

    Of a modeled column either ``texts`` are its categories (``counts`` their noisy rows), or ``ticks`` the edges of its
    bins (``counts`` the estimated rows in each), or it is a boolean. ``noise``: the standard deviation of the sum of its categories' counts. ``listing``: the public list that they
    were completed from; ``others``: whether further values were merged. ``dropped`` says why a column is not modeled, in
    words that end a sentence about it. ``distinct`` is the noisy number of different texts, ``None`` if not asked.
    """

    name: str
    vote: Vote
    distinct: int | None = None
    texts: tuple[str, ...] = ()
    counts: NDArray[np.float64] | None = None
    noise: float = 0.0
    listing: str | None = None
    others: bool = False
    ticks: Ticks | None = None
    dropped: str | None = None
    generate: str | None = None

    @property
    def line(self) -> Line | None:
        """How the column is ordered, if it is modeled as an ordered one."""
        return None if self.texts else self.vote.line

    @property
    def modeled(self) -> bool:
        """Whether the column enters the fit."""
        return self.dropped is None

    @property
    def covered(self) -> float:
        """The estimated number of rows that its categories or bins hold."""
        return 0.0 if self.counts is None else float(self.counts.sum())

    def without(self, reason: str, generate: str | None = None) -> Finding:
        """The column, dropped for this reason; ``generate``: what invents its values after the fit."""
        return replace(self, dropped=reason, generate=generate, texts=(), counts=None, ticks=None)

    def record(self) -> dict[str, Any]:
        """What was learned, as JSON-able data: only what was released."""
        return {
            "column": self.name,
            "kind": self.vote.kind,
            "missing": round(self.vote.missing),
            "distinct": self.distinct,
            "values": len(self.texts) if self.texts else None,
            "listing": self.listing,
            "bins": None if self.ticks is None else len(self.ticks) - 1,
            "dropped": self.dropped,
            "generate": self.generate,
        }
