"""Pools: creation, caps, units, shares, the largest next epsilon, and what is told when the budget is refused."""

from __future__ import annotations

import subprocess
import sys
from decimal import Decimal
from fractions import Fraction

import pytest

from dpsynth.errors import BudgetExceededError, LedgerError, UsageError
from dpsynth.ledger import Ledger, PoolState, Transaction
from dpsynth.privacy.conversions import budget_of, epsilon_of_rho
from dpsynth.privacy.loss import PrivacyLoss
from dpsynth.privacy.unit import Unit

ONE = Fraction(1)
DELTA = Fraction(1, 10**9)


@pytest.fixture
def ledger() -> Ledger:
    return Ledger.in_memory()


@pytest.fixture
def pool(ledger: Ledger) -> PoolState:
    return ledger.create("people", epsilon=ONE, delta=DELTA, governor="zcdp")


def reserve(ledger: Ledger, loss: PrivacyLoss, *, unit: Unit | None = None, pool: str = "people") -> Transaction:
    return ledger.reserve(pool, loss, unit=unit or Unit(), epsilon=ONE, delta=DELTA, method="mst")


def spend(ledger: Ledger, loss: PrivacyLoss) -> None:
    with reserve(ledger, loss) as transaction:
        transaction.touch()
        transaction.draw(loss, {"question": "measure"})
        transaction.commit({})


def test_a_new_pool_holds_what_its_epsilon_buys(pool: PoolState) -> None:
    assert pool.cap == pool.available == budget_of(ONE, DELTA)
    assert (pool.epsilon, pool.delta, pool.unit, pool.governor) == (ONE, DELTA, Unit(), "zcdp")
    assert (pool.charged, pool.reserved, pool.forfeited) == (PrivacyLoss(), PrivacyLoss(), PrivacyLoss())
    assert pool.spent_epsilon == 0
    assert pool.neighbors == "add-remove"
    assert len(pool.pool_id) == 36
    assert pool.ephemeral


def test_a_pool_is_created_once(ledger: Ledger, pool: PoolState) -> None:
    with pytest.raises(LedgerError, match="exists"):
        ledger.create("people", epsilon=ONE, delta=DELTA, governor="zcdp")
    assert ledger.ensure("people", epsilon=Fraction(5), delta=DELTA) == (pool, False)
    other, created = ledger.ensure("others", epsilon=Fraction(5), delta=DELTA)
    assert created
    assert ledger.pools() == (pool, other)
    assert ledger.pool("nobody") is None


@pytest.mark.parametrize("name", ["", " x", "x\n", "\x1b[31m", "x" * 201])
def test_a_pool_needs_a_printable_name(ledger: Ledger, name: str) -> None:
    with pytest.raises(UsageError, match="name"):
        ledger.create(name, epsilon=ONE, delta=DELTA, governor="zcdp")


@pytest.mark.parametrize(
    ("epsilon", "delta"),
    [
        (Fraction(0), DELTA),
        (Fraction(-1), DELTA),
        (ONE, ONE),
        (ONE, -DELTA),
        (Fraction(1, 10**12), Fraction(1, 10**200)),
    ],
)
def test_a_pool_without_a_budget_is_refused(ledger: Ledger, epsilon: Fraction, delta: Fraction) -> None:
    with pytest.raises(UsageError):
        ledger.create("people", epsilon=epsilon, delta=delta, governor="zcdp")
    assert ledger.pools() == ()


def test_another_unit_exits_four(ledger: Ledger) -> None:
    ledger.create("patients", epsilon=ONE, delta=DELTA, governor="zcdp", unit=Unit("patient", 4))
    loss = PrivacyLoss(rho=1)
    for unit in (Unit(), Unit("patient", 5), Unit("name", 4)):
        with pytest.raises(BudgetExceededError, match="unit") as caught:
            reserve(ledger, loss, unit=unit, pool="patients")
        assert caught.value.exit_code == 4
    assert reserve(ledger, loss, unit=Unit("patient", 4), pool="patients").remaining == loss


