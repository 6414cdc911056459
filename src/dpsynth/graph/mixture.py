"""Fitting a mixture of products to noisy pairs: for tables whose pairs close more cycles than a junction tree can hold.

The relaxed projection of Aydore et al. (2021) and Liu, Vietri & Wu (2021), with goals and weights from an empirical
Bayes posterior instead of raw noisy answers. Mathematics: ``docs/guide/estimation.md``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from dpsynth.domain import Clique, Domain
from dpsynth.graph.dual import Convergence
from dpsynth.graph.factors import Values
from dpsynth.graph.pooling import Target
from dpsynth.graph.shrinkage import dispersion

Single = NDArray[np.float32]

_LEAST_PRIOR = 1e-6
_NOISE_FLOOR, _MODEL_FLOOR = 1e-3, 0.05
"""The least variance of a goal: a thousandth of the noise, and a twentieth of the expected count in rows."""

_RATE, _FIRST, _SECOND = 0.05, 0.9, 0.99
"""Adam's step, and how much of the running means of gradients and of their squares is kept."""

_SETTLED = 0.01
"""A fit has converged when its last tenth brings less than this part of the whole descent."""


@dataclass(frozen=True, eq=False)
class Goals:
    """What a mixture has to meet, as shares of the total.

    ``pairs``, ``precision``: float32, codes x codes over all attributes side by side, symmetric; precision 0 where
    nothing is known. ``ones``, ``one_precision``: float32, over codes. Known precisions of pairs average to 1.
    """

    sizes: tuple[int, ...]
    pairs: Single
    precision: Single
    ones: Single
    one_precision: Single


class PairGoals:
    """Collects what is known about pairs, in rows, around given one-way counts that each sum to ``total``."""

    def __init__(self, domain: Domain, one_ways: Mapping[str, Values], total: float) -> None:
        self._domain, self._one_ways, self._total = domain, one_ways, total
        codes = sum(domain.sizes)
        self._starts = dict(zip(domain, np.cumsum([0, *domain.sizes[:-1]]).tolist(), strict=True))
        self._pairs = np.zeros((codes, codes), dtype=np.float32)
        self._precision = np.zeros((codes, codes), dtype=np.float32)

    def measured(self, target: Target) -> tuple[float, float]:
        """Add a noisy pair as its posterior under y ~ N(x, s²), x ~ N(I, a·I), I the independent counts; return ``a``
        and the L1 distance of the posterior from I (rows).

        The precision is one over the posterior variance: a cell that noise hides is held to its prior, a large cell to
        its answer. Without dispersion (a = 0) the pair is held at independence, as tightly as its noise allows to say.
        """
        left, right = (self._one_ways[attribute] for attribute in target.clique)
        prior = np.maximum(np.multiply.outer(left, right) / self._total, _LEAST_PRIOR)
        spread = dispersion(prior, target)
        weight = spread * prior / (spread * prior + target.variance)
        posterior = np.clip(prior + weight * (target.values - prior), 1e-9 * prior, self._total)
        floor = _NOISE_FLOOR * target.variance + _MODEL_FLOOR * prior
        self._add(target.clique, posterior, 1.0 / np.maximum(weight * target.variance, floor))
        return spread, float(np.abs(posterior - prior).sum())

    def expected(self, pair: Clique, values: Values, spread: float) -> None:
        """Hold an unmeasured pair near what a simpler model expects (rows), with dispersion ``spread``."""
        self._add(pair, values, 1.0 / (spread * np.maximum(values, 1.0)))

    def _add(self, pair: Clique, values: Values, precision: Values) -> None:
        rows, columns = (slice(self._starts[name], self._starts[name] + self._domain[name]) for name in pair)
        self._pairs[rows, columns], self._precision[rows, columns] = values / self._total, precision
        self._pairs[columns, rows], self._precision[columns, rows] = values.T / self._total, precision.T

    def goals(self, one_precision: Mapping[str, float]) -> Goals:
        """The goals; ``one_precision``: one over the variance of each attribute's pooled counts."""
        ones = np.concatenate([self._one_ways[name] for name in self._domain]) / self._total
        weights = np.concatenate([np.full(self._domain[name], one_precision[name]) for name in self._domain])
        known = self._precision > 0
        mean = float(self._precision[known].mean(dtype=np.float64)) if known.any() else float(weights.mean())
        return Goals(
            sizes=self._domain.sizes,
            pairs=self._pairs,
            precision=self._precision / np.float32(mean),
            ones=ones.astype(np.float32),
            one_precision=(weights / mean).astype(np.float32),
        )


@dataclass(frozen=True, eq=False)
class FittedMixture:
    """``weights``: float64 over components, sum 1. ``probabilities``: float64, components x codes; the block of every
    attribute sums to 1 in every row.
    """

    weights: Values
    probabilities: Values
    convergence: Convergence


