"""What the ledger knows of a fit of a run: whether it was paid for, and whether its model is there.

Every fit of a run is reserved under its stage's key, so that the ledger, not a file beside the pipeline, tells whether
it was paid for: after a crash at any moment, in another working copy, or at the same time.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from glob import escape
from pathlib import Path
from typing import Any

from dpsynth.errors import BudgetExceededError, DpsynthError, OutputExistsError
from dpsynth.ledger import Ledger, Payment, PoolState
from dpsynth.ledger.grant import check_grant
from dpsynth.ledger.payment import FIELD
from dpsynth.models import load
from dpsynth.pipeline.discovery_plan import DiscoveryPlan
from dpsynth.pipeline.plan import PricedPlan, load_schema, plan
from dpsynth.pipeline.reservation import request_of
from dpsynth.pipeline.run_key import PARTS, changed_parts, is_earlier, pool_for, unit_for
from dpsynth.pipeline.undescribed_plan import plan_undescribed
from dpsynth.privacy.loss import PrivacyLoss
from dpsynth.privacy.unit import Unit


@dataclass(frozen=True, slots=True)
class Standing:
    """The last payment for a stage's key, ``None`` before the first, and the key for a next one."""

    payment: Payment | None
    next_key: str


def standing(ledger: str | Path | None, key: str) -> Standing:
    """How a stage stands in this ledger, which is only read. Cost: linear in its events."""
    book = Ledger.open(ledger)
    last: Payment | None = None
    number, once = 1, key
    while (found := book.payment(once)) is not None:
        last, number = found, number + 1
        once = f"{key}/{number}"
    return Standing(last, once)


def is_model_of(payment: Payment, path: str) -> bool:
    """Whether the file is the model of this payment, committed and intact."""
    if payment.outcome != "COMMIT":
        return False
    try:
        return load(path).provenance.get("transaction") == payment.transaction
    except DpsynthError:
        return False


def waiting(payment: Payment, path: str) -> Path | None:
    """Where the model of this payment stands whole under its temporary name, ``None`` if it does not.

    A process that is killed between the commit and the rename leaves it there.
    """
    target = Path(os.path.realpath(path))
    parts = sorted(target.parent.glob(f".{escape(target.name[:100])}.*.part"))
    return next((part for part in parts if is_model_of(payment, str(part))), None)


def rescue(part: Path, path: str, *, replace: bool) -> None:
    """Put the model that waits under its temporary name in its place. Raises ``OutputExistsError`` when something
    stands there, unless that may be replaced.
    """
    target = Path(os.path.realpath(path))
    if os.path.lexists(target) and not replace:
        hint = f"Move it away and run again: the model that was paid for waits whole beside it, as {part.name}"
        raise OutputExistsError("another file stands where a model belongs that was paid for", where=path, hint=hint)
    part.replace(target)


@dataclass(frozen=True, slots=True)
class PaidModel:
    """A model that some fit paid for: its transaction, and the key that this was paid under; ``None`` for a fit
    outside of a run, and one that this ledger does not hold.
    """

    transaction: str
    key: str | None


def paid_model(ledger: str | Path | None, path: str) -> PaidModel | None:
    """The paid model that stands at a path, ``None`` where there is none. Cost: linear in the ledger's events."""
    try:
        transaction = load(path).provenance.get("transaction")
    except DpsynthError:
        return None
    if not isinstance(transaction, str):
        return None
    asked = [event for event in Ledger.open(ledger).events() if event.kind == "RESERVE"]
    key = next((event.secret(FIELD) for event in asked if event.transaction == transaction), None)
    return PaidModel(transaction, key)


def check_replaceable(ledger: str | Path | None, key: str, path: str, again: str) -> None:
    """Raise ``BudgetExceededError`` where the fit of this key would pay for a model in place of one that was paid for,
    unless the data are of another version: that is a new payment by intent, anything else may be an oversight.
    """
    there = paid_model(ledger, path)
    if there is None:
        return
    changed = changed_parts(there.key, key)
    if changed is not None and PARTS[0] in changed:
        return
    why = f"what changed since: {', '.join(changed)}" if changed else "how it was asked for is not on record"
    raise BudgetExceededError(
        f"a model that was paid for (transaction {there.transaction}) stands here, and this fit is another one: {why}",
        where=path,
        hint=f"Undo that; or give another output; or pay again in its place, from what the pool has left: {again}",
    )


