"""The guessing game, its claims, exact ratios of hand-made transcripts, and the audit's own draws."""

from __future__ import annotations

import json
import math
from fractions import Fraction

import numpy as np
import pytest
from scipy import stats

from dpsynth.audit.game import Claim, played
from dpsynth.audit.gaussian_draws import gaussian_draws
from dpsynth.audit.gaussian_law import GaussianLaw
from dpsynth.audit.paired import PairedQueryable
from dpsynth.audit.ratio import Setting, audit_fit, audit_gaussian, audit_tree
from dpsynth.audit.recorded import RecordedQueryable
from dpsynth.audit.tree_prices import TreePrices
from dpsynth.audit.worst_case import BINARY, WorstCase, worst_case
from dpsynth.errors import UsageError
from dpsynth.privacy.conversions import budget_of
from dpsynth.privacy.governor import Governor
from dpsynth.privacy.laws import LEAST_GDP_SCALE
from dpsynth.privacy.loss import PrivacyLoss
from dpsynth.privacy.queryable import Candidate
from dpsynth.privacy.unit import Unit

DELTA = Fraction(1, 10**5)
LOSS = PrivacyLoss.budget(rho=Fraction(2), mu2=Fraction(4), epsilon=Fraction(2))
NEIGHBORS = WorstCase(
    np.array([[[3, 0], [1, 2]], [[0, 0], [4, 1]]], dtype=np.int64),
    np.array([[[3, 0], [1, 2]], [[0, 0], [3, 1]]], dtype=np.int64),
)


def paired(governor=Governor.GDP, seed=0):
    tables = NEIGHBORS.coded
    answering = RecordedQueryable(BINARY, tables[0], Unit(), governor, LOSS, np.random.default_rng(seed))
    return PairedQueryable.over(answering, tables)


def candidates(clique=("a", "b")):
    return [Candidate(clique, np.full((2, 2), level, dtype=np.int64), 1, level) for level in (0, 2, 5)]


def test_claims_allow_what_their_currency_proves():
    gaussian = Claim.of(Governor.GDP, PrivacyLoss.budget(mu2=Fraction(1)))
    assert gaussian.most_accurate == pytest.approx(stats.norm.cdf(0.5))
    pure = Claim.of(Governor.PURE, PrivacyLoss.budget(epsilon=Fraction(1)))
    assert pure.most_accurate == pytest.approx(math.e / (1 + math.e))
    rho = PrivacyLoss.budget(rho=Fraction(1, 2))
    charged = Claim.of(Governor.ZCDP, rho, Fraction(11, 10))
    assert charged.mu == pytest.approx(math.sqrt(1.1))
    assert charged.sqrt_two_rho == pytest.approx(1)
    unproved = Claim.of(Governor.ZCDP, rho)
    assert unproved.mu is None
    assert stats.norm.cdf(0.5) < unproved.most_accurate == pytest.approx(0.5 + 0.5 * math.sqrt(0.25))
    large = Claim.of(Governor.ZCDP, PrivacyLoss.budget(rho=Fraction(8)))
    assert stats.norm.cdf(2) < large.most_accurate < 1


def test_a_game_counts_right_guesses_and_tosses_a_coin_for_ties():
    claim = Claim.of(Governor.GDP, PrivacyLoss.budget(mu2=Fraction(1)))
    rng = np.random.default_rng(3)
    sure = played(lambda held, other: (np.ones(held), -np.ones(other)), claim, 1_000, rng, delta=1e-3)
    assert (sure.correct, sure.refuted, sure.mu_lower) == (1_000, True, sure.mu_ceiling)
    assert sure.epsilon_lower is not None
    wrong = played(lambda held, other: (-np.ones(held), np.ones(other)), claim, 1_000, rng)
    assert (wrong.correct, wrong.refuted, wrong.mu_lower, wrong.epsilon_lower) == (0, False, 0.0, None)
    blind = played(lambda held, other: (np.zeros(held), np.zeros(other)), claim, 1_000, rng)
    assert 400 < blind.correct < 600
    assert json.loads(json.dumps(sure.to_dict()))["verdict"] == "FAIL"


