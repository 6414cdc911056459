"""The internal edition: the public facts, and beside them what was computed from real rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dpsynth.evidence import INTERNAL_WATERMARK, Color, InternalFigure
from dpsynth.metrics import PairDifference
from dpsynth.privacy.labels import Label, LabelKind
from dpsynth.report.audit_facts import AuditFacts
from dpsynth.report.public import PublicReport

_INTERNAL = {"color": Color.INTERNAL.value, "source": "real rows against the synthetic table"}


@dataclass(frozen=True, eq=False)
class Utility:
    """Distances of the synthetic table from the real rows. ``ways``: mean and worst of all 1-, 2-, 3-way marginals;
    ``columns``: one figure per column; ``pairs``: associations in both; ``labels``: the codes of the columns in words;
    ``counts``: of ``names``, the real and the synthetic rows of every cell.
    """

    ways: tuple[InternalFigure, ...]
    columns: tuple[InternalFigure, ...]
    names: tuple[str, ...]
    pairs: tuple[PairDifference, ...]
    labels: Mapping[str, tuple[str, ...]]
    counts: Mapping[str, tuple[tuple[int, ...], tuple[int, ...]]]
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """The distances as JSON-able data."""
        return {
            "marginals": [figure.to_dict() for figure in self.ways],
            "columns": [figure.to_dict() for figure in self.columns],
            "counts": {
                name: {"labels": list(self.labels[name]), "real": list(real), "synthetic": list(made), **_INTERNAL}
                for name, (real, made) in self.counts.items()
            },
            "pairs": [
                {
                    **_INTERNAL,
                    "columns": list(pair.columns),
                    "real": pair.first,
                    "synthetic": pair.second,
                    "worst_cell": {
                        "labels": self.cell(pair),
                        "real": pair.worst.first,
                        "synthetic": pair.worst.second,
                    },
                }
                for pair in self.pairs
            ],
            "notes": list(self.notes),
        }

    def cell(self, pair: PairDifference) -> list[str]:
        """The labels of the cell of a pair that differs most."""
        return [self.labels[name][code] for name, code in zip(pair.columns, pair.worst.codes, strict=True)]


@dataclass(frozen=True)
class Moment:
    """One event with its private fields; ``None`` where there are none. ``mine``: of the fit that made the model.

    ``reason``: why a gate was passed over, a cap raised, rows disclosed; ``recipient``: to whom a release went.
    """

    kind: str
    time: str | None
    actor: str | None
    host: str | None
    purpose: str | None
    reason: str | None
    recipient: str | None
    mine: bool

    def to_dict(self) -> dict[str, Any]:
        """The event as JSON-able data."""
        return {
            "event": self.kind,
            "time": self.time,
            "actor": self.actor,
            "host": self.host,
            "purpose": self.purpose,
            "reason": self.reason,
            "recipient": self.recipient,
        }


@dataclass(frozen=True)
class Decision:
    """May the table be released? ``gates``: what refuses, or under which gate it is allowed."""

    allowed: bool
    gates: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class InternalReport:
    """What stays inside: ``history`` says who, when and why; ``audit`` and ``utility`` what the real rows say.
    ``drawn``: whether the labels of the table say that it was drawn from a model; ``None`` without a table.
    """

    public: PublicReport
    audit: AuditFacts | None
    utility: Utility | None
    history: tuple[Moment, ...]
    digests: Mapping[str, str | None]
    drawn: bool | None

    @property
    def decision(self) -> Decision:
        """Refused by everything that speaks against it, else allowed by the gate."""
        found = [*self._without_guarantee(), *self._by_gate()]
        if found or self.audit is None:
            return Decision(allowed=False, gates=tuple(found))
        return Decision(allowed=True, gates=(f"the gate {self.audit.gate} passed",))

    def _without_guarantee(self) -> list[str]:
        report = self.public
        labels = [Label.parse(text, "the label chain") for text in report.to_dict()["preprocessing"]]
        found = []
        if not report.model.dp:
            found.append("guarantee: dpsynth vouches for none of this model")
        if any(label.kind is LabelKind.NON_DP or "dp: false" in label.step for label in labels):
            found.append("guarantee: a step of the preprocessing has no finite stability (dp: false)")
        if self.drawn is None:
            found.append("table: none was given to this report")
        elif not self.drawn:
            found.append("table: nothing says that it was drawn from a model")
        if report.model.dp and (report.pool is None or report.pool.state.ephemeral):
            found.append("ledger: the record of what was spent ended with its process")
        return found

    def _by_gate(self) -> list[str]:
        if self.audit is None:
            return ["not audited: no gate looked at this table"]
        if self.audit.verdict == "PASS":
            return []
        return [f"the gate {self.audit.gate}: {self.audit.verdict}", *self.audit.reasons()]

    def to_dict(self) -> dict[str, Any]:
        """The content of report.json, internal edition."""
        decision = self.decision
        return {
            **self.public.to_dict(),
            "edition": "internal",
            "color": "internal",
            "notice": INTERNAL_WATERMARK,
            "decision": {"allowed": decision.allowed, "gates": list(decision.gates)},
            "history": [moment.to_dict() for moment in self.history],
            "digests": dict(self.digests),
            "audit": None if self.audit is None else self.audit.to_dict(),
            "utility": None if self.utility is None else self.utility.to_dict(),
        }
