"""Belief propagation: from arbitrary nonnegative potentials to a calibrated tree, in one oracle call.

Shafer-Shenoy messages (no division, so zeros are safe), float64, each message rescaled to a maximum of 1. Terms below
1e-308 are lost in plain numbers; where what remains is so small that they could matter, the same schedule runs once
more in the log domain.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dpsynth.domain import Clique
from dpsynth.errors import DomainError
from dpsynth.graph.factors import Values, aligned, summed
from dpsynth.graph.junction import JunctionTree


@dataclass(frozen=True)
class Semiring:
    """How factors are combined and summed: plain numbers, or logarithms."""

    combine: Callable[[Values, Values], Values]
    total: Callable[[Values, Clique, Clique], Values]
    rescale: Callable[[Values], tuple[Values, float]]


def _rescaled(values: Values) -> tuple[Values, float]:
    peak = float(values.max())
    return (values / peak, float(np.log(peak))) if peak > 0 else (values, -np.inf)


def _log_total(values: Values, clique: Clique, target: Clique) -> Values:
    peak = np.max(values)
    if not np.isfinite(peak):
        return summed(values, clique, target)
    drop = tuple(axis for axis, name in enumerate(clique) if name not in set(target))
    peaks = values.max(axis=drop, keepdims=True)
    peaks = np.where(np.isfinite(peaks), peaks, 0.0)
    with np.errstate(divide="ignore"):
        sums = np.log(np.exp(values - peaks).sum(axis=drop)) + peaks.squeeze(axis=drop)
    return summed(sums, tuple(name for name in clique if name in set(target)), target)


def _log_rescaled(values: Values) -> tuple[Values, float]:
    peak = float(values.max())
    return (values - peak, peak) if np.isfinite(peak) else (values, -np.inf)


_SAFE = np.log(1e-100)
"""With every peak above this, a lost term (below 1e-308) is at most 1e-208 of what it would be added to."""

_PLAIN = Semiring(np.multiply, summed, _rescaled)
_LOG = Semiring(np.add, _log_total, _log_rescaled)


@dataclass(frozen=True, eq=False)
class Propagated:
    """``beliefs`` sum to 1 each and agree on separators; ``log_partition`` is the log of the sum of the product of all
    potentials (nats).
    """

    beliefs: tuple[Values, ...]
    log_partition: float


def propagate(tree: JunctionTree, log_potentials: Sequence[NDArray[np.float64]]) -> Propagated:
    """The normalized marginals of the product of the potentials, given as logarithms (−inf for impossible cells).

    Raises ``DomainError`` when no cell is possible. Cost: two messages an edge; three products of a node's array for
    each of its neighbors.
    """
    peaks = [float(values.max()) for values in log_potentials]
    if not np.isfinite(peaks).all():
        raise DomainError("structural zeros leave no possible row")
    plain = [np.exp(values - peak) for values, peak in zip(log_potentials, peaks, strict=True)]
    beliefs, log_partition, smallest = _passed(tree, plain, _PLAIN)
    if smallest < _SAFE:
        shifted = [values - peak for values, peak in zip(log_potentials, peaks, strict=True)]
        logs, log_partition, _ = _passed(tree, shifted, _LOG)
        if not np.isfinite(log_partition):
            raise DomainError("structural zeros leave no possible row")
        beliefs = [np.exp(values - values.max()) for values in logs]
    normalized = tuple(values / values.sum() for values in beliefs)
    return Propagated(normalized, log_partition + float(np.sum(peaks)))


def _passed(tree: JunctionTree, potentials: Sequence[Values], ring: Semiring) -> tuple[list[Values], float, float]:
    """Collect to node 0 and distribute back.

    Returns unnormalized beliefs, the log partition function, and the smallest logarithm of a peak met on the way.
    """
    inbox: list[dict[int, Values]] = [{} for _ in tree.cliques]
    scale = smallest = 0.0
    for visit in reversed(tree.order[1:]):
        clique = tree.cliques[visit.node]
        product = _product(potentials[visit.node], list(inbox[visit.node].values()), ring)
        message, log_scale = ring.rescale(ring.total(product, clique, visit.separator))
        scale, smallest = scale + log_scale, min(smallest, log_scale)
        inbox[visit.parent][visit.node] = aligned(message, visit.separator, tree.cliques[visit.parent])
    children = {visit.node: list(inbox[visit.node]) for visit in tree.order}
    separators = {visit.node: visit.separator for visit in tree.order}
    beliefs: list[Values] = [np.empty(0)] * len(tree.cliques)
    for visit in tree.order:
        node = visit.node
        messages = [inbox[node][child] for child in children[node]]
        above = [inbox[node][visit.parent]] if visit.parent >= 0 else []
        start = _product(potentials[node], above, ring)
        beliefs[node], others = _leave_one_out(start, messages, ring)
        for child, product in zip(children[node], others, strict=True):
            message, log_scale = ring.rescale(ring.total(product, tree.cliques[node], separators[child]))
            smallest = min(smallest, log_scale)
            inbox[child][node] = aligned(message, separators[child], tree.cliques[child])
        smallest = min(smallest, ring.rescale(beliefs[node])[1])
    _, log_root = ring.rescale(ring.total(beliefs[0], tree.cliques[0], ()))
    return beliefs, scale + log_root, smallest


def _product(start: Values, messages: Sequence[Values], ring: Semiring) -> Values:
    for message in messages:
        start = ring.combine(start, message)
    return start


def _leave_one_out(start: Values, messages: Sequence[Values], ring: Semiring) -> tuple[Values, list[Values]]:
    """The product of everything, and for each message the product without it, by prefixes and suffixes."""
    prefixes = [start]
    for message in messages:
        prefixes.append(ring.combine(prefixes[-1], message))
    others: list[Values] = []
    suffix: Values | None = None
    for prefix, message in zip(prefixes[-2::-1], messages[::-1], strict=True):
        others.append(prefix if suffix is None else ring.combine(prefix, suffix))
        suffix = message if suffix is None else ring.combine(message, suffix)
    return prefixes[-1], others[::-1]
