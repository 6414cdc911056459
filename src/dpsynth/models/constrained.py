"""Exact zeros: a distribution confined to what the constraints of a schema allow. Public knowledge: no budget."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from dpsynth.domain import Clique, Domain
from dpsynth.graph.factors import aligned, divided, summed
from dpsynth.models.distribution import Distribution
from dpsynth.models.intervals import MarginalInterval
from dpsynth.models.mixture import MixtureOfProducts
from dpsynth.models.rounding import Expected
from dpsynth.models.stratified import Stratified
from dpsynth.schema.constraints import AllowedSet

RAKED_CELLS = 1 << 18
"""Constrained columns with at most this many combinations keep their own marginals."""
_ROUNDS = 50
_CLOSE = 1e-9


def constrained(base: Distribution, allowed: AllowedSet) -> Distribution:
    """``base`` without what is not allowed, with the same total: probability exactly 0 outside the allowed set.

    Within the set it is ``base`` times one factor per code of the constrained columns, chosen by iterative
    proportional fitting (Deming & Stephan 1940) so that each of these columns keeps its marginal: of all distributions
    on the set with these marginals of a group of columns, the one next to ``base``. Where no factors come nearer to
    the marginals (a value has no allowed row in ``base``, or the marginals contradict the constraints), or a group of
    columns has more than ``RAKED_CELLS`` combinations, it is ``base`` given the set. A base without any allowed row
    gives way to the uniform distribution on the set.
    """
    if not base.total > 0:
        return base
    factors: dict[str, Expected] = {}
    for group in allowed.groups:
        factors |= _factors(base, group, allowed)
    boxes = [{name: mask * factors[name] for name, mask in box.items()} for box in allowed.boxes]
    found = Stratified(base, tuple({**factors, **box} for box in boxes))
    if not found.total > 0:
        return _uniform(base.domain, base.total, allowed)
    return Stratified(base, found.strata, base.total / found.total)


def with_known_zeros(interval: MarginalInterval, possible: NDArray[np.bool_]) -> MarginalInterval:
    """The interval with the cells that the constraints rule out at exactly 0: [0, 0], without an error."""
    lower, upper, error = (
        np.where(possible, values, 0.0) for values in (interval.lower, interval.upper, interval.standard_error)
    )
    return replace(interval, lower=lower, upper=upper, standard_error=error)


def _factors(base: Distribution, group: Clique, allowed: AllowedSet) -> dict[str, Expected]:
    """One factor per code of each column of the group, the largest 1."""
    domain = base.domain
    plain = {name: np.ones(domain[name]) for name in group}
    if domain.cells(group) > RAKED_CELLS:
        return plain
    joint = base.marginal(group)
    targets = [summed(joint, group, (name,)) / joint.sum() for name in group]
    held = np.where(allowed.possible(group, domain.shape(group)), joint, 0.0)
    if not held.sum() > 0:
        return plain
    held /= held.sum()
    before = _distance(held, group, targets)
    raked = dict(plain)
    for _ in range(_ROUNDS):
        for name, target in zip(group, targets, strict=True):
            sums = summed(held, group, (name,))
            step = np.where((sums > 0) & (target > 0), divided(target, sums), 1.0)
            raked[name] = raked[name] * step
            held = held * aligned(step, (name,), group)
        held /= held.sum()
        if _distance(held, group, targets) < _CLOSE:
            break
    if not _distance(held, group, targets) < before:
        return plain
    return {name: values / values.max() for name, values in raked.items()}


def _distance(joint: Expected, group: Clique, targets: Sequence[Expected]) -> float:
    """How far the columns lie from their marginals: the sum of total variation distances."""
    return sum(
        float(np.abs(summed(joint, group, (name,)) - target).sum()) / 2
        for name, target in zip(group, targets, strict=True)
    )


def _uniform(domain: Domain, total: float, allowed: AllowedSet) -> MixtureOfProducts:
    """Every allowed combination equally likely: one component per box, weighted by its cells."""
    logs, rows = [], []
    for box in allowed.boxes:
        sides = [np.asarray(box.get(name, np.ones(domain[name])), dtype=np.float64) for name in domain]
        logs.append(sum(float(np.log(side.sum())) for side in sides))
        rows.append(np.concatenate([side / side.sum() for side in sides]))
    weights = np.exp(np.array(logs) - max(logs))
    return MixtureOfProducts(domain, total, weights / weights.sum(), np.array(rows))
