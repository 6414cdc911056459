"""Conditions on one column, as the ``--where`` option and ``Model.sample(where=...)`` write them."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import dataclass
from typing import Literal

from dpsynth.errors import UsageError

Kind = Literal["eq", "in", "range"]

_COLUMN = r'^\s*(?:"(?P<quoted>[^"]+)"|(?P<bare>[^="\s]+))'
_IN = re.compile(_COLUMN + r"\s+in\s+(?P<values>\S.*)$", re.DOTALL)
_EQUAL = re.compile(r'^\s*(?:"(?P<quoted>[^"]+)"|(?P<bare>[^="]+?))\s*=\s*(?P<value>.*?)\s*$', re.DOTALL)
_RANGE = re.compile(r'^\s*(?:"(?P<quoted>[^"]+)"|(?P<bare>[^="]+?))\s+(?P<low>\S*?)\s*\.\.\s*(?P<high>\S*)\s*$')
_WORD = re.compile(r"[\w.+-]+")
_LISTED = 20
_LONGEST = 60
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

    @property
    def words(self) -> str:
        """The condition in one line that is safe to print: whatever is no plain word is quoted and escaped.

        Long values and lists are cut, and say so.

        >>> Condition("region", "in", ("North, upper", "South")).words
        'region in "North, upper",South'
        """
        column = _shown(self.column)
        if self.kind == "range":
            low, high = (_shown(_cut(text)) if text else "" for text in self.texts)
            return f"{column} {low}..{high}"
        if self.kind == "eq":
            return f"{column}={_shown(_cut(self.texts[0]))}"
        more = f",… ({len(self.texts)} in all)" if len(self.texts) > _LISTED else ""
        return f"{column} in {','.join(_shown(_cut(text)) for text in self.texts[:_LISTED])}{more}"


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


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _shown(text: str) -> str:
    """A text as one word, or quoted: without control characters, marks of direction, or words that labels use."""
    if _WORD.fullmatch(text):
        return text
    quoted = json.dumps(text, ensure_ascii=False)
    printable = "".join(one if one.isprintable() else json.dumps(one)[1:-1] for one in quoted)
    # 'dp: false' in a label says that no guarantee holds, whoever wrote it.
    return printable.replace("dp:", "dp\\u003a")
