"""What the ledger knows of a fit of a run: whether it was paid for, and whether its model is there.

Every fit of a run is reserved under its stage's key, so that the ledger, not a file beside the pipeline, tells whether
it was paid for: after a crash at any moment, in another working copy, or at the same time.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from glob import escape
from pathlib import Path
from typing import Any

from dpsynth.errors import BudgetExceededError, DpsynthError
from dpsynth.ledger import Ledger, Payment, PoolState
from dpsynth.models import load
from dpsynth.pipeline.discovery_plan import DiscoveryPlan
from dpsynth.pipeline.plan import PricedPlan, load_schema, plan
from dpsynth.pipeline.reservation import request_of
from dpsynth.pipeline.undescribed_plan import plan_undescribed
from dpsynth.tables import table_name


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


def rescue(payment: Payment, path: str) -> bool:
    """Whether the model of this payment was found under its temporary name, and stands at ``path`` now.

    A process that is killed between the commit and the rename leaves it there, whole; nothing is ever replaced.
    """
    target = Path(path)
    if os.path.lexists(target):
        return False
    for part in sorted(target.parent.glob(f".{escape(target.name[:100])}.*.part")):
        if is_model_of(payment, str(part)):
            part.rename(target)
            return True
    return False


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
    """What a fit would cost, and the pool that would pay as it stands; ``None`` for one that is still to be created."""

    priced: PricedPlan | DiscoveryPlan
    pool: PoolState | None


def price_of(wanted: Mapping[str, Any], settings: Mapping[str, Any]) -> FitPrice:
    """The price of the fit with these wishes, under the names of the command's parameters; of the table at most the
    header is read. Raises what the fit would raise before it reserves, for what is known without the table.
    """
    schema = None if wanted["schema"] is None else load_schema(wanted["schema"])
    name = table_name(wanted["data"]) if schema is None else schema.population or schema.name
    book, asked = Ledger.open(wanted["ledger"]), (wanted["epsilon"], wanted["share"], wanted["delta"])
    request = request_of(book, wanted["pool"] or name, *asked, discovers=schema is None)
    same: dict[str, Any] = {key: wanted[key] for key in ("method", "unit", "memory_limit")}
    same |= {"settings": settings, "epsilon": request.epsilon, "delta": request.delta, "governor": request.governor}
    if schema is not None:
        return FitPrice(plan(schema, **same), book.pool(request.pool))
    beside: dict[str, Any] = {key: wanted[key] for key in ("delimiter", "max_stability")}
    drawn = plan_undescribed(wanted["data"], rows=None, share=wanted["discover_share"], **beside, **same)
    return FitPrice(drawn, book.pool(request.pool))
