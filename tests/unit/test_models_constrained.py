"""Exact zeros: a distribution confined to what constraints allow, for every kind, against brute force."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dpsynth.domain import Domain
from dpsynth.errors import UsageError
from dpsynth.models import MarkovRandomField, MixtureOfProducts, Model, load, stratified
from dpsynth.models.constrained import constrained
from dpsynth.models.stratified import Stratified
from dpsynth.pipeline.evaluate import evaluate
from dpsynth.schema import Schema
from dpsynth.schema.constraints import AllowedSet
from model_examples import answered, counts, people, random_field, random_mixture, random_network

SIZES = (3, 4, 2, 5)
BASES = {
    "field": random_field(SIZES, 1, concentration=2.0),
    "mixture": random_mixture(SIZES, 2, concentration=2.0),
    "network": random_network(SIZES, 3, concentration=2.0),
}
CLIQUES = (("a",), ("b",), ("c",), ("d", "b"), ("a", "b", "c", "d"))
EVERYTHING = ("a", "b", "c", "d")


def codes(name: str, *held: int) -> dict[str, np.ndarray]:
    mask = np.zeros(SIZES["abcd".index(name)], dtype=bool)
    mask[list(held)] = True
    return {name: mask}


# a = 0 implies b = 0 or 1; c = 1 and d = 4 never occur together.
ALLOWED = AllowedSet(
    (
        {**codes("a", 0), **codes("b", 0, 1), **codes("c", 0)},
        {**codes("a", 1, 2), **codes("c", 0)},
        {**codes("a", 0), **codes("b", 0, 1), **codes("c", 1), **codes("d", 0, 1, 2, 3)},
        {**codes("a", 1, 2), **codes("c", 1), **codes("d", 0, 1, 2, 3)},
    ),
    (("a", "b"), ("c", "d")),
)
POSSIBLE = ALLOWED.possible(EVERYTHING, SIZES)


def joint(distribution) -> np.ndarray:
    return distribution.marginal(EVERYTHING)


def test_the_example_allows_what_it_says():
    a, b, c, d = np.indices(SIZES)
    assert ((((a > 0) | (b < 2)) & ((c == 0) | (d < 4))) == POSSIBLE).all()


@pytest.mark.parametrize("kind", BASES)
def test_nothing_lies_outside_and_inside_only_the_constrained_columns_are_weighed(kind):
    base = BASES[kind]
    found = constrained(base, ALLOWED)
    values = joint(found)
    assert (values[~POSSIBLE] == 0).all()
    assert found.total == pytest.approx(base.total, rel=1e-9) == values.sum()
    assert (found.kind, found.domain, found.cells) == (base.kind, base.domain, base.cells)
    assert found.bytes > base.bytes
    # One factor per code of the constrained columns: the ratio to the base is a product, its logarithm a sum.
    ratio = np.log(values[:, :1][POSSIBLE[:, :1]] / joint(base)[:, :1][POSSIBLE[:, :1]])
    places = np.argwhere(POSSIBLE[:, :1])
    design = np.concatenate([np.eye(size)[places[:, axis]] for axis, size in enumerate((3, 1, 2, 5))], axis=1)
    assert np.abs(design @ np.linalg.lstsq(design, ratio, rcond=None)[0] - ratio).max() < 1e-8
    for clique, marginal in zip(CLIQUES, found.marginals(CLIQUES), strict=True):
        axes = [EVERYTHING.index(name) for name in clique]
        rest = tuple(axis for axis in range(4) if axis not in axes)
        expected = values.sum(axis=rest).transpose(np.argsort(np.argsort(axes)))
        assert marginal == pytest.approx(expected, abs=1e-9)
        assert found.marginal(clique) == pytest.approx(marginal)


@pytest.mark.parametrize("kind", BASES)
def test_columns_of_one_group_keep_their_marginals(kind):
    base = BASES[kind]
    allowed = AllowedSet(({**codes("a", 0), **codes("b", 0, 1, 2)}, codes("a", 1, 2)), (("a", "b"),))
    found = constrained(base, allowed)
    assert found.marginal(("a", "b"))[0, 3] == 0
    assert base.marginal(("a", "b"))[0, 3] > 1
    for name in ("a", "b"):
        assert found.marginal((name,)) == pytest.approx(base.marginal((name,)), rel=1e-6)
    # The other columns given these two are as they were.
    ours, theirs = joint(found), joint(base)
    given = [values / values.sum(axis=(2, 3), keepdims=True) for values in (ours + 1e-300, theirs)]
    assert given[0][1:] == pytest.approx(given[1][1:])
    assert given[0][0, :3] == pytest.approx(given[1][0, :3])


def test_marginals_that_contradict_the_constraints_are_given_up():
    """P(a = 0) = 0.9 and P(b = 0) = 0.1 cannot both hold where a = 0 implies b = 0."""
    domain = Domain(("a", "b"), (2, 2))
    base = MixtureOfProducts(domain, 100.0, np.ones(1), np.array([[0.9, 0.1, 0.1, 0.9]]))
    first = np.array([True, False])
    found = constrained(base, AllowedSet(({"a": first, "b": first}, {"a": ~first}), (("a", "b"),)))
    values = found.marginal(("a", "b"))
    assert values[0, 1] == 0
    assert values.sum() == pytest.approx(100)
    assert (np.abs(values.sum(axis=1) - [90, 10]).sum() + np.abs(values.sum(axis=0) - [10, 90]).sum()) <= 160


def test_a_part_without_allowed_rows_is_dropped_and_a_base_without_any_gives_way_to_the_uniform_one():
    domain = Domain(("a", "b"), (3, 2))
    base = MixtureOfProducts(domain, 60.0, np.ones(1), np.array([[0.5, 0.5, 0.0, 0.0, 1.0]]))
    zero = np.array([True, False])
    dropped = AllowedSet(
        ({"a": np.array([True, False, False]), "b": zero}, {"a": np.array([False, True, True])}), (("a", "b"),)
    )
    values = constrained(base, dropped).marginal(("a", "b"))
    assert values == pytest.approx(np.array([[0, 0], [0, 60], [0, 0]]))
    nothing = AllowedSet(
        ({"a": np.array([True, True, False]), "b": zero}, {"a": np.array([False, False, True])}), (("a", "b"),)
    )
    uniform = constrained(base, nothing)
    assert uniform.marginal(("a", "b")) == pytest.approx(np.array([[15, 0], [15, 0], [15, 15]]))
    empty = replace(base, total=0.0)
    assert constrained(empty, nothing) is empty


def test_a_group_too_large_to_weigh_is_conditioned(monkeypatch):
    base = BASES["field"]
    monkeypatch.setattr("dpsynth.models.constrained.RAKED_CELLS", 1)
    plain = np.where(POSSIBLE, joint(base), 0)
    assert joint(constrained(base, ALLOWED)) == pytest.approx(plain * base.total / plain.sum())


@pytest.mark.parametrize("held", [0, 1 << 30])
@pytest.mark.parametrize("kind", BASES)
def test_evidence_is_exact(kind, held, monkeypatch):
    monkeypatch.setattr(stratified, "KEPT_CELLS", held)
    found = constrained(BASES[kind], ALLOWED)
    evidence = {"a": np.array([1.0, 0.5, 0.0]), "d": np.array([0, 1, 1, 0.25, 1])}
    given = found.conditioned(evidence)
    expected = joint(found) * evidence["a"][:, None, None, None] * evidence["d"]
    assert joint(given) == pytest.approx(expected)
    assert given.total == pytest.approx(expected.sum())
    impossible = found.conditioned({"c": np.array([0.0, 1]), "d": np.array([0.0, 0, 0, 0, 1])})
    assert impossible.total == 0
    assert (joint(impossible) == 0).all()
    assert found.conditioned({"a": np.zeros(3)}).strata == ()
    with pytest.raises(UsageError, match="one weight per code"):
        found.conditioned({"a": np.ones(2)})


@pytest.mark.parametrize("method", ["rounding", "iid"])
@pytest.mark.parametrize("kind", BASES)
def test_no_row_violates_a_constraint(kind, method):
    found = constrained(BASES[kind], ALLOWED)
    rows = found.sample_codes(20_000, np.random.default_rng(0), method=method)
    table = counts(rows, found.domain, EVERYTHING)
    assert table.sum() == 20_000
    assert (table[~POSSIBLE] == 0).all()
    assert all(column.dtype == np.uint8 for column in rows.values())
    # Independent draws deviate by less than 5 deviations in every cell but for a chance of 1e-4; rounding by less.
    expected = joint(found) * 20_000 / found.total
    assert (np.abs(table - expected) <= 5 * np.sqrt(expected) + 5).all()


@pytest.mark.parametrize("kind", BASES)
def test_rounding_gives_every_part_its_rows_and_keeps_marginals(kind):
    found = constrained(BASES[kind], ALLOWED)
    rows = found.sample_codes(5_001, np.random.default_rng(1))
    expected = found.masses * 5_001 / found.total
    for box, rows_of_box in zip(ALLOWED.boxes, expected, strict=True):
        inside = np.all([mask[rows[name]] for name, mask in box.items()], axis=0).sum()
        assert abs(inside - rows_of_box) <= 1
    for name in EVERYTHING:
        off = counts(rows, found.domain, (name,)) - found.marginal((name,)) * 5_001 / found.total
        assert np.abs(off).max() <= 4 + len(ALLOWED.boxes)


def test_parts_come_in_random_order():
    """Neighbors agree on their part as often as random rows do: a run of parts would agree almost always. The seed is
    fixed; over seeds the false alarm rate is below 1e-6 (5 deviations of 40,000 neighbors).
    """
    found = constrained(BASES["mixture"], ALLOWED)
    rows = found.sample_codes(40_000, np.random.default_rng(5))
    part = rows["a"].astype(int) > 0
    share = part.mean()
    agree = (part[1:] == part[:-1]).mean()
    assert abs(agree - (share**2 + (1 - share) ** 2)) < 5 * 0.5 / np.sqrt(40_000)


@pytest.mark.parametrize("method", ["rounding", "iid"])
def test_stretches_are_bounded_repeat_and_add_up(method, monkeypatch):
    monkeypatch.setattr(stratified, "STRETCH_ROWS", 1000)
    monkeypatch.setattr(stratified, "BLOCK_ROWS", 300)
    found = constrained(BASES["field"], ALLOWED)
    blocks = list(found.sample_blocks(3_501, np.random.default_rng(2), method))
    again = list(found.sample_blocks(3_501, np.random.default_rng(2), method))
    assert max(len(block["a"]) for block in blocks) == 300
    for left, right in zip(blocks, again, strict=True):
        assert all((left[name] == right[name]).all() for name in EVERYTHING)
    rows = {name: np.concatenate([block[name] for block in blocks]) for name in EVERYTHING}
    assert len(rows["a"]) == 3_501
    box = np.all([mask[rows[name]] for name, mask in ALLOWED.boxes[1].items()], axis=0).sum()
    expected = found.masses[1] * 3_501 / found.total
    assert abs(box - expected) <= (1 if method == "rounding" else 5 * np.sqrt(expected))
    assert list(found.sample_blocks(0, np.random.default_rng(0), method)) == []


def test_rows_of_a_part_are_unbiased():
    """The mean over 400 seeds of a rounded stratum lies within 5 standard errors (false alarm rate below 1e-6); a
    rounding to the nearest number would be off by 0.3.
    """
    base = MixtureOfProducts(Domain(("a",), (3,)), 1.0, np.ones(1), np.array([[0.13, 0.57, 0.3]]))
    found = Stratified(base, tuple({"a": row} for row in np.eye(3)))
    drawn = [np.bincount(found.sample_codes(10, np.random.default_rng(seed))["a"], minlength=3) for seed in range(400)]
    assert np.abs(np.mean(drawn, axis=0) - [1.3, 5.7, 3.0]).max() < 5 * 0.5 / 20
    assert np.ptp(drawn, axis=0).max() <= 1


# --- models with a schema -------------------------------------------------------------------------------------

RULES = [{"if": "age ..19", "then": ["smoker in false,null", "score ..0.5"]}, {"never": ["sex = M", "age 90.."]}]


def constrained_people() -> Model:
    model = people()
    document = model.schema.to_dict()
    document["dpsynth"]["constraints"] = RULES
    return replace(model, schema=Schema.from_dict(document))


def test_a_model_follows_the_constraints_of_its_schema(tmp_path):
    model = constrained_people()
    table = model.sample(3_000, seed=0)
    young = table["age"] <= 19
    assert young.sum() > 100
    assert not (young & table["smoker"].fillna(value=False).astype(bool)).any()
    assert (table.loc[young, "score"] <= 0.5).all()
    assert not ((table["sex"] == "M") & (table["age"] >= 90)).any()
    assert not (model.marginal(("age", "smoker")).values[:2, 1]).any()
    assert model.marginal("age").values.sum() == pytest.approx(model.total)
    given = model.sample(500, where=["age 10..29", "sex = F"], seed=1)
    assert given["age"].between(10, 29).all()
    assert (given.loc[given["age"] <= 19, "score"] <= 0.5).all()
    with pytest.raises(UsageError, match="conditions are impossible"):
        model.sample(5, where=["age 95..", "sex = M"])
    model.save(tmp_path / "m.dps")
    assert load(tmp_path / "m.dps").sample(3_000, seed=0).equals(table)


def test_a_model_without_constraints_is_left_as_it_is():
    model = people()
    assert model.constrained is model.distribution
    assert isinstance(model.constrained, MarkovRandomField)


def test_an_evaluation_compares_with_the_constrained_model():
    """Rows of the model lie next to it (the seed is fixed); the model without constraints lies further away."""
    model = constrained_people()
    rows = model.sample(100_000, seed=0, output="pyarrow")
    loose = replace(model, schema=people().schema)
    near, far = (evaluate(rows, one, ways=(2,)).ways[0] for one in (model, loose))
    assert near.worst < 0.02
    assert far.worst > 0.05


def test_intervals_of_cells_that_cannot_occur_are_zero():
    plain = people()
    model = replace(constrained_people(), answers=answered(plain.distribution))
    found = model.marginal(("age", "smoker"), interval=0.9)
    assert not found.lower[:2, 1].any()
    assert not found.upper[:2, 1].any()
    assert not found.standard_error[:2, 1].any()
    assert (found.upper[2:] > 0).all()
    assert (found.lower <= found.estimate).all()
    assert (found.estimate <= found.upper).all()
