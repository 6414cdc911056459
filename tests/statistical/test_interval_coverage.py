"""How often intervals hold the truth, over fresh discrete Gaussian noise on made-up counts.

An interval of level L is accepted unless it held fewer true counts than happens with chance 1e-6 at coverage L: that is
the false-alarm rate of each test here, as cells (or trials) are independent. Power: 10,000 independent intervals whose
stated scale is a tenth too small hold at 0.926 or less and are rejected with chance above 0.9999. Combined
answers get 500 independent trials for each kind of cell: a coverage of 0.81, that of noise half as large again as it
says, is rejected with chance above 0.9999.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import binom

from dpsynth.domain import Clique, Domain
from dpsynth.models.intervals import NoisyAnswers
from dpsynth.privacy.answers import Coarsening, NoisyMarginal, Receipt
from dpsynth.privacy.laws import discrete_gaussian_log_probability
from dpsynth.privacy.loss import PrivacyLoss

RECEIPT = Receipt("transaction-1", 0, "ab" * 32, PrivacyLoss(rho=1, mu2=1))
FALSE_ALARM = 1e-6
LEVEL = 0.95
CELLS, TRIALS = 10_000, 500


def drawn(rng: np.random.Generator, scale: float, shape: tuple[int, ...]) -> NDArray[np.int64]:
    """Exact discrete Gaussians, by their probabilities."""
    reach = math.ceil(12 * scale) + 3
    support = np.arange(-reach, reach + 1)
    chances = np.exp(discrete_gaussian_log_probability(support, scale))
    return rng.choice(support, size=shape, p=chances / chances.sum())


def least_hits(intervals: int) -> int:
    """Fewer are a finding."""
    return int(binom.ppf(FALSE_ALARM, intervals, LEVEL))


@pytest.mark.parametrize("scale", [0.6, 1.0, 2.3, 40.0])
def test_intervals_of_one_measured_marginal_hold(scale: float) -> None:
    assert hits_of_a_single_marginal(scale, stated=scale) >= least_hits(CELLS)


@pytest.mark.parametrize("scale", [40.0, 400.0])
def test_a_stated_scale_that_is_a_tenth_too_small_is_noticed(scale: float) -> None:
    assert hits_of_a_single_marginal(scale, stated=0.9 * scale) < least_hits(CELLS)


def hits_of_a_single_marginal(scale: float, stated: float) -> int:
    """Every cell's interval comes from its own noise alone: cells are independent."""
    rng = np.random.default_rng(20)
    counts = rng.integers(1_000, 5_000, size=CELLS)
    values = counts + drawn(rng, scale, counts.shape)
    told = NoisyMarginal(("a",), values, stated, 1, RECEIPT, "made up")
    lower, upper, _ = NoisyAnswers.of(Domain(("a",), (CELLS,)), [told]).limits(("a",), LEVEL)
    return int(((lower <= counts) & (counts <= upper)).sum())


DOMAIN = Domain(("a", "b", "c"), (3, 4, 2))
KINDS: tuple[tuple[Clique, tuple[int, ...]], ...] = (
    (("a",), (1,)),
    (("b",), (3,)),
    (("a", "b"), (1, 1)),
    (("a", "b"), (2, 3)),
    (("a", "b"), (0, 0)),
    (("b", "c"), (2, 1)),
    (("a", "c"), (1, 0)),
    (("a", "b", "c"), (2, 0, 1)),
)
"""A cell of each kind: combined answers, merged codes, a count of 0, columns that were never asked about together."""


def hits_of_a_trial(
    rng: np.random.Generator, table: NDArray[np.int64], lie: float, kinds: Sequence[tuple[Clique, tuple[int, ...]]]
) -> list[bool]:
    """Whether the interval of each kind held, after answers whose noise is ``lie`` times what they say."""
    merged = np.stack([table[:, 0], table[:, 1], table[:, 2] + table[:, 3]], axis=1).sum(axis=2)
    questions: list[tuple[Clique, NDArray[np.int64], float, Coarsening]] = [
        (("a",), table.sum(axis=(1, 2)), 9.0, ()),
        (("b",), table.sum(axis=(0, 2)), 4.0, ()),
        (("b",), table.sum(axis=(0, 2)), 14.0, ()),
        (("a", "b"), merged, 6.0, (("b", (0, 1, 2, 2)),)),
        (("b", "c"), table.sum(axis=0), 11.0, ()),
    ]
    answers = NoisyAnswers.of(
        DOMAIN,
        [
            NoisyMarginal(clique, counts + drawn(rng, lie * scale, counts.shape), scale, 1, RECEIPT, "made up", merging)
            for clique, counts, scale, merging in questions
        ],
    )
    hits = []
    for clique, cell in kinds:
        lower, upper, _ = answers.limits(clique, LEVEL)
        truth = table.sum(axis=tuple(set(range(3)) - set(DOMAIN.axes(clique))))[cell]
        hits.append(bool(lower[cell] <= truth <= upper[cell]))
    return hits


def hits_by_kind(lie: float, kinds: Sequence[tuple[Clique, tuple[int, ...]]]) -> NDArray[np.int64]:
    rng = np.random.default_rng(21)
    table = rng.integers(50, 900, size=(3, 4, 2))
    table[0] = 0
    return np.array([hits_of_a_trial(rng, table, lie, kinds) for _ in range(TRIALS)]).sum(axis=0)


def test_intervals_of_combined_answers_and_bounds_hold() -> None:
    assert (hits_by_kind(1.0, KINDS) >= least_hits(TRIALS)).all()


def test_noise_that_is_half_as_large_again_as_stated_is_noticed_in_combined_answers() -> None:
    resolved = [KINDS[number] for number in (0, 2, 5)]
    assert (hits_by_kind(1.5, resolved) < least_hits(TRIALS)).all()
