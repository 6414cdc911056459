"""Small drawings as SVG: no script, no style attribute, colors by class so that the page's light and dark hold."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from dpsynth.report.document import Svg

_WIDTH = 640
_STEERING = dict.fromkeys([*range(0x202A, 0x202F), *range(0x2066, 0x206A)], "\ufffd")


def columns_svg(
    title: str, noisy: Sequence[float], low: Sequence[float], high: Sequence[float], made: Sequence[float] | None
) -> Svg:
    """Of every cell the synthetic count as a bar, the interval as a line upright, and the noisy count as a tick."""
    height, left, base = 150.0, 4.0, 142.0
    most = max([*high, *noisy, *(made or ()), 1.0])
    step = (_WIDTH - 2 * left) / max(len(noisy), 1)

    def y(count: float) -> str:
        return _n(base - (base - 8) * min(max(count, 0.0), most) / most)

    wide = min(step * 0.7, 26.0)
    bars, ticks, heights = [], [], []
    for place in range(len(noisy)):
        x = left + step * (place + 0.5)
        bars.append(f"M{_n(x)} {y(low[place])}V{y(high[place])}")
        ticks.append(f"M{_n(x - wide / 2)} {y(noisy[place])}h{_n(wide)}")
        if made is not None:
            heights.append(f"M{_n(x)} {_n(base)}V{y(made[place])}")
    drawn = [
        f'<path class="axis" d="M{_n(left)} {_n(base)}H{_WIDTH - 4}"/>',
        f'<path class="band" stroke-width="{_n(wide)}" d="{"".join(heights)}"/>' if heights else "",
        f'<path class="interval" d="{"".join(bars)}"/>',
        f'<path class="tick" d="{"".join(ticks)}"/>',
    ]
    return _document(title, height, drawn)


def parts_svg(title: str, parts: Sequence[tuple[str, float]], whole: float) -> Svg:
    """Parts of a whole, one bar: each in its shade, what is left empty."""
    drawn, at = [], 4.0
    scale = (_WIDTH - 8) / whole if whole > 0 else 0.0
    for place, (name, amount) in enumerate(parts):
        width = max(amount * scale, 0.0)
        drawn.append(f'<rect class="part p{place % 6}" x="{_n(at)}" y="8" width="{_n(width)}" height="26">')
        drawn.append(f"<title>{escape(name)}</title></rect>")
        at += width
    drawn.append(f'<rect class="frame" x="4" y="8" width="{_WIDTH - 8}" height="26"/>')
    return _document(title, 42, drawn)


def risks_svg(title: str, risks: Sequence[tuple[str, float, float, float, float | None, str]]) -> Svg:
    """For every (name, low, value, high, threshold, verdict) a bar from 0 to 1, a tick at the value, a line at the
    threshold.
    """
    left, line = 270.0, 22.0
    width = _WIDTH - left - 10

    def x(value: float) -> float:
        return left + width * min(max(value, 0.0), 1.0)

    drawn = []
    for place, (name, low, value, high, threshold, verdict) in enumerate(risks):
        top = 6 + line * place
        drawn += [
            f'<text x="{left - 8:.0f}" y="{top + 13:.0f}" text-anchor="end">{escape(short(name, 44))}</text>',
            f'<path class="axis" d="M{left:.0f} {top + 9:.0f}h{width:.0f}"/>',
            f'<path class="risk {_class(verdict)}" d="M{_n(x(low))} {top + 9:.0f}H{_n(max(x(high), x(low) + 2))}"/>',
            f'<path class="tick" d="M{_n(x(value))} {top + 2:.0f}v14"/>',
        ]
        if threshold is not None:
            drawn.append(f'<path class="limit" d="M{_n(x(threshold))} {top:.0f}v18"/>')
    return _document(title, 10 + line * len(risks), drawn)


def roc_svg(title: str, curves: Sequence[Sequence[tuple[float, float]]]) -> Svg:
    """Curves over the diagonal of blind guessing: false positives to the right, true positives up."""
    side, left, top = 280.0, 40.0, 10.0

    def point(x: float, y: float) -> str:
        return f"{_n(left + side * min(max(x, 0), 1))},{_n(top + side * (1 - min(max(y, 0), 1)))}"

    drawn = [
        f'<rect class="frame" x="{left:.0f}" y="{top:.0f}" width="{side:.0f}" height="{side:.0f}"/>',
        f'<polyline class="axis" points="{point(0, 0)} {point(1, 1)}"/>',
    ]
    for place, curve in enumerate(curves):
        points = " ".join(point(x, y) for x, y in curve)
        drawn.append(f'<polyline class="curve c{place % 6}" points="{points}"/>')
    drawn.append(
        f'<text x="{left + side / 2:.0f}" y="{top + side + 18:.0f}" text-anchor="middle">false positives</text>'
    )
    drawn.append(f'<text transform="rotate(-90)" x="{-150}" y="26" text-anchor="middle">true positives</text>')
    return _document(title, top + side + 28, drawn, width=340)


def heat_svg(title: str, names: Sequence[str], values: dict[tuple[str, str], float]) -> Svg:
    """One square for every pair, the darker the larger its value in [0, 1]; names stand beside the rows."""
    count, left = len(names), 150.0
    cell = min((_WIDTH - left - 6) / max(count, 1), 26.0)
    drawn = []
    for row, first in enumerate(names):
        y = 6 + cell * row
        name = f"{row + 1} {escape(short(first, 18))}"
        drawn.append(f'<text x="{left - 6:.0f}" y="{_n(y + cell / 2 + 4)}" text-anchor="end">{name}</text>')
        for column, second in enumerate(names):
            value = values.get((first, second), values.get((second, first)))
            if row != column and value is not None:
                shade = min(9, int(value * 20))
                size = f'width="{_n(cell - 1)}" height="{_n(cell - 1)}"'
                drawn.append(f'<rect class="h{shade}" x="{_n(left + cell * column)}" y="{_n(y)}" {size}/>')
    bottom = 6 + cell * count + 12
    drawn += [
        f'<text x="{_n(left + cell * (place + 0.5))}" y="{_n(bottom)}" text-anchor="middle">{place + 1}</text>'
        for place in range(count)
    ]
    return _document(title, bottom + 8, drawn)


def short(text: str, longest: int) -> str:
    """The text, cut to so many characters, kept apart from the direction of what stands around it.

    Characters that embed, override or isolate a direction are shown as U+FFFD: one of them could end the isolation.
    """
    plain = text.translate(_STEERING)
    cut = plain if len(plain) <= longest else f"{plain[: longest - 1]}…"
    return f"\u2068{cut}\u2069"


def _class(verdict: str) -> str:
    return {"PASS": "pass", "FAIL": "fail"}.get(verdict, "open")


def _n(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _document(title: str, height: float, drawn: Sequence[str], width: int = _WIDTH) -> Svg:
    head = f'<svg role="img" viewBox="0 0 {width} {height:.0f}" width="{width}" height="{height:.0f}">'
    return Svg(f"{head}<title>{escape(title)}</title>{''.join(drawn)}</svg>")
