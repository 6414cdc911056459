"""From estimates and thresholds to findings with verdicts, every figure INTERNAL.

PASS needs no correction for the number of figures: it demands that every upper bound is at or below its threshold, and
any single one of them would be wrong with probability at most alpha (an intersection–union test; Berger 1982). FAIL is
Holm's step-down test over all figures: a false FAIL anywhere has probability at most alpha (Holm 1979).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from dpsynth.audit.rates import Estimate
from dpsynth.evidence import Color, Figure, InternalFigure, InternalFinding, Interval, Verdict

ALPHA = 0.05
"""What every one-sided bound may miss by default."""


@dataclass(frozen=True)
class Measured:
    """An estimate and the largest value of it that a policy accepts.

    ``risk``: the family that it belongs to; ``attack`` and ``threat_model``: who measured it; ``group``: on which
    records or which column; ``measure``: what the value is, in a few words. ``facts``: further numbers for the record.
    """

    risk: str
    attack: str
    threat_model: str
    group: str
    measure: str
    estimate: Estimate
    threshold: float
    facts: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Observed:
    """What an attack found, before a policy says how much of it is accepted: the fields are those of ``Measured``."""

    risk: str
    attack: str
    threat_model: str
    group: str
    measure: str
    estimate: Estimate
    facts: Mapping[str, float] = field(default_factory=dict)

    def against(self, threshold: float) -> Measured:
        """The same with the largest value that is accepted."""
        return Measured(
            self.risk,
            self.attack,
            self.threat_model,
            self.group,
            self.measure,
            self.estimate,
            threshold,
            self.facts,
        )


def judged(measured: Sequence[Measured], alpha: float = ALPHA) -> tuple[InternalFinding, ...]:
    """One finding each, in their order; Holm's correction runs over all of them together."""
    failed = holm([(one.estimate, one.threshold) for one in measured], alpha)
    seen = holm([(one.estimate, 0.0) for one in measured], alpha)
    return tuple(
        _finding(one, alpha, fails=fails, stands=stands)
        for one, fails, stands in zip(measured, failed, seen, strict=True)
    )


def holm(estimates: Sequence[tuple[Estimate, float]], alpha: float) -> list[bool]:
    """Which thresholds are exceeded, so that one or more are said to be in error with probability at most alpha.

    Step-down: with k hypotheses left, those go whose lower bound at alpha/k is above the threshold, until none does.
    """
    rejected = [False] * len(estimates)
    while True:
        left = rejected.count(False)
        found = [
            not done and estimate.lower(alpha / left) > threshold
            for (estimate, threshold), done in zip(estimates, rejected, strict=True)
        ]
        if not any(found):
            return rejected
        rejected = [done or new for done, new in zip(rejected, found, strict=True)]


def overall(verdicts: Sequence[Verdict]) -> Verdict:
    """FAIL if one failed, PASS if all of at least one passed, else INCONCLUSIVE."""
    if Verdict.FAIL in verdicts:
        return Verdict.FAIL
    return Verdict.PASS if verdicts and set(verdicts) == {Verdict.PASS} else Verdict.INCONCLUSIVE


def by_risk(findings: Sequence[InternalFinding]) -> dict[str, Verdict]:
    """The verdict of every risk, in the order in which they come."""
    risks = dict.fromkeys(finding.risk for finding in findings)
    return {risk: overall([finding.verdict for finding in findings if finding.risk == risk]) for risk in risks}


def _finding(one: Measured, alpha: float, *, fails: bool, stands: bool) -> InternalFinding:
    low, high = one.estimate.lower(alpha), one.estimate.upper(alpha)
    passes = high <= one.threshold and not fails
    verdict = Verdict.FAIL if fails else Verdict.PASS if passes else Verdict.INCONCLUSIVE
    needed = _needed(one, alpha) if verdict is Verdict.INCONCLUSIVE else None
    value = one.estimate.value
    # The bounds of a rate may lie on one side of its point estimate only when nothing was tried.
    interval = Interval(min(low, value), max(high, value), 1 - 2 * alpha)
    figure: InternalFigure = Figure(one.measure, value, "", Color.INTERNAL, f"{one.attack} on {one.group}", interval)
    return InternalFinding(
        risk=one.risk,
        attack=one.attack,
        threat_model=one.threat_model,
        group=one.group,
        figure=figure,
        threshold=one.threshold,
        verdict=verdict,
        ceiling=one.estimate.ceiling(alpha),
        trials=one.estimate.trials,
        needed=needed,
        words=_words(one, verdict, _seen(low, high, stands=stands), needed),
        facts=one.facts,
    )


def _seen(low: float, high: float, *, stands: bool) -> str:
    """What the figure shows; ``stands``: also after counting how many figures were looked at."""
    if low > 0 and stands:
        return f"found, between {low:.3g} and {high:.3g}"
    alone = ": it stands out by itself, and not among so many figures" if low > 0 else ""
    return f"not detected{alone}; would have been seen above {high:.3g}"


def _words(one: Measured, verdict: Verdict, seen: str, needed: int | None) -> str:
    what = f"{one.measure} ({one.attack}, {one.group})"
    if verdict is Verdict.FAIL:
        return f"{what}: {seen}; accepted is {one.threshold:.3g}."
    if verdict is Verdict.PASS:
        return f"{what}: {seen}, and {one.threshold:.3g} is accepted."
    if needed is None:
        return f"{what}: {seen}, which is not below the accepted {one.threshold:.3g}."
    tried = min(one.estimate.trials.values(), default=0)
    few = f"{tried:,} trials are too few for {one.threshold:.3g}: about {needed:,} in each group are needed."
    return f"{what}: {seen}; {few}"


def _needed(one: Measured, alpha: float) -> int | None:
    """The trials that are missing in some group; ``None`` if there are enough, or no number would do."""
    needed = one.estimate.needed(one.threshold, alpha)
    return needed if needed and needed > min(one.estimate.trials.values(), default=0) else None
