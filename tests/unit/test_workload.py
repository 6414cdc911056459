"""Workloads: what they hold, what follows, and what is refused."""

from __future__ import annotations

from fractions import Fraction

import pytest

from dpsynth.domain import Domain
from dpsynth.errors import ResourceLimitError, UsageError
from dpsynth.synthesizers.workload import ALL_CELLS, CANDIDATES, Workload, plain

DOMAIN = Domain(("a", "b", "c", "d", "one"), (3, 4, 2, 5, 1))


def test_all_pairs_leave_out_constant_columns():
    workload = Workload.of(DOMAIN, "all-2way")
    assert len(workload.closure) == 6
    assert set(workload.scores.values()) == {2}


def test_all_triples_hold_their_pairs_in_the_published_ratio():
    workload = Workload.of(DOMAIN, "all-3way")
    assert len(workload.closure) == 6 + 4
    assert workload.scores["a", "b"] * 3 == workload.scores["a", "b", "c"] * 2
    assert workload.dropped == 0


def test_one_ways_alone_leave_no_candidates():
    assert Workload.of(DOMAIN, "all-1way").closure == ()
    assert Workload.of(DOMAIN, [["a"], ["one", "b"]]).closure == ()


def test_a_target_stands_in_every_clique():
    workload = Workload.of(DOMAIN, "target:c")
    assert all("c" in clique and len(clique) == 3 for clique in workload.cliques)
    assert workload.scores["a", "c"] > workload.scores["a", "b"]


def test_a_target_of_two_columns_or_one():
    assert Workload.of(Domain(("a", "b"), (2, 2)), "target:a").closure == (("a", "b"),)
    assert Workload.of(Domain(("a",), (2,)), "target:a").closure == ()


def test_weights_are_exact_integers():
    given = [["a", "b"], {"columns": ["c", "b"], "weight": 0.1}, {"columns": ["d", "a", "c"], "weight": "1/3"}]
    workload = Workload.of(DOMAIN, given)
    exact = {
        clique: sum(
            weight * len(set(clique) & set(own))
            for own, weight in ((("a", "b"), 1), (("b", "c"), Fraction(1, 10)), (("a", "c", "d"), Fraction(1, 3)))
        )
        for clique in workload.closure
    }
    ratios = {Fraction(workload.scores[clique]) / value for clique, value in exact.items()}
    assert len(ratios) == 1
    assert all(type(score) is int and score >= 1 for score in workload.scores.values())


def test_weights_far_apart_are_rounded_up():
    given = [{"columns": ["a", "b"], "weight": 1e-30}, {"columns": ["c", "d"], "weight": 1e30}]
    scores = Workload.of(DOMAIN, given).scores
    assert scores == {("a", "b"): 1, ("c", "d"): 1 << 20}


def test_what_the_user_names_is_never_dropped():
    domain = Domain(("a", "b"), (5_000, 5_000))
    assert Workload.of(domain, [["b", "a"]]).closure == (("a", "b"),)
    assert Workload.of(domain, "all-2way").closure == ()
    assert Workload.of(domain, "all-2way").dropped == 1


def test_many_columns_keep_all_pairs_only():
    domain = Domain(tuple(f"x{axis}" for axis in range(200)), (2,) * 200)
    workload = Workload.of(domain, "all-3way")
    assert len(workload.closure) == 19_900
    assert workload.dropped == 1_313_400


def test_limits_take_the_largest_first():
    domain = Domain(tuple(f"x{axis}" for axis in range(20)), (20,) * 19 + (500,))
    workload = Workload.of(domain, "all-3way")
    assert sum(domain.cells(clique) for clique in workload.closure) <= ALL_CELLS
    assert len(workload.closure) <= CANDIDATES
    assert all(pair in workload.closure for pair in domain.cliques(2))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("all-9way", "unknown workload"),
        ("everything", "unknown workload"),
        ("all-²way", "unknown workload"),
        ("target:missing", "not modeled"),
        ("target:", "not modeled"),
        ([], "at least one"),
        (7, "a word or a list"),
        ([[]], "empty set"),
        ([["a", "missing"]], "'missing'"),
        ([["a", "a"]], "twice"),
        (["ab"], "list of column names"),
        ([[1, 2]], "list of column names"),
        ([{"weight": 2}], "has columns"),
        ([{"columns": ["a"], "wait": 2}], "has columns"),
        ([["a", "b"]] * 10_001, "at most"),
    ],
)
def test_what_cannot_be_a_workload(given, words):
    with pytest.raises(UsageError, match=words):
        Workload.of(DOMAIN, given)


@pytest.mark.parametrize("weight", [0, -1, float("nan"), float("inf"), True, None, "many", "1/0", [1]])
def test_weights_out_of_range(weight):
    with pytest.raises(UsageError, match="above 0"):
        Workload.of(DOMAIN, [{"columns": ["a", "b"], "weight": weight}])


def test_settings_become_plain_data():
    given = ({"columns": ("a", "b"), "weight": Fraction(1, 3)}, ("c",))
    assert plain(given) == [{"columns": ["a", "b"], "weight": "1/3"}, ["c"]]


def test_a_set_with_too_many_subsets_is_refused_where_they_are_needed():
    domain = Domain(tuple(f"x{axis}" for axis in range(20)), (2,) * 20)
    workload = Workload.of(domain, [list(domain)])
    assert workload.joins
    assert list(workload.marginals) == [domain.attributes]
    with pytest.raises(ResourceLimitError, match="20 columns"):
        _ = workload.closure
    assert len(Workload.of(domain, [list(domain)[:12]]).closure) == 2**12 - 12 - 1


@pytest.mark.parametrize(
    ("given", "joins"),
    [
        ("all-2way", True),
        ("all-1way", False),
        ("target:c", True),
        ([["a"]], False),
        ([["a", "one"]], False),
        ([["a", "b"]], True),
    ],
)
def test_whether_columns_are_to_be_kept_together(given, joins):
    assert Workload.of(DOMAIN, given).joins is joins


def test_pairs_that_cannot_be_counted_join_nothing():
    assert not Workload.of(Domain(("a", "b"), (2_000, 2_000)), "all-2way").joins


@pytest.mark.parametrize("weight", ["1e999999999", "1e4000", "nan", "1_0", "٣", "-1", "1/0", "0x10", " 1"])
def test_weights_that_are_no_plain_numbers_are_refused_at_once(weight):
    with pytest.raises(UsageError, match="weight"):
        Workload.of(DOMAIN, [{"columns": ["a", "b"], "weight": weight}])


def test_many_large_sets_are_refused_before_their_subsets_are_listed():
    domain = Domain(tuple(f"x{axis}" for axis in range(60)), (2,) * 60)
    sets = [[f"x{(start + step) % 60}" for step in range(12)] for start in range(60)]
    with pytest.raises(ResourceLimitError, match="too many subsets"):
        _ = Workload.of(domain, sets).closure


def test_a_target_among_columns_too_wide_to_be_paired_joins_nothing():
    domain = Domain(("a", "b", "c"), (3_000, 3_000, 3_000))
    assert not Workload.of(domain, "target:a").joins
