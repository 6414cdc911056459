"""The ``derived`` key of a field → its rule. ``WrongKey`` names the key that is wrong, contradictions included."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dpsynth.errors import SchemaError
from dpsynth.schema.bins import Bins, RealBins, StepBins, WholeBins
from dpsynth.schema.builders import build_codec, date_scale, instant_scale, scaled, sentinels
from dpsynth.schema.calendars import DAY
from dpsynth.schema.cells import LIMIT
from dpsynth.schema.codecs import BinnedCodec, CategoryCodec, ListedCodec
from dpsynth.schema.dates import LAST_SECOND
from dpsynth.schema.derived import Lag, LengthCodec, Lookup, Rule, Sum, reach
from dpsynth.schema.document import ConstraintsPart, DerivedPart, FieldModel, FieldPart, MapPart, Scalar
from dpsynth.schema.ranges import WrongKey, edge_bounds
from dpsynth.schema.scales import DateScale, InstantScale, IntegerScale, RealScale, Scale

if TYPE_CHECKING:
    from dpsynth.schema.fields import Field

_AFTER, _SUM, _MAP = "dpsynth.derived.after", "dpsynth.derived.sum", "dpsynth.derived.map"
_FOLLOWS = {"date": ("date",), "datetime": ("datetime",), "integer": ("integer",), "number": ("integer", "number")}


_EXACT = 2**53
_Builder = Callable[[FieldModel, DerivedPart, Mapping[str, "Field"], tuple[str, ...]], Rule]


def sources_of(field: FieldModel) -> tuple[str, ...]:
    """The names of the fields that a field says it derives from; none for others."""
    part = field.dpsynth.derived
    if part is None:
        return ()
    named = [part.after, *(part.sum or ()), part.map.from_ if part.map else None]
    return tuple(dict.fromkeys(name for name in named if name is not None))


def in_order(fields: Sequence[FieldModel], where: str) -> list[int]:
    """The positions of the fields, each after those it derives from; ``SchemaError`` for a cycle."""
    place = {field.name: index for index, field in enumerate(fields)}
    graph = {place[one.name]: [place[name] for name in sources_of(one) if name in place] for one in fields}
    try:
        return list(TopologicalSorter(graph).static_order())
    except CycleError as cycle:
        names = ", ".join(repr(fields[index].name) for index in cycle.args[1][:6])
        raise SchemaError(f"fields derive from one another in a circle: {names}", where=where) from None


def build_rule(field: FieldModel, built: Mapping[str, Field], missing: tuple[str, ...]) -> Rule | None:
    """The rule of a derived field; None while a field that it derives from is incomplete."""
    part = field.dpsynth.derived
    if part is None:
        raise TypeError("the field is not derived")
    key = _the_key(part)
    _check_keys(field, key)
    sources = [_source(name, built, key) for name in sources_of(field)]
    if any(one.codec is None for one in sources):
        return None
    builders: dict[str, _Builder] = {_AFTER: _lag, _SUM: _sum, _MAP: _lookup}
    rule = builders[key](field, part, built, missing)
    if field.constraints.required and rule.codec.nullable:
        hint = "Add null: VALUE, the length that a missing cell counts as." if key == _AFTER else None
        raise WrongKey("constraints.required", "is true, but the field may be null", hint)
    return rule


def _the_key(part: DerivedPart) -> str:
    given = [key for key, value in ((_AFTER, part.after), (_SUM, part.sum), (_MAP, part.map)) if value is not None]
    if len(given) != 1:
        raise WrongKey("dpsynth.derived", "give exactly one of after, sum and map")
    if given[0] != _AFTER and (part.minimum, part.maximum, part.bins) != (None, None, None):
        raise WrongKey("dpsynth.derived", "minimum, maximum and bins belong to after: they are those of the length")
    return given[0]


def _check_keys(field: FieldModel, key: str) -> None:
    own = field.dpsynth
    refused: dict[str, object] = {"dpsynth.bins": own.bins, "dpsynth.domain": own.domain, "dpsynth.keep": own.keep}
    if key != _MAP:
        refused["constraints.enum"] = field.constraints.enum
    else:
        refused |= {"dpsynth.decimals": own.decimals, "dpsynth.zone": own.zone, "format": field.format}
        refused |= {"dpsynth.formats": own.formats}
        refused |= {"constraints.minimum": field.constraints.minimum, "constraints.maximum": field.constraints.maximum}
    if key != _AFTER:
        refused |= {"dpsynth.null": own.null, "dpsynth.overflow": own.overflow}
    for name, value in refused.items():
        if value is not None:
            raise WrongKey(name, "does not apply to a derived field: it follows from the fields that it derives from")


def _source(name: str, built: Mapping[str, Field], key: str) -> Field:
    if name not in built:
        raise WrongKey(key, f"there is no field {name!r}")
    if built[name].role == "direct-id":
        raise WrongKey(key, f"field {name!r} is a direct-id, which never enters a model")
    return built[name]


def _reader(source: Field, key: str) -> BinnedCodec | ListedCodec:
    """How the numbers of a source are read, whether it is modeled or itself derived."""
    codec = source.ready if source.derived is None or isinstance(source.derived, Lookup) else source.derived.reader
    if not isinstance(codec, BinnedCodec | ListedCodec) or isinstance(source.derived, Lookup):
        raise WrongKey(key, f"field {source.name!r} holds no modeled numbers or dates")
    return codec


# --- a lag ----------------------------------------------------------------------------------------------------


def _lag(field: FieldModel, part: DerivedPart, built: Mapping[str, Field], missing: tuple[str, ...]) -> Lag:
    source = built[str(part.after)]
    if field.type not in _FOLLOWS or source.type not in _FOLLOWS[str(field.type)]:
        raise WrongKey(_AFTER, f"a {field.type} field cannot come after the {source.type} field {source.name!r}")
    origin = _reader(source, _AFTER)
    scale = _scale(field)
    finer = _finer(scale, origin, field)
    steps = scale.decimals if isinstance(scale, InstantScale) else 0
    inner = _length(field, part)
    low, high = reach(origin)
    shortest, longest = reach(inner)
    first = low * finer + _in_steps(shortest, steps)
    last = high * finer + _in_steps(longest, steps)
    reader = _range(field, scale, (first, last), missing, clip=field.dpsynth.overflow != "null")
    name = f"{field.name} - {source.name}"
    lonely = origin.nullable or source.derived is not None
    length = LengthCodec(inner, f"no {source.name}" if lonely else None)
    return Lag(field.name, source.name, name, length, reader, origin, finer, 10**steps, field.dpsynth.decimals)


def _scale(field: FieldModel) -> Scale:
    if field.type == "date":
        return date_scale(field, "day")
    if field.type == "datetime":
        return instant_scale(field, "day")
    return IntegerScale(field.groupChar) if field.type == "integer" else RealScale(field.groupChar)


def _finer(scale: Scale, origin: BinnedCodec | ListedCodec, field: FieldModel) -> int:
    """The field's steps in one step of the source; ``WrongKey`` where steps, zones or decimals do not fit."""
    theirs = origin.scale
    if isinstance(scale, InstantScale) and isinstance(theirs, InstantScale):
        if (scale.zone is None) != (theirs.zone is None):
            raise WrongKey("dpsynth.zone", "both fields need a zone, or neither")
        if scale.decimals < theirs.decimals:
            raise WrongKey("dpsynth.decimals", "the field must be at least as fine as the one that it comes after")
        return int(10 ** (scale.decimals - theirs.decimals))
    if isinstance(scale, RealScale):
        _check_exact(origin, field.dpsynth.decimals)
    return 1


