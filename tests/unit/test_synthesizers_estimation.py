"""One interface from noisy marginals to a distribution: which estimator serves, and what each guarantees."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from dpsynth.domain import Domain
from dpsynth.errors import DomainError, ResourceLimitError
from dpsynth.models import MarkovRandomField, MixtureOfProducts
from dpsynth.privacy.conversions import budget_of
from dpsynth.synthesizers.effort import EFFORTS, Effort
from dpsynth.synthesizers.estimation import estimated, estimator_for
from fake_queryable import FakeQueryable

LOSS = budget_of(Fraction(2), Fraction(1, 10**9))
WIDE = Domain(("a", "b", "c", "d"), (20, 25, 30, 20))
SMALL = Domain(("a", "b", "c", "d"), (4, 3, 4, 2))
RING = [("a", "b"), ("b", "c"), ("c", "d"), ("a", "d")]


@pytest.fixture(autouse=True)
def little_effort(monkeypatch):
    monkeypatch.setitem(EFFORTS, "default", Effort(components=60, steps=300, fits=2))


def asked(domain, cliques, rows=20_000):
    rng = np.random.default_rng(5)
    hidden = rng.integers(0, 12, rows)
    codes = np.column_stack([(hidden + rng.integers(0, 3, rows)) % size for size in domain.sizes])
    queryable = FakeQueryable(domain, codes, LOSS, seed=2)
    return queryable.measure(cliques, queryable.remaining), queryable


@pytest.mark.parametrize(
    ("domain", "cliques", "limit", "estimator"),
    [
        (WIDE, [("a", "b"), ("b", "c")], 80_000_000, "closed form"),
        (WIDE, [("b", "a"), ("c", "b")], 80_000_000, "closed form"),
        (SMALL, RING, 80_000_000, "joint table"),
        (WIDE, RING, 80_000_000, "junction tree"),
        (WIDE, RING, 100_000, "mixture of products"),
        (Domain(("a", "b"), (20, 30)), [("a",)], 80_000_000, "closed form"),
    ],
)
def test_the_estimator_follows_from_public_facts(domain, cliques, limit, estimator):
    assert estimator_for(domain, cliques, max_model_size=limit) == estimator
    answers, queryable = asked(domain, cliques)
    distribution, convergence = estimated(domain, answers, max_model_size=limit)
    kind = MixtureOfProducts if estimator == "mixture of products" else MarkovRandomField
    assert type(distribution) is kind
    assert convergence.reason
    for clique in cliques:
        model, real = distribution.marginal(clique), queryable.counts(clique)
        assert (model >= 0).all()
        assert 0.5 * np.abs(model / model.sum() - real / real.sum()).sum() < 0.15


def test_the_total_comes_from_all_answers():
    answers, _ = asked(WIDE, RING)
    precisions = [1 / (answer.values.size * answer.scale**2) for answer in answers]
    expected = np.average([answer.values.sum() for answer in answers], weights=precisions)
    for limit in (80_000_000, 100_000):
        assert estimated(WIDE, answers, max_model_size=limit)[0].total == pytest.approx(expected)


def test_impossible_cells_stay_impossible_and_need_a_junction_tree():
    answers, _ = asked(SMALL, RING)
    mask = np.zeros((4, 3), dtype=bool)
    mask[0, :2] = mask[3, 1] = True
    assert estimator_for(SMALL, RING, zeros=True) == "junction tree"
    distribution, _ = estimated(SMALL, answers, zeros={("a", "b"): mask})
    found = distribution.marginal(("a", "b"))
    assert (found[mask] == 0).all()
    assert found.sum() == pytest.approx(distribution.total)
    # Columns that no answer mentions may have impossible cells, too.
    distribution, _ = estimated(SMALL, answers[:1], zeros={("c", "d"): np.eye(4, 2, dtype=bool)})
    assert distribution.marginal(("c", "d"))[0, 0] == 0


@pytest.mark.parametrize("zeros", [None, {("a", "b"): np.zeros((20, 25), dtype=bool)}])
def test_what_no_estimator_holds_is_refused_with_the_limit_that_would_do(zeros):
    triples = [("a", "b", "c"), ("b", "c", "d")]
    answers, _ = asked(WIDE, triples if zeros is None else RING, rows=100)
    with pytest.raises(ResourceLimitError) as refusal:
        estimated(WIDE, answers, zeros=zeros, max_model_size=100_000)
    limit = int(str(refusal.value.hint).split("at least ")[1].split(",")[0])
    distribution, _ = estimated(WIDE, answers, zeros=zeros, max_model_size=limit)
    assert 8 * distribution.cells <= limit
    with pytest.raises(ResourceLimitError):
        estimated(WIDE, answers, zeros=zeros, max_model_size=limit - 1)


def test_coarsened_answers_are_never_fitted_by_what_cannot_hold_them():
    rng = np.random.default_rng(0)
    queryable = FakeQueryable(SMALL, rng.integers(0, 2, (500, 4)), LOSS)
    coarse = queryable.coarsened({"a": np.array([0, 1, 1, 1])})
    answers = coarse.measure(RING, coarse.remaining)
    distribution, _ = estimated(SMALL, answers)
    found = distribution.marginal(("a",))
    assert found[2] == pytest.approx(found[3])


def test_answers_of_another_domain_are_refused():
    answers, _ = asked(WIDE, [("a", "b")])
    with pytest.raises(DomainError):
        estimated(SMALL, answers)


def test_nothing_measured_is_a_model_of_nothing_known():
    distribution, _ = estimated(SMALL, ())
    assert distribution.total == 1
    np.testing.assert_allclose(distribution.marginal(("a",)), 0.25)
