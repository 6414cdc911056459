"""Types of option values: exact numbers from decimal text, with one clear message for anything else."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import TYPE_CHECKING, Any, NoReturn

import click

from dpsynth.errors import DpsynthError
from dpsynth.privacy.unit import Unit

if TYPE_CHECKING:
    _Type = click.ParamType[Any]
else:
    # Older releases of click have no generic ParamType.
    _Type = click.ParamType

_DECIMAL = re.compile(r"[+-]?(\d{1,40}(\.\d{0,40})?|\.\d{1,40})([eE][+-]?\d{1,2})?", re.ASCII)
_RATIO = re.compile(r"(\d{1,9})/(\d{1,9})", re.ASCII)
_MEMORY = re.compile(r"(\d{1,9}(?:\.\d{1,3})?)\s*([kmgt]?i?b?)", re.ASCII | re.IGNORECASE)
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}

LARGEST_EPSILON = 10_000
"""Beyond this a guarantee says nothing at all."""

LARGEST_COUNT = 10**12
LARGEST_SEED = 2**63 - 1
LARGEST_STABILITY = 10**6


def decimal(text: str) -> Fraction | None:
    """The exact value of decimal text such as ``0.1`` or ``1e-9``; ``None`` for anything else, nan and inf included."""
    return Fraction(text) if _DECIMAL.fullmatch(text) else None


class Epsilon(_Type):
    """An exact epsilon: positive, and small enough to mean something."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Fraction:
        """The fraction; a usage error otherwise."""
        if isinstance(value, Fraction):
            return value
        number = decimal(str(value))
        if number is None or not 0 < number <= LARGEST_EPSILON:
            self.fail(f"epsilon must be a number above 0 and at most {LARGEST_EPSILON}, such as 1 or 0.5", param, ctx)
        return number


class Delta(_Type):
    """An exact delta: 0, for pure epsilon, or strictly between 0 and 1."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Fraction:
        """The fraction; a usage error otherwise."""
        if isinstance(value, Fraction):
            return value
        number = decimal(str(value))
        if number is None or not 0 <= number < 1:
            self.fail("delta must be a number below 1, such as 1e-9, or 0 for pure epsilon", param, ctx)
        return number


class Level(_Type):
    """The chance with which an interval holds: strictly between 0 and 1."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The level; a usage error otherwise."""
        number = decimal(str(value))
        if number is None or not 0.0 < float(number) < 1.0:
            self.fail("a level must be a number strictly between 0 and 1, such as 0.95", param, ctx)
        return float(number)


class Share(_Type):
    """A fraction of a cap: ``1/5``, ``0.2`` or ``20%``; above 0 and at most 1."""

    name = "fraction"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Fraction:
        """The fraction; a usage error otherwise."""
        if isinstance(value, Fraction):
            return value
        number = _share(str(value))
        if number is None or not 0 < number <= 1:
            self.fail("a share is a fraction above 0 and at most 1, such as 1/5, 0.2 or 20%", param, ctx)
        return number


def _share(text: str) -> Fraction | None:
    ratio = _RATIO.fullmatch(text)
    if ratio:
        whole = int(ratio[2])
        return Fraction(int(ratio[1]), whole) if whole else None
    percent = decimal(text.removesuffix("%"))
    return percent / 100 if percent is not None and text.endswith("%") else percent


class Whole(_Type):
    """A whole number within public limits, both included."""

    name = "count"

    def __init__(self, least: int, most: int) -> None:
        self.least = least
        self.most = most

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The integer; a usage error otherwise."""
        text = str(value)
        plain = text.isascii() and text.isdigit() and len(text) <= len(str(self.most))
        if not plain or not self.least <= int(text) <= self.most:
            self.fail(f"must be a whole number from {self.least} to {self.most}", param, ctx)
        return int(text)


class Factor(_Type):
    """A factor of at least 0 from decimal text."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The float; a usage error otherwise."""
        number = decimal(str(value))
        if number is None or not 0 <= number <= LARGEST_COUNT:
            self.fail(f"must be a number from 0 to {LARGEST_COUNT}", param, ctx)
        return float(number)


class Seconds(_Type):
    """A time in seconds, above 0, from decimal text."""

    name = "seconds"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The float; a usage error otherwise."""
        number = decimal(str(value))
        if number is None or not 0 < number <= LARGEST_COUNT:
            self.fail("must be a number of seconds above 0, such as 60 or 0.5", param, ctx)
        return float(number)


class Memory(_Type):
    """A size in bytes from text such as ``4GB``, ``512MiB`` or ``1000000``."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The number of bytes; a usage error otherwise."""
        match = _MEMORY.fullmatch(str(value))
        if match is None:
            self._refuse(param, ctx)
        unit = match[2].lower()
        step = 1024 if "i" in unit else 1000
        size = Fraction(match[1]) * step ** _POWERS[unit.rstrip("b").rstrip("i")]
        if size < 1:
            self._refuse(param, ctx)
        return int(size)

    def _refuse(self, param: click.Parameter | None, ctx: click.Context | None) -> NoReturn:
        self.fail("must be a size such as 4GB, 512MB or 2GiB", param, ctx)


class UnitText(_Type):
    """The privacy unit: ``row`` or ``COLUMN:MAX_ROWS``."""

    name = "unit"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Unit:
        """The unit; a usage error otherwise."""
        if isinstance(value, Unit):
            return value
        try:
            return Unit.parse(str(value))
        except DpsynthError as error:
            self.fail(error.message, param, ctx)


EPSILON, DELTA, SHARE, MEMORY, UNIT = Epsilon(), Delta(), Share(), Memory(), UnitText()
COUNT, SEED, PARENTS = Whole(1, LARGEST_COUNT), Whole(0, LARGEST_SEED), Whole(1, 4)
STABILITY = Whole(1, LARGEST_STABILITY)
LEVEL, THETA, SECONDS = Level(), Factor(), Seconds()
