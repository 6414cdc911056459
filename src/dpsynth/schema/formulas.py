"""Public categories that spreadsheet programs would run: named, never altered."""

from __future__ import annotations

from dpsynth.schema.codecs import CategoryCodec
from dpsynth.schema.table import Schema

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""Texts that begin so are taken for formulas."""


def formula_columns(schema: Schema) -> tuple[str, ...]:
    """Columns with a public category that begins like a formula."""
    return tuple(
        field.name
        for field in schema.output
        if isinstance(field.codec, CategoryCodec) and any(text.startswith(FORMULA) for text in field.codec.labels)
    )
