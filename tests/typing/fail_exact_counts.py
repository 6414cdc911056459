"""Exact counts are never a released answer, and what takes released answers does not take exact counts."""

import numpy as np
from numpy.typing import NDArray

from dpsynth.curator.sources import MarginalSource
from dpsynth.domain import Domain
from dpsynth.graph import estimate
from dpsynth.privacy.answers import NoisyMarginal
from dpsynth.privacy.reconciliation import loss_of


def leak(source: MarginalSource, domain: Domain) -> NoisyMarginal:
    exact: NDArray[np.int64] = source.counts([("age",)])[0]
    loss_of(exact)  # type: ignore[arg-type]
    estimate(domain, [exact])  # type: ignore[list-item]
    return exact  # type: ignore[return-value]
