"""Names and public categories that spreadsheet programs would run: said, never altered."""

from __future__ import annotations

from dpsynth.schema.codecs import CategoryCodec
from dpsynth.schema.table import Schema

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""Texts that begin so are taken for formulas."""


def formula_columns(schema: Schema) -> tuple[str, ...]:
    """Columns whose name, or one of whose public categories, begins like a formula."""
    return tuple(
        field.name
        for field in schema.output
        if any(text.startswith(FORMULA) for text in (field.name, *_categories(field.codec)))
    )


def _categories(codec: object) -> tuple[str, ...]:
    return codec.labels if isinstance(codec, CategoryCodec) else ()
