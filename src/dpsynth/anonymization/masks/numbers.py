"""Masks of numbers: ages from 90 on as one group, top and bottom coding, rounding."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from dpsynth.anonymization.masks.mask import plain_text, unfit_type
from dpsynth.anonymization.masks.values import decoded, over_distinct
from dpsynth.errors import DataMismatchError
from dpsynth.schema.cells import integers, is_text, reals, trimmed

Real = NDArray[np.float64]
_EXACT = 1 << 53


@dataclass(frozen=True)
class Ages:
    """An age below ``top`` stays, any other becomes ``top`` and a plus sign."""

    top: int

    def __call__(self, cells: pa.Array) -> pa.Array:
        """Texts; null for what is no number, or a negative one."""
        values, known = reals(cells)
        texts = decoded(trimmed(cells))
        old = pa.array(values >= self.top)
        found = pc.if_else(old, pa.scalar(f"{self.top}+", texts.type), texts)
        return pc.if_else(pa.array(known & (values >= 0)), found, pa.scalar(None, texts.type))


@dataclass(frozen=True)
class Coded:
    """``top`` and ``bottom``: a number beyond them becomes them. ``to``: a number becomes its nearest multiple, halves
    upwards.
    """

    step: str
    bottom: float | None = None
    top: float | None = None
    to: float | None = None
    by: tuple[str, ...] = ()

    def output(self, kind: pa.DataType, where: str) -> pa.DataType:
        """Numbers keep their type, text stays text. Whole numbers need whole limits."""
        if pa.types.is_dictionary(kind):
            return self.output(kind.value_type, where)
        if is_text(kind):
            return pa.string()
        if pa.types.is_integer(kind):
            if not all(float(one).is_integer() for one in self._settings):
                raise DataMismatchError(
                    f"the mask {self.step} needs whole numbers for a column of integers", where=where
                )
            return kind
        if pa.types.is_float32(kind) or pa.types.is_float64(kind):
            return kind
        raise unfit_type(self.step, kind, where)

    def masked(self, column: pa.Array, *others: pa.Array) -> pa.Array:
        """See ``Mask.masked``. Text is computed as 64-bit floats, integers exactly up to 10**18."""
        del others
        column = plain_text(column)
        if is_text(column.type):
            return over_distinct(column, self._texts).cast(pa.string())
        if pa.types.is_integer(column.type):
            whole, known = integers(column)
            known &= np.abs(whole) < 10**18
            return _narrowed(self._whole(np.where(known, whole, 0)), known, column.type)
        values, known = reals(column)
        return pa.array(self._real(np.where(known, values, 0.0)), mask=~known).cast(column.type)

    @property
    def _settings(self) -> list[float]:
        return [one for one in (self.bottom, self.top, self.to) if one is not None]

    def _whole(self, values: NDArray[np.int64]) -> NDArray[np.int64]:
        if self.to is not None:
            step = int(self.to)
            quotient, rest = np.divmod(values, step)
            return (quotient + (2 * rest >= step)) * step
        return np.clip(values, self._limit(self.bottom), self._limit(self.top))

    def _real(self, values: Real) -> Real:
        if self.to is not None:
            return np.floor(values / self.to + 0.5) * self.to + 0.0
        return np.clip(values, self._limit(self.bottom), self._limit(self.top))

    @staticmethod
    def _limit(limit: float | None) -> float | int | None:
        return int(limit) if limit is not None and float(limit).is_integer() else limit

    def _texts(self, cells: pa.Array) -> pa.Array:
        """Cells within the limits as they stand, others as the limit; rounded ones with the decimals of the step."""
        values, known = reals(cells)
        known &= np.isfinite(values) if self.to is not None else True
        coded = self._real(np.where(known, values, 0.0))
        texts = decoded(trimmed(cells))
        if self.to is not None:
            written = np.char.mod(f"%.{decimals_of(self.to)}f", coded)
            return pa.array(written, texts.type, mask=~known)
        for limit, beyond in ((self.bottom, np.less), (self.top, np.greater)):
            if limit is not None:
                texts = pc.if_else(pa.array(_compared(beyond, values, limit)), _written(limit), texts)
        return pc.if_else(pa.array(known), texts, pa.scalar(None, texts.type))


def decimals_of(step: float) -> int:
    """How many decimals a multiple of the step shows."""
    exponent = Decimal(str(step)).normalize().as_tuple().exponent
    return max(0, -int(exponent))


def _compared(test: Callable[[Real, float], NDArray[np.bool_]], values: Real, limit: float) -> NDArray[np.bool_]:
    return test(values, limit)


def _written(limit: float) -> str:
    return str(int(limit)) if float(limit).is_integer() and math.fabs(limit) < _EXACT else str(limit)


def _narrowed(values: NDArray[np.int64], known: NDArray[np.bool_], kind: pa.DataType) -> pa.Array:
    """The values in their own integer type; null where they do not fit in it."""
    low, high = np.iinfo(kind.to_pandas_dtype()).min, np.iinfo(kind.to_pandas_dtype()).max
    inside = known & (values >= max(low, -_EXACT * 1024)) & (values <= min(high, (1 << 63) - 1))
    return pa.array(np.where(inside, values, 0), mask=~inside).cast(kind)
