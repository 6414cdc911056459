"""The lemmas of docs/proofs/gdp.md, computed with 50 digits; a bound that is a little smaller fails."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction
from functools import cache

import mpmath
import numpy as np
import pytest
from mpmath import mpf

from dpsynth.errors import NoGuaranteeError
from dpsynth.privacy import laws
from dpsynth.privacy.governor import RANGE_MU2, pure_loss
from dpsynth.privacy.loss import UNITS

SCALES = (1.0, 1.001, 1.3, 2.0, 5.0, 30.0, 300.0)
RANGES = ("0.001", "0.05", "0.5", "1", "2", "4", "8", "20")
NARROW = 0.5
"""Up to this range the rational bound is within 2 % of the exact mu²."""


def exact(value: Fraction) -> mpf:
    return mpf(value.numerator) / value.denominator


@pytest.fixture(autouse=True)
def _fifty_digits():
    with mpmath.workdps(50):
        yield


def quantile(p: mpf) -> mpf:
    """Phi^-1(p) by Newton's method from a float, for p of at least 1e-300 and at most 1/2."""
    from scipy.special import ndtri

    x = mpf(float(ndtri(float(p))))
    for _ in range(6):
        density = mpmath.exp(-x * x / 2) / mpmath.sqrt(2 * mpmath.pi)
        x -= (mpmath.erfc(-x / mpmath.sqrt(2)) / 2 - p) / density
    return x


@cache
def gaps(scale: float) -> tuple[mpf, ...]:
    """The gaps t_{k+1} - t_k of the shift by one row, k from 0 to 12 scales (the others mirror them)."""
    with mpmath.workdps(50):
        sigma = exact(Fraction(scale))
        reach = math.ceil(12 * scale) + 3
        weights = [mpmath.exp(-(mpf(k) ** 2) / (2 * sigma**2)) for k in range(math.ceil(18 * scale) + 30)]
        total = weights[0] + 2 * sum(weights[1:])
        tails = [mpf(0)] * (len(weights) + 1)
        for k in range(len(weights) - 1, -1, -1):
            tails[k] = tails[k + 1] + weights[k] / total
        ts = [-quantile(tails[k]) for k in range(1, reach)]
        # P[X >= 0] is above one half: t_0 = -t_1
        return (2 * ts[0], *(after - before for before, after in itertools.pairwise(ts)))


def within(scale: float, mu2: mpf) -> bool:
    """Whether every vertex of the trade-off function of one row lies on or above that of mu-GDP."""
    return all(gap**2 <= mu2 for gap in gaps(scale))


@pytest.mark.parametrize("scale", SCALES)
def test_the_discrete_gaussian_is_gdp(scale):
    assert within(scale, exact(laws.gaussian_mu2(1, scale)))


@pytest.mark.parametrize(
    ("scale", "less"), [(1.0, "0.012"), (1.3, "0.005"), (2.0, "0.001"), (5.0, "3e-5"), (30.0, "1e-6")]
)
def test_a_smaller_mu2_of_the_discrete_gaussian_is_noticed(scale, less):
    assert not within(scale, exact(laws.gaussian_mu2(1, scale)) * (1 - mpf(less)))
    assert not within(scale, exact(laws.gaussian_mu2(1, scale)) * mpf("0.98"))


@pytest.mark.parametrize("scale", SCALES)
def test_the_widest_gap_is_the_middle_one(scale):
    assert max(gaps(scale)) == gaps(scale)[0]


@pytest.mark.parametrize("scale", [0.999999, 0.99, 0.5, 1e-3])
def test_a_scale_below_1_has_no_mu2(scale):
    with pytest.raises(NoGuaranteeError, match="at least 1"):
        laws.gaussian_mu2(1, scale)
    assert laws.gaussian_loss(1, scale).mu2 == 0


def test_each_step_of_the_discrete_lemma():
    """V(0) <= W²/12, V falls with |x|, R(c) >= R(0) >= W² (1 - W²/12), and R(0) > 3.9 at W² = 6."""

    def mass(x, width):
        return (mpmath.erf((x + width / 2) / mpmath.sqrt(2)) - mpmath.erf((x - width / 2) / mpmath.sqrt(2))) / 2

    def ratio(x, width):
        return mpmath.log(mass(x, width) ** 2 / (mass(x - width, width) * mass(x + width, width)))

    for width in map(mpf, ("0.05", "0.4", "1", "1.7", "2.4")):
        variances = [
            1 + mpmath.diff(lambda x, w=width: mpmath.log(mass(x, w)), x, 2) for x in map(mpf, (0, 0.3, 1, 2.5))
        ]
        assert variances[0] <= width**2 / 12
        assert all(after <= before for before, after in itertools.pairwise(variances))
        least = ratio(mpf(0), width)
        assert least >= width**2 * (1 - width**2 / 12)
        assert all(ratio(mpf(c), width) >= least for c in ("0.1", "0.7", "1.5", "3"))
    assert ratio(mpf(0), mpmath.sqrt(6)) > mpf("3.9")
    rising = [ratio(mpf(0), mpmath.sqrt(mpf(w2))) for w2 in ("1.0986", "2", "4", "6", "9", "16")]
    assert rising == sorted(rising)


