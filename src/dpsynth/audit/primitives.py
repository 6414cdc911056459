"""Statistical tests of primitives against their exact laws, written out here anew rather than taken from the room.

Noise that cannot be seeded is drawn afresh in every run, so every verdict carries its probabilities of being wrong:

* false alarm: the p-values of a case are Bonferroni-corrected, and so are the cases. The binomial checks are exact;
  chi² (at least 25 expected in a bin) and the moments are approximate, so the threshold is ten times tighter than
  the stated rate.
* power: the chance that a scale 10 % too small or too large is rejected, computed for every case.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

FALSE_ALARM = 1e-6
MARGIN = 10
SCALES = (0.5, 1.0, 2.0, 4.0, 64.0, 0.7, 1.1, 1 / 0.3, 4.3, 10.0, 12.35, 29.0123, 34.25, 251.7)
"""Dyadic and not; 4.3 and 10/3 are where an earlier release of OpenDP went wrong."""
SELECTION_SCALES = (0.5, 1.0, 8.0, 0.7, 3.0, 4.3, 12.35, 100.0, 1234.5, 40.1)
LAPLACE_SCALES = (0.5, 1.0, 3.0, 1 / 0.3, 12.35, 40.1)
FLIP_SCALES = (0.7, 3.0, 12.35)
CASES = 2 * len(SCALES) + len(SELECTION_SCALES) + len(LAPLACE_SCALES) + len(FLIP_SCALES)
RESIDUES = (2, 3, 5, 7, 16)
MINIMUM_EXPECTED = 25


@dataclass(frozen=True)
class Case:
    """One comparison: the smallest corrected p-value decides, the powers say what it would have seen."""

    mechanism: str
    scale: float
    draws: int
    p_values: dict[str, float]
    power_10_percent_small: float
    power_10_percent_large: float

    @property
    def p_value(self) -> float:
        """The p-value of the case: the smallest, times the number of checks."""
        return min(1.0, min(self.p_values.values()) * len(self.p_values))


@dataclass(frozen=True)
class Repeated:
    """Two arrays of noise of one scale, drawn one after the other: in how many of the cells they agree."""

    mechanism: str
    scale: float
    cells: int
    equal: int
    p_value: float

    @property
    def passed(self) -> bool:
        """Whether they agree about as often as independent draws do; alarms falsely once in 1e8."""
        return self.p_value >= FALSE_ALARM / 100


def repeated(mechanism: str, scale: float, first: NDArray[np.int64], second: NDArray[np.int64]) -> Repeated:
    """Whether two arrays of discrete Gaussian noise share their randomness: an exact binomial test of equal cells."""
    law = gaussian_law(scale)[1]
    equal, chance = int((first == second).sum()), float((law**2).sum())
    p_value = binomial(np.array([equal]), np.array([first.size]), np.array([chance]))
    return Repeated(mechanism, scale, first.size, equal, p_value)


def gaussian_law(scale: float) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The support within 12 scales (the rest weighs less than 1e-30) and its probabilities."""
    reach = math.ceil(12 * scale) + 2
    support = np.arange(-reach, reach + 1, dtype=np.int64)
    weights = np.exp(-(support.astype(np.float64) ** 2) / (2 * scale * scale))
    return support, weights / weights.sum()


