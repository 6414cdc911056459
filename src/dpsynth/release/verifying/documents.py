"""JSON of a package, read strictly: no repeated keys, no NaN; and its parts, with plain words for what is absent."""

from __future__ import annotations

import json
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from dpsynth.errors import VerificationError
from dpsynth.release.verifying.opening import Package

MAX_DIGITS = 400


class Part:
    """One JSON object of a member; every access says in words what is missing or of the wrong kind."""

    def __init__(self, value: Any, where: str) -> None:
        if not isinstance(value, dict):
            raise VerificationError("a part is missing or malformed", where=where)
        self.value: Mapping[str, Any] = value
        self.where = where

    def part(self, key: str) -> Part:
        """The object under a key."""
        return Part(self.value.get(key), f"{self.where}, {key}")

    def parts(self, key: str) -> list[Part]:
        """The list of objects under a key."""
        return [Part(one, f"{self.where}, {key} {number}") for number, one in enumerate(self._typed(key, list), 1)]

    def list(self, key: str) -> list[Any]:
        """The list under a key."""
        found: list[Any] = self._typed(key, list)
        return found

    def text(self, key: str) -> str:
        """The text under a key."""
        found: str = self._typed(key, str)
        return found

    def whole(self, key: str) -> int:
        """The integer under a key."""
        found: int = self._typed(key, int)
        return found

    def truth(self, key: str) -> bool:
        """The boolean under a key."""
        found: bool = self._typed(key, bool)
        return found

    def number(self, key: str) -> Fraction:
        """The exact number that a text under a key writes: decimal, fraction or hexadecimal float."""
        return exact(self.text(key), f"{self.where}, {key}")

    def _typed(self, key: str, kind: type) -> Any:
        found = self.value.get(key)
        if type(found) is not kind:
            raise VerificationError("a value is missing or of the wrong kind", where=f"{self.where}, {key}")
        return found


def exact(text: Any, where: str) -> Fraction:
    """The exact value of ``1/3``, ``0.25``, ``1e-9`` or ``0x1.8p+3``; ``VerificationError`` for anything else."""
    try:
        if not isinstance(text, str) or len(text) > MAX_DIGITS or abs(_exponent(text)) > MAX_DIGITS:
            raise ValueError
        return Fraction(float.fromhex(text)) if text.startswith("0x") else Fraction(text)
    except (ValueError, OverflowError, ZeroDivisionError):
        raise VerificationError("a number is malformed", where=where) from None


def _exponent(text: str) -> int:
    digits = text.lower().partition("e")[2] if not text.startswith("0x") else ""
    return int(digits or 0)


def parsed(package: Package, name: str) -> Part:
    """The JSON object that a member holds; ``VerificationError`` if it holds none."""
    try:
        value = json.loads(package.read(name).decode("utf-8"), object_pairs_hook=_object, parse_constant=_refused)
    except (ValueError, RecursionError):
        raise VerificationError("this is not one JSON object", where=name) from None
    return Part(value, name)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(found := dict(pairs)) != len(pairs):
        raise ValueError
    return found


def _refused(_: str) -> float:
    raise ValueError
