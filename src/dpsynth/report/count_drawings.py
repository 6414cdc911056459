"""The counts of one column: of every cell the synthetic count as a bar, the interval of the noisy count as a line, and
the noisy count as a tick.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dpsynth.report.document import Svg
from dpsynth.report.drawing import GLYPH, WIDTH, document, label, line, n, short, ticks

LINES = 16
"""Up to so many cells stand below each other, each beside its whole name; more stand side by side."""

_NAMED = 14
"""Names side by side stand at least so far apart."""


@dataclass(frozen=True)
class Counts:
    """The cells of a column in their order, in rows; ``made``: the synthetic counts, ``None`` without a table."""

    labels: Sequence[str]
    noisy: Sequence[float]
    low: Sequence[float]
    high: Sequence[float]
    made: Sequence[float] | None

    def scale(self) -> tuple[float, ...]:
        """The numbers of the axis."""
        return ticks(max([*self.high, *self.noisy, *(self.made or ()), 1.0]))


def counts_svg(title: str, counts: Counts) -> Svg:
    """The drawing: cells below each other while they are few."""
    return _below(title, counts) if len(counts.labels) <= LINES else _beside(title, counts)


def _below(title: str, counts: Counts) -> Svg:
    left, cell, top = 190.0, 20.0, 4.0
    scale = counts.scale()
    base, width = top + cell * len(counts.labels), WIDTH - left - 24

    def x(count: float) -> str:
        return n(left + width * min(max(count, 0.0), scale[-1]) / scale[-1])

    bars, intervals, marks, names = [], [], [], []
    for place, name in enumerate(counts.labels):
        y = top + cell * (place + 0.5)
        names.append(label(left - 8, y + 4, short(name, 26), "end"))
        intervals.append(f"M{x(counts.low[place])} {n(y)}H{x(counts.high[place])}")
        marks.append(f"M{x(counts.noisy[place])} {n(y - 7)}v14")
        if counts.made is not None:
            bars.append(f"M{n(left)} {n(y)}H{x(counts.made[place])}")
    grid = "".join(f"M{x(count)} {n(top)}V{n(base)}" for count in scale)
    drawn = [
        line("grid", grid),
        f'<path class="band" stroke-width="14" d="{"".join(bars)}"/>' if bars else "",
        *_marks(intervals, marks),
        line("axis", f"M{n(left)} {n(top)}V{n(base)}"),
        *names,
        *(label(float(x(count)), base + 16, f"{count:,.0f}", "middle") for count in scale),
    ]
    return document(title, base + 22, drawn)


def _beside(title: str, counts: Counts) -> Svg:
    left, top, base = 60.0, 8.0, 158.0
    scale = counts.scale()
    step = (WIDTH - left - 4) / len(counts.labels)
    wide = min(step * 0.7, 26.0)

    def y(count: float) -> str:
        return n(base - (base - top) * min(max(count, 0.0), scale[-1]) / scale[-1])

    bars, intervals, marks = [], [], []
    for place in range(len(counts.labels)):
        x = left + step * (place + 0.5)
        intervals.append(f"M{n(x)} {y(counts.low[place])}V{y(counts.high[place])}")
        marks.append(f"M{n(x - wide / 2)} {y(counts.noisy[place])}h{n(wide)}")
        if counts.made is not None:
            bars.append(f"M{n(x)} {n(base)}V{y(counts.made[place])}")
    names, below = _upright(counts.labels, left, step, base)
    drawn = [
        line("grid", "".join(f"M{n(left)} {y(count)}H{WIDTH - 4}" for count in scale)),
        f'<path class="band" stroke-width="{n(wide)}" d="{"".join(bars)}"/>' if bars else "",
        *_marks(intervals, marks),
        line("axis", f"M{n(left)} {n(base)}H{WIDTH - 4}"),
        *(label(left - 6, float(y(count)) + 4, f"{count:,.0f}", "end") for count in scale),
        *names,
    ]
    return document(title, base + below, drawn)


def _upright(labels: Sequence[str], left: float, step: float, base: float) -> tuple[list[str], float]:
    """Names that are read from below, as many as there is room for, and how far down they reach."""
    every = max(1, -int(-_NAMED // step))
    shown = [(place, short(labels[place], 16)) for place in range(0, len(labels), every)]
    texts = []
    for place, text in shown:
        x = left + step * (place + 0.5) + 4
        turned = label(0, 0, text, "end").replace(
            'x="0" y="0"', f'transform="translate({n(x)} {n(base + 6)})rotate(-90)"'
        )
        texts.append(turned)
    return texts, 14 + GLYPH * max(len(text) - 2 for _, text in shown)


def _marks(intervals: Sequence[str], marks: Sequence[str]) -> tuple[str, str]:
    return line("interval", "".join(intervals)), line("tick", "".join(marks))
