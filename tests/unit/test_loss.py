"""PrivacyLoss: exact integers, directed rounding, composition."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpsynth.errors import UsageError
from dpsynth.privacy.loss import UNITS, PrivacyLoss, total

EXACT = st.fractions(min_value=0, max_value=1000)
UNITS_OF = st.integers(min_value=0, max_value=1 << 80)
LOSSES = st.builds(PrivacyLoss, UNITS_OF, UNITS_OF, UNITS_OF)


@given(EXACT, EXACT, EXACT)
def test_charges_are_rounded_up_and_budgets_down_by_less_than_one_unit(
    rho: Fraction, mu2: Fraction, delta: Fraction
) -> None:
    charge, budget = PrivacyLoss.charge(rho, mu2, delta), PrivacyLoss.budget(rho, mu2, delta)
    for exact, up, down in zip(
        (rho, mu2, delta),
        (charge.rho, charge.mu2, charge.delta),
        (budget.rho, budget.mu2, budget.delta),
        strict=True,
    ):
        assert down <= exact * UNITS <= up
        assert up - down == (0 if (exact * UNITS).denominator == 1 else 1)


@given(LOSSES, LOSSES)
def test_minus_undoes_plus_and_never_falls_below_zero(a: PrivacyLoss, b: PrivacyLoss) -> None:
    assert (a + b).minus(b) == a
    rest = a.minus(b)
    assert min(rest.rho, rest.mu2, rest.delta) >= 0
    assert a.upper(b) == b + rest


@given(LOSSES, st.lists(st.integers(1, 50), min_size=1, max_size=8))
def test_shares_of_a_partition_never_exceed_the_whole(loss: PrivacyLoss, parts: list[int]) -> None:
    whole = total([loss.share(Fraction(part, sum(parts))) for part in parts])
    assert whole.rho <= loss.rho
    assert loss.rho - whole.rho < len(parts)
    assert whole.mu2 <= loss.mu2
    assert whole.delta <= loss.delta


def test_the_whole_is_a_share_and_nothing_is_one() -> None:
    loss = PrivacyLoss(7, 8, 9)
    assert loss.share(Fraction(1)) == loss
    assert loss.share(Fraction(0)) == PrivacyLoss()
    assert loss.share(Fraction(1, 2)) == PrivacyLoss(3, 4, 4)


@pytest.mark.parametrize("fraction", [Fraction(-1, 2), Fraction(3, 2)])
def test_a_share_outside_zero_to_one_is_refused(fraction: Fraction) -> None:
    with pytest.raises(UsageError):
        PrivacyLoss(1, 1, 1).share(fraction)


@pytest.mark.parametrize("value", [-1, 1.0, True, "1", None])
def test_only_whole_numbers_of_at_least_zero_are_losses(value: object) -> None:
    with pytest.raises(UsageError):
        PrivacyLoss(rho=value)  # type: ignore[arg-type]


def test_exact_views() -> None:
    loss = PrivacyLoss.budget(rho=Fraction(1, 4), delta=Fraction(1, 8))
    assert (loss.rho_exact, loss.delta_exact) == (Fraction(1, 4), Fraction(1, 8))
    assert total([]) == PrivacyLoss()
