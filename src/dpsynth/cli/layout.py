"""Plain text for people: aligned tables, and numbers rounded to the side that cannot mislead."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from fractions import Fraction

Number = Decimal | Fraction | float | int

WIDEST = 80
"""Characters of a cell that others stand right of: one endless name does not push them out of sight."""

_STEERING = r"\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff"
_IN_WORDS = re.compile(f"(?![\n\t])[{_STEERING}]")
_IN_A_LINE = re.compile(f"[{_STEERING}]")


def at_most(value: Number, digits: int = 4) -> str:
    """The value rounded up: a loss is never shown smaller than it is."""
    return _rounded(value, digits, ROUND_CEILING)


def at_least(value: Number, digits: int = 4) -> str:
    """The value rounded down: what is left is never shown larger than it is."""
    return _rounded(value, digits, ROUND_FLOOR)


def _rounded(value: Number, digits: int, rounding: str) -> str:
    context = Context(prec=digits, rounding=rounding)
    if isinstance(value, Fraction):
        number = context.divide(Decimal(value.numerator), Decimal(value.denominator))
    else:
        number = context.plus(value if isinstance(value, Decimal) else Decimal(value))
    if number and not -4 <= number.adjusted() <= 9:
        mantissa, _, exponent = f"{number:e}".partition("e")
        return f"{mantissa.rstrip('0').rstrip('.') if '.' in mantissa else mantissa}e{int(exponent)}"
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def shown(text: str) -> str:
    """The words with what steers a terminal written out as its code: control characters but line ends and tabs, and
    marks that turn the direction of the text. Names of columns, pools and recipients are hostile input.
    """
    return _IN_WORDS.sub(_written_out, text)


def _written_out(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"


def _cell(text: str, *, last: bool) -> str:
    line = _IN_A_LINE.sub(_written_out, text)
    return line if last or len(line) <= WIDEST else f"{line[: WIDEST - 3]}..."


def size(count: int) -> str:
    """A number of bytes in decimal units."""
    for unit, step in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= step:
            return f"{count / step:.1f} {unit}"
    return f"{count} bytes"


def table(header: Sequence[str], rows: Sequence[Sequence[str]], indent: str = "") -> str:
    """Left-aligned columns, two spaces apart; nothing depends on the terminal.

    Every cell stands on one line, as ``shown`` shows it; cells before the last column are cut at ``WIDEST`` characters.
    """
    given = [header, *rows] if any(header) else list(rows)
    lines = [[_cell(cell, last=place == len(header) - 1) for place, cell in enumerate(line)] for line in given]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))] if lines else []
    return "\n".join(
        (indent + "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))).rstrip()
        for line in lines
    )


def facts(pairs: Sequence[tuple[str, str]], indent: str = "") -> str:
    """``name  value`` lines, aligned."""
    return table(("", ""), pairs, indent)
