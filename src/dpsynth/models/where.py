"""Conditions on a sample: their weight per code, and what decoding must respect inside a bin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from dpsynth.domain import Domain
from dpsynth.errors import UsageError
from dpsynth.models.code_numbers import CodeNumbers
from dpsynth.schema.codecs import NULL, BinnedCodec, Codec
from dpsynth.schema.conditions import Condition, parse_where
from dpsynth.schema.restoring import check_inside
from dpsynth.schema.scales import Scale

if TYPE_CHECKING:
    from dpsynth.schema import Schema

Where = str | Sequence[str | Condition] | Mapping[str, Any] | None
"""``"age 18..29"``, several of these (joined by AND), or ``{"sex": "Female", "region": ["North", "South"]}``."""


@dataclass(frozen=True, eq=False)
class Evidence:
    """``weights``: per conditioned attribute the share of every code that meets all its conditions. ``inside``: the
    condition that decoding draws within, for attributes with codes that meet it only in part.
    """

    weights: Mapping[str, NDArray[np.float64]]
    inside: Mapping[str, Condition]


def evidence_of(
    where: Where, domain: Domain, codecs: Mapping[str, Codec | CodeNumbers], schema: Schema | None = None
) -> Evidence:
    """The evidence of these conditions, joined by AND, several on one column included: exact under the law of the
    codecs inside bins.


    Raises ``UsageError`` for a text that is no condition, a column the model does not have, a value that cannot be
    read, conditions that no value of a column can meet, and those on derived fields or kept calendar parts that cannot
    be weighed exactly.
    """
    grouped: dict[str, list[Condition]] = {}
    for stated in _conditions(where):
        condition = stated if schema is None else schema.condition(stated)
        name = condition.column
        if schema is not None and name in schema.regenerated:
            hint = "Its values say nothing about a row: choose rows by other columns."
            raise UsageError(f"{name!r} is invented after the sample", where="where", hint=hint)
        if name not in domain:
            hint = f"It has: {', '.join(domain.attributes[:20])}{' …' if len(domain) > 20 else ''}."
            raise UsageError(f"the model has no column {name!r}", where="where", hint=hint)
        grouped.setdefault(name, []).append(condition)
    weights: dict[str, NDArray[np.float64]] = {}
    inside: dict[str, Condition] = {}
    for name, group in grouped.items():
        weights[name], within = _joined(codecs[name], group)
        if not weights[name].any():
            raise UsageError("no value of this column meets the condition", where=name)
        if within is not None:
            inside[name] = within
    if schema is not None:
        check_inside(schema.modeled, tuple(inside))
    return Evidence(weights, inside)


def in_words(where: Where) -> str:
    """These conditions for a label, joined by ``and``; empty when there are none."""
    return " and ".join(condition.words for condition in _conditions(where))


def _joined(codec: Codec | CodeNumbers, group: Sequence[Condition]) -> tuple[NDArray[np.float64], Condition | None]:
    """The weights of conditions on one column, and the condition inside bins.

    Weights multiply where at most one condition cuts a bin; conditions that cut bins are joined into one first.
    """
    found = [codec.evidence(condition) for condition in group]
    possible = np.all([weights > 0 for weights in found], axis=0)
    cutting = [index for index, weights in enumerate(found) if bool((possible & (weights < 1)).any())]
    if not cutting:
        return possible.astype(np.float64), None
    within = group[cutting[0]]
    if len(cutting) > 1:
        scale = cast("BinnedCodec", codec).scale  # only bins are cut
        for index in cutting[1:]:
            within = _both(within, group[index], scale)
        if not _satisfiable(within, scale):
            return np.zeros(len(possible)), None
    return np.where(possible, codec.evidence(within), 0.0), within


def _conditions(where: Where) -> list[Condition]:
    if where is None:
        return []
    if isinstance(where, str):
        return [parse_where(where)]
    if isinstance(where, Mapping):
        return [_stated(str(column), value) for column, value in where.items()]
    return [term if isinstance(term, Condition) else parse_where(term) for term in where]


def _stated(column: str, value: Any) -> Condition:
    if isinstance(value, Condition):
        return value
    if isinstance(value, list | tuple | set | frozenset | np.ndarray):
        return Condition(column, "in", tuple(_text(item) for item in value))
    return Condition(column, "eq", (_text(value),))


def _text(value: Any) -> str:
    """A Python value as a condition writes it."""
    if value is None:
        return "null"
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    if isinstance(value, date):
        return value.isoformat()
    return str(value)


def _both(left: Condition, right: Condition, scale: Scale) -> Condition:
    """The condition that holds where both do. A text means a closed interval of the scale (a date its whole day)."""
    if len(left.texts) == 1:
        left = Condition(left.column, "range", left.texts * 2)
    if len(right.texts) == 1:
        right = Condition(right.column, "range", right.texts * 2)
    if left.kind == "range" and right.kind == "range":
        lows = [text for text in (left.texts[0], right.texts[0]) if text]
        highs = [text for text in (left.texts[1], right.texts[1]) if text]
        low = max(lows, key=lambda text: scale.interval(text)[0], default="")
        high = min(highs, key=lambda text: scale.interval(text)[1], default="")
        return Condition(left.column, "range", (low, high))
    listed, other = (left, right) if left.kind == "in" else (right, left)
    return Condition(left.column, "in", tuple(text for text in listed.texts if _meets(text, other, scale)))


def _meets(text: str, condition: Condition, scale: Scale) -> bool:
    """Whether all values that the text means satisfy the condition; ``UsageError`` if only a part of them does."""
    if text == NULL:
        return condition.kind == "in" and NULL in condition.texts
    low, high = scale.interval(text)
    parts = [condition.texts] if condition.kind == "range" else [(one, one) for one in condition.texts if one != NULL]
    for first, last in parts:
        start = scale.interval(first)[0] if first else low
        end = scale.interval(last)[1] if last else high
        if start <= low and high <= end:
            return True
        if start <= high and low <= end:
            hint = 'Say it in one: "col in a,b" or "col a..b".'
            raise UsageError("these conditions on one column cannot be joined", where=condition.column, hint=hint)
    return False


def _satisfiable(condition: Condition, scale: Scale) -> bool:
    if condition.kind != "range" or not all(condition.texts):
        return bool(condition.texts)
    low, high = condition.texts
    return bool(scale.interval(low)[0] <= scale.interval(high)[1])
