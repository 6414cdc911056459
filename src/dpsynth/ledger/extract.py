"""Ledgers as JSON lines: a header, then one event a line. A public extract leaves out private fields and verifies."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dpsynth.errors import FileFormatError, LedgerError
from dpsynth.ledger import book
from dpsynth.ledger.chain import Event, Replay, canonical, state_text
from dpsynth.ledger.pool_state import pool_state
from dpsynth.ledger.store import Session
from dpsynth.ledger.verification import Verification, verify_chain

FORMAT = "dpsynth-ledger"
VERSION = 1
LINE_LIMIT = 1 << 26


@dataclass(frozen=True, slots=True)
class Extract:
    """A parsed extract: whether private fields are left out, and the events of each pool with the promised head."""

    public: bool
    ephemeral: bool
    events: dict[str, list[Event]]
    heads: dict[str, str]


def lines_of(session: Session, pool: str | None, *, public: bool, ephemeral: bool) -> Iterator[str]:
    """The lines of an extract, without line ends; ``LedgerError`` for an unknown pool."""
    names = session.pools() if pool is None else (pool,)
    tips = {name: book.tip(session, name) for name in names}
    if pool is not None and tips[pool] is None:
        raise LedgerError("there is no such pool", where=pool, hint="dpsynth ledger show lists the pools.")
    entries = [{"pool": name, "events": tip.seq, "head": tip.hash} for name, tip in tips.items() if tip is not None]
    yield _first(entries, public=public, ephemeral=ephemeral)
    for name in names:
        for row in session.rows(name):
            yield _line(book.event_of(row), public=public)


def written(extract: Extract) -> Iterator[str]:
    """The lines, without line ends, of an extract of these events: the one form in which ``lines_of`` writes them."""
    entries = [
        {"pool": name, "events": len(events), "head": extract.heads[name]} for name, events in extract.events.items()
    ]
    yield _first(entries, public=extract.public, ephemeral=extract.ephemeral)
    for events in extract.events.values():
        for event in events:
            yield _line(event, public=extract.public)


def _first(pools: list[dict[str, Any]], *, public: bool, ephemeral: bool) -> str:
    return canonical({"format": FORMAT, "version": VERSION, "public": public, "ephemeral": ephemeral, "pools": pools})


def _line(event: Event, *, public: bool) -> str:
    line: dict[str, Any] = {"body": event.body, "hash": event.hash}
    return canonical(line if public else {**line, "private": event.private})


def read_extract(path: str | Path) -> Extract:
    """The extract in a file; ``FileFormatError`` if it is not one. Chains are not checked here."""
    try:
        with Path(path).open(encoding="ascii") as file:
            return parse_extract(iter(lambda: file.readline(LINE_LIMIT), ""), str(path))
    except OSError:
        raise FileFormatError("the extract cannot be read", where=str(path)) from None
    except UnicodeDecodeError:
        raise FileFormatError("the extract is not a ledger export", where=str(path)) from None


def parse_extract(lines: Iterable[str], where: str) -> Extract:
    """The extract in these lines; ``FileFormatError`` naming ``where`` and the line if it is not one."""
    extract: Extract | None = None
    for number, line in enumerate(lines, start=1):
        try:
            record = json.loads(line)
            if extract is None:
                extract = _header(record)
            else:
                _add(extract, record)
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
            raise FileFormatError("the extract is not a ledger export", where=f"{where}, line {number}") from None
    if extract is None:
        raise FileFormatError("the extract is empty", where=where)
    return extract


def verify_extract(extract: Extract) -> Verification:
    """The check of every chain of an extract against the heads that its header promises."""
    pools, problems = [], []
    for name in extract.events:
        try:
            chain = _chain(extract, name)
        except LedgerError as error:
            problems.append(f"pool {name}: {error}")
            continue
        if chain.state is not None:
            pools.append(pool_state(name, chain.state, events=chain.seq, head=chain.head, ephemeral=extract.ephemeral))
    return Verification(tuple(pools), tuple(problems))


def import_into(session: Session, extract: Extract, where: str) -> int:
    """The number of events appended: whole pools that are new here, and continuations of chains that stand here.

    ``LedgerError`` for a public or ephemeral extract, a chain that does not verify, or a fork (nothing is imported).
    """
    if extract.public or extract.ephemeral:
        raise LedgerError(
            "only a full export of a durable ledger can be imported; this one leaves out private fields or was made "
            "from memory",
            where=where,
        )
    return sum(_import_pool(session, extract, name) for name in extract.events)


def _import_pool(session: Session, extract: Extract, name: str) -> int:
    events = extract.events[name]
    _chain(extract, name)
    book.tip(session, name)
    present = [row.hash for row in session.rows(name)]
    if any(mine != theirs.hash for mine, theirs in zip(present, events, strict=False)):
        raise LedgerError(
            "the two histories of this pool differ: both have spent, and neither continues the other",
            where=name,
            hint="Keep both ledgers; the population has spent the sum of the two.",
        )
    chain = Replay()
    for event in events:
        chain.add(event)
        if event.seq > len(present) and chain.state is not None:
            session.append(book.row_of(event), state_text(chain.state))
    return max(len(events) - len(present), 0)


def _chain(extract: Extract, name: str) -> Replay:
    chain, _ = verify_chain(extract.events[name], private_omitted=extract.public)
    if chain.state is None or chain.head != extract.heads.get(name):
        raise LedgerError("the events do not reach the head that the header names: some are missing")
    return chain


def _header(record: Any) -> Extract:
    if record["format"] != FORMAT or record["version"] != VERSION:
        raise ValueError
    heads = {str(entry["pool"]): str(entry["head"]) for entry in record["pools"]}
    if not all(name.isprintable() for name in heads):
        raise ValueError
    return Extract(record["public"] is True, record["ephemeral"] is True, {name: [] for name in heads}, heads)


def _add(extract: Extract, record: Any) -> None:
    event = Event(dict(record["body"]), str(record["hash"]), record.get("private"))
    extract.events[event.pool].append(event)
