"""Record and replay: every method passes on every made-up table, and whatever reads rows past the primitives is seen.

Replays are deterministic: none of these tests can alarm by chance.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from dpsynth.audit.made_up import ADDED, PERSON, made_up_tables
from dpsynth.audit.recorded import RecordedQueryable
from dpsynth.audit.replay import distance, replayed
from dpsynth.domain import Domain
from dpsynth.pipeline.audit_mechanism import audit_budget, replays
from dpsynth.privacy.governor import Governor
from dpsynth.privacy.unit import Unit
from dpsynth.schema import Schema
from dpsynth.synthesizers import NAMES, synthesizer
from dpsynth.synthesizers.effort import EFFORTS, Effort

BUDGET = audit_budget(Fraction(1), Governor.GDP)
DOMAIN = Domain(("a", "b"), (3, 4))


@pytest.mark.parametrize("method", NAMES)
def test_every_method_replays_from_csv(method, monkeypatch):
    monkeypatch.setitem(EFFORTS, "default", Effort(components=20, steps=10, fits=1, model_size=1_000_000, sweeps=1))
    fit = synthesizer(method).fit
    # Either kind of unit meets half of the methods here, and all of them in the dated audit.
    unit = (Unit(), PERSON)[NAMES.index(method) % 2]
    outcomes = list(replays(fit, Governor.GDP, BUDGET, units=[unit]))
    assert [one.deviations for one in outcomes] == [()] * 5
    assert all(one.passed and one.primitives and one.neighbors >= len(ADDED) for one in outcomes)
    assert max(one.largest for one in outcomes) == 1, "some neighbor uses the whole sensitivity"


def test_the_tables_are_what_they_say():
    for unit in (Unit(), PERSON):
        tables = {table.name: table for table in made_up_tables(unit)}
        assert set(tables) == {"ordinary", "empty", "one unit", "all equal", "every row twice"}
        stated = Schema.loads(tables["ordinary"].schema).unit
        assert (stated.column, stated.max_rows) == (unit.column, unit.max_rows)
        assert tables["empty"].csv().count("\n") == 1
        assert all(len(lines) <= unit.max_rows for table in tables.values() for lines in table.units)
        for table in tables.values():
            sizes = [len(one.units) - len(table.units) for one in table.neighbors()]
            assert sizes.count(1) == len(ADDED)
            assert sizes.count(-1) == min(len(table.units), 2)
            assert sizes.count(0) == (unit == PERSON), "rows of nobody"


def rows_of(count):
    rng = np.random.default_rng(0)
    return {"a": rng.integers(0, 3, count), "b": rng.integers(0, 4, count)}


def opened(count, source=None):
    def start(answers):
        table = source if source is not None else rows_of(count)
        return RecordedQueryable(DOMAIN, table, Unit(), Governor.GDP, BUDGET, np.random.default_rng(1), answers=answers)

    return start


def outcome(fit, after=None):
    return replayed(fit, "t", opened(20), [("one row more", after or opened(21))])


INDEPENDENT = synthesizer("independent")


def exact_total(queryable):
    return int(queryable._source.counts([()])[0])


def test_an_honest_mechanism_passes():
    assert outcome(INDEPENDENT.fit).passed


def test_an_exact_number_of_rows_in_the_model_is_seen():
    def leaking(queryable):
        return replace(INDEPENDENT.fit(queryable), settings={"rows": exact_total(queryable)})

    assert [one.what for one in outcome(leaking).deviations] == ["the model differs"]


def test_a_question_that_depends_on_rows_is_seen():
    def branching(queryable):
        cliques = [("a",), ("b",)] if exact_total(queryable) % 2 else [("b",), ("a",)]
        queryable.measure(cliques, BUDGET.share(Fraction(1, 2)))
        return INDEPENDENT.fit(queryable)

    assert "the question differs" in [one.what for one in outcome(branching).deviations]


def test_a_scale_that_depends_on_rows_is_seen():
    def scaled(queryable):
        queryable.measure([("a",)], BUDGET.share(Fraction(1, 2 + exact_total(queryable))))
        return INDEPENDENT.fit(queryable)

    found = {one.what for one in outcome(scaled).deviations}
    assert "the question differs" in found


def test_an_error_that_depends_on_rows_is_seen():
    def raising(queryable):
        if exact_total(queryable) > 20:
            raise ValueError
        return INDEPENDENT.fit(queryable)

    assert "the outcome (ValueError) differs" in [one.what for one in outcome(raising).deviations]


def test_an_error_on_every_table_is_seen():
    def broken(queryable):
        raise ZeroDivisionError

    assert "ends in ZeroDivisionError" in [one.what for one in outcome(broken).deviations]


def test_one_question_more_is_seen():
    def asking(queryable):
        for _ in range(exact_total(queryable)):
            queryable.measure([("a",)], BUDGET.share(Fraction(1, 100)))
        return INDEPENDENT.fit(queryable)

    assert "the number of primitives differs" in [one.what for one in outcome(asking).deviations]


def test_rows_that_count_twice_are_seen():
    class Doubled:
        domain = DOMAIN

        def counts(self, cliques):
            return [2 * counts for counts in opened(21)(None)._source.counts(cliques)]

    class Single(Doubled):
        def counts(self, cliques):
            return [2 * counts for counts in opened(20)(None)._source.counts(cliques)]

    result = replayed(INDEPENDENT.fit, "t", opened(0, Single()), [("one row more", opened(0, Doubled()))])
    assert {(one.what, one.distance, one.allowed) for one in result.deviations} == {
        ("an exact input moves further than its sensitivity", 2.0, 1)
    }
    assert result.largest == 2


def test_answers_that_were_not_paid_for_are_seen():
    def forging(queryable):
        model = INDEPENDENT.fit(queryable)
        return replace(model, answers=(*model.answers, model.answers[0]))

    assert "the answers cost other than what was drawn" in [one.what for one in outcome(forging).deviations]


@pytest.mark.parametrize(
    ("before", "after", "moved"),
    [
        ([1, 2], [1, 3], 1),
        ([1, 2], [3, 0], 4),
        ([1.0, np.nan], [1.0, 2.0], np.inf),
        ([1.0, np.nan], [1.0, np.nan], np.inf),
        ([1, 2], [1, 2, 0], np.inf),
        ([], [], 0),
    ],
)
def test_distances(before, after, moved):
    assert distance(np.array(before), np.array(after)) == moved


def test_the_distance_of_scores_is_the_largest_difference():
    assert distance(np.array([1, 2]), np.array([3, 0]), largest=True) == 2
