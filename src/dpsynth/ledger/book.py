"""Appending to a store: load the checked head, apply the machine, seal the event, write both. Nothing else writes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from dpsynth.errors import LedgerError
from dpsynth.ledger import machine, owner
from dpsynth.ledger.chain import GENESIS, Event, canonical, digest, seal, state_of, state_text
from dpsynth.ledger.store import Row, Session
from dpsynth.privacy.receipt import loss_record

_UNTIMED = frozenset({"DRAW", "COMMIT", "FORFEIT", "AUDIT", "RELEASE"})


@dataclass(frozen=True, slots=True)
class Tip:
    """The checked end of a pool's chain: its state, the number of its events and the last hash."""

    pool: machine.Pool
    seq: int
    hash: str


def event_of(row: Row) -> Event:
    """The event of a stored row; ``LedgerError`` if the row is not the canonical text of one."""
    try:
        body = json.loads(row.body)
        private = None if row.private is None else json.loads(row.private)
        keys = (body["pool"], body["seq"], body["transaction"])
        if canonical(body) != row.body or keys != (row.pool, row.seq, row.transaction):
            raise ValueError
        return Event(body, row.hash, private)
    except (KeyError, TypeError, ValueError, RecursionError):
        raise LedgerError("an event is malformed; nothing is granted", where=f"{row.pool}, event {row.seq}") from None


def row_of(event: Event) -> Row:
    """The row that stores an event."""
    private = None if event.private is None else canonical(event.private)
    return Row(event.pool, event.seq, event.transaction, event.hash, canonical(event.body), private)


def tip(session: Session, pool: str) -> Tip | None:
    """The end of a pool's chain, checked at constant cost: the last event's hash, and the balance against that event.

    ``LedgerError`` if they disagree; ``None`` for an unknown pool.
    """
    head = session.head(pool)
    if head is None:
        return None
    event = event_of(head.row)
    if digest(head.row.body) != head.row.hash or digest(head.balance) != event.body.get("state"):
        raise LedgerError("the running balance does not belong to the last event; nothing is granted", where=pool)
    return Tip(state_of(head.balance), event.seq, event.hash)


def append(
    session: Session,
    pool: str,
    kind: str,
    *,
    transaction: str = "",
    data: Mapping[str, Any] | None = None,
    private: Mapping[str, Any] | None = None,
) -> tuple[Event, Tip]:
    """Apply one event to the pool and store it. Whatever the machine refuses is raised before anything is written."""
    before = tip(session, pool)
    facts = dict(data or {})
    state = machine.apply(before.pool if before else None, kind, transaction, facts)
    balance = state_text(state)
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    # How long the rows took to read tells how many they are, and how soon an audit followed another what it found;
    # in a run both are over when the release is made.
    secret = kind in _UNTIMED
    fields = {**(private or {}), **({"time": now} if secret else {})}
    body = {
        "pool": pool,
        "seq": before.seq + 1 if before else 1,
        "previous": before.hash if before else GENESIS,
        "kind": kind,
        "transaction": transaction,
        "time": None if secret else now,
        "data": facts,
        "state": digest(balance),
    }
    event = seal(body, fields)
    session.append(row_of(event), balance)
    return event, Tip(state, event.seq, event.hash)


def dead_transactions(session: Session, pool: str) -> Iterator[str]:
    """The live transactions of a pool whose owners are certainly dead."""
    end = tip(session, pool)
    for transaction in end.pool.live if end else ():
        row = session.reservation(transaction)
        if row is not None and owner.is_dead(event_of(row).secret("owner")):
            yield transaction


def close(session: Session, pool: str, transaction: str, reason: str, private: Mapping[str, Any] | None = None) -> str:
    """End a live transaction that will not commit: ABORT before TOUCH, FORFEIT after. Returns which, or empty if it
    had ended already. ``reason`` is public: a constant of ``public_texts``.
    """
    end = tip(session, pool)
    live = end.pool.live.get(transaction) if end else None
    if live is None:
        return ""
    if not live.touched:
        append(session, pool, "ABORT", transaction=transaction, data={"reason": reason}, private=private)
        return "ABORT"
    data = {"reason": reason, "charged": loss_record(live.reservation.upper(live.drawn))}
    append(session, pool, "FORFEIT", transaction=transaction, data=data, private=private)
    return "FORFEIT"
