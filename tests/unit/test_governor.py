"""Pools of each governor: what is compared, what is stated, what never changes; and a ledger from before them."""

from __future__ import annotations

import json
import math
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest

from dpsynth.errors import BudgetExceededError, LedgerError, UsageError
from dpsynth.ledger import Ledger, PoolState, Transaction
from dpsynth.ledger.chain import state_of, state_text
from dpsynth.ledger.machine import Pool
from dpsynth.privacy.conversions import budget_of, epsilon_of
from dpsynth.privacy.governor import Governor, governor_of, pure_loss
from dpsynth.privacy.laws import gaussian_loss, laplace_loss, noisy_max_loss
from dpsynth.privacy.loss import UNITS, PrivacyLoss
from dpsynth.privacy.unit import Unit

DELTA = Fraction(1, 10**9)
ONE = Fraction(1)
OLD = Path(__file__).resolve().parents[1] / "data" / "ledger-zcdp-v1.jsonl"
COMPONENT = {Governor.ZCDP: "rho", Governor.GDP: "mu2", Governor.PURE: "epsilon"}


def delta_of(governor: Governor) -> Fraction:
    return Fraction(0) if governor is Governor.PURE else DELTA


def pool(governor: Governor, epsilon: Fraction = ONE) -> tuple[Ledger, PoolState]:
    ledger = Ledger.in_memory()
    return ledger, ledger.create("people", epsilon=epsilon, delta=delta_of(governor), governor=governor)


def reserve(ledger: Ledger, loss: PrivacyLoss) -> Transaction:
    return ledger.reserve("people", loss, unit=Unit(), epsilon=ONE, delta=DELTA, method="mst")


@pytest.mark.parametrize("governor", Governor)
def test_only_the_governed_component_and_delta_are_compared(governor: Governor) -> None:
    budget = PrivacyLoss(10, 10, 10, 10)
    for name in ("rho", "mu2", "delta", "epsilon"):
        above = PrivacyLoss(**{name: 11})
        assert governor.fits(above, budget) == (name not in {COMPONENT[governor], "delta"})
    assert governor.units(PrivacyLoss(1, 2, 3, 4)) == {"zcdp": 1, "gdp": 2, "pure": 4}[governor]
    assert governor.amount(PrivacyLoss(UNITS, UNITS, 0, UNITS)) == 1


def test_a_pool_is_gdp_with_a_delta_and_pure_without() -> None:
    ledger = Ledger.in_memory()
    assert ledger.create("a", epsilon=ONE, delta=DELTA).governor is Governor.GDP
    assert ledger.create("b", epsilon=ONE, delta=Fraction(0)).governor is Governor.PURE
    assert ledger.create("c", epsilon=ONE, delta=DELTA, governor="zcdp").governor is Governor.ZCDP
    assert governor_of(DELTA, "zcdp") is Governor.ZCDP


@pytest.mark.parametrize(
    ("governor", "delta"), [("zcdp", Fraction(0)), ("gdp", Fraction(0)), ("pure", DELTA), ("renyi", DELTA), ("", DELTA)]
)
def test_a_governor_that_does_not_suit_is_refused(governor: str, delta: Fraction) -> None:
    ledger = Ledger.in_memory()
    with pytest.raises(UsageError):
        ledger.create("people", epsilon=ONE, delta=delta, governor=governor)
    assert ledger.pools() == ()


@pytest.mark.parametrize("governor", Governor)
def test_the_cap_is_granted_and_a_unit_more_is_not(governor: Governor) -> None:
    ledger, state = pool(governor)
    assert state.cap == budget_of(ONE, delta_of(governor), governor)
    more = PrivacyLoss(**{COMPONENT[governor]: governor.units(state.cap) + 1})
    with pytest.raises(BudgetExceededError):
        reserve(ledger, more)
    with reserve(ledger, state.cap) as transaction:
        transaction.touch()
        assert transaction.governor is governor
        with pytest.raises(BudgetExceededError):
            transaction.draw(more, {})
        transaction.draw(state.cap, {})
        transaction.commit({})
    spent = ledger.pools()[0]
    assert spent.spent_epsilon == 1
    assert spent.largest_next_epsilon(state.delta) == 0
    assert ledger.verify().ok


