"""Conditions on one column, as the ``--where`` option and ``Model.sample(where=...)`` write them."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from typing import Literal

from dpsynth.errors import UsageError

Kind = Literal["eq", "in", "range"]

_COLUMN = r'^\s*(?:"(?P<quoted>[^"]+)"|(?P<bare>[^="\s]+))'
_IN = re.compile(_COLUMN + r"\s+in\s+(?P<values>\S.*)$", re.DOTALL)
_EQUAL = re.compile(r'^\s*(?:"(?P<quoted>[^"]+)"|(?P<bare>[^="]+?))\s*=\s*(?P<value>.*?)\s*$', re.DOTALL)
_RANGE = re.compile(r'^\s*(?:"(?P<quoted>[^"]+)"|(?P<bare>[^="]+?))\s+(?P<low>\S*?)\s*\.\.\s*(?P<high>\S*)\s*$')
_HINT = 'Write "col=value", "col in a,b" or "col a..b" (an end may be left open).'


@dataclass(frozen=True, slots=True)
class Condition:
    """What one column must satisfy, still as text.

    ``texts`` holds one text for ``eq``, one or more for ``in``, and exactly two for ``range`` (an open end is the
    empty text; both ends belong to the range). The text ``null`` stands for a missing value in ``eq`` and ``in``.
    """

    column: str
    kind: Kind
    texts: tuple[str, ...]


def parse_where(text: str) -> Condition:
    """The condition that ``text`` states; ``UsageError`` if it is none of the three forms.

    Column names with spaces or ``=`` are put in double quotes, and so are list values with commas.

    >>> parse_where("age 18..")
    Condition(column='age', kind='range', texts=('18', ''))
    >>> parse_where('region in "North, upper",South').texts
    ('North, upper', 'South')
    """
    if match := _IN.match(text):
        row = next(csv.reader([match["values"]], skipinitialspace=True))
        values = tuple(value.strip() for value in row)
        return Condition(match["quoted"] or match["bare"], "in", values)
    if match := _EQUAL.match(text):
        return Condition(match["quoted"] or match["bare"], "eq", (match["value"],))
    if (match := _RANGE.match(text)) and (match["low"] or match["high"]):
        return Condition(match["quoted"] or match["bare"], "range", (match["low"], match["high"]))
    raise UsageError("a condition is not understood", where="where", hint=_HINT)
