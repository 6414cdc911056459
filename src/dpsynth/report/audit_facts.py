"""What a report takes from audit.json, read strictly: it was written by a file, not by this process."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from dpsynth.evidence import Verdict


@dataclass(frozen=True)
class Risk:
    """One figure: where it lies, what is accepted (``None`` where the gate has no threshold), what this sample could
    have shown at most. ``demanded``: the gate asks for a PASS of it; else only a FAIL of it closes the gate.
    """

    risk: str
    attack: str
    group: str
    measure: str
    value: float
    low: float
    high: float
    threshold: float | None
    verdict: str
    ceiling: float
    words: str
    demanded: bool
    facts: Mapping[str, float]


@dataclass(frozen=True)
class Rule:
    """One hard rule."""

    rule: str
    verdict: str
    words: str


@dataclass(frozen=True)
class Curve:
    """A ROC curve: shares of false and of true positives."""

    attack: str
    group: str
    points: tuple[tuple[float, float], ...]

    @property
    def area(self) -> float:
        """The area below the curve, by trapezoids: one half is blind guessing."""
        return sum((right - left) * (low + high) / 2 for (left, low), (right, high) in pairwise(self.points))

    def at(self, false: float) -> float:
        """The share of true positives at this share of false ones, on straight lines between the points."""
        return float(np.interp(false, [x for x, _ in self.points], [y for _, y in self.points]))


@dataclass(frozen=True, eq=False)
class AuditFacts:
    """An audit of a release, INTERNAL. ``allowed``: how many candidates its gate fixes in advance;
    ``record``: the whole content of its file.
    """

    verdict: str
    gate: str
    title: str
    candidate: tuple[int, int] | None
    allowed: int
    digests: Mapping[str, str | None]
    rules: tuple[Rule, ...]
    risks: tuple[Risk, ...]
    reported: tuple[Risk, ...]
    curves: tuple[Curve, ...]
    smoke: tuple[tuple[str, float], ...]
    checklist: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]
    samples: Mapping[str, int]
    record: Mapping[str, Any]

    def reasons(self) -> list[str]:
        """The rules and the families of risks that did not pass."""
        rules = [f"{one.rule}: {one.verdict}" for one in self.rules if one.verdict != Verdict.PASS.value]
        risks = [f"{one.risk}: {one.verdict}" for one in self.risks if one.verdict != Verdict.PASS.value]
        return list(dict.fromkeys([*rules, *risks]))

    def to_dict(self) -> dict[str, Any]:
        """The audit as it stands in its file."""
        return dict(self.record)


def audit_facts(record: Mapping[str, Any]) -> AuditFacts:
    """The facts of this record; ``KeyError``, ``TypeError`` or ``ValueError`` where it is malformed."""
    gate, attempt = record["gate"], record["attempt"]
    return AuditFacts(
        verdict=Verdict(record["verdict"]).value,
        gate=f"{gate['name']} ({gate['version']})",
        title=str(gate["title"]),
        candidate=None if attempt is None else (int(attempt["candidate"]), int(attempt["of"])),
        allowed=int(gate["candidates"]),
        digests=dict(record["digests"].items()),
        rules=tuple(Rule(str(one["rule"]), _verdict(one), str(one["words"])) for one in record["rules"]),
        risks=tuple(_risk(one) for one in record["findings"]),
        reported=tuple(_reported(one) for one in record["reported"]),
        curves=tuple(_curve(one) for one in record["roc"]),
        smoke=tuple((str(one["name"]), _finite(one["value"])) for one in record["smoke_test"]),
        checklist=tuple((str(one["clause"]), str(one["item"])) for one in record["checklist"]),
        notes=tuple(str(note) for note in record["notes"]),
        samples={str(name): int(count) for name, count in record["samples"].items()},
        record=record,
    )


def _risk(one: Mapping[str, Any]) -> Risk:
    figure = one["figure"]
    interval = figure["interval"] or {"low": 0.0, "high": 1.0}
    return Risk(
        risk=str(one["risk"]),
        attack=str(one["attack"]),
        group=str(one["group"]),
        measure=str(figure["name"]),
        value=_finite(figure["value"]),
        low=_finite(interval["low"]),
        high=_finite(interval["high"]),
        threshold=_finite(one["threshold"]),
        verdict=_verdict(one),
        ceiling=_finite(one["ceiling"]),
        words=str(one["words"]),
        demanded=str(one["demand"]) == "pass",
        facts={str(name): _finite(value) for name, value in one["facts"].items()},
    )


def _reported(one: Mapping[str, Any]) -> Risk:
    return Risk(
        risk=str(one["risk"]),
        attack=str(one["attack"]),
        group=str(one["group"]),
        measure=str(one["measure"]),
        value=_finite(one["value"]),
        low=_finite(one["low"]),
        high=_finite(one["high"]),
        threshold=None,
        verdict="",
        ceiling=_finite(one["ceiling"]),
        words="",
        demanded=False,
        facts={str(name): _finite(value) for name, value in one["facts"].items()},
    )


def _curve(one: Mapping[str, Any]) -> Curve:
    points = tuple((_finite(x), _finite(y)) for x, y in one["points"])
    if not points or list(points) != sorted(points):
        raise ValueError
    return Curve(str(one["attack"]), str(one["group"]), points)


def _verdict(one: Mapping[str, Any]) -> str:
    return Verdict(one["verdict"]).value


def _finite(value: Any) -> float:
    if isinstance(value, bool) or not math.isfinite(float(value)):
        raise ValueError
    return float(value)
