"""The likelihood ratio of a record against noisy marginals: enumeration, the law of its scores, and a loud model."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from attack_examples import population, release, seeded
from dpsynth.audit.attacks.likelihood_ratio import log_likelihood_ratios
from dpsynth.audit.attacks.membership import membership_attacks
from dpsynth.audit.attacks.tables import chosen, first, taken
from dpsynth.audit.judging import judged
from dpsynth.audit.rates import Auc, Guesses
from dpsynth.domain import Domain
from dpsynth.errors import DomainError
from dpsynth.evidence import Verdict
from dpsynth.metrics import CodedTable
from dpsynth.privacy.answers import NoisyMarginal, Receipt
from dpsynth.privacy.laws import discrete_gaussian_log_probability, discrete_laplace_log_probability
from dpsynth.privacy.loss import PrivacyLoss

RECEIPT = Receipt("transaction-1", 0, "ab" * 32, PrivacyLoss(rho=1, mu2=1))


def answer(clique, counts, scale, rng, law="gaussian", coarsening=()):
    noise = np.rint(rng.normal(0, scale, np.shape(counts))).astype(np.int64)
    return NoisyMarginal(clique, counts + noise, scale, 1, RECEIPT, "opendp", coarsening, law)


def answered(table, cliques, scale, rng):
    """Noisy marginals of a table, by rounded Gaussians: close to the discrete law at such scales."""
    return [answer(c, counts, scale, rng) for c, counts in zip(cliques, table.marginals(cliques), strict=True)]


@pytest.mark.parametrize("law", ["gaussian", "laplace"])
def test_the_ratio_is_that_of_two_tables_counted_in_full(law):
    """Every record's ratio against the plain probability of all answers given the counts with and without it."""
    rng = np.random.default_rng(1)
    domain = Domain(("a", "b"), (4, 3))
    table = CodedTable(domain, {"a": rng.integers(0, 4, 30), "b": rng.integers(0, 3, 30)})
    others = CodedTable(domain, {"a": rng.integers(0, 4, 5), "b": rng.integers(0, 3, 5)})
    buckets = (0, 0, 1, 1)
    coarse = np.zeros((2, 3), dtype=np.int64)
    np.add.at(coarse, (np.array(buckets)[table.columns["a"]], table.columns["b"]), 1)
    answers = [
        answer(("b",), table.marginals([("b",)])[0], 1.5, rng, law),
        answer(("b", "a"), table.marginals([("b", "a")])[0], 2.5, rng, law),
        answer(("a", "b"), coarse, 0.7, rng, law, (("a", buckets),)),
    ]
    plain = discrete_laplace_log_probability if law == "laplace" else discrete_gaussian_log_probability

    def log_probability(columns):
        total = 0.0
        for one in answers:
            counts = np.zeros(one.values.shape, dtype=np.int64)
            mapped = {"a": np.array(buckets)[columns["a"]] if one.coarsening else columns["a"], "b": columns["b"]}
            np.add.at(counts, tuple(mapped[name] for name in one.clique), 1)
            total += plain(one.values - counts, one.scale).sum()
        return total

    everything = {name: table.columns[name] for name in domain}
    members = log_likelihood_ratios(first(table, 5), table, answers, members=True)
    controls = log_likelihood_ratios(others, table, answers, members=False)
    for k in range(5):
        without = {name: np.delete(codes, k) for name, codes in everything.items()}
        added = {name: np.append(codes, others.columns[name][k]) for name, codes in everything.items()}
        assert members[k] == pytest.approx(log_probability(everything) - log_probability(without))
        assert controls[k] == pytest.approx(log_probability(added) - log_probability(everything))


def test_over_many_fits_the_scores_of_one_record_follow_the_gaussian_law():
    """2,000 fits: for a member, a ratio has mean mu²/2 and variance mu² (4 standard errors), and the area under the
    curve against a non-member is Phi(mu/√2) (4 standard deviations of it).
    """
    rng = np.random.default_rng(2)
    table, control = population(200, rng), population(1, rng)
    cliques = [("a",), ("b", "c"), ("d",)]
    scale, fits = 6.0, 2_000
    mu = math.sqrt(len(cliques)) / scale
    member = first(table, 1)
    scores = np.empty((2, fits))
    for fit in range(fits):
        answers = answered(table, cliques, scale, rng)
        scores[0, fit] = log_likelihood_ratios(member, table, answers, members=True)[0]
        scores[1, fit] = log_likelihood_ratios(control, table, answers, members=False)[0]
    assert scores[0].mean() == pytest.approx(mu**2 / 2, abs=4 * mu / math.sqrt(fits))
    assert scores[1].mean() == pytest.approx(-(mu**2) / 2, abs=4 * mu / math.sqrt(fits))
    assert scores.var(axis=1) == pytest.approx(np.full(2, mu**2), rel=4 * math.sqrt(2 / fits) + 0.01)
    area = Auc.of(scores[0], scores[1]).area
    assert area == pytest.approx(stats.norm.cdf(mu / math.sqrt(2)), abs=4 / math.sqrt(6 * fits))


def test_guesses_of_refits_with_and_without_a_record_are_as_good_as_the_noise_allows():
    """2,000 coins at mu = 1: right with probability Phi(1/2) = 0.69, within 4 standard deviations."""
    rng = np.random.default_rng(3)
    table, right = population(50, rng), 0
    record, without = first(table, 1), taken(table, np.arange(1, 50))
    cliques, scale = [("a",), ("b",), ("c",), ("d",)], 2.0
    for coin in rng.integers(0, 2, 2_000):
        answers = answered(table if coin else without, cliques, scale, rng)
        right += (log_likelihood_ratios(record, table, answers, members=True)[0] > 0) == coin
    guesses = Guesses(int(right), 2_000)
    assert right / 2_000 == pytest.approx(stats.norm.cdf(0.5), abs=4 * 0.5 / math.sqrt(2_000))
    assert guesses.lower(0.05) > 0.25
    assert guesses.upper(0.05) < 0.5


@pytest.mark.parametrize(("scale", "verdict"), [(0.05, Verdict.FAIL), (40.0, Verdict.PASS)])
def test_a_loud_model_fails_and_a_quiet_one_passes(scale, verdict):
    rng = seeded()
    tables = release(rng, 3000, 3000, 1000)
    answers = answered(tables.fitted, [("a", "b"), ("b", "c"), ("d",)], scale, rng)
    results = membership_attacks(tables, chosen(tables, rng, random=1500, vulnerable=300), rng, answers)
    found = [r for r in results if r.name == "likelihood ratio"]
    assert [r.group for r in found] == ["random", "vulnerable"]
    observed = [one.against(0.2) for r in found for one in r.observed() if one.measure == "advantage"]
    assert {finding.verdict for finding in judged(observed)} == {verdict}


def test_an_answer_of_another_table_is_refused():
    rng = seeded()
    table = population(10, rng)
    with pytest.raises(DomainError):
        log_likelihood_ratios(table, table, [answer(("z",), np.zeros(2, np.int64), 1.0, rng)], members=True)
    with pytest.raises(DomainError):
        log_likelihood_ratios(table, table, [answer(("a",), np.zeros(2, np.int64), 1.0, rng)], members=True)


def test_no_rows_have_no_scores():
    rng = seeded()
    table = population(10, rng)
    answers = answered(table, [("a",), ()], 1.0, rng)
    none = taken(table, np.zeros(0, dtype=np.int64))
    assert log_likelihood_ratios(none, table, answers, members=True).shape == (0,)
