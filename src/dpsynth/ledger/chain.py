"""Events as bytes: canonical JSON, hashes, salted commitments to private fields, and the replay that verifies them.

The body of an event is public. Its hash is the SHA-256 of the canonical body, which holds the previous hash of its
pool, the SHA-256 of the pool's state after the event, and a commitment to the private fields (who, where, why, and
the times that would tell how long the data took to read): SHA-256 of a 32-byte salt and the canonical fields.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from dpsynth.errors import DpsynthError, LedgerError, UsageError
from dpsynth.ledger import machine
from dpsynth.privacy.conversions import exact_from_record
from dpsynth.privacy.governor import Governor
from dpsynth.privacy.receipt import loss_from_record, loss_record

FORMAT = 1
GENESIS = "0" * 64
"""The previous hash of the first event of a pool."""

_BODY = {"format", "pool", "seq", "previous", "kind", "transaction", "time", "data", "state", "private"}


@dataclass(frozen=True, slots=True)
class Event:
    """One event: its public body, the hash of that body, and its private fields (``None``: none, or left out)."""

    body: Mapping[str, Any]
    hash: str
    private: Mapping[str, Any] | None = None

    @property
    def pool(self) -> str:
        """The name of the pool."""
        return str(self.body["pool"])

    @property
    def seq(self) -> int:
        """1, 2, ... within the pool."""
        return int(self.body["seq"])

    @property
    def kind(self) -> str:
        """CREATE, RAISE, RESERVE, ABORT, TOUCH, DRAW, COMMIT, FORFEIT, DISCLOSURE, AUDIT or RELEASE."""
        return str(self.body["kind"])

    @property
    def transaction(self) -> str:
        """The transaction's identifier; empty for an event of the pool."""
        return str(self.body["transaction"])

    @property
    def time(self) -> str | None:
        """UTC, ISO 8601, seconds; private (``None`` when left out) after TOUCH, for audits and releases."""
        public = self.body["time"]
        return str(public) if public is not None else self.secret("time")

    @property
    def data(self) -> Mapping[str, Any]:
        """The public facts of this kind of event."""
        data: Mapping[str, Any] = self.body["data"]
        return data

    def secret(self, name: str) -> Any:
        """A private field such as ``actor``, ``host`` or ``purpose``; ``None`` when absent or left out."""
        return None if self.private is None else self.private["fields"].get(name)


def canonical(value: Any) -> str:
    """The one JSON text of a value: sorted keys, no spaces, ASCII. ``UsageError`` for what JSON cannot hold."""
    try:
        return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    except (TypeError, ValueError):
        raise UsageError("a ledger event holds plain JSON only: text, finite numbers, lists, mappings") from None


def digest(text: str) -> str:
    """The SHA-256 of a text, hexadecimal."""
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def state_text(pool: machine.Pool) -> str:
    """The canonical text of a pool's state, from which ``state_of`` restores it."""
    live = {
        name: [loss_record(entry.reservation), loss_record(entry.drawn), entry.draws, entry.touched]
        for name, entry in pool.live.items()
    }
    losses = {"cap": pool.cap, "committed": pool.committed, "forfeited": pool.forfeited}
    return canonical(
        {
            **{name: loss_record(loss) for name, loss in losses.items()},
            "pool_id": pool.pool_id,
            "unit": pool.unit,
            "epsilon": str(pool.epsilon),
            "delta": str(pool.delta),
            # The states of zCDP pools name no governor: there was no other when the first of them were hashed.
            **({} if pool.governor is Governor.ZCDP else {"governor": str(pool.governor)}),
            "live": live,
            "flags": [pool.answered, pool.raised_late, pool.disclosures],
        }
    )


