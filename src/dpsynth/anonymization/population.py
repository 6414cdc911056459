"""How many people are unique in the population of which a table is a random sample: two estimators.

Both see the sizes of the classes and the sampling fraction only. They are estimates from a model, not measurements:
Pitman's holds for populations whose classes come from a Pitman-Yor process and suits small fractions; Zayatz's takes
the sizes of the sample for those of the population, which holds when the fraction is large.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dpsynth.anonymization.records import Classes
from dpsynth.errors import UsageError

Figures = NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """Population uniqueness.

    ``share``: the expected share of the population that is alone in its class, which is also the share of the sample
    that is alone in the population; None when the estimator has no answer, and ``reason`` says why.
    """

    estimator: str
    population: int
    share: float | None
    reason: str = ""

    @property
    def uniques(self) -> float | None:
        """The expected number of people of the population who are alone in their class."""
        return None if self.share is None else self.share * self.population


def population_uniqueness(classes: Classes, fraction: float) -> tuple[Estimate, Estimate]:
    """The estimates of Pitman and of Zayatz. ``fraction``: sample / population, above 0 and at most 1.

    A person who stands in several classes counts in each. A fraction of 1 makes the sample the population: both are
    then its own share of uniques.
    """
    if not isinstance(fraction, int | float) or isinstance(fraction, bool) or not 0 < fraction <= 1:
        raise UsageError("the sampling fraction is a number above 0 and of at most 1")
    sizes, counts = (column.astype(np.float64) for column in np.unique(classes.units, return_counts=True))
    sample = float(sizes @ counts)
    everybody = max(round(sample / fraction), int(sample))
    if everybody == int(sample):
        share = float(counts[sizes == 1].sum()) / max(sample, 1.0)
        return Estimate("Pitman", everybody, share), Estimate("Zayatz", everybody, share)
    return _pitman(sizes, counts, everybody), _zayatz(sizes, counts, everybody)


def _zayatz(sizes: Figures, counts: Figures, everybody: int) -> Estimate:
    """Zayatz, Estimation of the number of unique population elements using a sample, 1991.

    P(1 in the population | 1 in the sample) by Bayes, with the shares of sizes in the sample as prior and
    hypergeometric probabilities that a class of size F has one member in the sample.
    """
    from scipy.special import gammaln

    sample = float(sizes @ counts)

    def choices(of: Figures, some: float) -> Figures:
        found: Figures = gammaln(of + 1) - gammaln(some + 1) - gammaln(of - some + 1)
        return found

    possible = everybody - sizes >= sample - 1
    fitting, prior = sizes[possible], counts[possible] / counts.sum()
    logs = np.log(fitting) + choices(everybody - fitting, sample - 1) - choices(np.array([float(everybody)]), sample)
    evidence = float(prior @ np.exp(logs))
    alone = float(counts[sizes == 1].sum())
    if not alone:
        return Estimate("Zayatz", everybody, 0.0)
    conditional = alone / counts.sum() * sample / everybody / evidence
    return Estimate("Zayatz", everybody, float(min(conditional, 1.0) * alone / sample))


def _pitman(sizes: Figures, counts: Figures, everybody: int) -> Estimate:
    """Hoshino, Applying Pitman's sampling formula to microdata disclosure risk assessment, 2001.

    Maximum likelihood of theta and alpha; somebody is then alone among N with probability
    prod over i = 1 .. N - 1 of (theta + alpha + i - 1) / (theta + i).
    """
    from scipy.special import poch

    if counts.sum() < 2:
        return Estimate("Pitman", everybody, None, "the sample is one class, which tells nothing about others")
    if sizes.max() < 2:
        return Estimate("Pitman", everybody, None, "everybody in the sample is unique, which sets no limit")
    found = _fitted(sizes, counts)
    if found is None:
        return Estimate("Pitman", everybody, None, "the likelihood has no maximum that was found")
    theta, alpha = found
    share = float(poch(theta + alpha, 1 - alpha) * poch(theta + everybody, alpha - 1))
    return Estimate("Pitman", everybody, min(share, 1.0))


def _fitted(sizes: Figures, counts: Figures) -> tuple[float, float] | None:
    """Theta and alpha at which both derivatives of the log-likelihood are 0, or alpha is 0 and would fall further.

    Roots between signs that differ, so that what is returned has converged; None when there are none.
    """
    from scipy.optimize import brentq
    from scipy.special import digamma

    n, u = float(sizes @ counts), int(counts.sum())
    numbers = np.arange(1.0, u)

    def theta_at(alpha: float) -> float:
        def slope(log: float) -> float:
            theta = np.exp(log) - alpha
            return float((1 / (theta + alpha * numbers)).sum() - digamma(theta + n) + digamma(theta + 1))

        return float(np.exp(brentq(slope, -25.0, np.log(100 * n * n), xtol=1e-10))) - alpha

    def slope(alpha: float) -> float:
        gained = (numbers / (theta_at(alpha) + alpha * numbers)).sum()
        return float(gained - counts @ (digamma(sizes - alpha) - digamma(1 - alpha)))

    try:
        alpha = 0.0 if slope(0.0) <= 0 else float(brentq(slope, 0.0, 1 - 1e-6, xtol=1e-10))
        return theta_at(alpha), alpha
    except (ValueError, RuntimeError):  # no change of sign, or no end within a hundred steps
        return None
