"""The vote on a column's type, from the noisy counts of the kinds of its cells. Post-processing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dpsynth.discovery.magnitudes import UNKNOWN_DECIMALS, Line
from dpsynth.schema.dates import ISO, pattern_of
from dpsynth.schema.kinds import DECIMALS, FORMATS, KINDS, MOST_DECIMALS
from dpsynth.schema.scales import DateScale, InstantScale, IntegerScale, RealScale

PRESENT = 3.5
RARE = 0.01
"""A kind is in a column when its noisy count exceeds so many standard deviations and so much of all that are."""
CERTAIN = 5.0
"""A vote is certain when its strongest kind exceeds so many."""
MAJORITY = 0.8
"""A column is of a type when so much of what is not missing can be read as one."""
COVERED = 0.99
"""So many of a column's numbers can be written with the decimals that it is given."""

_AMBIGUOUS = "date %d/%m/%Y or %m/%d/%Y"
_NUMBERS = ("integer", *DECIMALS, "other number")
_GROUPED = ("integer with thousands separators", "number with thousands separators")
_GROUPS: dict[str, tuple[str, ...]] = {
    "digits": ("digits with leading zero", "integer"),
    "grouped integer": (_GROUPED[0], "integer"),
    "grouped number": (*_GROUPED, *_NUMBERS),
    "integer": ("integer",),
    "number": _NUMBERS,
    "boolean": ("boolean",),
    "date": ("date", "date %Y%m%d", *FORMATS, _AMBIGUOUS),
    "moment": ("moment", "moment with offset"),
    "uuid": ("uuid",),
    "email": ("email",),
    "long text": ("long text",),
    "text": ("text", "uuid", "email", "boolean"),
}
"""What a column may be, in the order in which it is decided, and the kinds of cells that such a column holds."""
_LEADERS = {
    "digits": ("digits with leading zero",),
    "grouped integer": _GROUPED[:1],
    "grouped number": _GROUPED,
}


@dataclass(frozen=True)
class Vote:
    """What a column's cells mostly are.

    ``kind``: one of the groups above; ``mixed`` when none has a majority, ``empty`` when nearly all cells are missing.
    ``rows``: the estimated number of cells that are not missing, ``missing``: of those that are. ``certain``: whether
    the noise could not have turned the vote; ``deviation``: of each count of the vote.
    """

    kind: str
    rows: float
    missing: float
    certain: bool
    deviation: float
    decimals: int | None = None
    formats: tuple[str, ...] = ()
    group: str | None = None
    zoned: bool = False

    @property
    def line(self) -> Line | None:
        """How the column is ordered; ``None`` for kinds without an order."""
        if self.kind == "integer":
            return Line(IntegerScale(self.group))
        if self.kind == "number":
            return Line(RealScale(self.group), UNKNOWN_DECIMALS if self.decimals is None else self.decimals)
        if self.kind == "date":
            first, *others = [ISO if form == "default" else pattern_of(form) for form in self.formats]
            return Line(DateScale("day", first, tuple(others)))
        if self.kind == "moment":
            return Line(InstantScale("day", "UTC" if self.zoned else None))
        return None


def rows_of(votes: Sequence[NDArray[np.float64]]) -> float:
    """The number of rows: every column's kinds add up to it, so the mean of their sums; at least 0."""
    return max(float(np.mean([counts.sum() for counts in votes])), 0.0)


def decided(counts: NDArray[np.float64], deviation: float) -> Vote:
    """The vote of one column: noisy ``counts`` by kind, this standard deviation each."""
    held = np.where(counts > PRESENT * deviation, counts, 0.0)
    held[held < RARE * held.sum()] = 0.0
    if not held.any():
        # The likeliest kind, though the noise could have made it.
        held[np.argmax(counts)] = max(float(counts.max()), 1.0)
    tally = dict(zip(KINDS, held.tolist(), strict=True))
    missing = tally.pop("missing")
    rows = sum(tally.values())
    certain = bool(counts.max() >= CERTAIN * deviation)
    if rows <= 0.01 * missing:
        return Vote("empty", rows, missing, certain, deviation)
    name = next((name for name in _GROUPS if _holds(name, tally, rows)), "mixed")
    kind = name.removeprefix("grouped ")
    return Vote(
        kind,
        rows,
        missing,
        certain,
        deviation,
        decimals=_decimals(tally) if kind == "number" else None,
        formats=_formats(tally) if kind == "date" else (),
        group="," if kind != name else None,
        zoned=kind == "moment" and tally["moment with offset"] > tally["moment"],
    )


def _holds(name: str, tally: dict[str, float], rows: float) -> bool:
    if name in _LEADERS and not any(tally[kind] for kind in _LEADERS[name]):
        return False
    if name in ("integer", "grouped integer") and any(tally[kind] for kind in (*_NUMBERS[1:], _GROUPED[1])):
        return False
    return sum(tally[kind] for kind in _GROUPS[name]) >= MAJORITY * rows


def _decimals(tally: dict[str, float]) -> int | None:
    """The fewest decimals that nearly all cells can be written with; ``None`` if they are more than can be told."""
    below = np.cumsum([tally[kind] for kind in _NUMBERS])
    places = int(np.argmax(below >= COVERED * below[-1]))
    return None if places > MOST_DECIMALS else places


def _formats(tally: dict[str, float]) -> tuple[str, ...]:
    """The formats of the dates, the most frequent first; ``default`` is ISO. Dates that read both ways go with the
    order that others show.
    """
    votes = {"default": tally["date"], "%Y%m%d": tally["date %Y%m%d"]}
    votes |= {form: tally[kind] for kind, form in FORMATS.items()}
    likelier = max(("%d/%m/%Y", "%m/%d/%Y"), key=votes.__getitem__)
    votes[likelier] += tally[_AMBIGUOUS]
    return tuple(sorted((form for form, count in votes.items() if count), key=votes.__getitem__, reverse=True))