def laplace_law(scale: float) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The support within 80 scales (the rest weighs less than 1e-30) and its probabilities."""
    reach = math.ceil(80 * scale) + 2
    support = np.arange(-reach, reach + 1, dtype=np.int64)
    weights = np.exp(-np.abs(support) / scale)
    return support, weights / weights.sum()


def flip_law(scores: NDArray[np.int64], scale: float) -> NDArray[np.float64]:
    """The probabilities of permute-and-flip: over all subsets S of the others, coins that would come up before i's.

    P[i] = q_i Σ_S (-1)^|S| / (|S| + 1) Π_{j in S} q_j; subsets of one size make a coefficient of Π (1 - q_j t).
    """
    heads = np.exp((scores - scores.max()) / scale)
    chances = []
    for index, head in enumerate(heads):
        coefficients = np.poly1d([1.0])
        for other in np.delete(heads, index):
            coefficients *= np.poly1d([-other, 1.0])
        rising = coefficients.coeffs[::-1]
        chances.append(head * (rising / np.arange(1, len(rising) + 1)).sum())
    return np.array(chances)


def selection_law(scores: NDArray[np.int64], scale: float) -> NDArray[np.float64]:
    """The enumerated probabilities of the exponential mechanism."""
    weights = np.exp((scores - scores.max()) / scale)
    law: NDArray[np.float64] = weights / weights.sum()
    return law


def chi_square(observed: NDArray[np.int64], expected: NDArray[np.float64]) -> float:
    """The p-value of Pearson's test; neighbors are merged until every bin expects at least 25."""
    bins = np.floor(np.cumsum(expected) / MINIMUM_EXPECTED).astype(np.int64)
    merged_expected = np.bincount(bins, weights=expected)
    merged_observed = np.bincount(bins, weights=observed)
    kept = merged_expected > MINIMUM_EXPECTED / 2
    rest_expected, rest_observed = merged_expected[~kept].sum(), merged_observed[~kept].sum()
    merged_expected, merged_observed = merged_expected[kept], merged_observed[kept]
    merged_expected[-1] += rest_expected
    merged_observed[-1] += rest_observed
    statistic = ((merged_observed - merged_expected) ** 2 / merged_expected).sum()
    return float(stats.chi2.sf(statistic, max(len(merged_expected) - 1, 1)))


def binomial(successes: NDArray[np.int64], trials: NDArray[np.int64], chance: NDArray[np.float64]) -> float:
    """The smallest exact two-sided binomial p-value, times the number of comparisons."""
    below = stats.binom.cdf(successes, trials, chance)
    above = stats.binom.sf(successes - 1, trials, chance)
    return float(min(1.0, 2 * np.minimum(below, above).min() * len(successes)))


def log_ratios(observed: NDArray[np.int64], law: NDArray[np.float64], draws: int) -> float:
    """Log P[k] / P[k+1] for all neighbors that were expected often: exact, given how many fell on the two."""
    expected = (law[:-1] + law[1:]) * draws
    often = expected >= min(200.0, expected.max())
    trials = (observed[:-1] + observed[1:])[often]
    return binomial(observed[:-1][often], trials, (law[:-1] / (law[:-1] + law[1:]))[often])


def moment(values: NDArray[np.float64], law: NDArray[np.float64], observed: NDArray[np.int64]) -> float:
    """The two-sided p-value of the mean of ``values`` against its exact mean and variance."""
    draws = observed.sum()
    mean = (values * law).sum()
    deviation = math.sqrt(((values - mean) ** 2 * law).sum() / draws)
    return float(2 * stats.norm.sf(abs((values * observed).sum() / draws - mean) / deviation))


def power(
    values: NDArray[np.float64], law: NDArray[np.float64], other: NDArray[np.float64], draws: int, level: float
) -> float:
    """The chance that ``moment`` rejects at ``level`` when the draws follow ``other`` instead of ``law``."""
    mean, other_mean = (values * law).sum(), (values * other).sum()
    deviation = math.sqrt(((values - mean) ** 2 * law).sum() / draws)
    other_deviation = math.sqrt(((values - other_mean) ** 2 * other).sum() / draws)
    reach = stats.norm.isf(level / 2) * deviation - abs(other_mean - mean)
    return float(stats.norm.sf(reach / other_deviation))


def audit_gaussian(
    scale: float,
    draw: Callable[[NDArray[np.int64]], NDArray[np.int64]],
    draws: int,
    mechanism: str = "discrete Gaussian",
) -> Case:
    """``draw`` adds the noise under test to an array of zeros; it must follow N_Z(0, scale²)."""
    support, law = gaussian_law(scale)
    others = [_gaussian_on(support, factor * scale) for factor in (0.9, 1.1)]
    return _audit_cells(mechanism, scale, draw(np.zeros(draws, dtype=np.int64)), (support, law), others)


def audit_laplace(scale: float, draw: Callable[[NDArray[np.int64]], NDArray[np.int64]], draws: int) -> Case:
    """``draw`` adds the noise under test to an array of zeros; it must follow P ∝ exp(-|k| / scale)."""
    support, law = laplace_law(scale)
    weights = [np.exp(-np.abs(support) / (factor * scale)) for factor in (0.9, 1.1)]
    noise = draw(np.zeros(draws, dtype=np.int64))
    return _audit_cells("discrete Laplace", scale, noise, (support, law), [w / w.sum() for w in weights])


