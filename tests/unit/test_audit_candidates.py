"""Candidates of a pool before a gate: what is counted passes, what cannot be counted keeps the gate closed."""

from __future__ import annotations

import pytest

from dpsynth.audit.gate import load_gate
from dpsynth.evidence import Verdict
from dpsynth.ledger import Ledger
from dpsynth.pipeline.candidates import counted

FIRST = {"candidate": 1, "of": 3}


@pytest.fixture(scope="module")
def durable(tmp_path_factory):
    return Ledger.open(tmp_path_factory.mktemp("ledger") / "ledger.db")


@pytest.mark.parametrize(
    ("dp", "attempt", "verdict", "words"),
    [
        (True, FIRST, Verdict.PASS, "candidate 1 of 3"),
        (True, None, Verdict.INCONCLUSIVE, "does not know the model's pool"),
        (None, None, Verdict.INCONCLUSIVE, "without a model"),
        ("claimed by somebody", None, Verdict.INCONCLUSIVE, "does not know the model's pool"),
    ],
)
def test_what_is_not_counted_does_not_pass(durable, dp, attempt, verdict, words):
    (found,) = counted(load_gate("default"), durable, attempt, dp=dp)
    assert (found.rule, found.verdict) == ("candidates", verdict)
    assert words in found.words


def test_a_count_that_ends_with_the_process_does_not_pass():
    (found,) = counted(load_gate("default"), Ledger.in_memory(), FIRST, dp=True)
    assert found.verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize(("gate", "dp"), [("wp216", True), ("wp216", None), ("default", False)])
def test_where_no_guarantee_is_asked_or_given_a_note_suffices(durable, gate, dp):
    assert counted(load_gate(gate), durable, None, dp=dp) == ()