@pytest.mark.parametrize("governor", Governor)
def test_a_loss_of_nothing_in_the_currency_is_refused(governor: Governor) -> None:
    ledger, _ = pool(governor)
    others = {name: 5 for name in COMPONENT.values() if name != COMPONENT[governor]}
    with pytest.raises(UsageError, match="nothing"):
        reserve(ledger, PrivacyLoss(**others))


@pytest.mark.parametrize("governor", Governor)
def test_shares_add_up_in_the_currency(governor: Governor) -> None:
    ledger, state = pool(governor)
    fifth = state.share_of_cap(Fraction(1, 5))
    for _ in range(5):
        reserve(ledger, fifth)
    with pytest.raises(BudgetExceededError):
        reserve(ledger, fifth)
    stated = state.statement(fifth)[0]
    assert stated == epsilon_of(fifth, state.delta, governor)
    assert (stated == Decimal("0.2")) == (governor is Governor.PURE), "a fifth of mu² or rho is more than a fifth"


def test_gdp_grants_more_counts_for_the_same_guarantee() -> None:
    (_, gdp), (_, zcdp) = pool(Governor.GDP), pool(Governor.ZCDP)
    assert gdp.cap.mu2 / (2 * zcdp.cap.rho) == pytest.approx(1.105, abs=0.001)
    assert gdp.cap.rho >= gdp.cap.mu2 // 2


@pytest.mark.parametrize("governor", Governor)
def test_what_a_budget_affords_is_within_its_other_components(governor: Governor) -> None:
    budget = budget_of(ONE, delta_of(governor), governor)
    affordable = {
        Governor.ZCDP: [gaussian_loss(1, 5.9), noisy_max_loss(1, 5.9)],
        Governor.GDP: [gaussian_loss(1, 5.6), noisy_max_loss(1, 7.0)],
        Governor.PURE: [laplace_loss(1, 1.01)],
    }[governor]
    for loss in affordable:
        assert governor.units(budget) * 0.9 < governor.units(loss) <= governor.units(budget)
        assert loss.rho <= budget.rho
        assert loss.mu2 <= budget.mu2


@pytest.mark.parametrize("epsilon", [Fraction(1, 3), ONE, Fraction(7)])
def test_a_pure_budget_is_its_epsilon(epsilon: Fraction) -> None:
    budget = budget_of(epsilon, Fraction(0), Governor.PURE)
    assert budget.epsilon == epsilon * UNITS // 1
    assert budget.delta == 0
    assert (
        0
        <= Fraction(epsilon_of(budget, Fraction(0), Governor.PURE)) - Fraction(budget.epsilon, UNITS)
        < 10**-11 * epsilon
    )
    assert pure_loss(epsilon).epsilon >= epsilon * UNITS


@pytest.mark.parametrize("governor", Governor)
def test_a_raised_cap_keeps_the_governor(governor: Governor) -> None:
    ledger, _ = pool(governor)
    raised = ledger.raise_cap("people", epsilon=Fraction(2), delta=delta_of(governor), reason="more")
    assert raised.governor is governor
    assert raised.cap == budget_of(Fraction(2), delta_of(governor), governor)
    wrong = DELTA if governor is Governor.PURE else Fraction(0)
    with pytest.raises(UsageError, match="delta"):
        ledger.raise_cap("people", epsilon=Fraction(3), delta=wrong, reason="more")
    assert ledger.verify().ok


@pytest.mark.parametrize("governor", Governor)
def test_export_and_import_keep_the_governor(tmp_path: Path, governor: Governor) -> None:
    ledger = Ledger.open(tmp_path / "a.db")
    state = ledger.create("people", epsilon=ONE, delta=delta_of(governor), governor=governor)
    reserve(ledger, state.share_of_cap(Fraction(1, 2))).touch()
    ledger.export(tmp_path / "a.jsonl")
    other = Ledger.open(tmp_path / "b.db")
    other.import_(tmp_path / "a.jsonl")
    assert other.pools() == ledger.pools()
    assert other.verify().ok
    assert other.pools()[0].governor is governor


