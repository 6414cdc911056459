"""From noisy marginals to a model: exactness without noise, safety under any noise, gains over raw answers."""

from __future__ import annotations

import numpy as np
import pytest

from dpsynth.domain import Domain
from dpsynth.errors import DomainError, ResourceLimitError
from dpsynth.graph import estimate, pooled_one_way, pooled_total, simplex_projection
from dpsynth.graph.factors import summed
from dpsynth.graph.pooling import Target, merged
from dpsynth.graph.shrinkage import shrunk
from dpsynth.privacy.answers import NoisyMarginal
from dpsynth.privacy.loss import PrivacyLoss
from dpsynth.privacy.receipt import Receipt

RECEIPT = Receipt("test", 0, "0" * 64, PrivacyLoss())
NAMES = ("a", "b", "c", "d")
DOMAIN = Domain(NAMES, (4, 3, 5, 2))
JOINT = np.random.default_rng(0).dirichlet(np.full(120, 0.3)).reshape(4, 3, 5, 2) * 10_000

TREE = [("a",), ("b",), ("c",), ("d",), ("a", "b"), ("c", "b"), ("d", "a")]
CHORDAL = [("a", "b", "c"), ("c", "d", "b"), ("b", "c")]
CYCLE = [("a", "b"), ("b", "c"), ("c", "a"), ("a", "d")]


def answer(clique, values, scale=1.0, coarsening=()):
    rounded = np.rint(np.asarray(values, dtype=np.float64)).astype(np.int64)
    return NoisyMarginal(clique, rounded, scale, 1, RECEIPT, "fake", coarsening)


def noisy(cliques, scale, seed=0, joint=JOINT, domain=DOMAIN):
    rng = np.random.default_rng(seed)
    return [
        answer(clique, summed(joint, NAMES, clique) + rng.normal(0, scale, domain.shape(clique)), max(scale, 0.1))
        for clique in cliques
    ]


def distance(found, truth):
    return 0.5 * np.abs(found / found.sum() - truth / truth.sum()).sum()


@pytest.mark.parametrize("cliques", [TREE, CHORDAL, CYCLE])
def test_without_noise_every_measured_marginal_is_met(cliques):
    tree, convergence = estimate(DOMAIN, noisy(cliques, 0.0))
    assert convergence.converged
    assert tree.total == pytest.approx(10_000, rel=1e-3)
    for clique in cliques:
        assert distance(tree.marginal(clique), summed(JOINT, NAMES, clique)) < 2e-3


@pytest.mark.parametrize("cliques", [TREE, CHORDAL, CYCLE])
@pytest.mark.parametrize("scale", [1.0, 100.0, 1e4, 1e9])
def test_any_noise_gives_a_consistent_distribution(cliques, scale):
    for seed in range(3):
        tree, _ = estimate(DOMAIN, noisy(cliques, scale, seed))
        assert tree.total >= 1
        for belief in tree.beliefs:
            assert np.isfinite(belief).all()
            assert (belief >= 0).all()
            assert belief.sum() == pytest.approx(tree.total, rel=1e-6)
        for (left, right), separator in zip(tree.tree.edges, tree.tree.separators, strict=True):
            sides = [summed(tree.beliefs[node], tree.tree.cliques[node], separator) for node in (left, right)]
            np.testing.assert_allclose(*sides, rtol=1e-6, atol=1e-9 * tree.total)


def test_the_closed_form_and_the_dual_are_used_where_they_belong():
    assert estimate(DOMAIN, noisy(TREE, 10))[1].iterations == 0
    assert estimate(DOMAIN, noisy(CHORDAL, 10))[1].iterations == 0
    assert estimate(DOMAIN, noisy(CYCLE, 10))[1].iterations > 0


@pytest.mark.parametrize("cliques", [TREE, CYCLE])
def test_the_estimate_is_better_than_the_raw_answers(cliques):
    """On average over seeds, at a noise where the raw answer is usable but poor."""
    raw, model = [], []
    for seed in range(5):
        answers = noisy(cliques, 200, seed)
        tree, _ = estimate(DOMAIN, answers)
        for given in answers:
            truth = summed(JOINT, NAMES, given.clique)
            raw.append(distance(np.maximum(given.values, 0), truth))
            model.append(distance(tree.marginal(given.clique), truth))
    assert np.mean(model) < 0.95 * np.mean(raw)


def test_the_dual_reports_an_iteration_limit():
    _, convergence = estimate(DOMAIN, noisy(CYCLE, 1), iterations=2)
    assert not convergence.converged
    assert "limit" in convergence.reason


