"""mu² ↔ (epsilon, delta) and the normal's tails: exact against dp-accounting and mpmath, directed, monotone."""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction

import mpmath
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dpsynth.errors import UsageError
from dpsynth.privacy import conversions, normal
from dpsynth.privacy.conversions import budget_of, epsilon_of_mu2, epsilon_of_rho, mu2_of_epsilon, rho_of_epsilon
from dpsynth.privacy.governor import Governor
from dpsynth.privacy.loss import UNITS

EPSILONS = st.fractions(min_value=Fraction(1, 1000), max_value=50, max_denominator=10**6)
MU2S = st.fractions(min_value=Fraction(1, 10**6), max_value=200, max_denominator=10**9)
DELTAS = st.integers(min_value=1, max_value=30).map(lambda power: Fraction(1, 10**power))
TOLERANCE = 1 + Fraction(1, 10**11)
"""Rounding up at the 12th digit may lift a statement by one part in 10**11."""

few = settings(max_examples=25)


def exact_delta(epsilon: Fraction, mu2: Fraction) -> mpmath.mpf:
    """Corollary 2.13 of Dong, Roth & Su with enough digits for any cancellation."""
    with mpmath.workdps(120):
        e = mpmath.mpf(epsilon.numerator) / epsilon.denominator
        mu = mpmath.sqrt(mpmath.mpf(mu2.numerator) / mu2.denominator)
        near, far = (mpmath.erfc((e / mu + sign * mu / 2) / mpmath.sqrt(2)) / 2 for sign in (-1, 1))
        return near - mpmath.exp(e) * far


@pytest.mark.parametrize("epsilon", ["0.1", "1", "3", "10"])
@pytest.mark.parametrize("delta", ["1e-5", "1e-9", "1e-12"])
def test_agrees_with_dp_accounting(epsilon: str, delta: str) -> None:
    from dp_accounting.pld.privacy_loss_mechanism import GaussianPrivacyLoss

    mu2 = mu2_of_epsilon(Fraction(epsilon), Fraction(delta))
    theirs = GaussianPrivacyLoss(standard_deviation=1 / math.sqrt(mu2), sensitivity=1)
    assert theirs.get_delta_for_epsilon(float(epsilon)) == pytest.approx(float(delta), rel=1e-6)
    accountant = GaussianPrivacyLoss.from_privacy_guarantee
    from dp_accounting.pld.common import DifferentialPrivacyParameters

    fitted = accountant(DifferentialPrivacyParameters(float(epsilon), float(delta)))
    assert float(mu2) == pytest.approx(fitted.standard_deviation**-2, rel=1e-6)


@pytest.mark.parametrize("budget", ["1/100", "1/3", "1", "7"])
def test_pure_epsilon_agrees_with_dp_accounting(budget: str) -> None:
    """The discrete Laplace that spends a pure budget has, by dp-accounting, no delta at that epsilon and one below."""
    from dp_accounting.pld.privacy_loss_mechanism import DiscreteLaplacePrivacyLoss

    units = budget_of(Fraction(budget), Fraction(0), Governor.PURE).epsilon
    law = DiscreteLaplacePrivacyLoss(parameter=units / UNITS, sensitivity=1)
    assert law.get_delta_for_epsilon(float(Fraction(budget)) * (1 + 1e-9)) == 0
    assert law.get_delta_for_epsilon(float(Fraction(budget)) * (1 - 1e-6)) > 0


@few
@given(EPSILONS, DELTAS)
def test_a_budget_never_buys_more_than_its_epsilon(epsilon: Fraction, delta: Fraction) -> None:
    mu2 = mu2_of_epsilon(epsilon, delta)
    assert (mu2 * UNITS).denominator == 1, "a whole number of units"
    with mpmath.workdps(120):
        goal = mpmath.mpf(delta.numerator) / delta.denominator
        assert exact_delta(epsilon, mu2) <= goal
        assert exact_delta(epsilon, mu2 * (1 + Fraction(1, 10**10)) + Fraction(2, UNITS)) > goal, "tight"


