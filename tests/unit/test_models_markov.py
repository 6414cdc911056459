"""Markov random fields: exact marginals, conditioning, expansion of buckets, and samples that follow the model."""

from __future__ import annotations

import numpy as np
import pytest

from dpsynth.domain import Domain
from dpsynth.errors import DomainError, UsageError
from dpsynth.graph import CalibratedTree, JunctionTree, junction_tree
from dpsynth.models import Expansion, MarkovRandomField, dealing
from model_examples import counts, random_field


def chain(seed=0, sizes=(4, 5, 6)):
    """a – b – c with all joint probabilities at hand."""
    rng = np.random.default_rng(seed)
    domain = Domain(("a", "b", "c"), sizes)
    ab = rng.dirichlet(np.ones(sizes[0] * sizes[1])).reshape(sizes[:2]) * 1000
    bc = ab.sum(axis=0)[:, None] * rng.dirichlet(np.ones(sizes[2]), size=sizes[1])
    joint = ab[:, :, None] * (bc / bc.sum(axis=1, keepdims=True))[None]
    tree = junction_tree(domain, [("a", "b"), ("b", "c")])
    beliefs = {("a", "b"): ab, ("b", "c"): bc}
    return MarkovRandomField(CalibratedTree(tree, tuple(beliefs[c] for c in tree.cliques), 1000.0)), joint


def test_samples_stay_within_three_counts_of_every_clique():
    for seed in range(8):
        field = random_field((12, 3, 20, 2, 9, 30), seed)
        for n in (1, 37, 1000, 4321):
            codes = field.sample_codes(n, np.random.default_rng(seed))
            for clique, belief in zip(field.tree.tree.cliques, field.tree.beliefs, strict=True):
                assert np.abs(counts(codes, field.domain, clique) - belief * n / 1000).max() < 3


def test_wide_cliques_stay_within_three_counts():
    rng = np.random.default_rng(1)
    domain = Domain(("a", "b", "c", "d"), (6, 7, 8, 9))
    tree = junction_tree(domain, [("a", "b", "c"), ("b", "c", "d")])
    abc = rng.dirichlet(np.full(6 * 7 * 8, 0.3)).reshape(6, 7, 8) * 5000
    bcd = abc.sum(axis=0)[..., None] * rng.dirichlet(np.full(9, 0.3), size=(7, 8))
    held = {("a", "b", "c"): abc, ("b", "c", "d"): bcd}
    field = MarkovRandomField(CalibratedTree(tree, tuple(held[clique] for clique in tree.cliques), 5000.0))
    codes = field.sample_codes(5000, rng)
    for clique, belief in held.items():
        assert np.abs(counts(codes, domain, clique) - belief).max() < 3


def test_columns_are_independent_given_their_separator():
    field, joint = chain()
    n = 40_000
    for method in ("rounding", "iid"):
        found = counts(field.sample_codes(n, np.random.default_rng(5), method=method), field.domain, ("a", "b", "c"))
        chi2 = ((found - joint * n / 1000) ** 2 / (joint * n / 1000)).sum()
        assert chi2 < joint.size + 5 * np.sqrt(2 * joint.size), method


def test_tiny_samples_follow_the_model():
    field, joint = chain(sizes=(2, 3, 2))
    rng = np.random.default_rng(2)
    rows = [field.sample_codes(2, rng) for _ in range(600)]
    codes = {name: np.concatenate([row[name] for row in rows]) for name in "abc"}
    found = counts(codes, field.domain, ("a", "b", "c"))
    expected = joint * 1.2
    assert (np.abs(found - expected) < 5 * np.sqrt(expected) + 1).all()


def test_independent_draws_vary_as_independent_draws_do():
    field, _ = chain()
    spread = {}
    for method in ("rounding", "iid"):
        samples = [field.sample_codes(500, np.random.default_rng(seed), method=method) for seed in range(60)]
        spread[method] = np.std([np.count_nonzero(codes["a"] == 0) for codes in samples])
    share = field.marginal(("a",))[0] / 1000
    assert spread["iid"] == pytest.approx(np.sqrt(500 * share * (1 - share)), rel=0.4)
    assert spread["rounding"] < 1


def test_rows_come_in_random_order():
    field, _ = chain()
    codes = field.sample_codes(2000, np.random.default_rng(0))["a"]
    halves = [np.bincount(half, minlength=4) for half in (codes[:1000], codes[1000:])]
    assert np.abs(halves[0] - halves[1]).max() < 5 * np.sqrt(500)
    assert (np.diff(codes.astype(int)) < 0).any()


def test_types_are_the_smallest():
    field = random_field((300, 2), 0)
    codes = field.sample_codes(10, np.random.default_rng(0))
    assert [codes[name].dtype for name in "ab"] == [np.uint16, np.uint8]
    assert field.sample_codes(0, np.random.default_rng(0))["a"].dtype == np.uint16


@pytest.mark.parametrize("method", ["rounding", "iid"])
def test_blocks_together_carry_the_rounded_counts(monkeypatch, method):
    monkeypatch.setattr(dealing, "BLOCK_ROWS", 100)
    field = random_field((7, 5, 3, 4), 2)
    blocks = list(field.sample_blocks(1234, np.random.default_rng(1), method))
    assert [len(block["a"]) for block in blocks] == [94] + [95] * 12
    codes = {name: np.concatenate([block[name] for block in blocks]) for name in field.domain}
    for clique, belief in zip(field.tree.tree.cliques, field.tree.beliefs, strict=True):
        error = np.abs(counts(codes, field.domain, clique) - belief * 1.234)
        assert (error.max() < 3) == (method == "rounding")


