"""What attackers found, and how associations differ: drawings of the internal edition."""

from __future__ import annotations

import math
from collections.abc import Sequence

from dpsynth.report.audit_facts import Curve, Risk
from dpsynth.report.document import Svg
from dpsynth.report.drawing import GLYPH, WIDTH, amount, document, label, line, n, short, ticks

CURVES = 6


def risks_svg(title: str, risks: Sequence[Risk]) -> Svg:
    """For every measure, on an axis of its own, each risk as a bar from its lower to its upper bound, with a tick at
    the estimate, a line at what is accepted, a dotted one at the ceiling, and the verdict in a word.
    """
    drawn, top = [], 0.0
    for name in dict.fromkeys((one.risk, one.measure) for one in risks):
        found = [one for one in risks if (one.risk, one.measure) == name]
        scale = ticks(max(max(one.high, one.threshold or 0.0) for one in found))
        drawn.append(label(4, top + 16, short(": ".join(name), 80), kind="head"))
        pieces, top = _measure(found, scale, top + 26)
        drawn += pieces
    return document(title, top, drawn)


def _measure(risks: Sequence[Risk], scale: Sequence[float], top: float) -> tuple[list[str], float]:
    left, right, cell = 330.0, WIDTH - 104.0, 21.0
    base = top + cell * len(risks)

    def x(value: float) -> float:
        return left + (right - left) * min(max(value, 0.0), scale[-1]) / scale[-1]

    drawn = [line("grid", "".join(f"M{n(x(value))} {n(top)}V{n(base)}" for value in scale))]
    for place, one in enumerate(risks):
        y = top + cell * (place + 0.5)
        kind = {"PASS": "pass", "FAIL": "fail"}.get(one.verdict, "open")
        drawn += [
            label(left - 8, y + 4, _named(one), "end"),
            line(f"risk {kind}", f"M{n(x(one.low))} {n(y)}H{n(max(x(one.high), x(one.low) + 2))}"),
            line("tick", f"M{n(x(one.value))} {n(y - 7)}v14"),
            label(right + 8, y + 4, one.verdict),
        ]
        if one.ceiling <= scale[-1]:
            drawn.append(line("ceiling", f"M{n(x(one.ceiling))} {n(y - 9)}v18"))
        if one.threshold is not None:
            drawn.append(line("limit", f"M{n(x(one.threshold))} {n(y - 9)}v18"))
    drawn += [label(x(value), base + 14, amount(value), "middle") for value in scale]
    return drawn, base + 26


def _named(one: Risk) -> str:
    """On what and by whom, told apart by its ends as well as by its beginning."""
    attack = one.attack.replace("linear reconstruction", "reconstruction")
    return f"{short(one.group.removeprefix('column '), 16)}: {short(attack, 30)}"


def roc_svg(title: str, curves: Sequence[Curve]) -> Svg:
    """At most six curves over the diagonal of blind guessing, with their key: false positives to the right, true
    positives up.
    """
    side, left, top = 260.0, 64.0, 10.0

    def point(x: float, y: float) -> str:
        return f"{n(left + side * min(max(x, 0), 1))},{n(top + side * (1 - min(max(y, 0), 1)))}"

    drawn = [
        f'<rect class="frame" x="{n(left)}" y="{n(top)}" width="{n(side)}" height="{n(side)}"/>',
        f'<polyline class="axis" points="{point(0, 0)} {point(1, 1)}"/>',
    ]
    for place, curve in enumerate(curves):
        points = " ".join(point(x, y) for x, y in curve.points)
        y = top + 16 + 22 * place
        drawn.append(f'<polyline class="curve c{place % CURVES}" points="{points}"/>')
        drawn.append(line(f"curve c{place % CURVES}", f"M{n(left + side + 24)} {n(y)}h36"))
        drawn.append(label(left + side + 68, y + 4, short(f"{curve.attack}, {curve.group}", 38)))
    for value in (0.0, 0.5, 1.0):
        drawn.append(label(left + side * value, top + side + 16, f"{value:g}", "middle"))
        drawn.append(label(left - 6, top + side * (1 - value) + 4, f"{value:g}", "end"))
    drawn.append(label(left + side / 2, top + side + 34, "false positives", "middle"))
    middle = n(top + side / 2)
    drawn.append(f'<text transform="translate(24 {middle})rotate(-90)" text-anchor="middle">true positives</text>')
    return document(title, top + side + 44, drawn)


def heat_svg(title: str, names: Sequence[str], values: dict[tuple[str, str], float]) -> Svg:
    """One square for every pair, the darker the larger its value, with the key of the shades; names beside the rows."""
    count, left = len(names), 150.0
    cell = min((WIDTH - left - 6) / max(count, 1), 26.0)
    drawn = []
    for row, first in enumerate(names):
        y = 6 + cell * row
        drawn.append(label(left - 6, y + cell / 2 + 4, f"{row + 1} {short(first, 18)}", "end"))
        for column, second in enumerate(names):
            value = values.get((first, second), values.get((second, first)))
            if row != column and value is not None:
                drawn.append(_square(min(9, int(value * 20)), left + cell * column, y, cell - 1))
    bottom = 6 + cell * count + 12
    # Numbers that would touch are thinned; the rows have all of them.
    every = max(1, math.ceil((GLYPH * len(str(count)) + 4) / cell))
    drawn += [label(left + cell * (place + 0.5), bottom, f"{place + 1}", "middle") for place in range(0, count, every)]
    return document(title, bottom + 40, [*drawn, *_shades(left, bottom + 14)])


def _shades(left: float, top: float) -> list[str]:
    drawn = [label(left - 6, top + 12, "difference 0", "end")]
    drawn += [_square(place, left + 18 * place, top, 17) for place in range(10)]
    return [*drawn, label(left + 186, top + 12, "0.45 and more")]


def _square(shade: int, x: float, y: float, side: float) -> str:
    return f'<rect class="h{shade}" x="{n(x)}" y="{n(y)}" width="{n(side)}" height="{n(side)}"/>'
