"""The shape of the key ``hierarchy``: one way to say the ever coarser groups of a field's values."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Uncovered = Literal["error", "suppress", "top"]
"""What becomes of a value that the hierarchy does not list: refused, its row dropped, or shown as ``*``."""
DateLevel = Literal["day", "week", "month", "quarter", "year", "decade"]
Scalar = str | int | float | bool
_Number = int | float
_Positive = Annotated[int | float, Field(gt=0)]
_Count = Annotated[int, Field(ge=1, le=1_000_000)]
_MOST_LEVELS = 20


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)


class IntervalsPart(_Part):
    """Numbers to half-open intervals, by level: a width, or the edges. ``low``, ``high``: what lies beyond is one."""

    levels: list[_Positive | Annotated[list[_Number], Field(min_length=2, max_length=10_000)]] = Field(
        min_length=1, max_length=_MOST_LEVELS
    )
    low: _Number | None = None
    high: _Number | None = None


class OrderPart(_Part):
    """So many neighbors of an order make a group, by level. ``values``: the order; without it that of the column."""

    values: list[Scalar] | None = Field(default=None, min_length=1, max_length=1_000_000)
    groups: list[_Count] = Field(min_length=1, max_length=_MOST_LEVELS)


class PrefixPart(_Part):
    """So many first characters are kept, by level; the others become one ``*``."""

    keep: list[_Count] = Field(min_length=1, max_length=_MOST_LEVELS)


class PriorityPart(_Part):
    """So many of the most frequent values are kept, by level; the others become ``*``. Reads the column."""

    keep: list[_Count] = Field(min_length=1, max_length=_MOST_LEVELS)


class HierarchyPart(_Part):
    """Exactly one way to group the values, and what becomes of a value that it does not cover.

    ``file``: a CSV file without a header, a line for each value: the value, then its groups from fine to coarse.
    ``paths``: the same, written out. ``groups``: a map of group names to values, or to maps of finer groups.
    """

    file: str | None = Field(default=None, min_length=1)
    paths: list[list[Scalar]] | None = Field(default=None, min_length=1)
    intervals: IntervalsPart | None = None
    order: OrderPart | None = None
    prefix: PrefixPart | None = None
    dates: list[DateLevel] | None = Field(default=None, min_length=1)
    priority: PriorityPart | None = None
    groups: dict[str, Any] | None = Field(default=None, min_length=1)
    uncovered: Uncovered = "error"


HIERARCHY_KEYS: dict[str, type[BaseModel]] = {
    "hierarchy": HierarchyPart,
    "intervals": IntervalsPart,
    "order": OrderPart,
    "prefix": PrefixPart,
    "priority": PriorityPart,
}
"""By key the part that stands there, for hints about unknown keys."""
