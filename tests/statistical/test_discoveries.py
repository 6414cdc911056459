"""Keys that one unit has alone are released as rarely as the charged delta says; answers carry the noise they state.

Noise cannot be seeded: every run draws afresh. The checks are exact binomial tests and those of
``audit/primitives.py``, each with a false alarm of at most 1e-6; what would go unnoticed is computed, and wrong rooms
are shown to be noticed.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pyarrow as pa
import pytest
from scipy import stats

from dpsynth.audit.primitives import audit_gaussian, audit_laplace, gaussian_law, rejected
from dpsynth.curator import categories as categories_module
from dpsynth.curator.categories import categories
from dpsynth.curator.distinct import distinct_counts
from dpsynth.curator.noise import counting_noise
from dpsynth.privacy.governor import Governor
from dpsynth.privacy.laws import gaussian_loss, laplace_loss
from dpsynth.privacy.loss import PrivacyLoss, total
from dpsynth.privacy.thresholds import least_threshold, release_probability
from dpsynth.privacy.unit import Unit

FALSE_ALARM = 1e-6
KEYS = 40_000
SCALE = 12.3
DELTA = 0.05
"""Much larger than anybody would ask, so that releases can be counted."""


class Loners:
    """A table of ``keys`` keys, each with as many rows as one unit has at most, and nobody else's."""

    def __init__(self, rows, keys=KEYS):
        texts = np.char.mod("%07d", np.arange(keys)).astype("S7")
        self.answer = pa.array(texts.tolist(), pa.large_binary()), np.full(keys, rows, dtype=np.int64)

    def check(self, unit, columns):
        pass

    def counts(self, columns):
        return [self.answer for _ in columns]


class Granted:
    """A transaction that grants whatever is drawn."""

    remaining = PrivacyLoss.budget(Fraction(1000), Fraction(1000), Fraction(1), Fraction(10**6))

    def __init__(self, governor=Governor.ZCDP):
        self.governor = governor

    def draw(self, loss, question):
        return None


def asked(rows, columns=1):
    return replace(total([gaussian_loss(rows, SCALE)] * columns), delta=PrivacyLoss.budget(delta=Fraction(DELTA)).delta)


def tail(scale, least):
    support, law = gaussian_law(scale)
    return float(law[support >= least].sum())


def p_values(rows):
    """Of as many keys as were released: is it too often for the delta of a key, and is it what the scale says?"""
    (answer,) = categories(Loners(rows), Unit("id", rows), Granted(), ["a"], asked(rows))
    assert answer.scale == pytest.approx(SCALE, rel=1e-9)
    assert answer.threshold == least_threshold(rows, answer.scale, asked(rows).delta)
    expected = tail(answer.scale, answer.threshold - rows)
    assert expected * rows <= release_probability(rows, answer.scale, answer.threshold) <= DELTA
    too_often = stats.binom.sf(len(answer.keys) - 1, KEYS, DELTA / rows)
    return too_often, stats.binomtest(len(answer.keys), KEYS, expected).pvalue


def power(chance, expected):
    """The probability that the two-sided test rejects when keys are released with this chance: by the normal law."""
    bound = stats.norm.isf(FALSE_ALARM / 2) * np.sqrt(KEYS * expected * (1 - expected))
    spread = np.sqrt(KEYS * chance * (1 - chance))
    return float(stats.norm.sf((bound - abs(chance - expected) * KEYS) / spread))


@pytest.mark.parametrize("rows", [1, 3])
def test_a_units_own_keys_are_released_as_rarely_as_its_delta_says(rows):
    """A scale 10 % off, either way, or a threshold one sigma too low goes unnoticed with probability below 1e-6."""
    least = least_threshold(rows, SCALE, asked(rows).delta)
    expected = tail(SCALE, least - rows)
    for chance in (tail(0.9 * SCALE, least - rows), tail(1.1 * SCALE, least - rows), tail(SCALE, least - rows - 12)):
        assert power(chance, expected) > 1 - 1e-6
    too_often, as_stated = p_values(rows)
    assert too_often > FALSE_ALARM
    assert as_stated > FALSE_ALARM


@pytest.mark.parametrize("rows", [1, 3])
def test_a_threshold_one_sigma_too_low_is_noticed(monkeypatch, rows):
    lower = lambda *arguments: least_threshold(*arguments) - round(SCALE)  # noqa: E731
    monkeypatch.setattr(categories_module, "least_threshold", lower)
    (answer,) = categories(Loners(rows), Unit("id", rows), Granted(), ["a"], asked(rows))
    assert stats.binom.sf(len(answer.keys) - 1, KEYS, DELTA / rows) < FALSE_ALARM


@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize("factor", [0.9, 1.1])
def test_noise_of_another_scale_is_noticed(monkeypatch, rows, factor):
    def wrong(governor, sensitivity, scales, cells):
        return counting_noise(governor, sensitivity, [scale * factor for scale in scales], cells)

    monkeypatch.setattr(categories_module, "counting_noise", wrong)
    _, as_stated = p_values(rows)
    assert as_stated < FALSE_ALARM


def test_all_columns_together_stay_within_the_delta():
    """The i-th keys of four columns are of one unit: how many of 40,000 units have any of them released?

    A delta that every column took whole goes unnoticed with probability below 1e-6: 19 % instead of 5 %.
    """
    answers = categories(Loners(1), Unit(), Granted(), list("abcd"), asked(1, 4))
    units = set().union(*(answer.keys for answer in answers))
    assert stats.binom.sf(len(units) - 1, KEYS, DELTA) > FALSE_ALARM
    assert len(units) > KEYS * DELTA / 2


@pytest.mark.parametrize("rows", [1, 4])
def test_every_released_count_has_the_noise_of_its_scale(rows):
    """Keys so common that all are released, at their noisy counts, in the order of their bytes."""
    common = Loners(10**6, 8_000)
    one, other = categories(common, Unit("id", rows), Granted(), ["a", "b"], asked(rows, 2))
    for answer in (one, other):
        assert [key.encode() for key in answer.keys] == common.answer[0].to_pylist()
        case = audit_gaussian(answer.scale, lambda _, answer=answer: answer.values - 10**6, 8_000)
        assert case.power_10_percent_small > 1 - 1e-6
        assert not rejected([case])
    assert abs(np.corrcoef(one.values, other.values)[0, 1]) < 5 / np.sqrt(8_000)  # false alarm 6e-7


@pytest.mark.parametrize("governor", [Governor.ZCDP, Governor.PURE])
@pytest.mark.parametrize("rows", [1, 4])
def test_every_distinct_count_has_the_noise_of_its_scale(governor, rows):
    pure = governor is Governor.PURE
    price, audit, many = (laplace_loss, audit_laplace, 16_000) if pure else (gaussian_loss, audit_gaussian, 8_000)
    loss = total([price(rows, SCALE * rows)] * many)
    columns = [str(column) for column in range(many)]
    answers = distinct_counts(Loners(1, 77), Unit("id", rows), Granted(governor), columns, loss)
    assert [answer.scale for answer in answers] == [pytest.approx(SCALE * rows, rel=1e-6)] * many
    values = np.array([answer.value - 77 for answer in answers])
    case = audit(answers[0].scale, lambda _: values, many)
    assert case.power_10_percent_small > 1 - 1e-6
    assert not rejected([case])
