"""The ledger: pools of privacy budget that live across runs, and refuse what exceeds their caps."""

from __future__ import annotations

import os
import secrets
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

from dpsynth.errors import LedgerError, UsageError
from dpsynth.ledger import book, machine, owner
from dpsynth.ledger.chain import Event
from dpsynth.ledger.extract import import_into, lines_of, read_extract
from dpsynth.ledger.grant import check_grant
from dpsynth.ledger.payment import FIELD, Payment, check_unpaid, payment_of
from dpsynth.ledger.pool_state import PoolState, pool_state
from dpsynth.ledger.software import software
from dpsynth.ledger.sqlite import BUSY_SECONDS, SqliteFile, SqliteMemory
from dpsynth.ledger.store import Session, Store
from dpsynth.ledger.transaction import Transaction
from dpsynth.ledger.verification import Verification, verify_session
from dpsynth.privacy.conversions import budget_of
from dpsynth.privacy.governor import Governor, governor_of
from dpsynth.privacy.loss import PrivacyLoss
from dpsynth.privacy.receipt import loss_record
from dpsynth.privacy.unit import Unit


@dataclass(frozen=True, slots=True)
class Recovered:
    """A reservation of a dead process that was ended: ``outcome`` is ABORT (given back) or FORFEIT (charged)."""

    pool: str
    transaction: str
    outcome: str


