"""The result of a release audit: INTERNAL, as JSON of a published schema and as words for who decides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dpsynth.audit.attacks.results import FALSE_POSITIVES, AttackResult, true_positives_at
from dpsynth.audit.gate import Gate, RiskPart
from dpsynth.audit.judging import Observed, judged, overall
from dpsynth.audit.rates import claimed_advantage, claimed_true_positives
from dpsynth.audit.rules import Ruling
from dpsynth.evidence import INTERNAL_WATERMARK, InternalFigure, InternalFinding, Verdict

VERSION = 1
ROC_POINTS = 100


@dataclass(frozen=True)
class Judged:
    """A finding with the threshold's citation, and whether an INCONCLUSIVE blocks (``demand: pass``)."""

    finding: InternalFinding
    citation: str
    demand: str

    def to_dict(self) -> dict[str, Any]:
        """The finding as JSON-able data."""
        return {**self.finding.to_dict(), "citation": self.citation, "demand": self.demand}


@dataclass(frozen=True)
class Guarantee:
    """What the model claims: ``dp`` as in ``ReleaseFacts``; ``protects``: whom, in words. ``unit``: ``row``, or a
    column of persons.
    """

    dp: bool | str | None
    epsilon: float | None = None
    delta: float | None = None
    protects: str | None = None
    unit: str = "row"

    @property
    def advantage(self) -> float | None:
        """The largest TPR − FPR that the claim leaves to anybody; ``None`` without a claim."""
        if self.dp is not True or self.epsilon is None or self.delta is None:
            return None
        return claimed_advantage(self.epsilon, self.delta)

    def allows(self, measure: str) -> float | None:
        """The largest value of a membership measure that the claim leaves to anybody; ``None`` where it leaves all."""
        most = self.advantage
        if most is None or self.epsilon is None or self.delta is None:
            return None
        rates = {true_positives_at(f): claimed_true_positives(f, self.epsilon, self.delta) for f in FALSE_POSITIVES}
        return {"advantage": most, **rates}.get(measure)

    def to_dict(self) -> dict[str, Any]:
        """The claim as JSON-able data."""
        return {
            "dp": self.dp,
            "epsilon": self.epsilon,
            "delta": self.delta,
            "protects": self.protects,
            "advantage": self.advantage,
        }


@dataclass(frozen=True, eq=False)
class ReleaseAudit:
    """What was ruled, found, measured and left open. ``reported``: figures without a threshold in this gate.

    ``samples``: rows by table; ``holdout``: how the control group was told, ``None`` without one; ``attempt``: which
    candidate of the pool this is; ``notes``: what the audit cannot say.
    """

    gate: Gate
    claim: Guarantee
    rulings: tuple[Ruling, ...]
    findings: tuple[Judged, ...]
    reported: tuple[Observed, ...]
    smoke: tuple[InternalFigure, ...]
    membership: tuple[AttackResult, ...]
    samples: Mapping[str, int]
    holdout: Mapping[str, Any] | None
    attempt: Mapping[str, Any] | None
    digests: Mapping[str, str | None]
    environment: Mapping[str, str]
    seed: int
    names: Mapping[str, str]
    notes: tuple[str, ...] = field(default_factory=tuple)

    @property
    def verdict(self) -> Verdict:
        """FAIL if one rule or figure fails; PASS if all that is demanded passes; else INCONCLUSIVE, which blocks."""
        demanded = [one.finding.verdict for one in self.findings if one.demand == "pass"]
        alarms = [one.finding.verdict for one in self.findings if one.finding.verdict is Verdict.FAIL]
        return overall([*(ruling.verdict for ruling in self.rulings), *demanded, *alarms])

    @property
    def passed(self) -> bool:
        """Whether the gate opens."""
        return self.verdict is Verdict.PASS

    def to_dict(self) -> dict[str, Any]:
        """The content of audit.json: docs/reference/audit.schema.json."""
        return {
            "audit_version": VERSION,
            "kind": "release",
            "color": "internal",
            "notice": INTERNAL_WATERMARK,
            "verdict": self.verdict.value,
            "gate": self.gate.to_dict(),
            "tables": dict(self.names),
            "claim": self.claim.to_dict(),
            "rules": [ruling.to_dict() for ruling in self.rulings],
            "findings": [one.to_dict() for one in self.findings],
            "reported": [_reported(one, self.gate.document.alpha) for one in self.reported],
            "smoke_test": [figure.to_dict() for figure in self.smoke],
            "roc": [
                {"attack": one.name, "group": one.group, "points": [list(point) for point in one.roc(ROC_POINTS)]}
                for one in self.membership
            ],
            "checklist": [{"clause": one.clause, "item": one.item} for one in self.gate.document.checklist],
            "samples": dict(self.samples),
            "holdout": None if self.holdout is None else dict(self.holdout),
            "attempt": None if self.attempt is None else dict(self.attempt),
            "seed": self.seed,
            "digests": dict(self.digests),
            "environment": dict(self.environment),
            "notes": list(self.notes),
        }


def judged_by(
    gate: Gate, claim: Guarantee, observed: tuple[Observed, ...]
) -> tuple[tuple[Judged, ...], list[Observed]]:
    """The figures that the gate has a threshold for, judged together, and those that it has none for."""
    asked = [(one, gate.risk_of(one.risk, one.measure)) for one in observed]
    parts = [(one, part) for one, part in asked if part is not None]
    findings = judged([one.against(threshold(part, claim, one.measure)) for one, part in parts], gate.document.alpha)
    found = [Judged(finding, part.citation, part.demand) for finding, (_, part) in zip(findings, parts, strict=True)]
    return tuple(found), [one for one, part in asked if part is None]


def unmeasured(gate: Gate, observed: tuple[Observed, ...]) -> tuple[Ruling, ...]:
    """A ruling for each risk that must pass and that no attack could measure: silence is no PASS."""
    seen = {(one.risk, measure) for one in observed for measure in (None, one.measure)}
    return tuple(
        Ruling(
            f"risk: {part.risk}",
            Verdict.INCONCLUSIVE,
            "no attack could measure this risk on these columns and rows",
            part.citation,
        )
        for part in gate.document.risks
        if part.demand == "pass" and (part.risk, part.measure) not in seen
    )


def threshold(part: RiskPart, claim: Guarantee, measure: str) -> float:
    """What is accepted of a measure: the policy's number, or less where the claim promises less."""
    allowed = claim.allows(measure) if part.or_claim else None
    return part.at_most if allowed is None else min(part.at_most, allowed)


def _reported(one: Observed, alpha: float) -> dict[str, Any]:
    return {
        "risk": one.risk,
        "attack": one.attack,
        "threat_model": one.threat_model,
        "group": one.group,
        "measure": one.measure,
        "value": one.estimate.value,
        "low": one.estimate.lower(alpha),
        "high": one.estimate.upper(alpha),
        "ceiling": one.estimate.ceiling(alpha),
        "trials": dict(one.estimate.trials),
        "facts": dict(one.facts),
        "color": "internal",
    }
