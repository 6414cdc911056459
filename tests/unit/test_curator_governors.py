"""The room in pools of every governor: charges, scales, laws, and the refusal of what has no proof there."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from dpsynth.curator.curator import Curator
from dpsynth.curator.mechanisms import DiscreteGaussian, NoisyMax
from dpsynth.curator.noise import TableGaussian, counting_noise, noisy_max
from dpsynth.curator.pure import DiscreteLaplace, PermuteAndFlip
from dpsynth.domain import Domain
from dpsynth.errors import BudgetExceededError, LedgerError, NoGuaranteeError
from dpsynth.ledger import Ledger, Transaction
from dpsynth.privacy import laws
from dpsynth.privacy.answers import NoisyMarginal, Selection
from dpsynth.privacy.governor import Governor
from dpsynth.privacy.loss import PrivacyLoss
from dpsynth.privacy.queryable import Candidate
from dpsynth.privacy.reconciliation import loss_of, reconcile
from dpsynth.privacy.unit import Unit

DOMAIN = Domain(("a", "b", "c"), (2, 3, 4))
WITH_DELTA = (Governor.ZCDP, Governor.GDP)


class Rows:
    """A made-up table that counts how often it is read."""

    domain = DOMAIN

    def __init__(self):
        self.reads = 0

    def counts(self, cliques):
        self.reads += 1
        return [np.full(self.domain.shape(clique), 1000, dtype=np.int64) for clique in cliques]

    def prefetch(self, cliques):
        self.counts(cliques)


def room(governor, epsilon=Fraction(1), unit=Unit()) -> tuple[Curator, Rows, Transaction]:
    ledger = Ledger.in_memory()
    delta = Fraction(0) if governor is Governor.PURE else Fraction(1, 10**9)
    state = ledger.create("people", epsilon=epsilon, delta=delta, governor=governor, unit=unit)
    transaction = ledger.reserve("people", state.cap, unit=unit, epsilon=epsilon, delta=delta, method="test")
    transaction.touch()
    rows = Rows()
    return Curator(rows, unit, transaction), rows, transaction


def candidates():
    return [Candidate(clique, np.zeros(DOMAIN.shape(clique), dtype=np.int64)) for clique in (("a", "b"), ("b", "c"))]


@pytest.mark.parametrize("governor", Governor)
@pytest.mark.parametrize("unit", [Unit(), Unit("who", 4)])
def test_charges_cover_the_scales_and_fit_into_what_was_asked(governor, unit):
    curator, _, transaction = room(governor, unit=unit)
    asked = curator.remaining.share(Fraction(1, 3))
    answers = curator.measure([("a",), ("b",), ("a", "c")], asked, [1, 2, 4])
    chosen = curator.select(candidates(), asked)
    for receipt, parts in zip(transaction.draws, (answers, [chosen]), strict=True):
        exact = sum(governor.units(loss_of(part)) for part in parts)
        assert governor.units(receipt.loss) == exact
        assert governor.units(asked) * (1 - 1e-9) < exact <= governor.units(asked)
    assert answers[0].scale / answers[2].scale == pytest.approx(4, rel=0.02 if governor is Governor.GDP else 1e-9)
    assert {answer.sensitivity for answer in (*answers, chosen)} == {unit.max_rows}
    assert reconcile([*answers, chosen], transaction.draws, transaction.reservation, governor).rho > 0


@pytest.mark.parametrize("governor", Governor)
def test_answers_name_the_law_of_their_noise(governor):
    curator, _, transaction = room(governor)
    (answer,) = curator.measure([("a", "b")], curator.remaining.share(Fraction(1, 2)))
    chosen = curator.select(candidates(), curator.remaining)
    counts, choice = ("laplace", "permute-and-flip") if governor is Governor.PURE else ("gaussian", "exponential")
    assert (answer.law, chosen.law) == (counts, choice)
    events = [event.data["question"]["law"] for event in ledger_events(transaction)]
    assert events == [counts, choice]
    assert NoisyMarginal.from_record(answer.record(), answer.values).law == counts
    assert Selection.from_record(chosen.record()).law == choice
    assert answer.deviation == laws.deviation(counts, answer.scale)


def ledger_events(transaction):
    with transaction._store.reading() as session:
        from dpsynth.ledger import book

        return [event for event in map(book.event_of, session.rows("people")) if event.kind == "DRAW"]


def test_answers_that_name_no_law_are_gaussian_and_exponential():
    curator, _, _ = room(Governor.GDP)
    (answer,) = curator.measure([("a",)], curator.remaining.share(Fraction(1, 2)))
    chosen = curator.select(candidates(), curator.remaining)
    old = {name: value for name, value in answer.record().items() if name != "law"}
    assert NoisyMarginal.from_record(old, answer.values).law == "gaussian"
    old = {name: value for name, value in chosen.record().items() if name != "law"}
    assert Selection.from_record(old).law == "exponential"


@pytest.mark.parametrize("governor", Governor)
def test_more_than_what_is_left_is_refused_unread(governor):
    curator, rows, _ = room(governor)
    more = PrivacyLoss(
        *(units + 1 for units in (curator.remaining.rho, curator.remaining.mu2, 0, curator.remaining.epsilon))
    )
    nothing = PrivacyLoss(0, 0, 5, 0)
    for loss in (more, nothing):
        with pytest.raises(BudgetExceededError):
            curator.measure([("a",)], loss)
        with pytest.raises(BudgetExceededError):
            curator.select(candidates(), loss)
    assert rows.reads == 0


@pytest.mark.parametrize("epsilon", [1, 1000])
def test_gdp_scales_are_at_least_1_and_cost_what_that_costs(epsilon):
    curator, _, transaction = room(Governor.GDP, Fraction(epsilon))
    (answer,) = curator.measure([("a",)], curator.remaining)
    assert answer.scale >= 1
    assert (answer.scale == 1) == (epsilon == 1000)
    assert transaction.draws[0].loss == laws.gaussian_loss(1, answer.scale)
    if epsilon == 1000:
        assert curator.remaining.mu2 > 0, "never charged less or more than the scale costs"


@pytest.mark.parametrize("governor", Governor)
def test_a_mechanism_that_states_nothing_in_the_pools_currency_is_refused(governor, monkeypatch):
    curator, rows, transaction = room(governor)
    wrong = DiscreteGaussian(1, 0.9) if governor is Governor.GDP else DiscreteGaussian(1, 5.0)
    if governor is Governor.ZCDP:
        wrong.loss = PrivacyLoss(mu2=1 << 60)
    monkeypatch.setattr("dpsynth.curator.curator.counting_noise", lambda *_: [wrong])
    with pytest.raises(NoGuaranteeError, match="currency"):
        curator.measure([("a",)], curator.remaining)
    assert rows.reads == 0
    assert transaction.draws == ()


@pytest.mark.parametrize("governor", Governor)
def test_each_governor_gets_its_mechanisms(governor):
    (counts,), choice = counting_noise(governor, 1, [3.0], 12), noisy_max(governor, 1, 3.0)
    (many,) = counting_noise(governor, 1, [3.0], 10**6)
    pure = governor is Governor.PURE
    assert type(counts) is (DiscreteLaplace if pure else DiscreteGaussian)
    assert type(many) is (DiscreteLaplace if pure else TableGaussian)
    assert type(choice) is (PermuteAndFlip if pure else NoisyMax)


@pytest.mark.parametrize("scale", [0.3, 1.0, 4.3, 12.35, 1e4])
@pytest.mark.parametrize("sensitivity", [1, 3, 273])
def test_opendp_agrees_with_the_pure_laws(sensitivity, scale):
    counts, choice = DiscreteLaplace(sensitivity, scale), PermuteAndFlip(sensitivity, scale)
    assert float(Governor.PURE.amount(counts.loss)) == pytest.approx(sensitivity / scale, rel=1e-12)
    assert float(Governor.PURE.amount(choice.loss)) == pytest.approx(2 * sensitivity / scale, rel=1e-12)
    assert choice.loss == laws.pure_loss(2 * laws.pure_epsilon(sensitivity, scale))


def test_pure_mechanisms_refuse_a_map_above_the_charge(monkeypatch):
    for name in ("laplace_loss", "permute_and_flip_loss"):
        law = getattr(laws, name)
        monkeypatch.setattr(f"dpsynth.curator.pure.{name}", lambda m, scale, law=law: law(m - 1, scale))
    for kind in (DiscreteLaplace, PermuteAndFlip):
        with pytest.raises(NoGuaranteeError):
            kind(5, 10.0)


def test_a_law_that_was_changed_is_not_reconciled():
    curator, _, transaction = room(Governor.PURE)
    (answer,) = curator.measure([("a",)], curator.remaining)
    changed = NoisyMarginal.from_record({**answer.record(), "law": "gaussian"}, answer.values)
    with pytest.raises(LedgerError):
        reconcile([changed], transaction.draws, transaction.reservation, Governor.PURE)


@pytest.mark.parametrize("units", [1, 2**20, 2**50, 2**63, 2**66, 2**72])
@pytest.mark.parametrize("governor", Governor)
@pytest.mark.parametrize("sensitivity", [1, 4, 1000])
def test_a_scale_is_the_least_that_its_loss_affords(governor, sensitivity, units):
    loss = PrivacyLoss(units, units, 0, units)
    (scale,) = laws.measured_scales(governor, sensitivity, loss)
    counts, choice = ("laplace", "permute-and-flip") if governor is Governor.PURE else ("gaussian", "exponential")
    for law, found in ((counts, scale), (choice, laws.selection_scale(governor, sensitivity, loss))):
        charge = laws.LOSSES[law]
        assert governor.units(charge(sensitivity, found)) <= units
        smaller = found * (1 - 1e-9)
        assert governor.units(charge(sensitivity, smaller)) > units * (1 - 1e-12) or found == 1, (law, found)


def test_the_deviation_of_laplace_noise_keeps_its_digits():
    assert laws.deviation("laplace", 1e8) == pytest.approx(math.sqrt(2) * 1e8, rel=1e-12)
    assert laws.deviation("gaussian", 7.5) == 7.5


@pytest.mark.parametrize("governor", Governor)
def test_a_noisy_maximum_that_states_nothing_in_the_pools_currency_is_refused(governor, monkeypatch):
    curator, rows, transaction = room(governor)
    wrong = NoisyMax(1, 5.0) if governor is Governor.PURE else PermuteAndFlip(1, 5.0)
    if governor is not Governor.PURE:
        wrong.loss = PrivacyLoss(epsilon=1 << 60)
    monkeypatch.setattr("dpsynth.curator.curator.noisy_max", lambda *_: wrong)
    estimate = np.zeros(curator.domain.shape(("a",)), dtype=np.int64)
    with pytest.raises(NoGuaranteeError, match="currency"):
        curator.select([Candidate(("a",), estimate)], curator.remaining)
    assert rows.reads == 0
    assert transaction.draws == ()


@pytest.mark.parametrize("governor", Governor)
def test_the_ledger_refuses_a_draw_that_states_nothing_in_the_pools_currency(governor):
    _, _, transaction = room(governor)
    losses = {Governor.ZCDP: PrivacyLoss(mu2=1), Governor.GDP: PrivacyLoss(rho=1), Governor.PURE: PrivacyLoss(rho=1)}
    with pytest.raises(LedgerError, match="states no loss"):
        transaction.draw(losses[governor], {"question": "measure"})
    assert transaction.draws == ()


def test_a_score_of_very_many_cells_does_not_wrap():
    estimate = np.full(1 << 23, laws.COUNT_LIMIT, dtype=np.int64)
    counts = np.zeros_like(estimate)
    before = laws.score(counts, estimate, 1, 0)
    counts[0] = 1
    assert abs(laws.score(counts, estimate, 1, 0) - before) <= 1
    assert laws.exact_sum(estimate) == laws.COUNT_LIMIT << 23


def test_every_one_of_several_charges_must_state_a_loss():
    charged, free = laws.gaussian_loss(1, 5.0), PrivacyLoss(rho=1)
    assert laws.stated(Governor.GDP, [charged]) == charged
    with pytest.raises(NoGuaranteeError, match="currency"):
        laws.stated(Governor.GDP, [charged, free])


@pytest.mark.parametrize("governor", Governor)
def test_a_draw_that_differs_in_the_governed_component_alone_is_not_reconciled(governor):
    curator, _, transaction = room(governor)
    answers = curator.measure([("a",)], curator.remaining.share(Fraction(1, 2)))
    (draw,) = transaction.draws
    name = {Governor.ZCDP: "rho", Governor.GDP: "mu2", Governor.PURE: "epsilon"}[governor]
    cheaper = replace(draw, loss=replace(draw.loss, **{name: governor.units(draw.loss) - 1}))
    with pytest.raises(LedgerError, match="differs"):
        reconcile(answers, [cheaper], transaction.reservation, governor)
