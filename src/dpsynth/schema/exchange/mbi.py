"""The domain files of ryan112358/mbi: ``{"column": number of codes}``."""

from __future__ import annotations

import json
from typing import Any

from dpsynth.schema.exchange.facts import Facts
from dpsynth.schema.exchange.notes import LeftOut
from dpsynth.schema.exchange.structure import OtherFormatError
from dpsynth.schema.table import Schema, domain_document


def read(data: dict[str, Any], name: str, public: str | None) -> dict[str, Any]:
    """The document of a table of codes; ``OtherFormatError`` when the data are no sizes."""
    if not data or not all(type(size) is int and size >= 1 for size in data.values()):
        raise OtherFormatError('It looks like {"column": number of codes, ...}.')
    return domain_document(data, name, public)


def write(schema: Schema, fields: tuple[Facts, ...], left_out: LeftOut) -> str:
    """The sizes of the modeled fields, null category included, as JSON."""
    left_out.add("everything but the number of codes: values, bounds, types")
    for one in fields:
        if one.identifier:
            left_out.add("fields that never enter a model", one.name)
    return json.dumps(dict(zip(schema.domain, schema.domain.sizes, strict=True)), ensure_ascii=False, indent=2) + "\n"
