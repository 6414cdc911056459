"""A domain read from the fitted rows and called public: the audit tells by the values that one person holds."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pandas as pd

from dpsynth.anonymization.masks.keys import MaskKey
from dpsynth.curator.holdout import Coins
from dpsynth.evidence import Verdict
from dpsynth.pipeline.audit_release import audit_release
from dpsynth.pipeline.fit import fit

SCHEMA = """\
dpsynth: {version: 1, name: people, unit: row}
fields:
  - {name: sex, type: string, constraints: {enum: [f, m]}, dpsynth: {source: public}}
  - {name: job, type: string, constraints: {enum: [LISTED]}, dpsynth: {source: public}}
"""
GATE = """\
gate: 1
name: ours
version: "1"
title: Ours
about: A test.
candidates: 2
risks:
  - {risk: membership, measure: excess risk, at_most: 0.2, demand: no-failure, citation: test}
"""


def test_a_domain_read_from_the_fitted_rows_fails_by_the_values_that_one_person_holds(tmp_path, monkeypatch):
    """300 of 1,500 persons hold a job of their own. Of the two thirds that were fitted many are in the release: a
    lower bound of 0.2 needs 69 of 200, about 100 are met. Nobody can list the jobs of those who were held out.
    """
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DPSYNTH_LEDGER", "ledger.db")
    secret = MaskKey.fresh()
    monkeypatch.setattr(MaskKey, "fresh", lambda: secret)
    draw = np.random.default_rng(1)
    frame = pd.DataFrame({"sex": draw.choice(["f", "m"], 1_500), "job": draw.choice(list("abcd"), 1_500)})
    frame.loc[:299, "job"] = [f"job of p{one}" for one in range(300)]
    frame.to_csv("people.csv", index=False)
    held = Coins(secret[0], Fraction(1, 3)).of_rows(0, len(frame))
    (tmp_path / "s.yaml").write_text(SCHEMA.replace("LISTED", ", ".join(sorted(set(frame["job"][~held])))))
    (tmp_path / "ours.yaml").write_text(GATE)
    fit("people.csv", "s.yaml", epsilon=10, method="independent", holdout="1/3", output="m.dps").model.sample(
        1_500, seed=2
    ).to_csv("m.csv", index=False)
    found = audit_release("people.csv", "m.csv", "m.dps", holdout="m.dps.holdout.json", gate="ours.yaml")
    (told,) = (one.finding for one in found.findings if one.finding.attack == "support")
    assert (told.verdict, found.verdict) == (Verdict.FAIL, Verdict.FAIL)
    assert told.trials["controls"] > 60
