"""The answers of the curator, not of the mechanisms alone, carry the noise that their scales promise.

Each test alarms falsely with probability at most 1e-6 and misses noise that is 10 % too small with at most the same;
the test of permute-and-flip, whose law test_noise_laws.py holds to 10 %, misses 20 % with at most that.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from dpsynth.audit.primitives import (
    CASES,
    FALSE_ALARM,
    MARGIN,
    audit_flip,
    audit_gaussian,
    audit_laplace,
    audit_selection,
    flip_law,
    flip_scores,
    power,
    rejected,
    selection_scores,
)
from dpsynth.curator.curator import Curator
from dpsynth.domain import Domain
from dpsynth.privacy.governor import Governor
from dpsynth.privacy.laws import gaussian_loss, laplace_loss, noisy_max_loss, permute_and_flip_loss
from dpsynth.privacy.loss import PrivacyLoss, total
from dpsynth.privacy.queryable import Candidate
from dpsynth.privacy.unit import Unit

CELLS = 8_000
MANY_CELLS = 100_001
PICKS = 2_400
SCALE = 4.3


class NoRows:
    """A table of zero rows: what is answered is noise alone."""

    def __init__(self, cells=CELLS):
        self.domain = Domain(("a", "b"), (cells, 2))

    def counts(self, cliques):
        return [np.zeros(self.domain.shape(clique), dtype=np.int64) for clique in cliques]


class Granted:
    """A transaction that grants whatever is drawn."""

    remaining = PrivacyLoss.budget(rho=Fraction(1000), mu2=Fraction(1000), epsilon=Fraction(1000))

    def __init__(self, governor):
        self.governor = governor

    def draw(self, loss, question):
        return None


def candidates(scores):
    """Candidates of these scores: every exact count is 0, and so is every estimate."""
    nothing = np.zeros(2, dtype=np.int64)
    return [Candidate(("b",), nothing, penalty=-score) for score in scores.tolist()]


def room(max_rows, cells=CELLS, governor=Governor.ZCDP):
    return Curator(NoRows(cells), Unit("id", max_rows), Granted(governor))


@pytest.mark.parametrize("max_rows", [1, 4])
def test_every_measured_cell_has_the_noise_of_its_own_scale(max_rows):
    losses = [gaussian_loss(max_rows, SCALE * max_rows / weight) for weight in (1, 3)]
    wide, narrow = room(max_rows).measure([("a",), ("a",)], total(losses), [1, 3])
    for answer, scale in ((wide, SCALE * max_rows), (narrow, SCALE * max_rows / 3)):
        assert answer.scale == pytest.approx(scale, rel=1e-9)
        case = audit_gaussian(answer.scale, lambda _, answer=answer: answer.values, CELLS)
        assert case.power_10_percent_small > 1 - 1e-6
        assert not rejected([case])


@pytest.mark.parametrize("max_rows", [1, 4])
def test_every_cell_of_a_large_answer_has_the_noise_of_its_own_scale(max_rows):
    losses = [gaussian_loss(max_rows, SCALE * max_rows / weight) for weight in (1, 3)]
    answers = room(max_rows, MANY_CELLS).measure([("a",), ("b", "a")], total(losses), [1, 3])
    for answer, scale in zip(answers, (SCALE * max_rows, SCALE * max_rows / 3), strict=True):
        assert answer.sampler == "table"
        assert answer.scale == pytest.approx(scale, rel=1e-9)
        values = answer.values.ravel()[:MANY_CELLS]
        case = audit_gaussian(answer.scale, lambda _, values=values: values, MANY_CELLS)
        assert case.power_10_percent_small > 1 - 1e-6
        assert not rejected([case])


def test_a_coarsened_table_is_noised_after_its_cells_were_merged():
    coarse = room(2).coarsened({"b": np.array([0, 0], dtype=np.int64)})
    (answer,) = coarse.measure([("a", "b")], gaussian_loss(2, 2 * SCALE))
    assert answer.scale == pytest.approx(2 * SCALE, rel=1e-9)
    assert not rejected([audit_gaussian(answer.scale, lambda _: answer.values[:, 0], CELLS)])


def test_selections_follow_the_law_of_their_scale():
    max_rows, scale = 4, SCALE * 4
    curator, loss = room(max_rows), noisy_max_loss(max_rows, scale)
    offered = candidates(selection_scores(scale))

    def pick(_):
        chosen = curator.select(offered, loss)
        assert chosen.scale == pytest.approx(scale, rel=1e-9)
        return chosen.index

    case = audit_selection(scale, pick, PICKS)
    assert case.power_10_percent_small > 1 - 1e-6
    assert not rejected([case])


@pytest.mark.parametrize("max_rows", [1, 4])
def test_every_cell_of_a_pure_pool_has_laplace_noise_of_its_own_scale(max_rows):
    losses = [laplace_loss(max_rows, SCALE * max_rows / weight) for weight in (1, 3)]
    wide, narrow = room(max_rows, governor=Governor.PURE).measure([("a", "b"), ("a", "b")], total(losses), [1, 3])
    for answer, scale in ((wide, SCALE * max_rows), (narrow, SCALE * max_rows / 3)):
        assert (answer.law, answer.scale) == ("laplace", pytest.approx(scale, rel=1e-9))
        case = audit_laplace(answer.scale, lambda _, answer=answer: answer.values.ravel(), 2 * CELLS)
        assert case.power_10_percent_small > 1 - 1e-6
        assert not rejected([case])


def test_selections_of_a_pure_pool_follow_permute_and_flip():
    max_rows, scale = 4, SCALE * 4
    curator, loss = room(max_rows, governor=Governor.PURE), permute_and_flip_loss(max_rows, scale)
    offered = candidates(flip_scores(scale))

    def pick(_):
        chosen = curator.select(offered, loss)
        assert (chosen.law, chosen.scale) == ("permute-and-flip", pytest.approx(scale, rel=1e-9))
        return chosen.index

    assert not rejected([audit_flip(scale, pick, PICKS)])
    assert power_of_flips(scale, 0.8) > 1 - 1e-6


def power_of_flips(scale, factor):
    """The chance that the mean score alone rejects as many flips at ``factor`` times the scale."""
    scores = flip_scores(scale)
    laws = [flip_law(scores, scale), flip_law(scores, factor * scale)]
    return power(scores.astype(float), *laws, PICKS, FALSE_ALARM / MARGIN / CASES / 3)
