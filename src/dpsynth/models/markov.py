"""Markov random fields over a calibrated junction tree."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dpsynth.domain import Clique, Domain
from dpsynth.errors import DomainError, UsageError
from dpsynth.graph import CalibratedTree
from dpsynth.models.dealing import Codes, Draw, dealt_blocks
from dpsynth.models.distribution import Method, drawn_codes
from dpsynth.models.rounding import Expected


@dataclass(frozen=True, eq=False)
class Expansion:
    """How an attribute that the tree holds in buckets is spread over its codes again.

    ``buckets``: int64, the bucket of every code, every bucket 0 … max present. ``weights``: float64, nonnegative, the
    share of each code in its bucket (each bucket sums to 1). Raises ``DomainError`` otherwise.
    """

    attribute: str
    buckets: NDArray[np.int64]
    weights: Expected

    def __post_init__(self) -> None:
        if self.buckets.ndim != 1 or self.buckets.shape != self.weights.shape or not len(self.buckets):
            raise DomainError("an expansion needs one bucket and one weight per code", where=self.attribute)
        if self.buckets.min() < 0 or self.buckets.max() >= len(self.buckets):
            raise DomainError("a bucket lies outside its range", where=self.attribute)
        sums = np.bincount(self.buckets, weights=self.weights)
        if not np.isfinite(self.weights).all() or self.weights.min() < 0 or not np.allclose(sums, 1.0):
            raise DomainError("the weights of a bucket must sum to 1", where=self.attribute)

    @staticmethod
    def even(attribute: str, buckets: ArrayLike) -> Expansion:
        """The expansion that spreads every bucket evenly over its codes."""
        codes = np.asarray(buckets, dtype=np.int64)
        return Expansion(attribute, codes, 1.0 / np.bincount(codes)[codes])

    @property
    def size(self) -> int:
        """The number of buckets."""
        return int(self.buckets.max()) + 1

    def spread(self, values: Expected, axis: int) -> Expected:
        """Counts over buckets along ``axis`` as expected counts over codes."""
        shape = [1] * values.ndim
        shape[axis] = -1
        spread: Expected = np.take(values, self.buckets, axis=axis) * self.weights.reshape(shape)
        return spread

    @cached_property
    def _order(self) -> NDArray[np.int64]:
        """The codes bucket by bucket."""
        return np.argsort(self.buckets, kind="stable")

    @cached_property
    def _starts(self) -> NDArray[np.int64]:
        """Where the codes of every bucket begin in that order."""
        members = np.bincount(self.buckets)
        return np.cumsum(members) - members

    def matrix(self) -> Expected:
        """The share of the first, second, … code of every bucket (buckets × codes of the largest bucket)."""
        places = np.arange(len(self.buckets)) - self._starts[self.buckets[self._order]]
        shares = np.zeros((self.size, int(places.max()) + 1))
        shares[self.buckets[self._order], places] = self.weights[self._order]
        return shares

    def codes(self, buckets: Codes, places: Codes) -> Codes:
        """The code that stands at this place within this bucket, row by row, in the smallest unsigned type."""
        found: Codes = self._order[self._starts[buckets] + places].astype(np.min_scalar_type(len(self.buckets) - 1))
        return found


def check_expansions(inner: Domain, expansions: Sequence[Expansion]) -> None:
    """Raise ``DomainError`` unless each expands another attribute, with as many buckets as ``inner`` has."""
    names = [expansion.attribute for expansion in expansions]
    if len(set(names)) != len(names):
        raise DomainError("an attribute is expanded twice")
    for expansion in expansions:
        if inner[expansion.attribute] != expansion.size:
            raise DomainError("an expansion does not fit the model's domain", where=expansion.attribute)


@dataclass(frozen=True, eq=False)
class MarkovRandomField:
    """A calibrated junction tree, with attributes that were measured in buckets spread over their codes again.

    Raises ``DomainError`` if an expansion does not fit the tree's domain.
    """

    kind: ClassVar[str] = "markov-random-field"
    tree: CalibratedTree
    expansions: tuple[Expansion, ...] = ()

    def __post_init__(self) -> None:
        check_expansions(self.tree.tree.domain, self.expansions)

    @cached_property
    def _expansion(self) -> dict[str, Expansion]:
        return {expansion.attribute: expansion for expansion in self.expansions}

    @cached_property
    def domain(self) -> Domain:
        """The attributes with all their codes (buckets expanded)."""
        inner = self.tree.tree.domain
        sizes = (len(self._expansion[name].buckets) if name in self._expansion else inner[name] for name in inner)
        return Domain(inner.attributes, tuple(sizes))

    @property
    def total(self) -> float:
        """The expected number of rows."""
        return self.tree.total

    @property
    def cells(self) -> int:
        """The cells of all clique tables and expansions."""
        return sum(belief.size for belief in self.tree.beliefs) + sum(len(e.buckets) for e in self.expansions)

    @property
    def bytes(self) -> int:
        """The memory of the clique tables and expansions."""
        return sum(belief.nbytes for belief in self.tree.beliefs) + sum(16 * len(e.buckets) for e in self.expansions)

    def marginal(self, clique: Clique) -> Expected:
        """Expected counts of a clique, exact: float64, axes in clique order."""
        return self._spread(clique, self.tree.marginal(clique))

    def marginals(self, cliques: Sequence[Clique]) -> list[Expected]:
        """The marginals of these cliques, from shared sweeps of the tree."""
        return [self._spread(*pair) for pair in zip(cliques, self.tree.marginals(cliques), strict=True)]

    def _spread(self, clique: Clique, values: Expected) -> Expected:
        for axis, attribute in enumerate(clique):
            if attribute in self._expansion:
                values = self._expansion[attribute].spread(values, axis)
        return values

    def conditioned(self, evidence: Mapping[str, ArrayLike]) -> MarkovRandomField:
        """The field given evidence weights (one per code, in [0, 1]): exact, on the tree.

        The total of the result is the expected weighted count, 0 when the evidence is impossible.
        """
        inner: dict[str, ArrayLike] = {}
        expansions = list(self.expansions)
        for attribute, given in evidence.items():
            weights = np.asarray(given, dtype=np.float64)
            if weights.shape != (self.domain[attribute],):
                raise UsageError("evidence needs one weight per code", where=attribute)
            inner[attribute] = weights
            if attribute in self._expansion:
                old = self._expansion[attribute]
                joint = old.weights * weights
                sums = np.bincount(old.buckets, weights=joint, minlength=old.size)
                inner[attribute] = sums
                kept = np.divide(joint, sums[old.buckets], out=old.weights.copy(), where=sums[old.buckets] > 0)
                expansions[self.expansions.index(old)] = Expansion(attribute, old.buckets, kept)
        return MarkovRandomField(self.tree.conditioned(inner), tuple(expansions))

    def sample_blocks(
        self, n: int, rng: np.random.Generator, method: Method = "rounding"
    ) -> Iterator[dict[str, Codes]]:
        """``n`` rows as blocks of at most ``BLOCK_ROWS`` rows, in random order.

        With ``rounding`` the counts of every clique of the tree, over all blocks together, stay within a few counts
        of the model's; ``iid`` draws every row independently. Memory: one block and the clique tables.
        """
        attributes = self.domain.attributes
        for columns in dealt_blocks(self._plan(), n, rng, rounding=method == "rounding"):
            block = dict(zip(attributes, columns, strict=False))
            # The place of a code within its bucket is drawn last, as a variable behind those of the tree.
            for expansion, places in zip(self.expansions, columns[len(attributes) :], strict=True):
                block[expansion.attribute] = expansion.codes(block[expansion.attribute], places)
            yield block

    def sample_codes(
        self,
        n: int,
        rng: np.random.Generator,
        evidence: Mapping[str, ArrayLike] | None = None,
        method: Method = "rounding",
    ) -> dict[str, Codes]:
        """``n`` rows as one array of codes per attribute (smallest unsigned type), in random order.

        Raises ``UsageError`` for a negative ``n``, or evidence that the model gives probability 0.
        """
        return drawn_codes(self, n, rng, evidence, method)

    def _plan(self) -> list[Draw]:
        """One draw per clique, from the root outwards, then one per expanded attribute."""
        tree, total = self.tree.tree, self.tree.total
        index = {name: position for position, name in enumerate(tree.domain)}
        walk = tree.walk(0)
        draws = []
        for visit in walk:
            clique = tree.cliques[visit.node]
            drawn = tuple(name for name in clique if name not in visit.separator)
            order = [clique.index(name) for name in (*visit.separator, *drawn)]
            watched = {other.separator for other in walk if other.parent == visit.node and other.separator}
            draws.append(
                Draw(
                    given=tuple(index[name] for name in visit.separator),
                    drawn=tuple(index[name] for name in drawn),
                    probabilities=self.tree.beliefs[visit.node].transpose(order) / total,
                    watched=tuple(tuple(index[name] for name in separator) for separator in sorted(watched)),
                )
            )
        for position, expansion in enumerate(self.expansions):
            coarse = self.tree.marginal((expansion.attribute,)) / total
            fine = len(tree.domain) + position
            draws.append(Draw((index[expansion.attribute],), (fine,), expansion.matrix() * coarse[:, None]))
        return [draw for draw in draws if draw.drawn]
