"""The questions of discovery over a made-up table, every primitive of them written down, frozen answers given again.

As ``recorded.RecordedQueryable`` it restates the room's questions from the pure laws, draws from a seeded generator and
gives no privacy. Exact counts come from whatever it is given, for the audit from the room's own sources.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from dpsynth.audit.recorded import SAMPLER
from dpsynth.audit.seeded_noise import gaussian
from dpsynth.domain import Domain
from dpsynth.privacy import laws
from dpsynth.privacy.answers import NoisyMarginal
from dpsynth.privacy.discoveries import Categories, DistinctCount
from dpsynth.privacy.governor import Governor
from dpsynth.privacy.loss import PrivacyLoss
from dpsynth.privacy.receipt import Receipt
from dpsynth.privacy.thresholds import discovery_loss, least_threshold
from dpsynth.privacy.unit import Unit

_least_threshold = lru_cache(1024)(least_threshold)


class Divided(Protocol):
    """Public partitions of columns."""

    @property
    def of(self) -> Mapping[str, Any]:
        """The partition of each column; its ``repr`` tells it whole."""

    @property
    def domain(self) -> Domain:
        """The columns and their numbers of classes."""


@dataclass(frozen=True)
class ExactCounts:
    """What a made-up table holds: ``classes``, int64 counts of every column of partitions; ``keys``, the counts of the
    texts of columns.
    """

    classes: Callable[[Any], list[NDArray[np.int64]]]
    keys: Callable[[Sequence[str]], list[dict[bytes, int]]]


@dataclass(frozen=True, slots=True, eq=False)
class Told:
    """One column of a question: its exact counts, and what was answered."""

    law: str
    question: tuple[object, ...]
    sensitivity: int
    scale: float
    exact: Any
    output: Any


class RecordedQuestions:
    """Serves ``Discoverable`` over a made-up table, in a pool of GDP, and keeps the ``transcript``.

    ``answers``: the outputs of an earlier transcript, in order, given instead of drawing; where they end, or one does
    not fit its question, the output is drawn, and a comparison of transcripts tells. ``draws``: the charges so far.
    """

    governor = Governor.GDP

    def __init__(
        self,
        names: Sequence[str],
        unit: Unit,
        exact: ExactCounts,
        rng: np.random.Generator,
        *,
        answers: Sequence[Any] | None = None,
    ) -> None:
        self.names, self.unit = tuple(names), unit
        self.transcript: list[Told] = []
        self.draws: list[Receipt] = []
        self._exact, self._rng, self._frozen = exact, rng, answers
        self._rows = laws.measure_sensitivity(unit.rows)

    def counts(self, partitions: Divided, loss: PrivacyLoss) -> tuple[NoisyMarginal, ...]:
        """The noisy class counts of every column, as ``Discoverable`` promises."""
        cliques = [(name,) for name in partitions.domain]
        scale = self._scale(loss, len(cliques))
        receipt = self._charged([laws.gaussian_loss(self._rows, scale)] * len(cliques))
        exact = self._exact.classes(partitions)
        with np.printoptions(threshold=sys.maxsize, floatmode="unique"):
            shown = [repr(partitions.of[name]) for (name,) in cliques]
        told = [
            self._told(("measure", receipt.draw, clique, public), scale, counts, self._noisy(counts, scale))
            for clique, public, counts in zip(cliques, shown, exact, strict=True)
        ]
        return tuple(
            NoisyMarginal(clique, one.output, scale, self._rows, receipt, SAMPLER)
            for clique, one in zip(cliques, told, strict=True)
        )

    def categories(self, columns: Sequence[str], loss: PrivacyLoss) -> tuple[Categories, ...]:
        """The texts of every column whose noisy counts reach the threshold, as ``Discoverable`` promises."""
        scale = self._scale(loss, len(columns))
        threshold = _least_threshold(self._rows, scale, loss.delta // len(columns))
        receipt = self._charged([discovery_loss(self._rows, scale, threshold)] * len(columns))
        answers = []
        for column, exact in zip(columns, self._exact.keys(columns), strict=True):
            keys = sorted(exact)
            noisy = self._noisy(np.array([exact[key] for key in keys], dtype=np.int64), scale)
            released = [(key.decode(), count) for key, count in zip(keys, noisy.tolist(), strict=True)]
            output = tuple((key, count) for key, count in released if count >= threshold)
            output = self._told(("categories", receipt.draw, column, threshold), scale, exact, output).output
            values = np.array([count for _, count in output], dtype=np.int64)
            texts = tuple(key for key, _ in output)
            answers.append(Categories(column, texts, values, threshold, scale, self._rows, receipt, SAMPLER))
        return tuple(answers)

    def distinct(self, columns: Sequence[str], loss: PrivacyLoss) -> tuple[DistinctCount, ...]:
        """The noisy number of different texts in every column, as ``Discoverable`` promises."""
        scale = self._scale(loss, len(columns))
        receipt = self._charged([laws.gaussian_loss(self._rows, scale)] * len(columns))
        exact = [np.array([len(keys)], dtype=np.int64) for keys in self._exact.keys(columns)]
        told = [
            self._told(("distinct", receipt.draw, column), scale, count, int(self._noisy(count, scale)[0]))
            for column, count in zip(columns, exact, strict=True)
        ]
        return tuple(
            DistinctCount(column, one.output, scale, self._rows, receipt, SAMPLER)
            for column, one in zip(columns, told, strict=True)
        )

    def _scale(self, loss: PrivacyLoss, columns: int) -> float:
        return laws.measured_scales(self.governor, self._rows, loss, [1] * columns)[0]

    def _charged(self, losses: Sequence[PrivacyLoss]) -> Receipt:
        number = len(self.draws) + 1
        self.draws.append(Receipt("made-up", number, f"{number:064x}", laws.stated(self.governor, losses)))
        return self.draws[-1]

    def _noisy(self, counts: NDArray[np.int64], scale: float) -> NDArray[np.int64]:
        return counts + gaussian(scale, counts.size, self._rng).reshape(counts.shape)

    def _told(self, question: tuple[object, ...], scale: float, exact: Any, drawn: Any) -> Told:
        """What is answered: the frozen answer where there is one of this kind, or what was drawn."""
        place = len(self.transcript)
        frozen: Any = None if self._frozen is None or place >= len(self._frozen) else self._frozen[place]
        # Released keys are as many as they are; counts of another shape belong to another question.
        shaped = isinstance(drawn, tuple) or np.shape(frozen) == np.shape(drawn)
        output = frozen if type(frozen) is type(drawn) and shaped else drawn
        self.transcript.append(Told("gaussian", question, self._rows, scale, exact, output))
        return self.transcript[-1]