def check_unpaid_earlier(wanted: Mapping[str, Any], again: str) -> None:
    """Raise ``BudgetExceededError`` while the pool holds a payment under a key of an earlier version for a fit like
    this one, by its public facts: that key does not tell whether it was this one. The wishes are as of ``fit_key``.
    """
    schema = None if wanted["schema"] is None else load_schema(wanted["schema"])
    pool, unit = pool_for(schema, wanted), str(unit_for(schema, wanted))
    book = Ledger.open(wanted["ledger"])
    alike = {"unit": unit, "method": wanted["method"]}
    if wanted["share"] is None:
        alike |= {name: str(Fraction(wanted[name])) for name in ("epsilon", "delta")}
    for event in book.events(pool):
        key = event.secret(FIELD) if event.kind == "RESERVE" else None
        if not is_earlier(key) or any(event.data.get(name) != value for name, value in alike.items()):
            continue
        payment = book.payment(str(key))
        if payment is not None and payment.transaction == event.transaction:
            raise BudgetExceededError(
                f"an earlier version of dpsynth paid for a fit like this (transaction {payment.transaction}), and its "
                "record does not tell whether it was this one; nothing is spent a second time",
                where=pool,
                hint=f"Use the model that it made; or pay again, from what the pool has left: {again}",
            )


def refuse_second(payment: Payment, path: str, again: str) -> None:
    """Raise ``BudgetExceededError``: this fit was paid for, and its model is not at ``path``."""
    reasons = {
        "COMMIT": "was paid for, but the model that it made is not here",
        "FORFEIT": "was paid for and failed: its reservation is forfeited",
        "LIVE": "is being paid for by another process",
    }
    hints = {
        "COMMIT": f"Put the model back; or pay again, from what the pool has left: {again}",
        "FORFEIT": f"To pay again, from what the pool has left: {again}",
        "LIVE": "Wait for it. If that process is gone: dpsynth ledger forfeit.",
    }
    raise BudgetExceededError(
        f"this fit {reasons[payment.outcome]} (transaction {payment.transaction}); nothing is spent a second time",
        where=path,
        hint=hints[payment.outcome],
    )


@dataclass(frozen=True)
class FitPrice:
    """What a fit would cost, and the pool that would pay as it stands; ``None`` for one that is still to be created.
    ``name``: the pool's, ``loss``: what it would reserve, ``refusal``: why it would not, ``None`` if it would.
    """

    priced: PricedPlan | DiscoveryPlan
    pool: PoolState | None
    name: str
    loss: PrivacyLoss
    refusal: BudgetExceededError | None = None

    def crowded(self, before: PrivacyLoss) -> bool:
        """Whether this fit is refused if other fits, not yet reserved, draw all of ``before`` first."""
        return self.pool is None or not self.pool.fits(self.loss + before)


def price_of(wanted: Mapping[str, Any], settings: Mapping[str, Any]) -> FitPrice:
    """The price of the fit with these wishes, under the names of the command's parameters; of the table at most the
    header is read. Raises what the fit would raise before it reserves, for what is known without the table.
    """
    schema = None if wanted["schema"] is None else load_schema(wanted["schema"])
    book, asked = Ledger.open(wanted["ledger"]), (wanted["epsilon"], wanted["share"], wanted["delta"])
    request = request_of(book, pool_for(schema, wanted), *asked, discovers=schema is None)
    same: dict[str, Any] = {key: wanted[key] for key in ("method", "unit", "memory_limit")}
    same |= {"settings": settings, "epsilon": request.epsilon, "delta": request.delta, "governor": request.governor}
    state = book.pool(request.pool)
    refusal = None if state is None else _refusal(state, request.loss, unit_for(schema, wanted))
    told = (state, request.pool, request.loss, refusal)
    if schema is not None:
        return FitPrice(plan(schema, **same), *told)
    beside: dict[str, Any] = {key: wanted[key] for key in ("delimiter", "max_stability")}
    drawn = plan_undescribed(wanted["data"], rows=None, share=wanted["discover_share"], **beside, **same)
    return FitPrice(drawn, *told)


def _refusal(state: PoolState, loss: PrivacyLoss, unit: Unit) -> BudgetExceededError | None:
    try:
        check_grant(state, loss, unit)
    except BudgetExceededError as error:
        return error
    return None
