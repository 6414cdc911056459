"""Intervals against exact laws: discrete Gaussians by enumeration, least squares by brute force, bounds by hand."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from dpsynth.domain import Clique, Domain
from dpsynth.errors import DomainError, UsageError
from dpsynth.graph.combination import Combination, combinations, tail_radius
from dpsynth.models import MarginalInterval, Model, load
from dpsynth.privacy.answers import Coarsening, NoisyMarginal, Receipt
from dpsynth.privacy.laws import deviation, discrete_gaussian_log_probability
from dpsynth.privacy.loss import PrivacyLoss
from model_examples import answered, random_field, random_mixture

RECEIPT = Receipt("transaction-1", 0, "ab" * 32, PrivacyLoss(rho=1, mu2=1))
DOMAIN = Domain(("a", "b", "c"), (3, 4, 2))


def answer(clique: Clique, values: NDArray, scale: float, coarsening: Coarsening = ()) -> NoisyMarginal:
    return NoisyMarginal(clique, np.asarray(values, dtype=np.int64), scale, 1, RECEIPT, "opendp", coarsening)


def law(scale: float) -> tuple[NDArray, NDArray]:
    reach = math.ceil(12 * scale) + 3
    support = np.arange(-reach, reach + 1)
    return support, np.exp(discrete_gaussian_log_probability(support, scale))


def joint(seed: int, shape: tuple[int, ...] = (3, 4, 2), rows: int = 5_000) -> NDArray:
    rng = np.random.default_rng(seed)
    return rng.multinomial(rows, rng.dirichlet(np.full(math.prod(shape), 0.7))).reshape(shape)


def summed(table: NDArray, clique: Clique) -> NDArray:
    axes = DOMAIN.axes(clique)
    rest = tuple(axis for axis in range(table.ndim) if axis not in axes)
    return table.sum(axis=rest).transpose([sorted(axes).index(axis) for axis in axes])


def model_of(*answers: NoisyMarginal) -> Model:
    return Model(random_field((3, 4, 2), seed=1, total=5_000.0), answers)


# --- the noise of a linear combination ---------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [0.2, 0.7, 1.0, 1.01, 1.5, 2.0, 3.3, 10.0, 57.9])
@pytest.mark.parametrize("tail", [0.3, 0.1, 0.025, 0.005, 1e-4, 1e-7])
def test_a_single_answer_exceeds_its_radius_as_rarely_as_promised(scale: float, tail: float) -> None:
    support, chances = law(scale)
    radius = tail_radius(scale, scale, tail)
    assert chances[support > radius].sum() <= tail * (1 + 1e-9)
    if scale >= 1:
        assert chances[support > radius - 1.5].sum() > tail


@pytest.mark.parametrize("weights", [(0.735, 0.265), (1.0, 1.0), (1.0, -1.0), (0.5, 0.01)])
@pytest.mark.parametrize("scales", [(0.4, 3.0), (1.0, 1.0), (1.2, 2.0), (3.0, 5.0)])
def test_a_combination_of_two_exceeds_its_radius_as_rarely_as_promised(
    weights: tuple[float, float], scales: tuple[float, float]
) -> None:
    (first, p), (second, q) = law(scales[0]), law(scales[1])
    sums = np.add.outer(weights[0] * first, weights[1] * second)
    deviation = math.hypot(weights[0] * scales[0], weights[1] * scales[1])
    for tail in (0.2, 0.025, 1e-3):
        radius = tail_radius(deviation, min(scales), tail)
        chance = np.outer(p, q)[sums > radius].sum()
        assert chance <= tail * (1 + 1e-9)
        if min(scales) >= 1:
            assert np.outer(p, q)[sums > radius - deviation / min(scales) - 0.1 * deviation].sum() > 0.8 * tail


def test_a_sum_of_many_is_as_good_as_gaussian() -> None:
    support, chances = law(1.0)
    total = chances
    for _ in range(11):
        total = np.convolve(total, chances)
    reach = 12 * support[-1]
    values = np.arange(-reach, reach + 1)
    radius = tail_radius(math.sqrt(12.0), 1.0, 0.025)
    missed = total[np.abs(values) > radius].sum()
    assert 0.01 < missed <= 0.05


def laplace_law(scale: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    support = np.arange(-math.ceil(60 * scale) - 20, math.ceil(60 * scale) + 21).astype(np.float64)
    chances = np.exp(-np.abs(support) / scale)
    return support, chances / chances.sum()


@pytest.mark.parametrize("scale", [0.05, 0.3, 1.0, 5.0, 40.1])
@pytest.mark.parametrize("tail", [0.3, 0.1, 0.025, 1e-3, 1e-6])
def test_a_laplace_answer_exceeds_its_radius_as_rarely_as_promised(scale: float, tail: float) -> None:
    support, chances = laplace_law(scale)
    spread = deviation("laplace", scale)
    radius = tail_radius(spread, spread, tail, laplace=True)
    assert chances[support > radius].sum() <= tail
    if scale >= 5 and tail <= 0.025:
        assert chances[support > 0.5 * radius].sum() > tail


@pytest.mark.parametrize("weights", [(0.735, 0.265), (1.0, 1.0), (1.0, -1.0), (0.5, 0.01)])
@pytest.mark.parametrize("scales", [(0.1, 3.0), (0.4, 0.3), (3.0, 5.0)])
def test_a_combination_with_laplace_noise_exceeds_its_radius_as_rarely_as_promised(
    weights: tuple[float, float], scales: tuple[float, float]
) -> None:
    for other, spread in ((laplace_law, deviation("laplace", scales[1])), (law, scales[1])):
        (first, p), (second, q) = laplace_law(scales[0]), other(scales[1])
        sums = np.add.outer(weights[0] * first, weights[1] * second)
        spreads = deviation("laplace", scales[0]), spread
        combined = math.hypot(weights[0] * spreads[0], weights[1] * spreads[1])
        for tail in (0.2, 0.025, 1e-3):
            radius = tail_radius(combined, min(spreads), tail, laplace=True)
            assert np.outer(p, q)[sums > radius].sum() <= tail


def test_gaussian_tails_would_be_too_short_for_laplace_noise() -> None:
    support, chances = laplace_law(5.0)
    spread = deviation("laplace", 5.0)
    assert chances[support > tail_radius(spread, spread, 1e-3)].sum() > 1e-3


# --- least squares -----------------------------------------------------------------------------------------------


def brute_force(answers: list[NoisyMarginal], target: NDArray) -> tuple[float, float]:
    """The generalized least squares estimate of target · joint and its standard deviation, by the normal equations."""
    rows, seen, weights = [], [], []
    for found in answers:
        axes = DOMAIN.axes(found.clique)
        for cell in np.ndindex(found.values.shape):
            row = np.ones((3, 4, 2))
            for axis, code in zip(axes, cell, strict=True):
                keep = np.zeros(row.shape[axis])
                keep[code] = 1.0
                row *= keep.reshape([-1 if other == axis else 1 for other in range(3)])
            rows.append(row.ravel())
            seen.append(found.values[cell])
            weights.append(found.scale**-2)
    design, weight = np.array(rows), np.array(weights)
    inverse = np.linalg.pinv(design.T @ (weight[:, None] * design))
    solved = inverse @ design.T @ (weight * np.array(seen))
    return float(target.ravel() @ solved), float(np.sqrt(target.ravel() @ inverse @ target.ravel()))


QUESTIONS: list[tuple[Clique, float]] = [
    (("a",), 4.0),
    (("b",), 9.0),
    (("b", "a"), 12.0),
    (("b", "c"), 7.0),
    (("a", "b"), 20.0),
    (("c",), 3.0),
]


def noisy(seed: int) -> list[NoisyMarginal]:
    rng, table = np.random.default_rng(seed), joint(seed)
    return [
        answer(clique, summed(table, clique) + np.rint(rng.normal(0, scale, DOMAIN.shape(clique))), scale)
        for clique, scale in QUESTIONS
    ]


@pytest.mark.parametrize("clique", [("a",), ("b",), ("c",), ("a", "b"), ("b", "c"), ()])
def test_measured_counts_are_generalized_least_squares(clique: Clique) -> None:
    answers = noisy(3)
    (grid,) = combinations(DOMAIN, answers)
    found = grid.counts(clique)
    for cell in itertools.islice(np.ndindex(DOMAIN.shape(clique)), 4):
        target = np.zeros((3, 4, 2))
        index: list[slice | int] = [slice(None)] * 3
        for axis, code in zip(DOMAIN.axes(clique), cell, strict=True):
            index[axis] = code
        target[tuple(index)] = 1.0
        value, deviation = brute_force(answers, target)
        assert found.values[cell] == pytest.approx(value)
        assert found.deviation == pytest.approx(deviation)


def test_a_difference_of_counts_has_its_own_deviation() -> None:
    answers = noisy(4)
    (grid,) = combinations(DOMAIN, answers)
    found = grid.combine(DOMAIN.attributes, [(("a", "b"), 1.0), (("b", "c"), 1.0), (("b",), -1.0)])
    target = np.zeros((3, 4, 2))
    target[1, 2, :] += 1
    target[:, 2, 0] += 1
    target[:, 2, :] -= 1
    value, deviation = brute_force(answers, target)
    assert found.values[1, 2, 0] == pytest.approx(value)
    assert found.deviation == pytest.approx(deviation)


def test_the_interval_of_a_measured_marginal_is_the_estimate_and_its_radius() -> None:
    truth = joint(5) + 10_000
    answers = [answer(clique, summed(truth, clique), scale) for clique, scale in QUESTIONS]
    (grid,) = combinations(DOMAIN, answers)
    found, counts = model_of(*answers).marginal(("b", "c"), interval=0.9), grid.counts(("b", "c"))
    assert found.basis == "measured"
    assert np.allclose(found.standard_error, counts.deviation)
    # A tenth of the chance of a miss is kept for bounds: both tails together get 0.09. The model's estimates lie lower.
    assert np.allclose(found.upper, counts.values + counts.radius(0.045))
    assert (found.lower == found.estimate).all()


def test_only_codes_that_an_answer_keeps_apart_are_combined() -> None:
    coarse = (("b", (0, 0, 1, 2)),)
    fine = answer(("b",), [10, 20, 30, 40], 2.0)
    merged = answer(("a", "b"), np.ones((3, 3)), 2.0, coarse)
    first, second = combinations(DOMAIN, [fine, merged])
    assert first.largest(("a", "b")) == (("a",), ("b",))
    assert second.largest(("a", "b")) == (("a", "b"),)
    assert second.alone(("b",)).tolist() == [False, False, True, True]
    # In the buckets' grid ``b`` is known from the merged table alone, three cells of variance 4 to each bucket.
    assert second.counts(("b",)).deviation < math.sqrt(3 * 4.0) + 1e-9
    assert first.counts(("b",)).values.sum() == pytest.approx(second.counts(("b",)).values.sum())


def test_answers_with_other_buckets_get_a_grid_of_their_own() -> None:
    one = answer(("a", "b"), np.ones((3, 2)), 2.0, (("b", (0, 0, 1, 1)),))
    two = answer(("b", "c"), np.ones((2, 2)), 2.0, (("b", (0, 1, 1, 1)),))
    three = answer(("b", "c"), np.ones((2, 2)), 2.0, (("b", (0, 0, 1, 1)),))
    fine, first, second = combinations(DOMAIN, [one, two, three])
    assert fine.grid["b"] is None
    assert (first.grid["b"], second.grid["b"]) == ((0, 0, 1, 1), (0, 1, 1, 1))
    assert first.largest(DOMAIN.attributes) == (("a", "b"), ("b", "c"))


# --- bounds ------------------------------------------------------------------------------------------------------


def exact(clique: Clique, *answers: NoisyMarginal) -> MarginalInterval:
    """The interval when noise plays no role."""
    return model_of(*answers).marginal(clique, interval=0.95)


def test_unmeasured_pairs_get_the_bounds_of_frechet() -> None:
    rows = 5_000
    a, b = np.array([4_000, 900, 100]), np.array([2_000, 2_500, 500, 0])
    found = exact(("a", "b"), answer(("a",), a, 1e-6), answer(("b",), b, 1e-6))
    assert found.basis == "bound"
    assert np.isnan(found.standard_error).all()
    lower = np.maximum(np.add.outer(a, b) - rows, 0)
    assert np.allclose(found.lower, np.minimum(lower, found.estimate), atol=1e-3)
    assert np.allclose(found.upper, np.maximum(np.minimum.outer(a, b), found.estimate), atol=1e-3)


def test_unmeasured_triples_are_bounded_along_chains_of_pairs() -> None:
    truth = joint(8)
    pairs = [answer(pair, summed(truth, pair), 1e-6) for pair in (("a", "b"), ("b", "c"))]
    found = exact(("a", "b", "c"), *pairs)
    ab, bc, b = summed(truth, ("a", "b")), summed(truth, ("b", "c")), summed(truth, ("b",))
    lower = np.maximum(ab[:, :, None] + bc[None] - b[None, :, None], 0)
    upper = np.minimum(ab[:, :, None], bc[None])
    assert np.allclose(found.lower, np.minimum(lower, found.estimate), atol=1e-3)
    assert np.allclose(found.upper, np.maximum(upper, found.estimate), atol=1e-3)


def test_a_merged_code_has_the_count_of_its_bucket_above_it() -> None:
    table = np.array([[1_000, 40], [2_000, 60], [3_000, 0]])
    merged = answer(("a", "b"), table, 1e-6, (("b", (0, 1, 1, 1)),))
    found = exact(("a", "b"), merged)
    assert found.basis == "measured and bound"
    assert np.isnan(found.standard_error).tolist() == [[False, True, True, True]] * 3
    assert np.allclose(found.upper[:, 0], np.maximum(table[:, 0], found.estimate[:, 0]), atol=1e-3)
    assert np.allclose(found.upper[:, 1:], np.maximum(table[:, 1:], found.estimate[:, 1:]), atol=1e-3)
    assert (found.lower[:, 1:] == 0).all()


def test_a_rare_value_bounds_all_cells_that_have_it() -> None:
    wide, narrow = answer(("a", "b"), np.full((3, 4), 50), 100.0), answer(("b",), [3, 30_000, 30_000, 30_000], 1.0)
    without, beside = exact(("a", "b"), wide), exact(("a", "b"), wide, narrow)
    assert without.upper[:, 0].min() > 200
    assert (beside.upper[:, 0] <= np.maximum(8, beside.estimate[:, 0])).all()
    assert beside.basis == "measured"


def test_a_column_that_no_answer_holds_is_bounded_by_the_number_of_rows() -> None:
    found = exact(("a",), answer(("b",), [100, 200, 300, 400], 1e-6))
    assert found.basis == "bound"
    assert (found.lower == 0).all()
    assert np.allclose(found.upper, np.maximum(1_000, found.estimate), atol=1e-3)


def test_many_columns_are_bounded_too() -> None:
    sizes = (2,) * 8
    field = random_field(sizes, seed=2)
    pairs = field.domain.cliques(2)
    answers = [answer(pair, np.full((2, 2), 250), 3.0) for pair in pairs]
    found = Model(field, tuple(answers)).marginal(field.domain.attributes, interval=0.95)
    assert found.basis == "bound"
    assert (found.upper < np.maximum(290, found.estimate + 1)).all()


# --- the question and what comes back ------------------------------------------------------------------------------


def test_the_number_of_rows_is_the_marginal_of_no_columns() -> None:
    found = exact((), answer(("b",), [100, 200, 300, 400], 10.0), answer(("a",), [0, 500, 506], 10.0))
    assert found.basis == "measured"
    assert float(found.standard_error) == pytest.approx(1 / math.sqrt(1 / 400 + 1 / 300))
    assert float(found.lower) < 1_003 < float(found.upper)


def test_axes_stand_in_the_order_of_the_question() -> None:
    model = model_of(*noisy(6))
    one, two = model.marginal(("a", "b"), interval=0.9), model.marginal(("b", "a"), interval=0.9)
    for name in ("estimate", "lower", "upper", "standard_error"):
        assert np.array_equal(getattr(one, name), getattr(two, name).T)
    assert one.labels["b"] == two.labels["b"]
    assert model.marginal("b", interval=0.9).clique == ("b",)


def test_without_a_level_a_marginal_is_what_it_was() -> None:
    model = model_of(*noisy(6))
    plain, around = model.marginal(("a", "c")), model.marginal(("a", "c"), interval=0.5)
    assert not hasattr(plain, "lower")
    assert np.array_equal(plain.values, around.estimate)
    assert around.level == 0.5


def test_limits_that_contradict_each_other_leave_no_inverted_interval() -> None:
    found = exact(("a", "b"), answer(("a", "b"), np.full((3, 4), 9_000), 1.0), answer(("b",), [0, 0, 0, 0], 0.01))
    assert (found.lower <= found.estimate).all()
    assert (found.estimate <= found.upper).all()


@pytest.mark.parametrize("level", [0, 1, -0.5, 1.5, 95, math.nan, math.inf, "0.95", True, [0.95], 1 + 0j])
def test_bad_levels_are_refused(level: object) -> None:
    with pytest.raises(UsageError, match="strictly between 0 and 1"):
        model_of(*noisy(1)).marginal("a", interval=level)  # type: ignore[call-overload]


@pytest.mark.parametrize("level", [1e-9, np.float32(0.9), np.float64(0.5), 1 - 1e-12])
def test_every_level_between_is_taken(level: float) -> None:
    found = model_of(*noisy(1)).marginal(("a", "c"), interval=level)
    assert np.isfinite(found.upper).all()
    assert isinstance(found.level, float)


def test_a_model_without_noisy_counts_says_so() -> None:
    selection = answered(random_field((3, 4, 2), seed=1))[-1]
    for answers in ((), (selection,)):
        with pytest.raises(UsageError, match="no noisy counts"):
            Model(random_field((3, 4, 2), seed=1), answers).marginal("a", interval=0.95)


def test_unknown_columns_are_refused_first() -> None:
    with pytest.raises(DomainError):
        model_of(*noisy(1)).marginal(("a", "nobody"), interval=0.95)


@pytest.mark.parametrize(
    "broken",
    [
        answer(("a",), [1, 2], 1.0),
        answer(("nobody",), [1, 2], 1.0),
        answer(("a", "a"), np.ones((3, 3)), 1.0),
        answer(("a",), [1, 2], 1.0, (("a", (0, 1)),)),
        answer(("a",), [1, 2], 1.0, (("a", (-1, 0, 1)),)),
        answer(("a",), [1, 2, 3], 1e-200),
        answer(("a",), [1, 2, 3], 1e200),
    ],
    ids=["shape", "column", "twice", "short map", "negative bucket", "tiny scale", "huge scale"],
)
def test_answers_that_do_not_fit_the_model_are_refused(broken: NoisyMarginal) -> None:
    with pytest.raises(DomainError):
        model_of(*noisy(1), broken).marginal("a", interval=0.95)


def test_a_saved_model_has_the_same_intervals(tmp_path: Path) -> None:
    for number, held in enumerate((random_field((3, 4, 2), seed=1), random_mixture((3, 4, 2), seed=1))):
        model = Model(held, tuple(noisy(7)))
        model.save(tmp_path / f"{number}.dps")
        before, after = model, load(tmp_path / f"{number}.dps")
        for clique in (("a",), ("b", "c"), ("a", "c")):
            one, two = before.marginal(clique, interval=0.95), after.marginal(clique, interval=0.95)
            assert np.allclose(one.lower, two.lower)
            assert np.allclose(one.upper, two.upper)
            assert one.basis == two.basis


def test_a_grid_needs_a_bucket_for_every_code() -> None:
    with pytest.raises(DomainError):
        Combination.on(DOMAIN, dict.fromkeys(DOMAIN), [answer(("b",), [1, 2], 1.0, (("b", (0, 1)),))])
