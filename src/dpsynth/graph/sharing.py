"""Many marginals of one distribution at once: sums are shared instead of repeated for every clique."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dpsynth.domain import Clique
from dpsynth.graph.calibrated import CalibratedTree
from dpsynth.graph.factors import Values, aligned, contracted, divided, summed

_WIDEST = 3
"""Up to this many attributes a clique that spans several nodes is met at its median node."""

_KEPT_CELLS = 1 << 16
"""Partial sums of a node with more cells are not kept."""


def marginals_within(values: Values, clique: Clique, wanted: Iterable[Clique]) -> dict[Clique, Values]:
    """The marginals of one array for these subsets of its clique; axes of each in the order that was asked.

    Attributes are summed out one after the other, and all subsets without an attribute share its sum: all pairs of a
    node cost about three passes over it, not one pass for each pair.
    """
    asked = list(dict.fromkeys(wanted))
    branches = _Branches(clique, values.shape, {})
    branches.grow(values.reshape(1, -1), 0, {frozenset(one) for one in asked})
    result = {}
    for one in asked:
        stored = tuple(name for name in clique if name in set(one))
        shape = [values.shape[clique.index(name)] for name in stored]
        result[one] = branches.found[frozenset(one)].reshape(shape).transpose([stored.index(name) for name in one])
    return result


@dataclass(frozen=True, eq=False)
class _Branches:
    """A binary tree of partial sums: at every attribute the wanted subsets part into those with and without it."""

    names: Clique
    sizes: tuple[int, ...]
    found: dict[frozenset[str], Values]

    def grow(self, values: Values, position: int, wanted: set[frozenset[str]]) -> None:
        """``values``: cells of the kept attributes × cells of the attributes from ``position`` on."""
        while position < len(self.names):
            size = self.sizes[position]
            keeping = {one for one in wanted if self.names[position] in one}
            if len(keeping) < len(wanted):
                reduced = values.reshape(len(values), size, -1).sum(axis=1)
                self.grow(reduced, position + 1, wanted - keeping)
            if not keeping:
                return
            values = values.reshape(len(values) * size, -1)
            wanted, position = keeping, position + 1
        for one in wanted:
            self.found[one] = values


class SharedMarginals:
    """Answers marginals of a calibrated tree; what several of them need is computed once and kept.

    Of every separator and every attribute behind it, P(attribute | separator) is kept; a pair or triple whose
    attributes lie apart is one small product at the node where their paths meet.
    """

    def __init__(self, tree: CalibratedTree) -> None:
        self._tree = tree
        self._neighbors = tree.tree.neighbors
        self._tables: dict[tuple[int, Clique], Values] = {}
        self._behind: dict[tuple[int, int], dict[str, Values]] = {}
        self._toward = _toward(tree)

    def marginals(self, cliques: Sequence[Clique]) -> list[Values]:
        """The expected counts of these cliques: float64, axes in clique order."""
        found: dict[Clique, Values] = {}
        inside: dict[int, list[Clique]] = {}
        for clique in dict.fromkeys(cliques):
            node = self._tree.tree.containing(clique)
            if node is not None:
                inside.setdefault(node, []).append(clique)
            elif len(clique) <= _WIDEST:
                found[clique] = self._met(clique)
            else:
                found[clique] = self._tree.marginal(clique)
        for node, members in inside.items():
            found.update(marginals_within(self._tree.beliefs[node], self._tree.tree.cliques[node], members))
        return [found[clique] for clique in cliques]

    def _met(self, clique: Clique) -> Values:
        """The marginal at the median node: no two of the attributes lie behind the same separator of it."""
        node = self._median(clique)
        held = self._tree.tree.cliques[node]
        edges = {name: self._toward[node][name] for name in clique if name not in held}
        separators = {name: self._separator(node, other) for name, other in edges.items()}
        needed = {name for name in clique if name in held}.union(*separators.values())
        names = tuple(name for name in held if name in needed)
        values = self._table(node, names)
        for position, (name, other) in enumerate(edges.items()):
            later = set().union(*list(separators.values())[position + 1 :])
            done = set(clique) & ({*names, name})
            kept = tuple(one for one in (*names, name) if one in later or one in done)
            values = contracted(values, names, self._conditional(other, node, name), (*separators[name], name), kept)
            names = kept
        return summed(values, names, clique)

    def _median(self, clique: Clique) -> int:
        node = self._tree.tree.home[clique[0]]
        while True:
            outward = [self._toward[node][name] for name in clique if name not in self._tree.tree.cliques[node]]
            shared = [other for other in outward if outward.count(other) > 1]
            if not shared:
                return node
            node = shared[0]

    def _separator(self, node: int, other: int) -> Clique:
        return next(separator for neighbor, separator in self._neighbors[node] if neighbor == other)

    def _table(self, node: int, names: Clique) -> Values:
        """The belief of a node summed to some of its attributes."""
        held = self._tables.get((node, names))
        if held is None:
            held = summed(self._tree.beliefs[node], self._tree.tree.cliques[node], names)
            if held.size <= _KEPT_CELLS:
                self._tables[node, names] = held
        return held

    def _conditional(self, node: int, toward: int, name: str) -> Values:
        """P(name | separator) for an attribute behind the separator from ``node`` toward its neighbor.

        Axes: the separator's, then the attribute.
        """
        held = self._behind.setdefault((node, toward), {})
        if name not in held:
            separator, clique = self._separator(node, toward), self._tree.tree.cliques[node]
            target = (*separator, name)
            if name in clique:
                joint = self._table(node, target)
            else:
                other = self._toward[node][name]
                inner = self._separator(node, other)
                union = tuple(one for one in clique if one in set(separator) | set(inner))
                further = self._conditional(other, node, name)
                joint = contracted(self._table(node, union), union, further, (*inner, name), target)
            below = self._table(node, separator)
            held[name] = divided(joint, aligned(below, separator, target))
        return held[name]


def _toward(tree: CalibratedTree) -> list[dict[str, int]]:
    """For every node and attribute outside it: the neighbor behind which the attribute lies."""
    structure = tree.tree
    result: list[dict[str, int]] = []
    for node in range(len(structure.cliques)):
        first: dict[int, int] = {}
        nearest: dict[str, int] = {}
        for visit in structure.walk(node):
            if visit.parent < 0:
                continue
            first[visit.node] = visit.node if visit.parent == node else first[visit.parent]
            for name in structure.cliques[visit.node]:
                nearest.setdefault(name, first[visit.node])
        result.append(nearest)
    return result
