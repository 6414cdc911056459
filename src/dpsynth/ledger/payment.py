"""What became of a piece of work that is paid for at most once: it is told by a key among the private fields.

A fit may be reserved under such a key. While a reservation with that key stands — live, committed or forfeited — no
other is granted; one that was given back before the data were touched leaves the key free.
"""

from __future__ import annotations

from dataclasses import dataclass

from dpsynth.errors import BudgetExceededError, UsageError
from dpsynth.ledger import book
from dpsynth.ledger.store import Session

FIELD = "once"
"""The private field of a RESERVE event: a key may be made of facts that are nobody else's business."""

_LONGEST = 200
_WORDS = {
    "COMMIT": ("was paid for before", "Use the model that it made; or pay again, under another key."),
    "FORFEIT": ("was paid for before, and forfeited", "To pay again, give another key."),
    "LIVE": ("is being paid for by another process", "Wait for it. If that process is gone: dpsynth ledger forfeit."),
}


@dataclass(frozen=True, slots=True)
class Payment:
    """A reservation that stands. ``outcome``: COMMIT, FORFEIT, or LIVE while it has not ended."""

    pool: str
    transaction: str
    outcome: str


def payment_of(session: Session, pool: str, key: str) -> Payment | None:
    """The standing reservation of this key in a pool, or ``None``. Cost: linear in the events of the pool."""
    found: Payment | None = None
    for event in map(book.event_of, session.rows(pool)):
        if event.kind == "RESERVE" and event.secret(FIELD) == key:
            found = Payment(pool, event.transaction, "LIVE")
        elif found is not None and event.transaction == found.transaction:
            if event.kind == "ABORT":
                found = None
            elif event.kind in {"COMMIT", "FORFEIT"}:
                found = Payment(pool, event.transaction, event.kind)
    return found


def check_unpaid(session: Session, pool: str, key: str) -> None:
    """Raise ``BudgetExceededError`` while a reservation of this key stands, ``UsageError`` for a malformed key."""
    if not key or len(key) > _LONGEST or not key.isprintable():
        raise UsageError(f"a key is 1 to {_LONGEST} printable characters", where="--once")
    standing = payment_of(session, pool, key)
    if standing is not None:
        words, hint = _WORDS[standing.outcome]
        raise BudgetExceededError(
            f"the fit of this key {words}: nothing is spent a second time",
            where=f"{pool}, transaction {standing.transaction}",
            hint=hint,
        )
