"""What every drawing is made of: SVG without script or style attribute, colors by class so that the page's light and
dark hold, and texts that cannot steer what stands around them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from dpsynth.report.document import Svg

WIDTH = 640
GLYPH = 7.6
"""So many units is a character of a drawing's text wide, in the widest of common fonts."""

_STEERING = dict.fromkeys([*range(0x202A, 0x202F), *range(0x2066, 0x206A)], "\ufffd")
_LEGEND_LINE = 20.0


def short(text: str, longest: int) -> str:
    """The text, cut to so many characters, kept apart from the direction of what stands around it.

    Characters that embed, override or isolate a direction are shown as U+FFFD: one of them could end the isolation.
    """
    plain = text.translate(_STEERING)
    cut = plain if len(plain) <= longest else f"{plain[: longest - 1]}…"
    return f"\u2068{cut}\u2069"


def ticks(most: float) -> tuple[float, ...]:
    """0 and further multiples of 1, 2 or 5 times a power of ten, three to six numbers, the last not below ``most``."""
    if not most > 0:
        return (0.0, 0.5, 1.0)
    power = 10.0 ** math.floor(math.log10(most / 5))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor * 5 >= most * (1 - 1e-9))
    return tuple(step * place for place in range(math.ceil(most / step - 1e-9) + 1))


def n(value: float) -> str:
    """A coordinate with one digit after the point."""
    return f"{value:.1f}".removesuffix(".0")


def label(x: float, y: float, text: str, anchor: str = "start", kind: str = "") -> str:
    """A text; ``anchor``: which end of it stands at x."""
    named = f' class="{kind}"' if kind else ""
    return f'<text{named} x="{n(x)}" y="{n(y)}" text-anchor="{anchor}">{escape(text)}</text>'


def line(kind: str, path: str) -> str:
    """A path of this class."""
    return f'<path class="{kind}" d="{path}"/>'


def legend(entries: Sequence[tuple[str, str]], y: float, left: float = 4.0) -> tuple[list[str], float]:
    """A swatch and its name for every (class, text), two beside each other; and how high they stand together."""
    drawn = []
    for place, (kind, text) in enumerate(entries):
        x, top = left + (WIDTH - left) / 2 * (place % 2), y + _LEGEND_LINE * (place // 2)
        drawn.append(f'<rect class="{kind}" x="{n(x)}" y="{n(top + 3)}" width="14" height="12"/>')
        drawn.append(label(x + 20, top + 13, short(text, 44)))
    return drawn, _LEGEND_LINE * math.ceil(len(entries) / 2)


def document(title: str, height: float, drawn: Sequence[str]) -> Svg:
    """The whole drawing under its title."""
    head = f'<svg role="img" viewBox="0 0 {WIDTH} {height:.0f}" width="{WIDTH}" height="{height:.0f}">'
    return Svg(f"{head}<title>{escape(title)}</title>{''.join(drawn)}</svg>")