@pytest.mark.parametrize("trials", [0, -3])
def test_a_game_without_a_run_is_refused(trials):
    claim = Claim.of(Governor.GDP, LOSS)
    with pytest.raises(UsageError):
        played(lambda held, other: (np.ones(held), np.ones(other)), claim, trials, np.random.default_rng(0))


def test_the_ratio_of_a_measurement_is_that_of_its_normals():
    queryable = paired()
    (answer,) = queryable.measure([("a", "c")], queryable.remaining)
    own, other = (table.counts([("a", "c")])[0] for table in NEIGHBORS.coded)
    squares = ((answer.values - other) ** 2 - (answer.values - own) ** 2).sum()
    assert queryable.log_ratio == pytest.approx(squares / (2 * answer.scale**2))
    assert (own != other).sum() == 1
    assert queryable.selection_divergence == 0


@pytest.mark.parametrize("governor", Governor)
def test_the_ratio_of_a_selection_is_that_of_its_chances(governor):
    queryable = paired(governor)
    chosen = queryable.select(candidates(), queryable.remaining)
    chances = []
    for table in NEIGHBORS.coded:
        (exact,) = table.counts([("a", "b")])
        scores = np.array([np.abs(exact - one.estimate).sum() - one.penalty for one in candidates()])
        heads = np.exp((scores - scores.max()) / chosen.scale)
        if governor is Governor.PURE:
            nodes = (np.arange(100_000) + 0.5) / 100_000
            tails = [np.prod([1 - nodes * heads[j] for j in range(3) if j != i], axis=0).mean() for i in range(3)]
            chances.append(heads * tails)
        else:
            chances.append(heads / heads.sum())
    own, other = chances
    assert queryable.log_ratio == pytest.approx(math.log(own[chosen.index] / other[chosen.index]), abs=1e-6)
    assert queryable.selection_divergence == pytest.approx((own * np.log(own / other)).sum(), abs=1e-6)
    assert queryable.log_ratio != 0


def test_ratios_of_several_answers_add_up_and_a_coarser_view_shares_them():
    queryable = paired()
    queryable.measure([("a",), ("b",)], queryable.remaining.share(Fraction(1, 2)), [1, 2])
    before = queryable.log_ratio
    coarse = queryable.coarsened({"a": np.array([0, 0], dtype=np.int64)})
    (answer,) = coarse.measure([("a", "b")], coarse.remaining)
    assert answer.values.shape == (1, 2)
    assert coarse.log_ratio == queryable.log_ratio != before
    assert len(queryable.outputs) == len(coarse.outputs) == 3
    assert coarse.remaining == queryable.remaining != LOSS


def test_the_answers_of_a_pair_are_those_of_what_answers():
    tables = NEIGHBORS.coded
    alone = RecordedQueryable(BINARY, tables[0], Unit(), Governor.GDP, LOSS, np.random.default_rng(5))
    (expected,) = alone.measure([("a", "b")], LOSS)
    (found,) = paired(seed=5).measure([("a", "b")], LOSS)
    assert (expected.values == found.values).all()