def test_structural_zeros_stay_zero_and_their_mass_moves():
    mask = np.zeros((3, 4), dtype=bool)
    mask[0, :3] = True
    for cliques in (TREE, CYCLE):
        tree, _ = estimate(DOMAIN, noisy(cliques, 30), zeros={("b", "a"): mask})
        found = tree.marginal(("b", "a"))
        assert (found[mask] == 0).all()
        assert found.sum() == pytest.approx(tree.total)


def test_structural_zeros_on_a_pair_that_nobody_measured():
    mask = np.eye(5, 2, dtype=bool)
    tree, _ = estimate(DOMAIN, noisy(TREE, 30), zeros={("c", "d"): mask})
    assert (tree.marginal(("c", "d"))[mask] == 0).all()


def test_triples_that_close_a_cycle_keep_their_pairs():
    cliques = [("a", "b", "c"), ("c", "d"), ("d", "a")]
    tree, convergence = estimate(DOMAIN, noisy(cliques, 0.0))
    assert convergence.converged
    assert convergence.iterations > 0
    for clique in cliques:
        assert distance(tree.marginal(clique), summed(JOINT, NAMES, clique)) < 5e-3


def test_an_answer_about_the_total_alone():
    tree, _ = estimate(DOMAIN, [answer((), 640, 1.0)])
    assert tree.total == 640
    np.testing.assert_allclose(tree.marginal(("d",)), 320)


def test_a_model_beyond_all_memory_is_refused_before_it_is_built():
    wide = Domain(tuple("abcdefghij"), (10,) * 10)
    answers = [answer(pair, np.ones((10, 10))) for pair in wide.cliques(2)]
    with pytest.raises(ResourceLimitError, match="10,000,000,000 cells"):
        estimate(wide, answers)


def test_masks_that_do_not_fit_or_leave_nothing_are_refused():
    with pytest.raises(DomainError, match="shape"):
        estimate(DOMAIN, noisy(TREE, 1), zeros={("a",): np.zeros(3, dtype=bool)})
    with pytest.raises(DomainError, match="no possible row"):
        estimate(DOMAIN, noisy(TREE, 1), zeros={("a",): np.ones(4, dtype=bool)})


def test_negative_totals_are_clamped_to_one_row():
    answers = [answer(("a",), [-50, -60, -70, -80], 10.0), answer(("a", "d"), np.full((4, 2), -30), 10.0)]
    tree, _ = estimate(DOMAIN, answers)
    assert tree.total == 1.0
    assert all((belief >= 0).all() for belief in tree.beliefs)


def test_nothing_measured_is_one_uniform_row():
    tree, convergence = estimate(DOMAIN, [])
    assert tree.total == 1.0
    assert convergence.reason == "nothing was measured"
    np.testing.assert_allclose(tree.marginal(("a", "d")), 1 / 8)


def test_constant_columns_and_a_single_attribute():
    domain = Domain(("k",), (1,))
    assert estimate(domain, [answer(("k",), [17])])[0].marginal(("k",)).tolist() == [17.0]
    wide = Domain(("k", "a"), (1, 3))
    tree, _ = estimate(wide, [answer(("k", "a"), [[5, 0, 7]]), answer(("k",), [12])])
    np.testing.assert_allclose(tree.marginal(("a",)), [5, 0, 7], atol=1.0)


def test_repeated_measurements_are_merged_by_inverse_variance():
    (target,) = merged(
        DOMAIN, [answer(("a", "d"), np.full((4, 2), 10), 1.0), answer(("d", "a"), np.zeros((2, 4)), 2.0)]
    )
    assert target.clique == ("a", "d")
    assert target.variance == pytest.approx(0.8)
    np.testing.assert_allclose(target.values, 8.0)


def test_the_total_is_the_inverse_variance_mean_of_all_sums():
    targets = [Target(("a",), (None,), np.array([10.0, 10]), 1.0), Target(("d",), (None,), np.array([50.0]), 2.0)]
    assert pooled_total(targets) == pytest.approx((20 / 2 + 50 / 2) / (1 / 2 + 1 / 2))


def test_one_way_pooling_uses_projections():
    """A pair's projection is weighted by its own, larger variance."""
    domain = Domain(("a", "d"), (2, 2))
    targets = merged(domain, [answer(("a",), [60, 40], 1.0), answer(("a", "d"), [[40, 40], [10, 10]], 1.0)])
    np.testing.assert_allclose(pooled_one_way(domain, "a", targets, 100.0), [(60 + 80 / 2) / 1.5, (40 + 20 / 2) / 1.5])


