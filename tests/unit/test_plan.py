"""What a plan accepts: exact numbers in their ranges, and nothing that merely looks like one."""

from __future__ import annotations

from fractions import Fraction

import pytest

from dpsynth.errors import ResourceLimitError, UsageError
from dpsynth.pipeline.plan import plan, privacy_parameters
from dpsynth.schema import Schema

SCHEMA = Schema.from_domain({"a": 3, "b": 4}, public="a test's own domain")


@pytest.mark.parametrize("epsilon", [0, -1, "nan", "inf", float("nan"), float("inf"), "one", "", None, True, 10_001])
def test_epsilon_is_a_positive_number(epsilon):
    with pytest.raises(UsageError):
        privacy_parameters(epsilon, "1e-9")


@pytest.mark.parametrize("delta", [1, -1, "nan", "1e-31", False])
def test_delta_is_0_or_lies_between_0_and_1(delta):
    with pytest.raises(UsageError):
        privacy_parameters(1, delta)


def test_a_delta_of_0_asks_pure_epsilon():
    assert privacy_parameters(1, "0") == (1, 0)


def test_decimals_are_taken_as_written():
    assert privacy_parameters(0.1, 1e-9) == (Fraction(1, 10), Fraction(1, 10**9))


def test_shares_of_a_plan_are_the_whole_loss():
    priced = plan(SCHEMA, epsilon=1)
    assert sum(step.share for step in priced.plan.steps) == 1
    assert sum(step.rho for step in priced.plan.steps) <= priced.loss.rho_exact


def test_a_model_beyond_the_memory_limit_is_refused():
    with pytest.raises(ResourceLimitError):
        plan(SCHEMA, epsilon=1, memory_limit=1)


def test_large_epsilon_and_row_units_are_warned_about():
    words = " ".join(plan(SCHEMA, epsilon=8).warnings)
    assert "membership" in words
    assert "ROW" in words
