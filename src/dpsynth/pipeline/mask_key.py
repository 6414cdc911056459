"""Where the key of masks comes from: a file, the environment, or the caller. Only a new key is ever written."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from dpsynth.anonymization.masks.keys import MaskKey
from dpsynth.errors import OutputExistsError, UsageError
from dpsynth.tables.atomic import writing_error
from dpsynth.tables.files import reading_error

VARIABLE = "DPSYNTH_MASK_KEY"
_LONGEST = 4_096


def find_key(key: bytes | str | MaskKey | None, key_file: str | os.PathLike[str] | None) -> MaskKey | None:
    """The key that was given as bytes or text, that of the file, or that of the environment; None without any.

    Raises ``UsageError`` (never with the key) for one that is empty, short or malformed, ``FileFormatError`` or
    ``DpsynthError`` for a file that cannot be read.
    """
    if key is not None and key_file is not None:
        raise UsageError("there are two keys: one given, one in a file", hint="Leave one of them out.")
    if isinstance(key, MaskKey):
        return key
    if isinstance(key, bytes | bytearray):
        return MaskKey(bytes(key))
    if key is not None:
        if not isinstance(key, str):
            raise UsageError("the key is neither bytes nor text", where="key")
        return MaskKey.parse(key, "key")
    if key_file is not None:
        return MaskKey.parse(_text(key_file), os.fspath(key_file))
    found = os.environ.get(VARIABLE)
    return None if found is None else MaskKey.parse(found, VARIABLE)


def readable_by_others(key_file: str | os.PathLike[str]) -> bool:
    """Whether more than its owner may read the file."""
    return bool(Path(key_file).stat().st_mode & (stat.S_IRGRP | stat.S_IROTH))


def new_key_file(path: str | os.PathLike[str]) -> str:
    """Write a new key that only its owner can read (mode 0600); its id.

    Raises ``OutputExistsError`` when the path exists: nobody overwrites a key by accident. ``DpsynthError`` when it
    cannot be written; nothing is left then.
    """
    key, text = MaskKey.fresh()
    where = os.fspath(path)
    try:
        file = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except OSError as error:
        if error.errno == errno.EEXIST:
            hint = "A key is never overwritten: what it masked could not be joined any more. Choose another name."
            raise OutputExistsError("the key file exists", where=where, hint=hint) from None
        raise writing_error(error, where) from None
    try:
        with os.fdopen(file, "w", encoding="ascii") as opened:
            opened.write(f"{text}\n")
            opened.flush()
            os.fsync(opened.fileno())
    except OSError as error:
        Path(path).unlink(missing_ok=True)
        raise writing_error(error, where) from None
    return key.id


def _text(path: str | os.PathLike[str]) -> str:
    where = os.fspath(path)
    try:
        with Path(path).open("rb") as file:
            raw = file.read(_LONGEST + 1)
    except IsADirectoryError:
        raise UsageError("this is a directory, not a key file", where=where) from None
    except OSError as error:
        raise reading_error(error, where) from None
    if len(raw) > _LONGEST or not raw.isascii():
        raise UsageError("this is not a key file: a key is one line of hex or base64", where=where)
    return raw.decode("ascii")
