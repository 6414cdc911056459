"""A pool as a report tells it: how the sum of its charges grew, and what a domain was learned by."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from dpsynth.ledger import Ledger
from dpsynth.privacy.governor import Governor
from dpsynth.privacy.loss import PrivacyLoss
from dpsynth.privacy.unit import Unit
from dpsynth.report.pool import discoveries, public_pool
from dpsynth.report.public import PublicReport
from release_examples import made_model

DELTA = Fraction(1, 10**9)
PART = PrivacyLoss(rho=300, mu2=600)
QUESTION: Mapping[str, Any] = {"question": "measure", "cliques": [["a"]], "scales": ["0x1p+0"]}


def test_a_forfeit_charges_what_was_not_drawn_and_all_charges_add_up(tmp_path: Path) -> None:
    ledger = Ledger.open(tmp_path / "l.db")
    ledger.create("people", epsilon=Fraction(1), delta=DELTA, governor=Governor.GDP)
    whole = PrivacyLoss(rho=900, mu2=1800)
    asked = {"unit": Unit(), "epsilon": Fraction(1), "delta": DELTA, "method": "mst"}
    with ledger.reserve("people", whole, **asked) as fit:
        fit.touch()
        fit.draw(PART, QUESTION)
        fit.draw(PART, QUESTION)
        fit.forfeit("the file broke off")
    state = ledger.pools()[0]
    told = public_pool(state, ledger.events("people"), fit.id).to_dict()
    grew = [step["grew"] for step in told["timeline"] if step["grew"]]
    assert len(grew) == 3
    assert sum(grew) == pytest.approx(told["charged_amount"])
    assert told["charged_amount"] == pytest.approx(float(Governor.GDP.amount(whole)))


def test_draws_that_no_answer_of_the_model_carries_are_told_clique_by_clique(tmp_path: Path) -> None:
    model = made_model(tmp_path, method="independent")
    (pool,) = Ledger.open(tmp_path / "l.db").pools()
    events = Ledger.open(tmp_path / "l.db").events(pool.name)
    transaction = str(model.provenance["transaction"])
    assert discoveries(events, transaction, {one.receipt.event for one in model.answers}) == ()
    left = discoveries(events, transaction, ())
    assert [one["question"]["question"] for one in left] == ["measure"]
    told = PublicReport(model, None, (), questions=left).answers()
    assert [one["columns"] for one in told[: len(model.answers)]] == [list(one.clique) for one in model.answers]
    assert [one["scale"] for one in told[: len(model.answers)]] == [float(one.scale).hex() for one in model.answers]
