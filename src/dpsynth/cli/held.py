"""Who holds what of a pool: its live reservations, so that one whose process is gone can be found and ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from dpsynth.cli.layout import at_most, table

if TYPE_CHECKING:
    from dpsynth.ledger import Event, PoolState

_STEPS = (("day", 86_400), ("hour", 3_600), ("minute", 60))


def held_records(pool: PoolState, events: Sequence[Event]) -> list[dict[str, Any]]:
    """One record for each live reservation of the pool, oldest first: what it holds, since when, who and where."""
    live = {held.transaction: held for held in pool.live}
    asked = [event for event in events if event.kind == "RESERVE" and event.transaction in live]
    return [
        {
            "transaction": event.transaction,
            "epsilon": float(Fraction(event.data["epsilon"])),
            "delta": float(Fraction(event.data["delta"])),
            "method": event.data.get("method"),
            "since": event.time,
            "reading": live[event.transaction].touched,
            "actor": event.secret("actor"),
            "host": event.secret("host"),
            "purpose": event.secret("purpose"),
        }
        for event in asked
    ]


def held_words(records: Sequence[Mapping[str, Any]], now: datetime | None = None) -> str:
    """The reservations as a table, and what to do about one whose process is gone."""
    moment = now or datetime.now(UTC)
    rows = [
        (
            str(held["transaction"]),
            f"epsilon {at_most(held['epsilon'])}",
            age(str(held["since"]), moment),
            "rows" if held["reading"] else "no row yet",
            str(held["actor"] or ""),
            str(held["host"] or ""),
        )
        for held in records
    ]
    header = ("transaction", "holds", "since", "has read", "who", "host")
    return (
        f"{table(header, rows, '  ')}\n"
        "  One whose process is gone for good (a lost machine or container) is ended by:\n"
        "  dpsynth ledger forfeit TRANSACTION --reason TEXT"
    )


def age(since: str, now: datetime) -> str:
    """How long ago a time of the ledger was, in its largest whole unit.

    >>> age("2026-01-01T00:00:00Z", datetime(2026, 1, 3, 5, tzinfo=UTC))
    '2 days ago'
    """
    seconds = int((now - datetime.fromisoformat(since)).total_seconds())
    for unit, step in _STEPS:
        if seconds >= step:
            count = seconds // step
            return f"{count} {unit}{'s' if count > 1 else ''} ago"
    return "just now"
