"""``step``: every output value is a multiple of it, all multiples of a bin are equally likely, conditions exact."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from dpsynth.errors import SchemaError
from dpsynth.schema import Condition, Schema
from dpsynth.schema.codecs import BinnedCodec


def codec(field: str) -> BinnedCodec:
    text = f"dpsynth: {{version: 1, name: t}}\nfields:\n  - {{name: a, {field}}}\n"
    found = Schema.loads(text).codec("a")
    assert isinstance(found, BinnedCodec)
    return found


def ranged(kind: str, low: object, high: object, part: str) -> str:
    return f"type: {kind}, constraints: {{minimum: {low}, maximum: {high}}}, dpsynth: {{source: public, {part}}}"


def drawn(found: BinnedCodec, code: int, count: int, condition: Condition | None = None) -> np.ndarray:
    return found.decode(np.full(count, code), np.random.default_rng(0), condition).to_numpy()


@pytest.mark.parametrize(
    ("field", "bins"),
    [
        (ranged("integer", 0, 99, "bins: {width: 20}, step: 5"), [range(c, c + 20, 5) for c in range(0, 100, 20)]),
        (ranged("integer", -7, 12, "bins: {width: 10}, step: 3"), [range(-6, 3, 3), range(3, 13, 3)]),
        (ranged("number", 0, 1, "bins: {count: 2}, step: 0.25"), [[0, 0.25], [0.5, 0.75, 1]]),
        (ranged("number", -1, 1, "bins: {edges: [-1, 0, 1]}, step: 0.1"), [np.arange(-10, 0) / 10, np.arange(11) / 10]),
        (ranged("number", 0, 100, "bins: {width: 50}, step: 12.5"), [[0, 12.5, 25, 37.5], [50, 62.5, 75, 87.5, 100]]),
    ],
)
def test_a_bin_gives_its_multiples_equally_often(field: str, bins: list[list[float]]) -> None:
    found = codec(field)
    assert found.bins.count == len(bins)
    for code, wanted in enumerate(bins):
        values, counts = np.unique(drawn(found, code, 20_000), return_counts=True)
        # The float of a multiple is the nearest one: as a person would write it.
        assert values.tolist() == [float(value) for value in wanted]
        # Binomial: 6 standard deviations, exceeded by one of these cells once in ten million correct drawings.
        share = 1 / len(wanted)
        assert np.abs(counts / 20_000 - share).max() <= 6 * np.sqrt(share * (1 - share) / 20_000)


def test_cells_between_multiples_are_still_counted() -> None:
    found = codec(ranged("integer", 0, 99, "bins: {width: 20}, step: 5"))
    assert found.encode(pa.array([0, 3, 21, 99])).tolist() == [0, 0, 1, 4]
    assert found.labels[0] == "0..19"


def test_conditions_count_multiples() -> None:
    found = codec(ranged("integer", 0, 99, "bins: {width: 20}, step: 5"))
    condition = Condition("a", "range", ("7", "30"))
    assert found.evidence(condition).tolist() == [0.5, 0.75, 0, 0, 0, 0]
    assert set(drawn(found, 0, 1000, condition)) == {10, 15}
    assert set(drawn(found, 1, 1000, condition)) == {20, 25, 30}
    assert found.evidence(Condition("a", "eq", ("7",))).sum() == 0
    real = codec(ranged("number", 0, 1, "bins: {count: 2}, step: 0.25"))
    assert real.evidence(Condition("a", "eq", ("0.75",))).tolist() == [0, 1 / 3, 0]


@pytest.mark.parametrize(
    ("field", "said"),
    [
        (ranged("integer", 0, 99, "bins: {width: 4}, step: 5"), "a bin holds no multiple of the step"),
        (ranged("integer", 0, 9, "step: 5"), "a bin holds no multiple of the step"),
        (ranged("number", 0, 1, "bins: {count: 9}, step: 0.25"), "a bin holds no multiple of the step"),
        (ranged("number", 0, 1, "bins: {count: 2}, step: 0.25, decimals: 1"), "one of step and decimals"),
        (ranged("number", 0, 1, "bins: {count: 2}, step: 1e-300"), "finer than floating point"),
        (ranged("number", 0, 1.0e300, "bins: {count: 2}, step: 0.1"), "finer than floating point"),
        (ranged("integer", 0, 99, "bins: {width: 20}, step: 2.5"), "whole number above 0"),
        (ranged("integer", 0, 99, "bins: {width: 20}, step: 0"), "above 0"),
        (ranged("number", 0, 1, "bins: {count: 2}, step: -1"), "above 0"),
        (ranged("number", 0, 1, "bins: {count: 2}, step: .inf"), "above 0"),
        (ranged("number", 0, 1, "bins: {count: 2}, step: .nan"), "above 0"),
        (ranged("number", 0, 1, "bins: {count: 2}, step: true"), "step"),
        (ranged("number", 0, 1, "bins: {count: 2}, step: wide"), "step"),
        ("type: boolean, dpsynth: {source: public, step: 1}", "does not apply to boolean"),
        ("type: integer, constraints: {enum: [1, 2]}, dpsynth: {source: public, step: 1}", "an enum has neither"),
        (ranged("date", "2024-01-01", "2024-12-31", "bins: month, step: 7"), "does not apply to date"),
    ],
)
def test_a_step_that_cannot_be_kept_is_an_error_of_the_schema(field: str, said: str) -> None:
    with pytest.raises(SchemaError, match=said):
        codec(field)
