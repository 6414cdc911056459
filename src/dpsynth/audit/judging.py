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
    detected = holm([(one.estimate, one.estimate.nothing) for one in measured], alpha)
    return tuple(
        _finding(one, alpha, fails=fails, seen=_seen(one.estimate, alpha, stands=stands, figures=len(measured)))
        for one, fails, stands in zip(measured, failed, detected, strict=True)
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


def _finding(one: Measured, alpha: float, *, fails: bool, seen: str) -> InternalFinding:
    low, high = one.estimate.lower(alpha), one.estimate.upper(alpha)
    passes = high <= one.threshold and not fails
    verdict = Verdict.FAIL if fails else Verdict.PASS if passes else Verdict.INCONCLUSIVE
    needed = _needed(one, alpha) if verdict is Verdict.INCONCLUSIVE else None
    value = one.estimate.value
    # The bounds lie on one side of the point estimate only where nothing was tried.
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
        words=_words(one, verdict, seen, (low, high), needed),
        facts=one.facts,
    )


def _seen(estimate: Estimate, alpha: float, *, stands: bool, figures: int) -> str:
    """Whether anything was detected: after Holm's correction, by this figure alone, or not, and then what would be."""
    low, high = estimate.lower(alpha), estimate.upper(alpha)
    if stands:
        return f"found, between {low:.3g} and {high:.3g}"
    if low > estimate.nothing:
        alone = f"seen by this figure alone, not after counting all {figures} figures"
        return f"{alone}: between {low:.3g} and {high:.3g}"
    visible = estimate.visible(alpha)
    if visible is None:
        return f"not detected, and no value would have been; at most {high:.3g}"
    return f"not detected; would have been seen above {visible:.3g}; at most {high:.3g}"


def _words(one: Measured, verdict: Verdict, seen: str, bounds: tuple[float, float], needed: int | None) -> str:
    low, high = bounds
    what = f"{one.measure} ({one.attack}, {one.group})"
    if verdict is Verdict.FAIL:
        return f"{what}: found, at least {low:.3g}; accepted is {one.threshold:.3g}."
    if verdict is Verdict.PASS:
        return f"{what}: {seen}, and {one.threshold:.3g} is accepted."
    if needed is None:
        return f"{what}: {seen}; {high:.3g} is not below the accepted {one.threshold:.3g}."
    tried = min(one.estimate.trials.values(), default=0)
    few = f"{tried:,} trials are too few for {one.threshold:.3g}"
    return f"{what}: {seen}; {few}: about {needed:,} in each group are needed for an even chance to pass."


def _needed(one: Measured, alpha: float) -> int | None:
    """The trials that are missing in some group; ``None`` if there are enough, or no number would do."""
    needed = one.estimate.needed(one.threshold, alpha)
    return needed if needed and needed > min(one.estimate.trials.values(), default=0) else None
