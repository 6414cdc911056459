"""Interpolated decoding: linear within a bin, masses unchanged, nothing impossible, conditions exact."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from dpsynth.domain import Domain
from dpsynth.errors import SchemaError, UsageError
from dpsynth.graph.calibrated import independent_tree
from dpsynth.graph.junction import junction_tree
from dpsynth.models import MarkovRandomField, Model
from dpsynth.schema import Schema
from dpsynth.schema.bins import RealBins, StepBins, WholeBins
from dpsynth.schema.tilting import STEEPEST, TiltedBins, tilted, tilts_of

WHOLE = WholeBins(np.array([0, 10, 30, 40, 41, 60]))
REAL = RealBins(np.array([0.0, 1.0, 3.0, 4.0]))
FALLING = np.array([50.0, 60.0, 10.0, 500.0, 3.0])


def test_slopes_are_the_gentler_of_both_sides() -> None:
    ones, none = np.ones(4), np.zeros(4, dtype=bool)
    # Densities 1, 2, 4, 7: inner slopes 1 and 2, halves of them at the ends.
    np.testing.assert_allclose(tilts_of(np.array([1.0, 2, 4, 7]), ones, none), [0.25, 0.25, 0.25, 3 / 2 / 14])
    # A local extreme is left flat, and a spike beside a bin does not count.
    assert tilts_of(np.array([1.0, 9, 2, 2]), ones, none)[1:3].tolist() == [0, 0]
    spike = np.array([False, True, False, False])
    np.testing.assert_allclose(tilts_of(np.array([4.0, 900, 4, 2]), ones, spike), [0, 0, -1 / 8, -1 / 4])
    assert tilts_of(np.zeros(4), ones, none).tolist() == [0, 0, 0, 0]
    assert tilts_of(np.array([5.0]), np.ones(1), none[:1]).tolist() == [0]


def test_densities_are_nowhere_negative() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        size = int(rng.integers(1, 30))
        masses = np.maximum(rng.standard_cauchy(size), 0) * 10.0 ** rng.integers(-8, 8)
        tilts = tilts_of(masses, rng.exponential(size=size) + 1e-9, rng.random(size) < 0.2)
        assert np.abs(tilts).max() <= STEEPEST < 1


def test_flat_marginals_and_single_values_stay_as_they_are() -> None:
    assert tilted(REAL, np.array([1.0, 2.0, 1.0])) is REAL
    single = WholeBins(np.arange(10))
    assert tilted(single, np.arange(9.0)) is single


@pytest.mark.parametrize("bins", [WHOLE, StepBins.of(WHOLE, Fraction(1))], ids=["whole", "step"])
def test_whole_numbers_have_the_mass_of_their_unit_interval(bins: WholeBins | StepBins) -> None:
    steep = tilted(bins, FALLING)
    inner = steep.multiples if isinstance(steep, StepBins) else steep
    assert isinstance(inner, TiltedBins)
    codes = np.full(200_000, 1)
    values, counts = np.unique(steep.draw(codes, np.random.default_rng(0), None), return_counts=True)
    assert values.tolist() == list(range(10, 30))
    middle = (np.arange(20) + 0.5) / 20
    expected = 10_000 * (1 + inner.tilts[1] * (2 * middle - 1))
    # Chi-squared with 19 degrees of freedom: above 60 once in 250,000 correct drawings; uniform draws give over 5,000.
    assert ((counts - expected) ** 2 / expected).sum() < 60
    uniform = np.full(20, 10_000.0)
    assert ((counts - uniform) ** 2 / uniform).sum() > 5_000


def test_real_numbers_follow_the_distribution_function() -> None:
    steep = tilted(REAL, np.array([4.0, 4.0, 1.0]))
    assert isinstance(steep, TiltedBins)
    draws = np.sort(steep.draw(np.full(100_000, 1), np.random.default_rng(0), None))
    assert 1 <= draws[0] < draws[-1] < 3
    share = (draws - 1) / 2
    law = share - steep.tilts[1] * share * (1 - share)
    # Kolmogorov: the distance exceeds 2.6/sqrt(n) about once in 400,000 correct drawings.
    assert np.abs(law - np.arange(1, 100_001) / 100_000).max() < 2.6 / np.sqrt(100_000) + 1e-5


@pytest.mark.parametrize("intervals", [[(5, 12)], [(11, 11), (13, 20), (45, 46)], [(-np.inf, 28)], [(40, np.inf)], []])
def test_shares_are_the_exact_mass_of_what_a_condition_allows(intervals: list[tuple[float, float]]) -> None:
    steep = tilted(WHOLE, FALLING)
    assert isinstance(steep, TiltedBins)
    wanted = []
    for low, high, tilt in zip(WHOLE.edges[:-1], WHOLE.edges[1:], steep.tilts, strict=True):
        inside = np.zeros(high - low, dtype=bool)
        for first, last in intervals:
            inside |= (np.arange(low, high) >= first) & (np.arange(low, high) <= last)
        middle = (np.arange(high - low) + 0.5) / (high - low)
        wanted.append(((1 + tilt * (2 * middle - 1)) * inside).sum() / (high - low))
    np.testing.assert_allclose(steep.share(intervals), wanted, atol=1e-12)
    for code in np.flatnonzero(steep.share(intervals)):
        values = steep.draw(np.full(5_000, code), np.random.default_rng(1), intervals)
        met = np.zeros(5_000, dtype=bool)
        for first, last in intervals:
            met |= (values >= first) & (values <= last)
        assert met.all(), "no draw leaves the condition"
        assert (WHOLE.locate(values) == code).all()


def test_real_conditions_are_exact_too() -> None:
    steep = tilted(REAL, np.array([4.0, 4.0, 1.0]))
    assert isinstance(steep, TiltedBins)
    ranges = [(0.5, 1.5), (2.5, 2.75)]
    rank = [share - steep.tilts[1] * share * (1 - share) for share in (0.25, 0.75, 0.875)]
    assert steep.share(ranges)[1] == pytest.approx(rank[0] + rank[2] - rank[1])
    values = steep.draw(np.full(5_000, 1), np.random.default_rng(0), ranges)
    assert (((values >= 1) & (values <= 1.5)) | ((values >= 2.5) & (values <= 2.75))).all()
    with pytest.raises(UsageError, match="exact value"):
        steep.share([(1.5, 1.5)])


def test_wide_bins_keep_every_value_possible() -> None:
    wide = WholeBins(np.array([-(10**17), 0, 10**17, 2 * 10**17]))
    steep = tilted(wide, np.array([1e9, 1.0, 1e9]))
    for value in (-(10**17), -1, 0, 10**17 - 1, 2 * 10**17 - 1):
        assert 0 < steep.share([(value, value)]).sum() < 1e-6
        code = wide.locate(np.array([value]))
        assert steep.draw(code.astype(np.int64), np.random.default_rng(0), [(value, value)]).tolist() == [value]


SCHEMA = """
dpsynth: {version: 1, name: t}
fields:
  - name: age
    type: integer
    constraints: {minimum: 0, maximum: 99}
    dpsynth: {source: public, bins: {width: 25}, decode: DECODE}
