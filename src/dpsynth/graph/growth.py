"""How large a model becomes when it learns one more clique: told before it is learned, without building it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import cached_property

from dpsynth.domain import Clique, Domain
from dpsynth.graph.junction import JunctionTree, junction_tree

EXACT_COLUMNS = 64
"""Up to here a candidate that the quick bound refuses is triangulated to see whether it fits after all."""


class ModelSize:
    """Cells of the junction tree of the learned cliques and one more (McKenna et al. 2022: JT-SIZE).

    Two triangulations are compared, and the smaller counts: the current tree with the clique's attributes carried
    along it to one node, and greedy min-size elimination. ``grown`` builds a tree that is no larger. Sets of
    attributes are bit sets.
    """

    def __init__(self, domain: Domain, tree: JunctionTree, learned: Sequence[Clique]) -> None:
        self._domain = domain
        self._tree = tree
        self._learned = tuple(learned)
        self._bit = {name: 1 << axis for axis, name in enumerate(domain)}
        self._nodes = [self._mask(clique) for clique in tree.cliques]
        self._walks: dict[int, tuple[dict[int, int], dict[int, int]]] = {}
        self._holders: dict[str, list[int]] = {name: [] for name in domain}
        for node, clique in enumerate(tree.cliques):
            for name in clique:
                self._holders[name].append(node)

    def holds(self, clique: Clique) -> bool:
        """Whether a node of the tree holds the clique already."""
        mask = self._mask(clique)
        return any(mask & self._nodes[node] == mask for node in self._holders[clique[0]])

    def cells(self, clique: Clique, limit: float) -> int:
        """The cells with this clique; the second triangulation is tried only when the first exceeds the limit."""
        added, apart = self._carried(clique)
        quick = self._total + self._cells(apart) * bool(apart)
        for node in self._near(clique):
            if self._nodes[node] & apart == self._nodes[node]:
                quick -= self._cells(self._nodes[node])
        for node, extra in added.items():
            quick += self._cells(self._nodes[node] | extra) - self._cells(self._nodes[node])
        if quick <= limit or len(self._domain) > EXACT_COLUMNS:
            return quick
        return min(quick, sum(self._cells(mask) for mask in self._eliminated(clique)))

    def grown(self, clique: Clique) -> JunctionTree:
        """The smallest junction tree found for the learned cliques and this one."""
        added, apart = self._carried(clique)
        carried = [mask | added.get(node, 0) for node, mask in enumerate(self._nodes)] + ([apart] if apart else [])
        options = [[self._names(mask) for mask in carried]]
        if len(self._domain) <= EXACT_COLUMNS:
            options += [[*self._learned, clique], [self._names(mask) for mask in self._eliminated(clique)]]
        return min((junction_tree(self._domain, option) for option in options), key=lambda tree: tree.cells)

    @cached_property
    def _total(self) -> int:
        return self._tree.cells

    @cached_property
    def _component(self) -> list[int]:
        """For every node which component it belongs to: empty separators connect nothing."""
        found = [-1] * len(self._nodes)
        for visit in self._tree.order:
            found[visit.node] = found[visit.parent] if visit.separator else visit.node
        return found

    def _carried(self, clique: Clique) -> tuple[dict[int, int], int]:
        """What the nodes of the tree take in when the clique's attributes are carried along it to one node.

        Attributes of components that the node is not connected to need no path: the clique then becomes a node of its
        own, the second item (0: none needed).
        """
        wanted = self._mask(clique)
        hub = max(self._near(clique), key=lambda node: (wanted & self._nodes[node]).bit_count())
        added: dict[int, int] = {}
        apart = False
        for axis in _axes(wanted & ~self._nodes[hub]):
            holders = self._holders[self._domain.attributes[axis]]
            if self._component[holders[0]] != self._component[hub]:
                apart = True
                continue
            places, parents = self._walk(hub)
            node = min(holders, key=places.__getitem__)
            while (node := parents[node]) >= 0:
                added[node] = added.get(node, 0) | 1 << axis
        return added, wanted if apart else 0

    def _near(self, clique: Clique) -> list[int]:
        """The nodes that hold an attribute of the clique."""
        return sorted({node for name in clique for node in self._holders[name]})

    def _walk(self, hub: int) -> tuple[dict[int, int], dict[int, int]]:
        """For every node its place in the walk from the hub, and the node it is reached from."""
        if hub not in self._walks:
            walk = self._tree.walk(hub)
            places = {visit.node: place for place, visit in enumerate(walk)}
            self._walks[hub] = places, {visit.node: visit.parent for visit in walk}
        return self._walks[hub]

    def _eliminated(self, clique: Clique) -> list[int]:
        """The maximal cliques that greedy min-size elimination leaves."""
        around = [1 << axis for axis in range(len(self._domain))]
        for one in (*self._learned, clique):
            mask = self._mask(one)
            for axis in _axes(mask):
                around[axis] |= mask
        costs = {axis: self._cells(mask) for axis, mask in enumerate(around)}
        found: list[int] = []
        while costs:
            axis = min(costs, key=costs.__getitem__)
            del costs[axis]
            own = around[axis]
            if not any(own & other == own for other in found):
                found.append(own)
            rest = own & ~(1 << axis)
            for other in _axes(rest):
                around[other] = (around[other] | rest) & ~(1 << axis)
                costs[other] = self._cells(around[other])
        return found

    def _mask(self, clique: Iterable[str]) -> int:
        return sum(self._bit[name] for name in clique)

    def _names(self, mask: int) -> Clique:
        return tuple(self._domain.attributes[axis] for axis in _axes(mask))

    def _cells(self, mask: int) -> int:
        sizes = self._domain.sizes
        return math.prod(sizes[axis] for axis in _axes(mask))


def _axes(mask: int) -> list[int]:
    axes = []
    while mask:
        low = mask & -mask
        axes.append(low.bit_length() - 1)
        mask ^= low
    return axes
