"""Arrays over named axes against einsum."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from dpsynth.graph.factors import aligned, contracted, divided, summed

SIZE = {"a": 2, "b": 3, "c": 4, "d": 5}


def array(clique, seed=0):
    return np.random.default_rng(seed).random([SIZE[name] for name in clique])


@pytest.mark.parametrize("left", ["ab", "ba", "abc", "c", "", "dba"])
@pytest.mark.parametrize("right", ["bc", "cab", "d", "", "db"])
def test_contracted_is_einsum(left, right):
    union = sorted(set(left + right))
    for length in range(len(union) + 1):
        for target in itertools.permutations(union, length):
            expected = np.einsum(f"{left},{right}->{''.join(target)}", array(left), array(right, 1))
            found = contracted(array(left), tuple(left), array(right, 1), tuple(right), target)
            np.testing.assert_allclose(found, expected)


def test_summed_reorders_axes():
    values = array("abcd")
    np.testing.assert_allclose(summed(values, tuple("abcd"), tuple("db")), np.einsum("abcd->db", values))


def test_aligned_broadcasts_into_place():
    values = array("ca")
    product = np.ones([2, 3, 4]) * aligned(values, tuple("ca"), tuple("abc"))
    np.testing.assert_allclose(product, np.einsum("ca,b->abc", values, np.ones(3)))


def test_division_by_zero_is_zero():
    found = divided(np.array([0.0, 1.0, 6.0]), np.array([0.0, 0.0, 3.0]))
    assert found.tolist() == [0.0, 0.0, 2.0]
