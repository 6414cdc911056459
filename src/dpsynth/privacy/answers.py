"""Released answers: what the room gives out, each with scale, sensitivity and the receipt of its charge.

Only the room (``curator/``) and ``from_record`` here (reading a model file back) construct them; a receipt is minted
by the ledger alone. ``tests/unit/test_house.py`` holds this.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dpsynth.domain import Clique
from dpsynth.errors import FileFormatError
from dpsynth.privacy.laws import deviation
from dpsynth.privacy.receipt import Receipt

__all__ = ["Coarsening", "NoisyMarginal", "Receipt", "Selection"]

Coarsening = tuple[tuple[str, tuple[int, ...]], ...]
"""For each coarsened attribute the bucket of every code: public."""


@dataclass(frozen=True, slots=True, eq=False)
class NoisyMarginal:
    """The counts of a clique plus independent noise in every cell.

    ``values``: int64, shape of the clique's (possibly coarsened) domain, axes in clique order, rows; may be negative.
    ``law``: ``gaussian`` or ``laplace`` (both discrete), ``scale``: its sigma or b. ``sensitivity``: the L1 and L2
    sensitivity of this marginal (rows per unit).
    """

    clique: Clique
    values: NDArray[np.int64]
    scale: float
    sensitivity: int
    receipt: Receipt
    sampler: str
    coarsening: Coarsening = ()
    law: str = "gaussian"

    @property
    def deviation(self) -> float:
        """The standard deviation of the noise in a cell, rows: what estimators weigh an answer by."""
        return deviation(self.law, self.scale)

    def record(self) -> dict[str, Any]:
        """Everything but the values as JSON-able data; the scale as exact hexadecimal."""
        return {
            "clique": list(self.clique),
            "shape": list(self.values.shape),
            "scale": float(self.scale).hex(),
            "sensitivity": self.sensitivity,
            "law": self.law,
            "sampler": self.sampler,
            "coarsening": {attribute: list(buckets) for attribute, buckets in self.coarsening},
            "receipt": self.receipt.record(),
        }

    @staticmethod
    def from_record(record: Mapping[str, Any], values: NDArray[np.int64]) -> NoisyMarginal:
        """The answer that ``record`` and its array describe; ``FileFormatError`` if they do not fit together."""
        try:
            if values.dtype != np.int64 or list(values.shape) != list(record["shape"]):
                raise ValueError
            coarsening = tuple((str(a), tuple(int(b) for b in buckets)) for a, buckets in record["coarsening"].items())
            return NoisyMarginal(
                clique=tuple(str(attribute) for attribute in record["clique"]),
                values=values,
                scale=_positive(record["scale"]),
                sensitivity=int(record["sensitivity"]),
                receipt=Receipt.from_record(record["receipt"]),
                sampler=str(record["sampler"]),
                coarsening=coarsening,
                law=_law(record, "gaussian", "laplace"),
            )
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
            raise FileFormatError("a noisy marginal is malformed") from None


@dataclass(frozen=True, slots=True, eq=False)
class Selection:
    """The candidate that the noisy maximum picked: its index among ``candidates`` and its clique.

    ``scale`` is the noise scale of the noisy maximum, ``law`` how it is drawn (``exponential`` mechanism or
    ``permute-and-flip``), ``sensitivity`` the largest move of a score between neighbors (maximal weight times rows per
    unit).
    """

    index: int
    clique: Clique
    candidates: int
    scale: float
    sensitivity: int
    receipt: Receipt
    law: str = "exponential"

    def record(self) -> dict[str, Any]:
        """The answer as JSON-able data."""
        return {
            "index": self.index,
            "clique": list(self.clique),
            "candidates": self.candidates,
            "scale": float(self.scale).hex(),
            "sensitivity": self.sensitivity,
            "law": self.law,
            "receipt": self.receipt.record(),
        }

    @staticmethod
    def from_record(record: Mapping[str, Any]) -> Selection:
        """The answer that ``record`` describes; ``FileFormatError`` if it is not one."""
        try:
            return Selection(
                index=int(record["index"]),
                clique=tuple(str(attribute) for attribute in record["clique"]),
                candidates=int(record["candidates"]),
                scale=_positive(record["scale"]),
                sensitivity=int(record["sensitivity"]),
                receipt=Receipt.from_record(record["receipt"]),
                law=_law(record, "exponential", "permute-and-flip"),
            )
        except (KeyError, TypeError, ValueError, OverflowError):
            raise FileFormatError("a selection is malformed") from None


def _positive(text: str) -> float:
    value = float.fromhex(text)
    if not 0 < value < float("inf"):
        raise ValueError
    return value


def _law(record: Mapping[str, Any], *known: str) -> str:
    """The law of an answer's noise; records that name none are older than every law but the first."""
    return known[known.index(record.get("law", known[0]))]
