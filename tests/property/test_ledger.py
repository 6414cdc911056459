"""Whatever is asked in whatever order, the cap holds, the chain verifies, and the balance is the sum of the events."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule

from dpsynth.errors import BudgetExceededError, LedgerError, UsageError
from dpsynth.ledger import Ledger, Transaction
from dpsynth.privacy.conversions import budget_of
from dpsynth.privacy.governor import Governor
from dpsynth.privacy.loss import PrivacyLoss, total
from dpsynth.privacy.unit import Unit

DELTA = Fraction(1, 10**9)
SHARES = st.fractions(min_value=Fraction(1, 1000), max_value=Fraction(2, 3), max_denominator=1000)


class Model:
    """The plain reckoning that the ledger is compared with."""

    def __init__(self, cap: PrivacyLoss) -> None:
        self.cap = cap
        self.ended: list[PrivacyLoss] = []
        self.live: dict[str, tuple[PrivacyLoss, list[PrivacyLoss]]] = {}

    @property
    def held(self) -> PrivacyLoss:
        return total([*self.ended, *(loss.upper(total(draws)) for loss, draws in self.live.values())])


class Spending(RuleBasedStateMachine):
    fresh: Bundle[Transaction] = Bundle("fresh")
    touched: Bundle[Transaction] = Bundle("touched")
    ended: Bundle[Transaction] = Bundle("ended")

    @initialize(governor=st.sampled_from(Governor))
    def create(self, governor: Governor) -> None:
        self.ledger = Ledger.in_memory()
        self.epsilon, self.governor = Fraction(1), governor
        self.delta = Fraction(0) if governor is Governor.PURE else DELTA
        created = self.ledger.create("people", epsilon=self.epsilon, delta=self.delta, governor=governor)
        self.model = Model(created.cap)

    @rule(target=fresh, share=SHARES)
    def reserve(self, share: Fraction) -> Any:
        loss = self.model.cap.share(share)
        room = self.model.cap.minus(self.model.held)
        try:
            transaction = self.ledger.reserve(
                "people", loss, unit=Unit(), epsilon=self.epsilon, delta=DELTA, method="mst"
            )
        except BudgetExceededError:
            assert not self.governor.fits(loss, room)
            return multiple()
        assert self.governor.fits(loss, room)
        self.model.live[transaction.id] = (loss, [])
        return transaction

    @rule(target=touched, transaction=consumes(fresh))
    def touch(self, transaction: Transaction) -> Transaction:
        transaction.touch()
        return transaction

    @rule(target=ended, transaction=consumes(fresh))
    def abort(self, transaction: Transaction) -> Transaction:
        transaction.abort()
        del self.model.live[transaction.id]
        return transaction

    @rule(transaction=touched, share=SHARES)
    def draw(self, transaction: Transaction, share: Fraction) -> None:
        if transaction.id not in self.model.live:
            return
        reservation, draws = self.model.live[transaction.id]
        loss = reservation.share(share)
        left = reservation.minus(total(draws))
        try:
            receipt = transaction.draw(loss, {"question": "measure"})
        except BudgetExceededError:
            assert not self.governor.fits(loss, left)
            return
        assert receipt.loss == loss
        draws.append(loss)

    @rule(target=ended, transaction=consumes(touched), commit=st.booleans())
    def end(self, transaction: Transaction, *, commit: bool) -> Transaction:
        reservation, draws = self.model.live.pop(transaction.id)
        transaction.commit({}) if commit else transaction.forfeit("the property says so")
        self.model.ended.append(total(draws) if commit else reservation.upper(total(draws)))
        return transaction

    @rule(transaction=ended)
    def nothing_comes_after_the_end(self, transaction: Transaction) -> None:
        before = self.ledger.events()
        for step in (transaction.touch, transaction.abort, lambda: transaction.commit({})):
            try:
                step()
            except LedgerError:
                continue
            raise AssertionError("an ended transaction moved")
        assert self.ledger.events() == before

    @rule(factor=st.fractions(min_value=Fraction(1, 2), max_value=2, max_denominator=10))
    def raise_cap(self, factor: Fraction) -> None:
        wanted = self.epsilon * factor
        try:
            self.ledger.raise_cap("people", epsilon=wanted, delta=self.delta, reason="more")
        except UsageError:
            assert factor <= 1
            return
        self.epsilon, self.model.cap = wanted, budget_of(wanted, self.delta, self.governor).upper(self.model.cap)

    @invariant()
    def the_cap_holds_and_the_sums_agree(self) -> None:
        if not hasattr(self, "ledger"):
            return
        state = self.ledger.pools()[0]
        held = state.charged + state.reserved
        assert held == self.model.held
        assert state.cap == self.model.cap
        assert self.governor.fits(held, state.cap)
        assert self.ledger.verify().ok


Spending.TestCase.settings = settings(max_examples=10, stateful_step_count=25)
TestSpending = Spending.TestCase
