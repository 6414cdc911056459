"""What was found about a column: how it will be modeled, or why it will not."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dpsynth.discovery.magnitudes import Line
from dpsynth.discovery.roundness import Ticks
from dpsynth.discovery.votes import Vote


@dataclass(frozen=True, eq=False)
class Finding:
    """One column on its way from a vote to a field of the schema.

    A modeled column has ``texts``, its categories, or ``ticks``, the edges of its bins (one more than bins), or it is a
    boolean. ``counts``: the estimated rows of each category or bin; ``noise``: the standard deviation of their sum for
    categories. ``spikes``: single numbers that many rows have. ``listing``: the public list that categories were
    completed from; ``others``: whether further ones were merged. ``distinct``: the noisy number of different texts,
    ``None`` if not asked. ``dropped`` says why a column is not modeled, in words that end a sentence about it,
    ``generate`` what invents its values after the fit.
    """

    name: str
    vote: Vote
    distinct: int | None = None
    texts: tuple[str, ...] = ()
    counts: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    noise: float = 0.0
    listing: str | None = None
    others: bool = False
    spikes: Ticks = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    ticks: Ticks = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
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
        return float(self.counts.sum())

    @property
    def size(self) -> int:
        """How many categories or bins it has."""
        return len(self.counts)

    @property
    def constant(self) -> bool:
        """Whether an ordered column seems to have a single value."""
        return len(self.ticks) == 2 and int(self.ticks[1] - self.ticks[0]) == 1

    def without(self, reason: str, generate: str | None = None) -> Finding:
        """The column, dropped for this reason; ``generate``: what invents its values after the fit."""
        return replace(self, dropped=reason, generate=generate, texts=(), counts=np.zeros(0), ticks=self.ticks[:0])

    def record(self) -> dict[str, Any]:
        """What was learned, as JSON-able data: only what was released."""
        return {
            "column": self.name,
            "kind": self.vote.kind,
            "missing": round(self.vote.missing),
            "distinct": self.distinct,
            "values": len(self.texts) or (1 if self.constant else None),
            "listing": self.listing,
            "bins": self.size if len(self.ticks) and not self.constant else None,
            "dropped": self.dropped,
            "generate": self.generate,
        }
