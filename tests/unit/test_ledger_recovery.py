"""Crash recovery: dead owners on this host are ended, doubt leaves alone; kill -9 loses no acknowledged charge."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from dpsynth.ledger import Ledger, owner
from dpsynth.privacy.loss import PrivacyLoss
from dpsynth.privacy.unit import Unit

DELTA = Fraction(1, 10**9)
PART = PrivacyLoss(10**12, 0, 0)

HOLD = """
import sys, time
from fractions import Fraction
from dpsynth.ledger import Ledger
from dpsynth.privacy.loss import PrivacyLoss
from dpsynth.privacy.unit import Unit

ledger = Ledger.open(sys.argv[1])
transaction = ledger.reserve("people", PrivacyLoss(10**12), unit=Unit(), epsilon=Fraction(1),
                             delta=Fraction(1, 10**9), method="mst")
if sys.argv[2] != "reserve":
    transaction.touch()
print(transaction.id, flush=True)
while sys.argv[2] == "draw":
    receipt = transaction.draw(PrivacyLoss(1000), {"question": "measure"})
    print(receipt.event, flush=True)
time.sleep(600)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "ledger.db"
    Ledger.open(path).create("people", epsilon=Fraction(1), delta=DELTA, governor="zcdp")
    return path


@contextmanager
def holding(path: Path, stage: str) -> Iterator[subprocess.Popen[str]]:
    """Another process that reserves, touches or draws, and then waits; killed with SIGKILL at the end."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(path), stage], stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()


def kinds(path: Path) -> list[str]:
    return [event.kind for event in Ledger.open(path).events("people")]


def test_a_living_process_keeps_its_reservation(path: Path) -> None:
    with holding(path, "touch") as process:
        assert process.stdout is not None
        transaction = process.stdout.readline().strip()
        ledger = Ledger.open(path)
        assert ledger.recover() == ()
        (live,) = ledger.pools()[0].live
        assert (live.transaction, live.loss, live.touched) == (transaction, PART, True)


@pytest.mark.parametrize(("stage", "outcome"), [("reserve", "ABORT"), ("touch", "FORFEIT")])
def test_a_dead_process_is_ended_on_opening(path: Path, stage: str, outcome: str) -> None:
    with holding(path, stage) as process:
        assert process.stdout is not None
        transaction = process.stdout.readline().strip()
    state = Ledger.open(path).pools()[0]
    assert kinds(path)[-1] == outcome
    assert Ledger.open(path).events("people")[-1].transaction == transaction
    assert state.live == ()
    assert state.charged == (PrivacyLoss() if outcome == "ABORT" else PART)


def test_a_dead_process_is_ended_before_the_next_reservation(path: Path) -> None:
    ledger = Ledger.open(path)
    with holding(path, "touch") as process:
        assert process.stdout is not None
        process.stdout.readline()
    ledger.reserve("people", PART, unit=Unit(), epsilon=Fraction(1), delta=DELTA, method="mst").abort()
    assert kinds(path)[-3:] == ["FORFEIT", "RESERVE", "ABORT"]


def test_a_zombie_that_waits_to_be_reaped_is_dead(path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(path), "touch"], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert kinds(path)[-1] == "FORFEIT"
    process.communicate()


def test_kill_nine_while_drawing_loses_no_acknowledged_charge(path: Path) -> None:
    for attempt in range(4):
        with holding(path, "draw") as process:
            assert process.stdout is not None
            transaction = process.stdout.readline().strip()
            time.sleep(0.01 + 0.017 * attempt)
            process.send_signal(signal.SIGKILL)
            acknowledged = [line.strip() for line in process.stdout if line.endswith("\n")]
        ledger = Ledger.open(path)
        assert ledger.verify().ok
        mine = [event for event in ledger.events("people") if event.transaction == transaction]
        drawn = [event.hash for event in mine if event.kind == "DRAW"]
        assert drawn[: len(acknowledged)] == acknowledged
        assert len(drawn) <= len(acknowledged) + 1, "at most the one that was not yet acknowledged"
        assert mine[-1].kind == "FORFEIT"
        assert ledger.pools()[0].charged == PrivacyLoss(10**12 * (attempt + 1))


def this() -> dict[str, Any]:
    return owner.this_process()


def test_this_process_lives() -> None:
    assert not owner.is_dead(this())


@pytest.mark.parametrize(
    "change",
    [
        {"host": "another-host"},
        {"machine": "another machine behind the same name"},
        {"namespace": "pid:[1]", "pid": 999_999_999},
    ],
)
def test_what_ran_elsewhere_is_left_alone(change: dict[str, Any]) -> None:
    assert not owner.is_dead({**this(), **change})


@pytest.mark.parametrize(
    "change",
    [
        {"boot": "an earlier boot"},
        {"start": "1"},
        {"pid": 999_999_999},
    ],
)
def test_what_ran_here_and_is_gone_is_dead(change: dict[str, Any]) -> None:
    assert owner.is_dead({**this(), **change})


@pytest.mark.parametrize("unknown", [None, {}])
def test_an_unknown_owner_is_left_alone(unknown: dict[str, Any] | None) -> None:
    assert not owner.is_dead(unknown)


def test_without_proc_a_pid_that_exists_lives_and_one_that_does_not_is_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(owner, "_text", lambda _: None)
    assert not owner.is_dead(this())
    assert owner.is_dead({**this(), "pid": 999_999})
    for odd in (0, -1, "1", None):
        assert not owner.is_dead({**this(), "pid": odd})


def test_a_reservation_of_another_host_is_held_until_it_is_forfeited(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owner, "host", lambda: "far-away")
    there = Ledger.open(path).reserve("people", PART, unit=Unit(), epsilon=Fraction(1), delta=DELTA, method="mst")
    there.touch()
    monkeypatch.undo()
    here = Ledger.open(path)
    assert here.pools()[0].reserved == PART
    assert here.forfeit(there.id, "that machine is gone").outcome == "FORFEIT"
    assert here.pools()[0].forfeited == PART


def test_the_dead_do_not_keep_anyone_from_reading_a_read_only_ledger(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with holding(path, "touch") as process:
        assert process.stdout is not None
        process.stdout.readline()
    connect = sqlite3.connect

    def connect_read_only(target: str, **settings: Any) -> sqlite3.Connection:
        return connect(target.replace("?mode=rw", "?mode=ro"), **settings)

    monkeypatch.setattr(sqlite3, "connect", connect_read_only)
    assert Ledger.open(path).pools()[0].reserved == PART
    monkeypatch.undo()
    assert Ledger.open(path).pools()[0].forfeited == PART


def test_opening_a_ledger_without_the_dead_writes_nothing(path: Path) -> None:
    before = path.stat().st_mtime_ns, path.read_bytes()
    Ledger.open(path).pools()
    assert (path.stat().st_mtime_ns, path.read_bytes()) == before
