"""The room's primitives follow their exact laws, and the audit that says so sees noise that is 10 % off.

One run of the first four tests alarms falsely with probability at most 1e-6 (audit/primitives.py says how). The other
tests feed the audit wrong noise and must see it rejected; they miss with the complement of the stated power.
"""

from __future__ import annotations

import functools

import numpy as np
import pytest
from noise_laws import report
from scipy import stats

from dpsynth.audit.primitives import (
    FLIP_SCALES,
    LAPLACE_SCALES,
    SCALES,
    SELECTION_SCALES,
    audit_flip,
    audit_gaussian,
    audit_laplace,
    audit_selection,
    chi_square,
    flip_law,
    flip_scores,
    gaussian_law,
    laplace_law,
    rejected,
    selection_law,
    selection_scores,
)
from dpsynth.curator.mechanisms import DiscreteGaussian, NoisyMax
from dpsynth.curator.noise import TableGaussian
from dpsynth.curator.pure import DiscreteLaplace, PermuteAndFlip
from dpsynth.privacy.laws import (
    deviation,
    discrete_gaussian_log_probability,
    discrete_laplace_log_probability,
    noisy_max_log_probabilities,
    permute_and_flip_log_probabilities,
)

DRAWS = 8_000
TABLE_DRAWS = 200_000
PICKS = 3_200
PAIRED_DRAWS = 30_000
PAIRED_SCALES = (0.7, 1.0, 4.3, 34.25)
LAPLACE_DRAWS = 30_000
FLIPS = 9_000


@pytest.mark.parametrize("scale", SCALES)
def test_the_discrete_gaussian_follows_its_law(scale):
    assert not rejected([audit_gaussian(scale, DiscreteGaussian(1, scale), DRAWS)])


@pytest.mark.parametrize("scale", SCALES)
def test_the_table_sampler_follows_the_same_law(scale):
    case = audit_gaussian(scale, TableGaussian(1, scale), TABLE_DRAWS)
    assert min(case.power_10_percent_small, case.power_10_percent_large) > 1 - 1e-9
    assert not rejected([case])


@pytest.mark.parametrize("scale", SELECTION_SCALES)
def test_the_noisy_maximum_follows_its_law(scale):
    assert not rejected([audit_selection(scale, NoisyMax(1, scale), PICKS)])


@pytest.mark.parametrize("scale", LAPLACE_SCALES)
def test_the_discrete_laplace_follows_its_law(scale):
    assert not rejected([audit_laplace(scale, DiscreteLaplace(1, scale), DRAWS)])


@pytest.mark.parametrize("scale", FLIP_SCALES)
def test_permute_and_flip_follows_its_law(scale):
    assert not rejected([audit_flip(scale, PermuteAndFlip(1, scale), PICKS)])


@pytest.mark.parametrize("factor", [0.9, 1.1])
def test_laplace_noise_that_is_ten_percent_off_is_rejected(factor):
    case = audit_laplace(12.35, DiscreteLaplace(1, factor * 12.35), LAPLACE_DRAWS)
    assert min(case.power_10_percent_small, case.power_10_percent_large) > 1 - 1e-6
    assert rejected([case])


@pytest.mark.parametrize("factor", [0.9, 1.1])
def test_permute_and_flip_that_is_ten_percent_off_is_rejected(factor):
    case = audit_flip(12.35, PermuteAndFlip(1, factor * 12.35), FLIPS)
    assert min(case.power_10_percent_small, case.power_10_percent_large) > 1 - 1e-6
    assert rejected([case])


def test_the_exponential_mechanism_is_not_permute_and_flip():
    assert rejected([audit_flip(3.0, NoisyMax(1, 3.0), PICKS)])


@pytest.mark.parametrize("scale", LAPLACE_SCALES)
def test_the_library_states_the_same_laplace_law(scale):
    support, law = laplace_law(scale)
    near = np.abs(support) <= 30 * scale
    np.testing.assert_allclose(discrete_laplace_log_probability(support[near], scale), np.log(law[near]), atol=1e-9)
    assert deviation("laplace", scale) == pytest.approx(np.sqrt((support.astype(float) ** 2 * law).sum()), rel=1e-9)


def test_the_library_states_the_same_law_of_permute_and_flip():
    scores = flip_scores(12.35)
    stated = np.exp(permute_and_flip_log_probabilities(scores, 12.35))
    np.testing.assert_allclose(stated, flip_law(scores, 12.35), rtol=1e-9)
    assert stated.sum() == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("factor", [0.9, 1.1])
@pytest.mark.parametrize("scale", [1.1, 4.3, 34.25])
def test_gaussian_noise_that_is_ten_percent_off_is_rejected(scale, factor):
    case = audit_gaussian(scale, DiscreteGaussian(1, factor * scale), DRAWS)
    assert min(case.power_10_percent_small, case.power_10_percent_large) > 1 - 1e-6
    assert rejected([case])


@pytest.mark.parametrize("factor", [0.9, 1.1])
@pytest.mark.parametrize("scale", SCALES)
def test_table_noise_that_is_ten_percent_off_is_rejected(scale, factor):
    assert rejected([audit_gaussian(scale, TableGaussian(1, factor * scale), TABLE_DRAWS)])


