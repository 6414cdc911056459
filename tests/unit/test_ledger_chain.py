"""Hash chain: a change of any field of any event, or of their order, is found."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest

from dpsynth.errors import LedgerError, UsageError
from dpsynth.ledger import Event, Ledger
from dpsynth.ledger.chain import Replay, canonical, digest, replay, seal, state_of, state_text
from dpsynth.privacy.unit import Unit

DELTA = Fraction(1, 10**9)


@pytest.fixture(scope="module")
def events() -> list[Event]:
    """A chain with every kind of event but ABORT, which ends its own transaction."""
    ledger = Ledger.in_memory()
    state = ledger.create("people", epsilon=Fraction(1), delta=DELTA, purpose="why", actor="who")
    part = state.share_of_cap(Fraction(1, 10))
    for ending in ("commit", "forfeit", "abort"):
        with ledger.reserve(
            "people", part, unit=Unit(), epsilon=Fraction(1), delta=DELTA, method="mst", details={"scale": 1.5}
        ) as transaction:
            if ending == "abort":
                continue
            transaction.touch()
            transaction.draw(part.share(Fraction(1, 2)), {"question": "measure"})
            if ending == "commit":
                transaction.commit({"answers": 1})
    ledger.raise_cap("people", epsilon=Fraction(2), delta=DELTA, reason="more")
    ledger.record("people", "DISCLOSURE", {"reason": "a count by telephone"})
    ledger.record("people", "AUDIT", {"findings": 0})
    ledger.record("people", "RELEASE", {"content": "00"}, private={"recipient": "a partner"})
    return list(ledger.events("people"))


def test_the_chain_holds_and_has_every_kind(events: list[Event]) -> None:
    chain = replay(events)
    assert chain.seq == len(events)
    assert chain.head == events[-1].hash
    assert {event.kind for event in events} == {
        *("CREATE", "RAISE", "RESERVE", "ABORT", "TOUCH", "DRAW", "COMMIT", "FORFEIT", "DISCLOSURE", "AUDIT"),
        "RELEASE",
    }
    assert chain.state is not None
    assert state_of(state_text(chain.state)) == chain.state


def paths(value: Any, prefix: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if isinstance(value, dict):
        return [path for key in value for path in paths(value[key], (*prefix, key))] or [prefix]
    if isinstance(value, list):
        return [path for index in range(len(value)) for path in paths(value[index], (*prefix, index))] or [prefix]
    return [prefix]


def changed(value: Any, path: tuple[Any, ...]) -> Any:
    """A deep copy in which the leaf at ``path`` is another value of the same type where that is possible."""
    if not path:
        return {bool: lambda: not value, int: lambda: value + 1, str: lambda: _other(value)}.get(
            type(value), lambda: "changed"
        )()
    result = copy.copy(value)
    result[path[0]] = changed(value[path[0]], path[1:])
    return result


def _other(text: str) -> str:
    return text[:-1] + ("0" if text[-1:] != "0" else "1")


def test_a_change_of_any_public_field_is_found(events: list[Event]) -> None:
    for index, event in enumerate(events):
        for path in paths(dict(event.body)):
            forged = [*events]
            forged[index] = Event(changed(dict(event.body), path), event.hash, event.private)
            with pytest.raises(LedgerError):
                replay(forged)


def test_a_change_of_any_private_field_is_found(events: list[Event]) -> None:
    checked = 0
    for index, event in enumerate(events):
        if event.private is None:
            continue
        for path in paths(dict(event.private)):
            forged = [*events]
            forged[index] = Event(event.body, event.hash, changed(dict(event.private), path))
            with pytest.raises(LedgerError):
                replay(forged)
            checked += 1
    assert checked > 20


def rehashed(event: Event, **changes: Any) -> Event:
    body = {**event.body, **changes}
    return Event(body, digest(canonical(body)), event.private)


def test_a_forger_who_recomputes_one_hash_breaks_the_next_link(events: list[Event]) -> None:
    for index in range(len(events) - 1):
        forged = [*events]
        forged[index] = rehashed(events[index], time="1999-01-01T00:00:00Z")
        with pytest.raises(LedgerError, match="chain is broken"):
            replay(forged)


def test_a_forger_who_recomputes_the_last_hash_still_breaks_the_sums(events: list[Event]) -> None:
    create = rehashed(events[0], state="00" * 32)
    with pytest.raises(LedgerError, match="balance"):
        replay([create])


DISORDERS: list[Callable[[list[Event]], list[Event]]] = [
    lambda events: events[1:],
    lambda events: events[:3] + events[4:],
    lambda events: [*events[:3], events[4], events[3], *events[5:]],
    lambda events: [*events[:4], events[3], *events[4:]],
    lambda events: [*events, events[-1]],
]


@pytest.mark.parametrize("disorder", DISORDERS)
def test_missing_repeated_or_swapped_events_are_found(
    events: list[Event], disorder: Callable[[list[Event]], list[Event]]
) -> None:
    with pytest.raises(LedgerError):
        replay(disorder(events))


def test_private_fields_may_be_left_out_only_when_that_is_said(events: list[Event]) -> None:
    public = [Event(event.body, event.hash) for event in events]
    assert replay(public, private_omitted=True).head == events[-1].hash
    with pytest.raises(LedgerError, match="private"):
        replay(public)


def test_private_fields_cannot_be_added(events: list[Event]) -> None:
    bare = next(event for event in events if event.private is None)
    added = Event(bare.body, bare.hash, {"salt": "00", "fields": {}})
    with pytest.raises(LedgerError, match="private"):
        replay([added if event is bare else event for event in events])


def test_equal_private_fields_do_not_show_as_equal() -> None:
    first, second = (seal({"kind": "AUDIT"}, {"actor": "who"}) for _ in range(2))
    assert first.body["private"] != second.body["private"]
    assert "who" not in json.dumps(first.body)


def test_times_after_touch_and_of_audits_and_releases_are_private(events: list[Event]) -> None:
    for event in events:
        secret = event.kind in {"DRAW", "COMMIT", "FORFEIT", "AUDIT", "RELEASE"}
        assert (event.body["time"] is None) == secret
        assert event.time is not None
        assert event.time.endswith("Z")


def test_a_reserved_transaction_cannot_be_reserved_again(events: list[Event]) -> None:
    chain = Replay()
    for event in events:
        chain.add(event)
        if event.kind == "COMMIT":
            break
    reserve = next(event for event in events if event.kind == "RESERVE")
    again = rehashed(reserve, seq=chain.seq + 1, previous=chain.head)
    with pytest.raises(LedgerError, match="twice"):
        chain.add(again)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), b"bytes", {1, 2}, object()])
def test_only_plain_json_is_recorded(value: Any) -> None:
    with pytest.raises(UsageError):
        canonical({"value": value})


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", '{"live": 3}'])
def test_a_malformed_balance_is_refused(text: str) -> None:
    with pytest.raises(LedgerError):
        state_of(text)


@pytest.mark.parametrize("body", [{}, {"format": 99}, {"format": 1}])
def test_a_malformed_event_is_refused(body: dict[str, Any]) -> None:
    with pytest.raises(LedgerError):
        replay([Event(body, digest(canonical(body)))])


def test_a_malformed_number_in_an_event_is_refused(events: list[Event]) -> None:
    data = {**events[0].data, "epsilon": "1e999999999"}
    with pytest.raises(LedgerError, match="rule"):
        replay([rehashed(events[0], data=data)])
