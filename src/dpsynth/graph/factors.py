"""Arrays over named axes: the algebra that every inference in this layer is written in.

A factor is a pair (clique, float64 array) whose axes stand in clique order. Functions here are pure, take and return
plain arrays, and never loop over cells.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from dpsynth.domain import Clique

Values = NDArray[np.float64]


def aligned(values: Values, clique: Clique, target: Clique) -> Values:
    """A view of the factor that broadcasts against an array over ``target``; ``clique`` must be a subset of it."""
    order = sorted(range(len(clique)), key=lambda axis: target.index(clique[axis]))
    present = set(clique)
    shape = iter([values.shape[axis] for axis in order])
    return values.transpose(order).reshape([next(shape) if name in present else 1 for name in target])


def summed(values: Values, clique: Clique, target: Clique) -> Values:
    """The factor summed down to ``target`` (a subset of ``clique``), axes in target order."""
    wanted = set(target)
    drop = tuple(axis for axis, name in enumerate(clique) if name not in wanted)
    kept = [name for name in clique if name in wanted]
    reduced = values.sum(axis=drop) if drop else values
    return np.asarray(reduced).transpose([kept.index(name) for name in target])


def contracted(left: Values, left_clique: Clique, right: Values, right_clique: Clique, target: Clique) -> Values:
    """The product of two factors summed to ``target``, by one (batched) matrix product.

    The cost is that of a matrix product over the union of the axes after each factor has been summed over the axes
    that neither the other factor nor the target has.
    """
    wanted, in_left, in_right = set(target), set(left_clique), set(right_clique)
    left_kept = tuple(name for name in left_clique if name in wanted or name in in_right)
    right_kept = tuple(name for name in right_clique if name in wanted or name in in_left)
    left, right = summed(left, left_clique, left_kept), summed(right, right_clique, right_kept)
    batch = tuple(name for name in left_kept if name in in_right and name in wanted)
    inner = tuple(name for name in left_kept if name in in_right and name not in wanted)
    rows = tuple(name for name in left_kept if name not in in_right)
    columns = tuple(name for name in right_kept if name not in in_left)
    size = {**dict(zip(left_kept, left.shape, strict=True)), **dict(zip(right_kept, right.shape, strict=True))}
    first = _matrix(left, left_kept, (batch, rows, inner), size)
    second = _matrix(right, right_kept, (batch, inner, columns), size)
    product = (first @ second).reshape([size[name] for name in batch + rows + columns])
    return summed(product, batch + rows + columns, target)


def _matrix(values: Values, clique: Clique, groups: Iterable[Clique], size: dict[str, int]) -> Values:
    """The factor with its axes grouped into one axis per group."""
    groups = tuple(groups)
    ordered = summed(values, clique, tuple(name for group in groups for name in group))
    return ordered.reshape([math.prod(size[name] for name in group) for group in groups])


def divided(numerator: Values, denominator: Values) -> Values:
    """The quotient with 0/0 = 0 and x/0 = 0: the convention under which structural zeros stay zeros."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        quotient = numerator / denominator
    result: Values = np.where(denominator > 0, quotient, 0.0)
    return result
