"""Ledger events, in words and for ``--json``: who spent what, when and why."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from dpsynth.cli.layout import at_most, table

if TYPE_CHECKING:
    from dpsynth.ledger import Event


def event_words(events: Sequence[Event]) -> str:
    """One line an event, oldest first; the draws of a fit are counted, not listed."""
    draws: dict[str, int] = {}
    for event in events:
        if event.kind == "DRAW":
            draws[event.transaction] = draws.get(event.transaction, 0) + 1
    rows = [_row(event, draws.get(event.transaction, 0)) for event in events if event.kind not in {"DRAW", "TOUCH"}]
    return table(("time (UTC)", "pool", "event", "fit", "what", "who", "why"), rows)


def event_record(event: Event) -> dict[str, Any]:
    """The event for ``--json``: public facts, and the private fields that this ledger holds."""
    return {
        "pool": event.pool,
        "seq": event.seq,
        "kind": event.kind,
        "time": event.time,
        "transaction": event.transaction,
        "data": dict(event.data),
        "actor": event.secret("actor"),
        "host": event.secret("host"),
        "purpose": event.secret("purpose"),
        "reason": event.secret("reason") or event.data.get("reason"),
        "hash": event.hash,
    }


def _row(event: Event, draws: int) -> tuple[str, ...]:
    why = event.secret("purpose") or event.secret("reason") or event.data.get("reason") or ""
    who = event.secret("actor") or ""
    return (event.time or "", event.pool, event.kind, event.transaction[:8], _what(event, draws), str(who), str(why))


def _what(event: Event, draws: int) -> str:
    if event.kind == "COMMIT":
        return f"{draws} answers"
    if "epsilon" not in event.data:
        return ""
    method = event.data.get("method")
    amount = f"epsilon {at_most(Fraction(event.data['epsilon']))}, delta {at_most(Fraction(event.data['delta']))}"
    return f"{amount}, {method}" if method else f"cap {amount}"
