"""``bins: {edges: [2000-01-01, ...]}`` of dates and moments: bins between given days instead of calendar units."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dpsynth.schema.document import BinsPart
from dpsynth.schema.ranges import MAX_CODES, WrongKey, the_one
from dpsynth.schema.scales import DateScale, InstantScale


def calendar_edges(scale: DateScale | InstantScale, bins: BinsPart, low: object, high: object) -> NDArray[np.int64]:
    """The scale's numbers at which the bins start, and one past the last: the last text names the end of the last bin.

    ``WrongKey`` unless ``edges`` is the only key, holds two or more ascending dates (the last may repeat: then it is a
    bin of its own), and agrees with the bounds where those are given.
    """
    kind, _ = the_one(bins)
    texts = bins.edges or []
    if kind != "edges" or len(texts) < 2 or not all(isinstance(text, str) for text in texts):
        raise WrongKey(
            "dpsynth.bins",
            "must be one of day, week, month, quarter, year (datetime: hour), or {edges: [...]} of dates in quotes",
        )
    if len(texts) > MAX_CODES:
        raise WrongKey("dpsynth.bins", f"there are more than {MAX_CODES:,} bins")
    if low not in (None, texts[0]) or high not in (None, texts[-1]):
        raise WrongKey("dpsynth.bins", "the first and the last edge must be the minimum and the maximum")
    try:
        intervals = [scale.interval(str(text)) for text in texts]
    except (ValueError, OverflowError):
        raise WrongKey("dpsynth.bins", "an edge cannot be read as the field's type") from None
    edges = np.array([*(start for start, _ in intervals[:-1]), intervals[-1][1] + 1], dtype=np.int64)
    if not (np.diff(edges) > 0).all():
        raise WrongKey("dpsynth.bins", "needs dates in ascending order")
    return edges
