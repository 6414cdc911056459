"""A workload as the command line names it: a word, or a file that lists sets of columns."""

from __future__ import annotations

import re
from typing import Any

from dpsynth.errors import DpsynthError, FileFormatError, UsageError
from dpsynth.schema.table import read_text
from dpsynth.schema.yamltext import parse

_WORD = re.compile(r"all-[0-9]+way|target:.*", re.DOTALL)
_FORMS = "all-2way, all-3way, target:COLUMN, or a YAML or JSON file with a list of column lists"


def workload_of(given: str) -> str | list[Any]:
    """The word itself, or the list in the YAML or JSON file of this name.

    Raises ``FileFormatError`` for a file that cannot be read or holds no list, ``SchemaError`` for bad YAML. What a
    list says is checked by the method, against the columns of the schema.
    """
    if not given:
        raise UsageError("a workload is not empty text", where="--workload", hint=f"A workload is {_FORMS}.")
    if _WORD.fullmatch(given):
        return given
    try:
        found = parse(read_text(given), given)
    except DpsynthError as error:
        raise type(error)(error.message, where=error.where, hint=error.hint or f"A workload is {_FORMS}.") from None
    if not isinstance(found, list):
        raise FileFormatError("a workload file holds a list", where=given, hint="One line a set: - [age, income]")
    return found
