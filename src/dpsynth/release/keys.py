"""Ed25519 keys of a publisher: made, kept for their owner alone, and used on one thing, the sums of a release.

A signature says that whoever holds the private key vouched for these bytes. Whose key it is, no file can say: the
public key has to come by a way that the partner trusts.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dpsynth.errors import DpsynthError, FileFormatError, OutputExistsError, UsageError, VerificationError
from dpsynth.release.layout import SIGNATURE, signed_bytes
from dpsynth.tables import atomic_write, check_output
from dpsynth.tables.files import reading_error

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

ALGORITHM = "ed25519"
_PREFIX = "dpsynth-ed25519"
_FORMAT, _VERSION = "dpsynth-signature", 1
_RAW, _LONGEST = 32, 1 << 14
_LONGEST_SECRET = 1023


@dataclass(frozen=True, slots=True)
class PublicKey:
    """The 32 bytes that verify what the private key signed."""

    raw: bytes

    @property
    def id(self) -> str:
        """Sixteen hex digits, to be compared over the telephone."""
        return hashlib.sha256(self.raw).hexdigest()[:16]

    @property
    def text(self) -> str:
        """The key as the one line of its file."""
        return f"{_PREFIX} {base64.b64encode(self.raw).decode('ascii')}"

    @staticmethod
    def parse(text: str, where: str) -> PublicKey:
        """The key in a line ``dpsynth-ed25519 BASE64 [comment]``; ``FileFormatError`` for anything else."""
        words = text.split() if len(text.strip().splitlines()) == 1 else []
        raw = _decoded(words[1]) if len(words) >= 2 and words[0] == _PREFIX else None
        if raw is None or len(raw) != _RAW:
            hint = f"It is one line: {_PREFIX} and 44 characters. 'dpsynth key show' prints it."
            if "PRIVATE KEY" in text:
                hint = "This is a private key: it stays with the publisher. The public one ends in .pub."
            raise FileFormatError("this is not a public key of dpsynth", where=where, hint=hint)
        return PublicKey(raw)

    @staticmethod
    def load(path: str | os.PathLike[str]) -> PublicKey:
        """The key in a file; ``FileFormatError`` if it holds none."""
        return PublicKey.parse(_read(path).decode("ascii", "replace"), os.fspath(path))

    def verify(self, signature: bytes, sums: bytes) -> None:
        """Return if this key signed these sums; ``VerificationError`` otherwise."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        try:
            Ed25519PublicKey.from_public_bytes(self.raw).verify(signature, signed_bytes(sums))
        except (InvalidSignature, ValueError):
            raise VerificationError("the signature is not of this key over these sums", where=SIGNATURE) from None


