"""A risk report: a short verdict in plain words, the figures behind it, each form with its watermark."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from dpsynth.anonymization.disclosure import Disclosure
from dpsynth.anonymization.population import Estimate
from dpsynth.anonymization.risks import Risks, Uniqueness
from dpsynth.evidence import INTERNAL_WATERMARK, Color, InternalFigure
from dpsynth.pipeline.anonymized import LIMITS
from dpsynth.pipeline.lost_lines import warning_of


@dataclass(frozen=True)
class Check:
    """A model or a threshold of the policy, whether it holds, and the parameter or the risk that the table reaches."""

    name: str
    holds: bool
    reached: float
    most: float | None


@dataclass(frozen=True)
class RiskReport:
    """INTERNAL: what a table tells about the people in it, computed without differential privacy.

    ``lines_lost``: how many lines of a CSV are no rows. ``persons``: how many different ones, None where rows are
    counted; ``counted``: False when the policy counts persons and the table does not say who they are. ``wildcard``:
    the smallest number of rows that match a row when a missing value matches everything, None if it was not asked for.
    ``known``: the quasi-identifiers. ``sets``: columns that single out a row together, and no fewer of them do; those
    of most rows, and of how many; ``examined``: the most columns of a set that was looked at, where larger ones would
    have been too many, else None.
    """

    table: str
    rows: int
    lines_lost: int
    persons: int | None
    counted: bool
    classes: int
    smallest: int
    wildcard: int | None
    checks: tuple[Check, ...]
    risks: Risks
    alone: Uniqueness
    estimates: tuple[Estimate, ...]
    known: tuple[str, ...]
    sets: tuple[tuple[tuple[str, ...], int], ...]
    examined: int | None
    disclosures: tuple[Disclosure, ...]
    synthetic: bool

    @property
    def met(self) -> bool:
        """Whether every model and threshold of the policy holds; True for a policy without any."""
        return all(check.holds for check in self.checks)

    @property
    def assured(self) -> bool:
        """Whether the report says of real rows that a policy is met, and so must say what that does not give."""
        return self.met and bool(self.checks) and not self.synthetic

    @property
    def figures(self) -> tuple[InternalFigure, ...]:
        """The risks as figures that never enter a release."""
        found = self.risks
        values = {
            "highest prosecutor risk": found.prosecutor.highest,
            "mean prosecutor risk": found.prosecutor.average,
            f"share of people at a prosecutor risk above {found.threshold:g}": found.prosecutor.above,
            "highest journalist risk": found.journalist.highest,
            "mean journalist risk": found.journalist.average,
            "marketer risk": found.marketer,
            "share of rows alone in their class": self.alone.row_share,
            "share of people alone in a class": self.alone.person_share,
            **{
                f"share of the population unique ({one.estimator})": one.share
                for one in self.estimates
                if one.share is not None
            },
            **{f"share of people in classes of one {one.field!r}": one.homogeneous for one in self.disclosures},
            **{
                f"share of people of whom {one.field!r} is known with {one.threshold:.0%}": one.above
                for one in self.disclosures
            },
        }
        return tuple(
            InternalFigure(name, value, "", Color.INTERNAL, self.table, None) for name, value in values.items()
        )

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON-able data, with its watermark."""
        return {
            "table": self.table,
            "met": self.met,
            "rows": self.rows,
            "lines_left_out": self.lines_lost,
            "persons": self.persons,
            "classes": self.classes,
            "smallest_class": self.smallest,
            "smallest_class_with_wildcards": self.wildcard,
            "checks": [
                {**asdict(check), "reached": check.reached if math.isfinite(check.reached) else None}
                for check in self.checks
            ],
            "figures": [figure.to_dict() for figure in self.figures],
            "estimates": [asdict(one) for one in self.estimates],
            "unique_columns": [{"columns": list(columns), "rows": rows} for columns, rows in self.sets],
            "unique_columns_up_to": self.examined,
            "classes_larger_than_the_population": self.risks.unmatched,
            "verdict": self.verdict,
            **({"limits": LIMITS} if self.assured else {}),
            "watermark": INTERNAL_WATERMARK,
        }

    @property
    def verdict(self) -> str:
        """A short paragraph in plain words."""
        return " ".join(self._verdict())

    def render(self) -> str:
        """The report as plain text, the watermark first and last."""
        width = max(len(figure.name) for figure in self.figures)
        lines = [f"{figure.name.ljust(width)}  {figure.value:.4f}" for figure in self.figures]
        checks = [
            f"{'met    ' if one.holds else 'NOT MET'}  {one.name} (reached: {one.reached:.6g})" for one in self.checks
        ]
        parts = [
            INTERNAL_WATERMARK,
            self.verdict,
            "\n".join(checks),
            "\n".join(lines),
            *self._more(),
            INTERNAL_WATERMARK,
        ]
        return "\n\n".join(part for part in parts if part)

    def _verdict(self) -> Iterator[str]:
        if not self.rows:
            yield f"{self.table} has no rows: nobody can be found in it."
            return
        who = "rows" if self.persons is None else "people"
        if self.synthetic:
            yield "The table is synthetic: its rows are not people, and the figures are about the rows."
        known, mean = ", ".join(self.known), self.risks.prosecutor.average
        yield (
            f"Whoever knows {known} of a person finds {self.alone.person_share:.1%} of the {who} with certainty, and "
            f"one picked at random with a chance of {mean:.1%}; the smallest group that is alike has {self.smallest:,}."
        )
        for one in self.disclosures:
            if one.homogeneous > 0:
                yield f"Of {one.homogeneous:.1%} of the {who} {one.field!r} is known without finding them."
        if not self.counted:
            yield "The table does not say who its rows are about, so rows were counted, not persons."
        if self.checks:
            missed = [check.name for check in self.checks if not check.holds]
            yield f"The policy is not met: {', '.join(missed)}." if missed else "The policy is met."
        else:
            yield "The policy has no models and no thresholds to be met."

    def _more(self) -> Iterator[str]:
        if self.lines_lost:
            yield warning_of(self.lines_lost)
        if self.sets:
            said = "; ".join(f"{' + '.join(columns)} ({rows:,} rows)" for columns, rows in self.sets)
            yield f"Columns that single out most rows: {said}."
        if self.examined is not None:
            yield f"Sets of more than {self.examined} columns were not looked at: they are too many."
        if self.wildcard is not None:
            matching = "1 row, itself" if self.wildcard == 1 else f"{self.wildcard:,} rows"
            yield f"If a missing value may be any value, every row matches at least {matching}."
        for one in self.estimates:
            if one.share is None:
                yield f"{one.estimator}'s estimate of uniqueness in the population has no answer: {one.reason}."
        if self.risks.unmatched:
            few = f"{self.risks.unmatched:,} of {self.classes:,} classes"
            yield f"The population has fewer rows than the table of {few}: it does not list everybody."
        if self.assured:
            yield LIMITS
        if not self.risks.population:
            yield "No table of the population is given, so the journalist is taken to know who is in the table."
