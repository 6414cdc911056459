"""How often attacks on releases that leak nothing say that something leaks."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from attack_examples import SMALL, release
from dpsynth.audit.attacks.membership import membership_attacks
from dpsynth.audit.attacks.suite import attacked
from dpsynth.audit.attacks.tables import chosen
from dpsynth.audit.judging import judged
from dpsynth.domain import Domain
from dpsynth.evidence import Verdict

ALPHA = 0.05


def test_false_alarms_of_every_attack_stay_below_five_percent():
    """100 releases that no fitted row entered: each estimate's lower bound at 5 % is above 0 in at most 5 % + 4 sd,
    and Holm's FAIL against 0 over all attacks in at most 5 % + 4 sd of the releases.
    """
    repeats, alarms, failed = 100, {}, 0
    sizes = dataclasses.replace(SMALL, random=80, vulnerable=25, persons=80, predicates=100, smoke=1)
    small = Domain(tuple("abcd"), (6, 4, 3, 2))
    for seed in range(repeats):
        rng = np.random.default_rng(1000 + seed)
        tables = release(rng, 320, 160, 300, domain=small)
        found = attacked(tables, rng, sizes=sizes)
        observed = found.observed
        for result in found.membership:
            key = ("membership", result.name, "AUC", result.group)
            alarms[key] = alarms.get(key, 0) + (result.auc.lower(ALPHA) > 0)
        for one in observed:
            if "true positives" not in one.measure:  # a rate, whose level without a leak is not 0
                key = (one.risk, one.attack, one.measure, one.group)
                alarms[key] = alarms.get(key, 0) + (one.estimate.lower(ALPHA) > 0)
        verdicts = [f.verdict for f in judged([o.against(0.0) for o in observed if "true" not in o.measure])]
        failed += Verdict.FAIL in verdicts
    most = repeats * ALPHA + 4 * math.sqrt(repeats * ALPHA * (1 - ALPHA))
    assert len(alarms) >= 20
    assert {key: count for key, count in alarms.items() if count > most} == {}
    assert failed <= most


def test_true_positives_without_a_leak_match_the_false_positives():
    """40 releases, 400 members each: the mean TPR at 1 % is within 4 sd of at most 1 %."""
    found = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        tables = release(rng, 800, 800, 400)
        results = membership_attacks(tables, chosen(tables, rng, random=400, vulnerable=40), rng)
        found.append([r.true_positives(0.01).value for r in results if r.group == "random"])
    means = np.mean(found, axis=0)
    assert len(means) == 4
    assert (means <= 0.01 + 4 * np.std(found, axis=0) / math.sqrt(40)).all()