def _check_exact(codec: BinnedCodec | ListedCodec, decimals: int | None) -> None:
    """A number keeps its order with what it is made of if that is exact in floating point and has no more decimals."""
    largest = max(abs(end) for end in reach(codec))
    if isinstance(codec.scale, IntegerScale) and largest >= _EXACT:
        raise WrongKey("dpsynth.derived", "whole numbers this large are no exact numbers", "Use type integer.")
    if decimals is None:
        return
    if largest * 10**decimals >= _EXACT:
        raise WrongKey("dpsynth.decimals", "are finer than floating point at the bounds of the fields it derives from")
    listed = isinstance(codec, ListedCodec) and bool((np.round(codec.values, decimals) == codec.values).all())
    bins = codec.bins if isinstance(codec, BinnedCodec) else None
    binned = isinstance(bins, StepBins) and (bins.step * 10**decimals).denominator == 1
    if not (listed or binned or isinstance(codec.scale, IntegerScale)):
        raise WrongKey("dpsynth.decimals", "the fields that it derives from have more", "Give them decimals, too.")


def _length(field: FieldModel, part: DerivedPart) -> BinnedCodec:
    """The codec of the length, built as that of a field of its own."""
    low, high = edge_bounds(part.bins, part.minimum, part.maximum)
    if not isinstance(high, int | float):
        raise WrongKey(
            "dpsynth.derived.maximum", "is missing", "Say how long the length can be; longer counts as this."
        )
    low = 0 if low is None else low
    if not isinstance(low, int | float) or low < 0:
        raise WrongKey("dpsynth.derived.minimum", "must be at least 0: the field comes after the other one")
    moments = field.type == "datetime"
    whole = field.type in ("date", "integer") or (moments and not field.dpsynth.decimals)
    model = FieldModel(
        name=field.name,
        type="integer" if whole else "number",
        constraints=ConstraintsPart(minimum=low, maximum=high),
        dpsynth=FieldPart(
            source="public",
            bins=part.bins,
            decimals=None if whole else field.dpsynth.decimals,
            null=field.dpsynth.null,
            overflow=field.dpsynth.overflow,
        ),
    )
    try:
        codec = build_codec(model, ())
    except WrongKey as wrong:
        key = wrong.key.removeprefix("dpsynth.").removeprefix("constraints.")
        own = wrong.key if key in ("null", "overflow", "decimals") else f"dpsynth.derived.{key}"
        raise WrongKey(own, f"{wrong.message} (of the length)", wrong.hint) from None
    if not isinstance(codec, BinnedCodec):
        raise TypeError("a range has bins")
    return codec


