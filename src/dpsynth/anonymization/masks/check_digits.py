"""Check digits over matrices of characters: Luhn (ISO/IEC 7812-1) and IBAN (ISO 13616, ISO/IEC 7064 MOD 97-10)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Characters = NDArray[np.uint32]
Bits = NDArray[np.bool_]
Whole = NDArray[np.int64]

_ZERO, _A = ord("0"), ord("A")
_LONGEST_IBAN = 34


class Check(Protocol):
    """A rule by which some characters follow from the others."""

    def fixed(self, texts: Characters, counted: Bits) -> tuple[Bits, Bits]:
        """Which characters are not permuted, and which rows obey the rule; ``counted`` marks no separators."""
        ...

    def written(self, texts: Characters, counted: Bits) -> None:
        """Write the check digits of texts that obeyed the rule and were permuted since, in place."""
        ...


@dataclass(frozen=True)
class Luhn:
    """The last digit checks the others."""

    def fixed(self, texts: Characters, counted: Bits) -> tuple[Bits, Bits]:
        """See ``Check.fixed``."""
        place = _place(counted)
        last = counted & (place == place[:, -1:])
        return last, _luhn_sums(texts, counted, place) % 10 == 0

    def written(self, texts: Characters, counted: Bits) -> None:
        """See ``Check.written``."""
        place = _place(counted)
        last = counted & (place == place[:, -1:])
        texts[last] = _ZERO
        texts[last] = _ZERO + (-_luhn_sums(texts, counted, place) % 10)[last.any(axis=1)]


@dataclass(frozen=True)
class Iban:
    """Country and two check digits, then the account: the country stays, the check digits follow."""

    def fixed(self, texts: Characters, counted: Bits) -> tuple[Bits, Bits]:
        """See ``Check.fixed``; the first four characters, two letters and two digits."""
        place = _place(counted)
        head = counted & (place < 4)
        letters = (texts >= _A) & (texts < _A + 26)
        digits = (texts >= _ZERO) & (texts < _ZERO + 10)
        shape = np.where(place < 2, letters, digits) | ~head
        known = (shape & (letters | digits | ~counted)).all(axis=1)
        length = counted.sum(axis=1)
        obeys = known & (length > 4) & (length <= _LONGEST_IBAN)
        obeys &= _remainders(texts, counted, place, zeros=False) == 1
        # 00, 01 and 99 leave the remainders of 97, 98 and 02: of two that obey, one alone is what the rule writes.
        tens, ones = (np.where(counted & (place == at), texts, _ZERO).max(axis=1) for at in (2, 3))
        number = 10 * (tens.astype(np.int64) - _ZERO) + (ones.astype(np.int64) - _ZERO)
        return head, obeys & (number >= 2) & (number <= 98)

    def written(self, texts: Characters, counted: Bits) -> None:
        """See ``Check.written``."""
        place = _place(counted)
        numbers = 98 - _remainders(texts, counted, place, zeros=True)
        for at, digits in ((2, numbers // 10), (3, numbers % 10)):
            cells = counted & (place == at)
            texts[cells] = _ZERO + digits[cells.any(axis=1)]


def _place(counted: Bits) -> Whole:
    """The number of counted characters before each one that is counted."""
    return np.cumsum(counted, axis=1, dtype=np.int64) - 1


def _luhn_sums(texts: Characters, counted: Bits, place: Whole) -> Whole:
    """The sum of the digits, every second one from the right but one doubled, digit sums of the doubled taken."""
    digits = np.where(counted, texts.astype(np.int64) - _ZERO, 0)
    doubled = np.where(digits > 4, 2 * digits - 9, 2 * digits)
    from_right = place[:, -1:] - place
    total: Whole = np.where(from_right % 2 == 1, doubled, digits).sum(axis=1)
    return total


def _remainders(texts: Characters, counted: Bits, place: Whole, *, zeros: bool) -> Whole:
    """MOD 97 of the account and then the head, letters as 10 to 35; ``zeros``: with 00 for the check digits."""
    codes = texts.astype(np.int64)
    values = np.where(codes >= _A, codes - _A + 10, codes - _ZERO)
    if zeros:
        values = np.where((place == 2) | (place == 3), 0, values)
    found = np.zeros(len(texts), dtype=np.int64)
    for head in (False, True):
        for column in range(texts.shape[1]):
            used = counted[:, column] & ((place[:, column] < 4) == head)
            value = values[:, column]
            further = np.where(value > 9, found * 100 + value, found * 10 + value) % 97
            found = np.where(used, further, found)
    return found
