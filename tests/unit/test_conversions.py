"""zCDP ↔ (epsilon, delta): tight against OpenDP and dp-accounting, sound against exact Gaussian curves, directed."""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from dpsynth.errors import UsageError
from dpsynth.privacy.conversions import (
    DELTA_CONVERSION,
    budget_of,
    epsilon_of_rho,
    mu2_of_epsilon,
    rho_of_epsilon,
)
from dpsynth.privacy.loss import UNITS

EPSILONS = st.fractions(min_value=Fraction(1, 1000), max_value=50, max_denominator=10**6)
RHOS = st.fractions(min_value=Fraction(1, 10**6), max_value=100, max_denominator=10**9)
DELTAS = st.integers(min_value=1, max_value=30).map(lambda power: Fraction(1, 10**power))
POINTS = [(rho, delta) for rho in ("1e-6", "0.014973", "0.12", "1", "40") for delta in ("1e-5", "1e-9", "1e-12")]


@pytest.mark.parametrize(
    ("epsilon", "delta", "rho"),
    [
        ("0.1", "1e-9", 0.000177),
        ("1", "1e-5", 0.030557),
        ("1", "1e-6", 0.024356),
        ("1", "1e-9", 0.014973),
        ("3", "1e-9", 0.120582),
        ("10", "1e-9", 1.090786),
    ],
)
def test_the_published_table(epsilon: str, delta: str, rho: float) -> None:
    assert float(rho_of_epsilon(Fraction(epsilon), Fraction(delta))) == pytest.approx(rho, abs=6e-7)


@pytest.mark.parametrize(("rho", "delta"), POINTS)
def test_agrees_with_opendp(rho: str, delta: str) -> None:
    import opendp.prelude as dp

    dp.enable_features("contrib")
    space = dp.vector_domain(dp.atom_domain(T="i64")), dp.l2_distance(T=float)
    scale = math.sqrt(1 / (2 * float(rho)))
    measurement = dp.m.make_gaussian(*space, scale=scale)
    theirs = dp.c.make_zCDP_to_approxDP(measurement).map(1.0).epsilon(float(delta))
    ours = float(epsilon_of_rho(Fraction(measurement.map(1.0)), Fraction(float(delta))))
    assert ours == pytest.approx(theirs, rel=1e-5)
    assert ours <= theirs * (1 + 1e-9), "ours is the infimum over alpha: never above another valid bound"


@pytest.mark.parametrize(("rho", "delta"), POINTS)
def test_agrees_with_dp_accounting(rho: str, delta: str) -> None:
    from dp_accounting.rdp.rdp_privacy_accountant import compute_epsilon

    orders = 1 + np.geomspace(1e-4, 1e7, 40_000)
    theirs, _ = compute_epsilon(orders, orders * float(rho), float(delta))
    ours = float(epsilon_of_rho(Fraction(rho), Fraction(delta)))
    assert ours == pytest.approx(theirs, rel=2e-6)
    assert ours <= theirs * (1 + 1e-9)


@given(RHOS, DELTAS)
def test_sound_for_the_gaussian_mechanism(rho: Fraction, delta: Fraction) -> None:
    """The exact delta of a Gaussian of this rho, at our epsilon, is at most delta (Balle & Wang 2018, Theorem 8)."""
    epsilon, mu = float(epsilon_of_rho(rho, delta)), math.sqrt(2 * float(rho))
    above, below = norm.logcdf(mu / 2 - epsilon / mu), epsilon + norm.logcdf(-mu / 2 - epsilon / mu)
    exact = math.exp(above) * -math.expm1(min(below - above, 0.0))
    assert exact <= float(delta) * (1 + 1e-9)


@given(EPSILONS, DELTAS)
def test_a_budget_never_buys_more_than_its_epsilon(epsilon: Fraction, delta: Fraction) -> None:
    rho = rho_of_epsilon(epsilon, delta)
    assert (rho * UNITS).denominator == 1, "a whole number of units"
    # Rounding up at the 12th digit may lift the statement by one part in 10**11.
    assert Fraction(epsilon_of_rho(rho, delta)) <= epsilon * (1 + Fraction(1, 10**11))
    assert Fraction(epsilon_of_rho(rho + Fraction(rho, 10**6), delta)) > epsilon, "tight"


@given(RHOS, DELTAS)
def test_the_two_directions_are_inverse(rho: Fraction, delta: Fraction) -> None:
    epsilon = Fraction(epsilon_of_rho(rho, delta))
    if epsilon > 0:
        assert float(rho_of_epsilon(epsilon, delta)) == pytest.approx(float(rho), rel=1e-6)


