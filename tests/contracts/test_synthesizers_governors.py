"""Every synthesizer under every governor that it works with: spends what it was given, and plans what it then gets."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from dpsynth.curator.curator import Curator
from dpsynth.curator.sources import MemorySource
from dpsynth.domain import Domain
from dpsynth.errors import UsageError
from dpsynth.ledger import Ledger
from dpsynth.privacy.answers import NoisyMarginal
from dpsynth.privacy.conversions import budget_of
from dpsynth.privacy.governor import Governor
from dpsynth.privacy.loss import PrivacyLoss
from dpsynth.privacy.reconciliation import reconcile
from dpsynth.privacy.unit import Unit
from dpsynth.synthesizers import NAMES, names_without_delta, synthesizer
from dpsynth.synthesizers.allocation import Noise, weight_of
from fake_queryable import FakeQueryable

DELTA = Fraction(1, 10**9)
DOMAIN = Domain(("a", "b", "c", "d"), (3, 4, 2, 5))
CASES = [
    (name, governor)
    for name in NAMES
    for governor in Governor
    if governor is not Governor.PURE or name in names_without_delta()
]


def budget(governor: Governor, epsilon: Fraction = Fraction(1)) -> PrivacyLoss:
    return budget_of(epsilon, Fraction(0) if governor is Governor.PURE else DELTA, governor)


def codes(rows: int = 3_000):
    rng = np.random.default_rng(5)
    first = rng.integers(0, 3, rows)
    noise = rng.random(rows) < 0.2
    return np.column_stack(
        [first, np.where(noise, rng.integers(0, 4, rows), first), rng.integers(0, 2, rows), rng.integers(0, 5, rows)]
    )


def room(governor: Governor, epsilon: Fraction):
    ledger = Ledger.in_memory()
    delta = Fraction(0) if governor is Governor.PURE else DELTA
    state = ledger.create("people", epsilon=epsilon, delta=delta, governor=governor)
    transaction = ledger.reserve("people", state.cap, unit=Unit(), epsilon=epsilon, delta=delta, method="test")
    transaction.touch()
    columns = {name: codes()[:, axis].astype(np.uint8) for axis, name in enumerate(DOMAIN)}
    return Curator(MemorySource(DOMAIN, columns), Unit(), transaction), transaction


def test_at_least_three_methods_work_without_a_delta():
    assert {"independent", "mst", "direct"} <= set(names_without_delta())


@pytest.mark.parametrize(("name", "governor"), CASES)
def test_a_fit_spends_what_it_was_given_and_keeps_the_columns_apart(name, governor):
    queryable = FakeQueryable(DOMAIN, codes(), budget(governor), governor=governor)
    method = synthesizer(name)
    plan = method.plan(DOMAIN, budget(governor), None, Unit(), governor)
    assert sum(step.share for step in plan.steps) == 1
    model = method.fit(queryable)
    assert governor.units(queryable.remaining) <= 2 * len(queryable.asked)
    exact = queryable.counts(("a",))
    found = model.marginal(("a",)).values
    assert np.abs(found - exact).sum() / 2 < 0.05 * exact.sum()


@pytest.mark.parametrize(("name", "governor"), [case for case in CASES if case[0] != "auto"])
def test_the_room_answers_and_every_draw_is_reconciled(name, governor):
    curator, transaction = room(governor, Fraction(2))
    model = synthesizer(name).fit(curator)
    spent = reconcile(model.answers, transaction.draws, transaction.reservation, governor)
    assert governor.units(spent) >= 0.999 * governor.units(transaction.reservation)
    laws = {answer.law for answer in model.answers if isinstance(answer, NoisyMarginal)}
    assert laws == {"laplace" if governor is Governor.PURE else "gaussian"}


@pytest.mark.parametrize("name", NAMES)
def test_a_budget_beyond_the_least_scale_of_gdp_ends(name):
    """At this epsilon a scale below 1 would be affordable: rounds cost less than their budget, and still end."""
    curator, transaction = room(Governor.GDP, Fraction(3_000))
    model = synthesizer(name).fit(curator)
    assert len(transaction.draws) <= 2 * 16 * len(DOMAIN) + 4
    assert min(answer.scale for answer in model.answers if isinstance(answer, NoisyMarginal)) >= 1
    assert reconcile(model.answers, transaction.draws, transaction.reservation, Governor.GDP).mu2 > 0


@pytest.mark.parametrize("governor", Governor)
def test_a_plan_prices_the_noise_that_the_room_gives(governor):
    curator, _ = room(governor, Fraction(1))
    plan = synthesizer("independent").plan(DOMAIN, curator.remaining, None, Unit(), governor)
    model = synthesizer("independent").fit(curator)
    assert plan.steps[0].scale == pytest.approx(max(answer.deviation for answer in model.answers), rel=1e-9)


@pytest.mark.parametrize("governor", Governor)
def test_noise_is_bought_by_the_rules_of_the_room(governor):
    buys, loss = Noise(governor, 1), budget(governor)
    curator = FakeQueryable(DOMAIN, codes(10), loss, governor=governor)
    answers = curator.measure([("a",), ("b",)], loss, [1, 3])
    assert buys.joint(loss, [1, 3]) == [answer.deviation for answer in answers]
    assert buys.measured(loss) < Noise(governor, 4).measured(loss)
    assert buys.measured(loss) < buys.measured(loss.share(Fraction(1, 2)))
    assert buys.selected(loss) < buys.selected(loss.share(Fraction(1, 2)))
    for too_little in (lambda: buys.measured(PrivacyLoss(9, 9, 0, 9)), lambda: buys.selected(PrivacyLoss(9, 9, 0, 9))):
        with pytest.raises(UsageError, match="too small"):
            too_little()


def test_weights_follow_the_law_of_the_noise():
    assert [weight_of(cells) for cells in (1, 8, 1000)] == [16, 32, 160]
    assert [weight_of(cells, Governor.PURE) for cells in (1, 9, 10_000)] == [16, 48, 1600]
