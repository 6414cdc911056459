"""Triangulation and the junction tree (Koller & Friedman 2009, chapter 10)."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from dpsynth.domain import Clique, Domain

if TYPE_CHECKING:
    import networkx as nx

Neighbors = dict[str, set[str]]


@dataclass(frozen=True, slots=True)
class Visit:
    """One step of a walk over the tree: a node, the node it was reached from and the separator between them.

    The start of the walk has ``parent`` -1 and an empty separator.
    """

    node: int
    parent: int
    separator: Clique


@dataclass(frozen=True)
class JunctionTree:
    """Cliques joined into one tree with the running-intersection property; a forest is joined by empty separators.

    ``edges`` are index pairs (i < j) into ``cliques``; ``separators[k]`` is what the cliques of ``edges[k]`` share.
    Axes of cliques and separators stand in domain order.
    """

    domain: Domain
    cliques: tuple[Clique, ...]
    edges: tuple[tuple[int, int], ...]
    separators: tuple[Clique, ...]

    @cached_property
    def neighbors(self) -> tuple[tuple[tuple[int, Clique], ...], ...]:
        """For every node its adjacent nodes, each with the separator."""
        adjacent: list[list[tuple[int, Clique]]] = [[] for _ in self.cliques]
        for (left, right), separator in zip(self.edges, self.separators, strict=True):
            adjacent[left].append((right, separator))
            adjacent[right].append((left, separator))
        return tuple(tuple(entry) for entry in adjacent)

    def walk(self, root: int = 0) -> tuple[Visit, ...]:
        """All nodes in breadth-first order from ``root``: a parent always stands before its children."""
        visits = [Visit(root, -1, ())]
        for visit in visits:
            visits.extend(
                Visit(node, visit.node, separator)
                for node, separator in self.neighbors[visit.node]
                if node != visit.parent
            )
        return tuple(visits)

    @cached_property
    def order(self) -> tuple[Visit, ...]:
        """The walk from node 0."""
        return self.walk(0)

    @cached_property
    def home(self) -> dict[str, int]:
        """For every attribute the node with the fewest cells that holds it."""
        smallest: dict[str, int] = {}
        for node in sorted(range(len(self.cliques)), key=lambda index: self.domain.cells(self.cliques[index])):
            for attribute in self.cliques[node]:
                smallest.setdefault(attribute, node)
        return smallest

    def containing(self, clique: Iterable[str]) -> int | None:
        """The node with the fewest cells whose clique holds all these attributes, or ``None``."""
        wanted = set(clique)
        nodes = [node for node, held in enumerate(self.cliques) if wanted <= set(held)]
        return min(nodes, key=lambda node: self.domain.cells(self.cliques[node]), default=None)

    @property
    def cells(self) -> int:
        """The number of cells of all cliques together; exact."""
        return sum(self.domain.cells(clique) for clique in self.cliques)


def junction_tree(domain: Domain, cliques: Iterable[Clique]) -> JunctionTree:
    """The junction tree in which every given clique lies inside a node; every attribute of the domain appears.

    The better (fewer cells in all) of greedy min-fill and min-size elimination is taken; deterministic. Raises
    ``DomainError`` for a clique outside the domain. Cost: polynomial in the number of attributes; no cell is touched.
    """
    wanted = list(cliques)
    for clique in wanted:
        domain.check_clique(clique)
    adjacency: Neighbors = {attribute: set() for attribute in domain}
    for clique in wanted:
        for left, right in itertools.permutations(clique, 2):
            adjacency[left].add(right)
    options = [_triangulated(domain, adjacency, rule) for rule in (_fill, _size)]
    nodes = min(options, key=lambda option: sum(domain.cells(clique) for clique in option))
    return _joined(domain, nodes)


Rule = Callable[[Domain, Neighbors, str], tuple[float, ...]]


def _fill(domain: Domain, adjacency: Neighbors, attribute: str) -> tuple[float, ...]:
    around = adjacency[attribute]
    missing = sum(len(around - adjacency[name]) - 1 for name in around)
    return missing, domain.cells((attribute, *around))


def _size(domain: Domain, adjacency: Neighbors, attribute: str) -> tuple[float, ...]:
    return (domain.cells((attribute, *adjacency[attribute])),)


def _triangulated(domain: Domain, adjacency: Neighbors, rule: Rule) -> list[Clique]:
    """The maximal cliques of the graph that greedy elimination under the rule fills in."""
    graph = {name: set(around) for name, around in adjacency.items()}
    costs = {name: rule(domain, graph, name) for name in graph}
    found: list[Clique] = []
    while graph:
        name = min(graph, key=costs.__getitem__)
        around = graph.pop(name)
        found.append(domain.canonical((name, *around)))
        for left in around:
            graph[left] |= around - {left}
            graph[left].discard(name)
        touched = around.union(*(graph[left] for left in around))
        costs.update((left, rule(domain, graph, left)) for left in touched)
    sets = [frozenset(clique) for clique in found]
    return [clique for clique, own in zip(found, sets, strict=True) if not any(own < other for other in sets)]


def _joined(domain: Domain, cliques: list[Clique]) -> JunctionTree:
    """The maximum spanning tree by size of separator, which is a junction tree (ties: fewer cells)."""
    import networkx as nx

    graph: nx.Graph[int] = nx.Graph()
    graph.add_nodes_from(range(len(cliques)))
    sets = [frozenset(clique) for clique in cliques]
    for left, right in itertools.combinations(range(len(cliques)), 2):
        graph.add_edge(left, right, weight=len(sets[left] & sets[right]))
    edges = sorted((min(edge), max(edge)) for edge in nx.maximum_spanning_tree(graph, weight="weight").edges)
    separators = tuple(domain.canonical(sets[left] & sets[right]) for left, right in edges)
    return JunctionTree(domain, tuple(cliques), tuple(edges), separators)
