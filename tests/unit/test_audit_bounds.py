"""Bounds of the audit: exact coverage against enumeration, published ceilings, and epsilon of a known mechanism."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from dpsynth.audit.bounds import (
    ceiling,
    clopper_pearson,
    epsilon_lower,
    epsilon_lower_of_guesses,
    epsilon_lower_of_ratios,
    mu_ceiling,
    mu_lower,
    order_of,
)
from dpsynth.errors import UsageError


@pytest.mark.parametrize("trials", [1, 7, 60])
@pytest.mark.parametrize("alpha", [0.05, 0.2])
def test_a_bound_misses_at_most_as_often_as_it_says(trials, alpha):
    counts = np.arange(trials + 1)
    lower = np.array([clopper_pearson(int(k), trials, alpha, "lower") for k in counts])
    upper = np.array([clopper_pearson(int(k), trials, alpha, "upper") for k in counts])
    worst = 0.0
    for chance in np.linspace(0.001, 0.999, 333):
        law = stats.binom.pmf(counts, trials, chance)
        for missed in (law[lower > chance].sum(), law[upper < chance].sum()):
            assert missed <= alpha
            worst = max(worst, missed)
    assert worst > alpha / 2


def test_a_bound_is_where_the_binomial_tail_is_alpha():
    assert stats.binom.sf(56, 100, clopper_pearson(57, 100, 0.05, "lower")) == pytest.approx(0.05)
    assert stats.binom.cdf(57, 100, clopper_pearson(57, 100, 0.05, "upper")) == pytest.approx(0.05)


def test_nothing_seen_says_nothing():
    assert clopper_pearson(0, 0, 0.05, "lower") == 0
    assert clopper_pearson(0, 0, 0.05, "upper") == 1
    assert mu_lower(0, 0, 0.05) == 0
    assert epsilon_lower(0, 0, 0, 0.05, 1e-5) == 0
    assert order_of(0, 0.05, 1e-5) is None
    assert epsilon_lower_of_ratios(np.zeros(0), 0.05, 1e-5, np.random.default_rng(0)) is None
    assert mu_ceiling(0, 0.05) == ceiling(0, 0.05) == 0


@pytest.mark.parametrize(("successes", "trials", "alpha"), [(-1, 5, 0.05), (6, 5, 0.05), (1, 5, 0.0), (1, 5, 1.0)])
def test_impossible_counts_and_levels_are_refused(successes, trials, alpha):
    with pytest.raises(UsageError):
        clopper_pearson(successes, trials, alpha, "lower")


@pytest.mark.parametrize(
    ("trials", "published"),
    [(100, 3.28), (500, 4.91), (1_000, 5.60), (2_000, 6.29), (5_000, 7.21), (10_000, 7.90), (100_000, 10.2)],
)
def test_ceilings_are_those_that_are_known(trials, published):
    assert ceiling(trials, 0.05) == pytest.approx(published, abs=0.01 if published < 10 else 0.05)


def test_a_perfect_test_reaches_its_ceiling_and_a_blind_one_nothing():
    assert epsilon_lower(0, 0, 1_000, 0.05, 1e-5) == ceiling(1_000, 0.05, 1e-5)
    assert epsilon_lower(500, 500, 1_000, 0.05, 0.0) == 0
    assert epsilon_lower(1_000, 1_000, 1_000, 0.05, 0.0) == 0
    assert mu_lower(1_000, 1_000, 0.05) == mu_ceiling(1_000, 0.05)


def test_the_epsilon_of_errors_is_the_published_formula():
    positive, negative = (clopper_pearson(k, 1_000, 0.025, "upper") for k in (40, 300))
    expected = max(math.log((1 - 0.01 - positive) / negative), math.log((1 - 0.01 - negative) / positive))
    assert epsilon_lower(40, 300, 1_000, 0.05, 0.01) == pytest.approx(expected)
    assert epsilon_lower(300, 40, 1_000, 0.05, 0.01) == pytest.approx(expected)


def profile(epsilon, mu):
    return stats.norm.cdf(-epsilon / mu + mu / 2) - math.exp(epsilon) * stats.norm.cdf(-epsilon / mu - mu / 2)


def test_the_epsilon_of_exact_ratios_covers_that_of_a_gaussian_and_comes_near():
    """Of 400 bounds at alpha = 0.05 more than 41 above the truth would happen with probability below 1e-5."""
    mu, delta, rng = 0.9, 1e-3, np.random.default_rng(7)
    low, high = 0.0, 20.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if profile(middle, mu) > delta else (low, middle)
    bounds = np.array(
        [epsilon_lower_of_ratios(rng.normal(mu**2 / 2, mu, 50_000), 0.05, delta, rng) for _ in range(400)]
    )
    above = int((bounds > low).sum())
    assert stats.binom.sf(41, 400, 0.05) < 1e-5
    assert 2 <= above <= 41
    assert np.median(bounds) > 0.95 * low


def test_too_few_ratios_are_said_to_be_too_few():
    rng = np.random.default_rng(1)
    assert order_of(1, 0.05, 0.04) == 1
    assert order_of(1, 0.05, 0.06) is None
    assert order_of(400_000, 0.05, 1e-5) == 9
    assert epsilon_lower_of_ratios(np.full(10, -3.0), 0.05, 1e-5, rng) == 0


def test_epsilon_of_guesses_is_what_the_best_test_of_randomized_response_shows():
    """Randomized response is right with chance (e^ε + δ)/(1 + e^ε): the bound of so many guesses tends to ε."""
    epsilon, delta, trials = 2.0, 0.01, 10**9
    right = (math.exp(epsilon) + delta) / (1 + math.exp(epsilon))
    assert epsilon_lower_of_guesses(round(right * trials), trials, 0.05, delta) == pytest.approx(epsilon, abs=1e-3)
    assert epsilon_lower_of_guesses(round(right * 100), 100, 0.05, delta) < epsilon
    assert epsilon_lower_of_guesses(50, 100, 0.05, 0.0) == epsilon_lower_of_guesses(0, 100, 0.05, 0.5) == 0
    assert epsilon_lower_of_guesses(0, 0, 0.05, 0.0) == 0
    assert 3.4 < epsilon_lower_of_guesses(100, 100, 0.05, 1e-5) < 3.6
