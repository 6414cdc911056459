"""What people write into a ledger stays in the house; what an earlier version wrote in public is read, and named."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
from click.testing import CliRunner

from dpsynth.cli.main import APPLICATION
from dpsynth.ledger import Ledger, Transaction, parse_extract, verify_extract
from dpsynth.ledger import book as writer
from dpsynth.ledger.public_texts import said_in_public
from dpsynth.privacy.conversions import budget_of
from dpsynth.privacy.governor import Governor
from dpsynth.privacy.receipt import loss_record
from dpsynth.privacy.unit import Unit

DELTA = Fraction(1, 10**9)
MARK = "zanzibar"


@pytest.fixture
def book(tmp_path: Path) -> Ledger:
    book = Ledger.open(tmp_path / "l.db")
    book.create("people", epsilon=Fraction(1), delta=DELTA, purpose=f"{MARK} create", actor=MARK)
    return book


def reserved(book: Ledger) -> Transaction:
    part = budget_of(Fraction(1), DELTA, Governor.GDP).share(Fraction(1, 10))
    words = {"purpose": f"{MARK} fit", "actor": MARK, "once": f"{MARK} {len(book.events())}"}
    return book.reserve("people", part, unit=Unit(), epsilon=Fraction(1, 10), delta=DELTA, method="mst", **words)


def written_by_hand(book: Ledger) -> None:
    """Every event that takes a text of somebody, with the marker in it."""
    for touched in (False, True):
        held = reserved(book)
        if touched:
            held.touch()
        book.forfeit(held.id, f"{MARK} ended", actor=MARK)
    broken = reserved(book)
    broken.touch()
    broken.forfeit(f"{MARK} broken")
    book.raise_cap("people", epsilon=Fraction(2), delta=DELTA, reason=f"{MARK} raise", actor=MARK)
    for kind in ("DISCLOSURE", "AUDIT", "RELEASE"):
        book.record("people", kind, {"what": f"{MARK} {kind}"}, private={"reason": f"{MARK} why"}, actor=MARK)
    book.record("people", "RELEASE", {"content": "0" * 64, "override": True}, private={"reason": MARK}, actor=MARK)


def test_no_word_of_a_person_is_public(book: Ledger) -> None:
    written_by_hand(book)
    public = book.extract("people")
    assert not [line for line in public if MARK in line]
    assert verify_extract(parse_extract(public, "extract")).ok
    assert book.verify().ok
    assert said_in_public(book.events()) is None
    assert [dict(one.data) for one in book.events(releases=True)] == [{}, {"content": "0" * 64, "override": True}]


def test_the_house_reads_them_all(book: Ledger) -> None:
    written_by_hand(book)
    shown = CliRunner().invoke(APPLICATION, ["ledger", "show", "--events", "--ledger", book.where]).stdout
    assert all(f"{MARK} {word}" in shown for word in ("create", "fit", "ended", "broken", "raise", "why"))
    assert "AUDIT" in shown
    assert all(event.time for event in book.events())


def test_how_audits_followed_each_other_is_no_ones_business(book: Ledger) -> None:
    book.record("people", "AUDIT", {})
    (event,) = [one for one in book.events() if one.kind == "AUDIT"]
    assert event.body["time"] is None
    assert event.time is not None
    assert '"time":null' in book.extract("people")[-1]


def as_before(book: Ledger) -> None:
    """Events as earlier versions wrote them: with the words of people in public."""
    cap = budget_of(Fraction(2), DELTA, Governor.GDP)
    raised = {"epsilon": "2", "delta": str(DELTA), "cap": loss_record(cap), "reason": f"{MARK} raise"}
    with book._store.writing() as session:
        writer.append(session, "people", "RAISE", data=raised)
        writer.append(session, "people", "DISCLOSURE", data={"reason": f"{MARK} telephone"})
        writer.append(session, "people", "RELEASE", data={"content": "0" * 64, "note": MARK})
    held = reserved(book)
    with book._store.writing() as session:
        writer.close(session, "people", held.id, f"{MARK} gone")


def test_a_ledger_of_an_earlier_version_is_read_and_its_public_words_are_named(book: Ledger) -> None:
    with reserved(book):
        pass
    as_before(book)
    assert book.verify().ok
    assert verify_extract(parse_extract(book.extract("people"), "extract")).ok
    state = book.pool("people")
    assert state is not None
    assert (state.epsilon, state.disclosures) == (2, 1)
    said = said_in_public(book.events())
    assert said is not None
    assert MARK not in said
    for named in ("event 4 (RAISE)", "event 5 (DISCLOSURE)", "event 6 (RELEASE)", "event 8 (ABORT)"):
        assert named in said
    assert "(CREATE)" not in said
    assert said.count("event ") == 4
    shown = CliRunner().invoke(APPLICATION, ["ledger", "show", "--events", "--ledger", book.where]).stdout
    assert f"{MARK} raise" in shown


def test_an_extract_for_others_names_public_words(book: Ledger, tmp_path: Path) -> None:
    as_before(book)
    words = ["ledger", "export", "--ledger", book.where, "-o", str(tmp_path / "e.jsonl")]
    assert "event 2 (RAISE)" in CliRunner().invoke(APPLICATION, [*words, "--public"]).stderr
    assert "RAISE" not in CliRunner().invoke(APPLICATION, [*words, "--force"]).stderr