def test_an_isolated_attribute_and_a_forest_are_sampled():
    domain = Domain(("a", "b", "c"), (3, 1, 2))
    tree = junction_tree(domain, [("a",)])
    shares = {"a": [500.0, 300.0, 200.0], "b": [1000.0], "c": [999.0, 1.0]}
    field = MarkovRandomField(CalibratedTree(tree, tuple(np.array(shares[c[0]]) for c in tree.cliques), 1000.0))
    codes = field.sample_codes(1000, np.random.default_rng(0))
    assert {name: np.bincount(codes[name]).tolist() for name in "abc"} == {
        "a": [500, 300, 200],
        "b": [1000],
        "c": [999, 1],
    }


def test_conditioning_is_exact_and_impossible_evidence_has_no_rows():
    field, joint = chain()
    weights = np.array([0.0, 0.5, 1.0, 0.0, 1.0, 0.0])
    conditioned = field.conditioned({"c": weights})
    assert conditioned.total == pytest.approx((joint * weights).sum())
    np.testing.assert_allclose(conditioned.marginal(("a", "b")), (joint * weights).sum(axis=2), atol=1e-9)
    with pytest.raises(UsageError, match="no rows"):
        field.sample_codes(3, np.random.default_rng(0), evidence={"a": np.zeros(4)})
    with pytest.raises(UsageError, match="one weight per code"):
        field.conditioned({"a": np.ones(3)})
    with pytest.raises(UsageError, match="at least 0"):
        field.sample_codes(-1, np.random.default_rng(0))


def expanded():
    """b is held in three buckets of a chain; its six codes have unequal shares."""
    field, _ = chain(sizes=(4, 3, 2))
    buckets = np.array([0, 1, 1, 2, 2, 2])
    weights = np.array([1.0, 0.25, 0.75, 0.0, 0.5, 0.5])
    return MarkovRandomField(field.tree, (Expansion("b", buckets, weights),)), field, buckets, weights


def test_expansion_spreads_buckets_over_their_codes():
    field, coarse, buckets, weights = expanded()
    assert field.domain == Domain(("a", "b", "c"), (4, 6, 2))
    expected = coarse.marginal(("a", "b"))[:, buckets] * weights
    np.testing.assert_allclose(field.marginal(("a", "b")), expected)
    np.testing.assert_allclose(field.marginals([("b", "c"), ("b",)])[1], expected.sum(axis=0))
    for method, slack in (("rounding", 3.0), ("iid", 150.0)):
        codes = field.sample_codes(3000, np.random.default_rng(1), method=method)
        assert np.abs(counts(codes, field.domain, ("b",)) - expected.sum(axis=0) * 3).max() < slack
    assert not np.any(codes["b"] == 3)


def test_conditioning_reaches_inside_buckets():
    field, _, _, weights = expanded()
    evidence = np.array([0.0, 1.0, 0.0, 0.0, 0.5, 1.0])
    conditioned = field.conditioned({"b": evidence})
    expected = field.marginal(("a", "b")) * evidence
    np.testing.assert_allclose(conditioned.marginal(("a", "b")), expected, atol=1e-9)
    codes = field.sample_codes(500, np.random.default_rng(0), evidence={"b": evidence})
    assert set(np.unique(codes["b"])) == {1, 4, 5}
    assert weights[3] == 0


@pytest.mark.parametrize(
    ("buckets", "weights", "problem"),
    [
        ([0, 1], [1.0], "one bucket and one weight"),
        ([0, 2], [1.0, 1.0], "outside its range"),
        ([-1, 0], [1.0, 1.0], "outside its range"),
        ([0, 0], [0.5, 0.6], "sum to 1"),
        ([0, 0], [1.5, -0.5], "sum to 1"),
        ([0, 0], [np.nan, 1.0], "sum to 1"),
    ],
)
def test_a_wrong_expansion_is_refused(buckets, weights, problem):
    with pytest.raises(DomainError, match=problem):
        Expansion("a", np.array(buckets), np.array(weights))


def test_an_expansion_must_fit_the_tree():
    field, _ = chain()
    with pytest.raises(DomainError, match="does not fit"):
        MarkovRandomField(field.tree, (Expansion.even("a", [0, 0, 1]),))
    twice = Expansion.even("a", [0, 1, 2, 3])
    with pytest.raises(DomainError, match="twice"):
        MarkovRandomField(field.tree, (twice, twice))
    with pytest.raises(DomainError, match="not in the domain"):
        MarkovRandomField(field.tree, (Expansion.even("z", [0, 1]),))


def test_size_counts_every_parameter():
    field, coarse, *_ = expanded()
    assert coarse.cells == 4 * 3 + 3 * 2
    assert (field.cells, field.bytes) == (coarse.cells + 6, coarse.bytes + 96)


def test_separators_of_several_attributes_are_followed():
    domain = Domain(("a", "b", "c"), (2, 2, 2))
    tree = JunctionTree(domain, (("a", "b"), ("a", "b", "c")), ((0, 1),), (("a", "b"),))
    abc = np.arange(1.0, 9.0).reshape(2, 2, 2)
    field = MarkovRandomField(CalibratedTree(tree, (abc.sum(axis=2), abc), 36.0))
    codes = field.sample_codes(36, np.random.default_rng(0))
    assert counts(codes, domain, ("a", "b", "c")).tolist() == abc.tolist()
