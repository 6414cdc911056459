"""The likelihood-ratio audit in short: the restated law is the shipped one, and the game sees what it should.

The comparison of a law with the shipped code alarms falsely at most once in 1e6 runs; the other tests have fixed seeds.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from likelihood_ratio import DELTA, Counted, agreement, as_outputs, false_alarms, tree_ratios
from method_ratios import audited

from dpsynth.audit.game import Claim, played
from dpsynth.audit.paired import PairedQueryable, log_ratios
from dpsynth.audit.ratio import Setting, audit_gaussian, audit_tree
from dpsynth.audit.recorded import RecordedQueryable
from dpsynth.audit.tree_law import TreeLaw
from dpsynth.audit.tree_prices import TreePrices
from dpsynth.audit.worst_case import BINARY, tree_divergence, worst_case
from dpsynth.curator.curator import Curator
from dpsynth.privacy.governor import Governor
from dpsynth.privacy.loss import PrivacyLoss
from dpsynth.synthesizers import synthesizer


def restated(setting, loss=None):
    return TreeLaw(TreePrices(setting.governor, loss or setting.loss, setting.rows))


@pytest.mark.parametrize(
    "setting",
    [
        Setting(Fraction(1), DELTA, Governor.ZCDP, 1),
        Setting(Fraction(1, 2), DELTA, Governor.GDP, 1, rows=3),
        Setting(Fraction(10), DELTA, Governor.ZCDP, 1, rows=3),
        Setting(Fraction(10), DELTA, Governor.GDP, 1),
    ],
    ids=["1", "0.5 persons", "10 persons", "10"],
)
def test_the_same_answers_lead_to_the_same_questions_scales_and_ratio(setting):
    """Given the answers nothing is random: scales to the last bits, ratios to rounding; on 12 tables, both worlds."""
    law, rng, fit = restated(setting), np.random.default_rng(5), synthesizer("mst").fit
    merged = 0
    for run in range(24):
        if run % 2 == 0:
            neighbors = worst_case(lambda _: 0.0, setting.rows, rng, restarts=1)
        tables = neighbors.coded
        answering = RecordedQueryable(BINARY, tables[run % 2], setting.unit, setting.governor, setting.loss, rng)
        pair = PairedQueryable.over(answering, tables)
        outputs = as_outputs([fit(pair).answers])
        questions = law.questions(outputs.one_ways, outputs.again)
        assert law.edge_scales(questions, outputs.picked) == pytest.approx(outputs.scales, rel=1e-12)
        assert bool(questions.level[0]) == outputs.again.any()
        assert {asked.scale for asked in answering.transcript if asked.law == "exponential"} == {law.prices.select}
        ratio = law.log_ratios(outputs, questions, neighbors.table, neighbors.without)[0]
        assert ratio == pytest.approx(pair.log_ratio, abs=1e-8)
        merged += int(questions.merged.sum())
    assert merged or setting.epsilon > 1, "small tables must lead to buckets"


def test_the_law_is_that_of_the_shipped_code_through_the_room():
    found = agreement(Setting(Fraction(4), DELTA, Governor.ZCDP, 1, seed=3), 80, 10_000)
    assert len(found["p_values"]) == 24
    assert found["verdict"] == "PASS", found["p_values"]


@pytest.mark.parametrize("factor", [Fraction(4, 5), Fraction(5, 4)], ids=["too much noise", "too little"])
def test_the_comparison_sees_noise_that_is_10_percent_off(factor):
    setting = Setting(Fraction(4), DELTA, Governor.ZCDP, 1, seed=3)
    loss = PrivacyLoss.budget(rho=setting.loss.rho_exact * factor)
    assert agreement(setting, 2_000, 10_000, restated(setting, loss))["verdict"] == "FAIL"


@pytest.mark.parametrize(("epsilon", "floor"), [(4, 0.90), (10, 0.92)])
def test_the_whole_tree_shows_most_of_what_it_claims_and_no_more(epsilon, floor):
    audit = audit_tree(Setting(Fraction(epsilon), DELTA, Governor.ZCDP, 100_000, seed=1))
    assert audit.ratio > floor
    assert not audit.played.refuted


def test_gaussian_noise_alone_shows_its_epsilon():
    audit = audit_gaussian(Setting(Fraction(10), DELTA, Governor.GDP, 4_000_000, rows=20, seed=2), [1])
    assert 9.6 < audit.played.epsilon_lower < 10.2
    assert audit.ratio > 0.99
    assert not audit.played.refuted


def test_a_tree_that_spends_half_as_much_again_is_refuted():
    setting = Setting(Fraction(10), DELTA, Governor.GDP, 6_000, rows=20, seed=1)
    more = PrivacyLoss.budget(mu2=Governor.GDP.amount(setting.loss) * Fraction(3, 2))
    law, (search, rng) = restated(setting, more), setting.generators
    neighbors = worst_case(tree_divergence(law, search), setting.rows, search, restarts=10)
    claim = Claim.of(setting.governor, setting.loss)
    outcome = played(lambda held, other: tree_ratios(law, neighbors, held, other, rng), claim, setting.trials, rng)
    assert outcome.refuted


def test_a_tree_whose_selections_spend_twice_their_epsilon_is_refuted():
    """Of 100,000 runs so many more are guessed right that a miss has probability below 1e-3."""
    setting = Setting(Fraction(4), DELTA, Governor.ZCDP, 100_000, seed=1)

    class Doubled(TreePrices):
        select = restated(setting).prices.select / 2

    law, (search, rng) = TreeLaw(Doubled(setting.governor, setting.loss)), setting.generators
    neighbors = worst_case(tree_divergence(law, search), 1, search, restarts=20)
    claim = Claim.of(setting.governor, setting.loss, restated(setting).prices.most_mu2)
    outcome = played(lambda held, other: tree_ratios(law, neighbors, held, other, rng), claim, setting.trials, rng)
    assert outcome.refuted


def test_a_fit_that_spends_its_budget_twice_is_refuted_and_an_honest_one_is_not():
    """At epsilon 10 a doubled mu² is missed by 300 runs with probability below 1e-3."""
    setting = Setting(Fraction(10), DELTA, Governor.GDP, 300, rows=20, seed=1)
    fit, (_, rng) = synthesizer("independent").fit, setting.generators
    tables = worst_case(lambda _: 0.0, 20, rng, restarts=1).coded
    outcomes = []
    for budget in (setting.loss, replace(setting.loss, mu2=2 * setting.loss.mu2)):

        def play(held, other, budget=budget):
            return tuple(
                log_ratios(
                    fit,
                    lambda t=table: RecordedQueryable(BINARY, t, setting.unit, Governor.GDP, budget, rng),
                    tables,
                    n,
                )
                for table, n in zip(tables, (held, other), strict=True)
            )

        outcomes.append(played(play, Claim.of(Governor.GDP, setting.loss), setting.trials, rng))
    assert outcomes[0].p_value > 0.001 > outcomes[1].p_value


def test_a_ratio_through_the_room_is_that_of_its_answers():
    setting = Setting(Fraction(4), DELTA, Governor.ZCDP, 1)
    neighbors = worst_case(lambda _: 0.0, 1, np.random.default_rng(1), restarts=1)
    curator = Curator(neighbors.coded[0], setting.unit, Counted(setting.governor, setting.loss))
    pair = PairedQueryable.over(curator, neighbors.coded)
    outputs = as_outputs([synthesizer("mst").fit(pair).answers])
    law = restated(setting)
    questions = law.questions(outputs.one_ways, outputs.again)
    ratio = law.log_ratios(outputs, questions, neighbors.table, neighbors.without)[0]
    assert ratio == pytest.approx(pair.log_ratio, abs=1e-8)


def test_true_claims_are_refuted_no_more_often_than_stated():
    """False alarms of each kind stay below the binomial's quantile for one in 1e6 (44 of 300 at 5 %)."""
    found = false_alarms(300, 30)
    assert [item["verdict"] for item in found] == ["PASS"] * 3
    assert found[0]["refuted"] > 0
    assert found[1]["refuted"] > 0


@pytest.mark.parametrize("method", ["independent", "direct"])
def test_a_method_of_the_registry_is_audited_as_it_is(method):
    audit = audited(method, 150, restarts=2)
    assert audit.mechanism == method
    assert not audit.played.refuted
    assert audit.ratio > 0.6
