"""CSV files of hierarchies that a policy or a schema names: read once, when it is loaded."""

from __future__ import annotations

import csv
import io
from copy import deepcopy
from pathlib import Path
from typing import Any

from dpsynth.errors import FileFormatError, SchemaError
from dpsynth.schema.ranges import MAX_CODES

_BYTES = 32_000_000


def with_paths(document: Any, folder: Path | None) -> Any:
    """A copy of the document in which every hierarchy that names a ``file`` holds its lines as ``paths`` as well.

    Raises ``SchemaError`` for a file without a ``folder`` to read it from, or beside ``paths``; ``FileFormatError``
    for one that cannot be read. Whatever else is wrong with the document stays as it is.
    """
    if not isinstance(document, dict) or not isinstance(document.get("fields"), list):
        return document
    copy = deepcopy(document)
    for field in copy["fields"]:
        block = field.get("dpsynth") if isinstance(field, dict) else None
        node = block.get("hierarchy") if isinstance(block, dict) else None
        if isinstance(node, dict) and isinstance(node.get("file"), str):
            where = f"field {field.get('name')!r}"
            if folder is None or "paths" in node:
                what = "names a file, but stands in none" if folder is None else "has both file and paths"
                raise SchemaError(f"hierarchy: {what}", where=where, hint="Write its lines as paths.")
            node["paths"] = read_paths(folder, node["file"])
    return copy


def read_paths(folder: Path, name: str) -> list[list[str]]:
    """The lines of a hierarchy file: a value, then its groups from fine to coarse, white space at their ends dropped.

    Cells are separated by ``;``, or by commas where the first line has no semicolon; there is no header. Raises
    ``FileFormatError`` for a file outside the folder, one that cannot be read or is no CSV, and for lines of
    different length.
    """
    where = str(folder / name)
    if Path(name).is_absolute() or ".." in Path(name).parts:
        hint = "Copy it there, and name it from there: hierarchies/age.csv."
        said = "the file of a hierarchy must stand beside the policy or below it"
        raise FileFormatError(said, where=where, hint=hint)
    try:
        with (folder / name).open("rb") as file:
            raw = file.read(_BYTES + 1)
        if len(raw) > _BYTES:
            raise FileFormatError(f"a hierarchy has at most {_BYTES:,} bytes", where=where)
        text = raw.decode("utf-8-sig")
        delimiter = ";" if ";" in text.partition("\n")[0] else ","
        lines = [line for line in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True) if line]
    except (OSError, ValueError) as error:
        what = "is not UTF-8 text" if isinstance(error, UnicodeDecodeError) else "cannot be read"
        raise FileFormatError(f"the file of a hierarchy {what}", where=where) from None
    except csv.Error:
        raise FileFormatError("the file of a hierarchy is not CSV", where=where) from None
    hint = "It needs lines such as Norway;Europe;* that are all of one length."
    if not 0 < len(lines) <= MAX_CODES:
        raise FileFormatError(f"a hierarchy has 1 to {MAX_CODES:,} lines", where=where, hint=hint)
    for number, line in enumerate(lines, start=1):
        if len(line) != len(lines[0]):
            said = f"line {number} that is not empty has another number of cells than the first"
            raise FileFormatError(said, where=where, hint=hint)
    return [[cell.strip() for cell in line] for line in lines]
