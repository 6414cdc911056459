"""Tables that agree raise no alarm, tables that cannot all be right do, and the figures follow their definition."""

from __future__ import annotations

import math

import numpy as np
import pytest

from dpsynth.domain import Domain
from dpsynth.errors import DomainError
from dpsynth.graph.consistency import contradictions
from dpsynth.models import ClaimedMarginal
from dpsynth.privacy.answers import NoisyMarginal, Receipt
from dpsynth.privacy.loss import PrivacyLoss

DOMAIN = Domain(("a", "b", "c"), (4, 3, 5))
JOINT = np.random.default_rng(0).dirichlet(np.full(60, 0.4)).reshape(4, 3, 5) * 10_000
CLIQUES = [("a", "b"), ("c", "b"), ("a",), ("a", "c"), ("c",), ()]


def exact(clique):
    drop = tuple(axis for axis, name in enumerate(DOMAIN) if name not in clique)
    kept = [name for name in DOMAIN if name in clique]
    return JOINT.sum(axis=drop).transpose([kept.index(name) for name in clique])


def noisy(rng, scales):
    return [
        ClaimedMarginal(str(n), clique, exact(clique) + rng.normal(0, scale, DOMAIN.shape(clique)), scale)
        for n, (clique, scale) in enumerate(zip(CLIQUES, scales, strict=True))
    ]


def test_tables_that_agree_raise_no_alarm():
    # 1,000 sets of tables at a false-alarm rate of 1e-6 each: a correct implementation fails with a chance of 0.1 %
    # over all seeds, and never with this one. Scales differ by a factor of 1000: precisions must not cancel.
    rng = np.random.default_rng(1)
    for _ in range(1_000):
        assert not contradictions(DOMAIN, noisy(rng, 10.0 ** rng.uniform(-1, 2, len(CLIQUES))))


@pytest.mark.parametrize("shift", ["total", "one value"])
def test_a_table_that_is_off_is_found_first(shift):
    # Off by at least 15 deviations of the difference, at a limit near 5.5: missed with a chance below 1e-20 a set.
    rng = np.random.default_rng(2)
    for _ in range(100):
        tables = noisy(rng, [10.0] * len(CLIQUES))
        tables[1].values[...] += 200.0 if shift == "total" else np.array([[400.0], [-400.0], [0.0], [0.0], [0.0]])
        found = contradictions(DOMAIN, tables)
        assert found[0].position == 1
        assert found[0].attribute == (None if shift == "total" else "c")
        assert [one.deviations for one in found] == sorted((one.deviations for one in found), reverse=True)


def test_the_figure_is_the_difference_in_its_own_standard_deviations():
    tables = [ClaimedMarginal("x", ("a",), np.array([100.0] * 4), 3.0), ClaimedMarginal("y", (), np.array(0.0), 8.0)]
    found = contradictions(DOMAIN, tables)
    assert {(one.position, one.attribute) for one in found} == {(0, None), (1, None)}
    assert all(one.deviations == pytest.approx(400 / math.sqrt(4 * 9 + 64)) for one in found)


def test_nothing_to_compare_is_no_contradiction():
    one = ClaimedMarginal("x", ("a",), np.array([1e12, -1e12, 0, 0]), 1e-6)
    other = ClaimedMarginal("y", ("a",), np.zeros(4), 1e12)
    assert contradictions(DOMAIN, []) == contradictions(DOMAIN, [one]) == contradictions(DOMAIN, [other]) == ()
    assert not contradictions(DOMAIN, [one, other])


def test_buckets_are_refused():
    receipt = Receipt("t", 0, "0" * 64, PrivacyLoss())
    coarse = NoisyMarginal(("a",), np.array([1, 2]), 1.0, 1, receipt, "fake", (("a", (0, 0, 1, 1)),))
    with pytest.raises(DomainError, match="coarsened"):
        contradictions(DOMAIN, [coarse])
