"""What the steps of a spanning tree over three binary columns cost, and the scales that this buys: restated.

Everything here follows from the loss and from one level that the answers decide: how much of the second look at the
one-way marginals is bought, in twentieths.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from dpsynth.errors import UsageError
from dpsynth.privacy import laws
from dpsynth.privacy.governor import Governor
from dpsynth.privacy.loss import PrivacyLoss, total

COLUMNS, EDGES = 3, 2
LEVELS = 20
ONE_WAY, SELECT, REFINE = Fraction(2, 5), Fraction(1, 10), Fraction(1, 5)
_ONE_WAY_WEIGHTS = (20, 20, 20)
"""Columns of two values weigh the same."""
LEAST_WEIGHT, MOST_WEIGHT = 16, 25
"""Of an edge: 16 times the cube root of its cells that stand out, which are 1 to 4."""


@dataclass(frozen=True)
class TreePrices:
    """The scales of every step, for units of ``rows`` rows in a pool of this governor; ``loss`` is all there is.

    Raises ``BudgetExceededError`` for a loss too small to be split, and ``UsageError`` under pure epsilon, where the
    noise is not Gaussian.
    """

    governor: Governor
    loss: PrivacyLoss
    rows: int = 1
    _edges: dict[tuple[int, tuple[int, int]], list[float]] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        if self.governor is Governor.PURE:
            raise UsageError("the law of a spanning tree is restated for Gaussian noise, not for pure epsilon")

    @cached_property
    def one_way(self) -> float:
        """The scale of the first look at the one-way marginals."""
        return self._scales(self.loss.share(ONE_WAY), _ONE_WAY_WEIGHTS)[0]

    @cached_property
    def again(self) -> NDArray[np.float64]:
        """The scale of the second look by level; infinite at level 0, where there is none."""
        bought = [self.loss.share(REFINE * Fraction(level, LEVELS)) for level in range(1, LEVELS + 1)]
        return np.array([np.inf, *(self._scales(loss, _ONE_WAY_WEIGHTS)[0] for loss in bought)])

    @cached_property
    def select(self) -> float:
        """The scale of each of the two selections."""
        return laws.selection_scale(self.governor, self.rows, self._each_selection)

    @cached_property
    def expected(self) -> NDArray[np.float64]:
        """By level the noise in a cell that candidates are expected to be measured with."""
        left = [left.share(Fraction(1, EDGES)).minus(self._each_selection) for left in self._after_one_ways]
        return np.array([self._scales(loss, (1,))[0] for loss in left])

    @cached_property
    def even(self) -> NDArray[np.float64]:
        """By level the noise in a cell if both edges were measured alike."""
        return np.array([self._scales(left.share(Fraction(1, EDGES)), (1,))[0] for left in self._after_selections])

    def edges(self, level: int, weights: tuple[int, int]) -> list[float]:
        """The two scales of the edges, which take all that is left at this level."""
        if (level, weights) not in self._edges:
            self._edges[level, weights] = self._scales(self._after_selections[level], weights)
        return self._edges[level, weights]

    @cached_property
    def most_mu2(self) -> Fraction | None:
        """The largest mu² that the charges of a run can come to; ``None`` if a scale below 1 has no proved one."""
        worst = Fraction(0)
        for level in range(LEVELS + 1):
            one_ways = [self.one_way, *([float(self.again[level])] if level else [])]
            for one, two in itertools.product((LEAST_WEIGHT, MOST_WEIGHT), repeat=EDGES):
                scales = [*(one_ways * COLUMNS), *self.edges(level, (one, two))]
                if min(scales) < laws.LEAST_GDP_SCALE:
                    return None
                worst = max(worst, sum((laws.gaussian_mu2(self.rows, scale) for scale in scales), start=Fraction(0)))
        return worst + EDGES * laws.noisy_max_mu2(self.rows, self.select)

    @cached_property
    def _each_selection(self) -> PrivacyLoss:
        return self.loss.share(SELECT / EDGES)

    @cached_property
    def _after_one_ways(self) -> list[PrivacyLoss]:
        first = self.loss.minus(self._gaussians(self.one_way))
        return [first, *(first.minus(self._gaussians(float(scale))) for scale in self.again[1:])]

    @cached_property
    def _after_selections(self) -> list[PrivacyLoss]:
        picked = laws.noisy_max_loss(self.rows, self.select)
        return [left.minus(picked).minus(picked) for left in self._after_one_ways]

    def _gaussians(self, scale: float) -> PrivacyLoss:
        return total([laws.gaussian_loss(self.rows, scale)] * COLUMNS)

    def _scales(self, loss: PrivacyLoss, weights: tuple[int, ...]) -> list[float]:
        return laws.measured_scales(self.governor, self.rows, loss, weights)
