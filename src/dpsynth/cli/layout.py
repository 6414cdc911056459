"""Plain text for people: aligned tables, and numbers rounded to the side that cannot mislead."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from fractions import Fraction

Number = Decimal | Fraction | float | int


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


def size(count: int) -> str:
    """A number of bytes in decimal units."""
    for unit, step in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= step:
            return f"{count / step:.1f} {unit}"
    return f"{count} bytes"


def table(header: Sequence[str], rows: Sequence[Sequence[str]], indent: str = "") -> str:
    """Left-aligned columns, two spaces apart; nothing depends on the terminal."""
    lines = [header, *rows] if any(header) else list(rows)
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))] if lines else []
    return "\n".join(
        (indent + "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))).rstrip()
        for line in lines
    )


def facts(pairs: Sequence[tuple[str, str]], indent: str = "") -> str:
    """``name  value`` lines, aligned."""
    return table(("", ""), pairs, indent)
