"""Where the budget of a pool went: one bar by stage, and how it grew from event to event."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from dpsynth.report.document import Svg
from dpsynth.report.drawing import WIDTH, document, label, legend, line, n

SHADES = 6
MARKED = 8
"""Of so many fits, the latest ones, the beginning is marked by its day."""


def parts_svg(title: str, parts: Sequence[tuple[str, float]], whole: float) -> Svg:
    """Parts of a whole, one bar with a key: each in its shade, what is left empty."""
    drawn, at = [], 4.0
    scale = (WIDTH - 8) / whole if whole > 0 else 0.0
    for place, (_, amount) in enumerate(parts):
        width = max(amount * scale, 0.0)
        drawn.append(f'<rect class="{shade(place)}" x="{n(at)}" y="8" width="{n(width)}" height="26"/>')
        at += width
    drawn.append(f'<rect class="frame" x="4" y="8" width="{WIDTH - 8}" height="26"/>')
    key, height = legend([(shade(place), name) for place, (name, _) in enumerate(parts)] + [("frame", "left")], 42)
    return document(title, 46 + height, [*drawn, *key])


def shade(place: int) -> str:
    """The classes of the part at this place."""
    return f"part p{place % SHADES}"


def spending_svg(
    title: str, charges: Sequence[tuple[str, float]], begun: Sequence[tuple[int, str]], names: Sequence[str], cap: float
) -> Svg:
    """The sum of all charges after each, as a share of the cap; ``charges``: (stage, amount) in their order; ``begun``:
    before which of them a fit began, and on what day; ``names``: the stages in the order of their shades.
    """
    left, top, base = 52.0, 18.0, 158.0
    step = (WIDTH - left - 6) / max(len(charges), 1)

    def y(amount: float) -> float:
        return base - (base - top) * min(amount / cap, 1.0) if cap > 0 else base

    drawn = [line("grid", "".join(f"M{n(left)} {n(y(cap * part / 4))}H{WIDTH - 6}" for part in range(5)))]
    total, place = 0.0, 0
    for stage, group in groupby(charges, key=lambda one: one[0]):
        outline = [f"M{n(left + step * place)} {n(base)}"]
        for _, amount in group:
            total += amount
            outline.append(f"V{n(y(total))}H{n(left + step * (place + 1))}")
            place += 1
        drawn.append(line(shade(names.index(stage)), f"{''.join(outline)}V{n(base)}Z"))
    drawn += [
        line("axis", f"M{n(left)} {n(base)}H{WIDTH - 6}"),
        line("limit", f"M{n(left)} {n(top)}H{WIDTH - 6}"),
        label(WIDTH - 6, top - 5, "the cap", "end"),
        *(label(left - 6, y(cap * part / 4) + 4, f"{25 * part} %", "end") for part in range(5)),
    ]
    for at, day in begun[-MARKED:]:
        x = left + step * at
        drawn += [line("axis", f"M{n(x)} {n(base)}v6"), label(min(x, WIDTH - 76), base + 18, day)]
    return document(title, base + 26, drawn)
