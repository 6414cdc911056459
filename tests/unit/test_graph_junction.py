"""Triangulation and junction trees on graphs whose answer is known."""

from __future__ import annotations

import pytest

from dpsynth.domain import Domain
from dpsynth.errors import DomainError
from dpsynth.graph import junction_tree


def domain(names, size=3):
    return Domain.from_sizes(dict.fromkeys(names, size))


def test_a_chain_is_its_own_junction_tree():
    tree = junction_tree(domain("abcd"), [("a", "b"), ("c", "b"), ("c", "d")])
    assert set(tree.cliques) == {("a", "b"), ("b", "c"), ("c", "d")}
    assert set(tree.separators) == {("b",), ("c",)}


def test_a_forest_is_joined_by_empty_separators():
    tree = junction_tree(domain("abcde"), [("a", "b"), ("d", "c")])
    assert set(tree.cliques) == {("a", "b"), ("c", "d"), ("e",)}
    assert tree.separators == ((), ())
    assert len(tree.walk(1)) == 3


def test_a_cycle_is_triangulated_by_one_chord():
    tree = junction_tree(domain("abcd"), [("a", "b"), ("b", "c"), ("c", "d"), ("d", "a")])
    assert sorted(map(len, tree.cliques)) == [3, 3]
    assert len(tree.separators[0]) == 2


def test_the_chord_of_a_cycle_avoids_large_attributes():
    sizes = Domain.from_sizes({"a": 100, "b": 2, "c": 100, "d": 2})
    tree = junction_tree(sizes, [("a", "b"), ("b", "c"), ("c", "d"), ("d", "a")])
    assert tree.cells == 2 * 100 * 2 * 2


def test_cliques_inside_others_disappear():
    tree = junction_tree(domain("abc"), [("c", "a", "b"), ("a", "b"), ("c",)])
    assert tree.cliques == (("a", "b", "c"),)
    assert tree.containing(("b",)) == 0
    assert tree.containing(()) == 0


def test_one_attribute_and_no_clique():
    tree = junction_tree(domain("a"), [])
    assert tree.cliques == (("a",),)
    assert tree.edges == ()


def test_two_hundred_columns_in_a_star():
    names = [f"x{index}" for index in range(200)]
    tree = junction_tree(domain(names), [("x0", name) for name in names[1:]])
    assert len(tree.cliques) == 199
    assert len(tree.order) == 199


def test_deterministic():
    cliques = [("a", "b"), ("b", "c"), ("c", "d"), ("d", "a"), ("e", "a")]
    assert junction_tree(domain("abcde"), cliques) == junction_tree(domain("abcde"), cliques)


@pytest.mark.parametrize("clique", [("a", "z"), ("a", "a")])
def test_a_clique_outside_the_domain_is_refused(clique):
    with pytest.raises(DomainError):
        junction_tree(domain("ab"), [clique])
