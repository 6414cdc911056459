"""Which records are equal at a node of the lattice, many nodes over."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from dpsynth.anonymization.hierarchies import Hierarchy
from dpsynth.anonymization.records import Counts, classes_of

Node = NDArray[np.uint8]
CELLS = 1 << 20
"""Attributes are looked up together as long as the tables of all their levels have at most so many cells."""
BITS = 63
"""Of a key together with the number of its record."""
DENSE = 16
"""Keys are numbered through a table of all possible ones where these are at most so many for every record."""


@dataclass(eq=False)
class Bundle:
    """Neighboring attributes looked up as one: a record's leaves are one key, its nodes at some levels another."""

    hierarchies: Sequence[Hierarchy]
    attributes: slice
    _tables: dict[bytes, tuple[Counts, int]] = field(default_factory=dict)

    def keys(self, codes: Counts) -> Counts:
        """The key of each record. ``codes``: shape (attributes, records), of every attribute of the table."""
        found = np.zeros(codes.shape[1], np.int64)
        for one, leaves in zip(self.hierarchies, codes[self.attributes], strict=True):
            found = found * one.leaves + leaves
        return found

    def table(self, node: Node) -> tuple[Counts, int]:
        """By key the number of the combination of nodes, and how many of these there are; kept once they are made."""
        levels = node[self.attributes]
        found = self._tables.get(levels.tobytes())
        if found is None:
            numbers, size = np.zeros(1, np.int64), 1
            for one, level in zip(self.hierarchies, levels, strict=True):
                nodes = len(one.labels[level])
                numbers, size = (numbers[:, None] * nodes + one.nodes[level]).ravel(), size * nodes
            found = self._tables[levels.tobytes()] = numbers, size
        return found


def bundled(hierarchies: Sequence[Hierarchy]) -> list[Bundle]:
    """The attributes in bundles, each as long as its tables stay small."""
    starts, cells = [0], 1
    for at, one in enumerate(hierarchies):
        cells *= one.leaves * one.height
        if at and cells > CELLS:
            starts.append(at)
            cells = one.leaves * one.height
    ends = [*starts[1:], len(hierarchies)]
    return [Bundle(hierarchies[a:b], slice(a, b)) for a, b in zip(starts, ends, strict=True)]


def at_node(bundles: Sequence[Bundle], keys: Counts, node: Node) -> tuple[Counts, int]:
    """The class of each record at a node, and how many there are. ``keys``: shape (bundles, records)."""
    tables = [bundle.table(node) for bundle in bundles]
    columns = [numbers.take(key) for (numbers, _), key in zip(tables, keys, strict=True)]
    possible = math.prod(size for _, size in tables)
    bits = len(columns[0]).bit_length()
    if possible << bits >= 1 << BITS:
        of, first = classes_of(columns)
        return of, len(first)
    key = columns[0]
    for column, (_, size) in zip(columns[1:], tables[1:], strict=True):
        key = key * size + column
    return _tabled(key, possible) if possible <= DENSE * len(key) else _sorted(key, bits)


def _tabled(key: Counts, possible: int) -> tuple[Counts, int]:
    there = np.zeros(possible, np.bool_)
    there[key] = True
    numbers = np.cumsum(there)
    return (numbers - 1).take(key), int(numbers[-1])


def _sorted(key: Counts, bits: int) -> tuple[Counts, int]:
    """Keys with the record's number in the lowest bits: sorting values is far faster than sorting positions."""
    ordered = np.sort((key << bits) | np.arange(len(key)))
    key = ordered >> bits
    new = np.ones(len(key), np.bool_)
    np.not_equal(key[1:], key[:-1], out=new[1:])
    numbers = np.cumsum(new)
    of = np.empty(len(key), np.int64)
    of[ordered & ((1 << bits) - 1)] = numbers - 1
    return of, int(numbers[-1])


__all__ = ["Bundle", "at_node", "bundled"]