def _in_steps(length: float, decimals: int) -> Any:
    return length if not decimals else round(length * 10**decimals)


def _range(
    field: FieldModel, scale: Scale, ends: tuple[Any, Any], missing: tuple[str, ...], *, clip: bool = True
) -> BinnedCodec:
    """What the field can hold, as one bin; ``WrongKey`` where that is outside its constraints or its type."""
    low, high = ends
    _check_reach(scale, low, high)
    _check_constraints(field, scale, low, high)
    marks = sentinels(scale, missing)
    if ((marks >= low) & (marks <= high)).any():
        raise WrongKey("dpsynth.derived", "the field can reach a value that is also among missingValues")
    real = isinstance(scale, RealScale)
    edges: NDArray[Any] = np.array([low, high], np.float64) if real else np.array([low, high + 1], np.int64)
    bins: Bins = RealBins(edges) if real else WholeBins(edges)
    if real and field.dpsynth.decimals is not None:
        if max(abs(low), abs(high)) * 10**field.dpsynth.decimals >= _EXACT:
            raise WrongKey("dpsynth.decimals", "are finer than floating point at what the field can reach")
        bins = StepBins.of(RealBins(edges), Fraction(1, 10**field.dpsynth.decimals))
    return BinnedCodec(scale, bins, edges, marks, null_code=1, nullable=True, clip=clip)


def _check_reach(scale: Scale, low: Any, high: Any) -> None:
    if isinstance(scale, DateScale) and high > LAST_SECOND // DAY:
        raise WrongKey("dpsynth.derived", "the field could reach beyond the year 9999")
    if isinstance(scale, InstantScale) and high >= (LAST_SECOND + 1) * 10**scale.decimals:
        raise WrongKey("dpsynth.derived", "the field could reach beyond the year 9999")
    if isinstance(scale, IntegerScale) and not -LIMIT < low <= high < LIMIT:
        raise WrongKey("dpsynth.derived", "the field could reach beyond ±10**18")
    if isinstance(scale, RealScale) and not np.isfinite([low, high]).all():
        raise WrongKey("dpsynth.derived", "the field could reach beyond every number")


def _check_constraints(field: FieldModel, scale: Scale, low: Any, high: Any) -> None:
    """Declared bounds must hold whatever is sampled, and be within reach."""
    stated = field.constraints
    bounds = (("minimum", stated.minimum), ("maximum", stated.maximum))
    given = {key: scaled(scale, value, f"constraints.{key}") for key, value in bounds if value is not None}
    what = "the fields that it derives from"
    if ("minimum" in given and given["minimum"][0] > high) or ("maximum" in given and given["maximum"][1] < low):
        raise WrongKey("constraints.minimum" if "minimum" in given else "constraints.maximum", f"{what} never fit it")
    if "minimum" in given and low < given["minimum"][0]:
        raise WrongKey("constraints.minimum", f"{what} can stay below it", "Lower it, or leave it out.")
    if "maximum" in given and high > given["maximum"][1]:
        raise WrongKey("constraints.maximum", f"{what} can exceed it", "Raise it, or leave it out.")


