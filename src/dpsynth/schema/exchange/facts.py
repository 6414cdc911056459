"""What a complete schema says of each field, in the terms that other formats share."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from dpsynth.schema.codecs import BinnedCodec, CategoryCodec, Codec, ListedCodec
from dpsynth.schema.fields import Field
from dpsynth.schema.table import Schema

_DIRECTIVE = re.compile(r"%(.)", re.DOTALL)


@dataclass(frozen=True)
class Facts:
    """One field. Either ``values`` lists its values, or it is a range from ``low`` to ``high`` (numbers, dates or
    datetimes), or neither is known (identifiers). ``keys`` is its part of the document, ``block`` the ``dpsynth`` part.
    """

    name: str
    kind: str
    identifier: bool
    nullable: bool
    values: tuple[Any, ...] | None
    low: Any
    high: Any
    keys: Mapping[str, Any]
    block: Mapping[str, Any]

    @property
    def listed(self) -> bool:
        """Whether the field lists its values, as strings, numbers or booleans."""
        return self.values is not None

    @property
    def bounded(self) -> bool:
        """Whether the field is a range."""
        return self.low is not None

    @property
    def own_keys(self) -> tuple[str, ...]:
        """The keys of its block that say more than the domain and where that is known from."""
        usual = ("source", "public_reason", "domain")
        return tuple(key for key, value in self.block.items() if key not in usual and (key, value) != ("role", "other"))

    @property
    def form(self) -> str | None:
        """The pattern of dates, None for ISO 8601."""
        form = self.keys.get("format")
        return form if isinstance(form, str) and "%" in form else None


def facts(schema: Schema) -> tuple[Facts, ...]:
    """The facts of all fields in their order; the schema must be complete."""
    parts = schema.to_dict()["fields"]
    return tuple(_facts(one, keys) for one, keys in zip(schema.fields, parts, strict=True))


def _facts(one: Field, keys: Mapping[str, Any]) -> Facts:
    values = _values(one.codec) if one.codec is not None else None
    low, high = _ends(one.codec) if isinstance(one.codec, BinnedCodec) else (None, None)
    block = keys.get("dpsynth", {})
    return Facts(one.name, str(one.type), not one.modeled, one.nullable, values, low, high, keys, block)


def _values(codec: Codec) -> tuple[Any, ...] | None:
    if isinstance(codec, CategoryCodec):
        return tuple(codec.values.to_pylist())
    return tuple(codec.values.tolist()) if isinstance(codec, ListedCodec) else None


def _ends(codec: BinnedCodec) -> tuple[Any, Any]:
    ends = codec.scale.write(np.array([codec.bins.low, codec.bins.high], dtype=codec.edges.dtype), None)
    low, high = ends.to_pylist()
    return low, high


def moment_text(moment: dt.date | dt.datetime, form: str | None) -> str:
    """A date or time in its pattern, or in ISO form; years have four digits everywhere."""
    if form is None:
        return moment.isoformat()
    return moment.strftime(_DIRECTIVE.sub(lambda found: _written(found[0], moment.year), form))


def _written(directive: str, year: int) -> str:
    return f"{year:04d}" if directive == "%Y" else directive