"""


def model(decode: str) -> Model:
    domain = Domain(("age",), (5,))
    one_ways = {"age": np.array([4000.0, 3000.0, 2000.0, 1000.0, 500.0])}
    tree = independent_tree(junction_tree(domain, []), one_ways, 10_500.0)
    return Model(MarkovRandomField(tree), schema=Schema.loads(SCHEMA.replace("DECODE", decode)))


def test_a_sample_follows_the_slope_that_its_schema_asks_for() -> None:
    flat, steep = (
        model(decode).sample(100_000, seed=0)["age"].dropna().astype(int) for decode in ("uniform", "interpolated")
    )
    np.testing.assert_array_equal(np.bincount(flat // 25), np.bincount(steep // 25))
    # Bin 25..49: uniform has mean 37; a tilt of -1/6 takes it down by 25/36. Six standard errors are 0.26.
    assert abs(flat[flat // 25 == 1].mean() - 37) < 0.3
    assert abs(steep[steep // 25 == 1].mean() - 37 + 25 / 36) < 0.3
    assert model("interpolated").sample(50, seed=0).isna().any().any()
    default = replace(model("uniform"), schema=Schema.loads(SCHEMA.replace(", decode: DECODE", "")))
    assert default.sample(seed=0).equals(model("interpolated").sample(seed=0))


def test_a_condition_weighs_with_the_slope() -> None:
    half = {}
    for decode in ("uniform", "interpolated"):
        rows = model(decode).sample(40_000, where="age 25..36", seed=0, method="iid")
        assert rows["age"].between(25, 36).all()
        rows = model(decode).sample(40_000, where="age 13..36", seed=0, method="iid")
        half[decode] = (rows["age"] < 25).mean()
    # 12/25 of each bin under the uniform law; 4000 : 3000.
    assert abs(half["uniform"] - 4 / 7) < 0.02
    assert half["interpolated"] < half["uniform"] - 0.02, "less of the first bin lies in its upper half"


@pytest.mark.parametrize(
    ("field", "said"),
    [
        ("type: integer, constraints: {minimum: 0, maximum: 9}, dpsynth: {source: public, decode: spline}", "decode"),
        ("type: boolean, dpsynth: {source: public, decode: uniform}", "does not apply to boolean"),
        ("type: number, constraints: {enum: [1, 2]}, dpsynth: {source: public, decode: uniform}", "an enum has"),
    ],
)
def test_a_wrong_way_to_decode_is_an_error_of_the_schema(field: str, said: str) -> None:
    with pytest.raises(SchemaError, match=said):
        Schema.loads(f"dpsynth: {{version: 1, name: t}}\nfields:\n  - {{name: a, {field}}}\n")
