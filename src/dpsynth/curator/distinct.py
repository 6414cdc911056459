"""How many distinct keys a column holds, plus noise. Proof page: ``docs/proofs/distinct.md``."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dpsynth.curator.keys import KeySource
from dpsynth.curator.noise import counting_noise
from dpsynth.ledger import Transaction
from dpsynth.privacy import laws
from dpsynth.privacy.discoveries import DistinctCount
from dpsynth.privacy.loss import PrivacyLoss
from dpsynth.privacy.unit import Unit


def distinct_counts(
    source: KeySource,
    unit: Unit,
    transaction: Transaction,
    columns: Sequence[str],
    loss: PrivacyLoss,
) -> tuple[DistinctCount, ...]:
    """The noisy number of distinct keys of each column, charged together at most ``loss``, in equal parts; no delta.

    The noise is discrete Gaussian, or discrete Laplace under pure epsilon. Raises ``BudgetExceededError`` or
    ``UsageError`` before anything is charged or read.
    """
    governor = transaction.governor
    source.check(unit, columns)
    laws.check_affordable(governor, loss, transaction.remaining)
    rows = laws.measure_sensitivity(unit.rows)
    # Equal parts of the loss: one scale for all columns.
    scale = laws.measured_scales(governor, rows, loss, [1] * len(columns))[0]
    (noise,) = counting_noise(governor, rows, [scale], len(columns))

    receipt = transaction.draw(
        laws.stated(governor, [noise.loss] * len(columns)),
        {
            "question": "distinct_counts",
            "law": noise.law,
            "columns": list(columns),
            "scale": scale.hex(),
            "sensitivity": rows,
            "sampler": noise.sampler,
        },
    )
    values = noise(np.array([len(keys) for keys, _ in source.counts(columns)], dtype=np.int64))
    return tuple(
        DistinctCount(column, value, scale, rows, receipt, noise.sampler, noise.law)
        for column, value in zip(columns, values.tolist(), strict=True)
    )