def test_an_answer_of_the_wrong_shape_is_refused():
    with pytest.raises(DomainError, match="shape"):
        estimate(DOMAIN, [answer(("a",), [1, 2, 3])])
    with pytest.raises(DomainError):
        estimate(DOMAIN, [answer(("z",), [1, 2, 3])])
    with pytest.raises(DomainError, match="bucket per code"):
        estimate(DOMAIN, [answer(("a",), [1, 2], 1.0, (("a", (0, 1)),))])


class TestCoarsening:
    BUCKETS = (("c", (0, 1, 2, 2, 2)),)

    def test_within_a_bucket_the_one_way_proportions_stand(self):
        ones = {name: summed(JOINT, NAMES, (name,)) for name in NAMES}
        pair = summed(JOINT, NAMES, ("b", "c"))
        coarse = np.column_stack([pair[:, 0], pair[:, 1], pair[:, 2:].sum(axis=1)])
        answers = [*(answer((name,), ones[name], 0.1) for name in "bc"), answer(("b", "c"), coarse, 0.1, self.BUCKETS)]
        tree, _ = estimate(DOMAIN, answers)
        found = tree.marginal(("b", "c"))
        np.testing.assert_allclose(found[:, :2], pair[:, :2], atol=25)
        np.testing.assert_allclose(found[:, 2:].sum(axis=1), coarse[:, 2], atol=25)
        np.testing.assert_allclose(found.sum(axis=0), ones["c"], atol=5)
        shares = found[:, 2:] / found[:, 2:].sum(axis=1, keepdims=True)
        np.testing.assert_allclose(shares, np.tile(ones["c"][2:] / ones["c"][2:].sum(), (3, 1)), atol=0.02)

    def test_without_a_finer_answer_a_bucket_is_spread_evenly(self):
        targets = merged(DOMAIN, [answer(("c",), [10, 20, 30], 1.0, self.BUCKETS)])
        np.testing.assert_allclose(pooled_one_way(DOMAIN, "c", targets, 60.0), [10, 20, 10, 10, 10])

    def test_a_precise_coarse_answer_moves_the_codes_of_a_bucket_together(self):
        fine, coarse = answer(("c",), [10, 10, 10, 20, 30], 10.0), answer(("c",), [10, 10, 90], 0.01, self.BUCKETS)
        found = pooled_one_way(DOMAIN, "c", merged(DOMAIN, [fine, coarse]), 110.0)
        np.testing.assert_allclose(found, [10, 10, 20, 30, 40], atol=0.01)

    def test_coarse_answers_in_the_dual(self):
        coarse = summed(JOINT, NAMES, ("b", "c"))
        coarse = np.column_stack([coarse[:, 0], coarse[:, 1], coarse[:, 2:].sum(axis=1)])
        answers = [*noisy([("a", "b"), ("c", "a"), ("c",)], 1.0), answer(("b", "c"), coarse, 1.0, self.BUCKETS)]
        tree, convergence = estimate(DOMAIN, answers)
        assert convergence.iterations > 0
        found = tree.marginal(("b", "c"))
        found = np.column_stack([found[:, 0], found[:, 1], found[:, 2:].sum(axis=1)])
        assert distance(found, coarse) < 0.01


def test_shrinkage_follows_the_moment_estimate():
    """Σ(y − I)² = 200 + 2·variance: a = 200 / 20 = 10, weight = 100 / (100 + 50)."""
    prior = np.array([10.0, 10.0])
    spread = np.sqrt((200 + 2 * 50) / 2)
    found = shrunk(prior, Target(("a",), (None,), prior + np.array([spread, -spread]), 50.0))
    assert found.values[0] == pytest.approx(10 + spread * 100 / 150)
    assert found.values[1] == pytest.approx(10 - spread * 100 / 150)
    assert found.variance == pytest.approx(50 * 100 / 150)


def test_pure_noise_is_shrunk_to_the_prior():
    prior = np.array([10.0, 20.0])
    assert shrunk(prior, Target(("a",), (None,), np.array([11.0, 19.0]), 50.0)).values.tolist() == [10.0, 20.0]


def test_simplex_projection():
    np.testing.assert_allclose(simplex_projection(np.array([3.0, 1.0, -5.0]), 2.0), [2.0, 0.0, 0.0])
    np.testing.assert_allclose(simplex_projection(np.array([-3.0, -3.0]), 1.0), [0.5, 0.5])