@pytest.mark.parametrize("discoveries", [False, True])
def test_a_refused_budget_says_what_is_left(ledger: Ledger, pool: PoolState, *, discoveries: bool) -> None:
    spend(ledger, PrivacyLoss(rho=pool.cap.rho // 2))
    before = ledger.events()
    with pytest.raises(BudgetExceededError) as caught:
        reserve(ledger, PrivacyLoss(rho=pool.cap.rho, delta=pool.cap.delta if discoveries else 0))
    left = ledger.pools()[0].largest_next_epsilon(DELTA, discoveries=discoveries)
    assert 0 < left < 1
    assert str(left) in str(caught.value)
    assert ledger.events() == before


def test_a_refused_delta_is_told_as_such(ledger: Ledger, pool: PoolState) -> None:
    spend(ledger, PrivacyLoss(rho=1, delta=pool.cap.delta))
    with pytest.raises(BudgetExceededError, match="refused") as caught:
        reserve(ledger, PrivacyLoss(rho=1, delta=1))
    assert "smaller --delta" in str(caught.value)


def test_the_largest_next_epsilon_is_granted_and_hardly_more_is_not(ledger: Ledger, pool: PoolState) -> None:
    assert pool.largest_next_epsilon(DELTA) == 1
    spend(ledger, pool.share_of_cap(Fraction(1, 3)))
    state = ledger.pools()[0]
    for delta in (DELTA / 2, DELTA / 10**3):
        largest = state.largest_next_epsilon(delta)
        assert state.fits(budget_of(Fraction(largest), delta))
        assert not state.fits(budget_of(Fraction(largest) * Fraction(10_001, 10_000), delta))
    spend(ledger, budget_of(Fraction(state.largest_next_epsilon(DELTA / 2)), DELTA / 2))


def test_a_next_fit_needs_its_part_of_delta_only_for_discoveries(ledger: Ledger, pool: PoolState) -> None:
    reserve(ledger, PrivacyLoss(rho=1, delta=pool.cap.delta))
    state = ledger.pools()[0]
    assert state.largest_next_epsilon(DELTA) == 0
    assert state.largest_next_epsilon(DELTA, discoveries=False) == Decimal("0.999999")


def test_nothing_is_left_of_a_spent_pool(ledger: Ledger, pool: PoolState) -> None:
    spend(ledger, pool.cap)
    state = ledger.pools()[0]
    assert state.available == PrivacyLoss()
    assert state.largest_next_epsilon(DELTA) == 0
    assert state.spent_epsilon == 1
    with pytest.raises(BudgetExceededError, match="epsilon 1 charged of the cap epsilon 1, delta 1e-9"):
        reserve(ledger, PrivacyLoss(rho=1))


def test_shares_state_their_own_guarantee(pool: PoolState) -> None:
    fifth = pool.share_of_cap(Fraction(1, 5))
    epsilon, delta = pool.statement(fifth)
    assert epsilon == epsilon_of_rho(fifth.rho_exact, DELTA * Fraction(9, 10))
    assert Decimal("0.43") < epsilon < Decimal("0.44"), "more than 1/5: shares compose in rho"
    assert DELTA * Fraction(9, 10) < delta < DELTA
    assert pool.statement(pool.cap)[1] <= DELTA
    for fraction in (Fraction(0), Fraction(-1, 5), Fraction(6, 5)):
        with pytest.raises(UsageError):
            pool.share_of_cap(fraction)


def test_five_fifths_are_granted_and_a_sixth_is_not(ledger: Ledger, pool: PoolState) -> None:
    fifth = pool.share_of_cap(Fraction(1, 5))
    for _ in range(5):
        spend(ledger, fifth)
    with pytest.raises(BudgetExceededError):
        reserve(ledger, fifth)


def test_a_cap_is_raised_with_a_reason(ledger: Ledger, pool: PoolState) -> None:
    raised = ledger.raise_cap("people", epsilon=Fraction(2), delta=DELTA, reason="a second study", actor="the board")
    assert raised.cap == budget_of(Fraction(2), DELTA)
    assert (raised.epsilon, raised.raised_late, raised.pool_id) == (2, False, pool.pool_id)
    event = ledger.events("people")[-1]
    assert (event.secret("reason"), event.secret("actor")) == ("a second study", "the board")
    assert set(event.data) == {"epsilon", "delta", "cap"}


def test_a_cap_raised_after_an_output_is_marked_for_good(ledger: Ledger, pool: PoolState) -> None:
    spend(ledger, pool.share_of_cap(Fraction(1, 10)))
    ledger.raise_cap("people", epsilon=Fraction(2), delta=DELTA, reason="more")
    ledger.raise_cap("people", epsilon=Fraction(3), delta=DELTA, reason="yet more")
    assert ledger.pools()[0].raised_late


@pytest.mark.parametrize(
    ("epsilon", "delta", "reason"),
    [
        (Fraction(1, 2), DELTA, "lower"),
        (ONE, DELTA, "the same"),
        (Fraction(2), DELTA / 2, "a lower delta"),
        (Fraction(999, 1000), DELTA * 100, "a lower epsilon"),
        (Fraction(2), DELTA, ""),
        (Fraction(2), DELTA, "  "),
    ],
)
def test_a_cap_never_falls_and_never_rises_without_a_reason(
    ledger: Ledger, pool: PoolState, epsilon: Fraction, delta: Fraction, reason: str
) -> None:
    with pytest.raises(UsageError):
        ledger.raise_cap("people", epsilon=epsilon, delta=delta, reason=reason)
    assert ledger.pools() == (pool,)


def test_an_unknown_pool_is_told(ledger: Ledger) -> None:
    calls = (
        lambda: reserve(ledger, PrivacyLoss(rho=1)),
        lambda: ledger.raise_cap("people", epsilon=ONE, delta=DELTA, reason="x"),
        lambda: ledger.record("people", "AUDIT", {}),
        lambda: ledger.extract("people"),
    )
    for call in calls:
        with pytest.raises(LedgerError, match="no such pool"):
            call()


def test_disclosures_audits_and_releases_are_recorded(ledger: Ledger, pool: PoolState) -> None:
    ledger.record("people", "DISCLOSURE", {"reason": "a table by hand"})
    ledger.record("people", "AUDIT", {"verdict": "PASS"})
    ledger.record("people", "RELEASE", {"content": "ab"}, private={"recipient": "a partner"})
    state = ledger.pools()[0]
    assert state.disclosures == 1
    assert (state.charged, state.events) == (pool.charged, 4)
    (release,) = ledger.events(releases=True)
    assert (release.kind, release.secret("recipient")) == ("RELEASE", "a partner")
    assert release.data == {"content": "ab"}
    with pytest.raises(UsageError):
        ledger.record("people", "DRAW", {})  # type: ignore[arg-type]


def test_events_tell_who_why_and_with_which_software(ledger: Ledger, pool: PoolState) -> None:
    ledger.reserve(
        "people",
        PrivacyLoss(rho=5),
        unit=Unit(),
        epsilon=Fraction(1, 2),
        delta=DELTA,
        purpose="a study",
        actor="ann",
        method="mst",
        details={"versions": {"opendp": "0.16.0"}},
    )
    event = ledger.events("people")[-1]
    assert (event.secret("purpose"), event.secret("actor")) == ("a study", "ann")
    assert event.secret("host")
    assert event.data["software"].startswith("dpsynth")
    assert event.data["details"] == {"versions": {"opendp": "0.16.0"}}
    assert (event.data["epsilon"], event.data["delta"], event.data["method"]) == ("1/2", "1/1000000000", "mst")


def test_in_memory_pools_of_two_ledgers_are_apart(pool: PoolState) -> None:
    assert Ledger.in_memory().pools() == ()
    assert pool.ephemeral


def test_the_ledger_loads_without_numpy_and_arrow() -> None:
    code = "import sys, dpsynth.ledger; print(sorted({'numpy', 'pyarrow', 'pandas', 'opendp'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