def state_of(text: str) -> machine.Pool:
    """The pool state that ``text`` describes; ``LedgerError`` if it is not one."""
    try:
        record = json.loads(text)
        live = {
            name: machine.Live(loss_from_record(reservation), loss_from_record(drawn), int(draws), bool(touched))
            for name, (reservation, drawn, draws, touched) in record["live"].items()
        }
        answered, raised_late, disclosures = record["flags"]
        return machine.Pool(
            pool_id=record["pool_id"],
            unit=record["unit"],
            epsilon=exact_from_record(record["epsilon"]),
            delta=exact_from_record(record["delta"]),
            cap=loss_from_record(record["cap"]),
            governor=Governor(record.get("governor", Governor.ZCDP)),
            committed=loss_from_record(record["committed"]),
            forfeited=loss_from_record(record["forfeited"]),
            live=live,
            answered=bool(answered),
            raised_late=bool(raised_late),
            disclosures=int(disclosures),
        )
    except (KeyError, TypeError, ValueError, AttributeError, DpsynthError):
        raise LedgerError("the running balance of a pool is malformed") from None


def commit_to(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Private fields with a fresh salt, as they are stored."""
    return {"salt": os.urandom(32).hex(), "fields": dict(fields)}


def commitment(private: Mapping[str, Any]) -> str:
    """What the public body says of private fields: SHA-256 of salt and canonical fields."""
    return hashlib.sha256(bytes.fromhex(private["salt"]) + canonical(private["fields"]).encode("ascii")).hexdigest()


def seal(body: Mapping[str, Any], private_fields: Mapping[str, Any] | None) -> Event:
    """The event with this body (all but ``format`` and ``private``) and these private fields."""
    private = commit_to(private_fields) if private_fields else None
    full = {**body, "format": FORMAT, "private": commitment(private) if private else None}
    return Event(full, digest(canonical(full)), private)


class Replay:
    """The verified state of one pool, event by event; every ``add`` that returns has proved one more link."""

    def __init__(self, *, private_omitted: bool = False) -> None:
        self._private_omitted = private_omitted
        self._transactions: set[str] = set()
        self.state: machine.Pool | None = None
        self.seq = 0
        self.head = GENESIS

    def add(self, event: Event) -> None:
        """Check hash, link, private commitment, transition, balance and invariant; ``LedgerError`` names the event."""
        place = f"event {self.seq + 1}"
        try:
            self._check(event)
            state = machine.apply(self.state, event.kind, event.transaction, event.data)
            if digest(state_text(state)) != event.body["state"]:
                raise LedgerError("the recorded balance is not the sum of the events")
        except LedgerError as error:
            raise LedgerError(error.message, where=place) from None
        except DpsynthError:
            raise LedgerError("the event breaks a rule of the ledger", where=place) from None
        except (KeyError, TypeError, ValueError, AttributeError):
            raise LedgerError("the event is malformed", where=place) from None
        self.state, self.seq, self.head = state, event.seq, event.hash

    def _check(self, event: Event) -> None:
        body = event.body
        if set(body) != _BODY or body["format"] != FORMAT:
            raise LedgerError("the event is malformed or written by a newer dpsynth")
        if digest(canonical(body)) != event.hash:
            raise LedgerError("the event was changed after it was written")
        if body["seq"] != self.seq + 1 or body["previous"] != self.head:
            raise LedgerError("the chain is broken: an event is missing, added or out of order")
        self._check_private(event)
        if event.kind == "RESERVE":
            if event.transaction in self._transactions:
                raise LedgerError("a transaction was reserved twice")
            self._transactions.add(event.transaction)

    def _check_private(self, event: Event) -> None:
        promised = event.body["private"]
        if event.private is None:
            if promised is not None and not self._private_omitted:
                raise LedgerError("the private fields of the event are missing")
        elif promised is None or commitment(event.private) != promised:
            raise LedgerError("the private fields of the event were changed")


def replay(events: Iterable[Event], *, private_omitted: bool = False) -> Replay:
    """The verified end of a pool's chain of events; ``LedgerError`` at the first event that does not hold."""
    chain = Replay(private_omitted=private_omitted)
    for event in events:
        chain.add(event)
    return chain
