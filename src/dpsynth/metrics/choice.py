"""Which marginals are compared: all of them, or a declared, seeded sample when there are too many."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from dpsynth.domain import Clique, Domain


@dataclass(frozen=True)
class CliqueChoice:
    """Cliques of ``ways`` attributes in domain order: all ``possible`` ones, or as many as were asked for.

    ``seed`` is ``None`` when the choice is complete; otherwise the cliques are a uniform sample without replacement
    that this seed reproduces.
    """

    ways: int
    cliques: tuple[Clique, ...]
    possible: int
    seed: int | None


def choose(domain: Domain, ways: int, limit: int, seed: int) -> CliqueChoice:
    """All cliques of ``ways`` attributes if there are at most ``limit``, else a uniform sample of ``limit`` of them."""
    possible = math.comb(len(domain), ways)
    if possible <= limit:
        return CliqueChoice(ways, domain.cliques(ways), possible, None)
    generator = np.random.default_rng([seed, ways])
    ranks = generator.choice(possible, size=limit, replace=False, shuffle=False)
    positions = sorted(map(tuple, _subsets(ranks, len(domain), ways).tolist()))
    names = domain.attributes
    cliques = tuple(tuple(names[position] for position in subset) for subset in positions)
    return CliqueChoice(ways, cliques, possible, seed)


def _subsets(ranks: np.ndarray, size: int, ways: int) -> np.ndarray:
    """The ``ways``-subsets of ``range(size)`` with these ranks in colexicographic order, one per row, ascending."""
    rest = ranks.astype(np.int64)
    columns = []
    for order in range(ways, 0, -1):
        below = np.array([math.comb(value, order) for value in range(size)], dtype=np.int64)
        chosen = np.searchsorted(below, rest, side="right") - 1
        rest = rest - below[chosen]
        columns.append(chosen)
    return np.stack(columns[::-1], axis=1)


def groups(domain: Domain, cliques: Sequence[Clique], cell_limit: int) -> Iterator[tuple[int, int]]:
    """Half-open ranges of consecutive cliques whose cells together stay within the limit (single cliques may not)."""
    start, cells = 0, 0
    for index, clique in enumerate(cliques):
        size = domain.cells(clique)
        if index > start and cells + size > cell_limit:
            yield start, index
            start, cells = index, 0
        cells += size
    if start < len(cliques):
        yield start, len(cliques)
