"""Estimation by the regularized dual, for measured cliques that need a larger junction tree, or structural zeros."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from dpsynth.domain import Clique
from dpsynth.graph.calibrated import CalibratedTree
from dpsynth.graph.factors import Values, aligned, summed
from dpsynth.graph.junction import JunctionTree
from dpsynth.graph.pooling import Buckets, coarsened, expanded
from dpsynth.graph.propagation import Propagated, propagate


@dataclass(frozen=True)
class Convergence:
    """How an estimation ended: ``objective`` is the value it minimized (0 for a closed form)."""

    converged: bool
    iterations: int
    objective: float
    reason: str


@dataclass(frozen=True, eq=False)
class Wanted:
    """A marginal that the model has to meet up to ``variance`` (of every cell, rows²).

    ``clique`` in domain order; ``values`` over its shape after coarsening by ``buckets``; ``expected``: what the base
    model has there. Main effects belong to the one-way targets: of a target with several axes only the rest is met,
    so that no direction is counted twice and the problem stays well conditioned.
    """

    clique: Clique
    buckets: tuple[Buckets, ...]
    values: Values
    expected: Values
    variance: float

    @cached_property
    def _weights(self) -> tuple[Values, ...]:
        """The share of every code of every axis, ready to broadcast."""
        axes = range(self.expected.ndim)
        sums = [self.expected.sum(axis=tuple(o for o in axes if o != axis), keepdims=True) for axis in axes]
        return tuple(counts / counts.sum() for counts in sums)

    def interaction(self, parameters: Values) -> Values:
        """The parameters without their main effects (means under independent axes); the identity on one axis."""
        if parameters.ndim < 2:
            return parameters
        mean = self._mean_over(parameters, range(parameters.ndim))
        effects = [self._mean_over(parameters, self._others(axis)) for axis in range(parameters.ndim)]
        return parameters - sum(effects) + (parameters.ndim - 1) * mean

    def adjoint(self, gradient: Values) -> Values:
        """The transpose of ``interaction``."""
        if gradient.ndim < 2:
            return gradient
        every = range(gradient.ndim)
        result = gradient + (gradient.ndim - 1) * self._spread_over(gradient, every)
        for axis in every:
            result = result - self._spread_over(gradient, self._others(axis))
        return result

    def _others(self, axis: int) -> list[int]:
        return [other for other in range(self.expected.ndim) if other != axis]

    def _mean_over(self, values: Values, axes: Iterable[int]) -> Values:
        for axis in axes:
            values = (values * self._weights[axis]).sum(axis=axis, keepdims=True)
        return values

    def _spread_over(self, values: Values, axes: Iterable[int]) -> Values:
        for axis in axes:
            values = values.sum(axis=axis, keepdims=True) * self._weights[axis]
        return values


@dataclass(frozen=True, eq=False)
class _Dual:
    """The smooth convex dual of min KL(model ‖ base) + Σ ‖marginal − target‖² / (2 variance), models of fixed total.

    With one parameter per target cell: total · log Z(θ) − θ·target + ½ Σ variance θ². Its gradient is
    marginal − target + variance θ: at the minimum each marginal misses its target by what its noise allows.
    """

    tree: JunctionTree
    base: tuple[Values, ...]
    targets: tuple[Wanted, ...]
    total: float

    @cached_property
    def nodes(self) -> tuple[int, ...]:
        return tuple(node for target in self.targets if (node := self.tree.containing(target.clique)) is not None)

    @cached_property
    def scales(self) -> NDArray[np.float64]:
        """The diagonal preconditioner: the square root of the Hessian's diagonal near the solution."""
        parts = [np.sqrt(target.expected.ravel() + target.variance + 1e-6) for target in self.targets]
        return np.concatenate(parts) if parts else np.zeros(0)

    @cached_property
    def pieces(self) -> tuple[slice, ...]:
        ends = np.cumsum([0, *(target.values.size for target in self.targets)]).tolist()
        return tuple(slice(start, stop) for start, stop in itertools.pairwise(ends))

    def parameters(self, scaled: NDArray[np.float64]) -> list[Values]:
        """θ of every target from the preconditioned vector."""
        plain = scaled / self.scales
        return [
            target.interaction(plain[piece].reshape(target.values.shape))
            for target, piece in zip(self.targets, self.pieces, strict=True)
        ]

    def propagated(self, parameters: Sequence[Values]) -> Propagated:
        potentials = list(self.base)
        for target, node, theta in zip(self.targets, self.nodes, parameters, strict=True):
            fine = expanded(theta, target.buckets)
            potentials[node] = potentials[node] + aligned(fine, target.clique, self.tree.cliques[node])
        return propagate(self.tree, potentials)

    def value_and_gradient(self, scaled: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        parameters = self.parameters(scaled)
        propagated = self.propagated(parameters)
        value = self.total * propagated.log_partition
        gradient = np.empty_like(scaled)
        for target, node, theta, piece in zip(self.targets, self.nodes, parameters, self.pieces, strict=True):
            fine = summed(propagated.beliefs[node], self.tree.cliques[node], target.clique)
            model = self.total * coarsened(fine, target.buckets)
            value += float((theta * (0.5 * target.variance * theta - target.values)).sum())
            gradient[piece] = target.adjoint(model - target.values + target.variance * theta).ravel()
        return value, gradient / self.scales


def fit_dual(
    tree: JunctionTree, base: Sequence[Values], targets: Sequence[Wanted], total: float, iterations: int
) -> tuple[CalibratedTree, Convergence]:
    """The model nearest to the base (log potentials per node, −inf for impossible cells) given the targets.

    The variance of a target is its ridge, so the fit stops at the noise by construction, not by an iteration count.
    L-BFGS, one oracle call an iteration; converged when the gradient or the progress of the objective vanishes. Raises
    ``DomainError`` when no cell is possible.
    """
    from scipy.optimize import minimize

    dual = _Dual(tree, tuple(base), tuple(targets), total)
    found = minimize(
        dual.value_and_gradient,
        np.zeros_like(dual.scales),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": iterations, "maxfun": 2 * iterations, "maxcor": 20, "gtol": 1e-2, "ftol": 1e-9},
    )
    beliefs = tuple(total * belief for belief in dual.propagated(dual.parameters(found.x)).beliefs)
    reason = "the gradient or the progress vanished" if found.success else "the iteration limit was reached"
    return CalibratedTree(tree, beliefs, total), Convergence(
        bool(found.success), int(found.nit), float(found.fun), reason
    )
