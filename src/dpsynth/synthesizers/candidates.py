"""Which pairs of columns a spanning tree may use, and in which order they are offered: public facts only."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from dpsynth.domain import Clique, Domain

PAIR_CELLS = 1 << 20
"""A pair with more cells is never a candidate: its noise alone would take half a minute."""

ALL_CELLS = 1 << 25
"""All candidates together: 256 MB of counts and as much of estimates."""

FREE_COLUMNS = 64
"""Up to here every selection sees every pair that still joins two components (Kruskal)."""


@dataclass(frozen=True)
class CandidatePairs:
    """The pairs that may become edges; ``dropped`` counts those that are too large to be counted.

    ``ordered``: above ``FREE_COLUMNS`` columns each selection offers only the pairs of one column with those before
    it, so that the work grows with the square of the number of columns, not with its cube.
    """

    pairs: tuple[Clique, ...]
    dropped: int
    ordered: bool
    domain: Domain

    @staticmethod
    def of(domain: Domain) -> CandidatePairs:
        """All pairs of columns with more than one value, smallest first, as far as both limits allow."""
        pairs = sorted((pair for pair in domain.cliques(2) if min(domain.shape(pair)) > 1), key=domain.cells)
        kept, cells = [], 0
        for pair in pairs:
            cells += domain.cells(pair)
            if cells > ALL_CELLS or domain.cells(pair) > PAIR_CELLS:
                break
            kept.append(pair)
        return CandidatePairs(tuple(kept), len(pairs) - len(kept), len(domain) > FREE_COLUMNS, domain)

    @property
    def cells(self) -> int:
        """The cells of all candidates together."""
        return sum(self.domain.cells(pair) for pair in self.pairs)

    @cached_property
    def edges(self) -> int:
        """How many edges the tree (or forest) will have, whichever they are."""
        growth = TreeGrowth(self)
        count = 0
        while offered := growth.offered():
            growth.add(offered[0])
            count += 1
        return count

    @property
    def tree_cells(self) -> int:
        """At most this many cells have all edges together."""
        return sum(self.domain.cells(pair) for pair in self.pairs[-self.edges :]) if self.edges else 0


class TreeGrowth:
    """A forest that grows edge by edge; it offers the pairs that may come next."""

    def __init__(self, candidates: CandidatePairs) -> None:
        from networkx.utils import UnionFind

        self._components = UnionFind(candidates.domain)
        self._pairs = candidates.pairs
        self._columns = _by_later_column(candidates) if candidates.ordered else None

    def offered(self) -> tuple[Clique, ...]:
        """The pairs for the next selection; empty when the forest is complete."""
        if self._columns is not None:
            return self._columns[-1] if self._columns else ()
        joined = self._components
        self._pairs = tuple(pair for pair in self._pairs if joined[pair[0]] != joined[pair[1]])
        return self._pairs

    def add(self, pair: Clique) -> None:
        """Make an offered pair an edge."""
        self._components.union(*pair)
        if self._columns is not None:
            self._columns.pop()


def _by_later_column(candidates: CandidatePairs) -> list[tuple[Clique, ...]]:
    """For each column the pairs with the columns before it (smallest columns first), in reverse order of use."""
    order = sorted(candidates.domain, key=candidates.domain.__getitem__)
    rank = {attribute: position for position, attribute in enumerate(order)}
    groups: dict[str, list[Clique]] = {attribute: [] for attribute in order}
    for pair in candidates.pairs:
        groups[max(pair, key=rank.__getitem__)].append(pair)
    return [tuple(groups[attribute]) for attribute in reversed(order) if groups[attribute]]
