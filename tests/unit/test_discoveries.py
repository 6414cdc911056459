"""Categories and distinct counts: refuse, charge, read, noise, answer; what a threshold costs and who pays for it."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pyarrow as pa
import pytest

from dpsynth.curator import categories as categories_module
from dpsynth.curator.categories import categories
from dpsynth.curator.distinct import distinct_counts
from dpsynth.curator.keys import KeySource
from dpsynth.errors import BudgetExceededError, FileFormatError, LedgerError, NoGuaranteeError, UsageError
from dpsynth.ledger import Ledger
from dpsynth.privacy.discoveries import Categories, DistinctCount
from dpsynth.privacy.governor import Governor
from dpsynth.privacy.laws import gaussian_loss
from dpsynth.privacy.loss import PrivacyLoss, total
from dpsynth.privacy.reconciliation import reconcile
from dpsynth.privacy.thresholds import discovery_delta, discovery_loss, least_threshold, release_probability
from dpsynth.privacy.unit import Unit
from dpsynth.tables.reading import open_table

COLORS = ["red"] * 3000 + ["green"] * 2000 + ["zürich"] * 1000 + ["only one"]
TABLE = pa.table({"color": COLORS, "size": [str(i % 4) for i in range(len(COLORS))]})
HALF = Fraction(1, 2)


class Recording:
    """A reader that writes down how many draws there were when it was read."""

    def __init__(self, table):
        self.reader, self.reads, self.transaction = open_table(table), [], None
        self.where, self.names, self.types = self.reader.where, self.reader.names, self.reader.types

    def batches(self, columns, batch_rows):
        self.reads.append(len(self.transaction.draws))
        return self.reader.batches(columns, batch_rows)


@pytest.fixture
def room():
    def build(table=TABLE, unit=Unit(), governor="gdp", epsilon=4, columns=("color", "size")):
        ledger = Ledger.in_memory()
        delta = Fraction(0) if governor == "pure" else Fraction(1, 10**9)
        ledger.create("pool", epsilon=Fraction(epsilon), delta=delta, unit=unit, governor=governor)
        transaction = reserved(ledger, ledger.pool("pool").cap, unit)
        reader = Recording(table)
        reader.transaction = transaction
        return KeySource(reader, columns, unit=unit), transaction, reader.reads, ledger

    return build


def reserved(ledger, loss, unit=Unit()):
    transaction = ledger.reserve(
        "pool", loss, unit=unit, epsilon=Fraction(1), delta=Fraction(1, 10**9), purpose=None, method="test", details={}
    )
    transaction.touch()
    return transaction


GAUSSIAN = pytest.mark.parametrize("governor", ["gdp", "zcdp"])


@GAUSSIAN
def test_common_keys_are_told_in_the_order_of_their_bytes(room, governor):
    source, transaction, reads, _ = room(governor=governor)
    asked = transaction.remaining.share(HALF)
    color, size = categories(source, Unit(), transaction, ["color", "size"], asked)
    assert (color.column, color.keys) == ("color", ("green", "red", "zürich"))
    assert (size.column, size.keys) == ("size", ("0", "1", "2", "3"))
    assert np.abs(color.values - [2000, 3000, 1000]).max() < 12 * color.scale
    assert color.values.dtype == np.int64
    assert (color.law, color.sensitivity) == ("gaussian", 1)
    assert reads == [1]  # the charge came first
    (receipt,) = transaction.draws
    assert receipt.loss == total([discovery_loss(1, one.scale, one.threshold) for one in (color, size)])
    assert Governor(governor).fits(receipt.loss, asked)
    assert Governor(governor).units(receipt.loss) == pytest.approx(Governor(governor).units(asked), rel=1e-6)
    assert 0 < receipt.loss.delta <= asked.delta


@pytest.mark.parametrize("governor", ["gdp", "zcdp", "pure"])
def test_distinct_keys_are_counted_with_noise(room, governor):
    source, transaction, reads, _ = room(governor=governor)
    asked = transaction.remaining.share(HALF)
    color, size = distinct_counts(source, Unit(), transaction, ["color", "size"], asked)
    assert abs(color.value - 4) < 30 * color.deviation
    assert (size.column, color.law) == ("size", "laplace" if governor == "pure" else "gaussian")
    assert reads == [1]
    assert transaction.draws[0].loss.delta == 0
    assert Governor(governor).fits(transaction.draws[0].loss, asked)


@pytest.mark.parametrize(
    ("unit", "rows"), [(Unit(), 1), (Unit(stability=7), 7), (Unit("color", 5), 5), (Unit("color", 5, stability=3), 15)]
)
def test_scales_and_thresholds_grow_with_the_unit(room, unit, rows):
    source, transaction, _, _ = room(unit=unit, governor="zcdp")
    asked = transaction.remaining.share(HALF)
    found = categories(source, unit, transaction, ["color", "size"], asked)
    counts = distinct_counts(source, unit, transaction, ["color", "size"], asked)
    for answer in (*found, *counts):
        assert answer.sensitivity == rows
        assert answer.scale == pytest.approx(rows * np.sqrt(2) / np.sqrt(2 * float(asked.rho_exact)), rel=1e-6)
    for answer in found:
        assert answer.threshold == least_threshold(rows, answer.scale, asked.delta // 2)


def test_pure_epsilon_has_no_threshold(room):
    source, transaction, reads, _ = room(governor="pure")
    with pytest.raises(UsageError, match="needs a delta"):
        categories(source, Unit(), transaction, ["color"], transaction.remaining)
    assert (reads, transaction.draws) == ([], ())


@pytest.mark.parametrize("question", [categories, distinct_counts])
def test_a_refused_question_reads_and_charges_nothing(room, question):
    source, transaction, reads, _ = room()
    left = transaction.remaining
    refusals = [
        (Unit(), ["color"], replace(left, mu2=left.mu2 + 10**9), BudgetExceededError),
        (Unit(), ["color"], PrivacyLoss(delta=left.delta), BudgetExceededError),
        (Unit(), ["shape"], left, UsageError),
        (Unit(), [], left, UsageError),
        (Unit("color", 2), ["color"], left, UsageError),
    ]
    for unit, columns, loss, error in refusals:
        with pytest.raises(error):
            question(source, unit, transaction, columns, loss)
    assert (reads, transaction.draws) == ([], ())


@pytest.mark.parametrize("factor", [0, 2])
def test_the_delta_of_a_threshold_comes_from_the_reservation(room, factor):
    source, transaction, reads, _ = room()
    asked = replace(transaction.remaining, delta=factor * transaction.remaining.delta)
    with pytest.raises(BudgetExceededError):
        categories(source, Unit(), transaction, ["color"], asked)
    assert (reads, transaction.draws) == ([], ())


def test_an_answer_of_another_currency_is_refused(room, monkeypatch):
    source, transaction, reads, _ = room()
    monkeypatch.setattr(categories_module, "discovery_loss", lambda *_: PrivacyLoss(rho=1, delta=1))
    with pytest.raises(NoGuaranteeError):
        categories(source, Unit(), transaction, ["color"], transaction.remaining)
    assert (reads, transaction.draws) == ([], ())


def test_delta_is_spent_from_reservation_and_pool(room):
    source, transaction, _, ledger = room()
    cap = ledger.pool("pool").cap
    assert not ledger.pool("pool").fits(PrivacyLoss(mu2=1, delta=1))
    quarter = transaction.remaining.share(Fraction(1, 4))
    answers = [*categories(source, Unit(), transaction, ["color"], replace(quarter, delta=cap.delta // 2))]
    answers += categories(source, Unit(), transaction, ["size"], replace(quarter, delta=transaction.remaining.delta))
    answers += distinct_counts(source, Unit(), transaction, ["size"], quarter)
    with pytest.raises(BudgetExceededError):
        categories(source, Unit(), transaction, ["size"], replace(quarter, delta=transaction.remaining.delta + 1))
    spent = reconcile(answers, transaction.draws, transaction.reservation, transaction.governor)
    transaction.commit({})
    state = ledger.pool("pool")
    assert state.charged == spent
    assert 0 < spent.delta <= cap.delta
    assert state.statement(spent)[1] == state.delta * Fraction(9, 10) + spent.delta_exact
    assert not state.fits(PrivacyLoss(mu2=1, delta=cap.delta - spent.delta + 1))
    with pytest.raises(BudgetExceededError):
        reserved(ledger, PrivacyLoss(mu2=1, delta=cap.delta - spent.delta + 1))
    reserved(ledger, PrivacyLoss(mu2=1, delta=cap.delta - spent.delta))
    ledger.verify()


def test_reconciliation_notices_a_threshold_that_was_not_paid(room):
    source, transaction, _, _ = room()
    (answer,) = categories(source, Unit(), transaction, ["color"], transaction.remaining.share(HALF))
    reconcile([answer], transaction.draws, transaction.reservation, transaction.governor)
    lower = Categories.from_record({**answer.record(), "threshold": answer.threshold - 1})
    with pytest.raises(LedgerError):
        reconcile([lower], transaction.draws, transaction.reservation, transaction.governor)


@pytest.mark.parametrize("scale", [4.0, 30_000.0], ids=["table", "opendp"])
def test_the_sampler_does_not_depend_on_the_number_of_keys(room, scale):
    samplers = set()
    for table in (TABLE.slice(0, 0), TABLE.slice(0, 1), TABLE):
        source, transaction, _, ledger = room(table, governor="zcdp", epsilon=20)
        asked = replace(gaussian_loss(1, scale), delta=transaction.remaining.delta)
        (answer,) = categories(source, Unit(), transaction, ["color"], asked)
        (event,) = [event for event in ledger.events("pool") if event.kind == "DRAW"]
        assert event.data["question"]["sampler"] == answer.sampler
        samplers.add(answer.sampler)
    assert samplers == {"table" if scale < 2**14 else "opendp"}


NEIGHBORS = {
    "a new key": TABLE.slice(0, 0).schema.empty_table(),
    "a key less": TABLE.slice(0, 6000),
    "no row": TABLE.slice(0, 0),
    "no key": pa.table({"color": ["", None, "\0"], "size": ["x" * 2000, "\ud800".encode("utf-8", "replace"), None]}),
    "other rows": pa.concat_tables([TABLE, pa.table({"color": ["new", "newer"], "size": ["9", ""]})]),
}


@pytest.mark.parametrize("unit", [Unit(), Unit("size", 3)], ids=str)
@pytest.mark.parametrize("name", NEIGHBORS)
def test_what_is_asked_and_charged_does_not_depend_on_the_rows(room, name, unit):
    def played(table):
        source, transaction, reads, ledger = room(table, unit=unit)
        categories(source, unit, transaction, ["color", "size"], transaction.remaining.share(HALF))
        distinct_counts(source, unit, transaction, ["size"], transaction.remaining.share(HALF))
        events = [event for event in ledger.events("pool") if event.kind == "DRAW"]
        return [(event.data["question"], event.data["loss"]) for event in events], reads

    assert played(NEIGHBORS[name]) == played(TABLE)


def test_answers_survive_json(room):
    source, transaction, _, _ = room()
    share = transaction.remaining.share(Fraction(1, 4))
    (found,) = categories(source, Unit(), transaction, ["color"], share)
    (number,) = distinct_counts(source, Unit(), transaction, ["color"], share)
    read = Categories.from_record(json.loads(json.dumps(found.record())))
    assert (read.keys, read.values.tolist()) == (found.keys, found.values.tolist())
    assert read.record() == found.record()
    assert DistinctCount.from_record(json.loads(json.dumps(number.record()))).record() == number.record()
    with pytest.raises(LedgerError):
        reconcile([read, number], transaction.draws[:1], transaction.reservation, transaction.governor)


BROKEN = [
    {"keys": ["b", "a", "c"]},
    {"keys": ["a", "a", "b"]},
    {"keys": ["a"]},
    {"values": [1, 2]},
    {"values": ["x", 2, 3]},
    {"values": [-1, -2, -3]},
    {"values": [2**70] * 3},
    {"threshold": None},
    {"law": "laplace"},
    {"scale": "inf"},
    {"scale": 3},
    {"receipt": {}},
    {"sensitivity": "many"},
]


@pytest.mark.parametrize("change", BROKEN, ids=[f"{key}-{i}" for i, one in enumerate(BROKEN) for key in one])
def test_malformed_records_are_refused(room, change):
    source, transaction, _, _ = room()
    (found,) = categories(source, Unit(), transaction, ["color"], transaction.remaining.share(HALF))
    with pytest.raises(FileFormatError):
        Categories.from_record({**found.record(), **change})
    (number,) = distinct_counts(source, Unit(), transaction, ["color"], transaction.remaining.share(HALF))
    for field in number.record():
        with pytest.raises(FileFormatError):
            DistinctCount.from_record({key: value for key, value in number.record().items() if key != field})


def exact_tail(scale, least):
    support = np.arange(-int(40 * scale) - 60, int(40 * scale) + 60)
    weights = np.exp(-(support.astype(np.float64) ** 2) / (2 * scale**2))
    return weights[support >= least].sum() / weights.sum()


@pytest.mark.parametrize("scale", [1.0, 1.7, 4.3, 44.1, 1000.0])
@pytest.mark.parametrize("rows", [1, 4, 30])
@pytest.mark.parametrize("delta", [1e-2, 1e-9, 1e-17])
def test_the_threshold_is_least_and_its_delta_covers_every_way_to_split_a_unit(scale, rows, delta):
    units = PrivacyLoss.budget(delta=Fraction(delta)).delta
    least = least_threshold(rows, scale, units)
    assert discovery_delta(rows, scale, least).delta <= units < discovery_delta(rows, scale, least - 1).delta
    bound = float(release_probability(rows, scale, least))
    for keys in range(1, rows + 1):  # so many keys of as many rows as the unit has for each
        assert keys * exact_tail(scale, least - rows // keys) <= bound * (1 + 1e-9)
    # Not wasteful: the bound is at most one step of the noise above the exact chance of a union of equal keys.
    assert bound <= rows * exact_tail(scale, least - rows - 1) * (1 + 1e-9)


@pytest.mark.parametrize("threshold", [-(10**9), 0, 4, 5])
def test_a_threshold_within_reach_of_a_unit_protects_nothing(threshold):
    assert release_probability(5, 3.0, threshold) == 1


def test_a_threshold_far_away_costs_the_smallest_unit():
    assert discovery_delta(1, 1.0, 10**15).delta == 1
    with pytest.raises(BudgetExceededError):
        least_threshold(1, 1.0, 0)
