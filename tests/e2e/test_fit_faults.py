"""What a fault costs: nothing before TOUCH, the whole reservation after, and nothing is ever half-written."""

from __future__ import annotations

import hashlib
from fractions import Fraction

import numpy as np
import pyarrow as pa
import pytest

from dpsynth.errors import (
    BudgetExceededError,
    DpsynthError,
    FileFormatError,
    LedgerError,
    NoGuaranteeError,
    OutputExistsError,
)
from dpsynth.ledger import Ledger, Transaction
from dpsynth.pipeline import fit as journey
from dpsynth.privacy.conversions import budget_of
from dpsynth.privacy.governor import Governor
from dpsynth.privacy.loss import PrivacyLoss, total
from dpsynth.privacy.reconciliation import loss_of
from dpsynth.schema import Schema
from dpsynth.tables import write_sidecar

SECRET = "patient-4711"


@pytest.fixture
def ledger():
    return Ledger.in_memory()


@pytest.fixture
def schema():
    return Schema.from_domain({"a": 3, "b": 4, "c": 2}, name="made-up", public="a test's own domain")


def table(rows=500):
    rng = np.random.default_rng(3)
    return pa.table({"a": rng.integers(0, 3, rows), "b": rng.integers(0, 4, rows), "c": rng.integers(0, 2, rows)})


class BrokenStream:
    """A frame whose second batch cannot be read, with a cell in the error's text."""

    def __init__(self, error):
        self.error = error

    def __arrow_c_stream__(self, requested_schema=None):
        whole = table()

        def batches():
            yield whole.to_batches()[0]
            raise self.error

        return pa.RecordBatchReader.from_batches(whole.schema, batches()).__arrow_c_stream__(requested_schema)


def cost(ledger):
    return ledger.pool("made-up").charged.rho


def test_a_fit_commits_what_it_drew(ledger, schema, tmp_path):
    outcome = journey.fit(table(), schema, epsilon=1, ledger=ledger, output=tmp_path / "m.dps")
    state = ledger.pool("made-up")
    assert outcome.created_pool
    assert state.epsilon == 1
    assert state.reserved.rho == 0
    assert state.charged == outcome.spent == total([r.loss for r in {a.receipt for a in outcome.model.answers}])
    assert state.governor is Governor.GDP
    assert outcome.spent.mu2 <= outcome.priced.loss.mu2
    assert outcome.spent.mu2 == pytest.approx(outcome.priced.loss.mu2, rel=1e-6)
    assert 0 < outcome.spent.rho <= outcome.priced.loss.rho
    assert [p.name for p in tmp_path.iterdir()] == ["m.dps"]


def test_a_second_fit_beyond_the_cap_is_refused_and_reads_nothing(ledger, schema, monkeypatch):
    journey.fit(table(), schema, epsilon=1, ledger=ledger)
    touched = []
    monkeypatch.setattr(Transaction, "touch", lambda self: touched.append(self.id))
    before = cost(ledger)
    with pytest.raises(BudgetExceededError):
        journey.fit(table(), schema, epsilon=Fraction(1, 10), ledger=ledger)
    assert touched == []
    assert cost(ledger) == before


@pytest.mark.parametrize("method", ["independent", "mst"])
def test_a_fit_per_person_pays_for_all_rows_of_a_person(ledger, schema, method):
    persons = table().append_column("who", pa.array([f"p{row % 90}" for row in range(500)]))
    outcome = journey.fit(persons, schema, epsilon=1, ledger=ledger, method=method, unit="who:4")
    assert {answer.sensitivity for answer in outcome.model.answers} == {4}
    assert outcome.pool.unit == outcome.priced.unit
    mu2 = sum(loss_of(answer).mu2 for answer in outcome.model.answers)
    assert 0 < mu2 <= outcome.priced.loss.mu2


@pytest.mark.parametrize("label", ["STABLE(2) doubled", "NON-DP suppressed"])
def test_a_table_with_a_step_that_moves_more_rows_is_refused_before_anything_is_spent(ledger, schema, tmp_path, label):
    path = tmp_path / "t.csv"
    path.write_bytes(b"a,b,c\n0,0,0\n")
    write_sidecar(path, ["FREE renamed", label], hashlib.sha256(path.read_bytes()).hexdigest())
    with pytest.raises(NoGuaranteeError) as caught:
        journey.fit(path, schema, epsilon=1, ledger=ledger)
    assert caught.value.exit_code == 9
    assert ledger.pool("made-up") is None


@pytest.mark.parametrize(("epsilon", "stated"), [(Fraction(1, 3), "0.333333333334"), ("0.1", "0.1"), (2, "2")])
def test_a_model_never_states_a_stronger_guarantee_than_was_bought(ledger, schema, epsilon, stated):
    guarantee = journey.fit(table(), schema, epsilon=epsilon, ledger=ledger).model.provenance["guarantee"]
    assert guarantee["epsilon"] == stated
    assert Fraction(guarantee["delta"]) == Fraction(1, 10**9)


def test_shares_of_a_cap_fill_it(ledger, schema):
    ledger.create("made-up", epsilon=Fraction(1), delta=Fraction(1, 10**9))
    for _ in range(5):
        outcome = journey.fit(table(), schema, share="1/5", ledger=ledger, method="independent")
        assert outcome.priced.epsilon > Fraction(2, 5), "a fifth of mu² is more than a fifth of epsilon"
        bought = budget_of(outcome.priced.epsilon, outcome.priced.delta, Governor.GDP)
        assert bought.mu2 >= outcome.priced.loss.mu2
    with pytest.raises(BudgetExceededError):
        journey.fit(table(), schema, share="1/5", ledger=ledger, method="independent")


