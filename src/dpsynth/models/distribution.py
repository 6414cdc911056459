"""What every kind of distribution answers, so that a model need not know which kind it wraps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, Protocol

import numpy as np
from numpy.typing import ArrayLike

from dpsynth.domain import Clique, Domain
from dpsynth.errors import UsageError
from dpsynth.models.dealing import Codes
from dpsynth.models.rounding import Expected

Method = Literal["rounding", "iid"]
"""``rounding``: counts of every clique stay next to their expectation; ``iid``: rows are independent draws."""


class Distribution(Protocol):
    """A joint distribution over coded attributes, in expected rows; all it does is post-processing."""

    @property
    def kind(self) -> str:
        """The name of this kind of distribution, as model files have it."""
        ...

    @property
    def domain(self) -> Domain:
        """The attributes and their sizes."""
        ...

    @property
    def total(self) -> float:
        """The expected number of rows of the table it describes."""
        ...

    @property
    def cells(self) -> int:
        """The number of stored parameters."""
        ...

    @property
    def bytes(self) -> int:
        """The memory of the stored parameters."""
        ...

    def marginal(self, clique: Clique) -> Expected:
        """Expected counts of a clique: float64, axes in clique order; ``DomainError`` for an unknown attribute."""
        ...

    def marginals(self, cliques: Sequence[Clique]) -> list[Expected]:
        """The marginals of these cliques; asking for many at once is cheaper than one by one."""
        ...

    def conditioned(self, evidence: Mapping[str, ArrayLike]) -> Distribution:
        """The distribution given evidence weights per code; its total is the expected weighted count."""
        ...

    def sample_blocks(
        self, n: int, rng: np.random.Generator, method: Method = "rounding"
    ) -> Iterator[dict[str, Codes]]:
        """``n`` rows as blocks of bounded size; the block size does not depend on any argument."""
        ...

    def sample_codes(
        self,
        n: int,
        rng: np.random.Generator,
        evidence: Mapping[str, ArrayLike] | None = None,
        method: Method = "rounding",
    ) -> dict[str, Codes]:
        """``n`` rows as one array of codes per attribute, in the smallest unsigned type."""
        ...


def drawn_codes(
    source: Distribution, n: int, rng: np.random.Generator, evidence: Mapping[str, ArrayLike] | None, method: Method
) -> dict[str, Codes]:
    """``n`` rows of a distribution given evidence, as one array of codes per attribute (smallest unsigned type).

    Raises ``UsageError`` for a negative ``n``, or evidence that the distribution gives probability 0.
    """
    if n < 0:
        raise UsageError("the number of rows must be at least 0")
    given = source.conditioned(evidence) if evidence else source
    if n and not given.total > 0:
        raise UsageError("the model has no rows to draw from")
    domain = given.domain
    blocks = list(given.sample_blocks(n, rng, method))
    empty = {name: np.zeros(0, dtype=np.min_scalar_type(domain[name] - 1)) for name in domain}
    return {name: np.concatenate([block[name] for block in blocks]) for name in domain} if blocks else empty
