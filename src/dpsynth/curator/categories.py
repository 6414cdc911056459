"""The categories of a column: keys whose noisy counts reach a threshold. Proof page: ``docs/proofs/categories.md``."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from dpsynth.curator.keys import KeyCounts, KeySource
from dpsynth.curator.noise import counting_noise
from dpsynth.errors import UsageError
from dpsynth.ledger import Transaction
from dpsynth.privacy import laws
from dpsynth.privacy.discoveries import Categories
from dpsynth.privacy.governor import Governor
from dpsynth.privacy.loss import PrivacyLoss
from dpsynth.privacy.thresholds import discovery_loss, least_threshold
from dpsynth.privacy.unit import Unit

_PLANNED_KEYS = 1 << 20  # how many keys there are is nobody's business: the sampler is chosen as for this many


def categories(
    source: KeySource,
    unit: Unit,
    transaction: Transaction,
    columns: Sequence[str],
    loss: PrivacyLoss,
) -> tuple[Categories, ...]:
    """For each column the keys that are common enough to be told, with their noisy counts.

    Charged together at most ``loss``: its rho or mu² for the counts, its delta for the keys that only one unit has;
    each column gets an equal part of both. Raises ``BudgetExceededError`` or ``UsageError`` (also under pure epsilon,
    which has no delta) before anything is charged or read.
    """
    governor = transaction.governor
    if governor is Governor.PURE:
        raise UsageError("categories cannot be discovered under pure epsilon: a threshold needs a delta")
    source.check(unit, columns)
    laws.check_affordable(governor, loss, transaction.remaining)
    rows = laws.measure_sensitivity(unit.rows)
    # Equal parts of the loss: one scale and one threshold for all columns.
    scale = laws.measured_scales(governor, rows, loss, [1] * len(columns))[0]
    threshold = least_threshold(rows, scale, loss.delta // len(columns))
    (noise,) = counting_noise(governor, rows, [scale], _PLANNED_KEYS)

    receipt = transaction.draw(
        laws.stated(governor, [discovery_loss(rows, scale, threshold)] * len(columns)),
        {
            "question": "categories",
            "law": noise.law,
            "columns": list(columns),
            "scale": scale.hex(),
            "threshold": threshold,
            "sensitivity": rows,
            "sampler": noise.sampler,
        },
    )
    released = [_released(counts, noise, threshold) for counts in source.counts(columns)]
    return tuple(
        Categories(column, keys, values, threshold, scale, rows, receipt, noise.sampler, noise.law)
        for column, (keys, values) in zip(columns, released, strict=True)
    )


def _released(
    exact: KeyCounts, noise: Callable[[NDArray[np.int64]], NDArray[np.int64]], threshold: int
) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """The keys whose noisy counts reach the threshold, in the order of their bytes, and these counts."""
    noisy = noise(exact[1])
    found = np.flatnonzero(noisy >= threshold)
    keys = exact[0].take(pa.array(found))
    order = pc.sort_indices(keys).to_numpy()
    return tuple(key.decode() for key in keys.take(pa.array(order)).to_pylist()), noisy[found][order]
