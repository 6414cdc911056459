"""The recorded queryable asks, charges and answers as the room does, and states the exact law of what it drew."""

from __future__ import annotations

from fractions import Fraction
from functools import cache

import numpy as np
import pytest

from dpsynth.audit.coded_table import CodedTable
from dpsynth.audit.recorded import RecordedQueryable, log_probability
from dpsynth.audit.seeded_noise import NOISES
from dpsynth.curator.curator import Curator
from dpsynth.domain import Domain
from dpsynth.errors import BudgetExceededError, DomainError, UsageError
from dpsynth.privacy.conversions import budget_of
from dpsynth.privacy.governor import Governor
from dpsynth.privacy.laws import discrete_gaussian_log_probability, discrete_laplace_log_probability
from dpsynth.privacy.queryable import Candidate
from dpsynth.privacy.receipt import Receipt
from dpsynth.privacy.reconciliation import reconcile
from dpsynth.privacy.unit import Unit
from dpsynth.synthesizers import NAMES, names_without_delta, synthesizer
from dpsynth.synthesizers.effort import EFFORTS, Effort

DOMAIN = Domain(("a", "b", "c"), (3, 2, 4))
CODES = {name: np.random.default_rng(1).integers(0, size, 60) for name, size in zip("abc", DOMAIN.sizes, strict=True)}
PERSON = Unit("id", 3)


@cache
def budget(governor):
    return budget_of(Fraction(2), Fraction(0) if governor is Governor.PURE else Fraction(1, 10**6), governor)


def recorded(governor=Governor.GDP, unit=PERSON, answers=None, seed=5):
    rng = np.random.default_rng(seed)
    return RecordedQueryable(DOMAIN, CODES, unit, governor, budget(governor), rng, answers=answers)


class Granted:
    """A transaction that grants within the budget and mints no ledger event."""

    def __init__(self, governor):
        self.governor, self.remaining, self.draws = governor, budget(governor), []

    def draw(self, loss, question):
        self.remaining = self.remaining.minus(loss)
        self.draws.append(Receipt("t", len(self.draws), "0", loss))
        return self.draws[-1]


def questions(queryable, loss):
    nothing = np.zeros((3, 2), dtype=np.int64)
    yield from queryable.measure([("a",), ("c", "b")], loss, [1, 3])
    offered = [Candidate(("a", "b"), nothing, 2), Candidate(("b", "a"), nothing.T.copy(), 5, -7)]
    yield queryable.select(offered, loss)
    yield from queryable.coarsened({"c": np.array([1, 0, 0, 1])}).measure([("b", "c")], loss)


@pytest.mark.parametrize("governor", list(Governor))
@pytest.mark.parametrize("unit", [Unit(), PERSON], ids=str)
def test_it_answers_as_the_room_does(governor, unit):
    granted, part = Granted(governor), budget(governor).share(Fraction(1, 4))
    source = CodedTable(DOMAIN, CODES)
    audited = recorded(governor, unit)
    room = list(questions(Curator(source, unit, granted), part))
    ours = list(questions(audited, part))
    for mine, theirs in zip(ours, room, strict=True):
        assert (mine.law, mine.scale, mine.sensitivity) == (theirs.law, theirs.scale, theirs.sensitivity)
        assert mine.clique == theirs.clique or not hasattr(mine, "values")
        assert getattr(mine, "coarsening", ()) == getattr(theirs, "coarsening", ())
    assert [receipt.loss for receipt in audited.draws] == [receipt.loss for receipt in granted.draws]
    assert audited.remaining == granted.remaining
    spent = reconcile(ours, audited.draws, budget(governor), governor)
    assert spent == sum((asked.loss for asked in audited.transcript[1:]), start=audited.transcript[0].loss)


def test_exact_inputs_are_the_counts_and_scores_of_the_table():
    audited = recorded(unit=Unit())
    list(questions(audited, budget(Governor.GDP).share(Fraction(1, 4))))
    pair = np.zeros((3, 2), dtype=np.int64)
    np.add.at(pair, (CODES["a"], CODES["b"]), 1)
    by_c = np.zeros((4, 2), dtype=np.int64)
    np.add.at(by_c, (CODES["c"], CODES["b"]), 1)
    a, cb, scores, coarse = (asked.exact for asked in audited.transcript)
    assert (a == pair.sum(axis=1)).all()
    assert (cb == by_c).all()
    assert scores.tolist() == [2 * 60, 5 * 60 + 7]
    assert (coarse == np.stack([by_c[1] + by_c[2], by_c[0] + by_c[3]]).T).all()