class Ledger:
    """An append-only, hash-chained record of what each population has spent.

    Every method raises ``LedgerError`` (exit 8) when the ledger is unavailable or inconsistent; nothing is granted
    then. Safe to use from several threads, processes and hosts that share the file.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    @staticmethod
    def open(path: str | os.PathLike[str] | None = None, *, busy_seconds: float = BUSY_SECONDS) -> Ledger:
        """The ledger at ``path``, else at ``$DPSYNTH_LEDGER``, else ``~/.local/share/dpsynth/ledger.db``.

        Nothing is created before the first write. Reservations of dead processes on this host are ended. Waits up to
        ``busy_seconds`` for other processes at every step.
        """
        ledger = Ledger(SqliteFile(default_path() if path is None else _file_path(path), busy_seconds=busy_seconds))
        ledger._recover_if_needed()
        return ledger

    @staticmethod
    def in_memory() -> Ledger:
        """A ledger that ends with the process; ``ephemeral`` is true, and a release refuses it."""
        return Ledger(SqliteMemory())

    @property
    def ephemeral(self) -> bool:
        """Whether the ledger ends with the process."""
        return self._store.ephemeral

    @property
    def where(self) -> str:
        """The ledger's path, for messages."""
        return self._store.where

    def exists(self) -> bool:
        """Whether a ledger was ever written here."""
        return self._store.exists()

    def create(
        self,
        pool: str,
        *,
        epsilon: Fraction,
        delta: Fraction,
        governor: Governor | str | None = None,
        unit: Unit = Unit(),  # noqa: B008 a frozen value
        purpose: str | None = None,
        actor: str | None = None,
    ) -> PoolState:
        """The new pool with this cap; unit, neighbors, governor and delta split are fixed from here on.

        ``governor``: by default pure epsilon when delta is 0, and GDP otherwise. Raises ``LedgerError`` if the pool
        exists and ``UsageError`` for a malformed name or budget.
        """
        state, created = self.ensure(
            pool, epsilon=epsilon, delta=delta, governor=governor, unit=unit, purpose=purpose, actor=actor
        )
        if not created:
            raise LedgerError("the pool exists", where=pool, hint="To raise its cap use: dpsynth ledger raise")
        return state

    def ensure(
        self,
        pool: str,
        *,
        epsilon: Fraction,
        delta: Fraction,
        governor: Governor | str | None = None,
        unit: Unit = Unit(),  # noqa: B008 a frozen value
        purpose: str | None = None,
        actor: str | None = None,
    ) -> tuple[PoolState, bool]:
        """The pool as it stands, or a new one with this cap; and whether it was created. Atomic among processes."""
        _check_name(pool)
        governor = governor_of(Fraction(delta), governor)
        cap = budget_of(Fraction(epsilon), Fraction(delta), governor)
        if governor.units(cap) == 0:
            raise UsageError("this epsilon and delta buy no budget at all", where=pool, hint="Give a larger epsilon.")
        data = {
            **machine.FIXED,
            "governor": str(governor),
            "pool_id": str(uuid.uuid4()),
            "unit": str(unit),
            "epsilon": str(Fraction(epsilon)),
            "delta": str(Fraction(delta)),
            "cap": loss_record(cap),
            "software": software(),
        }
        with self._store.writing() as session:
            tip = book.tip(session, pool)
            if tip is not None:
                return self._state(pool, tip), False
            _, tip = book.append(session, pool, "CREATE", data=data, private=_private(purpose, actor))
        return self._state(pool, tip), True

    def pool(self, name: str) -> PoolState | None:
        """The pool of this name, or ``None``."""
        with self._reading() as session:
            tip = book.tip(session, name) if session else None
        return None if tip is None else self._state(name, tip)

    def pools(self) -> tuple[PoolState, ...]:
        """All pools, in order of creation."""
        with self._reading() as session:
            tips = [(name, book.tip(session, name)) for name in session.pools()] if session else []
        return tuple(self._state(name, tip) for name, tip in tips if tip is not None)

    def reserve(
        self,
        pool: str,
        loss: PrivacyLoss,
        *,
        unit: Unit,
        epsilon: Fraction,
        delta: Fraction,
        purpose: str | None = None,
        method: str,
        details: Mapping[str, Any] | None = None,
        actor: str | None = None,
        once: str | None = None,
    ) -> Transaction:
        """A transaction that holds ``loss`` of the pool, on disk before this returns.

        ``epsilon`` and ``delta`` are what the loss was asked as; ``method`` and ``details`` are public. Reservations of
        dead processes are ended first. ``once``: a private key under which the pool pays at most once.

        Raises ``BudgetExceededError`` (exit 4) if the cap would be exceeded, the pool protects another unit or has paid
        under this key, ``LedgerError`` for an unknown pool, ``UsageError`` for a loss of nothing.
        """
        identifier = secrets.token_hex(16)
        data = {
            "unit": str(unit),
            "loss": loss_record(loss),
            "epsilon": str(Fraction(epsilon)),
            "delta": str(Fraction(delta)),
            "method": method,
            "details": dict(details or {}),
            "software": software(),
        }
        named = {} if once is None else {FIELD: once}
        private = {**_private(purpose, actor), "owner": owner.this_process(), **named}
        with self._store.writing() as session:
            _end_dead(session, pool)
            tip = book.tip(session, pool)
            if tip is None:
                raise LedgerError("there is no such pool", where=pool, hint="Create it: dpsynth ledger create")
            if once is not None:
                check_unpaid(session, pool, once)
            check_grant(self._state(pool, tip), loss, unit)
            _, tip = book.append(session, pool, "RESERVE", transaction=identifier, data=data, private=private)
        return Transaction(self._store, pool, identifier, loss, tip)

    def raise_cap(
        self, pool: str, *, epsilon: Fraction, delta: Fraction, reason: str, actor: str | None = None
    ) -> PoolState:
        """The pool with a higher cap. ``reason`` is mandatory and public; a raise after outputs were seen is marked.

        Raises ``UsageError`` unless neither epsilon nor delta falls and the budget grows.
        """
        if not reason.strip():
            raise UsageError("raising a cap needs a reason", where=pool)
        with self._store.writing() as session:
            tip = self._known(session, pool)
            governor = tip.pool.governor
            cap = budget_of(Fraction(epsilon), Fraction(delta), governor)
            data = {
                "epsilon": str(Fraction(epsilon)),
                "delta": str(Fraction(delta)),
                "cap": loss_record(cap),
                "reason": reason,
            }
            grows = governor.fits(tip.pool.cap, cap) and not governor.fits(cap, tip.pool.cap)
            if not grows or epsilon < tip.pool.epsilon or delta < tip.pool.delta:
                raise UsageError("a cap can only be raised, and neither epsilon nor delta may fall", where=pool)
            _, tip = book.append(session, pool, "RAISE", data=data, private=_private(None, actor))
        return self._state(pool, tip)

    def record(
        self,
        pool: str,
        kind: Literal["DISCLOSURE", "AUDIT", "RELEASE"],
        facts: Mapping[str, Any],
        *,
        private: Mapping[str, Any] | None = None,
        actor: str | None = None,
    ) -> Event:
        """The appended event that something without DP was disclosed, an audit was made, or a release handed out.

        ``facts`` are public, ``private`` (a recipient, say) is left out of extracts.
        """
        if kind not in {"DISCLOSURE", "AUDIT", "RELEASE"}:
            raise UsageError("only DISCLOSURE, AUDIT and RELEASE are recorded by hand", where=str(kind))
        fields = {**_private(None, actor), **(private or {})}
        with self._store.writing() as session:
            self._known(session, pool)
            event, _ = book.append(session, pool, kind, data=facts, private=fields)
        return event

    def events(self, pool: str | None = None, *, releases: bool = False) -> tuple[Event, ...]:
        """The events of one pool or of all, oldest first per pool; with ``releases`` only its RELEASE events."""
        with self._reading() as session:
            names: Sequence[str] = () if session is None else session.pools() if pool is None else (pool,)
            found = [book.event_of(row) for name in names for row in session.rows(name)] if session else []
        return tuple(event for event in found if not releases or event.kind == "RELEASE")

    def payment(self, once: str) -> Payment | None:
        """The reservation that stands under this key in any pool, or ``None``; linear in the number of events."""
        with self._reading() as session:
            found = [payment_of(session, pool, once) for pool in session.pools()] if session else []
        return next((one for one in found if one is not None), None)

    def recover(self) -> tuple[Recovered, ...]:
        """Ends the reservations of processes of this host that are dead: given back before TOUCH, charged after.

        A live one, and any on another host, is left alone: ``forfeit`` ends it by its identifier.
        """
        if not self._store.exists():
            return ()
        with self._store.writing() as session:
            return tuple(ended for name in session.pools() for ended in _end_dead(session, name))

    def forfeit(self, transaction: str, reason: str, *, actor: str | None = None) -> Recovered:
        """Ends any live transaction by its identifier: given back before TOUCH, charged in full after.

        Its process can spend no more, wherever it runs. ``reason`` is mandatory and public. ``LedgerError`` if there is
        no such live transaction.
        """
        if not reason.strip():
            raise UsageError("ending a reservation needs a reason", where=transaction)
        with self._reading_for_write() as session:
            row = session.reservation(transaction)
            outcome = book.close(session, row.pool, transaction, reason, _private(None, actor)) if row else ""
            if row is None or not outcome:
                raise LedgerError("there is no live transaction of this identifier", where=transaction)
        return Recovered(row.pool, transaction, outcome)

    def verify(self, against: Mapping[str, str] | None = None) -> Verification:
        """The check of everything: file, guards, hash chains, private fields, transitions, balances and caps.

        ``against`` maps pools to heads noted earlier, which must still be part of their chains. Problems are returned;
        ``LedgerError`` only when there is no ledger or it cannot be opened. Cost: linear in the number of events.
        """
        if not self._store.exists():
            raise LedgerError("there is no ledger here", where=self.where)
        with self._store.reading() as session:
            return verify_session(session, against or {}, ephemeral=self.ephemeral)

    def extract(self, pool: str | None = None, *, public: bool = True) -> tuple[str, ...]:
        """The lines of an extract of one pool or all; a public one leaves out the private fields and still verifies."""
        if not self._store.exists():
            raise LedgerError("there is no ledger here", where=self.where)
        with self._store.reading() as session:
            return tuple(lines_of(session, pool, public=public, ephemeral=self.ephemeral))

    def export(
        self, path: str | os.PathLike[str], pool: str | None = None, *, public: bool = False, force: bool = False
    ) -> int:
        """The number of events written to ``path`` as JSON lines: all fields, or with ``public`` an extract."""
        from dpsynth.tables import atomic_write

        lines = self.extract(pool, public=public)
        with atomic_write(path, force=force) as part:
            if not public:
                part.chmod(0o600)
            part.write_text("\n".join(lines) + "\n", encoding="ascii")
        return len(lines) - 1

    def import_(self, path: str | os.PathLike[str]) -> int:
        """The number of events read from a full export: pools that are new here, or continuations of those that stand.

        All or nothing. ``FileFormatError`` for a malformed file; ``LedgerError`` for a chain that does not verify, a
        public extract, or two histories that differ.
        """
        extract = read_extract(Path(path))
        with self._store.writing() as session:
            return import_into(session, extract, os.fspath(path))

    def _state(self, name: str, tip: book.Tip) -> PoolState:
        return pool_state(name, tip.pool, events=tip.seq, head=tip.hash, ephemeral=self.ephemeral)

    def _known(self, session: Session, pool: str) -> book.Tip:
        tip = book.tip(session, pool)
        if tip is None:
            raise LedgerError("there is no such pool", where=pool, hint="dpsynth ledger show lists the pools.")
        return tip

    @contextmanager
    def _reading(self) -> Iterator[Session | None]:
        if not self._store.exists():
            yield None
            return
        with self._store.reading() as session:
            yield session

    @contextmanager
    def _reading_for_write(self) -> Iterator[Session]:
        if not self._store.exists():
            raise LedgerError("there is no ledger here", where=self.where)
        with self._store.writing() as session:
            yield session

    def _recover_if_needed(self) -> None:
        """Recovery on opening."""
        with self._reading() as session:
            names = session.pools() if session else ()
            needed = any(True for name in names for _ in book.dead_transactions(session, name)) if session else False
        if needed:
            # A ledger that cannot be written may still be read; what the dead reserved stays held meanwhile.
            with suppress(LedgerError):
                self.recover()


def default_path() -> Path:
    """``$DPSYNTH_LEDGER``, else the user's own data directory."""
    named = os.environ.get("DPSYNTH_LEDGER")
    return _file_path(named) if named else Path.home() / ".local" / "share" / "dpsynth" / "ledger.db"


def _file_path(path: str | os.PathLike[str]) -> Path:
    text = os.fspath(path)
    if "://" in text:
        raise UsageError("a ledger is a file; database servers are not supported", where="--ledger")
    return Path(text).expanduser()


def _end_dead(session: Session, pool: str) -> list[Recovered]:
    dead = list(book.dead_transactions(session, pool))
    return [Recovered(pool, name, book.close(session, pool, name, "its process died")) for name in dead]


def _check_name(pool: str) -> None:
    if not pool or len(pool) > 200 or not pool.isprintable() or pool != pool.strip():
        raise UsageError("a pool needs a printable name of 1 to 200 characters", where="--pool")


def _private(purpose: str | None, actor: str | None) -> dict[str, Any]:
    fields = {"actor": actor or owner.actor(), "host": owner.host(), "purpose": purpose}
    return {name: value for name, value in fields.items() if value is not None}
