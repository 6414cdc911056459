"""Released answers about columns whose values nobody declared. Proof pages: ``categories.md``, ``distinct.md``.

Only the room (``curator/``) and ``from_record`` here construct them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dpsynth.errors import FileFormatError
from dpsynth.privacy.laws import deviation
from dpsynth.privacy.receipt import Receipt


@dataclass(frozen=True, slots=True, eq=False)
class Categories:
    """The keys of a column whose noisy counts reached the threshold, sorted by their UTF-8 bytes.

    ``values``: their noisy counts, int64, rows, beside ``keys``; none is below ``threshold``. ``scale`` is the sigma of
    the discrete Gaussian noise, ``sensitivity`` the L1 and L2 sensitivity of the column's counts (rows per unit).
    """

    column: str
    keys: tuple[str, ...]
    values: NDArray[np.int64]
    threshold: int
    scale: float
    sensitivity: int
    receipt: Receipt
    sampler: str
    law: str = "gaussian"

    def record(self) -> dict[str, Any]:
        """The answer as JSON-able data; the scale as exact hexadecimal."""
        values = {"keys": list(self.keys), "values": self.values.tolist(), "threshold": self.threshold}
        return {"column": self.column, **values, **_noise_record(self)}

    @staticmethod
    def from_record(record: Mapping[str, Any]) -> Categories:
        """The answer that ``record`` describes; ``FileFormatError`` if it is not one."""
        try:
            keys, values = tuple(map(str, record["keys"])), np.array([int(v) for v in record["values"]], dtype=np.int64)
            threshold = int(record["threshold"])
            if len(keys) != len(values) or list(keys) != sorted(set(keys)) or (values < threshold).any():
                raise ValueError
            return Categories(str(record["column"]), keys, values, threshold, **_noise(record, "gaussian"))
        except (KeyError, TypeError, ValueError, OverflowError):
            raise FileFormatError("categories are malformed") from None


@dataclass(frozen=True, slots=True, eq=False)
class DistinctCount:
    """The number of distinct keys of a column plus noise; may be negative.

    ``law``: ``gaussian`` or ``laplace`` (both discrete), ``scale``: its sigma or b. ``sensitivity``: how far a unit
    moves the number (rows per unit).
    """

    column: str
    value: int
    scale: float
    sensitivity: int
    receipt: Receipt
    sampler: str
    law: str = "gaussian"

    @property
    def deviation(self) -> float:
        """The standard deviation of the noise, keys."""
        return deviation(self.law, self.scale)

    def record(self) -> dict[str, Any]:
        """The answer as JSON-able data; the scale as exact hexadecimal."""
        return {"column": self.column, "value": self.value, **_noise_record(self)}

    @staticmethod
    def from_record(record: Mapping[str, Any]) -> DistinctCount:
        """The answer that ``record`` describes; ``FileFormatError`` if it is not one."""
        try:
            return DistinctCount(str(record["column"]), int(record["value"]), **_noise(record, "gaussian", "laplace"))
        except (KeyError, TypeError, ValueError, OverflowError):
            raise FileFormatError("a distinct count is malformed") from None


def _noise_record(answer: Categories | DistinctCount) -> dict[str, Any]:
    return {
        "scale": float(answer.scale).hex(),
        "sensitivity": answer.sensitivity,
        "law": answer.law,
        "sampler": answer.sampler,
        "receipt": answer.receipt.record(),
    }


def _noise(record: Mapping[str, Any], *laws: str) -> dict[str, Any]:
    scale = float.fromhex(record["scale"])
    if not 0 < scale < float("inf") or record["law"] not in laws:
        raise ValueError
    receipt, sensitivity = Receipt.from_record(record["receipt"]), int(record["sensitivity"])
    noise = {"law": str(record["law"]), "sampler": str(record["sampler"])}
    return {"scale": scale, "sensitivity": sensitivity, "receipt": receipt, **noise}
