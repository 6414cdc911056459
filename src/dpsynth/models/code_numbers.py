"""The codec of attributes without a schema: a value is its own code."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dpsynth.errors import UsageError
from dpsynth.schema.conditions import Condition


@dataclass(frozen=True)
class CodeNumbers:
    """Codes ``0 … size-1`` as int32 values."""

    size: int
    nullable = False

    @property
    def arrow_type(self) -> pa.DataType:
        """int32."""
        return pa.int32()

    @property
    def labels(self) -> tuple[str, ...]:
        """The codes as text."""
        return tuple(str(code) for code in range(self.size))

    def decode(
        self,
        codes: NDArray[np.integer],
        rng: np.random.Generator,
        condition: Condition | None = None,
    ) -> pa.Array:
        """The codes as an int32 column."""
        return pa.array(codes.astype(np.int32))

    def evidence(self, condition: Condition) -> NDArray[np.float64]:
        """1 for every code that meets the condition, else 0; ``UsageError`` if a text is not a whole number."""
        codes = np.arange(self.size)
        if condition.kind == "range":
            low, high = condition.texts
            first = _whole(low, condition.column) if low else 0
            last = _whole(high, condition.column) if high else self.size - 1
            return ((codes >= first) & (codes <= last)).astype(np.float64)
        wanted = [_whole(text, condition.column) for text in condition.texts if text != "null"]
        return np.isin(codes, [code for code in wanted if 0 <= code < self.size]).astype(np.float64)


def _whole(text: str, column: str) -> int:
    try:
        return int(text)
    except ValueError:
        hint = "The model has no schema: its values are the codes 0, 1, 2, …"
        raise UsageError("the condition needs whole numbers", where=column, hint=hint) from None
