"""Format-preserving pseudonyms: digits stay digits, letters letters, separators where they are, check digits right."""

from __future__ import annotations

import string
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from dpsynth.anonymization.masks.check_digits import Bits, Characters, Check, Whole
from dpsynth.anonymization.masks.keys import Hashing
from dpsynth.anonymization.masks.permutations import LARGEST_HALF, LEAST_DOMAIN, KeyedPermutation
from dpsynth.anonymization.masks.values import decoded
from dpsynth.errors import DataMismatchError

ALPHABETS: dict[str, tuple[str, ...]] = {
    "shape": (string.digits, string.ascii_uppercase, string.ascii_lowercase),
    "digits": (string.digits,),
    "letters": (string.ascii_uppercase, string.ascii_lowercase),
}
"""Sets of characters by name; a character becomes another one of its set."""

LONGEST = 64
MOST_PATTERNS = 256

_Groups = NDArray[np.int8]


@dataclass(frozen=True, eq=False)
class Format:
    """The text that a keyed permutation gives for a text, among all texts of its shape: the sequence of the sets that
    its characters are of. Characters of ``keep`` stay, and do not count.

    On the texts of one shape this is a bijection: distinct values stay distinct, and the holder of the key could undo
    it. A cell is null that holds another character, is longer than 64, has fewer than 100 or too many texts of its
    shape, or does not obey ``check``.
    """

    hashing: Hashing
    sets: tuple[str, ...]
    keep: str
    check: Check | None = None
    _permutations: dict[bytes, KeyedPermutation] = field(default_factory=dict)

    def __call__(self, cells: pa.Array) -> pa.Array:
        """The texts; ``DataMismatchError`` when there are more than 256 patterns of sets and kept characters."""
        texts = decoded(cells)
        short = pc.less_equal(pc.utf8_length(texts), LONGEST)
        # Zeros pad the matrix of characters: in a text they would be lost, and two texts one.
        plain = pc.and_(short, pc.invert(pc.match_substring(texts, "\0")))
        texts = pc.if_else(plain, texts, pa.scalar(None, texts.type))
        fits = np.asarray(texts.is_valid().to_numpy(zero_copy_only=False))
        if not len(texts) or not fits.any():
            return pa.nulls(len(texts), pa.string())
        characters = _characters(texts)
        groups = self._tables[0][characters]
        fits &= (groups >= _KEPT).all(axis=1)
        counted = groups >= 0
        if self.check is not None:
            fixed, obeys = self.check.fixed(characters, counted)
            fits &= obeys
            groups = np.where(fixed, _KEPT, groups)
        written = self._permuted(characters, groups, np.flatnonzero(fits))
        if self.check is not None:
            self.check.written(characters, counted & written[:, None])
        texts = characters.view(f"<U{characters.shape[1]}").reshape(-1)
        return pa.array(texts, pa.string(), mask=~written)

    @cached_property
    def _tables(self) -> tuple[_Groups, Whole]:
        """By code point: its set (``_KEPT`` if it stays, ``_OTHER`` for what no text may hold), its number in it."""
        groups, numbers = np.full(_CODE_POINTS, _OTHER, dtype=np.int8), np.zeros(_CODE_POINTS, dtype=np.int64)
        groups[[0, *map(ord, self.keep)]] = _KEPT
        for index, codes in enumerate(self._codes):
            groups[codes], numbers[codes] = index, np.arange(len(codes))
        return groups, numbers

    @cached_property
    def _codes(self) -> list[Characters]:
        return [np.array(sorted(map(ord, letters)), dtype=np.uint32) for letters in self.sets]

    def _permuted(self, characters: Characters, groups: _Groups, rows: Whole) -> Bits:
        """Change the characters of these rows in place; which rows have a shape that can be permuted."""
        done = np.zeros(len(characters), dtype=np.bool_)
        for pattern, members in _by_pattern(groups, rows):
            columns = np.flatnonzero(pattern >= 0)
            shape = pattern[columns]
            permutation = self._permutation(shape)
            if permutation is None:
                continue
            place = np.ix_(members, columns)
            numbers = _applied(permutation, self._tables[1][characters[place]], self._sizes(shape))
            letters = [self._codes[index][numbers[:, column]] for column, index in enumerate(shape.tolist())]
            characters[place] = np.stack(letters, axis=1)
            done[members] = True
        return done

    def _sizes(self, shape: _Groups) -> list[int]:
        return [len(self.sets[index]) for index in shape.tolist()]

    def _permutation(self, shape: _Groups) -> KeyedPermutation | None:
        label = shape.tobytes()
        if label not in self._permutations:
            sizes = self._sizes(shape)
            half = _split(sizes)
            left, right = _product(sizes[:half]), _product(sizes[half:])
            if not left * right >= LEAST_DOMAIN or max(left, right) > LARGEST_HALF:
                return None
            self._permutations[label] = KeyedPermutation(self.hashing, left, right, label + b"\xff")
        return self._permutations[label]


_KEPT, _OTHER = -1, -2
_CODE_POINTS = 0x110000


def _characters(texts: pa.Array) -> Characters:
    """The code points, one row a text, zero beyond its end and where it is null."""
    longest = max(pc.max(pc.utf8_length(texts)).as_py(), 1)
    return np.array(texts.fill_null("").to_pylist(), dtype=f"<U{longest}").view(np.uint32).reshape(len(texts), longest)


def _by_pattern(groups: _Groups, rows: Whole) -> Iterator[tuple[_Groups, Whole]]:
    """Each pattern of sets and kept characters that occurs among the rows, and its rows."""
    if not len(rows):
        return
    packed = np.ascontiguousarray(groups[rows])
    width = packed.shape[1]
    cells = pa.Array.from_buffers(pa.binary(width), len(rows), [None, pa.py_buffer(packed.tobytes())])
    encoded = cells.dictionary_encode()
    found = np.frombuffer(b"".join(encoded.dictionary.to_pylist()), dtype=np.int8).reshape(-1, width)
    if len(found) > MOST_PATTERNS:
        hint = "Use pseudonym for names of any form, or drop for free text."
        raise DataMismatchError(f"the cells have more than {MOST_PATTERNS} forms: they have no format", hint=hint)
    places = np.asarray(encoded.indices.to_numpy())
    order = np.argsort(places, kind="stable")
    ends = np.cumsum(np.bincount(places, minlength=len(found)))
    yield from zip(found, np.split(rows[order], ends[:-1]), strict=True)


def _applied(permutation: KeyedPermutation, digits: Whole, sizes: list[int]) -> Whole:
    half = _split(sizes)
    first, second = permutation(_number(digits[:, :half], sizes[:half]), _number(digits[:, half:], sizes[half:]))
    return np.concatenate([_digits(first, sizes[:half]), _digits(second, sizes[half:])], axis=1)


def _split(sizes: list[int]) -> int:
    """Where the two halves are as equal as they can be."""
    products = [(max(_product(sizes[:at]), _product(sizes[at:])), at) for at in range(len(sizes) + 1)]
    return min(products)[1]


def _product(sizes: list[int]) -> int:
    found = 1
    for size in sizes:
        found *= size
    return found


def _number(digits: Whole, sizes: list[int]) -> Whole:
    found = np.zeros(len(digits), dtype=np.int64)
    for column, size in enumerate(sizes):
        found = found * size + digits[:, column]
    return found


def _digits(numbers: Whole, sizes: list[int]) -> Whole:
    found = np.empty((len(numbers), len(sizes)), dtype=np.int64)
    for column in range(len(sizes) - 1, -1, -1):
        numbers, found[:, column] = np.divmod(numbers, sizes[column])
    return found
