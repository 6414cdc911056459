"""One field of ``schema.yaml`` → its codec. ``WrongKey`` names the key that is wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dpsynth.schema.bins import Bins, RealBins, WholeBins
from dpsynth.schema.calendar_edges import calendar_edges
from dpsynth.schema.calendars import DAY, SHORTEST, zone_exists
from dpsynth.schema.cells import LIMIT
from dpsynth.schema.codecs import NULL, BinnedCodec, CategoryCodec, Codec, ListedCodec
from dpsynth.schema.dates import FIRST_SECOND, ISO, LAST_SECOND, pattern_of
from dpsynth.schema.document import BinsPart, FieldModel, Scalar
from dpsynth.schema.domains import ENUMERATIONS, NAMES, RANGES
from dpsynth.schema.ranges import MAX_CODES, WrongKey, edge_bounds, real_edges, whole_edges
from dpsynth.schema.rounding import stepped
from dpsynth.schema.scales import DateScale, InstantScale, IntegerScale, RealScale, Scale

TRUE_TEXTS = ("true", "True", "TRUE", "1")
FALSE_TEXTS = ("false", "False", "FALSE", "0")
_ASCII_SPACE = " \t\r\n\f\v"

_APPLIES: dict[str, tuple[str, ...]] = {
    "constraints.enum": ("string", "integer", "number"),
    "constraints.minimum": ("integer", "number", "date", "datetime"),
    "constraints.maximum": ("integer", "number", "date", "datetime"),
    "dpsynth.domain": ("string", "integer"),
    "dpsynth.bins": ("integer", "number", "date", "datetime"),
    "dpsynth.decimals": ("number", "datetime"),
    "dpsynth.step": ("integer", "number"),
    "dpsynth.decode": ("integer", "number", "date", "datetime"),
    "dpsynth.zone": ("datetime",),
    "dpsynth.keep": ("date", "datetime"),
    "dpsynth.formats": ("date", "datetime"),
    "format": ("date", "datetime"),
    "groupChar": ("integer", "number"),
    "trueValues": ("boolean",),
    "falseValues": ("boolean",),
}


def build_codec(field: FieldModel, missing: tuple[str, ...]) -> Codec:
    """The codec of a field; ``missing`` are the texts that mean null."""
    _check_keys(field)
    builders: dict[str, Callable[[FieldModel, tuple[str, ...]], Codec]] = {
        "string": _string,
        "boolean": _boolean,
        "integer": _integer,
        "number": _number,
        "date": _date,
        "datetime": _datetime,
    }
    return builders[str(field.type)](field, missing)


def is_nullable(field: FieldModel) -> bool:
    """Whether null is a category of its own (the default)."""
    return field.dpsynth.null in (None, "category")


def _check_keys(field: FieldModel) -> None:
    for key, types in _APPLIES.items():
        part, _, name = key.rpartition(".")
        value = getattr(getattr(field, part) if part else field, name)
        if value is not None and field.type not in types:
            raise WrongKey(key, f"does not apply to {field.type} fields")
    listed = field.constraints.enum is not None
    named = field.dpsynth.domain is not None
    bounded = field.constraints.minimum is not None or field.constraints.maximum is not None
    if listed + named + bounded > 1:
        raise WrongKey("constraints", "give one of enum, minimum/maximum and dpsynth.domain")
    cut = (field.dpsynth.bins, field.dpsynth.decimals, field.dpsynth.step, field.dpsynth.decode)
    if listed and any(value is not None for value in cut):
        raise WrongKey("dpsynth.bins", "an enum has neither bins nor decimals, step or decode")
    if named and field.dpsynth.domain not in NAMES:
        raise WrongKey(
            "dpsynth.domain", "is not a public domain that ships with dpsynth", f"Known: {', '.join(NAMES)}."
        )


def _overflow(field: FieldModel, allowed: tuple[str, ...]) -> str:
    chosen = field.dpsynth.overflow or allowed[0]
    if chosen not in allowed:
        raise WrongKey("dpsynth.overflow", f"must be {' or '.join(allowed)} here")
    return chosen


def _string(field: FieldModel, missing: tuple[str, ...]) -> Codec:
    if field.constraints.enum is None and field.dpsynth.domain is None:
        raise WrongKey("constraints.enum", "the list of values is missing", "Give enum or dpsynth.domain.")
    if field.dpsynth.domain is not None:
        if field.dpsynth.domain not in ENUMERATIONS:
            raise WrongKey("dpsynth.domain", "is a range of whole numbers, not of strings")
        texts = list(ENUMERATIONS[field.dpsynth.domain])
    else:
        texts = _enum_texts(field.constraints.enum or [], missing)
    overflow = _overflow(field, ("null", "other"))
    if overflow == "other" and "other" not in texts:
        texts.append("other")
    nullable = is_nullable(field)
    if nullable and NULL in texts:
        hint = "Put it among missingValues, or declare null: VALUE."
        raise WrongKey("constraints.enum", "'null' is the name of the null category", hint)
    spellings = {text.encode(): code for code, text in enumerate(texts)}
    null_code = len(texts) if nullable else _null_category(str(field.dpsynth.null), spellings)
    unknown = texts.index("other") if overflow == "other" else null_code
    return CategoryCodec(
        values=pa.array(texts, pa.string()),
        spellings=spellings,
        missing=frozenset(text.encode() for text in missing),
        null_code=null_code,
        unknown_code=unknown,
        nullable=nullable,
    )


def _enum_texts(enum: list[Scalar], missing: tuple[str, ...]) -> list[str]:
    texts = []
    for value in enum:
        if isinstance(value, bool | float):
            raise WrongKey("constraints.enum", "a string field lists something else than text", "Put it in quotes.")
        texts.append(str(value))
    _check_enum(texts)
    if any(text in missing for text in texts):
        raise WrongKey("constraints.enum", "a value is also among missingValues (the empty text always is)")
    if any(text != text.strip(_ASCII_SPACE) for text in texts):
        raise WrongKey("constraints.enum", "a value begins or ends with white space; cells are trimmed")
    return texts


def _check_enum(values: list[Any]) -> None:
    if not values:
        raise WrongKey("constraints.enum", "is empty")
    if len(set(values)) != len(values):
        raise WrongKey("constraints.enum", "lists a value twice")
    if len(values) > MAX_CODES:
        raise WrongKey("constraints.enum", f"lists more than {MAX_CODES:,} values")


def _null_category(text: str, spellings: dict[bytes, int]) -> int:
    if text.encode() not in spellings:
        raise WrongKey("dpsynth.null", "the value is not in the field's domain")
    return spellings[text.encode()]


def _boolean(field: FieldModel, missing: tuple[str, ...]) -> Codec:
    _overflow(field, ("null",))
    no = FALSE_TEXTS if field.falseValues is None else tuple(field.falseValues)
    yes = TRUE_TEXTS if field.trueValues is None else tuple(field.trueValues)
    if not no or not yes or set(no) & set(yes):
        raise WrongKey("trueValues", "trueValues and falseValues must be disjoint and not empty")
    nullable = is_nullable(field)
    if not nullable and not isinstance(field.dpsynth.null, bool):
        raise WrongKey("dpsynth.null", "must be true, false or category")
    null_code = 2 if nullable else int(bool(field.dpsynth.null))
    spellings = {b"false": 0, b"true": 1} | {text.encode(): 0 for text in no} | {text.encode(): 1 for text in yes}
    return CategoryCodec(
        values=pa.array([False, True]),
        spellings=spellings,
        missing=frozenset(text.encode() for text in missing),
        null_code=null_code,
        unknown_code=null_code,
        nullable=nullable,
    )


def _integer(field: FieldModel, missing: tuple[str, ...]) -> Codec:
    scale = IntegerScale(field.groupChar)
    if field.constraints.enum is not None:
        return _listed(field, scale, np.int64, missing)
    low, high = edge_bounds(_bins_part(field), *_given_bounds(field))
    if field.dpsynth.domain is not None:
        if field.dpsynth.domain not in RANGES:
            raise WrongKey("dpsynth.domain", "is a list of strings, not of whole numbers")
        low, high = RANGES[field.dpsynth.domain]
    first, last = _bounds(scale, low, high)
    if not -LIMIT < first <= last < LIMIT:
        raise WrongKey("constraints.maximum", "whole-number bounds must lie within ±10**18")
    edges = whole_edges(first, last, _bins_part(field))
    return _binned(field, scale, stepped(WholeBins(edges), field), edges, missing)


def _number(field: FieldModel, missing: tuple[str, ...]) -> Codec:
    scale = RealScale(field.groupChar)
    if field.constraints.enum is not None:
        return _listed(field, scale, np.float64, missing)
    first, last = _bounds(scale, *edge_bounds(_bins_part(field), *_given_bounds(field)))
    if not -np.inf < first < last < np.inf:
        raise WrongKey("constraints.maximum", "a range of numbers needs finite bounds, minimum < maximum")
    edges = real_edges(first, last, _bins_part(field))
    return _binned(field, scale, stepped(RealBins(edges), field), edges, missing)


def _date(field: FieldModel, missing: tuple[str, ...]) -> Codec:
    if isinstance(field.dpsynth.bins, BinsPart):
        return _cut(field, date_scale(field, "day"), missing)
    unit = _unit(field, ("day", "week", "month", "quarter", "year"))
    scale = date_scale(field, unit)
    first, last = _bounds(scale, *_given_bounds(field))
    _check_years(scale, first, last)
    _check_units((last - first) * DAY, unit)
    edges = scale.edges(first, last)
    return _binned(field, scale, WholeBins(edges), edges, missing)


def _cut(field: FieldModel, scale: DateScale | InstantScale, missing: tuple[str, ...]) -> Codec:
    edges = calendar_edges(scale, cast("BinsPart", field.dpsynth.bins), *_given_bounds(field))
    _check_years(scale, int(edges[0]), int(edges[-1]) - 1)
    return _binned(field, scale, WholeBins(edges), edges, missing)


def _datetime(field: FieldModel, missing: tuple[str, ...]) -> Codec:
    if isinstance(field.dpsynth.bins, BinsPart):
        return _cut(field, instant_scale(field, "day"), missing)
    unit = _unit(field, ("day", "hour", "week", "month", "quarter", "year"))
    scale = instant_scale(field, unit)
    first, last = _bounds(scale, *_given_bounds(field))
    _check_years(scale, first, last)
    _check_units((last - first) // 10**scale.decimals, unit)
    edges = scale.edges(first, last)
    return _binned(field, scale, WholeBins(edges), edges, missing)


def date_scale(field: FieldModel, unit: str) -> DateScale:
    """The scale of a date field."""
    return DateScale(unit, *_patterns(field))


def instant_scale(field: FieldModel, unit: str) -> InstantScale:
    """The scale of a datetime field; ``WrongKey`` for an unknown zone or too many decimals."""
    zone, decimals = field.dpsynth.zone, field.dpsynth.decimals or 0
    if zone is not None and not zone_exists(zone):
        raise WrongKey("dpsynth.zone", "is not a time zone that this machine knows", "Use an IANA name: Europe/Paris.")
    if decimals > 6:
        raise WrongKey("dpsynth.decimals", "moments have at most 6 decimals of a second")
    return InstantScale(unit, zone, decimals, *_patterns(field))


def _unit(field: FieldModel, units: tuple[str, ...]) -> str:
    bins = field.dpsynth.bins
    if not isinstance(bins, str) or bins not in units:
        raise WrongKey("dpsynth.bins", f"must be one of {', '.join(units)}")
    return bins


def _check_units(seconds: int, unit: str) -> None:
    if seconds // SHORTEST[unit] > MAX_CODES:
        raise WrongKey("dpsynth.bins", f"there are more than {MAX_CODES:,} bins", "Use a longer calendar unit.")


def _patterns(field: FieldModel) -> tuple[str, tuple[str, ...]]:
    """The pattern of ``format``, and those of ``formats`` in their order."""
    keys = {"format": [field.format or "default"], "dpsynth.formats": field.dpsynth.formats or []}
    found = []
    for key, forms in keys.items():
        try:
            found += [ISO if form == "default" else pattern_of(form) for form in forms]
        except ValueError as error:
            raise WrongKey(key, str(error)) from None
    if len(set(found)) != len(found):
        raise WrongKey("dpsynth.formats", "lists a format twice")
    return found[0], tuple(found[1:])


def _check_years(scale: DateScale | InstantScale, first: int, last: int) -> None:
    seconds = (DAY, 1) if isinstance(scale, DateScale) else (1, 10**scale.decimals)
    if first * seconds[0] < FIRST_SECOND * seconds[1]:
        raise WrongKey("constraints.minimum", "is before the year 1")
    if last * seconds[0] >= (LAST_SECOND + 1) * seconds[1]:
        raise WrongKey("constraints.maximum", "is after the year 9999, as UTC counts it")


def _bins_part(field: FieldModel) -> BinsPart | None:
    bins = field.dpsynth.bins
    if isinstance(bins, str):
        raise WrongKey("dpsynth.bins", "calendar units are for dates", "Use {width: W} and the like.")
    return bins


def _given_bounds(field: FieldModel) -> tuple[object, object]:
    return field.constraints.minimum, field.constraints.maximum


def _bounds(scale: Scale, low: object, high: object) -> tuple[Any, Any]:
    """The smallest and the largest number of the field."""
    ends = []
    for side, (key, value) in enumerate((("minimum", low), ("maximum", high))):
        if value is None:
            raise WrongKey(f"constraints.{key}", "is missing")
        ends.append(scaled(scale, value, f"constraints.{key}")[side])
    if ends[0] > ends[1]:
        raise WrongKey("constraints.minimum", "is above the maximum")
    return ends[0], ends[1]


def scaled(scale: Scale, value: object, key: str) -> tuple[Any, Any]:
    """The closed interval that a value of the schema means; ``WrongKey`` if it is not of the field's type."""
    kind = str(scale.arrow_type)
    fits = {"int64": int, "double": int | float}.get(kind, str)
    if isinstance(value, bool) or not isinstance(value, fits):
        words = {"int64": "a whole number", "double": "a number"}.get(kind, "a date or time in quotes, as 2020-12-31")
        raise WrongKey(key, f"must be {words}")
    try:
        return scale.interval(value if isinstance(value, str) else repr(value))
    except (ValueError, OverflowError):
        raise WrongKey(key, "cannot be read as the field's type") from None


