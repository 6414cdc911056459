"""CSV files of pairs that a schema names: read once, when the schema is loaded from a file, and then part of it."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

from dpsynth.errors import FileFormatError
from dpsynth.schema.ranges import MAX_CODES

_MAP_BYTES = 32_000_000


def with_maps(document: Any, folder: Path) -> Any:
    """The document with the CSV files that its maps name written out as ``values``; others are left as they are.

    ``FileFormatError`` for a file that cannot be read or is no table of pairs.
    """
    if not isinstance(document, dict) or not isinstance(document.get("fields"), list):
        return document
    for field in document["fields"]:
        node: Any = field
        for key in ("dpsynth", "derived", "map"):
            node = node.get(key) if isinstance(node, dict) else None
        if isinstance(node, dict) and isinstance(node.get("file"), str) and "values" not in node:
            node["values"] = _pairs(folder, node.pop("file"))
    return document


def _pairs(folder: Path, name: str) -> dict[str, str]:
    """The pairs of a CSV file with a header and two columns: fine code, coarse code."""
    path = folder / name
    where = str(path)
    if Path(name).is_absolute() or ".." in Path(name).parts:
        raise FileFormatError("the file of a map stands beside the schema or below it", where=where)
    try:
        with path.open("rb") as file:
            raw = file.read(_MAP_BYTES + 1)
        if len(raw) > _MAP_BYTES:
            raise FileFormatError(f"a map has at most {_MAP_BYTES:,} bytes", where=where)
        rows = list(csv.reader(io.StringIO(raw.decode("utf-8-sig"), newline=""), strict=True))
    except OSError:
        raise FileFormatError("the file of a map cannot be read", where=where) from None
    except (UnicodeDecodeError, csv.Error):
        raise FileFormatError("the file of a map is not CSV in UTF-8", where=where) from None
    pairs = [row for row in rows[1:] if row]
    if any(len(row) != 2 for row in rows[:1] + pairs) or not 0 < len(pairs) <= MAX_CODES:
        raise FileFormatError("a map is a header and lines of two cells: fine code, coarse code", where=where)
    found = {fine.strip(): coarse.strip() for fine, coarse in pairs}
    if len(found) != len(pairs):
        raise FileFormatError("a map lists a code twice", where=where)
    return found