# --- a sum ----------------------------------------------------------------------------------------------------


def _sum(field: FieldModel, part: DerivedPart, built: Mapping[str, Field], missing: tuple[str, ...]) -> Sum:
    names = part.sum or []
    if len(set(names)) != len(names):
        raise WrongKey(_SUM, "a field is listed twice")
    if field.type not in ("integer", "number"):
        raise WrongKey(_SUM, f"a {field.type} field is no sum")
    readers = []
    for name in names:
        if built[name].type not in _FOLLOWS[field.type]:
            raise WrongKey(_SUM, f"the {built[name].type} field {name!r} has no place in a sum of type {field.type}")
        readers.append(_reader(built[name], _SUM))
        if field.type == "number":
            _check_exact(readers[-1], field.dpsynth.decimals)
    ends = sum(reach(one)[0] for one in readers), sum(reach(one)[1] for one in readers)
    nullable = any(built[name].ready.nullable for name in names)
    codec = _range(field, _scale(field), ends, missing)
    return Sum(field.name, tuple(names), _nulled(codec, nullable=nullable), field.dpsynth.decimals)


def _nulled(codec: BinnedCodec, *, nullable: bool) -> BinnedCodec:
    return BinnedCodec(codec.scale, codec.bins, codec.edges, codec.sentinels, 1, nullable, codec.clip)


# --- a coarse code --------------------------------------------------------------------------------------------


def _lookup(field: FieldModel, part: DerivedPart, built: Mapping[str, Field], missing: tuple[str, ...]) -> Lookup:
    del missing
    asked = part.map
    source = built[sources_of(field)[0]]
    fine = source.ready
    if asked is None or source.derived is not None or not isinstance(fine, CategoryCodec | ListedCodec):
        raise WrongKey(_MAP, f"field {source.name!r} is no modeled field with a list of values")
    labels = fine.labels[: len(fine.values)]
    texts = _targets(field, asked, labels)
    distinct: list[Scalar] = list(dict.fromkeys(texts))
    enum = field.constraints.enum
    if enum is not None and not set(distinct) <= set(enum):
        raise WrongKey(_MAP, "a value is not in the field's enum")
    codec = _coarse(field, enum or distinct, nullable=fine.nullable)
    return Lookup(field.name, source.name, fine, pa.array(texts, codec.arrow_type), codec)


def _targets(field: FieldModel, asked: MapPart, labels: Sequence[str]) -> list[Scalar]:
    """The coarse value of every fine one."""
    given = [key for key in ("values", "prefix", "file") if getattr(asked, key) is not None]
    if len(given) != 1:
        raise WrongKey(_MAP, "give exactly one of values, prefix and file")
    if asked.file is not None:
        hint = "Load the schema from a file; the map is then part of it."
        raise WrongKey(f"{_MAP}.file", "is read only beside a schema file", hint)
    if asked.prefix is not None:
        if field.type != "string":
            raise WrongKey(f"{_MAP}.prefix", f"gives text, not a {field.type}")
        return [label if label == "other" else label[: asked.prefix] for label in labels]
    values = asked.values or {}
    if absent := [label for label in labels if label not in values]:
        raise WrongKey(f"{_MAP}.values", f"has no value for {len(absent):,} of the source, such as {absent[0]!r}")
    wanted: dict[str, type] = {"string": str, "integer": int, "boolean": bool}
    if field.type not in wanted:
        raise WrongKey(_MAP, f"a {field.type} field does not follow from a list", "string, integer or boolean do.")
    if any(type(value) is not wanted[field.type] for value in values.values()):
        raise WrongKey(f"{_MAP}.values", f"a value is not of type {field.type}", "Put text in quotes.")
    return [values[label] for label in labels]


def _coarse(field: FieldModel, values: Sequence[Scalar], *, nullable: bool) -> CategoryCodec | ListedCodec:
    """The enumeration of the coarse code."""
    null = None if nullable else values[0]
    model = FieldModel(
        name=field.name,
        type=field.type,
        constraints=ConstraintsPart(enum=None if field.type == "boolean" else list(values)),
        dpsynth=FieldPart(source="public", null=null),
    )
    codec = build_codec(model, ())
    if not isinstance(codec, CategoryCodec | ListedCodec):
        raise TypeError("an enumeration has values")
    return codec
