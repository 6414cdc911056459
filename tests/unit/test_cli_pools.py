"""What is said of a pool: the cap is the guarantee, charges are rounded up, what is left is rounded down."""

from fractions import Fraction

import pytest

from dpsynth.cli.events import event_record, event_words
from dpsynth.cli.pools import pool_record, pool_words
from dpsynth.errors import BudgetExceededError
from dpsynth.ledger import Ledger
from dpsynth.privacy.conversions import budget_of
from dpsynth.privacy.loss import PrivacyLoss
from dpsynth.privacy.unit import Unit

DELTA = Fraction(1, 10**9)


@pytest.fixture
def book() -> Ledger:
    ledger = Ledger.in_memory()
    ledger.create("people", epsilon=Fraction(1), delta=DELTA, purpose="yearly budget")
    return ledger


def reserve(book: Ledger, epsilon: Fraction) -> None:
    loss = PrivacyLoss(budget_of(epsilon, DELTA).rho)
    with book.reserve("people", loss, unit=Unit(), epsilon=epsilon, delta=DELTA, method="mst") as transaction:
        transaction.touch()
        transaction.forfeit("the fit broke off")


def test_an_unspent_pool_offers_its_whole_cap(book: Ledger) -> None:
    state = book.pools()[0]
    assert pool_words(state)[-1] == "A next fit may ask for epsilon 1 at most."
    assert pool_record(state)["largest_next_epsilon"] == 1.0


def test_what_is_offered_is_granted_and_what_is_more_is_not(book: Ledger) -> None:
    reserve(book, Fraction(1, 2))
    line = next(line for line in pool_words(book.pools()[0]) if line.startswith("A next fit"))
    offered = Fraction(line.split()[-3])
    with pytest.raises(BudgetExceededError):
        reserve(book, offered + Fraction(1, 100))
    reserve(book, offered)


def test_a_forfeit_and_an_empty_pool_are_said(book: Ledger) -> None:
    reserve(book, Fraction(1))
    words = "\n".join(pool_words(book.pools()[0]))
    assert "forfeited by fits that broke off" in words
    assert "a next fit will be refused (exit 4)" in words


def test_a_late_raise_and_a_disclosure_are_said(book: Ledger) -> None:
    with book.reserve(
        "people", budget_of(Fraction(1), DELTA), unit=Unit(), epsilon=Fraction(1), delta=DELTA, method="mst"
    ) as transaction:
        transaction.touch()
        transaction.draw(budget_of(Fraction(1, 2), DELTA), {"question": "measure"})
        transaction.forfeit("the fit broke off")
    book.raise_cap("people", epsilon=Fraction(2), delta=DELTA, reason="second study")
    book.record("people", "DISCLOSURE", {"what": "table"})
    words = "\n".join(pool_words(book.pools()[0]))
    assert "raised after outputs had been seen" in words
    assert "Plus 1 disclosures without DP: no bound holds for the total." in words


def test_events_say_who_what_when_and_why(book: Ledger) -> None:
    reserve(book, Fraction(1, 2))
    text = event_words(book.events())
    assert "yearly budget" in text
    assert "epsilon 0.5, delta 1e-9, mst" in text
    assert "FORFEIT" in text
    record = event_record(book.events()[0])
    assert record["purpose"] == "yearly budget"
    assert record["kind"] == "CREATE"
