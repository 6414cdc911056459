"""Constraints of a table: combinations of values that can never occur, as public knowledge.

A constraint forbids a product event: an implication forbids its antecedent together with the opposite of its
consequent. What is left is a union of disjoint boxes (products of sets of codes), which a model can condition on.
Everything here is computed from the schema alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from dpsynth.errors import SchemaError, UsageError
from dpsynth.schema.bins import RealBins, StepBins
from dpsynth.schema.codecs import NULL, BinnedCodec, Codec
from dpsynth.schema.conditions import Condition, parse_where
from dpsynth.schema.document import RulePart, did_you_mean
from dpsynth.schema.fields import Field

BOX_LIMIT = 256
"""At most this many boxes: every sample and every marginal conditions the model on each of them."""
_SHOWN = 3

Mask = NDArray[np.bool_]
Box = Mapping[str, Mask]
"""The codes allowed of each attribute; an attribute that is left out may have any code."""


@dataclass(frozen=True, eq=False)
class AllowedSet:
    """The combinations of codes that the constraints allow, as disjoint boxes.

    ``groups``: the attributes that constraints tie together, directly or through others, in schema order.
    """

    boxes: tuple[Box, ...]
    groups: tuple[tuple[str, ...], ...]

    @property
    def description(self) -> str:
        """In words: how many parts there are and of which columns."""
        columns = [name for group in self.groups for name in group]
        shown = ", ".join(columns[:5]) + (f" and {len(columns) - 5} more" if len(columns) > 5 else "")
        return f"kept exactly; they cut the table into {len(self.boxes)} parts (at most {BOX_LIMIT}) by {shown}"

    def possible(self, clique: Sequence[str], shape: Sequence[int]) -> Mask:
        """Which cells of a marginal may hold rows: bool, axes in clique order. Cost: boxes times cells."""
        found = np.zeros(tuple(shape), dtype=np.bool_)
        projected: dict[tuple[bytes, ...], Box] = {}
        for box in self.boxes:
            projected.setdefault(tuple(box[name].tobytes() if name in box else b"" for name in clique), box)
        for box in projected.values():
            sides = [box.get(name, np.ones(size, np.bool_)) for name, size in zip(clique, shape, strict=True)]
            found |= reduce(np.logical_and.outer, sides, np.ones((), np.bool_))
        return found


@dataclass(frozen=True, eq=False)
class _Constraint:
    """Where all of ``given`` holds, so must all of ``then``; ``name`` is what messages call it."""

    name: str
    given: Box
    then: Box

    @property
    def columns(self) -> tuple[str, ...]:
        return (*self.given, *self.then)


def build_constraints(rules: Sequence[RulePart], fields: Sequence[Field], where: str) -> AllowedSet | None:
    """What the rules allow; ``None`` without rules, or while a field that they name is incomplete.

    Raises ``SchemaError`` for a rule of another shape, an unknown or unmodeled column, a value outside a domain, a
    bound inside a bin, a rule that forbids nothing, rules that leave a value impossible, more than ``BOX_LIMIT`` boxes.
    """
    known = {one.name: one for one in fields}
    read = [_read(rule, f"constraint {index}", where) for index, rule in enumerate(rules, start=1)]
    for rule in read:
        for condition in (*rule.given, *rule.then):
            _check_column(rule.name, condition, known, where)
    ready = [one.codec is not None for one in fields if any(one.name in rule.columns for rule in read)]
    if not read or not all(ready):
        return None
    codecs = {one.name: one.ready for one in fields if one.codec is not None}
    constraints = [_compiled(rule, codecs, where) for rule in read]
    boxes = _boxes(constraints, where)
    _check_possible(boxes, constraints, codecs, where)
    return AllowedSet(boxes, _groups(constraints, list(known)))


# --- reading --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Rule:
    """A constraint as it is written; of ``never`` all conditions are ``given``."""

    name: str
    given: tuple[Condition, ...]
    then: tuple[Condition, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(condition.column for condition in (*self.given, *self.then)))


def _read(rule: RulePart, name: str, where: str) -> _Rule:
    implication, never = (rule.if_, rule.then), rule.never
    if (never is None) == (implication == (None, None)) or (never is None and None in implication):
        hint = 'Write {if: "age ..14", then: "marital = never"} or {never: ["sex = male", "pregnant = yes"]}.'
        raise SchemaError(f"{name}: needs either if and then, or never", where=where, hint=hint)
    given = _conditions(implication[0] if never is None else never, name, where)
    then = _conditions(implication[1] or (), name, where)
    read = _Rule(name, given, then)
    if never is not None and len(read.columns) < 2:
        hint = "A value of one column that never occurs does not belong into its domain."
        raise SchemaError(f"{name}: never needs conditions on two columns or more", where=where, hint=hint)
    if both := {one.column for one in given} & {one.column for one in then}:
        raise SchemaError(f"{name}: if and then are about the same column {min(both)!r}", where=where)
    return read


def _conditions(texts: str | Sequence[str] | None, name: str, where: str) -> tuple[Condition, ...]:
    listed = (texts,) if isinstance(texts, str) else tuple(texts or ())
    try:
        return tuple(parse_where(text) for text in listed)
    except UsageError as error:
        raise SchemaError(f"{name}: {error.message}", where=where, hint=error.hint) from None


def _check_column(name: str, condition: Condition, known: Mapping[str, Field], where: str) -> None:
    column = condition.column
    if column not in known:
        hint = did_you_mean(column, list(known))
        raise SchemaError(f"{name}: the schema has no field {column!r}", where=where, hint=hint)
    if not known[column].modeled:
        what = f"{name}: field {column!r} has the role {known[column].role} and is not modeled"
        raise SchemaError(what, where=where, hint="Constraints are about columns that a model holds.")
    if known[column].derived is not None:
        what = f"{name}: field {column!r} follows from other columns and has no values of its own"
        raise SchemaError(what, where=where, hint="Say it of the columns that it follows from.")


# --- codes ----------------------------------------------------------------------------------------------------


def _compiled(rule: _Rule, codecs: Mapping[str, Codec], where: str) -> _Constraint:
    given, then = (_joined(rule.name, part, codecs, where) for part in (rule.given, rule.then))
    if not then:
        last = tuple(given)[-1]
        then = {last: ~given.pop(last)}
    if all(mask.all() for mask in then.values()):
        raise SchemaError(f"{rule.name}: it forbids nothing: every value meets what it asks for", where=where)
    return _Constraint(rule.name, given, then)


def _joined(
    name: str, conditions: Sequence[Condition], codecs: Mapping[str, Codec], where: str
) -> dict[str, NDArray[np.bool_]]:
    """The codes that meet all conditions on each column."""
    found: dict[str, NDArray[np.bool_]] = {}
    for condition in conditions:
        column = condition.column
        mask = _mask(name, condition, codecs[column], where)
        found[column] = found[column] & mask if column in found else mask
        if not found[column].any():
            raise SchemaError(f"{name}: no value of field {column!r} meets the condition", where=where)
    return found


def _mask(name: str, condition: Condition, codec: Codec, where: str) -> Mask:
    try:
        weights = codec.evidence(condition)
    except UsageError as error:
        message = f"{name}: field {condition.column!r}: {error.message}"
        raise SchemaError(message, where=where, hint=error.hint) from None
    cut = (weights > 0) & (weights < 1)
    if cut.any() and isinstance(codec, BinnedCodec):
        label = codec.labels[int(np.flatnonzero(cut)[0])]
        edges = ", ".join(_missing_edges(condition, codec))
        hint = f"Add {edges} to the edges of its bins." if edges else "Choose its bins so that none is cut."
        raise SchemaError(f"{name}: a bound cuts the bin {label} of field {condition.column!r}", where=where, hint=hint)
    return weights > 0


def _missing_edges(condition: Condition, codec: BinnedCodec) -> Iterator[str]:
    """The edges between bins that the condition needs and the field does not have, as the schema writes them."""
    ends = [condition.texts[:1], condition.texts[1:]] if condition.kind == "range" else [condition.texts] * 2
    lows, highs = ([text for text in texts if text not in ("", NULL)] for texts in ends)
    bins, scale = codec.bins, codec.scale
    real = isinstance(bins.base if isinstance(bins, StepBins) else bins, RealBins)
    step = (float(bins.step) if isinstance(bins, StepBins) else 0) if real else 1
    wanted = [*(scale.interval(text)[0] for text in lows), *(scale.interval(text)[1] + step for text in highs)]
    for edge in wanted:
        if not np.isclose(codec.edges, edge, rtol=1e-12, atol=1e-9).any() and bins.low < edge < bins.high:
            yield str(scale.write(np.array([edge], dtype=codec.edges.dtype), None)[0].as_py())


# --- boxes ----------------------------------------------------------------------------------------------------


def _boxes(constraints: Sequence[_Constraint], where: str) -> tuple[Box, ...]:
    boxes: list[Box] = [{}]
    for constraint in constraints:
        boxes = [piece for box in boxes for piece in _allowed_pieces(box, constraint)]
        boxes = _merged(boxes) if len(boxes) > BOX_LIMIT else boxes
        if not boxes:
            what = f"{constraint.name}: together with those before it, it leaves nothing that is allowed"
            raise SchemaError(what, where=where)
        if len(boxes) > BOX_LIMIT:
            what = f"{constraint.name}: the constraints so far cut the table into more than {BOX_LIMIT} parts"
            hint = "Each constraint on columns of its own doubles the parts: keep those that matter."
            raise SchemaError(what, where=where, hint=hint)
    return tuple(_merged(boxes))


def _allowed_pieces(box: Box, constraint: _Constraint) -> Iterator[Box]:
    """The part of a box that the constraint allows, as disjoint boxes: as few as it takes."""
    if all(name in box and not (box[name] & ~mask).any() for name, mask in constraint.then.items()):
        yield box
        return
    inside = dict(box)
    for name, mask in constraint.given.items():
        held = inside.get(name, np.ones(len(mask), dtype=np.bool_))
        if (held & ~mask).any():
            yield {**inside, name: held & ~mask}
        if not (held & mask).any():
            return
        inside[name] = held & mask
    for name, mask in constraint.then.items():
        inside[name] = inside.get(name, np.ones(len(mask), dtype=np.bool_)) & mask
        if not inside[name].any():
            return
    yield inside


def _merged(boxes: list[Box]) -> list[Box]:
    """The same set with boxes joined that differ in one attribute alone."""
    before = len(boxes) + 1
    while len(boxes) < before:
        before = len(boxes)
        for name in sorted({name for box in boxes for name in box}):
            boxes = _joined_along(boxes, name)
    return boxes


def _joined_along(boxes: list[Box], name: str) -> list[Box]:
    alike: dict[tuple[tuple[str, bytes], ...], list[Box]] = {}
    for box in boxes:
        rest = tuple(sorted((other, mask.tobytes()) for other, mask in box.items() if other != name))
        alike.setdefault(rest, []).append(box)
    return [group[0] if len(group) == 1 else _union(group, name) for group in alike.values()]


def _union(group: Sequence[Box], name: str) -> Box:
    held = np.any([box[name] for box in group], axis=0)
    rest = {other: mask for other, mask in group[0].items() if other != name}
    return rest if held.all() else {**rest, name: held}


# --- what must stay possible ----------------------------------------------------------------------------------


def _check_possible(
    boxes: Sequence[Box], constraints: Sequence[_Constraint], codecs: Mapping[str, Codec], where: str
) -> None:
    for column in dict.fromkeys(name for constraint in constraints for name in constraint.columns):
        if any(column not in box for box in boxes):
            continue
        lost = np.flatnonzero(~np.any([box[column] for box in boxes], axis=0))
        if len(lost):
            values = ", ".join(repr(codecs[column].labels[code]) for code in lost[:_SHOWN].tolist())
            more = f" and {len(lost) - _SHOWN} more" if len(lost) > _SHOWN else ""
            named = ", ".join(one.name.removeprefix("constraint ") for one in constraints if column in one.columns)
            hint = f"See constraint {named}. What never occurs does not belong into the field's domain."
            raise SchemaError(
                f"the constraints leave {values}{more} of field {column!r} impossible", where=where, hint=hint
            )
    for constraint in constraints:
        if not any(_meet(box, constraint.given) for box in boxes):
            raise SchemaError(f"{constraint.name}: by the other constraints its condition can never hold", where=where)


def _meet(box: Box, given: Box) -> bool:
    return all(bool((box[name] & mask).any()) if name in box else bool(mask.any()) for name, mask in given.items())


def _groups(constraints: Sequence[_Constraint], order: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    groups: list[set[str]] = []
    for constraint in constraints:
        joined = set(constraint.columns).union(*(group for group in groups if group & set(constraint.columns)))
        groups = [group for group in groups if not group & joined] + [joined]
    return tuple(tuple(sorted(group, key=order.index)) for group in groups)
