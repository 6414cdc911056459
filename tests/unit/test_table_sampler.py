"""The table sampler is exact: its thresholds enclose the law, and bits at, beside and beyond them decide rightly.

The law is computed anew with mpmath, to hundreds of digits; e^-x also with fractions alone.
"""

from __future__ import annotations

import functools
import io
import itertools
import math
from bisect import bisect_right
from fractions import Fraction

import mpmath
import numpy as np
import pytest

from dpsynth.curator import table_sampler
from dpsynth.curator.mechanisms import DiscreteGaussian
from dpsynth.curator.noise import TableGaussian
from dpsynth.curator.table_sampler import (
    LARGEST_SCALE,
    SMALLEST_SCALE,
    TableSampler,
    exponential,
    first_draw,
    magnitude,
    saturated_sum,
    signed,
    table_suits,
    thresholds,
)
from dpsynth.errors import UsageError

SCALES = (0.125, 0.25, 0.5, 0.7, 1.0, 1.1, 2.0, 1 / 0.3, 4.3, 12.35, 34.25, 64.0)
WORD = 1 << 63


@functools.cache
def cumulative(scale: float, bits: int) -> list[Fraction]:
    """P[|X| ≤ m] for m = 0, 1, ... until the rest is below 2**-bits squared, each right to 4 · bits + 200 bits."""
    with mpmath.workprec(4 * bits + 300):
        exponent = -1 / (2 * mpmath.mpf(scale) ** 2)
        weights, reach = [mpmath.mpf(1)], mpmath.mpf(2) ** (-4 * bits - 250)
        while weights[-1] > reach:
            weights.append(2 * mpmath.exp(exponent * len(weights) ** 2))
        whole = mpmath.fsum(weights)
        sums = itertools.accumulate(weights)
        return [as_fraction(one / whole) for one in sums]


def as_fraction(number: mpmath.mpf) -> Fraction:
    sign, mantissa, exponent, _ = number._mpf_
    assert not sign
    return Fraction(int(mantissa)) * Fraction(2) ** int(exponent)


def quantile(law: list[Fraction], point: Fraction) -> int:
    """The least m with P[|X| ≤ m] > point."""
    return bisect_right(law, point)


def series(exponent: Fraction) -> tuple[Fraction, Fraction]:
    """Two neighboring partial sums of the alternating series of e^-x, x ≤ 1: exact bounds."""
    partial, term = Fraction(0), Fraction(1)
    for n in range(1, 200):
        if term < Fraction(1, 1 << 400):
            break
        partial += term if n % 2 else -term
        term = term * exponent / n
    return min(partial, partial + term, partial - term), max(partial, partial + term, partial - term)


# --- the thresholds --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bits", [72, 159, 222, 348])
@pytest.mark.parametrize("exponent", [Fraction(1), Fraction(1, 3), Fraction(1, 2**29), Fraction(0.7) ** 2])
def test_an_exponential_lies_between_its_bounds(exponent, bits):
    low, high = exponential(exponent, bits)
    least, most = series(exponent)
    assert low <= least * (1 << bits) <= most * (1 << bits) <= high
    assert high - low <= 3


@pytest.mark.parametrize("bits", [63, 126])
@pytest.mark.parametrize("scale", [SMALLEST_SCALE, 0.3])
def test_an_exponential_of_a_large_exponent_lies_between_its_bounds(scale, bits):
    exponent = 1 / (2 * Fraction(scale) ** 2)
    low, high = exponential(exponent, bits)
    with mpmath.workprec(600):
        exact = as_fraction(mpmath.exp(-mpmath.mpf(exponent.numerator) / exponent.denominator))
    assert low <= exact * (1 << bits) <= high <= low + 3


@pytest.mark.parametrize("side", [-1, 1])
def test_an_exponential_beside_an_integer_stays_on_its_side(side):
    """Exponents for which e^-x is nearer to k / 16 than the decimals can tell: only outward rounding is right."""
    for k in range(1, 16):
        with mpmath.workprec(400):
            exponent = as_fraction(-mpmath.log(mpmath.mpf(k) / 16)).limit_denominator(10**30) + Fraction(side, 10**25)
            exact = as_fraction(mpmath.exp(-mpmath.mpf(exponent.numerator) / exponent.denominator))
        low, high = exponential(exponent, 4)
        assert low <= exact * 16 <= high
        assert (low, high) == (k - 1, k + 1)


