"""Empirical-Bayes shrinkage of a noisy marginal toward what the current model expects."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dpsynth.graph.factors import Values, divided
from dpsynth.graph.pooling import Target, coarsened, expanded

_LEAST = 1e-9
"""The share of its prior that a cell keeps: shrinkage never makes a cell impossible."""


@dataclass(frozen=True, eq=False)
class Shrunk:
    """``values``: the denoised counts over the clique's full shape, nonnegative. ``variance``: what is left of the
    noise in an average cell of the measured (coarse) table, rows².
    """

    values: Values
    variance: float


def dispersion(expected: Values, target: Target) -> float:
    """The factor a by which the truth varies around ``expected`` (coarse shape) beyond the noise; at least 0.

    a = max(Σ(y − expected)² − k s², 0) / Σ expected over the k cells: moments of the noisy table alone.
    """
    difference = target.values - expected
    surplus = float((difference**2).sum()) - difference.size * target.variance
    return max(surplus, 0.0) / max(float(expected.sum()), 1e-300)


def shrunk(prior: Values, target: Target) -> Shrunk:
    """The posterior mean under y ~ N(truth, s²), truth ~ N(prior, a · prior), with ``a`` the ``dispersion``.

    A coarse table corrects the prior by a factor that is constant within each bucket: inside a bucket the proportions
    of the prior stand. Cells with a prior of 0 stay 0.
    """
    expected = coarsened(prior, target.buckets)
    spread = dispersion(expected, target) * expected
    weight = divided(spread, spread + target.variance)
    posterior = np.maximum(expected + weight * (target.values - expected), _LEAST * expected)
    values = prior * expanded(divided(posterior, expected), target.buckets)
    return Shrunk(values, float(weight.mean()) * target.variance)
