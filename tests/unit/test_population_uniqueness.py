"""Population uniqueness: the formulas, populations whose uniqueness is known, samples that tell nothing."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from anonymization_examples import classes
from dpsynth.anonymization.population import _fitted, population_uniqueness
from dpsynth.errors import UsageError

RUNS, PEOPLE = 20, 5_000


def seated(rng: np.random.Generator, theta: float, alpha: float) -> NDArray[np.int64]:
    """The class of each of a population by the Chinese restaurant process, which Pitman's model is."""
    of = np.zeros(PEOPLE, np.int64)
    counts = [1]
    for person, chance in enumerate(rng.random(PEOPLE - 1), start=1):
        if chance * (theta + person) < theta + len(counts) * alpha:
            of[person] = len(counts)
            counts.append(1)
            continue
        chosen = of[rng.integers(person)]
        while rng.random() * counts[chosen] >= counts[chosen] - alpha:
            chosen = of[rng.integers(person)]
        of[person] = chosen
        counts[chosen] += 1
    return of


def mean_errors(theta: float, alpha: float, fraction: float) -> tuple[float, float, float]:
    """Estimate minus truth, of Pitman, of Zayatz, and of the sample's own uniqueness, which ignores the population."""
    errors = []
    for seed in range(RUNS):
        rng = np.random.default_rng(seed)
        of = seated(rng, theta, alpha)
        truth = np.mean(np.bincount(of)[of] == 1)
        _, sample = np.unique(of[rng.permutation(PEOPLE)[: int(PEOPLE * fraction)]], return_inverse=True)
        pitman, zayatz = population_uniqueness(classes(sample.tolist()), fraction)
        assert pitman.share is not None
        assert zayatz.share is not None
        assert pitman.population == zayatz.population == PEOPLE
        assert pitman.uniques == pitman.share * PEOPLE
        errors.append((pitman.share - truth, zayatz.share - truth, np.mean(np.bincount(sample)[sample] == 1) - truth))
    return tuple(np.mean(errors, axis=0).tolist())  # type: ignore[return-value]


@pytest.mark.parametrize(("theta", "alpha", "fraction"), [(100.0, 0.5, 0.1), (500.0, 0.0, 0.1), (20.0, 0.8, 0.25)])
def test_pitman_finds_the_uniqueness_of_a_population_of_its_model(theta: float, alpha: float, fraction: float) -> None:
    # One run errs by at most 0.031 (standard deviation of 150 runs), at alpha 0 by 0.012 on average: the mean of 20
    # leaves 0.035 with probability below 1e-5. A bias of 0.07 would be found with probability above 0.99999.
    pitman, _, naive = mean_errors(theta, alpha, fraction)
    assert abs(pitman) < 0.035
    assert naive > 0.07  # what is estimated is not what anybody could count


@pytest.mark.parametrize(("theta", "alpha"), [(100.0, 0.5), (500.0, 0.0), (20.0, 0.8)])
def test_zayatz_finds_it_in_large_samples(theta: float, alpha: float) -> None:
    # Standard deviation of a run at most 0.0045: the mean of 20 leaves 0.005 with probability below 1e-6, and a bias of
    # 0.01 would be found with probability above 0.99999.
    assert abs(mean_errors(theta, alpha, 0.8)[1]) < 0.005


def likelihood(sizes: list[int], theta: float, alpha: float) -> float:
    """Hoshino's log-likelihood, term by term."""
    n, u = sum(sizes), len(sizes)
    found = sum(math.log(theta + i * alpha) for i in range(1, u))
    found -= sum(math.log(theta + i) for i in range(1, n))
    return found + sum(math.log(i - alpha) for size in sizes for i in range(1, size))


@pytest.mark.parametrize(
    "sizes", [[1] * 30 + [2] * 9 + [5] * 3 + [40], [1] * 5 + [2] * 5 + [3] * 30, [1, 1, 1, 9], [2, 2]]
)
def test_no_parameters_near_pitmans_are_likelier(sizes: list[int]) -> None:
    values, counts = np.unique(np.array(sizes, np.float64), return_counts=True)
    found = _fitted(values, counts.astype(np.float64))
    assert found is not None
    theta, alpha = found
    best = likelihood(sizes, theta, alpha)
    for step in (1e-4, 1e-3, 1e-2):
        for other in (theta * (1 + step), theta * (1 - step)):
            assert likelihood(sizes, other, alpha) < best
        for another in (alpha + step, alpha - step):
            if 0 <= another < 1:
                assert likelihood(sizes, theta, another) < best


def test_the_shares_are_those_of_the_formulas() -> None:
    sizes = [1] * 12 + [2] * 6 + [3] * 2 + [8]
    n, everybody = sum(sizes), 3 * sum(sizes)
    pitman, zayatz = population_uniqueness(classes([at for at, size in enumerate(sizes) for _ in range(size)]), 1 / 3)
    theta, alpha = _fitted(np.array([1.0, 2, 3, 8]), np.array([12.0, 6, 2, 1])) or (math.nan, math.nan)
    alone = math.prod((theta + alpha + i - 1) / (theta + i) for i in range(1, everybody))
    assert pitman.share == pytest.approx(alone, rel=1e-9)
    one = [size * math.comb(everybody - size, n - 1) / math.comb(everybody, n) / len(sizes) for size in sizes]
    assert zayatz.share == pytest.approx(sum(one[:12]) / sum(one) * 12 / n, rel=1e-9)


def test_samples_that_tell_nothing_say_so() -> None:
    every, zayatz = population_uniqueness(classes([0, 1, 2, 3]), 0.1)
    assert every.share is None
    assert every.uniques is None
    assert "unique" in every.reason
    assert zayatz.share == 1.0
    single, zayatz = population_uniqueness(classes([0] * 4), 0.1)
    assert single.share is None
    assert "one class" in single.reason
    assert zayatz.share == 0.0
    nothing, _ = population_uniqueness(classes([]), 0.1)
    assert nothing.share == 0.0


def test_a_sample_of_everybody_is_counted() -> None:
    for estimate in population_uniqueness(classes([0, 0, 1, 2]), 1):
        assert estimate.share == 0.5
        assert estimate.uniques == 2


def test_persons_are_counted_not_rows() -> None:
    rows = population_uniqueness(classes([0, 0, 1, 1, 2, 2]), 0.5)[0]
    people = population_uniqueness(classes([0, 0, 1, 1, 2, 2], persons=[1, 1, 2, 3, 4, 5]), 0.5)[0]
    assert (rows.population, people.population) == (12, 10)


@pytest.mark.parametrize("fraction", [0, -0.1, 1.01, math.nan, True, "half"])
def test_a_fraction_outside_its_range_is_refused(fraction: float) -> None:
    with pytest.raises(UsageError, match="sampling fraction"):
        population_uniqueness(classes([0, 0, 1]), fraction)
