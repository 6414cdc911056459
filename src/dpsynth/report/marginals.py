"""One column as it may be published: noisy counts with intervals beside the counts of the released synthetic table."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dpsynth.evidence import Color
from dpsynth.models import Model
from dpsynth.privacy.answers import NoisyMarginal

LEVEL = 0.95
MARGINAL = (*("columns", "labels", "noisy", "low", "high", "level", "synthetic", "color", "source", "draw", "error"),)
"""What a report states of a column."""


@dataclass(frozen=True, eq=False)
class ReleasedMarginal:
    """The counts of a column by label, in rows: every number is a private answer, computed from such, or public.

    ``noisy``: the most exact answer on this column alone where it was measured (``draw``: that of its receipt), else
    the model's estimate (``draw`` is ``None``). ``low``, ``high``: where the true count lies with chance 0.95, of each
    cell alone. ``synthetic``: counts of the released table, ``None`` without one. ``error``: how far the noise of the
    answer lies from 0 in a cell on average, rows; ``None`` for an estimate.
    """

    column: str
    labels: tuple[str, ...]
    noisy: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    synthetic: tuple[int, ...] | None
    draw: int | None
    error: float | None = None

    @property
    def noise(self) -> float | None:
        """About the distance that the noise of the answer alone makes: half its mean absolute sum over all cells, as a
        share of the noisy number of rows, at most 1; ``None`` for an estimate, or without rows.
        """
        rows = float(np.maximum(self.noisy, 0.0).sum())
        if self.error is None or not rows > 0:
            return None
        return min(self.error * len(self.noisy) / (2 * rows), 1.0)

    @property
    def distance(self) -> float | None:
        """Half the L1 distance of the shares of both sides, 0 to 1; ``None`` without a table, or without rows."""
        if self.synthetic is None:
            return None
        noisy, made = np.maximum(self.noisy, 0.0), np.asarray(self.synthetic, dtype=np.float64)
        if not (noisy.sum() > 0 and made.sum() > 0):
            return None
        return float(np.abs(noisy / noisy.sum() - made / made.sum()).sum() / 2)

    @property
    def outside(self) -> int | None:
        """How many cells of the synthetic table lie outside of their interval; ``None`` without a table."""
        if self.synthetic is None:
            return None
        made = np.asarray(self.synthetic)
        return int(((made < np.floor(self.low)) | (made > np.ceil(self.high))).sum())

    def to_dict(self) -> dict[str, Any]:
        """The column as JSON-able data."""
        return {
            "columns": [self.column],
            "labels": list(self.labels),
            "noisy": list(self.noisy),
            "low": list(self.low),
            "high": list(self.high),
            "level": LEVEL,
            "synthetic": None if self.synthetic is None else list(self.synthetic),
            "color": Color.RELEASED.value,
            "source": source_of(self.draw),
            "draw": self.draw,
            "error": self.error,
        }

    @staticmethod
    def from_dict(facts: Mapping[str, Any]) -> ReleasedMarginal:
        """The column of these facts, as ``to_dict`` wrote them."""
        (column,) = facts["columns"]
        synthetic = facts["synthetic"]
        return ReleasedMarginal(
            column=column,
            labels=tuple(facts["labels"]),
            noisy=tuple(facts["noisy"]),
            low=tuple(facts["low"]),
            high=tuple(facts["high"]),
            synthetic=None if synthetic is None else tuple(synthetic),
            draw=facts["draw"],
            error=facts["error"],
        )


def released_marginal(model: Model, column: str, synthetic: NDArray[np.int64] | None) -> ReleasedMarginal:
    """The column of a model that holds noisy counts, and the counts of the released table (one per code)."""
    found = model.marginal(column, interval=LEVEL)
    answer = _measured(model.answers, column)
    noisy = found.estimate if answer is None else answer.values
    return ReleasedMarginal(
        column=column,
        labels=found.labels[column],
        noisy=_numbers(noisy),
        low=_numbers(found.lower),
        high=_numbers(found.upper),
        synthetic=None if synthetic is None else tuple(int(count) for count in synthetic.tolist()),
        draw=None if answer is None else answer.receipt.draw,
        error=None if answer is None else mean_error(answer.law, float(answer.deviation)),
    )


def _measured(answers: Sequence[object], column: str) -> NoisyMarginal | None:
    alone = [
        one for one in answers if isinstance(one, NoisyMarginal) and one.clique == (column,) and not one.coarsening
    ]
    return min(alone, key=lambda one: one.deviation, default=None)


def source_of(draw: int | None) -> str:
    """Where the noisy counts of a column are from."""
    return "estimate of the model" if draw is None else "noisy answer"


def mean_error(law: str, deviation: float) -> float:
    """E|X| of the noise, by its continuous limit: σ √(2/π) of a Gaussian, σ / √2 of a Laplace distribution."""
    return deviation * math.sqrt(2 / math.pi if law == "gaussian" else 1 / 2)


def _numbers(values: NDArray[np.generic]) -> tuple[float, ...]:
    """Counts with at most two digits after the point: what is shown is what is in the JSON."""
    rounded = np.round(np.asarray(values, dtype=np.float64), 2) + 0.0
    return tuple(int(one) if one == int(one) else one for one in rounded.tolist())
