"""Record and replay of discovery: it passes on made-up tables, and whatever reads rows past the primitives is seen.

Replays are deterministic: none of these tests can alarm by chance. That the restated questions are those of the room is
told by ``test_discovery_neighbors.py``, which replays the room itself.
"""

from __future__ import annotations

import itertools
from dataclasses import replace
from fractions import Fraction

import pytest

from dpsynth.audit.made_up import ADDED, PERSON, made_up_tables
from dpsynth.audit.recorded_questions import RecordedQuestions
from dpsynth.audit.replay import distance
from dpsynth.pipeline import audit_discovery
from dpsynth.pipeline.audit_discovery import discovery_replays
from dpsynth.privacy.unit import Unit


@pytest.mark.parametrize("unit", [Unit(), PERSON], ids=str)
def test_discovery_replays_from_csv(unit):
    (outcome,) = itertools.islice(discovery_replays([unit]), 1)
    assert (outcome.table, outcome.deviations) == (f"ordinary, unit {unit}", ())
    assert outcome.primitives >= 10
    assert outcome.neighbors >= len(ADDED)
    assert outcome.largest == 1, "some neighbor uses the whole sensitivity"


def test_values_are_found_at_this_budget(tmp_path):
    """Replays of a discovery that learned nothing would show little."""
    recording = audit_discovery._run(tmp_path, made_up_tables(Unit())[0].csv(), Unit(), 0)(None)
    asked = {one.question[0] for one in recording.transcript}
    found = {one.question[2]: dict(one.output) for one in recording.transcript if one.question[0] == "categories"}
    assert asked == {"measure", "categories", "distinct"}
    assert set(found["sex"]) == {"f", "m"}
    assert recording.reconciled


def first(monkeypatch, unit, change):
    """What the replay of the ordinary table on this neighbor shows."""
    table = made_up_tables(unit)[0]
    kept = [one for one in table.neighbors() if one.change == change]
    monkeypatch.setattr(audit_discovery, "made_up_tables", lambda _: [table])
    monkeypatch.setattr(type(table), "neighbors", lambda _: iter(kept))
    (outcome,) = discovery_replays([unit])
    return [(one.what, one.distance, one.allowed) for one in outcome.deviations]


ONE, MOVED = "added: an ordinary row", "an exact input moves further than its sensitivity"


def test_rows_of_a_person_that_are_not_bounded_are_seen(monkeypatch):
    whole = audit_discovery.partition_source
    monkeypatch.setattr(audit_discovery, "partition_source", lambda reader, parts, _: whole(reader, parts, Unit()))
    assert first(monkeypatch, PERSON, ONE)[0] == (MOVED, 50.0, 2)


def test_values_of_a_person_that_are_not_bounded_are_seen(monkeypatch):
    whole = audit_discovery.key_source
    monkeypatch.setattr(audit_discovery, "key_source", lambda reader, _: whole(reader, Unit()))
    assert (MOVED, 50.0, 2) in first(monkeypatch, PERSON, ONE)


def test_a_budget_that_is_paid_twice_or_not_at_all_is_seen(monkeypatch):
    whole = RecordedQuestions.distinct

    def free(self, columns, loss):
        answers = whole(self, columns, loss)
        self.draws[-1] = replace(self.draws[-1], loss=self.draws[-1].loss.share(Fraction(1, 2)))
        return answers

    monkeypatch.setattr(RecordedQuestions, "distinct", free)
    found = first(monkeypatch, Unit(), ONE)
    assert {what for what, *_ in found} == {"the answers cost other than what was drawn"}


def test_a_domain_read_from_the_rows_is_seen(monkeypatch):
    """A schema that lists a value which no answer released."""
    whole = audit_discovery.document

    def leaking(found, *, name, unit, header):
        return whole(found, name=f"{name} {counted[-1]}", unit=unit, header=header)

    counted, discovered = [], audit_discovery.discover

    def peeking(questions, purse):
        counted.append(len(questions._exact.keys(["region"])[0]))
        return discovered(questions, purse)

    monkeypatch.setattr(audit_discovery, "discover", peeking)
    monkeypatch.setattr(audit_discovery, "document", leaking)
    assert first(monkeypatch, Unit(), "added: a category that no row has") == [("the model differs", None, None)]


def test_a_question_that_depends_on_rows_is_seen(monkeypatch):
    discovered = audit_discovery.discover

    def branching(questions, purse):
        if len(questions._exact.keys(["region"])[0]) > 3:
            questions.distinct(["sex"], purse.part(purse.most / 100))
        return discovered(questions, purse)

    monkeypatch.setattr(audit_discovery, "discover", branching)
    found = {what for what, *_ in first(monkeypatch, Unit(), "added: a category that no row has")}
    assert "the question differs" in found


def test_an_error_that_depends_on_rows_is_seen(monkeypatch):
    discovered = audit_discovery.discover

    def raising(questions, purse):
        if len(questions._exact.keys(["region"])[0]) > 3:
            raise ValueError
        return discovered(questions, purse)

    monkeypatch.setattr(audit_discovery, "discover", raising)
    found = {what for what, *_ in first(monkeypatch, Unit(), "added: a category that no row has")}
    assert "the outcome (ValueError) differs" in found


def test_counts_by_key_are_compared_by_key():
    assert distance({b"a": 3, b"b": 1}, {b"a": 2, b"c": 5}) == 7
    assert distance({}, {}) == 0
    assert distance({b"a": 3, b"b": 1}, {b"a": 2, b"c": 5}, largest=True) == 5
