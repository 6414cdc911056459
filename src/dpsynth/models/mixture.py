"""Mixtures of products: attributes are independent within each of many components."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dpsynth.domain import Clique, Domain
from dpsynth.errors import DomainError, UsageError
from dpsynth.models.dealing import Codes, Draw, dealt_blocks
from dpsynth.models.distribution import Method, drawn_codes
from dpsynth.models.rounding import Expected
from dpsynth.models.settling import Pairs, Settling, settling_axes

SUM_SLACK = 1e-6
"""Weights and the probabilities of every attribute sum to 1 up to this."""
PRODUCT_CELLS = 1 << 21
"""At most this many products of probabilities (components × cells) are held at a time."""


@dataclass(frozen=True, eq=False)
class MixtureOfProducts:
    """``total`` · Σ_k ``weights[k]`` · Π_a ``probabilities[k, code of a]``.

    ``weights``: float64, nonnegative, sums to 1. ``probabilities``: float64, components × all codes, the attributes
    side by side in domain order; in every row each attribute's block sums to 1. Raises ``DomainError`` otherwise, or
    for a domain without attributes. Marginals, conditioning and sampling are exact for any number of attributes.
    """

    kind: ClassVar[str] = "mixture-of-products"
    domain: Domain
    total: float
    weights: Expected
    probabilities: Expected

    def __post_init__(self) -> None:
        if not len(self.domain) or not self.weights.size:
            raise DomainError("a mixture needs at least one attribute and one component")
        if self.weights.ndim != 1 or self.probabilities.shape != (len(self.weights), sum(self.domain.sizes)):
            raise DomainError("a mixture needs one probability per component and code")
        if not _is_distribution(self.weights[None]).all():
            raise DomainError("the weights of a mixture must be nonnegative and sum to 1")
        for attribute, block in self._blocks.items():
            if not _is_distribution(block).all():
                raise DomainError("the probabilities of a component must be nonnegative and sum to 1", where=attribute)

    @cached_property
    def _blocks(self) -> dict[str, Expected]:
        """The probabilities of every attribute (components × its codes), as views."""
        edges = np.cumsum(self.domain.sizes)[:-1]
        return dict(zip(self.domain, np.split(self.probabilities, edges, axis=1), strict=True))

    @property
    def cells(self) -> int:
        """The number of stored parameters."""
        return self.weights.size + self.probabilities.size

    @property
    def bytes(self) -> int:
        """The memory of the stored parameters."""
        return self.weights.nbytes + self.probabilities.nbytes

    def marginal(self, clique: Clique) -> Expected:
        """Expected counts of a clique, exact: float64, axes in clique order. Cost: components · cells."""
        return self.marginals((clique,))[0]

    def marginals(self, cliques: Sequence[Clique]) -> list[Expected]:
        """The marginals of these cliques; cliques that differ in their largest attribute share one product."""
        found: dict[Clique, Expected] = {(): np.asarray(self.total, dtype=np.float64)}
        tails: dict[Clique, list[str]] = {}
        for clique in dict.fromkeys(self._ascending(clique) for clique in cliques if clique):
            tails.setdefault(clique[:-1], []).append(clique[-1])
        for shared, last in tails.items():
            found |= self._swept(shared, last)
        return [self._arranged(found[self._ascending(clique)], clique) for clique in cliques]

    def _ascending(self, clique: Clique) -> Clique:
        """The attributes of a clique by size: the product of all but the last is as small as it can be."""
        self.domain.check_clique(clique)
        return tuple(sorted(clique, key=lambda attribute: (self.domain[attribute], self.domain.axes((attribute,)))))

    def _arranged(self, values: Expected, clique: Clique) -> Expected:
        order = self._ascending(clique)
        arranged: Expected = values.transpose([order.index(attribute) for attribute in clique]).copy()
        return arranged

    def _swept(self, shared: Clique, last: Sequence[str]) -> dict[Clique, Expected]:
        """The marginals of one product of attributes with each of several more: one matrix product for all."""
        right = np.concatenate([self._blocks[attribute] for attribute in last], axis=1)
        rows = max(1, PRODUCT_CELLS // self.domain.cells(shared))
        sums = np.zeros((self.domain.cells(shared), right.shape[1]))
        for start in range(0, len(self.weights), rows):
            part = slice(start, start + rows)
            product = (self.total * self.weights[part])[:, None]
            for attribute in shared:
                block = self._blocks[attribute][part]
                product = (product[:, :, None] * block[:, None, :]).reshape(len(product), -1)
            sums += product.T @ right[part]
        edges = np.cumsum(self.domain.shape(last))[:-1]
        pieces = zip(last, np.split(sums, edges, axis=1), strict=True)
        return {(*shared, name): piece.reshape(self.domain.shape((*shared, name))) for name, piece in pieces}

    def conditioned(self, evidence: Mapping[str, ArrayLike]) -> MixtureOfProducts:
        """The mixture given evidence weights (one per code, nonnegative and finite): exact, in one pass.

        The total of the result is the expected weighted count, 0 when the evidence is impossible. Raises
        ``UsageError`` for weights of another kind.
        """
        total, weights, blocks = self.total, self.weights, dict(self._blocks)
        for attribute, given in evidence.items():
            factor = np.asarray(given, dtype=np.float64)
            if factor.shape != (self.domain[attribute],):
                raise UsageError("evidence needs one weight per code", where=attribute)
            if not np.isfinite(factor).all() or (factor < 0).any():
                raise UsageError("evidence weights are finite and not negative", where=attribute)
            blocks[attribute], likelihood = _normalized(blocks[attribute] * factor, blocks[attribute])
            kept, mass = _normalized((weights * likelihood)[None], weights[None])
            weights, total = kept[0], total * float(mass[0])
        return MixtureOfProducts(self.domain, total, weights, np.concatenate(list(blocks.values()), axis=1))

    def sample_blocks(
        self, n: int, rng: np.random.Generator, method: Method = "rounding"
    ) -> Iterator[dict[str, Codes]]:
        """``n`` rows as blocks of at most ``BLOCK_ROWS`` rows, equal to within one, in random order.

        With ``rounding`` the counts of components, of every attribute within every component, and of every attribute
        are rounded; then rows of one component exchange codes so that pairs of attributes follow the model.
        ``iid`` draws every row independently. Memory: one block, the parameters, and the pairs of codes.
        """
        rounding = method == "rounding"
        axes = self._settling_axes if rounding else ()
        settling = Settling([self.domain.sizes[axis] for axis in axes], self._pairs) if len(axes) > 1 else None
        left = n
        for columns in dealt_blocks(self._plan(), n, rng, rounding=rounding):
            codes, component = columns[:-1], columns[-1]
            left -= len(component)
            if settling is not None:
                settled = settling.settled([codes[axis] for axis in axes], component, rng, last=not left)
                for axis, column in zip(axes, settled, strict=True):
                    codes[axis] = column
            yield dict(zip(self.domain, codes, strict=True))

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

    @cached_property
    def _settling_axes(self) -> tuple[int, ...]:
        return settling_axes(self.domain.sizes)

    @cached_property
    def _pairs(self) -> Pairs:
        """The probability of every pair of codes of the attributes that are settled."""
        names = [self.domain.attributes[axis] for axis in self._settling_axes]
        codes = np.concatenate([self._blocks[name] for name in names], axis=1)
        left, right = (codes * self.weights[:, None]).astype(np.float32), codes.astype(np.float32)
        pairs: Pairs = left.T @ right
        return pairs

    def _plan(self) -> list[Draw]:
        """The component is drawn first, as a variable behind the attributes, then every attribute given it."""
        hidden = len(self.domain)
        draws = [Draw((), (hidden,), self.weights)]
        for axis, block in enumerate(self._blocks.values()):
            draws.append(Draw((hidden,), (axis,), block * self.weights[:, None]))
        return draws


def _is_distribution(rows: Expected) -> NDArray[np.bool_]:
    """For every row whether it is nonnegative and sums to 1 (no NaN, no infinity)."""
    with np.errstate(invalid="ignore", over="ignore"):
        found: NDArray[np.bool_] = np.abs(rows.sum(axis=1) - 1.0) <= SUM_SLACK
    found &= (rows >= 0).all(axis=1)
    return found


def _normalized(rows: Expected, fallback: Expected) -> tuple[Expected, Expected]:
    """The rows scaled to sum to 1, and what they summed to; a row of zeros becomes that of ``fallback``.

    Scaled by the largest entry first: rows of subnormal numbers would not sum to 1 otherwise.
    """
    peak = rows.max(axis=1, keepdims=True)
    shares = np.divide(rows, peak, out=fallback.copy(), where=peak > 0)
    sums = shares.sum(axis=1, keepdims=True)
    return shares / sums, (peak * sums)[:, 0]
