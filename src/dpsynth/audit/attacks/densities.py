"""Densities of coded rows from counts: single cliques, and a tree over all attributes.

Every probability is positive: counts of a clique are shrunk towards the product of its attributes' shares, those
towards even shares.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dpsynth.domain import Clique
from dpsynth.metrics import CodedTable

Values = NDArray[np.float64]

MOST_CELLS = 1 << 20
"""Cliques with more cells are not looked at."""

SHRINKAGE = 1.0
"""How many rows the product of the shares counts for."""


def shares(table: CodedTable, clique: Clique) -> Values:
    """The smoothed probability of every cell of a clique: float64, positive, sums to 1, axes in clique order."""
    singles = table.marginals([(attribute,) for attribute in clique])
    product = np.ones(())
    for counts in singles:
        smoothed = counts + 0.5
        product = np.multiply.outer(product, smoothed / smoothed.sum())
    if len(clique) < 2:
        return product
    (counts,) = table.marginals([clique])
    found: Values = (counts + SHRINKAGE * product) / (table.rows + SHRINKAGE)
    return found


def log_ratio(rows: CodedTable, numerator: CodedTable, denominator: CodedTable, clique: Clique) -> Values:
    """Of every row the log of the two densities' ratio in its cell of a clique, nats."""
    ratio = np.log(shares(numerator, clique)) - np.log(shares(denominator, clique))
    return at_cells(ratio, rows, clique)


def at_cells(cells: Values, rows: CodedTable, clique: Clique) -> Values:
    """Of every row the value in its cell."""
    if not clique:
        return np.full(rows.rows, float(cells))
    found: Values = cells[tuple(rows.columns[attribute] for attribute in clique)]
    return found


@dataclass(frozen=True)
class Tree:
    """The edges of a spanning forest, and how many edges meet at every attribute."""

    edges: tuple[Clique, ...]
    degrees: dict[str, int]


def chow_liu(table: CodedTable) -> Tree:
    """The forest with the largest mutual information (Chow & Liu 1968), from pairs of at most ``MOST_CELLS`` cells."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import minimum_spanning_tree

    names = table.domain.attributes
    pairs = [(i, j) for i, j in itertools.combinations(range(len(names)), 2) if _fits(table, (names[i], names[j]))]
    if not pairs:
        return Tree((), dict.fromkeys(names, 0))
    information = np.array([_information(shares(table, (names[i], names[j]))) for i, j in pairs])
    weights = information.max() + 1 - information  # a weight of 0 would be no edge
    graph = coo_array((weights, tuple(np.array(pairs).T)), shape=(len(names), len(names)))
    found = minimum_spanning_tree(graph.tocsr()).tocoo()
    edges = tuple((names[i], names[j]) for i, j in zip(found.row.tolist(), found.col.tolist(), strict=True))
    return Tree(edges, {name: sum(name in edge for edge in edges) for name in names})


def tree_log_ratio(rows: CodedTable, numerator: CodedTable, denominator: CodedTable, tree: Tree) -> Values:
    """Of every row the log of the ratio of two densities with the structure of one tree, nats."""
    total = np.zeros(rows.rows)
    for edge in tree.edges:
        total += log_ratio(rows, numerator, denominator, edge)
    for name, degree in tree.degrees.items():
        if degree != 1:
            total -= (degree - 1) * log_ratio(rows, numerator, denominator, (name,))
    return total


def small_cliques(table: CodedTable, cliques: Sequence[Clique]) -> list[Clique]:
    """The distinct cliques that have few enough cells to be counted, in domain order each."""
    distinct = dict.fromkeys(table.domain.canonical(clique) for clique in cliques)
    return [clique for clique in distinct if clique and _fits(table, clique)]


def _fits(table: CodedTable, clique: Clique) -> bool:
    return table.domain.cells(clique) <= MOST_CELLS


def _information(joint: Values) -> float:
    product = np.multiply.outer(joint.sum(axis=1), joint.sum(axis=0))
    return float((joint * np.log(joint / product)).sum())
