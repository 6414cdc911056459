"""Which noise a question gets: by the governor of its pool, its number of cells and its scales, all public.

Proof pages: ``docs/proofs/mechanisms.md``, ``table-sampler.md``.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dpsynth.curator.mechanisms import DiscreteGaussian, NoisyMax
from dpsynth.curator.pure import DiscreteLaplace, PermuteAndFlip
from dpsynth.curator.table_sampler import TableSampler, table_suits
from dpsynth.privacy.governor import Governor


class TableGaussian(DiscreteGaussian):
    """The same law, charge and check, drawn from a table: about 0.1 µs of CPU a cell."""

    sampler = "table"

    def __init__(self, sensitivity: int, scale: float) -> None:
        super().__init__(sensitivity, scale)
        self._table = TableSampler(scale)

    def __call__(self, counts: NDArray[np.int64]) -> NDArray[np.int64]:
        """The noisy counts, int64, same shape."""
        return self._table(counts)


def counting_noise(
    governor: Governor, sensitivity: int, scales: Sequence[float], cells: int
) -> list[DiscreteGaussian | DiscreteLaplace]:
    """The noise of marginals that are measured together: one for each scale; they have ``cells`` cells in all."""
    kind: type[DiscreteGaussian | DiscreteLaplace] = TableGaussian if table_suits(cells, scales) else DiscreteGaussian
    if governor is Governor.PURE:
        kind = DiscreteLaplace
    built = {scale: kind(sensitivity, scale) for scale in set(scales)}
    return [built[scale] for scale in scales]


def noisy_max(governor: Governor, sensitivity: int, scale: float) -> NoisyMax | PermuteAndFlip:
    """The noisy maximum of a pool of this governor."""
    kind = PermuteAndFlip if governor is Governor.PURE else NoisyMax
    return kind(sensitivity, scale)
