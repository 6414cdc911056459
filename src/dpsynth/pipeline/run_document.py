"""The pipeline file: ``run: 1``, a declared version of the data, and stages: a command's name, then its long options.

Values stay as they are written, so that ``epsilon: 0.1`` is exactly one tenth; what they mean is for the commands.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dpsynth.errors import FileFormatError, SchemaError, UsageError
from dpsynth.schema.table import read_text
from dpsynth.schema.yamltext import ListNode, MapNode, Node, Scalar, parse_nodes

VERSION = "1"
MAX_STAGES = 200
MAX_CHARACTERS = 1_000_000
_KEYS = ("run", "data_version", "stages")
_FORM = "Write one stage a line: - sample: {model: model.dps, output: synthetic.csv}"

Values = str | tuple[str, ...]


@dataclass(frozen=True, slots=True)
class WrittenStage:
    """One stage as written: ``number`` from 1, the command's name, and the text or texts of each option."""

    number: int
    name: str
    options: tuple[tuple[str, Values], ...]
    where: str


@dataclass(frozen=True, slots=True)
class RunDocument:
    """A pipeline: its stages in order, and what its data are called; ``None`` when that is not said."""

    stages: tuple[WrittenStage, ...]
    data_version: str | None


def read_run(path: str | Path) -> RunDocument:
    """The pipeline in a file. ``FileFormatError`` for a file that cannot be read, is hostile or is no YAML,
    ``UsageError`` for one that is no pipeline; both name the line or the stage.
    """
    where = str(path)
    text = read_text(path)
    if len(text) > MAX_CHARACTERS:
        raise FileFormatError(f"the file is larger than {MAX_CHARACTERS:,} characters", where=where)
    try:
        root = parse_nodes(text, where)
    except SchemaError as error:
        raise FileFormatError(error.message, where=error.where, hint=error.hint) from None
    if not isinstance(root, MapNode):
        raise UsageError("a pipeline is a map with the keys run, data_version and stages", where=where)
    for key, _ in root.items:
        if key.text not in _KEYS:
            raise UsageError(
                f"unknown key {_short(key.text)}", where=_line(where, key), hint=f"Keys: {', '.join(_KEYS)}."
            )
    version = root.get("run")
    if not isinstance(version, Scalar) or version.text != VERSION:
        raise UsageError(f"the file must say run: {VERSION}, the version of its format", where=where)
    return RunDocument(_stages(root.get("stages"), where), _data_version(root.get("data_version"), where))


def _data_version(node: Node | None, where: str) -> str | None:
    if node is None:
        return None
    if not isinstance(node, Scalar) or not node.text.strip() or len(node.text) > 200 or not node.text.isprintable():
        hint = "Example: data_version: 2026-11"
        raise UsageError("data_version is 1 to 200 printable characters", where=where, hint=hint)
    return node.text


def _stages(node: Node | None, where: str) -> tuple[WrittenStage, ...]:
    if not isinstance(node, ListNode) or not 1 <= len(node.items) <= MAX_STAGES:
        raise UsageError(f"stages is a list of 1 to {MAX_STAGES} commands", where=where, hint=_FORM)
    return tuple(_stage(number, item, where) for number, item in enumerate(node.items, 1))


def _stage(number: int, node: Node, where: str) -> WrittenStage:
    place = f"{where}, stage {number}"
    if isinstance(node, Scalar):
        return WrittenStage(number, _name(node, place), (), _named(place, node))
    if not isinstance(node, MapNode) or len(node.items) != 1:
        raise UsageError("a stage is one command with its options", where=place, hint=_FORM)
    key, body = node.items[0]
    name, place = _name(key, place), _named(place, key)
    if isinstance(body, Scalar) and body.plain and body.text in {"", "~", "null"}:
        return WrittenStage(number, name, (), place)
    if not isinstance(body, MapNode):
        raise UsageError("the options of a stage are 'name: value' pairs", where=place, hint=_FORM)
    return WrittenStage(number, name, tuple((one.text, _values(one, value, place)) for one, value in body.items), place)


def _values(key: Scalar, node: Node, where: str) -> Values:
    """The text of a scalar or the texts of a list."""
    if isinstance(node, Scalar):
        return _value(key, node, where)
    if not isinstance(node, ListNode) or not node.items:
        raise UsageError(f"{_short(key.text)} needs a plain value, or a list of them", where=where)
    return tuple(_value(key, one, where) for one in node.items)


def _value(key: Scalar, node: Node, where: str) -> str:
    empty = isinstance(node, Scalar) and node.plain and node.text in {"", "~", "null"}
    if not isinstance(node, Scalar) or empty or "\0" in node.text:
        hint = "Leave the option out for its default."
        raise UsageError(f"{_short(key.text)} needs a plain value", where=where, hint=hint)
    return node.text


def _name(key: Scalar, where: str) -> str:
    name = " ".join(key.text.split())
    if not name or not name.isprintable():
        raise UsageError("a stage names a command", where=where, hint=_FORM)
    return name


def _named(place: str, key: Scalar) -> str:
    return f"{place} ({_short(' '.join(key.text.split()))})"


def _line(where: str, key: Scalar) -> str:
    return f"{where}, line {key.start[0] + 1}"


def _short(text: str) -> str:
    """A name for a message, however long or odd it is."""
    shown = text if text.isprintable() else ascii(text)
    return shown if len(shown) <= 60 else f"{shown[:57]}..."
