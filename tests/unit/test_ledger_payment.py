"""Keys under which a pool pays at most once: refused while a reservation of the key stands, free after an ABORT."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import pytest

from dpsynth.errors import BudgetExceededError, UsageError
from dpsynth.ledger import Ledger, Payment, Transaction
from dpsynth.privacy.loss import PrivacyLoss
from dpsynth.privacy.unit import Unit

DELTA = Fraction(1, 10**9)
PART = PrivacyLoss(1000, 1000, 0)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    ledger = Ledger.open(tmp_path / "ledger.db")
    for pool in ("people", "visits"):
        ledger.create(pool, epsilon=Fraction(1), delta=DELTA)
    return ledger


def reserve(ledger: Ledger, once: str | None, pool: str = "people") -> Transaction:
    return ledger.reserve(pool, PART, unit=Unit(), epsilon=Fraction(1), delta=DELTA, method="mst", once=once)


def test_a_live_reservation_stands(ledger: Ledger) -> None:
    held = reserve(ledger, "k")
    assert ledger.payment("k") == Payment("people", held.id, "LIVE")
    with pytest.raises(BudgetExceededError, match="another process"):
        reserve(ledger, "k")


def test_a_committed_one_stands(ledger: Ledger) -> None:
    held = reserve(ledger, "k")
    held.touch()
    held.commit({})
    assert ledger.payment("k") == Payment("people", held.id, "COMMIT")
    with pytest.raises(BudgetExceededError, match="paid for before"):
        reserve(ledger, "k")
    assert [event.kind for event in ledger.events("people")].count("RESERVE") == 1


def test_a_forfeited_one_stands(ledger: Ledger) -> None:
    held = reserve(ledger, "k")
    held.touch()
    held.forfeit("crashed")
    assert ledger.payment("k") == Payment("people", held.id, "FORFEIT")
    with pytest.raises(BudgetExceededError, match="forfeited"):
        reserve(ledger, "k")


def test_one_that_was_given_back_does_not(ledger: Ledger) -> None:
    reserve(ledger, "k").abort()
    assert ledger.payment("k") is None
    again = reserve(ledger, "k")
    assert ledger.payment("k") == Payment("people", again.id, "LIVE")


def test_other_keys_pools_and_fits_without_a_key_are_free(ledger: Ledger) -> None:
    reserve(ledger, "k")
    reserve(ledger, "other")
    reserve(ledger, None)
    reserve(ledger, None)
    elsewhere = reserve(ledger, "k2", "visits")
    assert ledger.payment("k2") == Payment("visits", elsewhere.id, "LIVE")
    assert ledger.payment("unknown") is None
    assert Ledger.in_memory().payment("k") is None


@pytest.mark.parametrize("key", ["", "a\nb", "x" * 201])
def test_a_malformed_key_is_refused(ledger: Ledger, key: str) -> None:
    with pytest.raises(UsageError, match="a key is"):
        reserve(ledger, key)
    assert len(ledger.events("people")) == 1


def test_the_key_is_private_and_survives_a_full_export(ledger: Ledger, tmp_path: Path) -> None:
    reserve(ledger, "ward-7-2026").abort()
    held = reserve(ledger, "ward-7-2026")
    held.touch()
    held.commit({})
    assert "ward-7-2026" not in "\n".join(ledger.extract(public=True))
    ledger.export(tmp_path / "full.jsonl")
    assert "ward-7-2026" in json.dumps((tmp_path / "full.jsonl").read_text())
    other = Ledger.open(tmp_path / "other.db")
    other.import_(tmp_path / "full.jsonl")
    assert other.payment("ward-7-2026") == Payment("people", held.id, "COMMIT")
    assert other.verify().ok
