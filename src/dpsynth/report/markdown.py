"""A report as Markdown: the same blocks without the drawings, whose numbers stand in their tables."""

from __future__ import annotations

import re
from collections.abc import Iterator

from dpsynth.report.document import Block, Bullets, Document, Drawing, Facts, Paragraph, Table

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~&])")


def markdown(document: Document) -> str:
    """The report as GitHub-flavored Markdown; every text of others is escaped."""
    lines = [f"# {_escaped(document.title)} ({document.edition})", ""]
    if document.watermark:
        lines += [f"**{_escaped(document.watermark)}**", ""]
    box = document.box
    lines += [f"**{_escaped(box.headline)}**", "", *(f"- {_escaped(reason)}" for reason in box.reasons), ""]
    lines += _rows(("", "", ""), [(tile.name, tile.value, tile.below) for tile in box.tiles])
    lines += [text for sentence in box.sentences for text in (_escaped(sentence), "")]
    lines += _rows(("fact", "value"), box.facts)
    for section in document.sections:
        lines += [f"## {_escaped(section.title)}", ""]
        lines += [line for block in section.blocks for line in _block(block)]
    if document.watermark:
        lines += [f"**{_escaped(document.watermark)}**", ""]
    return "\n".join(lines)


def _block(block: Block) -> Iterator[str]:
    if isinstance(block, Paragraph):
        yield from (_escaped(block.text), "")
    elif isinstance(block, Bullets):
        yield from (*(f"- {_escaped(item)}" for item in block.items), "")
    elif isinstance(block, Facts):
        yield from _rows(("item", "what"), block.pairs)
    elif isinstance(block, Drawing):
        yield from (f"### {_escaped(block.title)}", "", _escaped(block.says), "")
        yield from _block(block.table)
    else:
        yield from _table(block)


def _table(table: Table) -> Iterator[str]:
    yield from (_escaped(table.caption), "")
    yield from _rows(table.header, table.rows)


def _rows(header: tuple[str, ...], rows: object) -> list[str]:
    found = [tuple(row) for row in rows]  # type: ignore[attr-defined]
    if not found:
        return []
    lines = [header, tuple("---" for _ in header)]
    texts = [
        f"| {' | '.join(_escaped(cell) if row is not lines[1] else cell for cell in row)} |" for row in (*lines, *found)
    ]
    return [*texts, ""]


def _escaped(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))
