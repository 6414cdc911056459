"""Controlled rounding: expected counts to whole counts, so that a synthetic table follows its model almost exactly.

A step of the sampler knows how many rows carry each code of a *given* clique and splits every such group over the
codes of one more attribute. Each cell of the split is rounded to one of the two integers next to it, every group
keeps its size, and so do, to within one count, the *watched* sums (the new attribute alone and the separators toward
later cliques). The rounding is unbiased: the mean of a cell over seeds is its expected count.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.int64]
Expected = NDArray[np.float64]

FRACTION_BITS = (10, 4, 0)
"""Fractions are rounded in units of 2**-bits: watched sums are kept up to the square root of the groups times that."""
BALANCED_CELLS = 1 << 18
"""With more fractional cells the unit grows; with whole units, watched sums vary like a random sum of cells' errors."""
ADJUSTED_COUNT = 4.0
"""Watched sums of at least this many expected rows are steered to the model; below it steering would be a bias."""
_STEERING_ROUNDS = 6
_GOLDEN = 0.618033988749894848
_SLACK = 1e-6
"""Keeps offsets away from the integers by more than the error of a running sum: a share of 0 never gets a row."""


@dataclass(frozen=True, eq=False)
class Watch:
    """A partition of the cells of a table whose sums matter: ``ids`` is the part of every cell (groups × codes,
    flat), ``expected`` the count that the model gives each part.
    """

    ids: NDArray[np.intp]
    expected: Expected


def split_groups(
    sizes: Counts, shares: Expected, chain: Sequence[Watch], others: Sequence[Watch], rng: np.random.Generator
) -> Counts:
    """Whole counts (groups × codes) that sum to ``sizes`` along every row.

    ``sizes``: int64, rows per group, at least 0. ``shares``: float64 (groups × codes), nonnegative, each row
    proportional to the distribution of the codes in that group. ``chain``: the watched partitions whose sums are kept,
    finest first, each a refinement of the next; ``others``: partitions that cannot stand in the chain, whose sums are
    only steered. Cells with share 0 stay 0. Cost: O(cells · log cells).
    """
    target = _steered(sizes, _scaled(shares, sizes), [*others, *chain[:1]])
    bits, fixed = _fixed_point(target, sizes, rng)
    if not bits:
        return fixed
    whole, fraction = fixed >> bits, (fixed & ((1 << bits) - 1)).ravel()
    groups = np.repeat(np.arange(len(sizes)), shares.shape[1])
    _balance(fraction, groups, [watch.ids for watch in chain], bits, rng)
    rounded: Counts = whole + (fraction >> bits).reshape(whole.shape)
    return rounded


def _scaled(weights: Expected, sizes: Counts) -> Expected:
    """The rows of ``weights`` scaled to sum to ``sizes``; a row without weight is spread evenly."""
    sums = weights.sum(axis=1, keepdims=True)
    dead = ~(sums > 0)
    safe = np.where(dead, 1.0, sums)
    shares: Expected = np.where(dead, 1.0 / weights.shape[1], weights / safe)
    return shares * sizes[:, None]


def _steered(sizes: Counts, target: Expected, watches: Sequence[Watch]) -> Expected:
    """The target with its watched sums moved toward the model's, rows unchanged: the rounding errors of earlier steps
    do not add up along the tree. A few rounds of iterative proportional fitting with factors between 1/2 and 2.
    """
    active = [watch.expected >= ADJUSTED_COUNT for watch in watches]
    if len(sizes) < 2 or not any(parts.any() for parts in active):
        return target
    for _ in range(_STEERING_ROUNDS):
        for watch, parts in zip(watches, active, strict=True):
            found = np.bincount(watch.ids, weights=target.ravel(), minlength=len(watch.expected))
            factor = np.ones_like(found)
            np.divide(watch.expected, found, out=factor, where=parts & (found > 0))
            target = target * np.clip(factor, 0.5, 2.0)[watch.ids].reshape(target.shape)
        target = _scaled(target, sizes)
    return target


