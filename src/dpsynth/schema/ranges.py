"""The ``bins`` key → edges of whole-number and real-number bins."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from dpsynth.schema.document import BinsPart

MAX_CODES = 1_000_000
"""No field may have more codes than this."""

MAX_WITHOUT_BINS = 1_000
"""Whole-number ranges up to this length need no ``bins``: one code per number."""


class WrongKey(ValueError):  # noqa: N818 (reworded into a SchemaError by the caller that knows the field)
    """A key of a field is wrong: the key, what is wrong, what to do."""

    def __init__(self, key: str, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.key = key
        self.message = message
        self.hint = hint


def whole_edges(low: int, high: int, bins: BinsPart | None) -> NDArray[np.int64]:
    """Edges e with bin c = ``e[c] .. e[c+1]-1`` that cover ``low .. high``; ``WrongKey`` if ``bins`` cannot."""
    span = high - low + 1
    if bins is None:
        if span > MAX_WITHOUT_BINS:
            raise WrongKey(
                "bins",
                f"the range has more than {MAX_WITHOUT_BINS} numbers and no bins",
                "Add bins: {width: W}, {count: N}, {log: N} or {edges: [...]}.",
            )
        return np.arange(low, high + 2, dtype=np.int64)
    kind, value = the_one(bins)
    if kind == "edges":
        return _whole_list(bins)
    if kind == "width":
        width = _whole(value, "bins.width")
        _check_count(-(-span // width))
        return np.append(np.arange(low, high + 1, width, dtype=np.int64), high + 1)
    count = _whole(value, f"bins.{kind}")
    _check_count(count)
    if count > span:
        raise WrongKey(f"bins.{kind}", "there are more bins than numbers in the range")
    if kind == "count":
        return np.array([low + step * span // count for step in range(count + 1)], dtype=np.int64)
    return _whole_log(low, high, count)


def real_edges(low: float, high: float, bins: BinsPart | None) -> NDArray[np.float64]:
    """Edges that cover ``low .. high``; ``WrongKey`` if ``bins`` cannot."""
    if bins is None:
        hint = "Add bins: {width: W}, {count: N}, {log: N} or {edges: [...]}."
        raise WrongKey("bins", "a range of numbers needs bins", hint)
    kind, value = the_one(bins)
    if kind == "edges":
        return _ascending([float(edge) for edge in bins.edges or ()])
    first, last = Fraction(repr(low)), Fraction(repr(high))
    if kind == "width":
        width = _positive(value, "bins.width")
        count = -((first - last) // width)
        _check_count(count)
        return _ascending([float(first + step * width) for step in range(count)] + [high])
    count = _whole(value, f"bins.{kind}")
    _check_count(count)
    if kind == "count":
        return _ascending([float(first + (last - first) * step / count) for step in range(count)] + [high])
    if low <= 0:
        raise WrongKey("bins.log", "logarithmic bins need a minimum above 0", "Use edges.")
    inner = [float(f"{edge:.6g}") for edge in np.geomspace(low, high, count + 1)[1:-1].tolist()]
    return _ascending([low, *inner, high])


def the_one(bins: BinsPart) -> tuple[str, object]:
    """The one key that ``bins`` gives, and its value."""
    given = [(key, value) for key, value in bins.model_dump().items() if value is not None]
    if len(given) != 1:
        raise WrongKey("bins", "needs exactly one of width, edges, count and log")
    return given[0]


def edge_bounds(bins: BinsPart | None, low: object, high: object) -> tuple[object, object]:
    """Bounds that ``edges`` imply where they are not given; ``WrongKey`` when both are given and differ."""
    if bins is None or bins.edges is None:
        return low, high
    edges = [edge for edge in bins.edges if not isinstance(edge, str)]
    if len(edges) < len(bins.edges):
        raise WrongKey("bins.edges", "must be numbers")
    top_alone = len(edges) > 2 and edges[-1] == edges[-2] and isinstance(edges[-1], int)
    if len(edges) < 2 or any(not a < b for a, b in pairwise(edges[:-1] if top_alone else edges)):
        raise WrongKey("bins.edges", "needs at least two numbers in ascending order")
    if low not in (None, edges[0]) or high not in (None, edges[-1]):
        raise WrongKey("bins.edges", "the first and the last edge must be the minimum and the maximum")
    return edges[0], edges[-1]


def _whole_list(bins: BinsPart) -> NDArray[np.int64]:
    edges = [_whole(edge, "bins.edges", least=None) for edge in bins.edges or ()]
    _check_count(len(edges) - 1)
    return np.array([*edges[:-1], edges[-1] + 1], dtype=np.int64)


def _whole_log(low: int, high: int, count: int) -> NDArray[np.int64]:
    if low < 0:
        raise WrongKey("bins.log", "logarithmic bins need a minimum of at least 0", "Use edges.")
    start = max(low, 1)
    inner = np.round(np.geomspace(start, high + 1, count + 1)).astype(np.int64)
    return np.unique(np.concatenate([[low], inner[(inner >= start) & (inner <= high)], [high + 1]]))


def _ascending(edges: list[float]) -> NDArray[np.float64]:
    array = np.array(edges, dtype=np.float64)
    if not (np.diff(array) > 0).all():
        raise WrongKey("bins", "the bins are too narrow to be told apart")
    return array


def _check_count(count: int) -> None:
    if count > MAX_CODES:
        raise WrongKey("bins", f"there are more than {MAX_CODES:,} bins", "Use wider bins.")


def _whole(value: object, key: str, least: int | None = 1) -> int:
    if not isinstance(value, int) or (least is not None and value < least):
        raise WrongKey(key, "must be a whole number" + ("" if least is None else f" of at least {least}"))
    return value


def _positive(value: object, key: str) -> Fraction:
    if not isinstance(value, int | float) or not 0 < value < float("inf"):
        raise WrongKey(key, "must be a number above 0")
    return Fraction(repr(value))
