"""Identifying columns, invented after a sample: none of their values comes from a model or from the table behind it."""

from __future__ import annotations

import hashlib
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from dpsynth.errors import UsageError
from dpsynth.models.pattern_texts import PatternTexts
from dpsynth.models.permutation import Permutation
from dpsynth.schema import Schema
from dpsynth.schema.fakes import FakeValues
from dpsynth.schema.identifiers import Fake, Identifier, Numbers, Pattern


class _Inventor(Protocol):
    def draw(self, first: int, count: int, rng: np.random.Generator) -> pa.Array: ...


class Regeneration:
    """The invented columns of one sample: what they hold depends on the seed, the column's name and the row's place.

    Columns are filled block by block in the order of the rows; nothing is remembered of the blocks before.
    """

    def __init__(self, schema: Schema | None, rows: int, generator: np.random.Generator) -> None:
        """Raises ``UsageError`` before anything is drawn: fewer texts than ``rows``, a Faker that is not there."""
        named = {} if schema is None else schema.regenerated
        self._place = 0
        self._streams = {name: _stream(generator, name) for name in named}
        self._inventors = {name: _inventor(name, one, rows, self._streams[name]) for name, one in named.items()}

    def columns(self, count: int) -> dict[str, pa.Array]:
        """The invented columns of the next ``count`` rows; never null."""
        found = {name: one.draw(self._place, count, self._streams[name]) for name, one in self._inventors.items()}
        self._place += count
        return found


def invented(schema: Schema | None) -> tuple[str, ...]:
    """The names of the columns whose values are invented, in the schema's order."""
    return () if schema is None else tuple(schema.regenerated)


def _stream(generator: np.random.Generator, name: str) -> np.random.Generator:
    """A stream of the column's own: drawing from it leaves the rows of the model as they are."""
    seed: Any = generator.bit_generator.seed_seq
    label = int.from_bytes(hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest()[:8])
    return np.random.default_rng(np.random.SeedSequence(entropy=seed.entropy, spawn_key=(label,)))


def _inventor(name: str, identifier: Identifier, rows: int, rng: np.random.Generator) -> _Inventor:
    if isinstance(identifier, Numbers):
        return _Sequence(identifier)
    if isinstance(identifier, Fake):
        return FakeValues(identifier, name, rng)
    if not isinstance(identifier, Pattern):
        return _Uuids(rng)
    texts = PatternTexts.of(identifier.automaton, rng, unique=identifier.unique)
    if identifier.unique and rows > texts.room:
        hint = f"Allow more characters in generate.regex, or draw at most {texts.room:,} rows."
        raise UsageError(f"the pattern has {texts.room:,} texts, fewer than {rows:,} rows", where=name, hint=hint)
    return texts


class _Sequence:
    def __init__(self, rule: Numbers) -> None:
        self._rule = rule

    def draw(self, first: int, count: int, rng: np.random.Generator) -> pa.Array:
        """``start + first`` and the numbers after it; nothing is drawn."""
        del rng
        begin = self._rule.start + first
        numbers = pa.array(np.arange(begin, begin + count, dtype=np.int64))
        if not self._rule.text:
            return numbers
        padded = pc.utf8_lpad(numbers.cast(pa.string()), width=self._rule.width, padding="0")
        return pc.binary_join_element_wise(pa.scalar(self._rule.prefix), padded, "")


class _Uuids:
    """Version 4 in form (RFC 9562): 60 bits are a permutation of the place, so none comes twice; 62 bits are drawn."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._permutation = Permutation.of(1 << 60, rng)

    def draw(self, first: int, count: int, rng: np.random.Generator) -> pa.Array:
        """The UUIDs of the next places, as text in lower case."""
        high = self._permutation(np.arange(first, first + count, dtype=np.int64)).astype(np.uint64)
        low = rng.integers(0, 1 << 62, count, dtype=np.uint64)
        words = np.empty((count, 2), dtype=">u8")
        words[:, 0] = (high >> np.uint64(12) << np.uint64(16)) | np.uint64(0x4000) | (high & np.uint64(0xFFF))
        words[:, 1] = low | np.uint64(1 << 63)
        return _spelled(words.view(np.uint8))


def _spelled(octets: NDArray[np.uint8]) -> pa.Array:
    digits = np.frombuffer(b"0123456789abcdef", dtype=np.uint8)
    places = [place for place in range(36) if place not in (8, 13, 18, 23)]
    written = np.full((len(octets), 36), ord("-"), dtype=np.uint8)
    written[:, places[0::2]] = digits[octets >> 4]
    written[:, places[1::2]] = digits[octets & 15]
    offsets = np.arange(len(octets) + 1, dtype=np.int32) * 36
    return pa.StringArray.from_buffers(len(octets), pa.py_buffer(offsets), pa.py_buffer(written.tobytes()))
