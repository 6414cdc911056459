"""Estimation over the full joint table of a small domain, in the basis in which marginals do not overlap.

Residual basis and its use for marginals under noise: Xiao, He, Zhang & Kifer, "An Optimal and Scalable Matrix
Mechanism for Noisy Marginals under Convex Loss Functions" (2023). Mathematics: ``docs/guide/estimation.md``.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from dpsynth.domain import Domain
from dpsynth.errors import DomainError
from dpsynth.graph.calibrated import CalibratedTree
from dpsynth.graph.dual import Convergence
from dpsynth.graph.factors import Values
from dpsynth.graph.junction import junction_tree
from dpsynth.graph.pooling import Measurement, simplex_projection

ITERATIONS = 1_000
"""At most this many steps of L-BFGS for each order of interactions; skewed tables need hundreds."""

_MAIN_RIDGE = 1e-3
"""One-way counts are held this much tighter than their noise: they are already projected onto the simplex."""

_LEAST = 1e-6
"""The share of the total that every code keeps in the base."""

Axes = tuple[int, ...]
"""A set of attributes as ascending axes of the joint table."""


def contrasts(size: int) -> Values:
    """An orthonormal basis of the functions on ``size`` codes (Helmert): float64, one function a row, the constant
    function first.
    """
    matrix = np.ones((size, size)) / math.sqrt(size)
    for row in range(1, size):
        matrix[row, :row], matrix[row, row], matrix[row, row + 1 :] = 1.0, -row, 0.0
        matrix[row] /= math.sqrt(row * (row + 1))
    return matrix


def transformed(values: Values, matrices: Sequence[Values]) -> Values:
    """The array with every axis multiplied by its matrix. Cost: cells · the sum of the sizes."""
    for matrix in matrices:
        values = np.tensordot(values, matrix, axes=(0, 1))
    return values


@dataclass(frozen=True)
class Basis:
    """Products of ``contrasts``: a table over the domain has one block of coefficients for every set of axes.

    The block of a set holds its pure interaction, Π (size − 1) numbers; the block of the empty set holds the total.
    """

    sizes: tuple[int, ...]

    @cached_property
    def matrices(self) -> tuple[Values, ...]:
        """The contrasts of every axis."""
        return tuple(contrasts(size) for size in self.sizes)

    @property
    def cells(self) -> int:
        """The cells of the joint table."""
        return math.prod(self.sizes)

    def coefficients(self, joint: Values) -> Values:
        """The coefficients of a joint table, in its shape."""
        return transformed(joint, self.matrices)

    def table(self, coefficients: Values) -> Values:
        """The joint table with these coefficients: the inverse."""
        return transformed(coefficients, [matrix.T for matrix in self.matrices])

    def block(self, axes: Axes) -> tuple[slice | int, ...]:
        """The index of the block of these axes."""
        return tuple(slice(1, None) if axis in axes else 0 for axis in range(len(self.sizes)))


@dataclass(frozen=True, eq=False)
class Residuals:
    """For every set of axes that some answer covers: its merged coefficients and the variance of each (rows²)."""

    basis: Basis
    values: Mapping[Axes, Values]
    variances: Mapping[Axes, float]

    @staticmethod
    def of(domain: Domain, answers: Sequence[Measurement]) -> Residuals:
        """All answers merged by inverse variance: exact generalized least squares, because in this basis the noise of
        different coefficients is independent. ``DomainError`` for an answer that is coarsened or has another shape.
        """
        basis = Basis(domain.sizes)
        sums: dict[Axes, Values] = {}
        precisions: dict[Axes, float] = {}
        for answer in answers:
            if answer.coarsening or answer.values.shape != domain.shape(answer.clique):
                raise DomainError("a measurement does not have the shape of its clique", where=",".join(answer.clique))
            precision = basis.cells / answer.values.size / answer.deviation**2
            for axes, part in _blocks_of(basis, domain.axes(answer.clique), answer.values):
                sums[axes] = sums.get(axes, np.zeros_like(part)) + precision * part
                precisions[axes] = precisions.get(axes, 0.0) + precision
        values = {axes: sums[axes] / precisions[axes] for axes in sums}
        return Residuals(basis, values, {axes: 1.0 / precision for axes, precision in precisions.items()})

    @property
    def total(self) -> float:
        """The number of rows, at least 1; 1 without answers."""
        return max(float(self.values[()]) * math.sqrt(self.basis.cells), 1.0) if self.values else 1.0

    def of_order(self, order: int) -> list[Axes]:
        """The sets of this many axes."""
        return [axes for axes in self.values if len(axes) == order]

    def independent(self) -> Values:
        """The log probabilities of independent attributes with the merged one-way counts, over the joint table."""
        logs, total = np.zeros(self.basis.sizes), self.total
        for axis, size in enumerate(self.basis.sizes):
            coefficients = np.zeros(size)
            coefficients[0] = total / math.sqrt(size)
            if (axis,) in self.values:
                coefficients[1:] = self.values[axis,] * math.sqrt(self.basis.cells / size)
            counts = simplex_projection(self.basis.matrices[axis].T @ coefficients, total)
            counts = np.maximum(counts, _LEAST * total)
            logs += np.log(counts / counts.sum()).reshape([-1 if other == axis else 1 for other in range(logs.ndim)])
        return logs

    def dispersion(self, joint: Values, order: int) -> float:
        """The factor by which interactions of this order vary around a model beyond the noise, per expected row."""
        found = self.basis.coefficients(joint)
        surplus, count = 0.0, 0
        for axes in self.of_order(order):
            difference = self.values[axes] - found[self.basis.block(axes)]
            surplus += float((difference**2).sum()) - difference.size * self.variances[axes]
            count += difference.size
        return max(surplus, 0.0) * self.basis.cells / (float(joint.sum()) * max(count, 1))


def _blocks_of(basis: Basis, axes: Axes, values: NDArray[np.int64] | Values) -> list[tuple[Axes, Values]]:
    """The coefficients of the joint table that a marginal over these axes (in its axis order) determines."""
    order = sorted(range(len(axes)), key=axes.__getitem__)
    kept = [axes[position] for position in order]
    table = values.astype(np.float64).transpose(order)
    found = transformed(table, [basis.matrices[axis] for axis in kept]) / math.sqrt(basis.cells / values.size)
    inside = [axis for axis in kept if basis.sizes[axis] > 1]
    subsets = itertools.chain.from_iterable(itertools.combinations(inside, count) for count in range(len(inside) + 1))
    return [
        (subset, np.asarray(found[tuple(slice(1, None) if axis in subset else 0 for axis in kept)]))
        for subset in subsets
    ]


@dataclass(frozen=True, eq=False)
class _Dual:
    """The dual of min KL(model ‖ base) + Σ (coefficient − goal)² / 2 ridge over models of fixed total.

    One parameter per coefficient in ``chosen`` (flat positions): total · log Z(θ) − θ·goal + ½ Σ ridge θ².
    """

    basis: Basis
    base: Values
    total: float
    chosen: NDArray[np.intp]
    goal: Values
    ridge: Values

    @cached_property
    def scale(self) -> Values:
        """The diagonal preconditioner: the root of the Hessian's diagonal at a uniform model."""
        return np.sqrt(self.total / self.basis.cells + self.ridge)

    def spread(self, theta: Values) -> Values:
        """Parameters as an array over the joint table, 0 where nothing is chosen."""
        parameters = np.zeros(self.basis.cells)
        parameters[self.chosen] = theta
        return parameters.reshape(self.basis.sizes)

    def joint(self, theta: Values) -> tuple[Values, float]:
        """The model (sums to the total) and log Z."""
        potentials = self.base + self.basis.table(self.spread(theta))
        peak = float(potentials.max())
        joint = np.exp(potentials - peak)
        mass = float(joint.sum())
        return joint * (self.total / mass), math.log(mass) + peak

    def value_and_gradient(self, scaled: Values) -> tuple[float, Values]:
        theta = scaled / self.scale
        joint, log_mass = self.joint(theta)
        pull = self.ridge * theta
        value = self.total * log_mass - float(theta @ self.goal) + 0.5 * float(pull @ theta)
        gradient = self.basis.coefficients(joint).ravel()[self.chosen] - self.goal + pull
        return value, gradient / self.scale