class PrivateKey:
    """The secret of a publisher. It is never printed; pickling and copying it is left to nobody's habit."""

    __slots__ = ("_key",)

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key

    def __repr__(self) -> str:
        return f"<dpsynth private key {self.public.id}>"

    @staticmethod
    def create() -> PrivateKey:
        """A new key from the operating system's randomness."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        return PrivateKey(Ed25519PrivateKey.generate())

    @staticmethod
    def load(path: str | os.PathLike[str], passphrase: str | None = None) -> PrivateKey:
        """The key in a PEM file that its owner alone may read.

        Raises ``UsageError`` for a file that others may read, a wrong or missing passphrase, and ``FileFormatError``
        for what is no Ed25519 key.
        """
        where = os.fspath(path)
        content = _read(path)
        if not content.lstrip().startswith(b"-----BEGIN "):
            raise FileFormatError("this is not a private key", where=where, hint="dpsynth key create makes one.")
        if os.name == "posix" and stat.S_IMODE(Path(path).stat().st_mode) & 0o077:
            what = "others may read the private key, so it may be theirs by now"
            raise UsageError(what, where=where, hint=f"If it is still yours alone: chmod 600 {where}")
        return PrivateKey(_private(content, passphrase, where))

    def save(self, path: str | os.PathLike[str], passphrase: str | None = None) -> None:
        """Write the key (PEM, PKCS 8, mode 0600) and its public half beside it, ``PATH.pub``; never over another.

        Raises ``OutputExistsError`` if either is there, ``UsageError`` for a passphrase of more than 1,023 bytes.
        """
        from cryptography.hazmat.primitives import serialization as form

        public = f"{os.fspath(path)}.pub"
        for target in (path, public):
            _check_free(target)
        locked = form.BestAvailableEncryption(_secret(passphrase)) if passphrase else form.NoEncryption()
        content = self._key.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, locked)
        with atomic_write(path, force=False) as part:
            part.chmod(0o600)
            part.write_bytes(content)
        with atomic_write(public, force=False) as part:
            part.write_text(f"{self.public.text}\n", encoding="ascii")

    @property
    def public(self) -> PublicKey:
        """The half to be handed out."""
        return PublicKey(self._key.public_key().public_bytes_raw())

    def signature(self, sums: bytes) -> bytes:
        """The content of ``SHA256SUMS.sig``; the same key and sums give the same bytes (RFC 8032)."""
        return _signature_text(self.public, self._key.sign(signed_bytes(sums)))


def is_locked(path: str | os.PathLike[str]) -> bool:
    """Whether the file holds a private key that a passphrase opens; False for anything else, or nothing."""
    try:
        return _read(path).lstrip().startswith(b"-----BEGIN ENCRYPTED PRIVATE KEY")
    except DpsynthError:
        return False


def _signature_text(key: PublicKey, signature: bytes) -> bytes:
    record = {
        "format": _FORMAT,
        "version": _VERSION,
        "algorithm": ALGORITHM,
        "public_key": base64.b64encode(key.raw).decode("ascii"),
        "key_id": key.id,
        "signature": base64.b64encode(signature).decode("ascii"),
    }
    return (json.dumps(record, indent=1) + "\n").encode("ascii")


def parsed_signature(content: bytes) -> tuple[PublicKey, bytes]:
    """The key that a signature file names, and the signature; ``VerificationError`` unless the file is, byte for byte,
    what signing writes of the two: JSON and Base64 each have many ways to say the same.
    """
    try:
        record = json.loads(content)
        raw, signature = _decoded(record["public_key"]), _decoded(record["signature"])
    except (ValueError, TypeError, KeyError, RecursionError):
        raise _malformed() from None
    if raw is None or signature is None or len(raw) != _RAW or _signature_text(PublicKey(raw), signature) != content:
        raise _malformed()
    return PublicKey(raw), signature


def _check_free(target: str | os.PathLike[str]) -> None:
    try:
        check_output(target, force=False)
    except OutputExistsError as error:
        hint = "A key is never replaced: move the old one away, or give another name."
        raise OutputExistsError(error.message, where=error.where, hint=hint) from None


def _malformed() -> VerificationError:
    return VerificationError("it is not a signature of this version", where=SIGNATURE)


def _private(content: bytes, passphrase: str | None, where: str) -> Ed25519PrivateKey:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    locked = b"ENCRYPTED" in content.split(b"\n", 1)[0]
    if locked and not passphrase:
        raise UsageError("the private key is locked", where=where, hint="Give its passphrase: DPSYNTH_KEY_PASSPHRASE.")
    try:
        key: Any = load_pem_private_key(content, _secret(passphrase) if locked and passphrase else None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        if locked:
            raise UsageError("the passphrase does not open the private key", where=where) from None
        raise FileFormatError("this is not a private key", where=where, hint="dpsynth key create makes one.") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise FileFormatError("this is not an Ed25519 key", where=where, hint="dpsynth key create makes one.")
    return key


def _secret(passphrase: str) -> bytes:
    """The passphrase as bytes, those that the environment cannot decode as they are."""
    secret = passphrase.encode("utf-8", "surrogateescape")
    if len(secret) > _LONGEST_SECRET:
        raise UsageError(f"a passphrase has at most {_LONGEST_SECRET:,} bytes")
    return secret


def _read(path: str | os.PathLike[str]) -> bytes:
    try:
        with Path(path).open("rb") as file:
            content = file.read(_LONGEST + 1)
    except IsADirectoryError:
        raise FileFormatError("this is a folder, not a key", where=os.fspath(path)) from None
    except OSError as error:
        raise reading_error(error, os.fspath(path)) from None
    if len(content) > _LONGEST:
        raise FileFormatError("the file is too long to be a key", where=os.fspath(path))
    return content


def _decoded(text: Any) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError, TypeError):
        return None
