"""Estimation without iterations over the model: for measured cliques that form a junction tree by themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from dpsynth.domain import Clique
from dpsynth.graph.calibrated import CalibratedTree, independent_tree
from dpsynth.graph.factors import Values, aligned, divided, summed
from dpsynth.graph.junction import JunctionTree
from dpsynth.graph.pooling import Target
from dpsynth.graph.shrinkage import shrunk

_SWEEPS = 200
_TOLERANCE = 1e-9


def closed_form(
    tree: JunctionTree, one_ways: Mapping[str, Values], targets: Sequence[Target], total: float
) -> CalibratedTree:
    """The calibrated tree whose nodes are the shrunk targets, fitted to the pooled one-way counts.

    Every node starts as independent attributes; the targets inside it are applied from small to large, each shrunk
    toward what the node expects by then; iterative proportional fitting restores the one-way counts; a pass from the
    root makes neighbors agree exactly. Cost: a few hundred sums of each node's array.
    """
    start = independent_tree(tree, one_ways, total)
    beliefs = [
        fitted_one_ways(corrected(prior, clique, _inside(clique, targets)), clique, one_ways)
        for clique, prior in zip(tree.cliques, start.beliefs, strict=True)
    ]
    return agreeing(tree, beliefs, total)


def _inside(clique: Clique, targets: Sequence[Target]) -> list[Target]:
    held = set(clique)
    inside = [target for target in targets if len(target.clique) > 1 and held.issuperset(target.clique)]
    return sorted(inside, key=lambda target: (len(target.clique), target.values.size))


def corrected(belief: Values, clique: Clique, targets: Sequence[Target]) -> Values:
    """The belief multiplied so that its marginal on each target, one after the other, is the shrunk one."""
    for target in targets:
        prior = summed(belief, clique, target.clique)
        ratio = divided(shrunk(prior, target).values, prior)
        belief = belief * aligned(ratio, target.clique, clique)
    return belief


def fitted_one_ways(belief: Values, clique: Clique, one_ways: Mapping[str, Values]) -> Values:
    """Iterative proportional fitting to the one-way counts (Deming & Stephan 1940): stops at 1e-9 of the total."""
    total = float(belief.sum())
    for _ in range(_SWEEPS if len(clique) > 1 else 1):
        gap = 0.0
        for attribute in clique:
            current = summed(belief, clique, (attribute,))
            gap = max(gap, float(np.abs(current - one_ways[attribute]).sum()))
            belief = belief * aligned(divided(one_ways[attribute], current), (attribute,), clique)
        if gap <= _TOLERANCE * total:
            break
    return belief


def agreeing(tree: JunctionTree, beliefs: Sequence[Values], total: float) -> CalibratedTree:
    """The distribution root · Π (child given separator), written as a calibrated tree with this total."""
    result = [belief * (total / belief.sum()) for belief in beliefs]
    for visit in tree.order[1:]:
        above = summed(result[visit.parent], tree.cliques[visit.parent], visit.separator)
        own = summed(result[visit.node], tree.cliques[visit.node], visit.separator)
        result[visit.node] = result[visit.node] * aligned(
            divided(above, own), visit.separator, tree.cliques[visit.node]
        )
    return CalibratedTree(tree, tuple(result), total)
