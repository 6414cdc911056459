"""The room: validate, charge durably, read, noise, answer — in that order, at the right sensitivity."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from dpsynth.curator.curator import Curator
from dpsynth.curator.mechanisms import DiscreteGaussian, NoisyMax
from dpsynth.curator.noise import TableGaussian
from dpsynth.curator.table_sampler import TableSampler
from dpsynth.domain import Domain
from dpsynth.errors import BudgetExceededError, DomainError, LedgerError, NoGuaranteeError, UsageError
from dpsynth.ledger import Ledger
from dpsynth.privacy import laws
from dpsynth.privacy.answers import NoisyMarginal
from dpsynth.privacy.governor import Governor
from dpsynth.privacy.laws import gaussian_loss
from dpsynth.privacy.loss import PrivacyLoss, total
from dpsynth.privacy.queryable import Candidate
from dpsynth.privacy.reconciliation import reconcile
from dpsynth.privacy.unit import Unit

DOMAIN = Domain(("a", "b", "c"), (2, 3, 4))


class CountingSource:
    """Owns a small made-up table and records when it is read."""

    domain = DOMAIN

    def __init__(self, transaction, rows=1000):
        self.transaction = transaction
        self.codes = np.random.default_rng(7).integers(0, [2, 3, 4], size=(rows, 3))
        self.reads = []

    def counts(self, cliques):
        self.reads.append((list(cliques), len(self.transaction.draws)))
        result = []
        for clique in cliques:
            counts = np.zeros(self.domain.shape(clique), dtype=np.int64)
            np.add.at(counts, tuple(self.codes[:, "abc".index(name)] for name in clique), 1)
            result.append(counts)
        return result


@pytest.fixture
def room():
    def build(unit=Unit(), epsilon=Fraction(10), governor="zcdp"):
        ledger = Ledger.in_memory()
        delta = Fraction(0) if governor == "pure" else Fraction(1, 10**9)
        ledger.create("pool", epsilon=epsilon, delta=delta, unit=unit, governor=governor)
        loss = ledger.pool("pool").cap
        transaction = ledger.reserve(
            "pool", loss, unit=unit, epsilon=epsilon, delta=delta, purpose=None, method="test", details={}
        )
        transaction.touch()
        source = CountingSource(transaction)
        return Curator(source, unit, transaction), source, transaction

    return build


def candidates(weight=1):
    return [
        Candidate(clique, np.full(DOMAIN.shape(clique), 1000 // DOMAIN.cells(clique), dtype=np.int64), weight)
        for clique in (("a", "b"), ("a", "c"), ("b", "c"))
    ]


def test_the_charge_is_on_disk_before_the_counts_are_read(room):
    curator, source, transaction = room()
    curator.measure([("a",)], curator.remaining.share(Fraction(1, 4)))
    curator.select(candidates(), curator.remaining.share(Fraction(1, 4)))
    assert [draws for _, draws in source.reads] == [1, 2]
    assert len(transaction.draws) == 2


def test_a_refused_question_reads_nothing(room):
    curator, source, transaction = room()
    too_much = PrivacyLoss(rho=curator.remaining.rho + 1)
    for ask in (
        lambda: curator.measure([("a",)], too_much),
        lambda: curator.select(candidates(), too_much),
        lambda: curator.measure([("a",)], PrivacyLoss()),
        lambda: curator.select(candidates(), PrivacyLoss()),
    ):
        with pytest.raises(BudgetExceededError):
            ask()
    assert source.reads == []
    assert transaction.draws == ()


@pytest.mark.parametrize("clique", [("z",), ("a", "a"), ("a", "z")], ids=["unknown", "twice", "one unknown"])
def test_cliques_outside_the_domain_are_refused(room, clique):
    curator, source, transaction = room()
    with pytest.raises(DomainError):
        curator.measure([clique], curator.remaining)
    assert source.reads == []
    assert transaction.draws == ()


@pytest.mark.parametrize("weights", [[0], [-1], [2**20 + 1], [1, 1], [1.0], [True]])
def test_weights_are_positive_integers(room, weights):
    curator, source, _ = room()
    with pytest.raises(UsageError):
        curator.measure([("a",)], curator.remaining, weights)
    assert source.reads == []


def bad_candidates():
    shape = DOMAIN.shape(("a", "b"))
    yield "float estimate", Candidate(("a", "b"), np.zeros(shape))
    yield "wrong shape", Candidate(("a", "b"), np.zeros((3, 2), dtype=np.int64))
    yield "negative estimate", Candidate(("a", "b"), np.full(shape, -1, dtype=np.int64))
    yield "huge estimate", Candidate(("a", "b"), np.full(shape, 2**40 + 1, dtype=np.int64))
    yield "float penalty", Candidate(("a", "b"), np.zeros(shape, dtype=np.int64), 1, 0.5)
    yield "huge penalty", Candidate(("a", "b"), np.zeros(shape, dtype=np.int64), 1, 2**61)
    yield "huge bonus", Candidate(("a", "b"), np.zeros(shape, dtype=np.int64), 1, -(2**61))
    yield "weight zero", Candidate(("a", "b"), np.zeros(shape, dtype=np.int64), 0)


@pytest.mark.parametrize("candidate", [c for _, c in bad_candidates()], ids=[name for name, _ in bad_candidates()])
def test_malformed_candidates_are_refused(room, candidate):
    curator, source, transaction = room()
    with pytest.raises((DomainError, UsageError)):
        curator.select([candidate], curator.remaining)
    assert source.reads == []
    assert transaction.draws == ()


def test_an_empty_question_is_refused(room):
    curator, _, _ = room()
    with pytest.raises(UsageError):
        curator.measure([], curator.remaining)
    with pytest.raises(UsageError):
        curator.select([], curator.remaining)


@pytest.mark.parametrize(
    ("unit", "expected"), [(Unit(), 1), (Unit(stability=7), 7), (Unit("id", 5), 5), (Unit("id", 5, stability=3), 15)]
)
def test_sensitivity_grows_with_the_unit(room, unit, expected):
    curator, _, _ = room(unit=unit)
    loss = curator.remaining.share(Fraction(1, 4))
    (answer,) = curator.measure([("a",)], loss)
    assert answer.sensitivity == expected
    assert answer.scale == pytest.approx(expected / np.sqrt(2 * float(loss.rho_exact)), rel=1e-9)
    chosen = curator.select(candidates(weight=4), loss)
    assert chosen.sensitivity == 4 * expected
    assert chosen.scale == pytest.approx(4 * expected / np.sqrt(2 * float(loss.rho_exact)), rel=1e-9)


@pytest.mark.parametrize("weights", [(1, 7, 2), (7, 1, 2), (2, 1, 7)])
def test_the_largest_weight_decides_the_sensitivity_of_a_selection(room, weights):
    curator, _, _ = room(unit=Unit("id", 5, stability=2))
    offered = [Candidate(c.clique, c.estimate, weight) for c, weight in zip(candidates(), weights, strict=True)]
    assert curator.select(offered, curator.remaining).sensitivity == 7 * 10


def test_a_coarsened_table_keeps_unit_and_stability(room):
    curator, _, _ = room(unit=Unit("id", 5, stability=3))
    coarse = curator.coarsened({"c": np.array([0, 1, 1, 0], dtype=np.int64)})
    loss = curator.remaining.share(Fraction(1, 4))
    measured = coarse.measure([("a",), ("c",)], loss)
    nothing = np.zeros(2, dtype=np.int64)
    chosen = coarse.select([Candidate(("c",), nothing), Candidate(("a",), nothing)], loss)
    assert [answer.sensitivity for answer in (*measured, chosen)] == [15, 15, 15]
    assert [answer.coarsening for answer in measured] == [(), (("c", (0, 1, 1, 0)),)]
    assert coarse.unit == Unit("id", 5)


def test_a_question_of_a_few_units_is_not_overcharged(room):
    curator, source, _ = room()
    answers = curator.measure([("a",), ("b",), ("c",)], PrivacyLoss(rho=10))
    assert answers[0].receipt.loss.rho == 9
    read = len(source.reads)
    with pytest.raises(BudgetExceededError):
        curator.measure([("a",), ("b",), ("c",)], PrivacyLoss(rho=2))
    assert len(source.reads) == read


def test_charges_cover_the_scales(room):
    curator, _, transaction = room()
    asked = curator.remaining.share(Fraction(1, 3))
    answers = curator.measure([("a",), ("b",), ("a", "c")], asked, [1, 2, 3])
    exact = sum(laws.rho_of_scale(answer.sensitivity, answer.scale) for answer in answers)
    (receipt,) = transaction.draws
    assert exact <= receipt.loss.rho_exact <= asked.rho_exact
    assert float(receipt.loss.rho_exact) == pytest.approx(float(asked.rho_exact), rel=1e-9)
    assert answers[0].scale / answers[2].scale == pytest.approx(3, rel=1e-9)
    chosen = curator.select(candidates(), asked)
    assert laws.rho_of_scale(chosen.sensitivity, chosen.scale) <= chosen.receipt.loss.rho_exact <= asked.rho_exact


def test_the_whole_reservation_can_be_spent_and_then_nothing_is_left(room):
    curator, _, _ = room()
    for _ in range(3):
        curator.measure([("a",)], curator.remaining.share(Fraction(1, 2)))
    curator.measure([("a", "b")], curator.remaining)
    assert float(curator.remaining.rho_exact) < 1e-9
    with pytest.raises(BudgetExceededError):
        curator.measure([("a",)], PrivacyLoss(rho=curator.remaining.rho + 1))


def test_answers_are_near_the_counts_at_high_budget(room):
    curator, source, _ = room(epsilon=Fraction(5000))
    answers = curator.measure([("a",), ("c", "a")], curator.remaining.share(Fraction(9, 10)))
    exact = source.counts([("a",), ("c", "a")])
    for answer, counts in zip(answers, exact, strict=True):
        assert answer.values.dtype == np.int64
        assert np.abs(answer.values - counts).max() <= 3
    counts = source.counts([("a", "b")])[0]
    good, bad = Candidate(("a", "b"), counts), Candidate(("a", "b"), np.zeros_like(counts))
    assert curator.select([good, bad, good], curator.remaining).index == 1


def test_coarsening_sums_cells_and_shares_the_transaction(room):
    curator, source, transaction = room(epsilon=Fraction(5000))
    coarse = curator.coarsened({"c": np.array([0, 1, 1, 0], dtype=np.int64)})
    assert coarse.domain == Domain(("a", "b", "c"), (2, 3, 2))
    (answer,) = coarse.measure([("c", "a")], curator.remaining.share(Fraction(9, 10)))
    exact = source.counts([("c", "a")])[0]
    merged = np.stack([exact[0] + exact[3], exact[1] + exact[2]])
    assert np.abs(answer.values - merged).max() <= 3
    assert answer.coarsening == (("c", (0, 1, 1, 0)),)
    assert curator.remaining == coarse.remaining
    assert len(transaction.draws) == 1


class WideSource:
    """Cells without rows; ``a`` alone has as many as OpenDP draws at most."""

    domain = Domain(("a", "b"), (1_000, 2))

    def counts(self, cliques):
        return [np.zeros(self.domain.shape(clique), dtype=np.int64) for clique in cliques]

    def prefetch(self, cliques):
        raise AssertionError


@pytest.fixture
def wide_room(monkeypatch):
    monkeypatch.setattr("dpsynth.curator.table_sampler.MANY_CELLS", 1_000)
    ledger = Ledger.in_memory()
    ledger.create("pool", epsilon=Fraction(1000), delta=Fraction(1, 10**9), unit=Unit(), governor="zcdp")
    transaction = ledger.reserve(
        "pool",
        ledger.pool("pool").cap,
        unit=Unit(),
        epsilon=Fraction(1000),
        delta=Fraction(1, 10**9),
        purpose=None,
        method="test",
        details={},
    )
    transaction.touch()
    return Curator(WideSource(), Unit(), transaction), ledger


@pytest.mark.parametrize(
    ("cliques", "loss", "sampler"),
    [
        ([("a",)], gaussian_loss(1, 30.0), "opendp"),
        ([("a",), ("b",)], total([gaussian_loss(1, 30.0)] * 2), "table"),  # together above the limit
        ([("a",), ("b",)], total([gaussian_loss(1, 0.12)] * 2), "opendp"),  # below the table's smallest scale
        ([("a",), ("b",)], total([gaussian_loss(1, 20_000.0)] * 2), "opendp"),
    ],
)
def test_answers_receipts_and_events_name_the_sampler_that_was_used(wide_room, monkeypatch, cliques, loss, sampler):
    curator, ledger = wide_room
    drawn = []
    draw = TableSampler.__call__
    monkeypatch.setattr(TableSampler, "__call__", lambda self, counts: drawn.append(counts.size) or draw(self, counts))
    answers = curator.measure(cliques, loss)
    assert [answer.sampler for answer in answers] == [sampler] * len(cliques)
    assert drawn == ([1_000, 2] if sampler == "table" else [])
    assert [NoisyMarginal.from_record(one.record(), one.values).sampler for one in answers] == [sampler] * len(answers)
    (event,) = [event for event in ledger.events("pool") if event.kind == "DRAW"]
    assert event.data["question"]["sampler"] == sampler
    assert event.hash == answers[0].receipt.event


def test_a_table_is_built_before_anything_is_charged(wide_room, monkeypatch):
    curator, ledger = wide_room
    monkeypatch.setattr("dpsynth.curator.noise.table_suits", lambda cells, scales: True)
    with pytest.raises(UsageError, match="scale from 1/8"):
        curator.measure([("a",)], gaussian_loss(1, 0.12))
    assert all(event.kind != "DRAW" for event in ledger.events("pool"))


def test_the_same_charge_whichever_sampler():
    for sensitivity, scale in ((1, 4.3), (5, 91.2)):
        assert TableGaussian(sensitivity, scale).loss == DiscreteGaussian(sensitivity, scale).loss


@pytest.mark.parametrize("buckets", [[0, 1, 1], [0, 2, 2, 0], [1, 1, 1, 1], [-1, 0, 0, 1], [-1, 1, 1, 1]])
def test_malformed_coarsenings_are_refused(room, buckets):
    curator, _, _ = room()
    with pytest.raises(DomainError):
        curator.coarsened({"c": np.array(buckets, dtype=np.int64)})


def test_a_coarsening_is_whole_numbers_and_fixed_once_given(room):
    curator, _, _ = room(epsilon=Fraction(5000))
    with pytest.raises(DomainError):
        curator.coarsened({"c": np.array([0, 1, 1, 0], dtype=np.float64)})
    buckets = np.array([0, 1, 1, 0], dtype=np.int64)
    coarse = curator.coarsened({"c": buckets})
    (before,) = coarse.measure([("c",)], curator.remaining.share(Fraction(1, 3)))
    buckets[:] = [0, 0, 0, 1]
    (after,) = coarse.measure([("c",)], curator.remaining.share(Fraction(1, 3)))
    assert np.abs(before.values - after.values).max() <= 6


def test_a_coarsened_table_is_not_coarsened_again(room):
    curator, _, _ = room()
    coarse = curator.coarsened({"c": np.array([0, 1, 1, 0], dtype=np.int64)})
    with pytest.raises(UsageError):
        coarse.coarsened({"a": np.array([0, 0], dtype=np.int64)})


def test_mechanisms_refuse_a_map_above_the_charge(monkeypatch):
    monkeypatch.setattr("dpsynth.curator.mechanisms.gaussian_loss", lambda *_: PrivacyLoss(rho=1))
    monkeypatch.setattr("dpsynth.curator.mechanisms.noisy_max_loss", lambda *_: PrivacyLoss(rho=1))
    for kind in (DiscreteGaussian, TableGaussian):
        with pytest.raises(NoGuaranteeError):
            kind(1, 10.0)
    with pytest.raises(NoGuaranteeError):
        NoisyMax(1, 10.0)


def test_the_map_is_asked_at_the_sensitivity(monkeypatch):
    for name in ("gaussian_loss", "noisy_max_loss"):
        law = getattr(laws, name)
        monkeypatch.setattr(f"dpsynth.curator.mechanisms.{name}", lambda m, scale, law=law: law(m - 1, scale))
    with pytest.raises(NoGuaranteeError):
        DiscreteGaussian(5, 10.0)
    with pytest.raises(NoGuaranteeError):
        NoisyMax(5, 10.0)


@pytest.mark.parametrize("scale", [0.3, 1.0, 4.3, 12.35, 91.2, 1e4])
@pytest.mark.parametrize("sensitivity", [1, 3, 273])
def test_opendp_agrees_with_the_laws(sensitivity, scale):
    expected = laws.rho_of_scale(sensitivity, scale)
    assert float(DiscreteGaussian(sensitivity, scale).loss.rho_exact) == pytest.approx(float(expected), rel=1e-12)
    assert float(NoisyMax(sensitivity, scale).loss.rho_exact) == pytest.approx(float(expected), rel=1e-12)


def test_reconciliation_accounts_for_every_draw(room):
    curator, _, transaction = room()
    loss = curator.remaining.share(Fraction(1, 4))
    answers = [*curator.measure([("a",), ("b",)], loss), curator.select(candidates(), loss)]
    spent = reconcile(answers, transaction.draws, transaction.reservation, Governor.ZCDP)
    assert spent.rho == sum(receipt.loss.rho for receipt in transaction.draws)
    with pytest.raises(LedgerError):
        reconcile(answers[1:], transaction.draws, transaction.reservation, Governor.ZCDP)
    with pytest.raises(LedgerError):
        reconcile(answers, transaction.draws[:1], transaction.reservation, Governor.ZCDP)
    with pytest.raises(LedgerError):
        reconcile(answers, transaction.draws, PrivacyLoss(rho=spent.rho - 1), Governor.ZCDP)
    with pytest.raises(LedgerError):
        reconcile([*answers, answers[0]], transaction.draws, transaction.reservation, Governor.ZCDP)
    louder = NoisyMarginal.from_record({**answers[0].record(), "scale": (1.0).hex()}, answers[0].values)
    with pytest.raises(LedgerError):
        reconcile([louder, *answers[1:]], transaction.draws, transaction.reservation, Governor.ZCDP)
