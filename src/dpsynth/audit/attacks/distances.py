"""Nearest rows by the number of attributes that differ, in blocks that stay in the processor's cache."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dpsynth.metrics import CodedTable, smallest_dtype

BLOCK_CELLS = 1 << 18
"""Distances held at once."""

Distances = NDArray[np.unsignedinteger]


@dataclass(frozen=True, eq=False)
class Block:
    """The targets of a slice against all reference rows."""

    targets: slice
    columns: tuple[Any, Any]
    kind: np.dtype[Any]

    def unequal(self, attribute: int) -> NDArray[np.bool_]:
        """Which pairs differ in an attribute (number), shape (targets, reference rows)."""
        ours, theirs = self.columns
        found: NDArray[np.bool_] = np.not_equal(ours[attribute][self.targets, None], theirs[attribute][None, :])
        return found

    def distances(self, attributes: Sequence[int]) -> Distances:
        """In how many of these attributes each pair differs, shape (targets, reference rows)."""
        shape = (self.targets.stop - self.targets.start, len(self.columns[1][0]))
        total = np.zeros(shape, dtype=self.kind)
        for attribute in attributes:
            total += self.unequal(attribute)
        return total


def blocks(targets: CodedTable, reference: CodedTable) -> Iterator[Block]:
    """All targets, some at a time; nothing when either table has no rows or there is no attribute."""
    if not (targets.rows and reference.rows and len(targets.domain)):
        return
    columns = (_narrow(targets), _narrow(reference))
    kind = smallest_dtype(len(targets.domain) + 1)
    step = max(1, BLOCK_CELLS // reference.rows)
    for start in range(0, targets.rows, step):
        yield Block(slice(start, min(start + step, targets.rows)), columns, kind)


def nearest(targets: CodedTable, reference: CodedTable) -> NDArray[np.float64]:
    """Of every target the distance to its nearest reference row, float64; all attributes when there is none."""
    found = np.full(targets.rows, float(len(targets.domain)))
    everything = range(len(targets.domain))
    for block in blocks(targets, reference):
        found[block.targets] = block.distances(everything).min(axis=1)
    return found


def two_nearest(targets: CodedTable, reference: CodedTable) -> NDArray[np.float64]:
    """Of every target the distances to its nearest and second nearest reference row, shape (targets, 2)."""
    found = np.full((targets.rows, 2), float(len(targets.domain)))
    everything = range(len(targets.domain))
    if reference.rows < 2:
        found[:, 0] = nearest(targets, reference)
        return found
    for block in blocks(targets, reference):
        found[block.targets] = np.partition(block.distances(everything), 1, axis=1)[:, :2]
    return found


def mean_nearest(targets: CodedTable, reference: CodedTable, neighbors: int) -> NDArray[np.float64]:
    """Of every target the mean distance to its nearest ``neighbors`` reference rows, or to all if there are fewer."""
    found = np.full(targets.rows, float(len(targets.domain)))
    everything, k = range(len(targets.domain)), min(neighbors, reference.rows)
    for block in blocks(targets, reference):
        distances = block.distances(everything)
        found[block.targets] = np.partition(distances, k - 1, axis=1)[:, :k].mean(axis=1)
    return found


def _narrow(table: CodedTable) -> list[Any]:
    return [table.columns[name].astype(smallest_dtype(table.domain[name])) for name in table.domain]
