"""A pool as it may be published: the public bodies of its events, and nothing of who, where or why."""

from __future__ import annotations

import hashlib
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, Context, Decimal
from fractions import Fraction
from typing import Any

from dpsynth.ledger import Event, PoolState
from dpsynth.privacy.governor import Governor
from dpsynth.privacy.receipt import loss_from_record, loss_record

UNTOLD = frozenset({"AUDIT"})
"""Events that a public edition passes over: how often somebody tried is nobody's business."""

_UP = Context(prec=6, rounding=ROUND_CEILING)
_STAGES = {
    "categories": "learning categories",
    "distinct_counts": "learning categories",
    "select": "choosing what to measure",
}


@dataclass(frozen=True)
class Step:
    """One event. ``time``: UTC where it is public; ``stage``: what a draw paid for; ``amount``: of the pool's currency;
    ``mine``: whether the model's own fit did it; ``grew``: by how much the sum of all charges grew.
    """

    kind: str
    time: str | None
    stage: str
    amount: float
    mine: bool
    grew: float

    def to_dict(self) -> dict[str, Any]:
        """The event as JSON-able data."""
        return {
            "event": self.kind,
            "time": self.time,
            "stage": self.stage,
            "amount": self.amount,
            "grew": self.grew,
            "this_fit": self.mine,
        }


@dataclass(frozen=True, eq=False)
class PublicPool:
    """What the ledger says in public of the pool that paid for a model."""

    state: PoolState
    steps: tuple[Step, ...]

    @property
    def digest(self) -> str:
        """The SHA-256 of the pool's identifier: what models keep of it."""
        return hashlib.sha256(self.state.pool_id.encode()).hexdigest()

    def stages(self) -> dict[str, float]:
        """What this fit spent on each stage, in the pool's currency."""
        found: dict[str, float] = {}
        for step in self.steps:
            if step.mine and step.kind == "DRAW":
                found[step.stage] = found.get(step.stage, 0.0) + step.amount
        return found

    def to_dict(self) -> dict[str, Any]:
        """The pool as JSON-able data."""
        state = self.state
        return {
            "name": state.name,
            "digest": self.digest,
            "unit": str(state.unit),
            "neighbors": state.neighbors,
            "governor": str(state.governor),
            "currency": state.governor.symbol,
            "cap": {"epsilon": exact(state.epsilon), "delta": exact(state.delta), "loss": loss_record(state.cap)},
            "cap_amount": float(state.governor.amount(state.cap)),
            "charged": {
                "epsilon": f"{_UP.plus(state.spent_epsilon).normalize():f}",
                "loss": loss_record(state.charged),
            },
            "charged_amount": float(state.governor.amount(state.charged)),
            "charged_is_a_guarantee": False,
            "reserved_amount": float(state.governor.amount(state.reserved)),
            "raised_after_outputs": state.raised_late,
            "disclosures": state.disclosures,
            "ephemeral": state.ephemeral,
            "timeline": [step.to_dict() for step in self.steps],
            "stages": self.stages(),
        }


def public_pool(state: PoolState, events: Iterable[Event], transaction: str) -> PublicPool:
    """The pool, from the public bodies of its events alone. ``transaction``: that of the model's fit."""
    drawn: dict[str, float] = {}
    told = (event for event in events if event.kind not in UNTOLD)
    return PublicPool(state, tuple(_step(event.body, state.governor, transaction, drawn) for event in told))


def discoveries(events: Iterable[Event], transaction: str, answered: Container[str]) -> tuple[dict[str, Any], ...]:
    """The draws of a fit that are no answer of its model, with their receipts: what a domain was learned by.

    ``answered``: the events that answers of the model carry.
    """
    return tuple(
        {"question": dict(event.data["question"]), "receipt": receipt_of(event)}
        for event in events
        if event.kind == "DRAW" and event.transaction == transaction and event.hash not in answered
    )


def receipt_of(event: Event) -> dict[str, Any]:
    """The record of the receipt of a draw."""
    data = event.data
    return {
        "transaction": event.transaction,
        "draw": data["draw"],
        "event": event.hash,
        "loss": dict(data["loss"]),
    }


def exact(value: Fraction) -> str:
    """A decimal if the number has one of at most 12 digits, else the fraction."""
    decimal = Context(prec=12, rounding=ROUND_CEILING).divide(Decimal(value.numerator), Decimal(value.denominator))
    return f"{decimal.normalize():g}" if Fraction(decimal) == value else str(value)


def stage_of(question: Mapping[str, Any]) -> str:
    """What a draw paid for, in words."""
    kind = str(question.get("question", ""))
    if kind != "measure":
        return _STAGES.get(kind, "another question")
    together = max((len(clique) for clique in question.get("cliques", ())), default=0)
    return "measuring columns together" if together > 1 else "measuring columns alone"


def _step(body: Mapping[str, Any], governor: Governor, transaction: str, drawn: dict[str, float]) -> Step:
    """``drawn``: what each transaction drew so far; a forfeit charges its whole reservation, the draws among it."""
    data = body["data"]
    loss = next((data[name] for name in ("loss", "charged", "cap") if isinstance(data.get(name), Mapping)), None)
    amount = 0.0 if loss is None else float(governor.amount(loss_from_record(loss)))
    before, grew = drawn.get(body["transaction"], 0.0), 0.0
    if body["kind"] in {"DRAW", "FORFEIT"}:
        grew = amount if body["kind"] == "DRAW" else max(amount - before, 0.0)
        drawn[body["transaction"]] = before + grew
    return Step(
        kind=str(body["kind"]),
        time=None if body["time"] is None else str(body["time"]),
        stage=stage_of(data.get("question", {})) if body["kind"] == "DRAW" else "",
        amount=amount,
        mine=bool(transaction) and body["transaction"] == transaction,
        grew=grew,
    )
