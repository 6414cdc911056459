"""How many tables of one pool may be brought before a gate: fixed in advance, counted in the ledger.

Whoever makes tables until one passes has chosen by the rows, outside of every epsilon. So each attempt is an AUDIT
event before a row is read; its fields are private, and left out of extracts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from dpsynth.audit.gate import Gate
from dpsynth.audit.rules import Ruling
from dpsynth.errors import GateError, LedgerError
from dpsynth.evidence import Verdict
from dpsynth.ledger import Ledger, PoolState

_CITATION = "house default: choosing a table by what the rows say of it is covered by no epsilon"


def pool_of(ledger: Ledger, provenance: Mapping[str, Any]) -> PoolState | None:
    """The pool that paid for a model, by the digest that the model keeps; ``None`` if this ledger does not have it."""
    digest = provenance.get("pool")
    pools = ledger.pools() if isinstance(digest, str) else ()
    return next((pool for pool in pools if hashlib.sha256(pool.pool_id.encode()).hexdigest() == digest), None)


def check_there(ledger: Ledger, provenance: Mapping[str, Any]) -> None:
    """``LedgerError`` (8) where a pool paid for the model and there is no file to ask for it; nothing is created."""
    if provenance.get("pool") is not None and provenance.get("ledger") != "ephemeral" and not ledger.exists():
        raise LedgerError("no such ledger", where=ledger.where, hint="Give the ledger of the fit with --ledger.")


def attempt_of(ledger: Ledger, pool: PoolState, gate: Gate, candidate: str, refits: int = 0) -> dict[str, int]:
    """The number of this candidate among those of the pool since its last release, and how many there may be.

    The attempt is on record first, so two at once count as two. How many there may be is what the gate of the first
    attempt said. Raises ``GateError`` (5) beyond; a candidate that was brought before may be brought again.
    ``refits`` that are made without a charge are noted beside it, if there are any.
    """
    allowed = gate.document.candidates
    private = {"candidate": candidate, "gate": gate.name, "gate_sha256": gate.sha256, "candidates": allowed}
    private |= {"refits": refits} if refits else {}
    ledger.record(pool.name, "AUDIT", {}, private=private)
    events = ledger.events(pool.name)
    start = max((place + 1 for place, event in enumerate(events) if event.kind == "RELEASE"), default=0)
    tries = [event for event in events[start:] if event.kind == "AUDIT" and event.secret("candidate")]
    allowed = int(tries[0].secret("candidates"))
    number = list(dict.fromkeys(event.secret("candidate") for event in tries)).index(candidate) + 1
    if number > allowed:
        raise GateError(
            f"{allowed} candidates of this pool were brought before a gate already, and no more were fixed in advance",
            where=pool.name,
            hint="Making tables until one passes is a choice by the rows that no epsilon covers.",
        )
    return {"candidate": number, "of": allowed}


def counted(
    gate: Gate, ledger: Ledger, attempt: Mapping[str, int] | None, *, dp: bool | str | None
) -> tuple[Ruling, ...]:
    """The rule ``candidates`` of a gate that asks for a guarantee; none for other gates and for ``dp: false``.

    A guarantee covers one table, not the one that passed: INCONCLUSIVE where nobody counts how many were brought.
    """
    if dp is False or all(part.rule != "guarantee" for part in gate.document.rules):
        return ()
    if attempt is None and dp is None:
        verdict, words = Verdict.INCONCLUSIVE, "without a model nobody knows which pool this is a candidate of"
    elif attempt is None:
        verdict, words = Verdict.INCONCLUSIVE, "the ledger does not know the model's pool: give the ledger of the fit"
    elif ledger.ephemeral:
        verdict, words = Verdict.INCONCLUSIVE, "the ledger ends with the process, and the count of candidates with it"
    else:
        verdict, words = Verdict.PASS, f"candidate {attempt['candidate']} of {attempt['of']} that were fixed in advance"
    return (Ruling("candidates", verdict, words, _CITATION),)
