"""The ledger's state machine: a pure fold of events into the state of one pool. Proof page: ``docs/proofs/ledger.md``.

A transaction moves RESERVE → ABORT, or RESERVE → TOUCH → DRAW* → COMMIT or FORFEIT. Invariant of every state that
``apply`` returns, in the component that the pool's governor compares, and in delta::

    draws + undrawn live reservations + forfeits ≤ cap
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

from dpsynth.errors import BudgetExceededError, LedgerError
from dpsynth.privacy.conversions import exact_from_record
from dpsynth.privacy.governor import Governor
from dpsynth.privacy.loss import PrivacyLoss, total
from dpsynth.privacy.receipt import loss_from_record
from dpsynth.privacy.unit import Unit

NOTHING = PrivacyLoss()
FIXED = {"neighbors": "add-remove", "delta_conversion": "9/10"}
"""What every pool of this format fixes at creation beside its unit and its governor."""


@dataclass(frozen=True, slots=True)
class Live:
    """A transaction that has not ended: its reservation, and what it has drawn of it."""

    reservation: PrivacyLoss
    drawn: PrivacyLoss = NOTHING
    draws: int = 0
    touched: bool = False


@dataclass(frozen=True, slots=True)
class Pool:
    """The state of one pool after some events."""

    pool_id: str
    unit: str
    epsilon: Fraction
    delta: Fraction
    cap: PrivacyLoss
    governor: Governor = Governor.ZCDP
    committed: PrivacyLoss = NOTHING
    forfeited: PrivacyLoss = NOTHING
    live: Mapping[str, Live] = field(default_factory=dict)
    answered: bool = False
    raised_late: bool = False
    disclosures: int = 0

    @property
    def charged(self) -> PrivacyLoss:
        """All draws and all forfeits."""
        return total([self.committed, self.forfeited, *(live.drawn for live in self.live.values())])

    @property
    def reserved(self) -> PrivacyLoss:
        """The undrawn part of the live reservations."""
        return total([live.reservation.minus(live.drawn) for live in self.live.values()])


def apply(pool: Pool | None, kind: str, transaction: str, data: Mapping[str, Any]) -> Pool:
    """The state after one event, which upholds the invariant.

    Raises ``LedgerError`` for a transition that is not legal in this state, and ``BudgetExceededError`` for a unit
    other than the pool's, a draw beyond its reservation, or a reservation beyond the cap.
    """
    if pool is None:
        after = _create(kind, data)
    elif kind == "RESERVE":
        after = _reserve(pool, transaction, data)
    elif kind in _OF_TRANSACTION:
        if transaction not in pool.live:
            raise LedgerError("the transaction has ended; it can spend no more", where=transaction)
        after = _OF_TRANSACTION[kind](pool, transaction, data)
    elif kind in _OF_POOL:
        after = _OF_POOL[kind](pool, data)
    else:
        raise LedgerError("this event is not legal here", where=kind)
    if not after.governor.fits(after.charged + after.reserved, after.cap):
        raise BudgetExceededError("the pool's cap would be exceeded")
    return after


def _create(kind: str, data: Mapping[str, Any]) -> Pool:
    if kind != "CREATE" or data["governor"] not in list(Governor) or any(data[n] != FIXED[n] for n in FIXED):
        raise LedgerError("a pool begins with a CREATE event that this version of dpsynth understands")
    epsilon, delta = exact_from_record(data["epsilon"]), exact_from_record(data["delta"])
    unit = str(Unit.parse(data["unit"]))
    cap, governor = loss_from_record(data["cap"]), Governor(data["governor"])
    return Pool(str(data["pool_id"]), unit, epsilon, delta, cap, governor)


def _raise(pool: Pool, data: Mapping[str, Any]) -> Pool:
    cap = loss_from_record(data["cap"])
    epsilon, delta = exact_from_record(data["epsilon"]), exact_from_record(data["delta"])
    grows = pool.governor.fits(pool.cap, cap) and not pool.governor.fits(cap, pool.cap)
    if not grows or epsilon < pool.epsilon or delta < pool.delta:
        raise LedgerError("a cap can only be raised")
    late = pool.raised_late or pool.answered
    return replace(pool, cap=cap.upper(pool.cap), epsilon=epsilon, delta=delta, raised_late=late)


def _reserve(pool: Pool, transaction: str, data: Mapping[str, Any]) -> Pool:
    if not transaction or transaction in pool.live:
        raise LedgerError("a reservation needs a new transaction")
    if data["unit"] != pool.unit:
        raise BudgetExceededError(f"the pool protects the unit {pool.unit!r}, the reservation names {data['unit']!r}")
    return replace(pool, live={**pool.live, transaction: Live(loss_from_record(data["loss"]))})


def _touch(pool: Pool, transaction: str, _: Mapping[str, Any]) -> Pool:
    live = _expect(pool, transaction, touched=False)
    return replace(pool, live={**pool.live, transaction: replace(live, touched=True)})


def _draw(pool: Pool, transaction: str, data: Mapping[str, Any]) -> Pool:
    live = _expect(pool, transaction, touched=True)
    drawn = live.drawn + pool.governor.stated(loss_from_record(data["loss"]))
    if not pool.governor.fits(drawn, live.reservation):
        raise BudgetExceededError("the draw exceeds what is left of the reservation", where=transaction)
    if data["draw"] != live.draws + 1:
        raise LedgerError("draws of a transaction are numbered 1, 2, ...", where=transaction)
    later = replace(live, drawn=drawn, draws=live.draws + 1)
    return replace(pool, answered=True, live={**pool.live, transaction: later})


def _abort(pool: Pool, transaction: str, _: Mapping[str, Any]) -> Pool:
    _expect(pool, transaction, touched=False)
    return replace(pool, live=_without(pool, transaction))


def _commit(pool: Pool, transaction: str, data: Mapping[str, Any]) -> Pool:
    live = _expect(pool, transaction, touched=True)
    if loss_from_record(data["drawn"]) != live.drawn:
        raise LedgerError("a commit must state the sum of its draws", where=transaction)
    return replace(pool, committed=pool.committed + live.drawn, live=_without(pool, transaction))


def _forfeit(pool: Pool, transaction: str, data: Mapping[str, Any]) -> Pool:
    live = _expect(pool, transaction, touched=True)
    charge = live.reservation.upper(live.drawn)
    if loss_from_record(data["charged"]) != charge:
        raise LedgerError("a forfeit must state the charge of the whole reservation", where=transaction)
    return replace(pool, forfeited=pool.forfeited + charge, live=_without(pool, transaction))


def _disclose(pool: Pool, _: Mapping[str, Any]) -> Pool:
    return replace(pool, answered=True, disclosures=pool.disclosures + 1)


def _note(pool: Pool, _: Mapping[str, Any]) -> Pool:
    return pool


def _expect(pool: Pool, transaction: str, *, touched: bool) -> Live:
    if pool.live[transaction].touched != touched:
        state = "before" if touched else "after"
        raise LedgerError(f"this step is not legal {state} the transaction's TOUCH", where=transaction)
    return pool.live[transaction]


def _without(pool: Pool, transaction: str) -> dict[str, Live]:
    return {name: live for name, live in pool.live.items() if name != transaction}


_OF_TRANSACTION = {"TOUCH": _touch, "DRAW": _draw, "ABORT": _abort, "COMMIT": _commit, "FORFEIT": _forfeit}
_OF_POOL = {
    "RAISE": _raise,
    "DISCLOSURE": _disclose,
    "AUDIT": _note,
    "RELEASE": _note,
}