@dataclass(frozen=True, eq=False)
class _State:
    """A model on the way: parameters over the joint table, the model's counts, and how it was reached."""

    parameters: Values
    joint: Values
    convergence: Convergence


def fit_joint(
    domain: Domain, answers: Sequence[Measurement], *, iterations: int = ITERATIONS
) -> tuple[CalibratedTree, Convergence]:
    """The joint distribution of all attributes given noisy marginals of any order, as a tree of one node.

    Orders enter one after the other: each interaction of order k gets the ridge variance / dispersion, where the
    dispersion is that of all interactions of order k around the model of the lower orders; an order that does not stand
    out of its noise is left at what the lower ones imply. Beliefs are positive and sum to the total (at least 1).
    Cost: about ``iterations`` transforms of the joint table per order.
    """
    residuals = Residuals.of(domain, answers)
    base = residuals.independent()
    joint = residuals.total * np.exp(base) / float(np.exp(base).sum())
    alone = Convergence(converged=True, iterations=0, objective=0.0, reason="no interaction stands out of its noise")
    state = _State(np.zeros(domain.sizes), joint, alone)
    ridges = {axes: _MAIN_RIDGE * residuals.variances[axes] for axes in residuals.of_order(1)}
    for order in range(2, len(domain) + 1):
        spread = residuals.dispersion(state.joint, order) if residuals.of_order(order) else 0.0
        if spread > 0.0:
            ridges |= {axes: residuals.variances[axes] / spread for axes in residuals.of_order(order)}
            state = _refined(residuals, base, ridges, state, iterations)
    tree = junction_tree(domain, [domain.attributes])
    return CalibratedTree(tree, (state.joint,), residuals.total), state.convergence


def _refined(
    residuals: Residuals, base: Values, ridges: Mapping[Axes, float], start: _State, iterations: int
) -> _State:
    """The model with these interactions free, started from the parameters of the last one."""
    from scipy.optimize import minimize

    basis = residuals.basis
    goal, ridge = np.zeros(basis.sizes), np.zeros(basis.sizes)
    for axes, amount in ridges.items():
        goal[basis.block(axes)], ridge[basis.block(axes)] = residuals.values[axes], amount
    chosen = np.flatnonzero(ridge)
    dual = _Dual(basis, base, residuals.total, chosen, goal.ravel()[chosen], ridge.ravel()[chosen])
    found = minimize(
        dual.value_and_gradient,
        start.parameters.ravel()[chosen] * dual.scale,
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": iterations, "maxcor": 20, "gtol": 1e-2, "ftol": 1e-9},
    )
    theta = found.x / dual.scale
    reason = "the gradient or the progress vanished" if found.success else "the iteration limit was reached"
    ended = Convergence(bool(found.success), start.convergence.iterations + int(found.nit), float(found.fun), reason)
    return replace(start, parameters=dual.spread(theta), joint=dual.joint(theta)[0], convergence=ended)
