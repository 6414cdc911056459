"""The leave-one-out game on a fixed table: refits with and without one record, told apart by the likelihood ratio.

It needs no held-out rows: a fair coin says whether the record was fitted. What it measures is the mechanism on this
table and this record, not the one model that is released.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from dpsynth.audit.attacks.distances import mean_nearest
from dpsynth.audit.attacks.likelihood_ratio import log_likelihood_ratios
from dpsynth.audit.attacks.tables import CANDIDATES, COMPARED, NEIGHBORS, taken
from dpsynth.audit.judging import Observed
from dpsynth.audit.rates import Guesses
from dpsynth.errors import UsageError
from dpsynth.metrics import CodedTable
from dpsynth.privacy.answers import NoisyMarginal

ATTACK = "leave-one-out refits"
THREAT_MODEL = "knows every other row, and sees every noisy marginal of a fit like this one"
VULNERABLE, RANDOM = 2, 1
PLAYED = VULNERABLE + RANDOM
"""How many records are played for, where there are as many: those that stand out most, and at random."""


@dataclass(frozen=True, slots=True, eq=False)
class InternalModel:
    """The noisy marginals of a refit: charged to nobody's budget, so they must not leave the process.

    It has no rows to sample and no file format; pickling it raises ``UsageError``.
    """

    answers: tuple[NoisyMarginal, ...]

    def __reduce__(self) -> NoReturn:
        raise UsageError("a refit of an audit lives in memory: it was charged to no budget")


Refit = Callable[[CodedTable, bool], InternalModel]
"""From one record, and whether it is among the fitted rows, to a fit of them."""


def left_out(
    fitted: CodedTable,
    refit: Refit,
    rounds: int,
    rng: np.random.Generator,
    progress: Callable[[str, float], object] = lambda *_: None,
) -> tuple[Observed, ...]:
    """The advantage of the exact likelihood ratio in ``rounds`` games for each record, and over all records together.

    A positive ratio guesses that the record was fitted, so nothing is learned from the rounds that are counted. Each
    estimate has an exact bound; together, the games of several records are at least as concentrated as coins of their
    mean probability (Hoeffding, "On the distribution of the number of successes in independent trials", 1956).
    Cost: ``PLAYED`` × rounds fits. Nothing without rows.
    """
    if not fitted.rows:
        return ()
    names, records = _records(fitted, rng)
    right = np.zeros(len(records), dtype=np.int64)
    for number, record in enumerate(records):
        for done in range(rounds):
            progress("refitting with and without one record", (number * rounds + done) / (len(records) * rounds))
            right[number] += _guessed(taken(fitted, np.array([record])), fitted, refit, present=bool(rng.integers(2)))
    return tuple(_observed(names, right, rounds))


def _guessed(record: CodedTable, fitted: CodedTable, refit: Refit, *, present: bool) -> bool:
    answers = refit(record, present).answers
    ratio = float(log_likelihood_ratios(record, fitted, answers, members=True)[0])
    return (ratio > 0) == present


def _records(fitted: CodedTable, rng: np.random.Generator) -> tuple[list[str], Sequence[int]]:
    """Rows of a sample that stand out most, by their mean distance to the nearest ones of another, and other rows."""
    order: NDArray[np.int64] = rng.permutation(fitted.rows)[:CANDIDATES]
    compared = taken(fitted, rng.permutation(fitted.rows)[:COMPARED])
    distances = mean_nearest(taken(fitted, order), compared, NEIGHBORS)
    outstanding = order[np.argsort(-distances, kind="stable")][:VULNERABLE]
    others = [int(row) for row in order if row not in outstanding][:RANDOM]
    names = [f"vulnerable record {place + 1}" for place in range(len(outstanding))]
    return names + [f"random record {place + 1}" for place in range(len(others))], [*map(int, outstanding), *others]


def _observed(names: Sequence[str], right: NDArray[np.int64], rounds: int) -> Iterator[Observed]:
    together = Guesses(int(right.sum()), rounds * len(names))
    each = [Guesses(int(count), rounds) for count in right]
    for name, estimate in zip([*names, "all refitted records together"], [*each, together], strict=True):
        yield Observed("membership", ATTACK, THREAT_MODEL, name, "advantage", estimate, {"rounds": float(rounds)})