@pytest.mark.parametrize("bits", [8, 63, 126])
@pytest.mark.parametrize("scale", SCALES)
def test_the_thresholds_enclose_the_law(scale, bits):
    below, sure = thresholds(scale, bits)
    law = cumulative(scale, bits)
    assert len(sure) == len(below) + 1
    assert sure[0] == 0
    assert sure[-1] == 1 << bits
    for m, low in enumerate(below[:-1]):
        assert low <= law[m] * (1 << bits) <= sure[m + 1] <= low + 2
    assert below[-1] <= law[len(below) - 1] * (1 << bits)
    assert below == sorted(below)
    assert sure == sorted(sure)


def test_the_law_of_the_tests_is_a_theta_function():
    """The normalizer of the tests, against another route: Σ q^(k²) is the third theta function at 0."""
    for scale in (0.5, 1.1, 2.0):
        with mpmath.workprec(400):
            q = mpmath.exp(-1 / (2 * mpmath.mpf(scale) ** 2))
            first = as_fraction(1 / mpmath.jtheta(3, 0, q))
        assert abs(first - cumulative(scale, 50)[0]) < Fraction(1, 1 << 380)


@pytest.mark.parametrize("scale", [251.7, LARGEST_SCALE])
def test_a_large_table_is_as_sharp(scale):
    below, sure = thresholds(scale, 63)
    widths = [high - low for low, high in zip(below[:-1], sure[1:-1], strict=True)]
    assert max(widths) <= 2
    assert WORD - below[-1] <= 2
    assert 9.3 * scale < len(below) < 9.4 * scale
    with mpmath.workprec(300):
        # Poisson summation: the normalizer is σ √(2π), up to a factor of 1 + 2 e^(-2π²σ²).
        first = as_fraction(1 / (mpmath.mpf(scale) * mpmath.sqrt(2 * mpmath.pi)))
        ratio = as_fraction(mpmath.exp(-50 / mpmath.mpf(scale) ** 2))  # of the weights of 10 and 0
    assert below[0] <= first * WORD <= sure[1]
    assert below[10] - sure[10] <= 2 * ratio * first * WORD <= sure[11] - below[9]


def test_below_the_smallest_scale_a_word_could_not_tell_noise():
    assert 1 - cumulative(0.106, 63)[0] < Fraction(1, WORD) < 1 - cumulative(0.107, 63)[0]
    assert 1 - cumulative(SMALLEST_SCALE, 63)[0] > 2**17 * Fraction(1, WORD)


# --- the decisions ---------------------------------------------------------------------------------------------


class Bits:
    """A string of bits: the given pieces in turn, then zeros; remembers what was asked."""

    def __init__(self, *pieces):
        self.pieces = list(pieces)
        self.asked = []

    def __call__(self, bits):
        self.asked.append(bits)
        piece = self.pieces.pop(0) if self.pieces else 0
        assert 0 <= piece < 1 << bits
        return piece


class UndecidedError(Exception):
    pass


def stop(bits):
    raise UndecidedError


@pytest.mark.parametrize("scale", [0.5, 0.7, 1.1])
def test_all_strings_of_twelve_bits_together_are_the_law(scale):
    """Every string that 12 bits decide, counted: no magnitude gets more than its probability, nor misses more than
    the strings that stay undecided hold."""
    decided, undecided = {}, 0
    for head, tail in itertools.product(range(64), range(64)):
        more = iter([tail])
        try:
            found = magnitude(scale, head, 6, lambda bits, more=more: next(more) if bits == 6 else stop(bits))
        except UndecidedError:
            undecided += 1
        else:
            decided[found] = decided.get(found, 0) + 1
    law = cumulative(scale, 12)
    below, _ = thresholds(scale, 12)
    assert undecided <= 2 * len(below) + 1
    for m, low in enumerate([Fraction(0), *law[:-1]]):
        exact = (law[m] - low) * 4096
        assert decided.get(m, 0) <= exact <= decided.get(m, 0) + undecided


def near(scale, bits):
    """All strings of so many bits within two of a threshold, and the ends."""
    law = cumulative(scale, bits)
    centers = [math.floor(point * (1 << bits)) for point in law]
    around = {center + step for center in centers for step in (-2, -1, 0, 1, 2)}
    return sorted(value for value in around | {0, (1 << bits) - 1} if 0 <= value < 1 << bits), law


