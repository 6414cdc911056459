"""Transactions: charges before answers, ends of every kind, and no way for an ended one to spend."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from dpsynth.errors import BudgetExceededError, LedgerError, UsageError
from dpsynth.ledger import Ledger, Transaction
from dpsynth.privacy.loss import PrivacyLoss
from dpsynth.privacy.unit import Unit

DELTA = Fraction(1, 10**9)
PART = PrivacyLoss(1000, 1000, 10)
QUESTION = {"question": "measure", "cliques": [["age", "sex"]]}


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    ledger = Ledger.open(tmp_path / "ledger.db")
    ledger.create("people", epsilon=Fraction(1), delta=DELTA, governor="zcdp")
    return ledger


def reserve(ledger: Ledger, loss: PrivacyLoss = PART) -> Transaction:
    return ledger.reserve("people", loss, unit=Unit(), epsilon=Fraction(1), delta=DELTA, method="mst")


def kinds(ledger: Ledger) -> list[str]:
    return [event.kind for event in ledger.events("people")]


def test_a_whole_life(ledger: Ledger) -> None:
    transaction = reserve(ledger)
    assert (transaction.remaining, transaction.reservation, transaction.draws) == (PART, PART, ())
    assert transaction.pool.reserved == PART
    transaction.touch()
    first = transaction.draw(PrivacyLoss(400, 400, 0), QUESTION)
    second = transaction.draw(PrivacyLoss(100, 100, 1), QUESTION)
    assert transaction.remaining == PrivacyLoss(500, 500, 9)
    assert transaction.draws == (first, second)
    transaction.commit({"answers": 2})
    assert transaction.remaining == PrivacyLoss()
    assert transaction.pool == ledger.pool("people")
    assert transaction.pool.charged == PrivacyLoss(500, 500, 1)
    assert transaction.pool.reserved == PrivacyLoss()
    assert kinds(ledger) == ["CREATE", "RESERVE", "TOUCH", "DRAW", "DRAW", "COMMIT"]
    assert ledger.verify().ok


def test_a_receipt_is_a_draw_of_the_ledger(ledger: Ledger) -> None:
    transaction = reserve(ledger)
    transaction.touch()
    receipt = transaction.draw(PrivacyLoss(400, 400, 0), QUESTION)
    event = ledger.events("people")[-1]
    assert (receipt.event, receipt.transaction, receipt.draw) == (event.hash, transaction.id, event.data["draw"])
    assert event.data["question"] == QUESTION
    assert receipt.loss == PrivacyLoss(400, 400, 0)


def test_a_draw_is_seen_by_others_before_it_returns(ledger: Ledger, tmp_path: Path) -> None:
    with reserve(ledger) as transaction:
        transaction.touch()
        transaction.draw(PART, QUESTION)
        other = Ledger.open(tmp_path / "ledger.db").pool("people")
        assert other is not None
        assert other.charged == PART


def test_only_what_is_left_can_be_drawn(ledger: Ledger) -> None:
    transaction = reserve(ledger)
    transaction.touch()
    transaction.draw(PrivacyLoss(999, 0, 10), QUESTION)
    for loss in (PrivacyLoss(2, 0, 0), PrivacyLoss(1, 0, 1)):
        with pytest.raises(BudgetExceededError, match="nothing was read"):
            transaction.draw(loss, QUESTION)
    transaction.draw(PrivacyLoss(1, 0, 0), QUESTION)
    assert len(transaction.draws) == 2
    transaction.commit({})


def test_nothing_is_drawn_before_touch(ledger: Ledger) -> None:
    transaction = reserve(ledger)
    for step in (lambda: transaction.draw(PART, QUESTION), lambda: transaction.commit({})):
        with pytest.raises(LedgerError, match="before"):
            step()
    with pytest.raises(LedgerError):
        transaction.forfeit("too early")
    assert transaction.remaining == PART


def test_nothing_is_given_back_after_touch(ledger: Ledger) -> None:
    transaction = reserve(ledger)
    transaction.touch()
    for step in (transaction.abort, transaction.touch):
        with pytest.raises(LedgerError, match="after"):
            step()
    transaction.forfeit("the test says so")
    assert transaction.pool.forfeited == PART


@pytest.mark.parametrize("end", ["commit", "forfeit", "abort"])
def test_an_ended_transaction_spends_no_more(ledger: Ledger, end: str) -> None:
    transaction = reserve(ledger)
    if end == "abort":
        transaction.abort()
    else:
        transaction.touch()
        transaction.commit({}) if end == "commit" else transaction.forfeit("x")
    before = kinds(ledger)
    steps = (
        transaction.touch,
        lambda: transaction.draw(PrivacyLoss(1, 1, 1), QUESTION),
        lambda: transaction.commit({}),
        transaction.abort,
        lambda: transaction.forfeit("again"),
    )
    for step in steps:
        with pytest.raises(LedgerError):
            step()
    assert kinds(ledger) == before


def test_a_forfeited_zombie_cannot_draw(ledger: Ledger, tmp_path: Path) -> None:
    zombie = reserve(ledger)
    zombie.touch()
    zombie.draw(PrivacyLoss(1, 1, 1), QUESTION)
    ended = Ledger.open(tmp_path / "ledger.db").forfeit(zombie.id, "its machine is gone", actor="the steward")
    assert (ended.outcome, ended.pool) == ("FORFEIT", "people")
    with pytest.raises(LedgerError, match="ended"):
        zombie.draw(PrivacyLoss(1, 1, 1), QUESTION)
    with pytest.raises(LedgerError, match="ended"):
        zombie.commit({})
    state = ledger.pool("people")
    assert state is not None
    assert state.charged == state.forfeited == PART


def test_a_reservation_ended_from_outside_before_touch_is_given_back(ledger: Ledger) -> None:
    transaction = reserve(ledger)
    assert ledger.forfeit(transaction.id, "not needed").outcome == "ABORT"
    with pytest.raises(LedgerError):
        transaction.touch()
    with pytest.raises(LedgerError, match="no live transaction"):
        ledger.forfeit(transaction.id, "again")
    with pytest.raises(LedgerError, match="no live transaction"):
        ledger.forfeit("", "nothing")


class Stop(BaseException):
    """Stands for Ctrl-C."""


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, Stop])
@pytest.mark.parametrize("touch", [False, True])
def test_an_exception_gives_back_before_touch_and_forfeits_after(
    ledger: Ledger, error: type[BaseException], *, touch: bool
) -> None:
    with pytest.raises(error), reserve(ledger) as transaction:  # noqa: PT012 leaving is tested
        if touch:
            transaction.touch()
        raise error
    assert kinds(ledger)[-1] == ("FORFEIT" if touch else "ABORT")
    assert transaction.pool.charged == (PART if touch else PrivacyLoss())
    assert transaction.pool == ledger.pool("people")


def test_leaving_without_a_commit_is_no_commit(ledger: Ledger) -> None:
    with reserve(ledger) as transaction:
        transaction.touch()
    assert kinds(ledger)[-1] == "FORFEIT"
    with reserve(ledger):
        pass
    assert kinds(ledger)[-1] == "ABORT"


def test_an_interrupt_after_the_charge_reached_the_disk_still_charges(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = Transaction._write

    def write_then_stop(self: Transaction, kind: str, data: Any) -> str:
        write(self, kind, data)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), reserve(ledger) as transaction:  # noqa: PT012 leaving is tested
        transaction.touch()
        monkeypatch.setattr(Transaction, "_write", write_then_stop)
        transaction.draw(PrivacyLoss(1, 1, 1), QUESTION)
    monkeypatch.undo()
    assert kinds(ledger)[-2:] == ["DRAW", "FORFEIT"]
    assert transaction.draws == ()
    assert ledger.verify().ok


def test_a_commit_needs_the_draws_of_this_object(ledger: Ledger) -> None:
    transaction = reserve(ledger)
    transaction.touch()
    transaction.draw(PrivacyLoss(5, 5, 5), QUESTION)
    transaction._draws.clear()
    with pytest.raises(LedgerError, match="sum of its draws"):
        transaction.commit({})
    with pytest.raises(LedgerError, match="numbered"):
        transaction.draw(PrivacyLoss(5, 5, 5), QUESTION)


def test_an_unreachable_ledger_does_not_hide_the_error_that_ended_the_work(ledger: Ledger, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="the cause"), reserve(ledger) as transaction:  # noqa: PT012 leaving is tested
        transaction.touch()
        (tmp_path / "ledger.db").rename(tmp_path / "away.db")
        (tmp_path / "ledger.db").write_bytes(b"not a database" * 1000)
        raise ValueError("the cause")
    (tmp_path / "away.db").rename(tmp_path / "ledger.db")
    state = ledger.pool("people")
    assert state is not None
    assert state.reserved == PART, "held until it is recovered or forfeited"


def test_an_unreachable_ledger_is_told_when_nothing_else_went_wrong(ledger: Ledger, tmp_path: Path) -> None:
    with pytest.raises(LedgerError), reserve(ledger):
        (tmp_path / "ledger.db").write_bytes(b"not a database" * 1000)


@pytest.mark.parametrize("question", [{"counts": object()}, {"scale": float("nan")}, {"key": {1, 2}}])
def test_what_is_not_plain_json_is_refused_uncharged(ledger: Ledger, question: dict[str, Any]) -> None:
    with reserve(ledger) as transaction:
        transaction.touch()
        with pytest.raises(UsageError):
            transaction.draw(PrivacyLoss(1, 1, 1), question)
        transaction.commit({})
    assert transaction.pool.charged == PrivacyLoss()


def test_a_reservation_of_nothing_is_refused(ledger: Ledger) -> None:
    with pytest.raises(UsageError):
        reserve(ledger, PrivacyLoss(mu2=5))
