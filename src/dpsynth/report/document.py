"""A report as blocks: what every form of it, page or text, is rendered from. Texts are plain; a form escapes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NewType

Svg = NewType("Svg", str)
"""A drawing whose texts are escaped already."""


@dataclass(frozen=True)
class Paragraph:
    """A paragraph."""

    text: str
    kind: Literal["paragraph"] = "paragraph"


@dataclass(frozen=True)
class Bullets:
    """A list of short texts."""

    items: tuple[str, ...]
    kind: Literal["bullets"] = "bullets"


@dataclass(frozen=True)
class Listed:
    """Names and what stands beside them."""

    pairs: tuple[tuple[str, str], ...]
    kind: Literal["facts"] = "facts"


@dataclass(frozen=True)
class Table:
    """Rows under a header. ``numbers``: which columns are aligned to the right; ``folded``: closed until wanted."""

    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numbers: frozenset[int] = frozenset()
    folded: bool = False
    kind: Literal["table"] = "table"


@dataclass(frozen=True)
class Drawing:
    """A drawing, what it says, and its numbers in a table beside it."""

    title: str
    svg: Svg
    says: str
    table: Table
    kind: Literal["drawing"] = "drawing"


Block = Paragraph | Bullets | Listed | Table | Drawing


@dataclass(frozen=True)
class Section:
    """A part of the report under a heading."""

    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Tile:
    """One number of the decision box: large, with its name above and what it is below."""

    name: str
    value: str
    below: str


@dataclass(frozen=True)
class Box:
    """The decision box: a headline, its reasons, the numbers, and the plain sentences."""

    headline: str
    tone: Literal["allowed", "refused", "plain"]
    reasons: tuple[str, ...]
    tiles: tuple[Tile, ...]
    sentences: tuple[str, ...]
    facts: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Document:
    """The whole report. ``watermark``: stands on every page of an internal edition; empty for a public one."""

    title: str
    edition: str
    watermark: str
    box: Box
    sections: tuple[Section, ...]
