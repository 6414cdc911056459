"""Balance: the same number of rows for every value of a column, by exact conditioning on each."""

from __future__ import annotations

from itertools import chain

import numpy as np
from numpy.typing import NDArray

from dpsynth.errors import UsageError
from dpsynth.models.code_numbers import CodeNumbers
from dpsynth.models.distribution import Distribution
from dpsynth.models.rounding import Expected
from dpsynth.models.stratified import Stratified
from dpsynth.schema.codecs import Codec


def balanced(source: Distribution, column: str, codec: Codec | CodeNumbers) -> Distribution:
    """``source`` given each value (or bin) of the column, in equal shares; without nulls, and without values that
    ``source`` has no rows of. Its total is as many times that of the rarest value as there are values.

    Raises ``UsageError`` if no value has rows. Cost of every operation: a conditioning per value and stratum of
    ``source``.
    """
    expected = source.marginal((column,))
    present = np.flatnonzero(_values(codec) & (expected > 0))
    if not len(present):
        raise UsageError("the model has no rows with a value of this column", where="balance")
    least = expected[present].min()
    cut = Stratified.of(source)
    each = (cut.conditioned({column: _only(code, expected, least)}).strata for code in present.tolist())
    return Stratified(cut.base, tuple(chain.from_iterable(each)), cut.scale)


def absent(source: Distribution, column: str, codec: Codec | CodeNumbers) -> tuple[str, ...]:
    """The labels of the values (not null) of the column that ``source`` has no rows of."""
    empty = _values(codec) & ~(source.marginal((column,)) > 0)
    return tuple(codec.labels[code] for code in np.flatnonzero(empty).tolist())


def _values(codec: Codec | CodeNumbers) -> NDArray[np.bool_]:
    """Which codes stand for a value: all but null's, which is the last."""
    found = np.ones(codec.size, dtype=np.bool_)
    found[codec.size - codec.nullable :] = False
    return found


def _only(code: int, expected: Expected, rows: float) -> Expected:
    """Weights that leave ``rows`` expected rows with this code and none with another."""
    weights = np.zeros(len(expected))
    weights[code] = rows / expected[code]
    return weights