@pytest.mark.parametrize(
    ("law", "stated", "scale"),
    [
        ("gaussian", discrete_gaussian_log_probability, 0.7),
        ("gaussian", discrete_gaussian_log_probability, 4.3),
        ("laplace", discrete_laplace_log_probability, 0.5),
        ("laplace", discrete_laplace_log_probability, 12.35),
    ],
)
def test_seeded_noise_follows_its_law(law, stated, scale):
    """Seeded, so it passes always or never; a scale 2 % off moves the mean log-probability's z far beyond 5."""
    noise = NOISES[law](scale, 400_000, np.random.default_rng(3))
    support = np.arange(-2000, 2001)
    logs = stated(support, scale)
    weights = np.exp(logs)
    for moment in (support**2.0, np.abs(support), (support % 3 == 0) * 1.0):
        mean = (weights * moment).sum()
        deviation = np.sqrt((weights * (moment - mean) ** 2).sum() / len(noise))
        assert abs(moment[noise + 2000].mean() - mean) < 5 * deviation


@pytest.mark.parametrize("governor", list(Governor))
def test_selections_follow_their_law(governor):
    estimate, picks = np.zeros((3, 2), dtype=np.int64), np.zeros(3)
    offered = [Candidate(("a", "b"), estimate, penalty=penalty) for penalty in (0, 20, 60)]
    asked = None
    for seed in range(1000):
        audited = recorded(governor, Unit(), seed=seed)
        audited.select(offered, budget(governor).share(Fraction(1, 20)))
        (asked,) = audited.transcript
        picks[asked.output] += 1
    chances = []
    for index in range(3):
        audited = recorded(governor, Unit(), answers=[index])
        audited.select(offered, budget(governor).share(Fraction(1, 20)))
        chances.append(np.exp(log_probability(audited.transcript[0], asked.exact)))
    assert sum(chances) == pytest.approx(1)
    deviations = np.sqrt(1000 * np.array(chances) * (1 - np.array(chances)))
    assert (np.abs(picks - 1000 * np.array(chances)) < 5 * deviations + 1).all()


def test_a_log_probability_is_that_of_all_cells():
    audited = recorded()
    audited.measure([("a", "b")], budget(Governor.GDP))
    (asked,) = audited.transcript
    cells = discrete_gaussian_log_probability((asked.output - asked.exact).ravel(), asked.scale)
    assert log_probability(asked, asked.exact) == pytest.approx(cells.sum())
    assert log_probability(asked, asked.exact + 1) != log_probability(asked, asked.exact)
    with pytest.raises(DomainError, match="another shape"):
        log_probability(asked, asked.exact.T)


@pytest.mark.parametrize("method", NAMES)
@pytest.mark.parametrize("governor", list(Governor))
def test_every_method_fits_and_replays(method, governor, monkeypatch):
    monkeypatch.setitem(EFFORTS, "default", Effort(components=20, steps=50, fits=1))
    if governor is Governor.PURE and method not in names_without_delta():
        return
    first = recorded(governor)
    model = synthesizer(method).fit(first)
    outputs = [asked.output for asked in first.transcript]
    again = recorded(governor, answers=outputs, seed=99)
    replayed = synthesizer(method).fit(again)
    assert [asked.question for asked in again.transcript] == [asked.question for asked in first.transcript]
    assert replayed.total == model.total
    reconcile(model.answers, first.draws, budget(governor), governor)


def test_outputs_that_do_not_fit_are_drawn():
    wrong = recorded(answers=[np.zeros(7, dtype=np.int64), 0, 99])
    (answer,) = wrong.measure([("a",)], budget(Governor.GDP).share(Fraction(1, 3)))
    assert answer.values.shape == (3,)
    (answer,) = wrong.measure([("a",)], budget(Governor.GDP).share(Fraction(1, 3)))
    assert answer.values.shape == (3,)
    nothing = np.zeros(3, dtype=np.int64)
    assert wrong.select([Candidate(("a",), nothing)], budget(Governor.GDP).share(Fraction(1, 4))).index == 0


def test_bad_questions_and_tables_are_refused():
    audited = recorded()
    with pytest.raises(UsageError, match="at least one clique"):
        audited.measure([], budget(Governor.GDP))
    with pytest.raises(DomainError):
        audited.measure([("nowhere",)], budget(Governor.GDP))
    with pytest.raises(BudgetExceededError):
        audited.measure([("a",)], budget(Governor.GDP) + budget(Governor.GDP))
    assert not audited.transcript
    coarse = audited.coarsened({"a": np.array([0, 0, 0])})
    with pytest.raises(UsageError, match="cannot be coarsened again"):
        coarse.coarsened({"b": np.array([0, 0])})
    for columns in (
        {"a": np.array([0])},
        {name: np.arange(position) % 2 for position, name in enumerate("abc", 1)},
        {name: np.array([9]) for name in "abc"},
        {name: np.array([-1]) for name in "abc"},
        {name: np.array([0.5]) for name in "abc"},
    ):
        with pytest.raises(DomainError):
            CodedTable(DOMAIN, columns)
