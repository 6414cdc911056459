"""What became of an anonymized table: figures for whoever holds the real one, and what they do not promise."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from dpsynth.anonymization.policy_document import Method
from dpsynth.evidence import INTERNAL_WATERMARK
from dpsynth.pipeline.anonymize_label import is_synthetic
from dpsynth.pipeline.label_chain import UNLABELED
from dpsynth.pipeline.lost_lines import warning_of

LIMITS = (
    "k-anonymity hides nobody who is known by other columns. It resists neither downcoding (Cohen, USENIX Security "
    "2022) nor combinatorial refinement (arXiv 2509.03350): both use that a table is generalized no more than needed."
)
"""What is said of every anonymized table of real rows."""

_HOW = {
    "optimal": "optimal levels",
    "local": "levels by class (local recoding)",
    "mondrian": "ranges (strict Mondrian)",
    "fixed": "fixed levels",
}


@dataclass(frozen=True)
class ColumnOutcome:
    """A quasi-identifier: its lowest and highest level shown (None for ranges and without rows), the highest there is,
    and what was lost of its detail on average, from 0 to 1, in the rows that are left.
    """

    name: str
    levels: tuple[int, int] | None
    top: int
    lost: float


@dataclass(frozen=True)
class AnonymizeOutcome:
    """The result of ``anonymize``. ``path``: where it was written, None when it is ``table``.

    ``rows`` were read, ``released`` are left; gone are those suppressed, those ``left_out`` for a value that no
    hierarchy covers, and those ``bounded_away`` because a person has too many; ``lines_lost`` of a CSV were no rows at
    all. ``models``: by model in words what the
    table reaches. ``bound``: no generalization of this kind loses less; 0 where none is known. ``unit``: the column of
    persons, None when rows are counted. ``unnamed``: columns that the policy does not name and that are carried;
    ``uncounted``: others that are neither quasi-identifiers nor sensitive, masked identifiers among them.
    ``linked``: the rows of a person still carry a common pseudonym.
    """

    method: Method
    path: str | None
    rows: int
    released: int
    suppressed: int
    left_out: int
    bounded_away: int
    lines_lost: int
    limit: float
    models: Mapping[str, float]
    columns: tuple[ColumnOutcome, ...]
    classes: int
    smallest: int
    unit: str | None
    bound: float
    checked: int
    losses: Mapping[str, float]
    labels: tuple[str, ...]
    unnamed: tuple[str, ...]
    uncounted: tuple[str, ...]
    dropped: tuple[str, ...]
    linked: bool
    table: pa.Table | None = field(default=None, repr=False)

    @property
    def synthetic(self) -> bool:
        """Whether the rows were synthetic before, so that nothing here is about real people."""
        return is_synthetic(self.labels)

    @property
    def proved(self) -> bool:
        """Whether no levels lose less than these; True for methods that promise nothing of the kind."""
        return self.method != "optimal" or self.bound >= self.loss - 1e-9

    @property
    def loss(self) -> float:
        """The share of detail lost over all rows and quasi-identifiers, suppressed rows counted whole (GCP)."""
        return self.losses["gcp"]

    def to_dict(self) -> dict[str, Any]:
        """The outcome as JSON-able data, watermarked if it was computed from real rows."""
        mark = {} if self.synthetic else {"color": "internal", "watermark": INTERNAL_WATERMARK, "limits": LIMITS}
        keys = ("method", "path", "rows", "released", "suppressed", "left_out", "bounded_away", "limit", "classes")
        return {
            **{key: getattr(self, key) for key in keys},
            "lines_left_out": self.lines_lost,
            "smallest": self.smallest,
            "unit": self.unit or "row",
            "models": {name: value if math.isfinite(value) else None for name, value in self.models.items()},
            "columns": [
                {"name": one.name, "levels": one.levels, "top": one.top, "lost": one.lost} for one in self.columns
            ],
            "bound": self.bound,
            "checked": self.checked,
            "losses": dict(self.losses),
            "labels": list(self.labels),
            "dropped": list(self.dropped),
            "unnamed": list(self.unnamed),
            "uncounted": list(self.uncounted),
            "linked": self.linked,
            **mark,
        }

    def render(self) -> str:
        """The outcome in words, for whoever holds the real table."""
        parts = [self._head(), *self._gone(), self._lost(), "", _aligned(self.columns, self.method), "", *self._kept()]
        parts += [f"Label: {label}." for label in self.labels]
        parts += [UNLABELED] if self.path == "-" else []
        return "\n".join([*parts, "" if self.synthetic else LIMITS]).rstrip()

    def _head(self) -> str:
        where = {None: "the table", "-": "what was written to stdout"}.get(self.path, self.path)
        met = f"{' and '.join(self.models)} hold{'' if len(self.models) > 1 else 's'} in" if self.models else "Made"
        how = _HOW[self.method] if self.proved or not self.rows else "the best levels that were found"
        people = "persons" if self.unit else "rows"
        rows = f"{self.released:,} of {self.rows:,} rows in {self.classes:,} classes"
        smallest = f", the smallest of {self.smallest:,} {people}" if self.classes else ""
        return f"{met} {where}, {how}: {rows}{smallest}."

    def _gone(self) -> list[str]:
        found = [warning_of(self.lines_lost)] if self.lines_lost else []
        if self.bounded_away:
            found.append(f"Left out: {_rows(self.bounded_away)} without a person's id, or beyond its most rows.")
        if self.left_out:
            found.append(f"Left out: {_rows(self.left_out)} with a value that no hierarchy covers.")
        share = self.suppressed / max(self.rows - self.bounded_away - self.left_out, 1)
        return [*found, f"Suppressed: {_rows(self.suppressed)} ({share:.1%}; the policy allows {self.limit:.1%})."]

    def _lost(self) -> str:
        said = f"Lost: {self.loss:.4f} of the detail, suppressed rows counted whole (GCP)"
        if self.method != "optimal" or not self.rows:
            return f"{said}."
        if self.proved:
            return f"{said}; no levels lose less."
        return f"{said}; not all levels were tried, and better ones may lose as little as {self.bound:.4f}."

    def _kept(self) -> list[str]:
        named = f"Not named by the policy and kept as they are: {', '.join(self.unnamed)}." if self.unnamed else ""
        gone = f"Dropped: {', '.join(self.dropped)}." if self.dropped else ""
        uncounted = (
            f"Released, but in no class: {', '.join(self.uncounted)}. Nothing holds against whoever knows these."
            if self.uncounted
            else ""
        )
        linked = (
            f"The rows of a person can still be put together by {self.unit!r}: the models hold for a row of somebody, "
            "not for what several rows tell together. Drop the column if nobody needs it."
            if self.linked
            else ""
        )
        return [line for line in (named, uncounted, gone, linked) if line]


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count:,} rows"


def _aligned(columns: tuple[ColumnOutcome, ...], method: Method) -> str:
    rows = [
        ("column", "level", "lost in the rows left"),
        *((one.name, _level(one, method), f"{one.lost:.1%}") for one in columns),
    ]
    widths = [max(len(row[at]) for row in rows) for at in range(3)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def _level(one: ColumnOutcome, method: Method) -> str:
    if one.levels is None:
        return "ranges" if method == "mondrian" else "none"
    low, high = one.levels
    return f"{low} of {one.top}" if low == high else f"{low} to {high} of {one.top}"
