"""Mixtures of products: exact marginals and conditioning against the joint, and samples that follow the model."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dpsynth.domain import Domain
from dpsynth.errors import DomainError, UsageError
from dpsynth.models import MixtureOfProducts, Model, dealing, mixture, settling
from model_examples import counts, joint_of, random_mixture, summed_to


def within_components(codes, component, size, components):
    return np.bincount(component.astype(int) * size + codes, minlength=components * size).reshape(components, size)


# --- exact answers ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [1, 50, 1 << 21])
def test_marginals_are_those_of_the_joint(monkeypatch, limit):
    monkeypatch.setattr(mixture, "PRODUCT_CELLS", limit)
    model = random_mixture((3, 1, 6, 2, 3), 1, components=7)
    joint = joint_of(model)
    cliques = [(), ("c",), ("b",), ("c", "a"), ("a", "c"), ("e", "a", "c"), ("d", "c", "b", "a"), tuple("edcba")]
    cliques += [*model.domain.cliques(2), *model.domain.cliques(3)]
    together = model.marginals(cliques)
    for clique, found in zip(cliques, together, strict=True):
        assert found.shape == model.domain.shape(clique)
        assert found.dtype == np.float64
        assert np.allclose(found, summed_to(joint, model.domain, clique), rtol=1e-12, atol=1e-12)
        assert np.allclose(found, model.marginal(clique), rtol=1e-12, atol=1e-12)


def test_marginals_belong_to_the_caller():
    model = random_mixture((3, 4), 0)
    first, again = model.marginals([("a", "b"), ("a", "b")])
    first[:] = -1
    assert (again >= 0).all()
    assert (model.marginal(("a", "b")) >= 0).all()
    assert model.marginals([]) == []


def test_a_marginal_needs_known_distinct_attributes():
    model = random_mixture((3, 4), 0)
    for clique in (("a", "z"), ("a", "a")):
        with pytest.raises(DomainError):
            model.marginal(clique)


def test_size_is_what_is_stored():
    model = random_mixture((3, 4), 0, components=5)
    assert model.cells == 5 + 5 * 7
    assert model.bytes == 8 * model.cells


def test_conditioning_is_that_of_the_joint():
    model = random_mixture((3, 4, 2), 2, components=6)
    evidence = {"a": [0.0, 0.25, 1.0], "c": [1.0, 0.5]}
    joint = joint_of(model) * np.array(evidence["a"])[:, None, None] * np.array(evidence["c"])
    given = model.conditioned(evidence)
    assert given.total == pytest.approx(joint.sum())
    assert np.allclose(joint_of(given), joint)
    assert np.allclose(given.conditioned({"a": [1, 0, 1]}).marginal(("b",)), (joint[[0, 2]]).sum(axis=(0, 2)))
    assert np.allclose(model.conditioned({}).marginal(("b",)), model.marginal(("b",)))


def test_impossible_evidence_leaves_nothing():
    model = MixtureOfProducts(
        Domain(("a", "b"), (2, 2)), 10.0, np.array([0.5, 0.5]), np.array([[1.0, 0, 1, 0], [0, 1, 0, 1]])
    )
    apart = {"a": [1.0, 0.0], "b": [0.0, 1.0]}
    for evidence in (apart, {"a": [0.0, 0.0]}):
        assert model.conditioned(evidence).total == 0
        assert not model.conditioned(evidence).marginal(("a", "b")).any()
        with pytest.raises(UsageError, match="no rows"):
            model.sample_codes(3, np.random.default_rng(0), evidence)
        assert model.sample_codes(0, np.random.default_rng(0), evidence)["a"].shape == (0,)
    with pytest.raises(UsageError, match="impossible"):
        Model(model).sample(3, where=["a=0", "b=1"])


def test_evidence_of_subnormal_weight_is_exact():
    model = random_mixture((3, 4), 5)
    given = model.conditioned({"a": [5e-324, 0.0, 0.0]})
    plain = model.conditioned({"a": [1.0, 0.0, 0.0]})
    assert np.allclose(given.weights.sum(), 1)
    assert np.allclose(plain.marginal(("a",)), [plain.total, 0, 0])


def test_malformed_evidence_is_refused():
    model = random_mixture((3, 4), 0)
    for weights in ([1.0, 1.0], [1.0, -1.0, 1.0], [1.0, np.nan, 1.0], [1.0, np.inf, 1.0], [[1.0, 1.0, 1.0]]):
        with pytest.raises(UsageError, match="evidence"):
            model.conditioned({"a": weights})
    with pytest.raises(DomainError):
        model.conditioned({"z": [1.0]})


def test_what_is_no_mixture_is_refused():
    good = random_mixture((3, 4), 0, components=2)
    ones = np.ones(2) / 2
    bad = {
        "weights": [ones * 2, np.array([1.5, -0.5]), np.array([np.nan, 1.0]), np.ones(3) / 3, ones[None], np.ones(0)],
        "probabilities": [good.probabilities.T, good.probabilities[:, 1:], good.probabilities * 1.01],
    }
    for name, arrays in bad.items():
        for array in arrays:
            with pytest.raises(DomainError):
                replace(good, **{name: array})
    with pytest.raises(DomainError, match="at least one attribute"):
        MixtureOfProducts(Domain((), ()), 1.0, np.ones(1), np.ones((1, 0)))


# --- samples ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["rounding", "iid"])
def test_seeds_and_sizes(method):
    model = random_mixture((3, 300, 1), 1)
    for n in (0, 1, 2, 777):
        one, again, other = (model.sample_codes(n, np.random.default_rng(seed), method=method) for seed in (1, 1, 2))
        assert [column.dtype for column in one.values()] == [np.uint8, np.uint16, np.uint8]
        assert {len(column) for column in one.values()} == {n}
        assert all((one[name] == again[name]).all() for name in one)
        assert n < 3 or any((one[name] != other[name]).any() for name in one)
    with pytest.raises(UsageError):
        model.sample_codes(-1, np.random.default_rng(0), method=method)


@pytest.mark.parametrize("n", [50, 3000])
def test_counts_are_rounded_within_every_component(monkeypatch, n):
    model = random_mixture((6, 3, 40), 4, components=9)
    held = []
    settled = settling.Settling.settled

    def watched(self, columns, component, rng, *, last):
        held.append((found := settled(self, columns, component, rng, last=last), component))
        return found

    monkeypatch.setattr(settling.Settling, "settled", watched)
    codes = model.sample_codes(n, np.random.default_rng(3))
    ((columns, component),) = held
    rows = np.bincount(component, minlength=9)
    assert np.abs(rows - n * model.weights).max() < 1
    for column, (name, size) in zip(columns, zip("abc", model.domain.sizes, strict=True), strict=True):
        assert (column == codes[name]).all()
        expected = rows[:, None] * model._blocks[name]
        assert np.abs(within_components(column, component, size, 9) - expected).max() < 3
        assert np.abs(np.bincount(column, minlength=size) - model.marginal((name,)) * n / 1000).max() < 3


def dealt_anyhow(model, rows, components):
    """Columns of codes and of components that follow no model."""
    rng = np.random.default_rng(rows)
    component = rng.integers(0, components, size=rows).astype(np.uint8)
    return [rng.integers(0, size, size=rows).astype(np.uint8) for size in model.domain.sizes], component


def loss_of(model, columns):
    """The loss that settling lowers, over the pairs of different attributes."""
    codes, rows = dict(zip(model.domain, columns, strict=True)), len(columns[0])
    cliques = model.domain.cliques(2)
    pairs = [values * rows / model.total for values in model.marginals(cliques)]
    found = [counts(codes, model.domain, clique) for clique in cliques]
    return sum(((one - other) ** 2 / (other + 1)).sum() for one, other in zip(found, pairs, strict=True))


@pytest.mark.parametrize("last", [True, False])
@pytest.mark.parametrize("portion", [100, 1 << 15])
def test_exchanges_change_no_count_within_a_component(monkeypatch, last, portion):
    monkeypatch.setattr(settling, "LAST_PORTION", portion)
    monkeypatch.setattr(settling, "EARLY_PORTION", portion)
    model = random_mixture((6, 3, 40), 4, components=9)
    columns, component = dealt_anyhow(model, 4000, 9)
    one = settling.Settling(model.domain.sizes, model._pairs)
    found = one.settled(columns, component, np.random.default_rng(2), last=last)
    for before, after, size in zip(columns, found, model.domain.sizes, strict=True):
        assert (before != after).any()
        assert after.dtype == before.dtype
        expected = within_components(before, component, size, 9)
        assert (within_components(after, component, size, 9) == expected).all()


@pytest.mark.parametrize("last", [True, False])
def test_the_pair_counts_are_those_of_the_rows(monkeypatch, last):
    monkeypatch.setattr(settling, "LAST_PORTION", 300)
    monkeypatch.setattr(settling, "EARLY_PORTION", 300)
    model = random_mixture((6, 3, 40), 4, components=9)
    one = settling.Settling(model.domain.sizes, model._pairs)
    columns, component = dealt_anyhow(model, 1000, 9)
    found = [one.settled(columns, component, np.random.default_rng(seed), last=last) for seed in (0, 1)]
    codes = {name: np.concatenate(both) for name, *both in zip(model.domain, *found, strict=True)}
    blocks = dict(zip(model.domain, one._blocks, strict=True))
    for left, right in model.domain.cliques(2):
        surplus = counts(codes, model.domain, (left, right)) - model.marginal((left, right)) * 2000 / model.total
        assert np.allclose(one._surplus[blocks[left], blocks[right]], surplus, atol=1e-2)
        assert np.allclose(one._surplus[blocks[right], blocks[left]], surplus.T, atol=1e-2)


@pytest.mark.parametrize("rows", [1, 2, 3, 10, 300, 20_000])
def test_exchanges_lower_the_loss(rows):
    model = random_mixture((6, 5, 8, 2), 7, components=4)
    columns, component = dealt_anyhow(model, rows, 4)
    one = settling.Settling(model.domain.sizes, model._pairs)
    found = one.settled(columns, component, np.random.default_rng(0), last=True)
    before, after = loss_of(model, columns), loss_of(model, found)
    assert after <= before * (1 if rows < 300 else 0.9)
    assert rows > 1 or after == before


def test_exchanges_that_would_overshoot_together_are_made_in_part():
    ones = np.ones(1)
    model = MixtureOfProducts(Domain(("a", "b"), (2, 2)), 1.0, ones, np.full((1, 4), 0.5))
    column, component = np.repeat([0, 1], 4000).astype(np.uint8), np.zeros(8000, dtype=np.uint8)
    one = settling.Settling((2, 2), model._pairs)
    found = one.settled([column, column], component, np.random.default_rng(0), last=False)
    table = counts(dict(zip("ab", found, strict=True)), model.domain, ("a", "b"))
    assert np.abs(table - 2000).max() < 150


@pytest.mark.parametrize("components", [1, 3, 200])
def test_only_unlike_rows_of_one_component_are_paired(components):
    rng = np.random.default_rng(components)
    component = np.sort(rng.integers(0, components, size=1000))
    codes = rng.integers(0, 3, size=1000).astype(np.uint16)
    for chosen in (np.arange(1000), np.flatnonzero(rng.random(1000) < 0.4), np.arange(2), np.arange(1), np.arange(0)):
        one, two = settling._unlike_neighbors(chosen, component, codes)
        assert len({*one, *two}) == 2 * len(one)
        assert {*one, *two} <= {*chosen}
        assert (component[one] == component[two]).all()
        assert (codes[one] != codes[two]).all()
        assert len(chosen) < 100 or components > 3 or len(one) > len(chosen) / 4


def pair_error(model, codes):
    n = len(codes["a"])
    cliques = model.domain.cliques(2)
    pairs = zip(cliques, model.marginals(cliques), strict=True)
    return sum(np.abs(counts(codes, model.domain, c) / n - values / model.total).sum() / 2 for c, values in pairs)


def test_pairs_follow_the_model_far_closer_than_independent_rows():
    model = random_mixture((6, 5, 8, 4, 3), 7, components=30)
    rounded, independent = (
        pair_error(model, model.sample_codes(20_000, np.random.default_rng(0), method=method))
        for method in ("rounding", "iid")
    )
    assert rounded < independent / 20


def test_blocks_make_up_for_each_other(monkeypatch):
    monkeypatch.setattr(dealing, "BLOCK_ROWS", 1000)
    model = random_mixture((6, 5, 8), 7, components=10)
    blocks = list(model.sample_blocks(10_500, np.random.default_rng(1)))
    assert [len(block["a"]) for block in blocks] == [954] * 5 + [955] * 6
    codes = {name: np.concatenate([block[name] for block in blocks]) for name in model.domain}
    for clique, values in zip(model.domain.cliques(2), model.marginals(model.domain.cliques(2)), strict=True):
        assert np.abs(counts(codes, model.domain, clique) - values * 10.5).max() < 8
    for name in model.domain:
        assert np.abs(np.bincount(codes[name]) - model.marginal((name,)) * 10.5).max() < 3
    monkeypatch.undo()
    assert pair_error(model, codes) < 2 * pair_error(model, model.sample_codes(10_500, np.random.default_rng(1)))


def test_rows_do_not_depend_on_how_they_are_batched(monkeypatch):
    monkeypatch.setattr(dealing, "BLOCK_ROWS", 1000)
    model = Model(random_mixture((6, 5, 8), 7))
    one, other = (list(model.sample_batches(2500, seed=3, batch_rows=rows)) for rows in (7, 100_000))
    joined = [[row for batch in batches for row in batch.to_pylist()] for batches in (one, other)]
    assert joined[0] == joined[1]
    assert max(batch.num_rows for batch in one) == 7


def test_small_samples_are_unbiased():
    model = random_mixture((2, 3, 2), 11, components=3, concentration=1.0)
    rng = np.random.default_rng(2)
    for n in (1, 3):
        rows = [model.sample_codes(n, rng) for _ in range(300)]
        codes = {name: np.concatenate([row[name] for row in rows]) for name in model.domain}
        expected = joint_of(model) * 0.3 * n
        assert (np.abs(counts(codes, model.domain, ("a", "b", "c")) - expected) < 5 * np.sqrt(expected) + 1).all()


def test_independent_rows_are_draws_from_the_joint():
    model = random_mixture((2, 3, 2), 11, concentration=1.0)
    expected = joint_of(model) * 30
    found = counts(model.sample_codes(30_000, np.random.default_rng(8), method="iid"), model.domain, ("a", "b", "c"))
    assert ((found - expected) ** 2 / expected).sum() < expected.size + 5 * np.sqrt(2 * expected.size)


def test_three_way_counts_are_not_distorted():
    model = random_mixture((3, 4, 3), 12, components=5, concentration=1.0)
    expected = joint_of(model) * 40
    found = counts(model.sample_codes(40_000, np.random.default_rng(8)), model.domain, ("a", "b", "c"))
    assert ((found - expected) ** 2 / expected).sum() < expected.size


def test_conditions_hold_in_every_row():
    model = random_mixture((4, 5, 3), 6, concentration=1.0)
    evidence = {"a": [0.0, 1.0, 0.5, 0.0]}
    codes = model.sample_codes(2000, np.random.default_rng(0), evidence)
    assert set(codes["a"]) == {1, 2}
    expected = model.conditioned(evidence)
    assert np.abs(np.bincount(codes["b"]) - expected.marginal(("b",)) * 2000 / expected.total).max() < 3


def test_attributes_of_many_codes_are_dealt_but_not_settled(monkeypatch):
    monkeypatch.setattr(settling, "SETTLED_CODES", 12)
    assert settling.settling_axes((6, 50, 5)) == (0, 2)
    model = random_mixture((6, 50, 5), 7, components=20)
    assert model._pairs.shape == (11, 11)
    codes = model.sample_codes(5000, np.random.default_rng(0))
    assert np.abs(counts(codes, model.domain, ("a", "c")) - model.marginal(("a", "c")) * 5).max() < 4
    assert np.abs(np.bincount(codes["b"], minlength=50) - model.marginal(("b",)) * 5).max() < 3
    monkeypatch.setattr(settling, "SETTLED_CODES", 5)
    alone = random_mixture((6, 50, 5), 7, components=20)
    assert len(alone.sample_codes(100, np.random.default_rng(0))["b"]) == 100