@given(RHOS, RHOS, DELTAS)
def test_epsilon_grows_with_rho(a: Fraction, b: Fraction, delta: Fraction) -> None:
    low, high = sorted((a, b))
    assert epsilon_of_rho(low, delta) <= epsilon_of_rho(high, delta)


@given(RHOS, DELTAS, DELTAS)
def test_epsilon_falls_with_delta(rho: Fraction, a: Fraction, b: Fraction) -> None:
    low, high = sorted((a, b))
    assert epsilon_of_rho(rho, high) <= epsilon_of_rho(rho, low)


@given(EPSILONS, EPSILONS, DELTAS)
def test_rho_grows_with_epsilon(a: Fraction, b: Fraction, delta: Fraction) -> None:
    low, high = sorted((a, b))
    assert rho_of_epsilon(low, delta) <= rho_of_epsilon(high, delta)


def test_mu2_keeps_its_accuracy_at_tiny_deltas() -> None:
    delta = Fraction(1, 10**17)
    assert mu2_of_epsilon(Fraction(1270, 619771), delta) < mu2_of_epsilon(Fraction(761, 351000), delta)


@given(RHOS, DELTAS)
def test_epsilon_is_rounded_up_at_the_twelfth_digit(rho: Fraction, delta: Fraction) -> None:
    stated = epsilon_of_rho(rho, delta)
    assert len(stated.as_tuple().digits) <= 12
    loose = _bound(float(rho), float(delta), 1.7)
    assert float(stated) <= max(loose, 0.0) * (1 + 1e-11) + 1e-300


def _bound(rho: float, delta: float, alpha: float) -> float:
    return alpha * rho + (alpha * math.log(1 - 1 / alpha) - math.log(alpha - 1) - math.log(delta)) / (alpha - 1)


@given(EPSILONS, DELTAS)
def test_delta_is_split_nine_to_one(epsilon: Fraction, delta: Fraction) -> None:
    budget = budget_of(epsilon, delta)
    assert budget.rho_exact == rho_of_epsilon(epsilon, delta * Fraction(9, 10))
    assert budget.delta == math.floor(delta * UNITS / 10)
    assert budget.delta_exact + delta * DELTA_CONVERSION <= delta
    assert budget.mu2 > 0


@pytest.mark.parametrize("epsilon", [Fraction(712), Fraction(715), Fraction(720), Fraction(10_000)])
@pytest.mark.parametrize("delta", [Fraction(1, 10**9), Fraction(2, 5), Fraction(99, 100)])
def test_huge_epsilons_do_not_overflow(epsilon: Fraction, delta: Fraction) -> None:
    assert rho_of_epsilon(epsilon, delta) > 0
    assert mu2_of_epsilon(epsilon, delta) > 0


def test_mu2_is_a_gaussian_within_its_epsilon() -> None:
    mu = math.sqrt(mu2_of_epsilon(Fraction(1), Fraction(1, 10**9)))
    exact = norm.cdf(mu / 2 - 1 / mu) - math.e * norm.cdf(-mu / 2 - 1 / mu)
    assert exact <= 1e-9 * (1 + 1e-9)
    assert mu**2 / 2 == pytest.approx(0.016557, rel=1e-4)


def test_nothing_costs_nothing() -> None:
    assert epsilon_of_rho(Fraction(0), Fraction(1, 10**9)) == Decimal(0)


@pytest.mark.parametrize("delta", [Fraction(0), Fraction(1), Fraction(-1), Fraction(2), Fraction(1, 10**400)])
def test_delta_outside_its_range_is_refused(delta: Fraction) -> None:
    for convert in (epsilon_of_rho, rho_of_epsilon, mu2_of_epsilon, budget_of):
        with pytest.raises(UsageError, match="delta"):
            convert(Fraction(1), delta)


@pytest.mark.parametrize("epsilon", [Fraction(0), Fraction(-1), Fraction(10**400), Fraction(1, 10**400)])
def test_epsilon_outside_its_range_is_refused(epsilon: Fraction) -> None:
    for convert in (rho_of_epsilon, mu2_of_epsilon, budget_of):
        with pytest.raises(UsageError, match="epsilon"):
            convert(epsilon, Fraction(1, 10**9))


@pytest.mark.parametrize("rho", [Fraction(-1), Fraction(10**400)])
def test_rho_outside_its_range_is_refused(rho: Fraction) -> None:
    with pytest.raises(UsageError, match="rho"):
        epsilon_of_rho(rho, Fraction(1, 10**9))