def _fixed_point(target: Expected, sizes: Counts, rng: np.random.Generator) -> tuple[int, Counts]:
    """The target in units of 2**-bits, as fine as ``BALANCED_CELLS`` fractional cells allow; rows keep their sums.

    Systematic rounding along each row: differences of the floors of the running sum plus one offset per row. Offsets
    follow the golden-ratio sequence, so that neighboring rows do not err in the same direction.
    """
    offsets = _SLACK + (1 - 2 * _SLACK) * ((rng.random() + _GOLDEN * np.arange(1, len(sizes) + 1)) % 1.0)
    base = np.floor(target)
    running = np.cumsum(target - base, axis=1)
    left = (sizes - base.sum(axis=1)).astype(np.int64)
    whole = base.astype(np.int64)
    for bits in FRACTION_BITS:
        edges = np.floor(running * (1 << bits) + offsets[:, None]).astype(np.int64)
        edges[:, -1] = left << bits
        np.minimum(edges, edges[:, -1:], out=edges)
        fixed: Counts = np.diff(edges, axis=1, prepend=np.zeros((len(sizes), 1), dtype=np.int64)) + (whole << bits)
        if np.count_nonzero(fixed & ((1 << bits) - 1)) <= BALANCED_CELLS:
            break
    return bits, fixed


def _balance(
    fraction: Counts, groups: NDArray[np.intp], watched: Sequence[NDArray[np.intp]], bits: int, rng: np.random.Generator
) -> None:
    """Round fixed-point fractions to 0 or 2**bits in place, one bit per pass from the lowest.

    In each pass the cells whose bit is set are paired within groups and, independently, within watched sets. The two
    pairings form even cycles; going around a cycle the cells move up and down in turn, so no paired sum moves. The
    direction of every cycle is a fair coin.
    """
    for bit in range(bits):
        odd = np.flatnonzero((fraction >> bit) & 1)
        if not len(odd):
            continue
        in_group = _partners(len(odd), [groups[odd]])
        in_watch = _partners(len(odd), [ids[odd] for ids in watched])
        up = _alternate(in_group, in_watch, rng)
        fraction[odd] += np.where(up, 1, -1) << bit


def _partners(items: int, keys: Sequence[NDArray[np.intp]]) -> NDArray[np.intp]:
    """A perfect matching (an involution) of an even number of items, inside equal keys as far as possible.

    Items left over by the first key (at most one per value) are matched by the next, the last ones at will.
    """
    partner = np.empty(items, dtype=np.intp)
    rest = np.arange(items)
    for key in keys:
        values = key[rest]
        if len(rest):  # small types are sorted faster
            values = values.astype(np.min_scalar_type(int(values.max())))
        order = np.argsort(values, kind="stable")
        values, order = values[order], rest[order]
        ends = np.append(values[1:] != values[:-1], True)[: len(order)]
        starts = np.concatenate(([0], np.flatnonzero(ends) + 1))
        rank = np.arange(len(order)) - np.repeat(starts[:-1], np.diff(starts))
        alone = ends & (rank % 2 == 0)
        paired = order[~alone]
        partner[paired[0::2]], partner[paired[1::2]] = paired[1::2], paired[0::2]
        rest = order[alone]
    partner[rest[0::2]], partner[rest[1::2]] = rest[1::2], rest[0::2]
    return partner


def _alternate(left: NDArray[np.intp], right: NDArray[np.intp], rng: np.random.Generator) -> NDArray[np.bool_]:
    """A direction per item that differs between partners of either matching; the two choices per cycle equally likely.

    Two steps around a cycle, right after left, return to items of the same direction: the label of such an orbit is
    its smallest item, found by pointer doubling in O(n log n).
    """
    jump = right[left]
    label = np.arange(len(left))
    reach = 1
    while reach < len(left):
        label = np.minimum(label, label[jump])
        jump = jump[jump]
        reach *= 2
    other = label[left]
    coin = rng.integers(0, 2, size=len(left), dtype=np.int8).astype(np.bool_)
    direction: NDArray[np.bool_] = coin[np.minimum(label, other)] ^ (label < other)
    return direction
