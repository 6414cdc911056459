"""Privacy models against their definitions in plain Python, and what merging classes does to them."""

from __future__ import annotations

import math
from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anonymization_examples import classes
from dpsynth.anonymization.privacy_models import (
    AlphaK,
    BetaLikeness,
    Closeness,
    DeltaDisclosure,
    DistinctDiversity,
    EntropyDiversity,
    KAnonymity,
    KMap,
    PrivacyModel,
    RecursiveDiversity,
    monotone,
    satisfied,
)
from dpsynth.anonymization.records import Classes, Sensitive
from dpsynth.anonymization.tallies import distributions

LABELS = tuple("abcdef")  # some of them occur in no row
MODELS: dict[str, PrivacyModel] = {
    "k": KAnonymity(3),
    "k-map": KMap(3),
    "distinct": DistinctDiversity("s", 2),
    "entropy": EntropyDiversity("s", 2.2),
    "recursive": RecursiveDiversity("s", 1.5, 2),
    "recursive-3": RecursiveDiversity("s", 2.0, 3),
    "t": Closeness("s", 0.25),
    "t-ordered": Closeness("s", 0.15, ordered=True),
    "alpha": AlphaK("s", 0.6, 2),
    "beta": BetaLikeness("s", 0.8),
    "enhanced": BetaLikeness("s", 0.8, enhanced=True),
    "delta": DeltaDisclosure("s", 1.2),
}
every_model = pytest.mark.parametrize("name", MODELS)


@st.composite
def tables(draw: st.DrawFn) -> Classes:
    """Classes of up to 40 records of one sensitive attribute, sometimes with persons, sometimes with counts."""
    number = draw(st.integers(1, 4))
    of = list(range(number)) + draw(st.lists(st.integers(0, number - 1), max_size=36))
    codes = draw(st.lists(st.integers(0, 4), min_size=len(of), max_size=len(of)))
    persons, counts = None, None
    kind = draw(st.sampled_from(["plain", "persons", "counts"]))
    if kind == "persons":
        persons = draw(st.lists(st.integers(0, 12), min_size=len(of), max_size=len(of)))
    if kind == "counts":
        counts = draw(st.lists(st.integers(1, 5), min_size=len(of), max_size=len(of)))
    population = draw(st.lists(st.integers(0, 9), min_size=number, max_size=number))
    one = Sensitive("s", np.array(codes, np.int32), LABELS, ordered=True)
    return classes(of, one, counts=counts, persons=persons, population=population)


def tallied(found: Classes) -> tuple[list[Counter[int]], list[int]]:
    """By class: how many rows, or different persons, have each value; and how many there are of them."""
    values: list[Counter[int]] = [Counter() for _ in range(found.number)]
    units: list[int] = [0] * found.number
    codes = found.sensitive[0].codes.tolist()
    if found.persons is None:
        for of, code, count in zip(found.of.tolist(), codes, found.counts.tolist(), strict=True):
            values[of][code] += count
            units[of] += count
        return values, units
    for of, code, _ in {*zip(found.of.tolist(), codes, found.persons.tolist(), strict=True)}:
        values[of][code] += 1
    for of, _ in {*zip(found.of.tolist(), found.persons.tolist(), strict=True)}:
        units[of] += 1
    return values, units


def by_hand(name: str, counts: Counter[int], units: int, population: int, whole: Counter[int]) -> float:
    """The figure of one class, by the words of its definition."""
    p = {value: Fraction(counts[value], counts.total()) for value in range(len(LABELS))}
    q = {value: Fraction(whole[value], whole.total()) for value in range(len(LABELS))}
    descending = sorted(counts.values(), reverse=True)
    occurring = [value for value in q if q[value]]
    gains = [float((p[value] - q[value]) / q[value]) for value in occurring if p[value] > q[value]]
    if name in {"recursive", "recursive-3"}:
        tail = sum(descending[(1 if name == "recursive" else 2) :])
        return float(Fraction(descending[0], tail)) if tail else math.inf
    if name == "t-ordered":
        steps = [abs(sum(p[one] - q[one] for one in occurring[: at + 1])) for at in range(len(occurring))]
        return float(sum(steps) / max(len(occurring) - 1, 1))
    if name == "delta":
        return max(abs(math.log(p[value] / q[value])) if p[value] else math.inf for value in occurring)
    if name == "enhanced":
        fits = all(p[value] - q[value] <= -math.log(q[value]) * q[value] + 1e-9 * q[value] for value in occurring)
        return max(gains, default=0.0) if fits else math.inf
    return {
        "k": units,
        "k-map": population,
        "distinct": len(counts),
        "entropy": math.exp(-sum(float(one) * math.log(one) for one in p.values() if one)),
        "t": float(sum(abs(p[value] - q[value]) for value in q) / 2),
        "alpha": float(Fraction(descending[0], units)),
        "beta": max(gains, default=0.0),
    }[name]


