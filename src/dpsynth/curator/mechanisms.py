"""The noise of pools with a delta: OpenDP's discrete Gaussian and exponential mechanism, on integers.

Each mechanism is built for a scale and refuses to exist unless OpenDP's own privacy map confirms the charge. There is
no seed, no switch and no float arithmetic on counts. Proof page: ``docs/proofs/mechanisms.md``.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dpsynth.errors import NoGuaranteeError
from dpsynth.privacy.laws import gaussian_loss, noisy_max_loss

SAMPLER = "opendp"


class DiscreteGaussian:
    """Adds N_Z(0, scale²) to every cell of an int64 vector whose L2 sensitivity is ``sensitivity``.

    ``loss`` is the charge that OpenDP's privacy map was checked against. Cost: about 18 µs of CPU a cell.
    """

    law, sampler = "gaussian", SAMPLER

    def __init__(self, sensitivity: int, scale: float) -> None:
        dp = opendp()
        space = dp.vector_domain(dp.atom_domain(T="i64")), dp.l2_distance(T="f64")
        self._measurement = dp.m.make_gaussian(*space, scale=scale)
        self.loss = gaussian_loss(sensitivity, scale)
        check(self._measurement.map(float(sensitivity)), self.loss.rho_exact)

    def __call__(self, counts: NDArray[np.int64]) -> NDArray[np.int64]:
        """The noisy counts, int64, same shape."""
        # A copy: sources answer with read-only arrays, which OpenDP does not take.
        noisy = self._measurement(np.array(counts.ravel(), dtype=np.int64))
        return np.array(noisy, dtype=np.int64).reshape(counts.shape)


class NoisyMax:
    """Picks an index with probability ∝ exp(score / scale): the exponential mechanism on integer scores.

    Scores may move up *and* down by ``sensitivity`` between neighbors, so OpenDP is never told that they are monotone.
    """

    law = "exponential"

    def __init__(self, sensitivity: int, scale: float) -> None:
        dp = opendp()
        space = dp.vector_domain(dp.atom_domain(T="i64")), dp.linf_distance(T="i64")
        self._measurement = dp.m.make_noisy_max(*space, dp.zero_concentrated_divergence(), scale=scale)
        self.loss = noisy_max_loss(sensitivity, scale)
        check(self._measurement.map(sensitivity), self.loss.rho_exact)

    def __call__(self, scores: NDArray[np.int64]) -> int:
        """The index of the noisy maximum."""
        return int(self._measurement(scores))


def check(mapped: float, charged: Fraction) -> None:
    """Raise ``NoGuaranteeError`` unless what the privacy map says, taken exactly, is within the charge."""
    if not Fraction(mapped) <= charged:
        raise NoGuaranteeError("a mechanism's privacy map exceeds its charge", hint="Please report this: SECURITY.md")


def opendp() -> Any:
    """OpenDP, imported on first use: it takes seconds."""
    import opendp.prelude as dp

    dp.enable_features("contrib")
    return dp
