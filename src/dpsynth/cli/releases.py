"""RELEASE events: what was given to whom, in words and for ``--json``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from dpsynth.cli.layout import table

if TYPE_CHECKING:
    from dpsynth.ledger import Event


def release_records(events: Sequence[Event]) -> list[dict[str, Any]]:
    """One record for each release, oldest first; ``withdrawn``: when another took its place, None while it stands."""
    return [
        {
            "pool": one.pool,
            "time": one.time,
            "digest": one.data.get("content"),
            "recipient": one.secret("recipient"),
            "with_model": bool(one.secret("with_model")),
            "override": one.data.get("override"),
            "reason": one.secret("reason"),
            "by": one.secret("actor"),
            "withdrawn": _withdrawn(one, events[place + 1 :]),
        }
        for place, one in enumerate(events)
        if "withdraws" not in one.data
    ]


def _withdrawn(release: Event, later: Sequence[Event]) -> str | None:
    content = release.data.get("content")
    return next((one.time for one in later if one.pool == release.pool and one.data.get("withdraws") == content), None)


def release_words(events: Sequence[Event]) -> str:
    """A line for each release."""
    rows = [_row(one) for one in release_records(events)]
    if not rows:
        return "Nothing was released."
    return table(("time (UTC)", "pool", "digest", "to", "by", "remarks"), rows)


def _row(one: dict[str, Any]) -> tuple[str, ...]:
    remarks = [f"override: {one['reason']}"] if one["override"] else []
    remarks += ["with the model"] if one["with_model"] else []
    remarks += [f"withdrawn {one['withdrawn']}"] if one["withdrawn"] else []
    told = (one["time"], one["pool"], str(one["digest"] or "")[:12], one["recipient"], one["by"])
    return (*(str(text or "") for text in told), "; ".join(remarks))