@pytest.mark.parametrize("scale", [0.5, 0.7, 1.0, 4.3, 10.0])
def test_the_audits_draws_follow_the_discrete_gaussian(scale):
    """χ² with at least 25 expected in a bin: a false alarm has probability 1e-6, the seed is fixed."""
    count = 200_000
    drawn = gaussian_draws(np.full(count // 2, scale), 2, np.random.default_rng(17)).ravel()
    support = np.arange(-math.ceil(8 * scale), math.ceil(8 * scale) + 1)
    law = np.exp(-(support**2) / (2 * scale**2))
    expected = count * law / law.sum()
    kept = expected >= 25
    observed = np.array([(drawn == value).sum() for value in support[kept]])
    statistic = ((observed - expected[kept]) ** 2 / expected[kept]).sum()
    assert stats.chi2.sf(statistic, kept.sum()) > 1e-6
    assert observed.sum() > 0.99 * count


def test_draws_of_mixed_scales_keep_their_places():
    scales = np.tile([0.5, 100.0, 3.0], 2_000)
    drawn = gaussian_draws(scales, 4, np.random.default_rng(2))
    assert drawn.shape == (6_000, 4)
    for place, scale in enumerate((0.5, 100.0, 3.0)):
        assert drawn[place::3].std() == pytest.approx(scale, rel=0.1)
    assert gaussian_draws(np.zeros(0), 4, np.random.default_rng(2)).shape == (0, 4)


def test_the_ratio_of_gaussian_answers_has_mean_half_mu_squared():
    """400,000 ratios a world: the mean is off by four of its standard deviations with probability below 1e-4."""
    law = GaussianLaw((9.0, 12.0), 5)
    mu2 = 25 * (1 / 81 + 1 / 144)
    held, other = law.ratios(400_000, 400_000, np.random.default_rng(1))
    for ratios, sign in ((held, 1), (other, -1)):
        assert ratios.mean() == pytest.approx(sign * mu2 / 2, abs=4 * math.sqrt(mu2 / 400_000))
        assert ratios.std() == pytest.approx(math.sqrt(mu2), rel=0.01)


def test_a_search_finds_the_larger_divergence_and_keeps_the_target_in_one_cell():
    found = worst_case(lambda tried: float(tried.table.sum()), 3, np.random.default_rng(0), restarts=20)
    shift = found.table - found.without
    assert sorted(shift.ravel().tolist()) == [0] * 7 + [3]
    random = [worst_case(lambda _: 0.0, 3, np.random.default_rng(seed), restarts=1) for seed in range(20)]
    assert found.table.sum() > np.median([one.table.sum() for one in random])
    with_target, without = found.coded
    assert len(with_target) - len(without) == 3


def test_charged_mu_is_stated_only_where_it_is_proved():
    small, large = (TreePrices(Governor.ZCDP, budget_of(Fraction(e), DELTA)) for e in (1, 10))
    assert small.most_mu2 is not None
    assert 2 * small.loss.rho_exact < small.most_mu2 < Fraction(107, 100) * 2 * small.loss.rho_exact
    assert min(large.edges(0, (16, 25))) < LEAST_GDP_SCALE
    assert large.most_mu2 is None


def test_audits_of_every_kind_pass_and_say_what_they_could_have_seen():
    tree = audit_tree(Setting(Fraction(10), DELTA, Governor.GDP, 5_000))
    gaussian = audit_gaussian(Setting(Fraction(10), DELTA, Governor.GDP, 5_000, rows=20), [1, 1])
    setting = Setting(Fraction(1), Fraction(0), Governor.PURE, 60)
    fit = audit_fit("one question", lambda queryable: queryable.measure([("a",)], queryable.remaining), setting, 1)
    for audit in (tree, gaussian, fit):
        assert not audit.played.refuted
        assert audit.played.mu_lower < audit.played.mu_ceiling
        record = json.loads(json.dumps(audit.to_dict()))
        assert record["verdict"] == "PASS"
        assert record["trials"] == audit.setting.trials
        assert record["delta"] == float(audit.setting.delta), "of the pool, whatever the bound on epsilon is at"
    assert tree.to_dict()["epsilon_lower_delta"] == gaussian.to_dict()["epsilon_lower_delta"] == 9e-6
    assert fit.to_dict()["epsilon_lower_delta"] is None
    assert tree.ratio > 0.85
    assert gaussian.ratio > 0.9
    assert fit.ratio is None


def test_the_same_seed_gives_the_same_audit_and_tables_are_searched_on_other_streams():
    setting = Setting(Fraction(4), DELTA, Governor.GDP, 2_000, seed=4)
    assert audit_tree(setting).to_dict() == audit_tree(setting).to_dict()
    search, game = setting.generators
    assert search.random(5).tolist() != game.random(5).tolist()


def test_what_cannot_be_audited_is_refused():
    pure = Setting(Fraction(1), Fraction(0), Governor.PURE, 100)
    for audit in (audit_tree, lambda setting: audit_gaussian(setting, [1])):
        with pytest.raises(UsageError, match="pure epsilon"):
            audit(pure)
        with pytest.raises(UsageError, match="at least one run"):
            audit(Setting(Fraction(1), DELTA, Governor.GDP, 0))
