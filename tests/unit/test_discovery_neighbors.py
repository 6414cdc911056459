"""Discovery on neighbors: every exact input of a primitive keeps within its sensitivity, and what is asked, charged and
learned depends on released answers alone. Recorded on one table, replayed on its neighbor, through the real room.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pyarrow as pa
import pytest

from dpsynth.audit.replay import distance as moved
from dpsynth.curator import bounding, categories, curator, distinct
from dpsynth.ledger import Ledger
from dpsynth.pipeline.discovery import learn
from dpsynth.privacy.governor import Governor
from dpsynth.privacy.unit import Unit
from dpsynth.tables import open_table

COUNT = 3000
PERSON = Unit("person", 2)
SUPPRESSED = Unit(stability=3)


def rows() -> dict[str, list]:
    draw = np.random.default_rng(5)
    days = (np.datetime64("2020-01-01") + draw.integers(0, 700, COUNT)).astype(str).tolist()
    return {
        "person": [f"p{number}" for number in draw.integers(0, 1500, COUNT)],
        "city": draw.choice(["Rome", "Bonn", "Oslo"], COUNT).tolist(),
        "state": draw.choice(["Ohio", "Iowa", "Utah"], COUNT).tolist(),
        "age": [str(age) for age in draw.integers(18, 95, COUNT)],
        "price": [f"{price:.2f}" for price in draw.exponential(50, COUNT)],
        "day": days,
        "code": [str(code) for code in draw.choice([700_001, 700_002, 812_345], COUNT)],
        "note": [None if empty else "seen" for empty in draw.random(COUNT) < 0.3],
    }


PLAIN = {
    "city": "Rome",
    "state": "Ohio",
    "age": "40",
    "price": "9.99",
    "day": "2020-06-01",
    "code": "700001",
    "note": "seen",
}
ADDED = {
    "nulls": [dict.fromkeys(PLAIN)],
    "spelled nulls": [dict.fromkeys(PLAIN, " NaN ")],
    "a new category": [PLAIN | {"city": "Atlantis", "state": "Wyoming", "note": "never seen"}],
    "a new minimum": [PLAIN | {"age": "-999999999", "price": "-1e400", "day": "0001-01-01", "code": "0"}],
    "a text in a number column": [PLAIN | {"age": "forty", "price": "n.a.", "day": "yesterday"}],
    "a long text": [PLAIN | {"city": "x" * 5000, "age": "9" * 500}],
    "another format": [PLAIN | {"age": "40.5", "price": "1,000.00", "day": "31/12/2020", "code": "007"}],
    "many rows": [PLAIN | {"city": f"new {number}", "age": str(number)} for number in range(50)],
}  # fmt: skip


class Tape:
    """Writes down the exact inputs and the answers of primitives; with ``frozen`` answers it gives those."""

    def __init__(self, frozen: list | None = None) -> None:
        self.exact: list = []
        self.answers: list = []
        self._frozen = frozen

    def answer(self, question: str, exact, mechanism):
        self.exact.append((question, exact))
        self.answers.append(mechanism(exact) if self._frozen is None else self._frozen[len(self.answers)])
        return self.answers[-1]


class Taped:
    """A mechanism whose calls are on the tape."""

    def __init__(self, question: str, mechanism, tape: Tape) -> None:
        self._question, self._mechanism, self._tape = question, mechanism, tape

    def __getattr__(self, name):
        return getattr(self._mechanism, name)

    def __call__(self, exact):
        return self._tape.answer(self._question, exact, self._mechanism)


def run(columns: dict[str, list], unit: Unit, governor: str, tape: Tape, monkeypatch):
    """Questions, charges and the schema of a discovery through the room, its primitives taped."""
    ledger = Ledger.in_memory()
    cap = {"epsilon": Fraction(8), "delta": Fraction(1, 10**9)}
    ledger.create("pool", **cap, unit=unit, governor=Governor(governor))
    transaction = ledger.reserve(
        "pool", ledger.pool("pool").cap.share(Fraction(1, 2)), unit=unit, epsilon=Fraction(1), delta=Fraction(1, 10**9),
        purpose=None, method="test", details={},
    )  # fmt: skip
    transaction.touch()
    with monkeypatch.context() as patch:
        noise = curator.counting_noise
        for question, module in (("measure", curator), ("distinct_counts", distinct)):
            patch.setattr(
                module, "counting_noise", lambda *given, on=question: [Taped(on, one, tape) for one in noise(*given)]
            )
        released = categories._released
        patch.setattr(
            categories,
            "_released",
            lambda exact, *given: tape.answer("categories", exact, lambda exact: released(exact, *given)),
        )
        patch.setattr(bounding.os, "urandom", lambda size: np.random.default_rng(0).bytes(size))
        table = pa.table({name: pa.array(cells, pa.string()) for name, cells in columns.items()})
        learned = learn(open_table(table), unit, transaction, share=Fraction(1, 2), name="t", progress=lambda *_: None)
    asked = [event.data["question"] for event in ledger.events("pool") if event.kind == "DRAW"]
    return asked, [receipt.loss for receipt in transaction.draws], learned.schema.to_dict(), learned.record()


def distance(before, after, *, question: str = "measure") -> float:
    """How far the exact inputs of a primitive lie apart: the L1 distance of the counts of a column, or of its keys; of
    the numbers of distinct keys, which are one for each column, the largest difference.
    """
    if isinstance(before, tuple):
        first, second = (dict(zip(keys.to_pylist(), counts.tolist(), strict=True)) for keys, counts in (before, after))
        either = [*first, *(key for key in second if key not in first)]
        before, after = ([held.get(key, 0) for key in either] for held in (first, second))
    return moved(before, after, largest=question == "distinct_counts")


def neighbor(columns: dict[str, list], added: list[dict], person: str = "new") -> dict[str, list]:
    more = [row | {"person": person} for row in added]
    return {name: [*cells, *(row[name] for row in more)] for name, cells in columns.items()}


@pytest.mark.parametrize(("unit", "governor"), [(Unit(), "zcdp"), (PERSON, "gdp"), (SUPPRESSED, "gdp")])
def test_neighbors_differ_within_the_sensitivity_and_replay_alike(unit, governor, monkeypatch):
    base = rows()
    tape = Tape()
    first = run(base, unit, governor, tape, monkeypatch)
    assert {question["question"] for question in first[0]} == {"measure", "categories", "distinct_counts"}
    assert {question["sensitivity"] for question in first[0]} == {unit.rows}
    for name, added in ADDED.items():
        kept = added if unit == PERSON else added[: unit.stability]
        for columns in [neighbor(base, kept), *([neighbor(base, kept, person="")] if unit == PERSON else [])]:
            replayed = Tape(tape.answers)
            assert run(columns, unit, governor, replayed, monkeypatch) == first, name
            assert len(replayed.exact) == len(tape.exact)
            pairs = zip(tape.exact, replayed.exact, strict=True)
            distances = [distance(a, b, question=question) for (question, a), (_, b) in pairs]
            assert max(distances) <= unit.rows, name
            if unit == PERSON and columns["person"][-1] == "":
                assert max(distances) == 0, "rows of nobody do not count"


def test_a_bound_that_is_broken_is_seen(monkeypatch):
    """Fifty rows of a person move the inputs of a room that protects one row by fifty: the measure is not blind."""
    base, tape = rows(), Tape()
    run(base, Unit(), "gdp", tape, monkeypatch)
    replayed = Tape(tape.answers)
    run(neighbor(base, ADDED["many rows"]), Unit(), "gdp", replayed, monkeypatch)
    furthest: dict[str, float] = {}
    for (question, before), (_, after) in zip(tape.exact, replayed.exact, strict=True):
        furthest[question] = max(furthest.get(question, 0), distance(before, after, question=question))
    assert furthest == {"measure": 50, "categories": 50, "distinct_counts": 50}
