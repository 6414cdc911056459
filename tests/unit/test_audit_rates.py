"""Estimates of attacks: coverage by enumeration or repetition, sizes, and verdicts with their false-alarm rates."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest
from scipy import stats

from dpsynth.audit.attacks.results import AttackResult, best_cut
from dpsynth.audit.judging import Measured, by_risk, holm, judged, overall
from dpsynth.audit.rates import (
    Advantage,
    Auc,
    Excess,
    Guesses,
    Rate,
    claimed_advantage,
    claimed_true_positives,
)
from dpsynth.audit.true_positives import TruePositives
from dpsynth.errors import UsageError
from dpsynth.evidence import Color, Verdict

ALPHA = 0.05


@dataclass(frozen=True)
class Share:
    """One rate as an estimate, to have a level that is known."""

    rate: Rate

    nothing = 0.0
    value = property(lambda self: self.rate.value)
    trials = property(lambda self: {"members": self.rate.trials})

    def lower(self, alpha):
        return self.rate.lower(alpha)

    def upper(self, alpha):
        return self.rate.upper(alpha)

    def ceiling(self, alpha):
        return Rate(self.rate.trials, self.rate.trials).lower(alpha)

    def visible(self, _alpha):
        return None

    def needed(self, _threshold, _alpha):
        return None


def measured(estimate, threshold, risk="linkability", group="all"):
    return Measured(risk, "nearest neighbor", "holds the table", group, "excess risk", estimate, threshold)


@pytest.mark.parametrize(("a", "c"), [(0.0, 0.0), (0.3, 0.3), (0.35, 0.2), (0.9, 0.5), (0.97, 0.97)])
@pytest.mark.parametrize("kind", [Excess, Advantage])
def test_bounds_of_two_rates_cover_by_enumeration(kind, a, c):
    """Exact: the probability of a miss over all pairs of counts is at most alpha, on either side."""
    n, m = 40, 25
    truth = (a - c) / (1 - c) if kind is Excess else a - c
    law = np.outer(stats.binom.pmf(np.arange(n + 1), n, a), stats.binom.pmf(np.arange(m + 1), m, c))
    missed = np.zeros(2)
    for (i, j), chance in np.ndenumerate(law):
        if chance > 1e-12:
            estimate = kind(Rate(i, n), Rate(j, m))
            missed += chance * np.array([estimate.lower(ALPHA) > truth, estimate.upper(ALPHA) < truth])
    assert (missed <= ALPHA).all()


def test_a_factor_scales_the_controls_rate():
    assert Excess(Rate(40, 100), Rate(10, 100), 4).value == 0
    assert Excess(Rate(50, 100), Rate(10, 100), 4).value == pytest.approx(1 / 6)
    assert Excess(Rate(50, 100), Rate(90, 100), 4).value == 0


@pytest.mark.parametrize(("shift", "n", "m"), [(0.0, 200, 80), (0.5, 100, 300), (1.5, 60, 60)])
def test_the_interval_of_an_auc_covers(shift, n, m):
    """2,000 repeats at 95 %: fewer than 93.9 % covered has a chance below 1 % if coverage is 95 %."""
    rng = np.random.default_rng(5)
    truth = stats.norm.cdf(shift / math.sqrt(2))
    covered = 0
    for _ in range(2_000):
        found = Auc.of(rng.normal(shift, 1, n), rng.normal(0, 1, m)).interval(0.95)
        covered += found.low <= truth <= found.high
    assert covered / 2_000 >= 0.939


def test_an_auc_counts_ties_half_and_knows_its_ends():
    assert Auc.of(np.array([1.0, 1.0]), np.array([1.0])).area == 0.5
    assert Auc.of(np.array([2.0, 1.0]), np.array([1.0, 0.0])).area == 0.875
    perfect = Auc.of(np.ones(50), np.zeros(50))
    assert perfect.area == 1
    assert perfect.interval().low < 1
    assert Auc.of(np.zeros(0), np.zeros(3)).interval().to_dict() == {"low": 0.0, "high": 1.0, "level": 0.95}


def test_the_threshold_for_true_positives_keeps_its_false_alarm_rate():
    """Conformal: over 3,000 draws of 150 controls a further control exceeds the threshold in at most 1 % (+ 4 sd)."""
    rng = np.random.default_rng(8)
    exceeded = 0.0
    for _ in range(3_000):
        controls = rng.integers(0, 400, 150).astype(float)
        result = AttackResult("made up", "none", "random", rng.integers(0, 400, 10).astype(float), controls)
        exceeded += result.true_positives(0.01).value / 3_000
    assert exceeded <= 0.01 + 4 * math.sqrt(0.01 / 30_000)


def test_too_few_controls_set_no_threshold():
    result = AttackResult("made up", "none", "random", np.ones(50), np.zeros(50))
    few = result.true_positives(0.001)
    assert (few.value, few.lower(ALPHA), few.upper(ALPHA), few.ceiling(ALPHA)) == (0, 0, 1, 0)
    assert result.true_positives(0.02).value == 1
    with pytest.raises(UsageError):
        result.true_positives(0.0)


def _at_the_claim(rng, epsilon, delta, members, controls):
    """Scores whose ROC is the curve that (epsilon, delta) allows: a score is 1 − the false-positive rate at it."""
    corner = (1 - delta) / (1 + math.exp(epsilon))
    true = [delta, claimed_true_positives(corner, epsilon, delta), 1.0]
    return 1 - np.interp(rng.random(members), true, [0.0, corner, 1.0]), rng.random(controls)


@pytest.mark.parametrize("controls", [400, 1_000, 4_884])
def test_true_positives_at_the_claim_are_no_failure_and_bounds_cover(controls):
    """An attack exactly at the claim of ε = 0.5, 1,000 repeats: either bound misses in at most 5 % (+ 4 sd)."""
    rng = np.random.default_rng(21)
    claim = claimed_true_positives(0.01, 0.5, 1e-5)
    below = above = as_if_known = 0
    for _ in range(1_000):
        found = AttackResult("made up", "none", "random", *_at_the_claim(rng, 0.5, 1e-5, 5_000, controls))
        rate = found.true_positives(0.01)
        below += rate.lower(ALPHA) > claim
        above += rate.upper(ALPHA) < claim
        cut = np.sort(found.controls)[-int(0.01 * (controls + 1))]
        as_if_known += Rate.of(found.members > cut).lower(ALPHA) > claim
    most = 1_000 * ALPHA + 4 * math.sqrt(1_000 * ALPHA * (1 - ALPHA))
    assert max(below, above) <= most
    assert as_if_known > 1.5 * most  # the cut taken for one of a known rate: what this test is there to catch


def test_true_positives_see_what_is_there():
    """At 4,884 controls an attack with six times the claim of ε = 0.5 at 1 % fails it in every of 200 repeats."""
    rng = np.random.default_rng(22)
    claim = claimed_true_positives(0.01, 0.5, 1e-5)
    for _ in range(200):
        members, controls = _at_the_claim(rng, 0.5, 1e-5, 5_000, 4_884)
        members[:500] = 1.0
        assert TruePositives(members, controls, 0.01).lower(ALPHA) > claim


def test_ties_go_against_whoever_profits():
    """All scores equal: nothing is shown, and nothing is excluded."""
    rate = TruePositives(np.zeros(500), np.zeros(1_000), 0.01)
    assert rate.lower(ALPHA) == 0
    assert rate.upper(ALPHA) == 1


def test_the_sample_size_for_true_positives_is_about_enough():
    """At the size found, scores without a leak pass 0.05 in half of 200 repeats or more; at a third in few."""
    rng = np.random.default_rng(23)
    n = TruePositives(np.zeros(0), np.zeros(0), 0.01).needed(0.05, ALPHA)
    for size, least_share, most_share in ((n, 0.4, 1.0), (n // 3, 0.0, 0.2)):
        passes = sum(TruePositives(*rng.random((2, size)), 0.01).upper(ALPHA) <= 0.05 for _ in range(200)) / 200
        assert least_share <= passes <= most_share


def test_an_advantage_is_measured_on_records_that_did_not_choose_the_cut():
    """Pure noise: a cut chosen on the same records would show about 0.15 on average, this shows none."""
    rng = np.random.default_rng(3)
    lows = []
    for _ in range(400):
        result = AttackResult("made up", "none", "random", rng.normal(size=80), rng.normal(size=80))
        lows.append(result.advantage.members.value - result.advantage.controls.value)
    assert abs(np.mean(lows)) < 4 * np.std(lows) / 20


@pytest.mark.parametrize(
    ("members", "controls", "cut"),
    [([3, 4], [1, 2], 2.5), ([1, 1], [2, 2], math.inf), ([2, 2], [2, 2], math.inf), ([], [1], math.inf)],
)
def test_the_best_cut(members, controls, cut):
    assert best_cut(np.array(members, float), np.array(controls, float)) == cut


def test_a_known_cut_uses_every_record_and_scores_are_finite():
    result = AttackResult("made up", "none", "random", np.array([1.0, -1.0]), np.array([-1.0]), cut=0.0)
    assert result.advantage == Advantage(Rate(1, 2), Rate(0, 1))
    with pytest.raises(UsageError):
        AttackResult("made up", "none", "random", np.array([np.nan]), np.zeros(1))


def test_a_roc_curve_runs_from_corner_to_corner():
    rng = np.random.default_rng(1)
    curve = AttackResult("made up", "none", "random", rng.normal(1, 1, 500), rng.normal(0, 1, 400)).roc(50)
    assert curve[0] == (0, 0)
    assert curve[-1] == (1, 1)
    assert len(curve) <= 50
    assert curve == sorted(curve)
    assert AttackResult("made up", "none", "random", np.zeros(0), np.zeros(0)).roc() == [(0, 0), (1, 1)]


@pytest.mark.parametrize("rate", [0.0, 0.2, 0.5, 0.8])
def test_sample_sizes_are_just_enough(rate):
    """At the size found no leak passes, clearly below it does not; never fewer than 2 z² c/((1−c) R²)."""
    n = Excess(Rate(0, 0), Rate(round(1000 * rate), 1000)).needed(0.09, ALPHA)
    for size, passes in ((n, True), (int(0.9 * n), False)):
        same = Rate(round(rate * size), size)
        assert (Excess(same, same).upper(ALPHA) <= 0.09) is passes
    assert n >= 2 * 1.645**2 * rate / ((1 - rate) * 0.09**2)


@pytest.mark.parametrize(
    "estimate",
    [Guesses(0, 0), Auc(0.5, 0, 0), TruePositives(np.zeros(0), np.zeros(0), 0.01), Advantage(Rate(0, 0), Rate(0, 0))],
)
def test_nothing_tried_is_inconclusive_with_the_number_needed(estimate):
    (found,) = judged([measured(estimate, 0.2)])
    assert found.verdict is Verdict.INCONCLUSIVE
    assert found.needed > 10
    assert "needed" in found.words
    assert f"{found.needed:,}" in found.words
    assert found.ceiling == 0
    assert found.figure.color is Color.INTERNAL
    assert (found.figure.interval.low, found.figure.interval.high) == (0, 1)


def test_three_verdicts():
    clear = measured(Excess(Rate(900, 1000), Rate(100, 1000)), 0.09)
    clean = measured(Excess(Rate(10, 5000), Rate(10, 5000)), 0.09, risk="inference")
    unclear = measured(Excess(Rate(9, 20), Rate(8, 20)), 0.09, risk="singling out")
    found = judged([clear, clean, unclear])
    assert [one.verdict for one in found] == [Verdict.FAIL, Verdict.PASS, Verdict.INCONCLUSIVE]
    assert by_risk(found) == {
        "linkability": Verdict.FAIL,
        "inference": Verdict.PASS,
        "singling out": Verdict.INCONCLUSIVE,
    }
    assert "not detected; would have been seen above" in found[1].words
    assert "at least" in found[0].words
    assert found[0].to_dict()["figure"]["color"] == "internal"


def test_what_does_not_stand_after_counting_all_figures_is_said_to_be_seen_alone():
    """A bound above nothing at 5 % but not at a third of it: 1 figure calls it found, 3 do not, and Holm agrees."""
    weak, none = measured(Guesses(579, 1_100), 0.5), measured(Guesses(550, 1_100), 0.5)
    assert weak.estimate.lower(ALPHA) > 0 == weak.estimate.lower(ALPHA / 3)
    assert ": found, between" in judged([weak])[0].words
    alone = judged([weak, none, none])[0]
    assert "seen by this figure alone, not after counting all 3 figures: between" in alone.words
    assert "found" not in alone.words


def test_true_positives_no_better_than_controls_are_not_detected():
    """Their rate is f and not 0 where nothing leaks: a bound above 0 is no detection."""
    even = np.linspace(0, 1, 5_000)
    (found,) = judged([measured(TruePositives(even, even, 0.01), 0.2)])
    assert found.figure.interval.low > 0
    assert "not detected; would have been seen above" in found.words


def drawn(kind, truth, rng, n=600, m=400):
    """An estimate of this kind whose true value is ``truth``; the controls' rate is 0.2."""
    if kind is Guesses:
        return Guesses(int(rng.binomial(n, (1 + truth) / 2)), n)
    if kind is Auc:  # members who are above every control with chance ``truth``
        return Auc.of(rng.random(n) + (rng.random(n) < truth), rng.random(m))
    if kind is TruePositives:  # a true rate of ``truth`` at 1 %
        return TruePositives(rng.random(n) + (rng.random(n) < (truth - 0.01) / 0.99), rng.random(2 * m), 0.01)
    rate = 0.2 + truth * (0.8 if kind is Excess else 1)
    return kind(Rate(int(rng.binomial(n, rate)), n), Rate(m // 5, m))


@pytest.mark.parametrize("kind", [Excess, Advantage, Guesses, Auc, TruePositives])
def test_what_would_have_been_seen_is_seen(kind):
    """At the value that is said, 600 repeats show it in 95 % (− 4 sd); at a third of the way to it in under 60 %."""
    rng = np.random.default_rng(31)
    nothing = drawn(kind, 0.01, rng).nothing
    visible = drawn(kind, nothing, rng).visible(ALPHA)
    for truth, least_share, most_share in ((visible, 0.95, 1), (nothing + (visible - nothing) / 3, 0, 0.6)):
        found = [drawn(kind, truth, rng) for _ in range(600)]
        share = sum(one.lower(ALPHA) > one.nothing for one in found) / 600
        assert least_share - 4 * math.sqrt(0.95 * 0.05 / 600) <= share <= most_share


@pytest.mark.parametrize(
    "estimate",
    [Excess(Rate(0, 3), Rate(0, 0)), Guesses(0, 4), Auc(0.5, 0, 5), TruePositives(np.ones(9), np.ones(9), 0.01)],
)
def test_trials_that_could_have_shown_nothing_say_so(estimate):
    assert estimate.visible(ALPHA) is None
    assert "no value would have been" in judged([measured(estimate, 0.2)])[0].words


@pytest.mark.parametrize("kind", [Excess, Advantage, Guesses, Auc])
def test_the_number_needed_gives_an_even_chance_to_pass(kind):
    """Nothing leaks: 600 repeats at the size that is said pass in 50 % (± 4 sd, and what rounding and skew do)."""
    rng = np.random.default_rng(32)
    n = drawn(kind, 0.0, rng, 1_000, 1_000).needed(0.1, ALPHA)
    passes = 0
    for _ in range(600):
        one = drawn(kind, 0.0, rng, n, n)
        if kind in (Excess, Advantage):  # the controls are drawn as well
            one = kind(one.members, Rate(int(rng.binomial(n, 0.2)), n))
        passes += one.upper(ALPHA) <= 0.1
    assert abs(passes / 600 - 0.5) <= 4 * math.sqrt(0.25 / 600) + 0.03


@pytest.mark.parametrize("kind", [Excess, Advantage, Guesses, Auc, TruePositives])
def test_no_trials_show_more_than_the_ceiling_and_perfect_ones_show_it(kind):
    rng = np.random.default_rng(33)
    perfect = {
        Excess: Excess(Rate(600, 600), Rate(0, 400)),
        Advantage: Advantage(Rate(600, 600), Rate(0, 400)),
        Guesses: Guesses(600, 600),
        Auc: Auc(1.0, 600, 400),
        TruePositives: TruePositives(np.full(600, 2.0), rng.random(800), 0.01),
    }[kind]
    assert perfect.lower(ALPHA) == perfect.ceiling(ALPHA) > 0.9
    for truth in np.linspace(0.05, 0.75, 8):
        found = drawn(kind, truth, rng)
        assert found.lower(ALPHA) <= found.ceiling(ALPHA) <= perfect.ceiling(ALPHA)


def test_an_unreachable_threshold_says_so():
    (found,) = judged([measured(Guesses(5, 10), 0.0)])
    assert found.verdict is Verdict.INCONCLUSIVE
    assert found.needed is None
    assert "not below the accepted" in found.words


def test_verdicts_put_together():
    assert overall([]) is Verdict.INCONCLUSIVE
    assert overall([Verdict.PASS, Verdict.INCONCLUSIVE]) is Verdict.INCONCLUSIVE
    assert overall([Verdict.PASS, Verdict.FAIL]) is Verdict.FAIL
    assert overall([Verdict.PASS]) is Verdict.PASS


def test_holm_steps_down_and_keeps_its_false_alarm_rate():
    """Twenty rates at their threshold 0.3: a false FAIL anywhere in at most 5 % of 1,000 repeats (+ 4 sd)."""
    rng = np.random.default_rng(4)
    alarms = 0
    for successes in rng.binomial(300, 0.3, size=(1_000, 20)):
        alarms += any(holm([(Share(Rate(int(k), 300)), 0.3) for k in successes], ALPHA))
    assert alarms <= 50 + 4 * math.sqrt(1_000 * 0.05 * 0.95)
    # The second is significant at alpha/1 but not at alpha/2: only the step down finds it.
    pair = [(Share(Rate(300, 300)), 0.3), (Share(Rate(104, 300)), 0.3)]
    assert pair[1][0].lower(ALPHA / 2) < 0.3 < pair[1][0].lower(ALPHA)
    assert holm(pair, ALPHA) == [True, True]
    assert holm(pair[1:] * 2, ALPHA) == [False, False]


def test_a_pass_in_error_is_rare():
    """A true excess at the threshold passes in at most 5 % of 2,000 repeats (+ 4 sd)."""
    rng = np.random.default_rng(6)
    passes = 0
    for i, j in zip(rng.binomial(800, 0.272, 2_000), rng.binomial(800, 0.2, 2_000), strict=True):
        passes += Excess(Rate(int(i), 800), Rate(int(j), 800)).upper(ALPHA) <= 0.09
    assert passes <= 100 + 4 * math.sqrt(2_000 * 0.05 * 0.95)


def test_what_a_claim_allows():
    assert claimed_advantage(0, 0) == 0
    assert claimed_advantage(1, 0) == pytest.approx((math.e - 1) / (math.e + 1))
    assert claimed_advantage(1e6, 0) == 1
    assert claimed_true_positives(0.01, 1, 1e-9) == pytest.approx(0.01 * math.e, abs=1e-8)
    assert claimed_true_positives(0.6, 1, 0) == pytest.approx(1 - 0.4 / math.e)
    assert claimed_true_positives(0.5, 1e6, 0) == 1
    best = max(claimed_true_positives(f, 1, 0) - f for f in np.linspace(0, 1, 1001))
    assert best == pytest.approx(claimed_advantage(1, 0), abs=1e-3)


def test_impossible_counts_are_refused():
    with pytest.raises(UsageError):
        Rate(3, 2)


def test_an_advantage_without_anybody_to_find_a_cut_with_has_no_trials():
    some = np.linspace(0, 1, 400)
    for members, controls in ((some, some[:0]), (some[:0], some), (some, some[:3])):
        found = AttackResult("a", "knows", "random", members, controls).advantage
        assert found.trials == {"members": 0, "controls": 0}
        assert (found.lower(0.05), found.upper(0.05)) == (0.0, 1.0)


def test_a_test_that_would_call_everybody_alike_is_cut_in_the_middle():
    # In the first quarter every control is above every member: the best test there says no to all.
    members = np.concatenate([np.linspace(0.0, 0.4, 100), np.linspace(0.0, 1.0, 300)])
    controls = np.concatenate([np.linspace(0.6, 1.0, 100), np.linspace(0.0, 1.0, 300)])
    found = AttackResult("a", "knows", "random", members, controls).advantage
    assert found.members.value == found.controls.value == pytest.approx(0.5, abs=0.01)
    assert found.upper(0.05) > 0.1
