"""What did not fit into the other format: topics, each with the fields that it concerns."""

from __future__ import annotations

SHOWN = 5


class LeftOut:
    """Collects what a conversion leaves out; ``lines`` says it in words, in the order of first mention."""

    def __init__(self) -> None:
        self._fields: dict[str, list[str]] = {}

    def add(self, what: str, field: str | None = None) -> None:
        """``what`` was left out, of ``field`` or of the whole table."""
        fields = self._fields.setdefault(what, [])
        if field is not None and field not in fields:
            fields.append(field)

    def lines(self) -> tuple[str, ...]:
        """One line per topic; names are quoted, so that none can break a line."""
        return tuple(f"{what} ({_some(fields)})" if fields else what for what, fields in self._fields.items())


def _some(fields: list[str]) -> str:
    shown = ", ".join(repr(name) for name in fields[:SHOWN])
    return shown if len(fields) <= SHOWN else f"{shown} and {len(fields) - SHOWN} more"
