"""Comments in an imported schema: what each TODO asks for, and what `source: data` means."""

from __future__ import annotations

import re
from collections.abc import Iterator

from dpsynth.schema.document import TODO
from dpsynth.schema.yamltext import ListNode, MapNode, Node, Scalar, dump, parse, parse_nodes

_ASKS = {
    "unit": "row, or {column: NAME, max_rows: N} when a person may have up to N rows",
    "source": "public | dp | data: where the domain is known from",
    "data": "the other tool takes it from the rows: write the public one, or see `dpsynth schema confirm`",
    "type": "string | integer | number | boolean | date | datetime",
    "enum": "all values: [A, B, C]",
    "minimum": "the smallest value that may occur",
    "maximum": "the largest value that may occur",
    "bins": "{width: W} | {count: N} | {log: N} | {edges: [...]}; dates: day | week | month | quarter | year",
    "null": "the value that a missing cell takes; or drop it together with `required`",
    "format": "a pattern such as %d.%m.%Y",
}
_BREAKS = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
"""What YAML counts as the end of a line."""


def commented(text: str, where: str) -> str:
    """The same schema, in block style, with a comment behind each TODO and each ``source: data``."""
    plain = dump(parse(text, where), flow=False)
    starts = [0, *(found.end() for found in _BREAKS.finditer(plain))]
    pieces, position = [], 0
    for key, mark in _open(parse_nodes(plain, where)):
        line, column = mark.end
        end = starts[line] + column
        pieces += [plain[position:end], f"  # {_ASKS[key]}"]
        position = end
    return "".join([*pieces, plain[position:]])


def _open(node: Node) -> Iterator[tuple[str, Scalar]]:
    """What a comment is about, and the value that it stands behind, in the order of the text."""
    if isinstance(node, MapNode):
        for key, value in node.items:
            if isinstance(value, Scalar) and value.plain and (about := _about(key.text, value.text)):
                yield about, value
            else:
                yield from _open(value)
    elif isinstance(node, ListNode):
        for item in node.items:
            yield from _open(item)


def _about(key: str, value: str) -> str | None:
    if key == "source" and value == "data":
        return value
    return key if value == TODO and key in _ASKS else None
