"""Whether noisy tables agree: what each says about the total and about single attributes, against all the others."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from dpsynth.domain import Domain
from dpsynth.errors import DomainError
from dpsynth.graph.factors import Values, summed
from dpsynth.graph.pooling import Measurement

FALSE_ALARMS = 1e-6
"""The chance that tables which agree are reported, whatever their number (union bound over all comparisons)."""

_DECIDED = 1e-9
"""The least share of the precision that the other tables need to be a yardstick."""


@dataclass(frozen=True)
class Contradiction:
    """One measurement against the pooled others: its ``position``, the ``attribute`` whose counts differ most
    (``None``: the total), and by how many standard deviations of the difference.
    """

    position: int
    attribute: str | None
    deviations: float


def contradictions(domain: Domain, measurements: Sequence[Measurement]) -> tuple[Contradiction, ...]:
    """The measurements that differ from the others by more than Gaussian noise explains, the worst first.

    Every total and every one-way count of every measurement is compared with the inverse-variance mean of the same
    figure in all other measurements. Reports consistent tables with a chance of at most ``FALSE_ALARMS``; a figure
    that is off by a further 5 standard deviations is reported with a chance above 0.9999997. Raises ``DomainError``
    for a coarsened measurement. Cost: one sum of each table per attribute.
    """
    if any(measurement.coarsening for measurement in measurements):
        raise DomainError("coarsened measurements cannot be compared")
    worst: dict[int, Contradiction] = {}
    comparisons = 0
    for attribute in (None, *domain):
        axes = () if attribute is None else (attribute,)
        held = [place for place, one in enumerate(measurements) if set(axes) <= set(one.clique)]
        if len(held) < 2:
            continue
        deviations = _deviations([measurements[place] for place in held], axes)
        comparisons += deviations.size
        for place, most in zip(held, deviations.max(axis=1).tolist(), strict=True):
            if place not in worst or most > worst[place].deviations:
                worst[place] = Contradiction(place, attribute, most)
    limit = -NormalDist().inv_cdf(FALSE_ALARMS / 2 / max(comparisons, 1))
    found = [contradiction for contradiction in worst.values() if contradiction.deviations > limit]
    return tuple(sorted(found, key=lambda one: (-one.deviations, one.position)))


def _deviations(measurements: Sequence[Measurement], axes: tuple[str, ...]) -> Values:
    """Measurements x figures: the distance of each figure from the pooled others, in standard deviations."""
    seen = np.stack([np.ravel(summed(one.values.astype(np.float64), one.clique, axes)) for one in measurements])
    shares = [math.sqrt(one.values.size / seen.shape[1]) * one.deviation for one in measurements]
    precision = np.array([[share**-2.0] for share in shares])
    others = precision.sum() - precision
    usable = others > _DECIDED * precision.sum()
    others = np.where(usable, others, 1.0)
    mean = ((precision * seen).sum(axis=0) - precision * seen) / others
    found: Values = np.abs(seen - mean) / np.sqrt(1.0 / precision + 1.0 / others)
    return np.where(usable, found, 0.0)
