"""An imported schema as it grows: fields whose missing answers are TODO."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dpsynth.schema.dates import ISO, pattern_of
from dpsynth.schema.document import TODO
from dpsynth.schema.exchange.notes import LeftOut
from dpsynth.schema.scales import DateScale, InstantScale, Scale

Domain = Mapping[str, Any]
"""What is known of a domain: ``enum``, or ``minimum`` and ``maximum`` (either may be absent), or nothing."""

_WHOLE = re.compile(r"[-+]?[0-9]{1,30}")
_UNBINNED = 1000
"""A range of at most so many whole numbers needs no bins."""


@dataclass
class Draft:
    """The document of a table. ``public`` is the steward's reason why all its domains are public knowledge."""

    name: str
    public: str | None
    fields: list[dict[str, Any]] = field(default_factory=list)
    left_out: LeftOut = field(default_factory=LeftOut)
    unit: Any = "row"
    missing: list[str] | None = None

    def document(self) -> dict[str, Any]:
        """The document of the schema."""
        head: dict[str, Any] = {"dpsynth": {"version": 1, "name": self.name, "unit": self.unit}}
        if self.missing is not None:
            head["missingValues"] = self.missing
        return {**head, "fields": self.fields}

    def identifier(self, name: str, kind: str | None = None) -> None:
        """A field that names people or records: it never enters a model."""
        self.fields.append({"name": name, "type": kind or "string", "dpsynth": {"role": "direct-id"}})

    def add(
        self,
        name: str,
        kind: str | None,
        domain: Domain,
        *,
        learned: bool = False,
        required: bool = False,
        keys: Mapping[str, Any] | None = None,
        part: Mapping[str, Any] | None = None,
    ) -> None:
        """A field of this type (None: unknown). ``learned`` says that the other tool takes such domains from the rows;
        ``keys`` are further keys of the field, ``part`` of its ``dpsynth`` block.
        """
        constraints: dict[str, Any] = {"required": True} if required else {}
        constraints.update(_completed(kind, domain))
        block = {**self._origin(learned=learned and (bool(domain) or kind == "boolean")), **(part or {})}
        if _needs_bins(kind, constraints):
            block.setdefault("bins", TODO)
        if required:
            block.setdefault("null", TODO)
        told = {key: value for key, value in (keys or {}).items() if value is not None}
        stated = {"constraints": constraints} if constraints else {}
        self.fields.append({"name": name, "type": kind or TODO, **told, **stated, "dpsynth": block})

    def format_key(self, name: str, form: object, kind: str | None) -> dict[str, Any]:
        """The ``format`` key of a date; TODO when a schema cannot read such a format."""
        if form in (None, "default"):
            return {}
        if kind not in ("date", "datetime") or not isinstance(form, str) or "%" not in form:
            self.left_out.add("format", name)
            return {}
        try:
            pattern_of(form)
        except ValueError:
            self.left_out.add("a date format with directives that are not supported", name)
            return {"format": TODO}
        return {"format": form}

    def _origin(self, *, learned: bool) -> dict[str, str]:
        if self.public is not None:
            return {"source": "public", "public_reason": self.public}
        return {"source": "data" if learned else TODO}


def _completed(kind: str | None, domain: Domain) -> dict[str, Any]:
    if kind == "boolean":
        return {}
    if "enum" in domain:
        return {"enum": domain["enum"]}
    if kind == "string":
        return {"enum": TODO}
    if kind is None:
        return dict(domain)
    return {end: domain.get(end, TODO) for end in ("minimum", "maximum")}


def _needs_bins(kind: str | None, constraints: Mapping[str, Any]) -> bool:
    if "enum" in constraints:
        return False
    if kind == "integer":
        low, high = constraints["minimum"], constraints["maximum"]
        return type(low) is int and type(high) is int and high - low >= _UNBINNED
    return kind in ("number", "date", "datetime")


def enumeration(values: object) -> tuple[str | None, dict[str, Any]]:
    """The type that a list of values has, and its domain; no type when they are of several kinds or no list."""
    if not isinstance(values, list) or not values:
        return None, {}
    kinds = {type(value) for value in values}
    if kinds == {bool}:
        return "boolean", {}
    if kinds == {str}:
        return "string", {"enum": values}
    if kinds == {int}:
        return "integer", {"enum": values}
    if kinds <= {int, float} and all(math.isfinite(value) for value in values):
        return "number", {"enum": values}
    return None, {}


def bounds(low: object, high: object, kind: str | None, form: object = None) -> dict[str, Any]:
    """The ends of a range that can be read as the type; dates in ISO form or in their own format."""
    ends = {"minimum": typed(low, kind, form), "maximum": typed(high, kind, form)}
    return {end: value for end, value in ends.items() if value is not None}


def typed(value: object, kind: str | None, form: object = None) -> Any:
    """The value as a schema writes one of this type; None when it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if kind == "integer":
        return _whole(value)
    if kind in ("date", "datetime"):
        return _moment(value, kind, form)
    if kind == "string":
        return str(value) if isinstance(value, str | int) else None
    return _real(value)


def _whole(value: float | str) -> int | None:
    if isinstance(value, str):
        return int(value) if _WHOLE.fullmatch(value.strip()) else None
    return int(value) if isinstance(value, int) or value.is_integer() else None


def _real(value: float | str) -> int | float | None:
    if isinstance(value, int):
        return value
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) and "_" not in str(value) else None


def _moment(value: float | str, kind: str, form: object) -> str | None:
    if not isinstance(value, str):
        return None
    pattern = ISO
    if isinstance(form, str) and "%" in form:
        try:
            pattern = pattern_of(form)
        except ValueError:
            pattern = ISO
    scale: Scale = DateScale("day", pattern) if kind == "date" else InstantScale("day", None, 0, pattern)
    try:
        scale.interval(value)
    except (ValueError, OverflowError):
        return None
    return value
