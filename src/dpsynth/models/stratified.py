"""Distributions cut into strata: each a product event of another distribution, together a mixture of its conditionals.

What one conditioning cannot say, several can: a union of boxes (structural zeros), or equal shares of every value of a
column (balance). All of it is exact for every kind of distribution.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dpsynth.domain import Clique, Domain
from dpsynth.errors import UsageError
from dpsynth.models.dealing import BLOCK_ROWS, Codes
from dpsynth.models.distribution import Distribution, Method, drawn_codes
from dpsynth.models.rounding import Counts, Expected

STRETCH_ROWS = 4 * BLOCK_ROWS
"""At most this many rows are mixed at a time. A constant: the rows of a seed do not depend on how they are batched."""
KEPT_CELLS = 1 << 22
"""Conditioned distributions of up to this many cells together are kept; larger ones are computed when they are used."""
_SLACK = 1e-6
"""Expected rows of a stratum within this of a whole number are that number."""

Weights = Mapping[str, Expected]


@dataclass(frozen=True, eq=False)
class Stratified:
    """``scale`` · Σ over strata of (``base`` given the weights of the stratum), in expected rows.

    ``strata``: evidence weights per code, nonnegative, of the attributes that the stratum restricts; no combination
    of codes has positive weights in two of them. Every operation costs one conditioning of ``base`` per stratum.
    """

    base: Distribution
    strata: tuple[Weights, ...]
    scale: float = 1.0

    @staticmethod
    def of(source: Distribution) -> Stratified:
        """The same distribution in strata: its own, or a single one."""
        return source if isinstance(source, Stratified) else Stratified(source, ({},))

    @property
    def kind(self) -> str:
        """That of the distribution it is cut from."""
        return self.base.kind

    @property
    def domain(self) -> Domain:
        """The attributes and their sizes."""
        return self.base.domain

    @property
    def cells(self) -> int:
        """The parameters of the distribution it is cut from."""
        return self.base.cells

    @property
    def bytes(self) -> int:
        """The memory of the distribution it is cut from and of the weights."""
        return self.base.bytes + sum(weights.nbytes for stratum in self.strata for weights in stratum.values())

    @cached_property
    def masses(self) -> Expected:
        """The expected rows of every stratum: float64."""
        return self.scale * np.array([part.total for part in self._parts()], dtype=np.float64)

    @property
    def total(self) -> float:
        """The expected number of rows."""
        return float(self.masses.sum())

    @cached_property
    def _held(self) -> tuple[Distribution, ...] | None:
        if self.base.cells * len(self.strata) > KEPT_CELLS:
            return None
        return tuple(self.base.conditioned(stratum) for stratum in self.strata)

    def _parts(self) -> Iterator[Distribution]:
        for index in range(len(self.strata)):
            yield self._part(index)

    def _part(self, index: int) -> Distribution:
        return self._held[index] if self._held is not None else self.base.conditioned(self.strata[index])

    def marginal(self, clique: Clique) -> Expected:
        """Expected counts of a clique, exact: float64, axes in clique order."""
        return self.marginals((clique,))[0]

    def marginals(self, cliques: Sequence[Clique]) -> list[Expected]:
        """The marginals of these cliques: one pass over the strata for all of them."""
        sums = [np.zeros(self.domain.shape(clique)) for clique in cliques]
        for part in self._parts():
            if part.total > 0:
                for held, values in zip(sums, part.marginals(cliques), strict=True):
                    held += self.scale * values  # noqa: PLW2901  (in place)
        return sums

    def conditioned(self, evidence: Mapping[str, ArrayLike]) -> Stratified:
        """The distribution given evidence weights per code: every stratum given them; exact.

        The total of the result is the expected weighted count, 0 when the evidence is impossible.
        """
        given = {name: np.asarray(weights, dtype=np.float64) for name, weights in evidence.items()}
        for name, weights in given.items():
            if weights.shape != (self.domain[name],):
                raise UsageError("evidence needs one weight per code", where=name)
        joined = [{**stratum, **_times(given, stratum)} for stratum in self.strata]
        possible = [stratum for stratum in joined if all(weights.any() for weights in stratum.values())]
        return Stratified(self.base, tuple(possible), self.scale)

    def sample_blocks(
        self, n: int, rng: np.random.Generator, method: Method = "rounding"
    ) -> Iterator[dict[str, Codes]]:
        """``n`` rows as blocks, in random order over the strata.

        With ``rounding`` every stratum, and every run of neighbors among them, gets its expected rows up to one; within
        a stratum rows follow its distribution as they do by itself, in stretches of at most ``STRETCH_ROWS`` rows.
        ``iid`` draws every row independently. Memory: a stretch and one stratum.
        """
        alive = np.flatnonzero(self.masses > 0)
        if len(alive) == 1:
            yield from self._part(int(alive[0])).sample_blocks(n, rng, method)
            return
        shares = self.masses[alive] / self.total
        stock = _rounded(shares, n, rng) if method == "rounding" else None
        stretches = -(-n // STRETCH_ROWS)
        for stretch in range(stretches):
            size = (n + stretch) // stretches
            if stock is None:
                counts = rng.multinomial(size, shares)
            else:
                counts = _share_of(stock, size, rng)
                stock -= counts
            yield from self._mixed(dict(zip(alive.tolist(), counts.tolist(), strict=True)), rng, method)

    def _mixed(self, counts: Mapping[int, int], rng: np.random.Generator, method: Method) -> Iterator[dict[str, Codes]]:
        """So many rows of each stratum, in random order: a stratum's own order is random, so only turns are drawn."""
        turns = np.repeat(np.arange(len(counts), dtype=np.min_scalar_type(len(counts))), list(counts.values()))
        rng.shuffle(turns)
        places = np.argsort(turns, kind="stable")
        rows = {name: np.empty(len(turns), dtype=np.min_scalar_type(self.domain[name] - 1)) for name in self.domain}
        end = 0
        for index in (index for index, count in counts.items() if count):
            for block in self._part(index).sample_blocks(counts[index], rng, method):
                start, end = end, end + len(next(iter(block.values())))
                for name, codes in block.items():
                    rows[name][places[start:end]] = codes
        for start in range(0, len(turns), BLOCK_ROWS):
            yield {name: codes[start : start + BLOCK_ROWS] for name, codes in rows.items()}

    def sample_codes(
        self,
        n: int,
        rng: np.random.Generator,
        evidence: Mapping[str, ArrayLike] | None = None,
        method: Method = "rounding",
    ) -> dict[str, Codes]:
        """``n`` rows as one array of codes per attribute (smallest unsigned type), in random order.

        Raises ``UsageError`` for a negative ``n``, or evidence that the distribution gives probability 0.
        """
        return drawn_codes(self, n, rng, evidence, method)


def _times(given: Weights, stratum: Weights) -> dict[str, Expected]:
    return {name: weights * stratum[name] if name in stratum else weights for name, weights in given.items()}


def _rounded(shares: NDArray[np.float64], n: int, rng: np.random.Generator) -> Counts:
    """Whole rows per stratum that sum to ``n``: each one of the two whole numbers next to its expectation, unbiased
    (systematic rounding); a share of 0 gets none.
    """
    running = np.round(np.cumsum(shares) / shares.sum() * n, 6)
    edges: Counts = np.minimum(np.floor(running + rng.random() * (1 - _SLACK)), n).astype(np.int64)
    counts: Counts = edges - np.append(0, edges[:-1])
    return counts


def _share_of(stock: Counts, size: int, rng: np.random.Generator) -> Counts:
    """A systematic share of the stock of ``size`` rows, exact in integers."""
    total = int(stock.sum())
    edges: Counts = (np.cumsum(stock) * size + int(rng.integers(total))) // total
    counts: Counts = edges - np.append(0, edges[:-1])
    return counts
