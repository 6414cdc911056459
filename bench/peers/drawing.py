"""Small scatter and line plots as SVG text, both axes logarithmic; no library draws here."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from itertools import pairwise

WIDTH, HEIGHT = 640, 380
LEFT, RIGHT, TOP, BOTTOM = 62, 18, 40, 48
FONT = 11
LETTER = 6.6
INK, FAINT, GRID = "#1f2328", "#656d76", "#e3e6ea"
STEPS = 60
OFFSETS = (0, -11, 11, -22, 22, -33, 33, -44, 44)

Point = tuple[float, float]
Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Series:
    """Points that belong together; joined by a line if there are several and ``joined``."""

    label: str
    color: str
    marker: str
    points: tuple[Point, ...]
    joined: bool = True


@dataclass(frozen=True)
class Plot:
    """What is shown. ``guides`` are labeled horizontal lines; ``unfinished`` are labels with an x but no y."""

    title: str
    x_label: str
    y_label: str
    series: tuple[Series, ...]
    guides: tuple[tuple[str, float], ...] = ()
    unfinished: tuple[tuple[str, str, float], ...] = ()
    x_ticks: tuple[float, ...] = ()


@dataclass(frozen=True)
class Axis:
    """A logarithmic scale from values to pixels."""

    low: float
    high: float
    start: float
    stop: float

    def pixel(self, value: float) -> float:
        """Where a value lies."""
        share = (math.log(value) - math.log(self.low)) / (math.log(self.high) - math.log(self.low))
        return self.start + share * (self.stop - self.start)

    def ticks(self) -> list[float]:
        """1, 2, 5 in each decade; more on a short axis, single decades where those would crowd."""
        decades = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        reach = self.high / self.low
        steps: tuple[float, ...] = (1, 1.5, 2, 3, 4, 5, 7) if reach < 15 else (1, 2, 5) if reach < 2_000 else (1,)
        values = [step * 10.0**decade for decade in decades for step in steps]
        return [value for value in values if self.low * 0.999 <= value <= self.high * 1.001]


@dataclass
class Canvas:
    """Elements so far, and the boxes that labels may not cover."""

    parts: list[str] = field(default_factory=list)
    taken: list[Box] = field(default_factory=list)

    def line(self, one: Point, other: Point, color: str, extra: str = "") -> None:
        """A straight line."""
        (x1, y1), (x2, y2) = one, other
        self.parts.append(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{color}" {extra}/>')

    def path(self, points: Sequence[Point], color: str) -> None:
        """A line through these points, which labels keep clear of."""
        words = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self.parts.append(f'<polyline points="{words}" fill="none" stroke="{color}" stroke-width="1.5"/>')
        for (x1, y1), (x2, y2) in pairwise(points):
            for step in range(STEPS):
                x, y = (start + (end - start) * step / STEPS for start, end in ((x1, x2), (y1, y2)))
                self.taken.append((x - 3, y - 1, x + 3, y + 1))

    def text(self, at: Point, words: str, color: str = INK, extra: str = "") -> None:
        """Text that starts, ends or is centered at a point, as ``extra`` says."""
        self.parts.append(f'<text x="{at[0]:.1f}" y="{at[1]:.1f}" fill="{color}" {extra}>{escape(words)}</text>')

    def label(self, at: Point, words: str, color: str) -> None:
        """Text beside a point, moved until it covers nothing that was placed before."""
        width = len(words) * LETTER
        places = [(at[0] + side, at[1] + offset) for offset in OFFSETS for side in (9, -9 - width)]
        inside = [place for place in places if place[0] > LEFT and place[0] + width < WIDTH - 2]
        free = [place for place in inside if not any(_overlap(_box(place, width), other) for other in self.taken)]
        x, y = (free or inside or places)[0]
        self.taken.append(_box((x, y), width))
        self.text((x, y + 4), words, color)

    def guide_label(self, height: float, words: str) -> None:
        """Text above or below a horizontal line, where it covers nothing; the line is kept free, too."""
        width = len(words) * LETTER
        first, last = LEFT + 4, int(WIDTH - RIGHT - width - 4)
        places = [(x, height + side) for side in (-8, 9) for x in (first, last, *range(first, last, 10))]
        free = [place for place in places if not any(_overlap(_box(place, width), other) for other in self.taken)]
        x, y = (free or places)[0]
        self.taken += [_box((x, y), width), (LEFT, height - 1, WIDTH, height + 1)]
        self.text((x, y + 4), words, FAINT)

    def mark(self, at: Point, marker: str, color: str) -> None:
        """One of the markers: circle, square, triangle, diamond, star, cross."""
        x, y = at
        self.taken.append((x - 7, y - 6, x + 7, y + 6))
        outlines = {
            "square": f"M{x - 4:.1f} {y - 4:.1f}h8v8h-8z",
            "triangle": f"M{x:.1f} {y - 5:.1f}l5 9h-10z",
            "star": f"M{x:.1f} {y - 6:.1f}l1.8 4.2 4.4.4-3.4 3 1 4.4-3.8-2.4-3.8 2.4 1-4.4-3.4-3 4.4-.4z",
            "diamond": f"M{x:.1f} {y - 5.5:.1f}l5 5.5l-5 5.5l-5 -5.5z",
        }
        if marker == "cross":
            shape = f'<path d="M{x - 4:.1f} {y - 4:.1f}l8 8m0 -8l-8 8" stroke="{color}" stroke-width="2" fill="none"/>'
        elif marker in outlines:
            shape = f'<path d="{outlines[marker]}" fill="{color}" stroke="#fff"/>'
        else:
            shape = f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4.5" fill="{color}" stroke="#fff"/>'
        self.parts.append(shape)


def draw(plot: Plot) -> str:
    """The plot as an SVG document on white, readable without a style sheet; empty text where there is no point."""
    points = [point for series in plot.series for point in series.points]
    if not points:
        return ""
    strip = 16 * len(plot.unfinished)
    x_axis, y_axis = _axes(plot, points, strip)
    canvas = Canvas()
    _grid(canvas, plot, x_axis, y_axis)
    placed = [(series, [(x_axis.pixel(x), y_axis.pixel(y)) for x, y in series.points]) for series in plot.series]
    for series, pixels in placed:
        if series.joined and len(pixels) > 1:
            canvas.path(pixels, series.color)
    for series, pixels in placed:
        for pixel in pixels:
            canvas.mark(pixel, series.marker, series.color)
    for label, value in plot.guides:
        canvas.guide_label(y_axis.pixel(value), label)
    for row, (label, color, x) in enumerate(plot.unfinished):
        at = (x_axis.pixel(x), TOP + 10 + 16 * row)
        canvas.mark(at, "cross", color)
        canvas.label(at, label, color)
    for series, pixels in placed:
        canvas.label(pixels[-1], series.label, series.color)
    return _document(plot.title, canvas.parts)


def _axes(plot: Plot, points: Sequence[Point], strip: float) -> tuple[Axis, Axis]:
    across = [x for x, _ in points] + [x for _, _, x in plot.unfinished] + list(plot.x_ticks)
    up = [y for _, y in points] + [y for _, y in plot.guides]
    x_axis = Axis(min(across) * 0.7, max(across) * 2.2, LEFT, WIDTH - RIGHT)
    return x_axis, Axis(min(up) / 1.25, max(up) * 1.25, HEIGHT - BOTTOM, TOP + strip)


def _grid(canvas: Canvas, plot: Plot, x_axis: Axis, y_axis: Axis) -> None:
    for value in y_axis.ticks():
        canvas.line((LEFT, y_axis.pixel(value)), (WIDTH - RIGHT, y_axis.pixel(value)), GRID)
        canvas.text((LEFT - 6, y_axis.pixel(value) + 4), f"{value:g}", FAINT, 'text-anchor="end"')
    for value in plot.x_ticks or x_axis.ticks():
        canvas.line((x_axis.pixel(value), TOP), (x_axis.pixel(value), HEIGHT - BOTTOM), GRID)
        canvas.text((x_axis.pixel(value), HEIGHT - BOTTOM + 16), f"{value:g}", FAINT, 'text-anchor="middle"')
    for _, value in plot.guides:
        canvas.line((LEFT, y_axis.pixel(value)), (WIDTH - RIGHT, y_axis.pixel(value)), FAINT, 'stroke-dasharray="4 4"')
    canvas.text(((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 12), plot.x_label, INK, 'text-anchor="middle"')
    canvas.text((LEFT, TOP - 8), plot.y_label, INK)


def _document(title: str, parts: Sequence[str]) -> str:
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        f'role="img" font-family="system-ui, sans-serif" font-size="{FONT}">'
    )
    words = f'<text x="{LEFT}" y="16" fill="{INK}" font-size="13" font-weight="600">{escape(title)}</text>'
    return "\n".join([head, f"<title>{escape(title)}</title>", _PAPER, words, *parts, "</svg>", ""])


def _box(at: Point, width: float) -> Box:
    return (at[0], at[1] - 6, at[0] + width, at[1] + 6)


def _overlap(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


_PAPER = f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>'