@pytest.mark.parametrize("scale", SCALES)
def test_words_beside_a_threshold_decide_rightly_or_not_at_all(scale):
    heads, law = near(scale, 63)
    below, sure = (np.array(bounds, dtype=np.uint64) for bounds in thresholds(scale, 63))
    noise, undecided = first_draw(np.array(heads, dtype=np.uint64) << np.uint64(1), below, sure)
    waiting = set(undecided.tolist())
    for place, head in enumerate(heads):
        first, last = (quantile(law, Fraction(end, WORD << 200)) for end in (head << 200, ((head + 1) << 200) - 1))
        if place in waiting:
            continue
        assert first == last == noise[place]
    steps = [math.floor(point * WORD) for point in law if point * WORD < WORD - 1]
    assert {heads.index(step) for step in steps} <= waiting


@pytest.mark.parametrize("scale", [0.25, 0.7, 1.0, 1 / 0.3, 4.3])
def test_bits_along_a_threshold_are_read_until_they_leave_it(scale):
    """The expansion of a threshold itself, to 252 bits: just below it |X| ≤ m, from it on |X| > m."""
    law = cumulative(scale, 126)
    for m, point in enumerate(law):
        exact = math.floor(point * (1 << 252))
        if 1 - point < Fraction(1, 1 << 60):
            break
        for step in (-(1 << 40), -3, 3, 1 << 40):
            value = exact + step
            bits = Bits(value >> 126 & (WORD - 1), value & ((1 << 126) - 1))
            assert signed(value >> 189 << 1, scale, bits) == m + (step > 0)
            assert bits.asked == [63, 126]


@pytest.mark.parametrize("scale", [0.125, 0.7, 1.0, 4.3, 34.25])
@pytest.mark.parametrize("rounds", [1, 2])
def test_the_tail_is_extended_until_it_decides(scale, rounds):
    """A string of 63 or 126 ones and then zeros: the quantile of 1 - 2**-63 or 1 - 2**-126."""
    ones = 63 * 2 ** (rounds - 1)
    law = cumulative(scale, ones)
    expected = quantile(law, 1 - Fraction(1, 1 << ones))
    bits = Bits(*[WORD - 1][: rounds - 1])
    assert signed(2**64 - 2, scale, bits) == expected
    assert bits.asked == [63, 126][:rounds]
    assert signed(2**64 - 1, scale, Bits(*[WORD - 1][: rounds - 1])) == -expected


@pytest.mark.parametrize("scale", SCALES)
def test_the_array_and_the_single_draw_agree(scale):
    words = np.random.default_rng(3).integers(0, 2**64, 40, dtype=np.uint64)
    below, sure = (np.array(bounds, dtype=np.uint64) for bounds in thresholds(scale, 63))
    noise, undecided = first_draw(words, below, sure)
    assert not len(undecided)
    assert noise.dtype == np.int64
    assert noise.tolist() == [signed(word, scale, stop) for word in words.tolist()]
    law = cumulative(scale, 63)
    assert [quantile(law, Fraction(word >> 1, WORD)) for word in words.tolist()] == np.abs(noise).tolist()
    flipped, _ = first_draw(words ^ np.uint64(1), below, sure)
    assert (flipped == -noise).all()


def test_bits_that_follow_never_change_a_decision():
    scale = 1.1
    for head in range(256):
        try:
            early = magnitude(scale, head, 8, stop)
        except UndecidedError:
            continue
        for tail in (0, 1, 127, 255):
            assert magnitude(scale, head << 8 | tail, 16, Bits()) == early


# --- the sampler -----------------------------------------------------------------------------------------------


@pytest.fixture
def system(monkeypatch):
    """Stands in for the operating system's generator: what is asked, and a made-up answer."""
    answers = np.random.default_rng(5)
    asked = []

    def token_bytes(size):
        asked.append(answers.bytes(size))
        return asked[-1]

    monkeypatch.setattr(table_sampler.secrets, "token_bytes", token_bytes)
    monkeypatch.setattr(table_sampler.secrets, "randbits", stop)
    return asked


def test_every_cell_has_eight_fresh_bytes_of_its_own(system):
    counts = np.arange(150_000, dtype=np.int64).reshape(2, 3, -1)
    noisy = TableSampler(4.3)(counts)
    words = np.frombuffer(b"".join(system), dtype=np.uint64)
    assert len(words) == counts.size
    assert noisy.shape == counts.shape
    places = np.random.default_rng(1).choice(counts.size, 500, replace=False)
    for place in [*places.tolist(), 0, 65_535, 65_536, 131_072, counts.size - 1]:
        assert noisy.flat[place] - counts.flat[place] == signed(int(words[place]), 4.3, stop)