@every_model
@given(found=tables())
def test_figures_are_those_of_the_definition(name: str, found: Classes) -> None:
    model = MODELS[name]
    values, units = tallied(found)
    whole = sum(values, Counter[int]())
    assert found.population is not None
    wanted = [
        by_hand(name, counts, many, population, whole)
        for counts, many, population in zip(values, units, found.population.tolist(), strict=True)
    ]
    shares = distributions(found)
    assert model._measured(found, shares).tolist() == pytest.approx(wanted, rel=1e-9, abs=1e-9)
    least = name in {"k", "k-map", "distinct", "entropy"}
    assert model.reached(found, shares) == pytest.approx((min if least else max)(wanted), rel=1e-9, abs=1e-9)


def merged(found: Classes, one: int, other: int) -> Classes:
    """The same records with one class merged into another; the merged class stands last."""
    moved = {one: found.number - 2, other: found.number - 2}
    moved.update({rest: at for at, rest in enumerate(set(range(found.number)) - {one, other})})
    population = [0] * (found.number - 1)
    assert found.population is not None
    for old, many in enumerate(found.population.tolist()):
        population[moved[old]] += many
    counts, persons = found.counts.tolist(), None if found.persons is None else found.persons.tolist()
    of = [moved[old] for old in found.of.tolist()]
    return classes(of, *found.sensitive, counts=counts, persons=persons, population=population)


@every_model
@given(found=tables(), data=st.data())
def test_merging_never_undoes_a_monotone_model(name: str, found: Classes, data: st.DataObject) -> None:
    model = MODELS[name]
    passes = model.passes(found, distributions(found))
    if found.number < 2 or not (passes.any() if model.monotone else passes.sum() > 1):
        return
    one = data.draw(st.sampled_from(np.flatnonzero(passes).tolist()))
    others = set(range(found.number)) if model.monotone else set(np.flatnonzero(passes).tolist())
    other = data.draw(st.sampled_from(sorted(others - {one})))
    after = merged(found, one, other)
    # One that is not monotone passes when two classes that pass are merged, unless they have persons in common:
    # the shares of the merged class are then no mean of theirs.
    if found.persons is not None and not model.monotone:
        return
    assert model.passes(after, distributions(found))[-1]


PASSES = {"entropy": "abc", "recursive": "aabb", "recursive-3": "aabbcc"}


@every_model
def test_only_the_monotone_say_that_they_are(name: str) -> None:
    model = MODELS[name]
    assert model.monotone == (name in {"k", "k-map", "distinct"})
    assert monotone([MODELS["k"], model]) == model.monotone
    if not model.monotone:
        good, bad = PASSES.get(name, "ab"), "a" * 9
        one = Sensitive("s", np.array([LABELS.index(value) for value in good + bad], np.int32), LABELS, ordered=True)
        table = {"s": np.array([0.45, 0.55, 0, 0, 0, 0])}
        assert model.passes(classes([0] * len(good) + [1] * len(bad), one), table).tolist() == [True, False]
        assert not model.passes(classes([0] * len(good + bad), one), table).any()


@every_model
@given(found=tables())
def test_what_is_kept_satisfies_the_model_by_itself(name: str, found: Classes) -> None:
    model = MODELS[name]
    kept = satisfied([model], found)
    shares = distributions(found, kept)
    assert model.passes(found, shares)[kept].all()
    if model.monotone:
        assert kept.tolist() == model.passes(found, shares).tolist()
    assert (satisfied([model, KAnonymity(2)], found) <= (found.units >= 2)).all()