@few
@given(MU2S, DELTAS)
def test_a_statement_is_true_and_tight(mu2: Fraction, delta: Fraction) -> None:
    stated = epsilon_of_mu2(mu2, delta)
    assert len(stated.as_tuple().digits) <= 12
    with mpmath.workdps(120):
        goal = mpmath.mpf(delta.numerator) / delta.denominator
        assert exact_delta(Fraction(stated), mu2) <= goal
        if stated > 0:
            assert exact_delta(Fraction(stated) * (1 - Fraction(2, 10**11)), mu2) > goal


@few
@given(MU2S, DELTAS)
def test_gdp_states_no_more_than_the_zcdp_that_it_implies(mu2: Fraction, delta: Fraction) -> None:
    assert Fraction(epsilon_of_mu2(mu2, delta)) <= Fraction(epsilon_of_rho(mu2 / 2, delta)) * TOLERANCE


@few
@given(EPSILONS, DELTAS)
def test_gdp_buys_no_less_than_zcdp(epsilon: Fraction, delta: Fraction) -> None:
    assert mu2_of_epsilon(epsilon, delta) >= 2 * rho_of_epsilon(epsilon, delta)


@few
@given(MU2S, MU2S, DELTAS)
def test_epsilon_grows_with_mu2(a: Fraction, b: Fraction, delta: Fraction) -> None:
    low, high = sorted((a, b))
    assert Fraction(epsilon_of_mu2(low, delta)) <= Fraction(epsilon_of_mu2(high, delta)) * TOLERANCE


@few
@given(EPSILONS, DELTAS)
def test_delta_is_split_nine_to_one(epsilon: Fraction, delta: Fraction) -> None:
    budget = budget_of(epsilon, delta, Governor.GDP)
    assert Fraction(budget.mu2, UNITS) == mu2_of_epsilon(epsilon, delta * Fraction(9, 10))
    assert budget.delta == math.floor(delta * UNITS / 10)
    assert budget.rho >= budget.mu2 // 2


@pytest.mark.parametrize("delta", ["1e-300", "1e-30", "0.5", "0.99"])
@pytest.mark.parametrize("epsilon", ["1e-6", "1", "1e4", "1e6"])
def test_extreme_guarantees_are_true_in_both_directions(epsilon: str, delta: str) -> None:
    mu2 = mu2_of_epsilon(Fraction(epsilon), Fraction(delta))
    assert mu2 > 0
    back = Fraction(epsilon_of_mu2(min(mu2, Fraction(2 * 10**6)), Fraction(delta)))
    assert back <= Fraction(epsilon) * TOLERANCE


def test_nothing_costs_nothing_and_little_may_cost_no_epsilon() -> None:
    assert epsilon_of_mu2(Fraction(0), Fraction(1, 10**9)) == Decimal(0)
    assert epsilon_of_mu2(Fraction(1, 100), Fraction(1, 2)) == Decimal(0)


@pytest.mark.parametrize("mu2", [Fraction(-1), Fraction(10**7)])
def test_mu2_outside_its_range_is_refused(mu2: Fraction) -> None:
    with pytest.raises(UsageError, match="mu²"):
        epsilon_of_mu2(mu2, Fraction(1, 10**9))


@pytest.mark.parametrize("x", ["-40", "-3.3", "-1e-9", "0", "1e-20", "0.5", "5.999", "6", "6.001", "12", "38", "1500"])
def test_tails_of_the_normal_lie_between_their_bounds(x: str) -> None:
    low, high = normal.upper_tail(Decimal(x))
    with mpmath.workdps(100):
        exact = mpmath.erfc(mpmath.mpf(x) / mpmath.sqrt(2)) / 2
        below, above = mpmath.mpf(str(low)), mpmath.mpf(str(high))
        assert below < exact < above
        assert above - below < exact * mpmath.mpf("1e-35")
        density = mpmath.exp(-(mpmath.mpf(x) ** 2) / 2) / mpmath.sqrt(2 * mpmath.pi)
        assert abs(mpmath.mpf(str(normal.density(Decimal(x)))) / density - 1) < mpmath.mpf("1e-60")


def test_a_search_never_decides_what_is_true() -> None:
    """However wrong the search ends, the answer holds: the proved value, when nothing near the search's end does."""
    wrong, proved = Decimal(5), Decimal(10)
    assert conversions._nearest(lambda _: wrong, wrong, proved, lambda value: value >= 7) == proved
    found = conversions._nearest(lambda _: wrong, wrong, proved, lambda value: value > wrong)
    assert wrong < found < Decimal("5.001")
