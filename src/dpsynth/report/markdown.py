"""A report as Markdown: the same blocks without the drawings, whose numbers stand in their tables."""

from __future__ import annotations

import re
from collections.abc import Iterator

from dpsynth.report.document import Block, Bullets, Document, Drawing, Listed, Paragraph, Table

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~&])")
_TURNING = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Marks that turn the direction of the text around them: they would rearrange what the reader sees."""


def markdown(document: Document) -> str:
    """The report as GitHub-flavored Markdown; every text of others is escaped."""
    lines = [f"# {escaped(document.title)} ({document.edition})", ""]
    if document.watermark:
        lines += [f"**{escaped(document.watermark)}**", ""]
    box = document.box
    lines += [f"**{escaped(box.headline)}**", "", *(f"- {escaped(reason)}" for reason in box.reasons), ""]
    lines += _rows(("", "", ""), [(tile.name, tile.value, tile.below) for tile in box.tiles])
    lines += [text for sentence in box.sentences for text in (escaped(sentence), "")]
    lines += _rows(("fact", "value"), box.facts)
    for section in document.sections:
        lines += [f"## {escaped(section.title)}", ""]
        lines += [line for block in section.blocks for line in _block(block)]
    if document.watermark:
        lines += [f"**{escaped(document.watermark)}**", ""]
    return "\n".join(lines)


def _block(block: Block) -> Iterator[str]:
    if isinstance(block, Paragraph):
        yield from (escaped(block.text), "")
    elif isinstance(block, Bullets):
        yield from (*(f"- {escaped(item)}" for item in block.items), "")
    elif isinstance(block, Listed):
        yield from _rows(("item", "what"), block.pairs)
    elif isinstance(block, Drawing):
        yield from (f"### {escaped(block.title)}", "", escaped(block.says), "")
        yield from _block(block.table)
    else:
        yield from _table(block)


def _table(table: Table) -> Iterator[str]:
    yield from (escaped(table.caption), "")
    yield from _rows(table.header, table.rows)


def _rows(header: tuple[str, ...], rows: object) -> list[str]:
    found = [tuple(row) for row in rows]  # type: ignore[attr-defined]
    if not found:
        return []
    lines = [header, tuple("---" for _ in header)]
    texts = [
        f"| {' | '.join(escaped(cell) if row is not lines[1] else cell for cell in row)} |" for row in (*lines, *found)
    ]
    return [*texts, ""]


def escaped(text: str) -> str:
    """The text in one line, with nothing left that Markdown or HTML would read; turning marks by their numbers."""
    shown = _TURNING.sub(lambda mark: f"(U+{ord(mark[0]):04X})", " ".join(text.split()))
    return _SPECIAL.sub(r"\\\1", shown)
