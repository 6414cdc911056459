"""YAML text ↔ plain data, without YAML's traps.

Only maps, lists and scalars are read: no anchors or aliases, no tags, no second document, no duplicate keys, bounded
size and depth. Scalars follow YAML 1.2: ``yes``, ``no``, ``on`` and ``off`` are text, so are dates and digits with a
leading zero; keys are always text (``null:`` is a key like any other).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from dpsynth.errors import SchemaError

MAX_CHARACTERS = 8_000_000
MAX_DEPTH = 16
MAX_NODES = 500_000

_PARSER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NUMBER = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_LEADING_ZERO = re.compile(r"[-+]?0[0-9]")
_WORDS: dict[str, bool | float | None] = {
    **dict.fromkeys(("null", "Null", "NULL", "~", "")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf"), float("inf")),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), float("-inf")),
}


@dataclass(frozen=True, slots=True)
class Scalar:
    """A scalar as written, with the line and column (from 0) of its first and its one-past-last character."""

    text: str
    plain: bool
    start: tuple[int, int]
    end: tuple[int, int]


@dataclass(frozen=True, slots=True)
class MapNode:
    """A map: its keys and values in order; ``flow`` when written in braces."""

    items: tuple[tuple[Scalar, Node], ...]
    flow: bool

    def get(self, key: str) -> Node | None:
        """The value of a key, or None."""
        return next((value for name, value in self.items if name.text == key), None)


@dataclass(frozen=True, slots=True)
class ListNode:
    """A list of nodes."""

    items: tuple[Node, ...]


Node = Scalar | MapNode | ListNode


def parse(text: str, where: str) -> Any:
    """Plain data (dict, list, str, int, float, bool, None); ``SchemaError`` for anything this module refuses."""
    return _plain(parse_nodes(text, where))


def parse_nodes(text: str, where: str) -> Node:
    """The nodes of the one document in ``text``, with their places."""
    if len(text) > MAX_CHARACTERS:
        raise SchemaError(f"the file is larger than {MAX_CHARACTERS:,} characters", where=where)
    try:
        events = _events(text, where)
        node = _node(events, next(events), where, 0)
        if not isinstance(next(events), yaml.DocumentEndEvent) or not isinstance(next(events), yaml.StreamEndEvent):
            raise SchemaError("the file holds more than one YAML document", where=where)
    except StopIteration:
        raise SchemaError("the file is empty", where=where) from None
    except yaml.MarkedYAMLError as error:
        line = f"line {_mark(error.problem_mark)[0] + 1}: " if error.problem_mark else ""
        raise SchemaError(f"{line}not valid YAML", where=where, hint="Check indentation and quotes.") from None
    except yaml.YAMLError:
        raise SchemaError("not valid YAML: a character is not allowed", where=where) from None
    return node


def dump(data: Any, *, flow: bool | None = None, width: int = 118) -> str:
    """YAML text that ``parse`` reads back to equal data; by default only collections of scalars are written inline."""
    text = yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=width, default_flow_style=flow)
    return str(text)


def scalar_value(text: str) -> str | int | float | bool | None:
    """The YAML 1.2 value of a plain scalar."""
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text) and len(text) <= 400:
        return int(text)
    if _NUMBER.fullmatch(text) and not _LEADING_ZERO.match(text) and len(text) <= 400:
        return float(text)
    return text


def _events(text: str, where: str) -> Iterator[yaml.Event]:
    skipped = (yaml.StreamStartEvent, yaml.DocumentStartEvent)
    events = (event for event in yaml.parse(text, Loader=_PARSER) if not isinstance(event, skipped))
    for count, event in enumerate(events):
        if count > MAX_NODES:
            raise SchemaError(f"the file holds more than {MAX_NODES:,} values", where=where)
        yield event


def _node(events: Iterator[yaml.Event], event: yaml.Event, where: str, depth: int) -> Node:
    start, end = _mark(event.start_mark), _mark(event.end_mark)
    if isinstance(event, yaml.StreamEndEvent):
        raise SchemaError("the file is empty", where=where)
    _refuse(event, f"line {start[0] + 1}: ", where, depth)
    if isinstance(event, yaml.ScalarEvent):
        return Scalar(event.value, not event.style, start, end)
    if isinstance(event, yaml.SequenceStartEvent):
        return ListNode(tuple(_children(events, yaml.SequenceEndEvent, where, depth)))
    return _map_node(events, where, depth, flow=bool(getattr(event, "flow_style", False)))


def _refuse(event: yaml.Event, line: str, where: str, depth: int) -> None:
    if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
        raise SchemaError(f"{line}anchors and aliases (& and *) are not read", where=where, hint="Write it out.")
    if getattr(event, "tag", None) not in (None, "!"):
        raise SchemaError(f"{line}tags (!) are not read", where=where)
    if depth > MAX_DEPTH:
        raise SchemaError(f"{line}nested deeper than {MAX_DEPTH} levels", where=where)


def _mark(mark: Any) -> tuple[int, int]:
    return (mark.line, mark.column) if mark is not None else (0, 0)


def _children(events: Iterator[yaml.Event], end: type[yaml.Event], where: str, depth: int) -> Iterator[Node]:
    event = next(events)
    while not isinstance(event, end):
        yield _node(events, event, where, depth + 1)
        event = next(events)


def _map_node(events: Iterator[yaml.Event], where: str, depth: int, *, flow: bool) -> MapNode:
    items: dict[str, tuple[Scalar, Node]] = {}
    children = list(_children(events, yaml.MappingEndEvent, where, depth))
    for key, value in zip(children[::2], children[1::2], strict=True):
        if not isinstance(key, Scalar):
            raise SchemaError("a key must be a plain word", where=where)
        if key.text in items:
            raise SchemaError(f"line {key.start[0] + 1}: the key {key.text!r} appears twice", where=where)
        items[key.text] = (key, value)
    return MapNode(tuple(items.values()), flow)


def _plain(node: Node) -> Any:
    if isinstance(node, Scalar):
        return scalar_value(node.text) if node.plain else node.text
    if isinstance(node, ListNode):
        return [_plain(item) for item in node.items]
    return {key.text: _plain(value) for key, value in node.items}


class _Dumper(yaml.SafeDumper):
    """Writes strings so that ``parse`` reads them back as strings."""

    def ignore_aliases(self, data: object) -> bool:
        """No anchors: repeated data are written out."""
        del data
        return True


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    # A next-line character (U+0085) would be folded to a space within single quotes.
    style = '"' if "\x85" in value else None if isinstance(scalar_value(value), str) else "'"
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _text)
