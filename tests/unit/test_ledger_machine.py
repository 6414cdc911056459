"""The state machine: every transition in every state is either legal or refused, and the cap holds throughout."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from dpsynth.errors import BudgetExceededError, DpsynthError, LedgerError
from dpsynth.ledger.machine import FIXED, Pool, apply
from dpsynth.privacy.conversions import DELTA_CONVERSION
from dpsynth.privacy.loss import PrivacyLoss
from dpsynth.privacy.receipt import loss_record

CAP = PrivacyLoss(100, 100, 10)
HALF = PrivacyLoss(50, 50, 5)


def facts(**changes: Any) -> dict[str, Any]:
    created = {
        "governor": "zcdp",
        "pool_id": "id",
        "unit": "row",
        "epsilon": "1",
        "delta": "1/10",
        "cap": loss_record(CAP),
    }
    return {**FIXED, **created, **changes}


def data_of(kind: str, loss: PrivacyLoss = HALF) -> dict[str, Any]:
    """Data with which the step is legal after RESERVE of HALF and, where needed, TOUCH."""
    return {
        "CREATE": facts(),
        "RAISE": {"epsilon": "2", "delta": "1/10", "cap": loss_record(PrivacyLoss(200, 200, 10)), "reason": "r"},
        "RESERVE": {"unit": "row", "loss": loss_record(loss)},
        "DRAW": {"draw": 1, "loss": loss_record(loss), "question": {}},
        "COMMIT": {"drawn": loss_record(PrivacyLoss()), "summary": {}},
        "FORFEIT": {"reason": "r", "charged": loss_record(loss)},
    }.get(kind, {})


@pytest.fixture
def pool() -> Pool:
    return apply(None, "CREATE", "", facts())


@pytest.fixture
def reserved(pool: Pool) -> Pool:
    return apply(pool, "RESERVE", "t", data_of("RESERVE"))


@pytest.fixture
def touched(reserved: Pool) -> Pool:
    return apply(reserved, "TOUCH", "t", {})


KINDS = ["CREATE", "RAISE", "RESERVE", "ABORT", "TOUCH", "DRAW", "COMMIT", "FORFEIT", "DISCLOSURE", "AUDIT", "RELEASE"]
OF_POOL = {"RAISE", "DISCLOSURE", "AUDIT", "RELEASE"}
LEGAL = {
    "absent": {"CREATE"},
    "pool": OF_POOL | {"RESERVE"},
    "reserved": OF_POOL | {"ABORT", "TOUCH"},
    "touched": OF_POOL | {"DRAW", "COMMIT", "FORFEIT"},
    "aborted": OF_POOL | {"RESERVE"},
    "committed": OF_POOL | {"RESERVE"},
    "forfeited": OF_POOL | {"RESERVE"},
}


def state_named(name: str, pool: Pool, reserved: Pool, touched: Pool) -> Pool | None:
    return {
        "absent": None,
        "pool": pool,
        "reserved": reserved,
        "touched": touched,
        "aborted": apply(reserved, "ABORT", "t", {}),
        "committed": apply(touched, "COMMIT", "t", data_of("COMMIT")),
        "forfeited": apply(touched, "FORFEIT", "t", data_of("FORFEIT")),
    }[name]


@pytest.mark.parametrize("kind", [*KINDS, "SPEND", "create", ""])
@pytest.mark.parametrize("state", LEGAL)
def test_each_step_in_each_state(state: str, kind: str, pool: Pool, reserved: Pool, touched: Pool) -> None:
    before = state_named(state, pool, reserved, touched)
    if kind in LEGAL[state]:
        after = apply(before, kind, "t", data_of(kind))
        assert after.charged.rho + after.reserved.rho <= after.cap.rho
    else:
        with pytest.raises(LedgerError):
            apply(before, kind, "t", data_of(kind))


def test_a_commit_returns_what_was_never_drawn(touched: Pool) -> None:
    drawn = PrivacyLoss(20, 7, 1)
    after = apply(touched, "DRAW", "t", {"draw": 1, "loss": loss_record(drawn)})
    assert (after.charged, after.reserved) == (drawn, PrivacyLoss(30, 43, 4))
    after = apply(after, "COMMIT", "t", {"drawn": loss_record(drawn)})
    assert (after.charged, after.reserved, after.forfeited) == (drawn, PrivacyLoss(), PrivacyLoss())


def test_a_forfeit_charges_the_larger_of_reservation_and_draws_in_each_component(touched: Pool) -> None:
    # mu² is recorded only: its draws may exceed the reservation.
    drawn = PrivacyLoss(20, 70, 1)
    after = apply(touched, "DRAW", "t", {"draw": 1, "loss": loss_record(drawn)})
    after = apply(after, "FORFEIT", "t", {"charged": loss_record(PrivacyLoss(50, 70, 5))})
    assert after.charged == after.forfeited == PrivacyLoss(50, 70, 5)
    assert after.reserved == PrivacyLoss()


def test_an_abort_returns_everything(pool: Pool, reserved: Pool) -> None:
    assert apply(reserved, "ABORT", "t", {}) == pool


@pytest.mark.parametrize("loss", [PrivacyLoss(51, 0, 0), PrivacyLoss(1, 0, 6)])
def test_a_reservation_beyond_the_cap_is_refused_in_each_governed_component(reserved: Pool, loss: PrivacyLoss) -> None:
    with pytest.raises(BudgetExceededError):
        apply(reserved, "RESERVE", "u", data_of("RESERVE", loss))


def test_the_last_unit_of_the_cap_can_be_reserved_and_not_one_more(reserved: Pool) -> None:
    full = apply(reserved, "RESERVE", "u", data_of("RESERVE", PrivacyLoss(50, 10**9, 5)))
    assert full.reserved.rho == CAP.rho
    with pytest.raises(BudgetExceededError):
        apply(full, "RESERVE", "v", data_of("RESERVE", PrivacyLoss(1, 0, 0)))


@pytest.mark.parametrize("loss", [PrivacyLoss(51, 0, 0), PrivacyLoss(1, 0, 6)])
def test_a_draw_beyond_its_reservation_is_refused(touched: Pool, loss: PrivacyLoss) -> None:
    with pytest.raises(BudgetExceededError):
        apply(touched, "DRAW", "t", data_of("DRAW", loss))


def test_draws_add_up_to_the_reservation_and_no_further(touched: Pool) -> None:
    after = apply(touched, "DRAW", "t", {"draw": 1, "loss": loss_record(PrivacyLoss(30, 0, 0))})
    after = apply(after, "DRAW", "t", {"draw": 2, "loss": loss_record(PrivacyLoss(20, 0, 0))})
    with pytest.raises(BudgetExceededError):
        apply(after, "DRAW", "t", {"draw": 3, "loss": loss_record(PrivacyLoss(1, 0, 0))})


def test_another_unit_is_refused(pool: Pool) -> None:
    with pytest.raises(BudgetExceededError, match="unit"):
        apply(pool, "RESERVE", "t", {**data_of("RESERVE"), "unit": "person:3"})


@pytest.mark.parametrize("draw", [0, 2, -1, "1"])
def test_draws_are_numbered(touched: Pool, draw: Any) -> None:
    with pytest.raises(LedgerError):
        apply(touched, "DRAW", "t", {**data_of("DRAW"), "draw": draw})


@pytest.mark.parametrize("kind", ["COMMIT", "FORFEIT"])
def test_an_end_must_state_what_it_charges(touched: Pool, kind: str) -> None:
    wrong = loss_record(PrivacyLoss(1, 0, 0))
    with pytest.raises(LedgerError):
        apply(touched, kind, "t", {"drawn": wrong, "charged": wrong})


@pytest.mark.parametrize(
    "change",
    [
        {"cap": loss_record(PrivacyLoss(99, 200, 20))},
        {"cap": loss_record(PrivacyLoss(200, 200, 9))},
        {"cap": loss_record(CAP)},
        {"epsilon": "1/2"},
        {"delta": "1/20"},
    ],
)
def test_a_cap_never_falls(pool: Pool, change: dict[str, Any]) -> None:
    with pytest.raises(LedgerError):
        apply(pool, "RAISE", "", {**data_of("RAISE"), **change})


def test_a_raise_is_late_once_an_answer_was_drawn(touched: Pool) -> None:
    assert not apply(touched, "RAISE", "", data_of("RAISE")).raised_late
    answered = apply(touched, "DRAW", "t", data_of("DRAW"))
    late = apply(answered, "RAISE", "", data_of("RAISE"))
    assert late.raised_late
    assert (late.cap.rho, late.epsilon) == (200, Fraction(2))
    assert apply(late, "AUDIT", "", {}).raised_late
    disclosed = apply(touched, "DISCLOSURE", "", {})
    assert apply(disclosed, "RAISE", "", data_of("RAISE")).raised_late, "a disclosure is an output too"
    again = {"epsilon": "3", "delta": "1/10", "cap": loss_record(PrivacyLoss(300, 150, 10))}
    assert apply(late, "RAISE", "", again).cap == PrivacyLoss(300, 200, 10)


def test_disclosures_are_counted(pool: Pool) -> None:
    after = apply(apply(pool, "DISCLOSURE", "", {}), "DISCLOSURE", "", {})
    assert after.disclosures == 2
    assert after.charged == PrivacyLoss()


@pytest.mark.parametrize("name", FIXED)
def test_a_pool_of_another_kind_is_refused(name: str) -> None:
    with pytest.raises(LedgerError):
        apply(None, "CREATE", "", facts(**{name: "something else"}))


def test_the_fixed_split_of_delta_is_the_one_that_conversions_use() -> None:
    assert FIXED["delta_conversion"] == str(DELTA_CONVERSION)


@pytest.mark.parametrize("unit", ["", "rows", "person", "person:0"])
def test_a_pool_of_an_unknown_unit_is_refused(unit: str) -> None:
    with pytest.raises(DpsynthError):
        apply(None, "CREATE", "", facts(unit=unit))


def test_transactions_do_not_disturb_each_other(touched: Pool) -> None:
    both = apply(touched, "RESERVE", "u", data_of("RESERVE"))
    both = apply(both, "TOUCH", "u", {})
    both = apply(both, "DRAW", "u", data_of("DRAW", PrivacyLoss(5, 5, 0)))
    after = apply(both, "FORFEIT", "t", data_of("FORFEIT"))
    assert after.live["u"].drawn == PrivacyLoss(5, 5, 0)
    with pytest.raises(DpsynthError):
        apply(after, "DRAW", "t", data_of("DRAW"))
