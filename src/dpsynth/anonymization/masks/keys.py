"""The secret behind pseudonyms: parsed, never shown, and divided so that no two purposes share a hash."""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets
from collections.abc import Sequence
from typing import Any

from dpsynth.errors import UsageError

LEAST, MOST = 32, 64
"""The length of a key in bytes."""

_HINT = "Make a key with 'dpsynth mask --new-key FILE'."
_LEAST_DISTINCT = 8


class MaskKey:
    """A key of 32 to 64 bytes. Its text forms show the id alone."""

    __slots__ = ("_secret",)

    def __init__(self, secret: bytes) -> None:
        """Raises ``UsageError`` for a length outside 32 to 64 bytes, and for bytes that nobody drew at random."""
        if len(secret) < LEAST:
            raise UsageError(f"the key is too short: {len(secret)} bytes, at least {LEAST} are needed", hint=_HINT)
        if len(secret) > MOST:
            raise UsageError(f"the key is longer than {MOST} bytes", hint=_HINT)
        if len(set(secret)) < _LEAST_DISTINCT:
            raise UsageError("the key is not random: it repeats a few bytes", hint=_HINT)
        self._secret = secret

    @staticmethod
    def parse(text: str, where: str) -> MaskKey:
        """The key written as hex or base64; ``UsageError`` (never with the text) when it is none."""
        written = "".join(text.split())
        if not written:
            raise UsageError("the key is empty", where=where, hint=_HINT)
        try:
            return MaskKey(_bytes(written))
        except UsageError as error:
            raise UsageError(error.message, where=where, hint=error.hint) from None

    @staticmethod
    def fresh() -> tuple[MaskKey, str]:
        """A new key from the operating system's randomness, and its text."""
        secret = secrets.token_bytes(LEAST)
        return MaskKey(secret), secret.hex()

    @property
    def id(self) -> str:
        """Eight hex digits that tell keys apart and reveal none of them."""
        return hashlib.blake2b(key=self._secret, digest_size=4, person=b"dpsynth key id").hexdigest()

    def hashing(self, purpose: str, namespace: str) -> Hashing:
        """A keyed hash of its own for each purpose and namespace."""
        label = f"{purpose}\0{namespace}".encode("utf-8", "surrogatepass")
        return Hashing(hashlib.blake2b(label, key=self._secret, digest_size=32, person=b"dpsynth masks").digest())

    def __repr__(self) -> str:
        return f"MaskKey(id={self.id})"

    def __reduce__(self) -> Any:
        raise TypeError("a key is not written anywhere")


class Hashing:
    """Keyed BLAKE2b (RFC 7693) with 16, or up to 64, bytes of output."""

    __slots__ = ("_key",)

    def __init__(self, key: bytes) -> None:
        self._key = key

    def digests(self, cells: Sequence[bytes], size: int = 16, prefix: bytes = b"") -> list[bytes]:
        """The hash of each of the cells, after ``prefix``; about 0.6 microseconds each."""
        # The key fills one block of the hash: a copy of the state behind it saves half of the work.
        copy = hashlib.blake2b(prefix, key=self._key, digest_size=size).copy
        found: list[bytes] = []
        for cell in cells:
            state = copy()
            state.update(cell)
            found.append(state.digest())
        return found

    def numbers(self, cells: Sequence[bytes], below: int, prefix: bytes = b"") -> list[int]:
        """A number in ``0 .. below-1`` for each cell, uniform up to 2**-64 of ``below`` (itself below 2**192)."""
        size = max(16, (below.bit_length() + 7) // 8 + 8)
        return [int.from_bytes(digest) % below for digest in self.digests(cells, size, prefix)]


def _bytes(written: str) -> bytes:
    try:
        return bytes.fromhex(written)
    except ValueError:
        pass
    try:
        return base64.b64decode(written.replace("-", "+").replace("_", "/"), validate=True)
    except (binascii.Error, ValueError):
        raise UsageError("the key is neither hex nor base64", hint=_HINT) from None