@pytest.mark.parametrize("scale", PAIRED_SCALES)
def test_table_and_opendp_draw_alike(scale):
    """Two samples, one law: a false alarm at most once in 1e6 runs of all scales."""
    assert homogeneity(table_sample(scale), opendp_sample(scale)) > 1e-7 / len(PAIRED_SCALES)


@pytest.mark.parametrize("factor", [0.9, 1.1])
@pytest.mark.parametrize("scale", PAIRED_SCALES)
def test_unlike_samples_are_told_apart(scale, factor):
    """The same comparison sees noise that is 10 % off; it misses less than once in 1e10 (noncentrality above 150)."""
    assert homogeneity(table_sample(factor * scale), opendp_sample(scale)) < 1e-7 / len(PAIRED_SCALES)


def table_sample(scale):
    return TableGaussian(1, scale)(np.zeros(PAIRED_DRAWS, dtype=np.int64))


@functools.cache
def opendp_sample(scale):
    """One sample for all comparisons of its scale: each holds its own rates whatever the others share with it."""
    return DiscreteGaussian(1, scale)(np.zeros(PAIRED_DRAWS, dtype=np.int64))


def homogeneity(one, other):
    """The p-value of chi² for two samples of one size in the same bins, of about 1/12 of the pooled draws each."""
    pooled = np.sort(np.concatenate([one, other]))
    edges = np.unique(pooled[len(pooled) // 12 :: len(pooled) // 12])
    counts = [np.bincount(np.searchsorted(edges, sample), minlength=len(edges) + 1) for sample in (one, other)]
    occupied = (counts[0] + counts[1]) > 0
    return float(stats.chi2_contingency(np.array(counts)[:, occupied], correction=False).pvalue)


@pytest.mark.parametrize("factor", [0.9, 1.1])
@pytest.mark.parametrize("scale", [3.0, 12.35])
def test_a_noisy_maximum_that_is_ten_percent_off_is_rejected(scale, factor):
    case = audit_selection(scale, NoisyMax(1, factor * scale), PICKS)
    assert min(case.power_10_percent_small, case.power_10_percent_large) > 1 - 1e-6
    assert rejected([case])


def test_rounded_continuous_noise_is_rejected():
    """Right variance, wrong law: what a naive implementation would draw."""
    generator = np.random.default_rng(7)
    case = audit_gaussian(0.7, lambda zeros: np.rint(generator.normal(0, 0.7, zeros.shape)).astype(np.int64), 100_000)
    assert rejected([case])


def test_noise_with_a_period_is_rejected():
    """A bias like that of an old release of OpenDP: one residue of 3 a little too likely."""
    generator = np.random.default_rng(11)
    support, law = gaussian_law(29.0123)
    skewed = law * np.where(support % 3 == 0, 1.1, 0.95)
    case = audit_gaussian(
        29.0123, lambda zeros: generator.choice(support, size=zeros.shape, p=skewed / skewed.sum()), 100_000
    )
    assert rejected([case])


def test_a_selection_that_ignores_the_scores_is_rejected():
    generator = np.random.default_rng(13)
    assert rejected([audit_selection(8.0, lambda scores: int(generator.integers(len(scores))), PICKS)])


def test_right_noise_of_another_source_is_accepted():
    generator = np.random.default_rng(17)
    support, law = gaussian_law(4.3)
    assert not rejected(
        [audit_gaussian(4.3, lambda zeros: generator.choice(support, size=zeros.shape, p=law), 200_000)]
    )


def test_p_values_are_uniform_under_the_law():
    generator = np.random.default_rng(19)
    expected = np.full(20, 500.0)
    p_values = [chi_square(generator.multinomial(10_000, expected / 10_000), expected) for _ in range(2_000)]
    assert abs(np.mean(p_values) - 0.5) < 5 / np.sqrt(12 * 2_000)
    assert abs(np.mean(np.array(p_values) < 0.01) - 0.01) < 0.01


@pytest.mark.parametrize("scale", SCALES)
def test_the_library_states_the_same_gaussian_law(scale):
    support, law = gaussian_law(scale)
    near = np.abs(support) <= 6 * scale
    stated = discrete_gaussian_log_probability(support[near], scale)
    np.testing.assert_allclose(stated, np.log(law[near]), rtol=0, atol=1e-9)


def test_the_library_states_the_same_selection_law():
    scores = selection_scores(12.35)
    stated = noisy_max_log_probabilities(scores, 12.35)
    np.testing.assert_allclose(np.exp(stated), selection_law(scores, 12.35), rtol=1e-12)


def test_the_report_of_wrong_noise_says_fail():
    wrong = audit_gaussian(4.3, DiscreteGaussian(1, 3.0), 2_000)
    right = audit_gaussian(4.3, DiscreteGaussian(1, 4.3), 2_000)
    assert report([right, wrong], "command", 0.0)["verdict"] == "FAIL"
    assert report([right], "command", 0.0)["verdict"] == "PASS"