def _listed(field: FieldModel, scale: Scale, dtype: type[np.generic], missing: tuple[str, ...]) -> Codec:
    _overflow(field, ("null",))
    numbers = [scaled(scale, value, "constraints.enum")[0] for value in field.constraints.enum or []]
    _check_enum(numbers)
    values, marks = np.array(numbers, dtype=dtype), sentinels(scale, missing)
    if np.isin(values, marks).any():
        raise WrongKey("constraints.enum", "a value is also among missingValues")
    nullable = is_nullable(field)
    null_code = len(values)
    if not nullable:
        number = scaled(scale, field.dpsynth.null, "dpsynth.null")[0]
        if number not in numbers:
            raise WrongKey("dpsynth.null", "the value is not in the field's domain")
        null_code = numbers.index(number)
    return ListedCodec(scale, values, marks, null_code, nullable)


def _binned(field: FieldModel, scale: Scale, bins: Bins, edges: NDArray[Any], missing: tuple[str, ...]) -> Codec:
    clip = _overflow(field, ("clip", "null")) == "clip"
    nullable = is_nullable(field)
    null_code, number = bins.count, None
    if not nullable:
        number = scaled(scale, field.dpsynth.null, "dpsynth.null")[0]
        if not bins.low <= number <= bins.high:
            raise WrongKey("dpsynth.null", "the value is outside the field's bounds")
        null_code = int(bins.locate(np.array([number], dtype=edges.dtype))[0])
    return BinnedCodec(scale, bins, edges, sentinels(scale, missing), null_code, nullable, clip, number)


def sentinels(scale: Scale, missing: tuple[str, ...]) -> NDArray[Any]:
    """The numbers that mean null because their text is among ``missingValues``."""
    numbers, valid = scale.read(pa.array([text.encode() for text in missing], pa.binary()))
    return np.unique(numbers[valid])