@pytest.mark.parametrize("x", ["1e-6", "0.01", "0.3", "0.9", "1"])
def test_the_rational_bound_covers_the_root(x):
    x = mpf(x)
    assert 6 * (1 - mpmath.sqrt(1 - x / 3)) <= x * (1 + x / 12 + x**2 / 48)


@pytest.mark.parametrize("rows", [1, 3, 1000])
def test_rows_of_one_unit_add_up_in_mu(rows):
    assert laws.gaussian_mu2(rows, 4.3) == rows**2 * laws.gaussian_mu2(1, 4.3)


# --- the exponential mechanism ---------------------------------------------------------------------------------


def vertex(s: mpf, eta: mpf) -> mpf:
    """Phi^-1(1 - a(s)) + Phi^-1(1 - b(s)): the mu that the vertex of this shift asks for."""

    def place(t):
        share = (mpmath.exp(-t) - mpmath.exp(-eta)) / (1 - mpmath.exp(-eta))
        return -quantile(share) if share <= 0.5 else quantile(1 - share)

    return place(s) + place(eta - s)


def asked(eta: mpf) -> mpf:
    """The largest mu² of all shifts, on a grid that holds the middle."""
    return max(vertex(eta * mpf(i) / 40, eta) for i in range(1, 40)) ** 2


@pytest.mark.parametrize("eta", RANGES)
def test_bounded_range_is_gdp(eta):
    eta = mpf(eta)
    assert asked(eta) <= exact(RANGE_MU2) * eta**2
    assert asked(eta) == vertex(eta / 2, eta) ** 2
    closed = 2 * quantile(1 / (1 + mpmath.exp(eta / 2)))
    assert abs(closed**2 / asked(eta) - 1) < mpf("1e-30")


@pytest.mark.parametrize("eta", [eta for eta in RANGES if float(eta) <= NARROW])
def test_a_smaller_mu2_of_bounded_range_is_noticed(eta):
    eta = mpf(eta)
    assert asked(eta) > exact(RANGE_MU2) * eta**2 * mpf("0.98")


def test_the_constant_is_pi_over_8_rounded_up():
    assert mpmath.pi / 8 < exact(RANGE_MU2) < mpmath.pi / 8 * (1 + mpf("1e-5"))


def test_the_function_of_the_lemma_falls():
    def k(x):
        tail = mpmath.erfc(x / mpmath.sqrt(2)) / 2
        return tail * (1 - tail) * mpmath.exp(x * x / 2)

    values = [k(mpf(i) / 20) for i in range(200)]
    assert values == sorted(values, reverse=True)


@pytest.mark.parametrize("scale", [0.5, 3.0, 40.1])
def test_the_exponential_mechanism_meets_its_mu2(scale):
    """All subsets of outcomes as tests, on neighbors that move every score by the sensitivity, up or down."""
    scores = np.array([0, 1, 2, 4, 7], dtype=np.int64)
    mu = mpmath.sqrt(exact(laws.noisy_max_mu2(1, scale)))

    def law(moved):
        weights = [mpmath.exp(mpf(int(score)) / mpf(scale)) for score in moved]
        return [weight / sum(weights) for weight in weights]

    for signs in range(32):
        move = np.array([1 if signs >> i & 1 else -1 for i in range(5)])
        before, after = law(scores), law(scores + move)
        for subset in range(1, 31):
            first = sum(p for i, p in enumerate(before) if subset >> i & 1)
            second = 1 - sum(p for i, p in enumerate(after) if subset >> i & 1)
            bound = mpmath.erfc((quantile_any(first) + mu) / mpmath.sqrt(2)) / 2
            assert second >= bound * (1 - mpf("1e-30"))


def quantile_any(p: mpf) -> mpf:
    return quantile(p) if p <= 0.5 else -quantile(1 - p)


# --- pure epsilon ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("epsilon", ["1/1000", "1/2", "1", "3"])
def test_pure_epsilon_is_gdp(epsilon):
    """Randomized response is the worst mechanism of its epsilon: its one vertex is at 1 / (1 + e^epsilon)."""
    fraction = Fraction(epsilon)
    needed = (2 * quantile(1 / (1 + mpmath.exp(exact(fraction))))) ** 2
    charged = mpf(pure_loss(fraction).mu2) / UNITS
    assert needed <= charged
    if fraction <= Fraction(1, 2):
        assert needed > charged * mpf("0.98")
