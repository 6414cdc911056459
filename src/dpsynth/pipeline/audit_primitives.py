"""The room's primitives against their exact laws: the mechanisms themselves, and the answers of a curator."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial

import numpy as np
from numpy.typing import NDArray

from dpsynth.audit.primitives import (
    FLIP_SCALES,
    LAPLACE_SCALES,
    SCALES,
    SELECTION_SCALES,
    Case,
    Repeated,
    audit_flip,
    audit_gaussian,
    audit_laplace,
    audit_selection,
    rejected,
    repeated,
)
from dpsynth.curator.curator import Curator
from dpsynth.curator.mechanisms import DiscreteGaussian, NoisyMax
from dpsynth.curator.noise import TableGaussian
from dpsynth.curator.pure import DiscreteLaplace, PermuteAndFlip
from dpsynth.curator.sources import MemorySource
from dpsynth.domain import Domain
from dpsynth.errors import LedgerError
from dpsynth.ledger import Ledger, Transaction
from dpsynth.privacy import laws
from dpsynth.privacy.answers import NoisyMarginal, Selection
from dpsynth.privacy.governor import Governor
from dpsynth.privacy.loss import PrivacyLoss
from dpsynth.privacy.queryable import Candidate
from dpsynth.privacy.reconciliation import reconcile
from dpsynth.privacy.unit import Unit

_PLENTY, _TENTH, _THOUSANDTH = Fraction(100), Fraction(1, 10), Fraction(1, 1000)


def mechanism_cases(draws: int, picks: int) -> Iterator[Case]:
    """One case for every mechanism of the room and every scale, ``draws`` cells or ``picks`` selections each."""
    for scale in SCALES:
        yield audit_gaussian(scale, DiscreteGaussian(1, scale), draws)
        yield audit_gaussian(scale, TableGaussian(1, scale), draws, "discrete Gaussian by table")
    for scale in SELECTION_SCALES:
        yield audit_selection(scale, NoisyMax(1, scale), picks)
    for scale in LAPLACE_SCALES:
        yield audit_laplace(scale, DiscreteLaplace(1, scale), draws)
    for scale in FLIP_SCALES:
        yield audit_flip(scale, PermuteAndFlip(1, scale), picks)


def repeats(cells: int) -> Iterator[Repeated]:
    """Whether two mechanisms of one scale, as in two fits, ever draw the same noise."""
    zeros, scale = np.zeros(cells, dtype=np.int64), 12.35
    for name, kind in (("discrete Gaussian", DiscreteGaussian), ("discrete Gaussian by table", TableGaussian)):
        yield repeated(name, scale, kind(1, scale)(zeros), kind(1, scale)(zeros))


@dataclass(frozen=True)
class RoomCase:
    """One question to a curator over a table without rows, so that what it answers is noise alone.

    ``asked`` and ``drawn``: the loss it may cost, and what the ledger recorded, in the governor's currency.
    ``reconciled``: whether the answers' scales cost exactly what was drawn. ``noise``: the noise against their scales.
    ``repeats``: answers of one question against each other.
    """

    question: str
    governor: str
    max_rows: int
    asked: float
    drawn: float
    reconciled: bool
    noise: tuple[Case, ...]
    repeats: tuple[Repeated, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether what was asked for was spent, to one part in 1e9, recorded, and turned into noise of that scale."""
        spent = 1 - 1e-9 <= self.drawn / self.asked <= 1
        fresh = all(one.passed for one in self.repeats)
        return self.reconciled and spent and fresh and not rejected(list(self.noise))


def room_cases(draws: int, picks: int) -> Iterator[RoomCase]:
    """Marginals of different weights and selections, of rows and of persons with four rows, in every currency."""
    for governor in Governor:
        for unit in (Unit(), Unit("person", 4)):
            yield _measured(governor, unit, draws)
    yield _selected(Governor.ZCDP, Unit("person", 4), picks)
    yield _selected(Governor.PURE, Unit("person", 4), picks)


def _room(governor: Governor, unit: Unit, cells: int) -> tuple[Curator, Transaction]:
    """A curator over no rows, and its transaction in a ledger in memory."""
    delta = Fraction(0) if governor is Governor.PURE else Fraction(1, 10**5)
    ledger = Ledger.in_memory()
    ledger.create("made-up", epsilon=_PLENTY, delta=delta, unit=unit, governor=governor)
    state = ledger.pool("made-up")
    assert state is not None  # noqa: S101 (it was created two lines above)
    transaction = ledger.reserve(
        "made-up", state.cap, unit=unit, epsilon=_PLENTY, delta=delta, purpose=None, method="audit", details={}
    )
    transaction.touch()
    domain = Domain(("a", "b"), (cells, 2))
    empty = MemorySource(domain, {name: np.zeros(0, dtype=np.uint32) for name in domain})
    return Curator(empty, unit, transaction), transaction


def _measured(governor: Governor, unit: Unit, cells: int) -> RoomCase:
    curator, transaction = _room(governor, unit, cells)
    asked = PrivacyLoss.budget(rho=_TENTH, mu2=_TENTH, epsilon=_TENTH)
    answers = curator.measure([("a",), ("a",), ("a",)], asked, [1, 3, 3])
    audit = audit_laplace if governor is Governor.PURE else audit_gaussian
    noise = tuple(audit(one.scale, partial(np.add, one.values), cells) for one in answers)
    case = _case("measure", (curator, transaction), asked, answers, noise)
    if governor is Governor.PURE:
        return case
    _, second, third = answers
    return replace(case, repeats=(repeated("one question", second.scale, second.values, third.values),))


def _selected(governor: Governor, unit: Unit, picks: int) -> RoomCase:
    curator, transaction = _room(governor, unit, 2)
    asked = PrivacyLoss.budget(rho=_THOUSANDTH, mu2=_THOUSANDTH, epsilon=_THOUSANDTH)
    nothing = np.zeros(2, dtype=np.int64)
    scale = laws.selection_scale(governor, laws.score_sensitivity(1, unit.max_rows), asked)
    answers: list[Selection] = []

    def pick(scores: NDArray[np.int64]) -> int:
        offered = [Candidate(("b",), nothing, penalty=-score) for score in scores.tolist()]
        answers.append(curator.select(offered, asked))
        return answers[-1].index

    audit = audit_flip if governor is Governor.PURE else audit_selection
    noise = (audit(scale, pick, picks),)
    return _case("select", (curator, transaction), asked, answers[:1], noise)


def _case(
    question: str,
    room: tuple[Curator, Transaction],
    asked: PrivacyLoss,
    answers: Sequence[NoisyMarginal | Selection],
    noise: tuple[Case, ...],
) -> RoomCase:
    (curator, transaction), drawn = room, room[1].draws[0].loss
    governor = curator.governor
    try:
        reconcile(answers, transaction.draws[:1], transaction.reservation, governor)
        reconciled = True
    except LedgerError:
        reconciled = False
    amounts = float(governor.amount(asked)), float(governor.amount(drawn))
    return RoomCase(question, governor.value, curator.unit.max_rows, *amounts, reconciled, noise)
