"""A Discoverable for tests: owns a made-up table, adds plain numpy noise, keeps book of what was asked. No privacy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from dpsynth.discovery.questions import Partitions
from dpsynth.privacy.answers import NoisyMarginal
from dpsynth.privacy.discoveries import Categories, DistinctCount
from dpsynth.privacy.governor import Governor
from dpsynth.privacy.laws import measured_scales
from dpsynth.privacy.loss import PrivacyLoss
from dpsynth.privacy.receipt import Receipt
from dpsynth.privacy.thresholds import least_threshold
from dpsynth.privacy.unit import Unit
from dpsynth.schema.keys import keys_of
from dpsynth.schema.kinds import MISSING
from dpsynth.tables import open_table


class FakeDiscoverable:
    """``table``: anything that ``open_table`` reads. ``asked`` lists (question, columns, loss)."""

    def __init__(self, table: Any, seed: int = 0, unit: Unit | None = None, governor: Governor = Governor.GDP) -> None:
        self._reader = open_table(table)
        self.unit = unit or Unit()
        self.names = tuple(name for name in self._reader.names if name != self.unit.column)
        self.governor = governor
        self.asked: list[tuple[str, tuple[str, ...], PrivacyLoss]] = []
        self._rng = np.random.default_rng(seed)

    def counts(self, partitions: Partitions, loss: PrivacyLoss) -> tuple[NoisyMarginal, ...]:
        receipt = self._charge("counts", tuple(partitions.domain), loss)
        totals = {name: np.zeros(partitions.domain[name], dtype=np.int64) for name in partitions.domain}
        for batch in self._reader.batches(tuple(totals)):
            for name, total in totals.items():
                codes = partitions.codec(name).encode(batch.column(name))
                np.add(total, np.bincount(codes, minlength=len(total)), out=total)
        scale = self._scale(len(totals), loss)
        return tuple(
            NoisyMarginal((name,), self._noisy(total, scale), scale, self.unit.max_rows, receipt, "fake")
            for name, total in totals.items()
        )

    def categories(self, columns: Sequence[str], loss: PrivacyLoss) -> tuple[Categories, ...]:
        receipt = self._charge("categories", tuple(columns), loss)
        scale = self._scale(len(columns), loss)
        least = least_threshold(self.unit.max_rows, scale, loss.delta // len(columns))
        answers = []
        for column, keys in self._keys(columns).items():
            noisy = self._noisy(np.array(list(keys.values()), dtype=np.int64), scale)
            held = sorted((key, count) for key, count in zip(keys, noisy.tolist(), strict=True) if count >= least)
            values = np.array([count for _, count in held], dtype=np.int64)
            texts = tuple(key.decode() for key, _ in held)
            answers.append(Categories(column, texts, values, least, scale, self.unit.max_rows, receipt, "fake"))
        return tuple(answers)

    def distinct(self, columns: Sequence[str], loss: PrivacyLoss) -> tuple[DistinctCount, ...]:
        receipt = self._charge("distinct", tuple(columns), loss)
        scale = self._scale(len(columns), loss)
        numbers = {column: np.array([len(keys)]) for column, keys in self._keys(columns).items()}
        return tuple(
            DistinctCount(column, int(self._noisy(number, scale)[0]), scale, self.unit.max_rows, receipt, "fake")
            for column, number in numbers.items()
        )

    def _keys(self, columns: Sequence[str]) -> dict[str, Counter[bytes]]:
        missing = [text.encode() for text in MISSING]
        counts: dict[str, Counter[bytes]] = {column: Counter() for column in columns}
        for batch in self._reader.batches(tuple(columns)):
            for column in columns:
                counts[column].update(keys_of(batch.column(column), missing).drop_null().to_pylist())
        return counts

    def _noisy(self, counts: np.ndarray, scale: float) -> np.ndarray:
        return counts + np.rint(self._rng.normal(0.0, scale, counts.shape)).astype(np.int64)

    def _scale(self, columns: int, loss: PrivacyLoss) -> float:
        return measured_scales(self.governor, self.unit.max_rows, loss, [1] * columns)[0]

    def _charge(self, question: str, columns: tuple[str, ...], loss: PrivacyLoss) -> Receipt:
        self.asked.append((question, columns, loss))
        return Receipt("fake", len(self.asked), "fake", loss)
