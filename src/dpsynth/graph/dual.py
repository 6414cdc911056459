"""Estimation by the regularized dual, for measured cliques that need a larger junction tree, or structural zeros."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from dpsynth.domain import Clique
from dpsynth.graph.calibrated import CalibratedTree
from dpsynth.graph.factors import Values, aligned, summed
from dpsynth.graph.junction import JunctionTree
from dpsynth.graph.pooling import Buckets, coarsened, expanded
from dpsynth.graph.propagation import propagate


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
    model has there.
    """

    clique: Clique
    buckets: tuple[Buckets, ...]
    values: Values
    expected: Values
    variance: float


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
        return np.concatenate(parts)

    def potentials(self, parameters: NDArray[np.float64]) -> list[Values]:
        potentials = list(self.base)
        start = 0
        for target, node in zip(self.targets, self.nodes, strict=True):
            piece = parameters[start : start + target.values.size].reshape(target.values.shape)
            potentials[node] = potentials[node] + aligned(
                expanded(piece, target.buckets), target.clique, self.tree.cliques[node]
            )
            start += target.values.size
        return potentials

    def value_and_gradient(self, scaled: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        parameters = scaled / self.scales
        propagated = propagate(self.tree, self.potentials(parameters))
        value = self.total * propagated.log_partition
        gradient = np.empty_like(parameters)
        start = 0
        for target, node in zip(self.targets, self.nodes, strict=True):
            piece = slice(start, start + target.values.size)
            theta = parameters[piece].reshape(target.values.shape)
            fine = summed(propagated.beliefs[node], self.tree.cliques[node], target.clique)
            model = self.total * coarsened(fine, target.buckets)
            value += float((theta * (0.5 * target.variance * theta - target.values)).sum())
            gradient[piece] = (model - target.values + target.variance * theta).ravel()
            start = piece.stop
        return value, gradient / self.scales


def fit_dual(
    tree: JunctionTree,
    base: Sequence[Values],
    targets: Sequence[Wanted],
    total: float,
    iterations: int,
) -> tuple[CalibratedTree, Convergence]:
    """The model nearest to the base (log potentials per node, −inf for impossible cells) given the targets.

    The variance of a target is its ridge, so the fit stops at the noise by construction, not by an iteration count.
    L-BFGS, one oracle call an iteration; converged when the gradient or the progress of the objective vanishes. Raises
    ``DomainError`` when no cell is possible.
    """
    from scipy.optimize import minimize

    dual = _Dual(tree, tuple(base), tuple(targets), total)
    start = np.zeros(sum(target.values.size for target in targets))
    found = minimize(
        dual.value_and_gradient,
        start,
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": iterations, "maxfun": 2 * iterations, "maxcor": 15, "gtol": 1e-3, "ftol": 1e-10},
    )
    propagated = propagate(tree, dual.potentials(found.x / dual.scales))
    beliefs = tuple(total * belief for belief in propagated.beliefs)
    reason = "the dual's gradient or progress vanished" if found.success else "the iteration limit was reached"
    return CalibratedTree(tree, beliefs, total), Convergence(
        bool(found.success), int(found.nit), float(found.fun), reason
    )
