"""Which texts an event shows in public: those of this library alone. What a person wrote is a private field."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from dpsynth.ledger.chain import Event

DIED = "its process died"
GIVEN_UP = "given up before the data was touched"
UNFINISHED = "ended without a commit"
FORFEITED = "forfeited by its own process"
ENDED_BY_HAND = "ended by hand"

_REASONS = (DIED, GIVEN_UP, UNFINISHED, FORFEITED, ENDED_BY_HAND)
_RELEASED = frozenset({"content", "override", "withdraws"})
_RECORDED = frozenset({"DISCLOSURE", "AUDIT", "RELEASE"})


def parted(kind: str, facts: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What of the facts of a recorded event is public, and what is private.

    Public are the digests of what a RELEASE hands out or takes back, and whether the gate was passed over.
    """
    public = {name: value for name, value in facts.items() if kind == "RELEASE" and name in _RELEASED}
    return public, {name: value for name, value in facts.items() if name not in public}


def said_in_public(events: Iterable[Event]) -> str | None:
    """In words which events show in public what a person may have written, as earlier versions wrote them; ``None``
    for no event. The words themselves are not repeated.
    """
    found = [f"event {event.seq} ({event.kind}) of pool {event.pool!r}" for event in events if _tells(event)]
    if not found:
        return None
    return (
        f"An earlier version wrote somebody's own words into the public part of {', '.join(found)}: whoever gets the "
        "extract reads them. The chain covers them, so nothing can take them out. 'dpsynth ledger show --events' has "
        "them."
    )


def _tells(event: Event) -> bool:
    if event.kind in _RECORDED:
        return bool(parted(event.kind, event.data)[1])
    return "reason" in event.data and event.data["reason"] not in _REASONS