@pytest.mark.parametrize("stage", ["touch", "draw", "commit"])
@pytest.mark.parametrize(
    "fault", [KeyboardInterrupt, MemoryError, RuntimeError(SECRET)], ids=["ctrl-c", "memory", "bug"]
)
def test_a_fault_in_any_stage_costs_what_is_documented(ledger, schema, tmp_path, monkeypatch, stage, fault):
    original = getattr(Transaction, stage)
    calls = []

    def faulty(self, *args, **kwargs):
        calls.append(stage)
        if stage == "touch" or len(calls) == (2 if stage == "draw" else 1):
            raise fault
        return original(self, *args, **kwargs)

    monkeypatch.setattr(Transaction, stage, faulty)
    with pytest.raises(BaseException) as caught:  # noqa: PT011
        journey.fit(table(), schema, epsilon=1, ledger=ledger, method="mst", output=tmp_path / "m.dps")
    if fault is KeyboardInterrupt:
        assert caught.type is KeyboardInterrupt
    elif stage != "commit":
        assert isinstance(caught.value, DpsynthError)
        assert SECRET not in str(caught.value)
        assert caught.value.__suppress_context__
    assert list(tmp_path.iterdir()) == []
    state = ledger.pool("made-up")
    assert state.reserved.rho == 0
    assert cost(ledger) == (0 if stage == "touch" else state.cap.rho)


@pytest.mark.parametrize("error", [OSError(SECRET), ValueError(SECRET)])
def test_a_table_that_breaks_off_forfeits_with_a_constant_message(ledger, schema, error):
    with pytest.raises(FileFormatError) as caught:
        journey.fit(BrokenStream(error), schema, epsilon=1, ledger=ledger)
    assert SECRET not in str(caught.value)
    assert not any(character.isdigit() for character in caught.value.message)
    assert cost(ledger) == ledger.pool("made-up").cap.rho


class Greedy:
    """A synthesizer that asks for more than its reservation."""

    name = "greedy"

    def __init__(self, honest):
        self.honest = honest

    def plan(self, *arguments):
        return self.honest.plan(*arguments)

    def fit(self, queryable, report=None):
        queryable.measure([("a",)], queryable.remaining)
        queryable.measure([("b",)], PrivacyLoss(rho=1 << 40))
        raise AssertionError("the curator answered beyond the reservation")


class Forgetful(Greedy):
    """A synthesizer whose model hides one of its answers."""

    def fit(self, queryable, report=None):
        queryable.measure([("b",)], queryable.remaining.share(Fraction(1, 2)))
        return self.honest.fit(queryable)


@pytest.mark.parametrize(("kind", "error"), [(Greedy, BudgetExceededError), (Forgetful, LedgerError)])
def test_synthesizers_that_overspend_or_hide_release_nothing(ledger, schema, tmp_path, monkeypatch, kind, error):
    honest = journey.synthesizer("independent")
    monkeypatch.setattr(journey, "synthesizer", lambda *_, **__: kind(honest))
    with pytest.raises(error):
        journey.fit(table(), schema, epsilon=1, ledger=ledger, output=tmp_path / "m.dps")
    assert list(tmp_path.iterdir()) == []
    assert cost(ledger) == ledger.pool("made-up").cap.rho


def test_an_existing_output_is_refused_before_anything_is_reserved(ledger, schema, tmp_path):
    (tmp_path / "m.dps").write_text("mine")
    with pytest.raises(OutputExistsError):
        journey.fit(table(), schema, epsilon=1, ledger=ledger, output=tmp_path / "m.dps")
    assert (tmp_path / "m.dps").read_text() == "mine"
    assert ledger.pool("made-up") is None


def test_a_full_disk_releases_nothing(ledger, schema, tmp_path, monkeypatch):
    from dpsynth.models import Model

    def full(self, path):
        path.write_bytes(b"half a model")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Model, "write", full)
    with pytest.raises(DpsynthError):
        journey.fit(table(), schema, epsilon=1, ledger=ledger, output=tmp_path / "m.dps")
    assert list(tmp_path.iterdir()) == []
    assert ledger.pool("made-up").reserved.rho == 0


@pytest.mark.parametrize("method", ["mst", "independent"])
@pytest.mark.parametrize(
    ("sizes", "rows"),
    [
        ({"a": 3}, 100),
        ({"a": 1}, 100),
        ({"a": 3, "b": 1, "c": 1}, 100),
        ({"a": 3, "b": 4}, 1),
        ({"a": 3, "b": 4}, 0),
        ({f"x{i}": 2 for i in range(200)}, 50),
    ],
    ids=["one column", "one constant column", "constant columns", "one row", "no row", "200 columns"],
)
def test_extreme_tables_fit(ledger, method, sizes, rows):
    rng = np.random.default_rng(5)
    data = pa.table({name: rng.integers(0, size, rows) for name, size in sizes.items()})
    schema = Schema.from_domain(sizes, name="made-up", public="a test's own domain")
    model = journey.fit(data, schema, epsilon=1, ledger=ledger, method=method).model
    sample = model.sample(20, seed=1, output="pyarrow")
    assert sample.num_rows == 20
    assert sample.column_names == list(sizes)
    for name, size in sizes.items():
        assert set(sample[name].to_pylist()) <= set(range(size))


def test_an_all_null_column_fits(ledger):
    schema = Schema.from_domain({"a": 3, "b": 4}, name="made-up", public="a test's own domain")
    data = pa.table({"a": pa.nulls(50), "b": pa.array([None] * 50, pa.string())})
    model = journey.fit(data, schema, epsilon=1, ledger=ledger).model
    assert model.sample(5, seed=1, output="pyarrow").num_rows == 5
