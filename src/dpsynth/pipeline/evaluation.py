"""The result of an evaluation: figures that stay inside, as text and as JSON, each form with its watermark."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from dpsynth.evidence import INTERNAL_WATERMARK, Color, InternalFigure, Interval
from dpsynth.metrics import ColumnDistance, WayDistances

_DEFINITION = "total variation distance: half the L1 distance of normalized counts; 0 = equal, 1 = nothing in common"
_LABEL_WIDTH = 40


@dataclass(frozen=True)
class ColumnResult:
    """The distance of one column, with the public label of the category or bin whose share differs most."""

    distance: ColumnDistance
    label: str


@dataclass(frozen=True)
class Evaluation:
    """INTERNAL: distances of a synthetic table or model from real rows, computed without differential privacy.

    ``real`` and ``synthetic`` are names for messages, ``kind`` what the second one was. Holds no cell of any row and
    no row count: names, public labels and distances only.
    """

    schema: str
    real: str
    synthetic: str
    kind: Literal["table", "model"]
    ways: tuple[WayDistances, ...]
    columns: tuple[ColumnResult, ...]
    notes: tuple[str, ...]

    @property
    def figures(self) -> tuple[InternalFigure, ...]:
        """Mean and worst distance of every kind of marginal, then the distance of every column."""
        marginals = [figure for way in self.ways for figure in (self._mean(way), self._worst(way))]
        return (*marginals, *(self._column(column) for column in self.columns))

    def to_dict(self) -> dict[str, Any]:
        """The result as JSON-able data; the watermark stands first and every figure carries its color."""
        return {
            "watermark": INTERNAL_WATERMARK,
            "color": Color.INTERNAL.value,
            "schema": self.schema,
            "real": self.real,
            "synthetic": self.synthetic,
            "kind": self.kind,
            "definition": _DEFINITION,
            "marginals": [
                {
                    "ways": way.ways,
                    "compared": way.compared,
                    "possible": way.possible,
                    "too_large": way.too_large,
                    "sample_seed": way.seed,
                    "mean": self._mean(way).to_dict(),
                    "worst": self._worst(way).to_dict(),
                    "worst_columns": list(way.worst_clique),
                }
                for way in self.ways
            ],
            "columns": [
                {
                    "column": column.distance.attribute,
                    "distance": self._column(column).to_dict(),
                    "largest_difference": {
                        "label": column.label,
                        "synthetic_minus_real": self._difference(column).to_dict(),
                    },
                }
                for column in self.columns
            ],
            "notes": list(self.notes),
        }

    def render(self) -> str:
        """The result as plain text, the watermark first and last."""
        sides = f"Real: {self.real}. Synthetic: {self.synthetic} ({_KINDS[self.kind]}). Schema: {self.schema}."
        parts = [
            INTERNAL_WATERMARK,
            f"{sides}\n{_DEFINITION[0].upper()}{_DEFINITION[1:]}.",
            _aligned(("marginals", "compared", "mean", "worst", "worst at"), [_way_line(way) for way in self.ways]),
            _aligned(("column", "distance", "largest difference (synthetic - real)"), map(_column_line, self.columns)),
            "\n".join(self.notes),
            INTERNAL_WATERMARK,
        ]
        return "\n\n".join(part for part in parts if part)

    def _mean(self, way: WayDistances) -> InternalFigure:
        interval = None
        if way.mean_error:
            interval = Interval(max(0.0, way.mean - way.mean_error), min(1.0, way.mean + way.mean_error), 0.95)
        return self._figure(f"mean {way.ways}-way total variation distance", way.mean, interval)

    def _worst(self, way: WayDistances) -> InternalFigure:
        return self._figure(f"worst {way.ways}-way total variation distance", way.worst)

    def _column(self, column: ColumnResult) -> InternalFigure:
        name = f"total variation distance of {column.distance.attribute}"
        return self._figure(name, column.distance.distance)

    def _difference(self, column: ColumnResult) -> InternalFigure:
        name = f"difference of the share of {column.label} in {column.distance.attribute}"
        return self._figure(name, column.distance.difference)

    def _figure(self, name: str, value: float, interval: Interval | None = None) -> InternalFigure:
        source = f"real rows of {self.real} against {self.synthetic}"
        return InternalFigure(name, value, "", Color.INTERNAL, source, interval)


_KINDS = {"table": "a table", "model": "exact marginals of a model"}


def _way_line(way: WayDistances) -> tuple[str, ...]:
    count = f"{way.compared:,}" if way.compared == way.possible else f"{way.compared:,} of {way.possible:,}"
    mean = f"{way.mean:.4f}" + (f" ± {way.mean_error:.4f}" if way.mean_error else "")
    return f"{way.ways}-way", count, mean, f"{way.worst:.4f}", ", ".join(way.worst_clique)


def _column_line(column: ColumnResult) -> tuple[str, ...]:
    label = column.label if len(column.label) <= _LABEL_WIDTH else f"{column.label[: _LABEL_WIDTH - 1]}…"
    difference = f"{column.distance.difference:+.4f} at {label}"
    return column.distance.attribute, f"{column.distance.distance:.4f}", difference


def _aligned(header: tuple[str, ...], lines: Iterable[tuple[str, ...]]) -> str:
    rows = [header, *lines]
    widths = [max(len(row[column]) for row in rows) for column in range(len(header))]
    texts = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(text.rstrip() for text in texts)
