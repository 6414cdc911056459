"""``ledger show`` and ``ledger forfeit``: a reservation of a lost machine is found, and ended once."""

import json
from fractions import Fraction

import pytest
from click.testing import CliRunner, Result

from dpsynth.cli.main import APPLICATION
from dpsynth.errors import LedgerError
from dpsynth.ledger import Ledger, Transaction, owner
from dpsynth.privacy.conversions import budget_of
from dpsynth.privacy.unit import Unit

DELTA = Fraction(1, 10**9)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(APPLICATION, list(arguments))


@pytest.fixture
def held(tmp_path, monkeypatch) -> Transaction:
    """A reservation of the whole cap by a process of another host."""
    monkeypatch.setenv("DPSYNTH_LEDGER", str(tmp_path / "team.db"))
    monkeypatch.setattr(owner, "host", lambda: "far-away")
    book = Ledger.open()
    state = book.create("people", epsilon=Fraction(1), delta=DELTA)
    transaction = book.reserve("people", state.cap, unit=Unit(), epsilon=Fraction(1), delta=DELTA, method="mst")
    monkeypatch.undo()
    monkeypatch.setenv("DPSYNTH_LEDGER", str(tmp_path / "team.db"))
    return transaction


def test_show_lists_what_is_held_elsewhere(held: Transaction) -> None:
    shown = run("ledger", "show").stdout
    assert "Fits running now: 1" in shown
    assert held.id in shown
    assert "far-away" in shown
    assert "dpsynth ledger forfeit" in shown
    (record,) = json.loads(run("ledger", "show", "--json").stdout)["result"]["pools"][0]["held"]
    assert (record["transaction"], record["host"], record["reading"]) == (held.id, "far-away", False)


def test_what_read_nothing_is_given_back(held: Transaction) -> None:
    done = run("ledger", "forfeit", held.id, "--reason", "that machine is gone")
    assert done.exit_code == 0
    assert "Given back" in done.stderr
    assert "A next fit may ask for epsilon 1 at most." in done.stderr
    state = Ledger.open().pools()[0]
    assert state.live == ()
    assert state.charged.rho == 0


def test_what_may_have_read_is_charged_in_full_and_spends_no_more(held: Transaction) -> None:
    held.touch()
    done = json.loads(run("ledger", "forfeit", held.id[:8], "--reason", "gone", "--json").stdout)["result"]
    assert (done["transaction"], done["charged"]) == (held.id, True)
    assert done["pool"]["charged"]["epsilon"] == 1.0
    ended = Ledger.open().events("people")[-1]
    assert (ended.data["reason"], ended.secret("reason")) == ("ended by hand", "gone")
    assert "gone" in run("ledger", "show", "--events").stdout
    with pytest.raises(LedgerError):
        held.draw(budget_of(Fraction(1, 10), DELTA), {"question": "measure"})
    again = run("ledger", "forfeit", held.id, "--reason", "gone")
    assert again.exit_code == 2
    assert "no live reservation" in again.stderr


@pytest.mark.parametrize("name", ["nothing", "-", "ffffffffffffffff"])
def test_an_unknown_transaction_ends_nothing(held: Transaction, name: str) -> None:
    result = run("ledger", "forfeit", name, "--reason", "gone")
    assert result.exit_code == 2
    assert "dpsynth ledger show" in result.stderr
    assert len(Ledger.open().pools()[0].live) == 1


def test_the_beginning_must_be_long_enough_and_the_reason_given(held: Transaction) -> None:
    assert run("ledger", "forfeit", held.id[:7], "--reason", "gone").exit_code == 2
    assert run("ledger", "forfeit", held.id).exit_code == 2
    assert run("ledger", "forfeit", held.id, "--reason", " ").exit_code == 2
    assert len(Ledger.open().pools()[0].live) == 1