def test_a_cap_above_its_epsilon_is_found_whatever_the_governor(tmp_path: Path) -> None:
    for governor in Governor:
        ledger = Ledger.open(tmp_path / f"{governor}.db")
        ledger.create("people", epsilon=ONE, delta=delta_of(governor), governor=governor)
        path = tmp_path / f"{governor}.jsonl"
        ledger.export(path)
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        cap = lines[1]["body"]["data"]["cap"]
        cap[COMPONENT[governor]] = str(int(cap[COMPONENT[governor]]) * 101 // 100)
        forge(lines)
        path.write_text("\n".join(json.dumps(line) for line in lines) + "\n")
        with pytest.raises(LedgerError, match="cap is larger"):
            Ledger.open(tmp_path / f"{governor}-2.db").import_(path)


def forge(lines: list[dict[str, dict[str, object]]]) -> None:
    """Hashes and states that fit a CREATE that was changed."""
    from dpsynth.ledger.chain import canonical, digest
    from dpsynth.ledger.machine import apply

    header, event = lines
    body = event["body"]
    body["state"] = digest(state_text(apply(None, "CREATE", "", body["data"])))  # type: ignore[arg-type]
    event["hash"] = digest(canonical(body))  # type: ignore[assignment]
    header["pools"][0]["head"] = event["hash"]  # type: ignore[index]


@pytest.mark.parametrize("governor", Governor)
def test_the_state_of_a_pool_is_restored_from_its_text(governor: Governor) -> None:
    cap = PrivacyLoss(3, 5, 7, 11 if governor is Governor.PURE else 0)
    state = Pool("id", "row", ONE, DELTA, cap, governor)
    assert state_of(state_text(state)) == state
    assert ("governor" in state_text(state)) == (governor is not Governor.ZCDP)


def test_a_governor_nobody_knows_is_no_state() -> None:
    text = state_text(Pool("id", "row", ONE, DELTA, PrivacyLoss(), Governor.GDP)).replace("gdp", "renyi")
    with pytest.raises(LedgerError, match="malformed"):
        state_of(text)


# --- a ledger that an earlier version wrote ---------------------------------------------------------------------


@pytest.fixture
def old(tmp_path: Path) -> Ledger:
    ledger = Ledger.open(tmp_path / "ledger.db")
    ledger.import_(OLD)
    return ledger


def test_an_old_ledger_verifies_and_says_what_it_said(old: Ledger) -> None:
    (state,) = old.pools()
    assert old.verify().ok
    assert (state.governor, state.epsilon, state.delta) == (Governor.ZCDP, 2, DELTA)
    assert state.head == json.loads(OLD.read_text().splitlines()[0])["pools"][0]["head"]
    assert state.cap.rho == budget_of(Fraction(2), DELTA, Governor.ZCDP).rho
    draws = [event for event in old.events() if event.kind == "DRAW"]
    assert state.charged.rho == sum(int(event.data["loss"]["rho"]) for event in draws)
    assert state.spent_epsilon == epsilon_of(state.charged, DELTA, Governor.ZCDP)


def test_an_old_pool_stays_zcdp_and_is_never_cheaper_than_it_was(old: Ledger) -> None:
    (before,) = old.pools()
    created, new = old.ensure("people", epsilon=Fraction(9), delta=DELTA)
    assert not new
    assert created == before
    with pytest.raises(BudgetExceededError):
        reserve(old, PrivacyLoss(rho=before.available.rho + 1))
    with reserve(old, before.available) as transaction:
        transaction.touch()
        transaction.draw(gaussian_loss(1, 20.0), {})
        transaction.commit({})
    (after,) = old.pools()
    assert after.charged.rho == before.charged.rho + gaussian_loss(1, 20.0).rho
    raised = old.raise_cap("people", epsilon=Fraction(3), delta=DELTA, reason="more")
    assert (raised.governor, raised.cap.rho) == (Governor.ZCDP, budget_of(Fraction(3), DELTA).rho)
    assert old.verify(against={"people": before.head}).ok


@pytest.mark.parametrize("epsilon", [Fraction(1, 100), Fraction(1), Fraction(7, 3)])
def test_pure_epsilon_states_half_its_square_in_zcdp(epsilon):
    assert pure_loss(epsilon).rho == math.ceil(epsilon**2 / 2 * UNITS)
