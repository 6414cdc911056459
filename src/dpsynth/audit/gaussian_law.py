"""The likelihood ratio of marginals that are measured together by Gaussian noise alone, for many transcripts at once.

It is the same on every table: only the counts of the cells that the target's rows fall into differ between neighbors.
The worst target has all of its rows in one cell of each marginal, which is the sensitivity that the room charges for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dpsynth.audit.gaussian_draws import gaussian_draws
from dpsynth.errors import UsageError
from dpsynth.privacy import laws
from dpsynth.privacy.governor import Governor
from dpsynth.privacy.loss import PrivacyLoss

_CHUNK = 1_000_000


@dataclass(frozen=True)
class GaussianLaw:
    """Marginals with noise of these ``scales``; the target has ``rows`` rows."""

    scales: tuple[float, ...]
    rows: int

    @staticmethod
    def of(governor: Governor, loss: PrivacyLoss, rows: int, weights: Sequence[int]) -> GaussianLaw:
        """All of a loss spent on marginals with these weights, for units of ``rows`` rows; ``UsageError`` under pure
        epsilon, where the noise is not Gaussian.
        """
        if governor is Governor.PURE:
            raise UsageError("noise is not Gaussian under pure epsilon")
        return GaussianLaw(tuple(laws.measured_scales(governor, rows, loss, weights)), rows)

    def ratios(
        self, held: int, other: int, rng: np.random.Generator
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Log P[t | with the target] − log P[t | without], exact, of so many transcripts of either world.

        Cost: about 50 ns of CPU a marginal and transcript.
        """
        return self._ratios(held, self.rows, rng), self._ratios(other, -self.rows, rng)

    def _ratios(self, runs: int, shift: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """With y = count + z the ratio of a cell is (2 z rows ± rows²) / 2 scale²: plus where the target is in it."""
        found = np.zeros(runs)
        for start in range(0, runs, _CHUNK):
            part = found[start : start + _CHUNK]
            for scale in self.scales:
                noise = gaussian_draws(np.full(len(part), scale), 1, rng)[:, 0]
                part += (2 * self.rows * noise + shift * self.rows) / (2 * scale * scale)
        return found