def test_noise_is_drawn_afresh_by_every_call():
    sampler = TableSampler(50.0)
    zeros = np.zeros(1_000, dtype=np.int64)
    assert (sampler(zeros) != sampler(zeros)).sum() > 900  # fewer once in more than 1e100 runs


def test_counts_are_left_alone_and_may_be_read_only_or_empty():
    counts = np.full((3, 4), 7, dtype=np.int64)
    counts.setflags(write=False)
    noisy = TableSampler(2.0)(counts.T)
    assert noisy.shape == (4, 3)
    assert noisy.dtype == np.int64
    assert (counts == 7).all()
    assert TableSampler(2.0)(np.zeros((0, 3), dtype=np.int64)).shape == (0, 3)


def test_an_undecided_cell_is_settled_with_more_bits_of_the_system(monkeypatch):
    words = io.BytesIO(np.array([2**64 - 2, 0, 2**64 - 1], dtype=np.uint64).tobytes())
    monkeypatch.setattr(table_sampler, "_BLOCK_CELLS", 2)
    monkeypatch.setattr(table_sampler.secrets, "token_bytes", words.read)
    more = Bits(WORD - 1, 5, 1, 5)
    monkeypatch.setattr(table_sampler.secrets, "randbits", more)
    counts = np.array([10, 20, -1], dtype=np.int64)
    noisy = TableSampler(4.3)(counts)
    first = signed(2**64 - 2, 4.3, Bits(WORD - 1, 5))
    last = signed(2**64 - 1, 4.3, Bits(1, 5))
    assert more.asked[0] == 63
    assert noisy.tolist() == [10 + first, 20, -1 + last]
    assert first > 4.3 * 12 > -last > 4.3 * 9


def test_an_undecided_cell_saturates_too(monkeypatch):
    words = np.array([2**64 - 2, 2**64 - 1], dtype=np.uint64)
    monkeypatch.setattr(table_sampler.secrets, "token_bytes", lambda size: words.tobytes())
    monkeypatch.setattr(table_sampler.secrets, "randbits", Bits())
    counts = np.array([2**63 - 3, -(2**63) + 3], dtype=np.int64)
    assert TableSampler(4.3)(counts).tolist() == [2**63 - 1, -(2**63)]


def test_sums_saturate_and_are_exact_otherwise():
    ends = [-(2**63), -(2**63) + 1, -5, -1, 0, 1, 5, 2**63 - 2, 2**63 - 1]
    pairs = list(itertools.product(ends, [-(2**62), -5, -1, 0, 1, 5, 2**62]))
    counts, noise = (np.array(side, dtype=np.int64) for side in zip(*pairs, strict=True))
    exact = [min(max(count + step, -(2**63)), 2**63 - 1) for count, step in pairs]
    assert saturated_sum(counts, noise).tolist() == exact


@pytest.mark.parametrize(
    "scale",
    [math.nextafter(SMALLEST_SCALE, 0), 0.1, 0.0, -1.0, math.nextafter(LARGEST_SCALE, math.inf), math.inf, math.nan],
)
def test_a_scale_outside_the_limits_is_refused(scale, system):
    with pytest.raises(UsageError, match="scale from 1/8 to 16384"):
        TableSampler(scale)
    assert not table_suits(10**9, [scale])
    assert not table_suits(10**9, [1.0, scale])
    assert system == []


@pytest.mark.parametrize("scale", [0.1, 2.0**14 + 1])
def test_a_mechanism_refuses_a_table_outside_its_limits(scale):
    with pytest.raises(UsageError, match="scale from 1/8 to 16384"):
        TableGaussian(1, scale)
    assert DiscreteGaussian(1, scale).sampler == "opendp"


@pytest.mark.parametrize(
    ("cells", "scales", "expected"),
    [
        (100_000, [4.3], False),
        (100_001, [4.3], True),
        (100_001, [SMALLEST_SCALE, 1.0], True),
        (100_001, [10_000.0], True),
        (100_001, [10_001.0], False),  # the table would be larger than the answer
        (100_020, [10_001.0] * 50, True),  # one table for all of one scale
        (200_000, [10_000.0, 10_001.0], False),
        (200_020, [10_000.0, 10_001.0], True),
        (10**7, [LARGEST_SCALE], True),
    ],
)
def test_tables_are_for_many_cells_and_never_larger_than_the_answer(cells, scales, expected):
    assert table_suits(cells, scales) is expected
