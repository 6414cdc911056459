"""What is said of a pool: the cap is the guarantee, charges are rounded up, what is left is rounded down."""

from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest

from dpsynth.cli.events import event_record, event_words
from dpsynth.cli.held import age, held_records, held_words
from dpsynth.cli.pools import pool_record, pool_words
from dpsynth.errors import BudgetExceededError
from dpsynth.ledger import Ledger, owner
from dpsynth.privacy.conversions import budget_of
from dpsynth.privacy.loss import PrivacyLoss
from dpsynth.privacy.unit import Unit

DELTA = Fraction(1, 10**9)


@pytest.fixture
def book() -> Ledger:
    ledger = Ledger.in_memory()
    ledger.create("people", epsilon=Fraction(1), delta=DELTA, governor="zcdp", purpose="yearly budget")
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


@pytest.mark.parametrize("cap", ["1", "0.3", "1.2345678", "1/3", "10"])
def test_a_cap_that_is_used_up_is_never_said_to_be_exceeded(cap: str) -> None:
    book = Ledger.in_memory()
    state = book.create("people", epsilon=Fraction(cap), delta=DELTA, governor="zcdp")
    with book.reserve(
        "people", state.cap, unit=Unit(), epsilon=state.epsilon, delta=DELTA, method="mst"
    ) as transaction:
        transaction.touch()
        transaction.forfeit("the fit broke off")
    words = pool_words(book.pools()[0])
    said = words[0].split("epsilon ")[1].split(",")[0]
    assert words[1] == f"Charged so far (not a guarantee): epsilon {said}."
    assert words[2] == f"Of that, epsilon {said} was forfeited by fits that broke off."
    assert pool_record(book.pools()[0])["charged"]["epsilon"] <= float(state.epsilon)  # type: ignore[index]


def test_running_fits_are_listed_with_what_ends_them(book: Ledger) -> None:
    loss = PrivacyLoss(budget_of(Fraction(1, 4), DELTA).rho)
    asked = {"unit": Unit(), "epsilon": Fraction(1, 4), "delta": DELTA, "method": "mst", "actor": "ann"}
    with book.reserve("people", loss, **asked) as first, book.reserve("people", loss, **asked) as second:  # type: ignore[arg-type]
        first.touch()
        records = held_records(book.pools()[0], book.events("people"))
        assert [held["transaction"] for held in records] == [first.id, second.id]
        assert [held["reading"] for held in records] == [True, False]
        later = datetime.fromisoformat(records[0]["since"]) + timedelta(hours=3, minutes=59)
        words = held_words(records, later)
    assert words.count("3 hours ago") == 2
    assert all(part in words for part in (first.id, second.id, "epsilon 0.25", "ann", owner.host(), "no row yet"))
    assert "dpsynth ledger forfeit TRANSACTION" in words
    assert held_records(book.pools()[0], book.events("people")) == []


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(-5, "just now"), (59, "just now"), (60, "1 minute ago"), (7_200, "2 hours ago"), (90_000, "1 day ago")],
)
def test_an_age_is_its_largest_unit(seconds: int, words: str) -> None:
    assert age("2026-01-01T00:00:00Z", datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)) == words


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
