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
    *,
    stability: int = 1,
) -> tuple[DistinctCount, ...]:
    """The noisy number of distinct keys of each column, charged together at most ``loss``, in equal parts; no delta.

    The noise is discrete Gaussian, or discrete Laplace under pure epsilon. Raises ``BudgetExceededError`` or
    ``UsageError`` before anything is charged or read.
    """
    governor = transaction.governor
    source.check(unit, columns)
    laws.check_affordable(governor, loss, transaction.remaining)
    rows = laws.measure_sensitivity(unit.max_rows * stability)
    scales = laws.measured_scales(governor, rows, loss, [1] * len(columns))
    mechanisms = counting_noise(governor, rows, scales, len(columns))

    receipt = transaction.draw(
        laws.stated(governor, [mechanism.loss for mechanism in mechanisms]),
        {
            "question": "distinct_counts",
            "law": mechanisms[0].law,
            "columns": list(columns),
            "scales": [scale.hex() for scale in scales],
            "sensitivity": rows,
            "sampler": mechanisms[0].sampler,
        },
    )
    numbers = [np.array([len(counts)], dtype=np.int64) for _, counts in source.counts(columns)]
    return tuple(
        DistinctCount(column, int(mechanism(number)[0]), scale, rows, receipt, mechanism.sampler, mechanism.law)
        for column, number, mechanism, scale in zip(columns, numbers, mechanisms, scales, strict=True)
    )