def _audit_cells(
    mechanism: str,
    scale: float,
    noise: NDArray[np.int64],
    expected: tuple[NDArray[np.int64], NDArray[np.float64]],
    others: list[NDArray[np.float64]],
) -> Case:
    (support, law), draws = expected, len(noise)
    noise = np.clip(noise, support[0], support[-1])
    observed = np.bincount(noise - support[0], minlength=len(support))
    squares = support.astype(np.float64) ** 2
    checks = {
        "chi-square": chi_square(observed, law * draws),
        "log-ratio": log_ratios(observed, law, draws),
        "second moment": moment(squares, law, observed),
        "mean": moment(support.astype(np.float64), law, observed),
    }
    for modulus in RESIDUES:
        classes = support % modulus
        chance = np.bincount(classes, weights=law, minlength=modulus).astype(np.float64)
        hits = np.bincount(classes, weights=observed, minlength=modulus)
        checks[f"residues of {modulus}"] = chi_square(hits.astype(np.int64), chance * draws)
    level = _level(CASES) / len(checks)
    powers = [power(squares, law, other, draws, level) for other in others]
    return Case(mechanism, scale, draws, checks, *powers)


def _gaussian_on(support: NDArray[np.int64], scale: float) -> NDArray[np.float64]:
    weights = np.exp(-(support.astype(np.float64) ** 2) / (2 * scale * scale))
    law: NDArray[np.float64] = weights / weights.sum()
    return law


def selection_scores(scale: float) -> NDArray[np.int64]:
    """Fifty losers of several ranks and one winner by about log 50 scales: near to where a scale shows best."""
    ranks = np.linspace(-1.0, 0.0, 50) * scale
    return np.concatenate([np.rint(ranks), [math.ceil(3.9 * scale)]]).astype(np.int64)


def audit_selection(scale: float, pick: Callable[[NDArray[np.int64]], int], draws: int) -> Case:
    """``pick`` is the noisy maximum under test; it must pick i with probability ∝ exp(score i / scale)."""
    scores = selection_scores(scale)
    picked = np.array([pick(scores) for _ in range(draws)])
    return _audit_picks("noisy maximum", scale, picked, scores, selection_law)


def flip_scores(scale: float) -> NDArray[np.int64]:
    """Twelve candidates of several ranks, the best by about three scales."""
    return np.concatenate([np.rint(np.linspace(-4.0, -2.0, 11) * scale), [scale]]).astype(np.int64)


def audit_flip(scale: float, pick: Callable[[NDArray[np.int64]], int], draws: int) -> Case:
    """``pick`` is the noisy maximum under test; it must pick as permute-and-flip does."""
    scores = flip_scores(scale)
    picked = np.array([pick(scores) for _ in range(draws)])
    return _audit_picks("permute-and-flip", scale, picked, scores, flip_law)


def _audit_picks(
    mechanism: str,
    scale: float,
    picked: NDArray[np.int64],
    scores: NDArray[np.int64],
    law_of: Callable[[NDArray[np.int64], float], NDArray[np.float64]],
) -> Case:
    law, draws = law_of(scores, scale), len(picked)
    observed = np.bincount(picked, minlength=len(scores))
    worth = scores.astype(np.float64)
    checks = {
        "chi-square": chi_square(observed, law * draws),
        "each candidate": binomial(observed, np.full(len(scores), draws), law),
        "mean score": moment(worth, law, observed),
    }
    level = _level(CASES) / len(checks)
    powers = [power(worth, law, law_of(scores, factor * scale), draws, level) for factor in (0.9, 1.1)]
    return Case(mechanism, scale, draws, checks, *powers)


def _level(cases: int) -> float:
    return FALSE_ALARM / MARGIN / cases


def rejected(cases: list[Case]) -> list[Case]:
    """The cases that do not follow their law; all of them together alarm falsely at most once in 1e6 runs."""
    return [case for case in cases if case.p_value < _level(CASES)]
