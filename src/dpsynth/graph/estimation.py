"""From noisy marginals to a model. The mathematics stands in ``docs/guide/estimation.md``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from dpsynth.domain import Clique, Domain
from dpsynth.errors import DomainError, ResourceLimitError
from dpsynth.graph.calibrated import CalibratedTree
from dpsynth.graph.closed_form import closed_form
from dpsynth.graph.dual import Convergence, Wanted, fit_dual
from dpsynth.graph.factors import Values, aligned, divided, summed
from dpsynth.graph.junction import JunctionTree, junction_tree
from dpsynth.graph.pooling import (
    Measurement,
    Target,
    coarsened,
    merged,
    pooled_one_way,
    pooled_total,
    projected_precision,
)
from dpsynth.graph.shrinkage import dispersion

ITERATIONS = 1_000
MODEL_CELLS = 1 << 27
"""The largest model that is built: 1 GB of beliefs."""

Zeros = Mapping[Clique, NDArray[np.bool_]]
"""For some cliques the cells that cannot occur (True), axes in clique order: public."""


def estimate(
    domain: Domain,
    measurements: Sequence[Measurement],
    *,
    zeros: Zeros | None = None,
    iterations: int = ITERATIONS,
) -> tuple[CalibratedTree, Convergence]:
    """The model of these answers over ``domain`` (post-processing: costs no privacy), with how the estimation ended.

    Guarantees, whatever the noise did: beliefs are nonnegative and finite, the total is at least 1, and impossible
    cells are exactly 0. Measured cliques that form a junction tree are estimated in closed form; others, and anything
    with ``zeros``, by the regularized dual. Coarsened answers correct the model bucket by bucket. Raises
    ``DomainError`` for an answer or mask that does not fit the domain, or masks that leave no possible row, and
    ``ResourceLimitError`` when the measured cliques need a model of more than ``MODEL_CELLS`` cells.
    """
    targets = merged(domain, measurements)
    total = pooled_total(targets)
    one_ways = {attribute: pooled_one_way(domain, attribute, targets, total) for attribute in domain}
    tree = _bounded(junction_tree(domain, [target.clique for target in targets]))
    if not zeros and decomposable(tree, [target.clique for target in targets]):
        reason = "closed form" if targets else "nothing was measured"
        return closed_form(tree, one_ways, targets, total), Convergence(
            converged=True, iterations=0, objective=0.0, reason=reason
        )
    kept = _decomposable_part(domain, one_ways, targets, total)
    start = closed_form(junction_tree(domain, [target.clique for target in kept]), one_ways, kept, total)
    masks = _checked(domain, zeros or {})
    cliques = [*start.tree.cliques, *(target.clique for target in targets), *masks]
    full = _bounded(junction_tree(domain, cliques))
    wanted = _wanted(start, one_ways, targets, {id(target) for target in kept})
    return fit_dual(full, _base(full, start, masks), wanted, total, iterations)


def _bounded(tree: JunctionTree) -> JunctionTree:
    if tree.cells > MODEL_CELLS:
        raise ResourceLimitError(
            f"the measured cliques need a model of {tree.cells:,} cells, above the limit of {MODEL_CELLS:,}",
            hint="Measure fewer or smaller cliques.",
        )
    return tree


def decomposable(tree: JunctionTree, cliques: Iterable[Clique]) -> bool:
    """Whether every node of several attributes is one of these cliques (in any order of their attributes)."""
    measured = {frozenset(clique) for clique in cliques}
    return all(len(clique) == 1 or frozenset(clique) in measured for clique in tree.cliques)


def _decomposable_part(
    domain: Domain, one_ways: Mapping[str, Values], targets: Sequence[Target], total: float
) -> tuple[Target, ...]:
    """A decomposable subset of the targets, grown greedily from those that depart most from independence."""

    def surplus(target: Target) -> float:
        prior = np.asarray(total, dtype=np.float64)
        for attribute in target.clique:
            prior = np.multiply.outer(prior, one_ways[attribute] / total)
        difference = target.values - coarsened(prior, target.buckets)
        energy = float((difference**2).sum()) - difference.size * target.variance
        return max(energy, 0.0) / float(np.sqrt(difference.size))

    kept: list[Target] = [target for target in targets if len(target.clique) == 1]
    several = [target for target in targets if len(target.clique) > 1]
    for target in sorted(several, key=surplus, reverse=True):
        trial = [*kept, target]
        members = [member.clique for member in trial]
        if decomposable(junction_tree(domain, members), members):
            kept = trial
    return tuple(kept)


def _wanted(
    start: CalibratedTree, one_ways: Mapping[str, Values], targets: Sequence[Target], kept: set[int]
) -> list[Wanted]:
    """What the dual has to meet: the pooled one-way counts and the noisy targets.

    A target with noise s² and dispersion a around the closed-form model gets the ridge s²/a: the divergence from that
    model then is a prior of variance a · expected, which is the shrinkage of the closed form, for all targets jointly.
    What the closed form has already met is held there, at the mean dispersion of the others.
    """
    several = [target for target in targets if len(target.clique) > 1]
    priors = start.marginals([target.clique for target in several])
    expected = [coarsened(prior, target.buckets) for target, prior in zip(several, priors, strict=True)]
    spreads = [dispersion(prior, target) for target, prior in zip(several, expected, strict=True)]
    others = [spread for target, spread in zip(several, spreads, strict=True) if id(target) not in kept]
    typical = max(1.0, float(np.mean(others)) if others else 1.0)
    found = []
    for target, prior, spread in zip(several, expected, spreads, strict=True):
        if id(target) in kept:
            found.append(Wanted(target.clique, target.buckets, prior, prior, target.variance / typical))
        elif spread > 0.0:
            found.append(Wanted(target.clique, target.buckets, target.values, prior, target.variance / spread))
    for name, values in one_ways.items():
        precision = sum(projected_precision(name, target) for target in targets)
        if precision > 0.0:
            found.append(Wanted((name,), (None,), values, values, 1.0 / (precision * typical)))
    return found


def _checked(domain: Domain, zeros: Zeros) -> dict[Clique, NDArray[np.bool_]]:
    """The masks with axes in domain order; several masks of one clique are joined."""
    masks: dict[Clique, NDArray[np.bool_]] = {}
    for clique, mask in zeros.items():
        domain.check_clique(clique)
        if mask.shape != domain.shape(clique):
            raise DomainError("a mask of impossible cells does not have its clique's shape", where=",".join(clique))
        ordered = domain.canonical(clique)
        impossible = mask.transpose([clique.index(name) for name in ordered])
        masks[ordered] = masks.get(ordered, False) | impossible
    return masks


def _base(
    tree: JunctionTree, start: CalibratedTree, masks: Mapping[Clique, NDArray[np.bool_]]
) -> list[NDArray[np.float64]]:
    """The log potentials of the closed-form model on the larger tree, with −inf for impossible cells."""
    base: list[Values] = [np.zeros(tree.domain.shape(clique)) for clique in tree.cliques]

    def add(clique: Clique, values: Values) -> None:
        node = tree.containing(clique)
        if node is None:
            raise DomainError("a clique is missing from its junction tree", where=",".join(clique))
        base[node] = base[node] + aligned(values, clique, tree.cliques[node])

    with np.errstate(divide="ignore"):
        for visit in start.tree.order:
            clique, belief = start.tree.cliques[visit.node], start.beliefs[visit.node]
            separator = summed(belief, clique, visit.separator)
            add(clique, np.log(divided(belief, aligned(separator, visit.separator, clique))))
        for clique, mask in masks.items():
            add(clique, np.where(mask, -np.inf, 0.0))
    return base
