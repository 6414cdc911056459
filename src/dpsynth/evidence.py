"""Figures and their colors: every number that somebody may read knows where it came from and where it may go.

The color is part of a figure's *type*: ``InternalFigure`` and ``ReleasedFigure`` are different types to a type
checker, so a function that publishes figures asks for ``ReleasedFigure`` and cannot be handed a number that was
computed from real rows without differential privacy (``tests/typing/fail_internal_figure.py``).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Generic, Literal, TypeAlias, TypeVar

from dpsynth.errors import UsageError


class Color(Enum):
    """Where a number may go."""

    SENSITIVE = "sensitive"
    """Rows and exact counts: stays where it is read."""
    INTERNAL = "internal"
    """Computed from real rows without differential privacy: watermarked, never in a release."""
    DISCLOSED = "disclosed"
    """Handed out on purpose without differential privacy."""
    RELEASED = "released"
    """Public facts, differentially private answers, and whatever is computed from them alone."""


C_co = TypeVar("C_co", bound=Color, covariant=True)


@dataclass(frozen=True, slots=True)
class Interval:
    """``low <= high`` and the coverage probability, ``0 < level < 1``. Raises ``UsageError`` otherwise."""

    low: float
    high: float
    level: float

    def __post_init__(self) -> None:
        if not (self.low <= self.high and 0 < self.level < 1):
            raise UsageError("an interval needs low <= high and a level between 0 and 1")

    def to_dict(self) -> dict[str, float]:
        """The interval as JSON-able data."""
        return {"low": self.low, "high": self.high, "level": self.level}


@dataclass(frozen=True)
class Figure(Generic[C_co]):
    """One number: its name, finite value, unit (``""`` for a pure number), color, source in words, and its interval.

    Raises ``UsageError`` for a value that is not finite.
    """

    name: str
    value: float
    unit: str
    color: C_co
    source: str
    interval: Interval | None = None

    def __post_init__(self) -> None:
        if not math.isfinite(self.value):
            raise UsageError("a figure needs a finite value", where=self.name)

    def to_dict(self) -> dict[str, Any]:
        """The figure as JSON-able data, its color included."""
        return {
            "name": self.name,
            "value": self.value,
            "unit": self.unit,
            "color": self.color.value,
            "source": self.source,
            "interval": self.interval.to_dict() if self.interval else None,
        }


InternalFigure: TypeAlias = Figure[Literal[Color.INTERNAL]]
"""A figure that never enters a release."""
ReleasedFigure: TypeAlias = Figure[Literal[Color.RELEASED]]
"""A figure that may be printed anywhere."""


class Verdict(Enum):
    """What a figure says about its threshold."""

    PASS = "PASS"  # noqa: S105 - a verdict, not a password
    """Every one-sided upper bound is at or below its threshold."""
    FAIL = "FAIL"
    """A lower bound, corrected for the number of figures looked at, is above its threshold."""
    INCONCLUSIVE = "INCONCLUSIVE"
    """Neither: the sample is too small to tell."""


@dataclass(frozen=True)
class Finding(Generic[C_co]):
    """One judged figure of an audit.

    ``risk``: the family it is judged under; ``attack``: who measured it, with ``threat_model`` in words; ``group``: on
    which records or column. The interval of ``figure`` holds the one-sided lower and upper bound. ``ceiling``: the
    largest lower bound that this sample could have shown; ``needed``: the trials in each group that a PASS takes if
    nothing leaks, ``None`` when no number would do or no more are needed. ``words``: one sentence for a reader.
    """

    risk: str
    attack: str
    threat_model: str
    group: str
    figure: Figure[C_co]
    threshold: float
    verdict: Verdict
    ceiling: float
    trials: Mapping[str, int]
    needed: int | None
    words: str
    facts: Mapping[str, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """The finding as JSON-able data, its color included."""
        return {
            "risk": self.risk,
            "attack": self.attack,
            "threat_model": self.threat_model,
            "group": self.group,
            "figure": self.figure.to_dict(),
            "threshold": self.threshold,
            "verdict": self.verdict.value,
            "ceiling": self.ceiling,
            "trials": dict(self.trials),
            "needed": self.needed,
            "words": self.words,
            "facts": dict(self.facts),
        }


InternalFinding: TypeAlias = Finding[Literal[Color.INTERNAL]]
"""A finding on real rows."""

INTERNAL_WATERMARK = (
    "INTERNAL: computed from real rows without differential privacy; not covered by any epsilon; "
    "must not enter a release"
)
"""The sentence that every text and every JSON object with internal figures carries."""
