"""The noise of pools without a delta: OpenDP's discrete Laplace and permute-and-flip.

Each mechanism refuses to exist unless OpenDP's own privacy map confirms its charge of pure epsilon. Proof page:
``docs/proofs/mechanisms.md``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dpsynth.curator.mechanisms import SAMPLER, check, opendp
from dpsynth.privacy.governor import Governor
from dpsynth.privacy.laws import laplace_loss, permute_and_flip_loss


class DiscreteLaplace:
    """Adds noise k with probability ∝ exp(−|k| / scale) to every cell of an int64 vector of this L1 sensitivity.

    ``loss`` is the charge that OpenDP's privacy map was checked against. Cost: about 11 µs of CPU a cell.
    """

    law = "laplace"
    sampler = SAMPLER

    def __init__(self, sensitivity: int, scale: float) -> None:
        dp = opendp()
        space = dp.vector_domain(dp.atom_domain(T="i64")), dp.l1_distance(T="i64")
        self._measurement = dp.m.make_laplace(*space, scale=scale)
        self.loss = laplace_loss(sensitivity, scale)
        check(self._measurement.map(sensitivity), Governor.PURE.amount(self.loss))

    def __call__(self, counts: NDArray[np.int64]) -> NDArray[np.int64]:
        """The noisy counts, int64, same shape."""
        # A copy: sources answer with read-only arrays, which OpenDP does not take.
        noisy = self._measurement(np.array(counts.ravel(), dtype=np.int64))
        return np.array(noisy, dtype=np.int64).reshape(counts.shape)


class PermuteAndFlip:
    """Picks an index by permute-and-flip on integer scores, which may move up *and* down between neighbors.

    Never worse than the exponential mechanism at the same scale (McKenna & Sheldon 2020).
    """

    law = "permute-and-flip"

    def __init__(self, sensitivity: int, scale: float) -> None:
        dp = opendp()
        space = dp.vector_domain(dp.atom_domain(T="i64")), dp.linf_distance(T="i64")
        self._measurement = dp.m.make_noisy_max(*space, dp.max_divergence(), scale=scale)
        self.loss = permute_and_flip_loss(sensitivity, scale)
        check(self._measurement.map(sensitivity), Governor.PURE.amount(self.loss))

    def __call__(self, scores: NDArray[np.int64]) -> int:
        """The index of the noisy maximum."""
        return int(self._measurement(scores))