class Descent:
    """Full-batch Adam (Kingma & Ba 2015) on the logits of one mixture, in float32.

    The objective is ½ Σ precision (pair − goal)² over unordered pairs of codes plus ½ Σ one_precision (share − goal)²
    over codes. A step is two matrix products of components x codes x codes. The start is independence with standard
    normal noise on the logits, from a generator of its own that is seeded by ``start``: the same goals give the same
    mixture.
    """

    def __init__(self, goals: Goals, components: int, start: int) -> None:
        self._sizes = np.array(goals.sizes)
        self._starts = np.cumsum(self._sizes) - self._sizes
        self._goals = goals
        noise = np.random.default_rng(start).standard_normal((components, len(goals.ones)), dtype=np.float32)
        self.logits: list[Single] = [np.log(np.maximum(goals.ones, 1e-7)) + noise, np.zeros(components, np.float32)]
        self._means = [np.zeros_like(values) for values in self.logits]
        self._squares = [np.zeros_like(values) for values in self.logits]

    def run(self, steps: int, report: Callable[[float], object] = lambda _: None) -> tuple[float, float, float]:
        """Take all steps; the rate falls linearly to almost 0 over the second half. Returns the objective at the
        start, before the last tenth, and at the end.
        """
        started, late = self.objective(), math.inf
        for step in range(1, steps + 1):
            if step == steps - steps // 10:
                late = self.objective()
            rate = _RATE * min(1.0, (steps + 20 - step) / (steps / 2))
            for position, gradient in enumerate(self.gradients()):
                self._move(position, gradient, step, rate)
            report(step / steps)
        return started, late, self.objective()

    def _move(self, position: int, gradient: Single, step: int, rate: float) -> None:
        mean, square = self._means[position], self._squares[position]
        mean += np.float32(1 - _FIRST) * (gradient - mean)
        square += np.float32(1 - _SECOND) * (gradient * gradient - square)
        size = np.sqrt(square / np.float32(1 - _SECOND**step)) + np.float32(1e-12)
        self.logits[position] -= np.float32(rate / (1 - _FIRST**step)) * mean / size

    def parameters(self) -> tuple[Single, Single]:
        """Component weights, and probabilities (components x codes)."""
        logits, mixing = self.logits
        peaks = np.maximum.reduceat(logits, self._starts, axis=1)
        values = np.exp(logits - self._blocks(peaks))
        values /= self._blocks(np.add.reduceat(values, self._starts, axis=1))
        weights = np.exp(mixing - mixing.max())
        return weights / weights.sum(), values

    def objective(self) -> float:
        """The value at the current logits."""
        goals, (weights, values) = self._goals, self.parameters()
        misfit = values.T @ (values * weights[:, None]) - goals.pairs
        ones = weights @ values - goals.ones
        pairs = float(np.vdot(misfit, misfit * goals.precision))
        return 0.25 * pairs + 0.5 * float(np.vdot(ones, ones * goals.one_precision))

    def gradients(self) -> tuple[Single, Single]:
        """Of the objective, by logits and by mixing logits."""
        goals, (weights, values) = self._goals, self.parameters()
        misfit = values.T @ (values * weights[:, None])
        misfit -= goals.pairs
        misfit *= goals.precision
        pushed = values @ misfit
        ones = goals.one_precision * (weights @ values - goals.ones)
        by_weight = 0.5 * np.einsum("ks,ks->k", values, pushed) + values @ ones
        pushed += ones
        pushed *= weights[:, None]
        pushed *= values
        pushed -= values * self._blocks(np.add.reduceat(pushed, self._starts, axis=1))
        return pushed, weights * (by_weight - weights @ by_weight)

    def _blocks(self, per_attribute: Single) -> Single:
        """One value per attribute, repeated for each of its codes."""
        return np.repeat(per_attribute, self._sizes, axis=1)


def fit_mixture(
    goals: Goals, *, components: int, steps: int, fits: int, report: Callable[[float], object] = lambda _: None
) -> FittedMixture:
    """The average of ``fits`` mixtures that start from different random components around independence.

    Goals fix pairs only; averaging removes higher-order structure that a single start makes up. Deterministic on one
    machine: starts are seeded 0, 1, …, no generator is shared. ``converged``: in every fit the last tenth of the steps
    brought less than 1 % of the descent. ``report`` is told the fraction of all steps that are done.
    Cost: 4 · fits · steps · components · codes² float operations in matrix products, and passes over components x
    codes.
    """
    from threadpoolctl import threadpool_limits

    weights, values, traces = [], [], []
    # The products are small: a second BLAS thread mostly waits, spinning (decision 11).
    with threadpool_limits(limits=1, user_api="blas"):
        for start in range(fits):
            descent = Descent(goals, components, start)
            traces.append(descent.run(steps, partial(_within, report, start, fits)))
            mixing, probabilities = descent.parameters()
            weights.append(mixing.astype(np.float64))
            values.append(_normalized(probabilities.astype(np.float64), goals.sizes))
    joined = np.concatenate(weights)
    return FittedMixture(joined / joined.sum(), np.concatenate(values), _convergence(traces, steps))


def _within(report: Callable[[float], object], fit: int, fits: int, part: float) -> None:
    report((fit + part) / fits)


def _normalized(values: Values, sizes: Sequence[int]) -> Values:
    starts = np.cumsum(sizes) - np.array(sizes)
    values /= np.repeat(np.add.reduceat(values, starts, axis=1), sizes, axis=1)
    return values


def _convergence(traces: Sequence[tuple[float, float, float]], steps: int) -> Convergence:
    settled = all(late - end <= _SETTLED * max(start - end, 0.0) + 1e-9 * start for start, late, end in traces)
    reason = "the descent has settled" if settled else "all steps were taken before the descent settled"
    objective = sum(end for _, _, end in traces) / len(traces)
    return Convergence(settled, steps * len(traces), objective, reason)
