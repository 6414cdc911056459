"""All limits of a cell together may miss as rarely as one interval: how the chance of a miss is shared."""

from __future__ import annotations

import numpy as np
import pytest

from dpsynth.domain import Domain
from dpsynth.graph.combination import Combined
from dpsynth.models.intervals import NoisyAnswers, _Limits
from dpsynth.privacy.answers import Coarsening, NoisyMarginal, Receipt
from dpsynth.privacy.loss import PrivacyLoss

DOMAIN = Domain(("a", "b", "c"), (3, 4, 2))
MISS = 0.05


def answer(clique: tuple[str, ...], scale: float, coarsening: Coarsening = ()) -> NoisyMarginal:
    given = dict(coarsening)
    shape = tuple(max(given[name]) + 1 if name in given else DOMAIN[name] for name in clique)
    receipt = Receipt("t", 1, "e", PrivacyLoss())
    return NoisyMarginal(clique, np.full(shape, 500, dtype=np.int64), scale, 1, receipt, "opendp", coarsening)


def limits(clique: tuple[str, ...], *answers: NoisyMarginal) -> _Limits:
    return _Limits(DOMAIN, clique, NoisyAnswers.of(DOMAIN, answers).grids, MISS)


MERGED = (("b", (0, 1, 2, 2)),)
RESOLVED = [
    (
        "two single columns beside a pair",
        ("a", "b"),
        [answer(("a", "b"), 90.0), answer(("a",), 1.0), answer(("b",), 1.0)],
    ),
    (
        "a pair measured as it is and with merged codes",
        ("a", "b"),
        [answer(("a", "b"), 90.0), answer(("a", "b"), 30.0, MERGED), answer(("a",), 1.0), answer(("b",), 1.0)],
    ),
]
BOUND = [
    ("two columns apart", ("a", "b"), [answer(("a",), 1.0), answer(("b",), 1.0)]),
    (
        "a triple of pairs",
        ("a", "b", "c"),
        [answer(("a", "b"), 3.0), answer(("b", "c"), 2.0), answer(("a",), 1.0), answer(("c",), 1.0)],
    ),
]


@pytest.fixture
def tails(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Every chance that a limit is told it may miss with, in the order in which ends() asks."""
    asked: list[float] = []
    monkeypatch.setattr(Combined, "radius", lambda _, tail: asked.append(tail) or 1.0)
    return asked


@pytest.mark.parametrize(("clique", "answers"), [case[1:] for case in RESOLVED], ids=[case[0] for case in RESOLVED])
def test_measured_cells_share_one_chance(
    clique: tuple[str, ...], answers: list[NoisyMarginal], tails: list[float]
) -> None:
    found = limits(clique, *answers)
    assert np.isfinite(found.error).all()
    assert len(found.ceilings) >= 2
    found.ends()
    around, beside = tails[: len(found.direct)], tails[len(found.direct) :: 2]
    assert len(beside) == len(found.ceilings)
    assert 2 * sum(around) + sum(beside) == pytest.approx(MISS)


def test_a_pair_measured_in_two_ways_has_two_limits_around_it() -> None:
    assert len(limits(*RESOLVED[1][1:2], *RESOLVED[1][2]).direct) == 2


@pytest.mark.parametrize(("clique", "answers"), [case[1:] for case in BOUND], ids=[case[0] for case in BOUND])
def test_cells_with_bounds_only_share_one_chance(
    clique: tuple[str, ...], answers: list[NoisyMarginal], tails: list[float]
) -> None:
    found = limits(clique, *answers)
    assert not found.direct
    assert len(found.ceilings) >= 2
    assert found.floors
    found.ends()
    alone = [*tails[1 : 2 * len(found.ceilings) : 2], *tails[2 * len(found.ceilings) :]]
    assert len(alone) == len(found.ceilings) + len(found.floors)
    assert sum(alone) == pytest.approx(MISS)
