"""A model that learns one noisy marginal after the other, keeping its junction tree, beliefs and parameters.

Generalized iterative proportional fitting: block-coordinate ascent on the regularized dual of
``docs/guide/estimation.md`` section 4, one block per measured clique, each block in closed form. Between blocks one
message is passed along the tree (Jiroušek & Přeučil 1995), so that the node at hand is always calibrated.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from dpsynth.domain import Clique, Domain
from dpsynth.graph.calibrated import CalibratedTree, independent_tree
from dpsynth.graph.dual import Convergence
from dpsynth.graph.factors import Values, aligned, divided, summed
from dpsynth.graph.growth import ModelSize
from dpsynth.graph.junction import JunctionTree, junction_tree
from dpsynth.graph.pooled_counts import PooledCounts
from dpsynth.graph.propagation import propagate

_STILL = 1e-12
"""A message whose ratios differ from 1 by less is not passed on."""

_REACH = 20.0
"""No parameter is larger: a clique makes no cell rarer than e to minus this, whatever noise says."""

_LARGEST = 1e100
"""Quotients end here: beliefs that all but vanished must not become infinite."""

_FIRM = 1e5
"""The dispersion that is assumed without shrinkage: what is measured is met up to a trace."""


@dataclass(eq=False)
class Learned:
    """All that is known about one clique: pooled noisy counts, their variance, what the model has to meet, up to which
    ``ridge`` (rows²), the parameters that do it, and the model's counts when they were last looked at.
    """

    clique: Clique
    values: Values
    variance: float
    target: Values
    ridge: float
    theta: Values
    model: Values


class IncrementalField:
    """Expected counts over ``domain`` as a calibrated junction tree that grows with what is learned.

    Starts with independent attributes that have the ``counts`` given, and aims at the latest one-way counts, which
    sweeps approach.
    ``shrink``: whether parameters are shrunk by noise over dispersion (empirical Bayes), or hardly at all.
    """

    def __init__(self, domain: Domain, counts: PooledCounts, *, shrink: bool = True) -> None:
        self.domain = domain
        self.learned: dict[Clique, Learned] = {}
        self._counts = counts
        self._shrink = shrink
        self.total, self._one_ways = counts.total, counts.one_ways()
        self._logs = {name: np.log(values / self.total) for name, values in self._one_ways.items()}
        start = independent_tree(junction_tree(domain, []), self._one_ways, self.total)
        self._install(start.tree, start.beliefs)

    @property
    def calibrated(self) -> CalibratedTree:
        """The current model."""
        return CalibratedTree(self.tree, tuple(self._beliefs), self.total)

    @property
    def size(self) -> ModelSize:
        """How the model would grow with one more clique."""
        return ModelSize(self.domain, self.tree, tuple(self.learned))

    def learn(self, clique: Clique, values: Values, variance: float) -> None:
        """Take in a noisy marginal (axes in domain order); the tree grows when no node holds the clique."""
        self._counts.add(clique, values, variance)
        known = self.learned.get(clique)
        if known is None:
            zero = np.zeros_like(values)
            known = Learned(clique, values, variance, zero, np.inf, zero, zero)
        else:
            precision = 1 / known.variance + 1 / variance
            known.values = (known.values / known.variance + values / variance) / precision
            known.variance = 1 / precision
        size = self.size
        self.learned[clique] = known
        self._aim()
        if size.holds(clique):
            self._place()
        else:
            self._grow(size.grown(clique))

    def _aim(self) -> None:
        """Derive from all answers so far what every learned clique has to meet, and how closely.

        The ridge of a clique is its variance over a dispersion: the geometric mean of the factor by which the clique
        departs from independence beyond its noise, itself noisy, and of the median of these factors over all learned
        cliques. The median alone would hide a few strong cliques behind many weak ones.
        """
        self.total, self._one_ways = self._counts.total, self._counts.one_ways()
        for one in self.learned.values():
            one.target = self._consistent(one)
        spreads = np.maximum([self._dispersion(one) for one in self.learned.values()], 1.0)
        common = float(np.median(spreads))
        for one, spread in zip(self.learned.values(), spreads.tolist(), strict=True):
            one.ridge = one.variance / (math.sqrt(common * spread) if self._shrink else _FIRM)

    def _consistent(self, one: Learned) -> Values:
        """The noisy counts with their main effects replaced by those of the one-way counts (least squares)."""
        values, cells = one.values, one.values.size
        result: Values = values + (self.total - values.sum()) / cells
        for axis, name in enumerate(one.clique):
            others = tuple(other for other in range(values.ndim) if other != axis)
            gap = self._one_ways[name] - values.sum(axis=others)
            effect = (gap - gap.mean()) * (len(gap) / cells)
            result = result + aligned(effect, (name,), one.clique)
        return result

    def _dispersion(self, one: Learned) -> float:
        """Return a = max(Σ (y − I)² − k σ², 0) / N around independence I."""
        prior = np.asarray(self.total, dtype=np.float64)
        for name in one.clique:
            prior = np.multiply.outer(prior, self._one_ways[name] / self.total)
        difference = one.target - prior
        surplus = float((difference**2).sum()) - difference.size * one.variance
        return float(max(surplus, 0.0) / self.total)

    def _install(self, tree: JunctionTree, beliefs: Iterable[Values]) -> None:
        self.tree = tree
        self._beliefs = list(beliefs)
        self._separators = {
            _edge(visit.node, visit.parent): summed(
                self._beliefs[visit.node], tree.cliques[visit.node], visit.separator
            )
            for visit in tree.order
        }
        self._place()

    def _place(self) -> None:
        """Give every learned clique and every attribute to the smallest node that holds it."""
        self._held: list[list[Learned]] = [[] for _ in self.tree.cliques]
        for one in self.learned.values():
            self._held[self._node(one.clique)].append(one)
        self._home: list[list[str]] = [[] for _ in self.tree.cliques]
        for name, node in self.tree.home.items():
            self._home[node].append(name)

    def _node(self, clique: Clique) -> int:
        node = self.tree.containing(clique)
        if node is None:
            raise AssertionError  # pragma: no cover  (the tree was built for every learned clique)
        return node

    def _grow(self, tree: JunctionTree) -> None:
        """The same parameters on a larger tree."""
        logs = [np.zeros(self.domain.shape(clique)) for clique in tree.cliques]
        for name, values in self._logs.items():
            node = tree.home[name]
            logs[node] += aligned(values, (name,), tree.cliques[node])
        self.tree = tree
        for one in self.learned.values():
            if one.theta.any():
                node = self._node(one.clique)
                logs[node] += aligned(one.theta, one.clique, tree.cliques[node])
        self._install(tree, [self.total * belief for belief in propagate(tree, logs).beliefs])

    def fit(self, sweeps: int, tolerance: float = 0.0, start: Clique | None = None) -> Convergence:
        """At most this many sweeps over all blocks, beginning at the node of ``start``.

        Ends when no learned marginal moves by more than ``tolerance`` · total between two sweeps (L1).
        """
        root = self._node(start) if start else 0
        moved, done = np.inf, 0
        while done < sweeps and moved > tolerance:
            moved = self._sweep(root) / self.total
            done += 1
        # The root knows everything by now; the others learn what changed after they were visited.
        for visit in self.tree.walk(root)[1:]:
            self._pass(visit.parent, visit.node)
        self._level()
        converged = bool(moved <= tolerance) or not self.learned
        reason = "the learned marginals came to rest" if converged else "the limit of sweeps was reached"
        return Convergence(converged, done, float(moved), reason)

    def _sweep(self, root: int) -> float:
        """Visit all nodes depth first, there and back; returns the largest L1 move of a block."""
        moved = self._update(root)
        stack = [(root, -1, iter(self.tree.neighbors[root]))]
        while stack:
            node, parent, pending = stack[-1]
            step = next(pending, None)
            if step is None:
                stack.pop()
                if parent >= 0:
                    self._pass(node, parent)
                continue
            neighbor, _ = step
            if neighbor == parent:
                continue
            self._pass(node, neighbor)
            moved = max(moved, self._update(neighbor))
            stack.append((neighbor, node, iter(self.tree.neighbors[neighbor])))
        return moved

    def _pass(self, source: int, target: int) -> None:
        """One Hugin message: afterwards the target knows all that the source does."""
        separator = next(names for node, names in self.tree.neighbors[source] if node == target)
        fresh = summed(self._beliefs[source], self.tree.cliques[source], separator)
        ratio = _quotient(fresh, self._separators[_edge(source, target)])
        if float(np.abs(ratio - 1).max(initial=0.0, where=fresh > 0)) < _STILL:
            return
        self._beliefs[target] *= aligned(ratio, separator, self.tree.cliques[target])
        self._separators[_edge(source, target)] = fresh

    def _update(self, node: int) -> float:
        """One step of every block that lives in this node; returns how far their marginals moved since the last."""
        moved = 0.0
        clique, belief = self.tree.cliques[node], self._beliefs[node]
        for one in self._held[node]:
            model = summed(belief, clique, one.clique)
            moved = max(moved, float(np.abs(model - one.model).sum()))
            theta = np.clip(one.theta + ridge_step(model, one.theta, one.target, one.ridge), -_REACH, _REACH)
            # The mean of the parameters is free: without one, blocks do not push the total to and fro.
            theta -= theta.mean()
            factor = np.exp(theta - one.theta)
            factor *= model.sum() / float((model * factor).sum())
            one.theta, one.model = theta, model
            belief *= aligned(factor, one.clique, clique)
        for name in self._home[node]:
            factor = _quotient(self._one_ways[name], summed(belief, clique, (name,)))
            self._logs[name] = self._logs[name] + np.log(np.maximum(factor, 1 / _LARGEST))
            belief *= aligned(factor, (name,), clique)
        return moved

    def _level(self) -> None:
        """Give every belief exactly the total (parameters differ by a constant then, which does not matter)."""
        self._beliefs = [belief * (self.total / belief.sum()) for belief in self._beliefs]
        for edge, values in self._separators.items():
            self._separators[edge] = values * (self.total / values.sum())


def _quotient(numerator: Values, denominator: Values) -> Values:
    return np.minimum(divided(numerator, denominator), _LARGEST)


def _edge(left: int, right: int) -> tuple[int, int]:
    return min(left, right), max(left, right)


def ridge_step(model: Values, theta: Values, target: Values, ridge: float) -> Values:
    """The δ with model · exp(δ) − target + ridge · (θ + δ) = 0, cell by cell.

    In closed form δ = b − ω(b + log(model / ridge)) with b = target / ridge − θ and ω the Wright omega function
    (Corless & Jeffrey 2002). Cells with no model keep δ = 0.
    """
    from scipy.special import wrightomega

    shift = target / ridge - theta
    with np.errstate(divide="ignore"):
        logs = np.log(model / ridge)
    omega = wrightomega(shift + np.where(np.isfinite(logs), logs, 0.0))
    with np.errstate(divide="ignore", invalid="ignore"):
        step = np.where(omega > 1e-3, np.log(omega) - logs, shift - omega)
    result: Values = np.where(model > 0, step, 0.0)
    return result
