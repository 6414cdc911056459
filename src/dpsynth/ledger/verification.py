"""Checking whole chains: of a store, and of an extract that somebody else was given."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction

from dpsynth.errors import DpsynthError, LedgerError
from dpsynth.ledger import book
from dpsynth.ledger.chain import Event, Replay, state_text
from dpsynth.ledger.pool_state import PoolState, pool_state
from dpsynth.ledger.store import Session
from dpsynth.privacy.conversions import DELTA_CONVERSION, epsilon_of, exact_from_record
from dpsynth.privacy.governor import Governor
from dpsynth.privacy.receipt import loss_from_record

_TOLERANCE = 1 + Fraction(1, 10**9)


@dataclass(frozen=True, slots=True)
class Verification:
    """The outcome of a check: the pools whose chains hold, and every problem found, in plain words."""

    pools: tuple[PoolState, ...]
    problems: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing was found."""
        return not self.problems

    @property
    def events(self) -> int:
        """The number of verified events."""
        return sum(pool.events for pool in self.pools)

    @property
    def heads(self) -> dict[str, str]:
        """The last hash of each verified pool: what to print, mail or sign, because a chain alone does not stop its
        owner from rewriting all of it.
        """
        return {pool.name: pool.head for pool in self.pools}


def verify_session(session: Session, against: Mapping[str, str], *, ephemeral: bool) -> Verification:
    """The check of a whole store: file, guards, chains, balances, caps, and that the hashes in ``against`` (pool →
    a head noted earlier) are still part of their chains.
    """
    problems = list(session.problems())
    pools = []
    for name in session.pools():
        try:
            chain, seen = verify_chain(book.event_of(row) for row in session.rows(name))
            head = session.head(name)
            if chain.state is None or head is None or head.balance != state_text(chain.state):
                raise LedgerError("the running balance is not the sum of the events")
            if name in against and against[name] not in seen:
                raise LedgerError("the hash noted earlier is not part of this chain: history was rewritten or lost")
        except LedgerError as error:
            problems.append(f"pool {name}: {error}")
            continue
        pools.append(pool_state(name, chain.state, events=chain.seq, head=chain.head, ephemeral=ephemeral))
    missing = [name for name in against if name not in session.pools()]
    problems.extend(f"pool {name}: it is not in this ledger" for name in missing)
    return Verification(tuple(pools), tuple(problems))


def verify_chain(events: Iterable[Event], *, private_omitted: bool = False) -> tuple[Replay, set[str]]:
    """The verified end of one pool's chain and the hashes of all its events; ``LedgerError`` at the first fault."""
    chain = Replay(private_omitted=private_omitted)
    seen: set[str] = set()
    pool: str | None = None
    for event in events:
        chain.add(event)
        if pool is not None and event.pool != pool:
            raise LedgerError("the chain mixes pools", where=f"event {chain.seq}")
        pool = event.pool
        if chain.state is not None and event.kind in {"CREATE", "RAISE"}:
            _check_cap(event, chain.state.governor)
        seen.add(event.hash)
    return chain, seen


def _check_cap(event: Event, governor: Governor) -> None:
    """The recorded cap must be covered by the (epsilon, delta) it is stated as."""
    try:
        cap = loss_from_record(event.data["cap"])
        epsilon, delta = exact_from_record(event.data["epsilon"]), exact_from_record(event.data["delta"])
        covered = Fraction(epsilon_of(cap, delta, governor)) <= epsilon * _TOLERANCE
        covered = covered and cap.delta_exact <= delta * (1 - DELTA_CONVERSION)
    except DpsynthError:
        covered = False
    if not covered:
        raise LedgerError("the cap is larger than its epsilon and delta allow", where=f"event {event.seq}")
