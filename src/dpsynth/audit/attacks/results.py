"""What a membership attack hands out: the scores of fitted and held-out records, and the figures that follow."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from dpsynth.audit.judging import Observed
from dpsynth.audit.rates import Advantage, Auc, Estimate, Rate, Scores
from dpsynth.audit.true_positives import TruePositives
from dpsynth.errors import UsageError

FALSE_POSITIVES = (0.001, 0.01)
"""Where true positives are reported (Carlini et al. 2022): an attacker who is rarely wrong harms those he finds."""


def true_positives_at(false_positives: float) -> str:
    """The name of that measure."""
    return f"true positives at {false_positives:.1%} false positives"


@dataclass(frozen=True, eq=False)
class AttackResult:
    """The scores of one membership attack on one group of records: higher means a member.

    ``members`` and ``controls``: float64, finite, records in random order. ``cut``: the threshold of a test that is
    known in advance (0 for a log-likelihood ratio); without one the first quarter of the records finds it and only
    the others count. ``group``: ``random`` or ``vulnerable``.
    """

    name: str
    threat_model: str
    group: str
    members: Scores
    controls: Scores
    cut: float | None = None

    def __post_init__(self) -> None:
        if not (np.isfinite(self.members).all() and np.isfinite(self.controls).all()):
            raise UsageError("a score of an attack is not a finite number", where=self.name)

    @cached_property
    def auc(self) -> Auc:
        """The area under the ROC curve."""
        return Auc.of(self.members, self.controls)

    def true_positives(self, false_positives: float) -> TruePositives:
        """Members found at this rate of false alarms."""
        return TruePositives(self.members, self.controls, false_positives)

    @cached_property
    def advantage(self) -> Advantage:
        """TPR − FPR of the test at ``cut``; without trials when there is no member or no control to find a cut with.

        A cut that all or none of the first quarter pass would call every later record the same, whatever leaks: half of
        the quarter decides instead.
        """
        if self.cut is not None:
            return Advantage(Rate.of(self.members > self.cut), Rate.of(self.controls > self.cut))
        n, m = len(self.members) // 4, len(self.controls) // 4
        if not (n and m):
            return Advantage(Rate(0, 0), Rate(0, 0))
        cut = best_cut(self.members[:n], self.controls[:m])
        if not math.isfinite(cut):
            cut = float(np.median(np.concatenate([self.members[:n], self.controls[:m]])))
        return Advantage(Rate.of(self.members[n:] > cut), Rate.of(self.controls[m:] > cut))

    def observed(self) -> tuple[Observed, ...]:
        """The advantage and the true positives at each of ``FALSE_POSITIVES``, of the risk ``membership``.

        The area under the curve is among the facts: it averages over tests, and the advantage is what a policy limits.
        A rate of false positives that the controls are too few for is left out for any group but ``random``, where it
        stands without trials.
        """
        low, high = self.auc.interval().low, self.auc.interval().high
        facts = {"auc": self.auc.area, "auc_low": low, "auc_high": high}
        rates = {
            true_positives_at(f): self.true_positives(f)
            for f in FALSE_POSITIVES
            if self.group == "random" or f * (len(self.controls) + 1) >= 1
        }
        estimates: dict[str, Estimate] = {"advantage": self.advantage, **rates}
        return tuple(
            Observed("membership", self.name, self.threat_model, self.group, measure, estimate, facts)
            for measure, estimate in estimates.items()
        )

    def roc(self, points: int = 200) -> list[tuple[float, float]]:
        """(FPR, TPR) along the curve from (0, 0) to (1, 1), at most ``points`` of them; the diagonal without scores."""
        if not (len(self.members) and len(self.controls)):
            return [(0.0, 0.0), (1.0, 1.0)]
        false, true = _curve(self.members, self.controls)
        kept = np.unique(np.linspace(0, len(false) - 1, points).astype(np.int64))
        return list(zip(false[kept].tolist(), true[kept].tolist(), strict=True))


def best_cut(members: Scores, controls: Scores) -> float:
    """The score above which TPR − FPR is largest on these records, halfway between two of them; +∞ if none is."""
    if not (len(members) and len(controls)):
        return math.inf
    false, true = _curve(members, controls)
    best = int(np.argmax(true - false))
    values = np.unique(np.concatenate([members, controls]))[::-1]
    if best == 0:
        return math.inf
    return -math.inf if best == len(values) else float(values[best - 1 : best + 1].mean())


def _curve(members: Scores, controls: Scores) -> tuple[Any, Any]:
    """FPR and TPR of every test ``score >= v``, v from +∞ down through all scores."""
    values = np.unique(np.concatenate([members, controls]))[::-1]
    rates = []
    for scores in (controls, members):
        ordered = np.sort(scores)
        above = len(scores) - np.searchsorted(ordered, values, "left")
        rates.append(np.concatenate([[0.0], above / len(scores)]))
    return rates[0], rates[1]
