"""PrivBayes: the network it finds, what theta leaves, what it asks and pays, and scores between neighbors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import pytest

from dpsynth.domain import Domain
from dpsynth.errors import ResourceLimitError, UsageError
from dpsynth.models import BayesianNetwork, Model
from dpsynth.privacy.answers import NoisyMarginal, Selection
from dpsynth.privacy.conversions import budget_of
from dpsynth.privacy.laws import score, score_sensitivity
from dpsynth.privacy.loss import PrivacyLoss
from dpsynth.privacy.queryable import Candidate
from dpsynth.privacy.unit import Unit
from dpsynth.synthesizers import synthesizer
from fake_queryable import FakeQueryable

LOSS = budget_of(Fraction(1), Fraction(1, 10**9))
DOMAIN = Domain(("a", "b", "c", "d", "e"), (3, 3, 3, 3, 3))


def parity(rows: int = 20_000) -> FakeQueryable:
    """Three binary columns of which any two are independent and the third is their parity."""
    rng = np.random.default_rng(0)
    left, right = rng.integers(0, 2, (2, rows))
    return FakeQueryable(Domain(("a", "b", "c"), (2, 2, 2)), np.column_stack([left, right, left ^ right]), LOSS)


def chain(rows: int = 20_000, loss: PrivacyLoss = LOSS, kind: type[FakeQueryable] = FakeQueryable) -> FakeQueryable:
    """Five columns, each mostly equal to the one before."""
    rng = np.random.default_rng(1)
    columns = [rng.integers(0, 3, rows)]
    for _ in range(4):
        columns.append(np.where(rng.random(rows) < 0.8, columns[-1], rng.integers(0, 3, rows)))
    return kind(DOMAIN, np.column_stack(columns), loss)


def families(model: Model) -> list[tuple[str, ...]]:
    return [a.clique for a in model.answers if isinstance(a, NoisyMarginal) and len(a.clique) > 1]


def distance(model: Model, queryable: FakeQueryable, ways: int) -> float:
    pairs = [(model.marginal(clique).values, queryable.counts(clique)) for clique in queryable.domain.cliques(ways)]
    return float(np.mean([0.5 * np.abs(m / m.sum() - x / x.sum()).sum() for m, x in pairs]))


def test_the_model_is_a_network_over_all_columns():
    queryable = chain()
    model = synthesizer("privbayes", degree=1).fit(queryable)
    assert isinstance(model.distribution, BayesianNetwork)
    assert set(families(model)) == {("a", "b"), ("b", "c"), ("c", "d"), ("d", "e")}
    assert sorted(map(len, model.distribution.parents.values())) == [0, 1, 1, 1, 1]
    assert distance(model, queryable, 2) < 0.02
    assert queryable.remaining.rho <= 2 * len(queryable.asked)


def test_two_parents_hold_what_one_cannot():
    one, two = (synthesizer("privbayes", degree=degree).fit(parity()) for degree in (1, 2))
    assert distance(one, parity(), 3) > 0.4
    assert distance(two, parity(), 3) < 0.02
    assert len(families(two)[-1]) == 3


def test_each_choice_pays_its_part_and_the_last_takes_the_rest():
    queryable = chain(loss=budget_of(Fraction(10), Fraction(1, 10**9)))
    model = synthesizer("privbayes", one_way=0.2, select=0.25).fit(queryable)
    whole = sum((loss for *_, loss in queryable.asked), start=PrivacyLoss())
    chosen = [loss.rho / whole.rho for kind, _, loss in queryable.asked if kind == "select"]
    joint = [loss.rho / whole.rho for kind, cliques, loss in queryable.asked if kind == "measure"][1:]
    assert chosen == pytest.approx([0.8 / 4 * 0.25] * 4)
    assert joint == pytest.approx([0.8 / 4 * 0.75] * 4)
    assert sum(isinstance(answer, Selection) for answer in model.answers) == 4


def test_a_choice_offers_one_column_outside_and_the_first_every_pair():
    queryable = chain()
    synthesizer("privbayes", degree=2).fit(queryable)
    offers = [cliques for kind, cliques, _ in queryable.asked if kind == "select"]
    assert set(offers[0]) == set(DOMAIN.cliques(2))
    chosen = [cliques[0] for kind, cliques, _ in queryable.asked if kind == "measure"][1:]
    inside = set(chosen[0])
    for offered, taken in zip(offers[1:], chosen[1:], strict=True):
        assert all(len(set(clique) - inside) == 1 < len(clique) <= 3 for clique in offered)
        inside |= set(taken)


def test_a_theta_that_leaves_no_parents_gives_independent_columns_and_says_so():
    method = synthesizer("privbayes", theta=1e6)
    plan = method.plan(DOMAIN, LOSS, 20_000, Unit())
    assert "all columns are independent" in plan.explanation
    assert any("theta leaves no column any parents" in warning for warning in plan.warnings)
    unknown = method.plan(DOMAIN, LOSS, None, Unit())
    assert "rows for that" in unknown.explanation
    assert not unknown.warnings
    queryable = chain()
    model = method.fit(queryable)
    assert set(model.distribution.parents.values()) == {()}
    assert families(model) == []
    assert queryable.remaining.rho <= 2 * len(queryable.asked)
    assert [kind for kind, *_ in queryable.asked] == ["measure", "measure"]


def test_the_rows_that_a_plan_names_are_those_that_a_fit_needs():
    for theta in (50.0, 200.0):
        method = synthesizer("privbayes", theta=theta, refine=0)
        words = method.plan(DOMAIN, LOSS, None, Unit()).explanation
        named = int(words.split("about ")[1].split(" rows")[0].replace(",", ""))
        # The first pair is measured with a fourth of what is left.
        assert not families(method.fit(chain(rows=named // 2)))
        assert families(method.fit(chain(rows=2 * named)))


def test_large_joint_tables_are_not_theta_useful():
    domain = Domain(("wide", "broad", "a", "b"), (20, 20, 2, 2))
    rng = np.random.default_rng(2)
    shared = rng.integers(0, 20, 20_000)
    codes = np.column_stack([shared, shared, shared % 2, (shared // 2) % 2])
    strict, lax = (
        families(synthesizer("privbayes", theta=theta, compress=0).fit(FakeQueryable(domain, codes, LOSS)))
        for theta in (4.0, 0.0)
    )
    assert not any({"wide", "broad"} <= set(clique) for clique in strict)
    assert any({"wide", "broad"} <= set(clique) for clique in lax)


def test_columns_without_parents_buy_a_second_look_at_the_families():
    domain = Domain(("huge", "a", "b"), (4000, 2, 2))
    rng = np.random.default_rng(3)
    left = rng.integers(0, 2, 5_000)
    codes = np.column_stack([rng.integers(0, 4000, 5_000), left, left])
    queryable = FakeQueryable(domain, codes, LOSS)
    model = synthesizer("privbayes", compress=0).fit(queryable)
    assert families(model) == [("a", "b"), ("a", "b")]
    assert model.distribution.parents["huge"] == ()
    assert queryable.remaining.rho <= 2 * len(queryable.asked)


def test_the_tree_of_the_network_stays_within_its_limit():
    queryable = chain()
    model = synthesizer("privbayes", max_model_size=8 * 40).fit(queryable)
    assert model.distribution._tree.cells <= 40
    with pytest.raises(ResourceLimitError, match="no two columns fit"):
        synthesizer("privbayes", max_model_size=8).plan(DOMAIN, LOSS, None, Unit())


BAD = [
    {"degree": 0},
    {"degree": 5},
    {"degree": 2.0},
    {"degree": True},
    {"theta": -1},
    {"theta": float("nan")},
    {"theta": float("inf")},
    {"theta": "4"},
    {"one_way": 0},
    {"one_way": 0.8},
    {"select": 0},
    {"select": 1},
    {"refine": 1e-9},
    {"refine": False},
    {"compress": -1},
    {"max_model_size": 0},
    {"max_model_size": 1.5},
]


@pytest.mark.parametrize("settings", BAD, ids=str)
def test_bad_settings_are_usage_errors(settings):
    with pytest.raises(UsageError) as caught:
        synthesizer("privbayes", **settings)
    assert caught.value.exit_code == 2
    assert "privbayes" in caught.value.where


class Watching(FakeQueryable):
    """Keeps the candidates it was offered."""

    offered: list[Sequence[Candidate]] = []  # noqa: RUF012  (emptied by the test that reads it)

    def select(self, candidates: Sequence[Candidate], loss: PrivacyLoss) -> Selection:
        self.offered.append(candidates)
        return super().select(candidates, loss)


def test_neighbors_move_every_score_by_at_most_its_sensitivity():
    """Fails when an estimate is computed from exact counts, or a weight is not what the room is told."""
    Watching.offered.clear()
    queryable = chain(rows=300, kind=Watching)
    synthesizer("privbayes").fit(queryable)
    rng = np.random.default_rng(5)
    moved = set()
    for candidates in Watching.offered:
        for one in candidates:
            counts = queryable.counts(one.clique)
            neighbor = counts.copy()
            neighbor[tuple(int(rng.integers(size)) for size in counts.shape)] += 1
            scores = [score(table, one.estimate, one.weight, one.penalty) for table in (counts, neighbor)]
            moved.add((scores[1] - scores[0]) / one.weight)
            assert abs(scores[1] - scores[0]) <= score_sensitivity(one.weight, rows_per_unit=1)
    assert moved == {-1.0, 1.0}


# --- the numbers of docs/proofs/privbayes.md ----------------------------------------------------------------------


def entropy(counts: np.ndarray) -> float:
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log2(shares)).sum())


def information(counts: Sequence[Sequence[int]]) -> float:
    table = np.array(counts)
    return entropy(table.sum(axis=0)) + entropy(table.sum(axis=1)) - entropy(table.ravel())


def normalized(counts: Sequence[Sequence[int]]) -> float:
    table = np.array(counts)
    scale = math.sqrt(entropy(table.sum(axis=0)) * entropy(table.sum(axis=1)))
    return information(counts) / scale if scale else 0.0


def published(n: int) -> float:
    """Lemma 1 of the paper for columns of any size, in bits; n public."""
    return 2 / n * math.log2((n + 1) / 2) + (n - 1) / n * math.log2((n + 1) / (n - 1))


def test_mutual_information_moves_by_a_bit_where_rows_are_few():
    assert information([[1, 0], [0, 0]]) == 0
    assert information([[1, 0], [0, 1]]) == pytest.approx(1.0)
    assert published(1000) == pytest.approx(0.0208, abs=5e-5)


def test_normalized_information_breaks_the_sensitivity_of_the_plain_one():
    assert normalized([[999, 0], [0, 0]]) == 0
    assert normalized([[999, 0], [0, 1]]) == pytest.approx(1.0)
    nonzero = normalized([[998, 0], [0, 1]]), normalized([[998, 1], [0, 1]])
    assert nonzero == pytest.approx((1.0, 0.6105), abs=5e-5)
    assert (nonzero[0] - nonzero[1]) / published(999) == pytest.approx(18.7, abs=0.05)


def test_the_counts_of_single_columns_end_where_the_answers_put_them():
    """Columns with many parents come to rest slowly: whoever stops early errs by many standard errors."""
    rng, rows = np.random.default_rng(2), 40_000
    hidden = rng.integers(0, 8, rows)
    columns = [np.where(rng.random(rows) < 0.9, (hidden * step) % 8, rng.integers(0, 8, rows)) for step in range(1, 11)]
    domain = Domain(tuple("abcdefghij"), (8,) * 10)
    model = synthesizer("privbayes").fit(FakeQueryable(domain, np.column_stack(columns), LOSS, seed=3))
    for name in domain:
        found = model.marginal(name, interval=0.95)
        middle = (found.lower + found.upper) / 2
        assert (np.abs(found.estimate - middle) < 4 * found.standard_error).all(), name
