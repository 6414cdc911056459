"""Hierarchies of ARX: ``;``-separated rows without a header, a value and then its ever coarser groups."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping
from typing import Any

from dpsynth.errors import FileFormatError
from dpsynth.schema.exchange.draft import Draft
from dpsynth.schema.yamltext import MAX_CHARACTERS

_FILE = re.compile(r"(?:.*[_-])?hierarchy[_-](?P<field>.+)\.csv", re.IGNORECASE | re.DOTALL)
_WHOLE = re.compile(r"0|-?[1-9][0-9]{0,17}")


def field_of_hierarchy(file: str) -> str | None:
    """The field in a file name such as ``adult_hierarchy_age.csv``; None for other names."""
    match = _FILE.fullmatch(file)
    return match["field"] if match else None


def read(hierarchies: Mapping[str, str], draft: Draft) -> None:
    """One field for each hierarchy, named by its key; ``FileFormatError`` when a text is no hierarchy.

    Values that are all whole numbers make an integer field, others a string field.
    """
    for name, text in hierarchies.items():
        values, levels = _leaves(text, name)
        if levels > 1:
            draft.left_out.add("the levels above the values", name)
        if all(_WHOLE.fullmatch(value) for value in values):
            draft.add(name, "integer", _numbers(sorted(int(value) for value in values)))
        else:
            draft.add(name, "string", {"enum": values})


def _numbers(numbers: list[int]) -> dict[str, Any]:
    first, last = numbers[0], numbers[-1]
    consecutive = last - first + 1 == len(numbers) == len(set(numbers))
    return {"minimum": first, "maximum": last} if consecutive else {"enum": numbers}


def _leaves(text: str, name: str) -> tuple[list[str], int]:
    """The first cell of every row, and how many cells a row has."""
    if len(text) > MAX_CHARACTERS:
        raise FileFormatError(f"the file is larger than {MAX_CHARACTERS:,} characters", where=f"field {name!r}")
    try:
        rows = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=";", strict=True) if row]
    except csv.Error:
        rows = []
    widths = {len(row) for row in rows}
    if len(widths) != 1 or widths == {1}:
        hint = "It needs lines such as Norway;Europe;* that are all of one length."
        raise FileFormatError("is not an ARX hierarchy", where=f"field {name!r}", hint=hint)
    return [row[0].strip() for row in rows], widths.pop()
