"""The container of a model file: an uncompressed zip of one JSON manifest and ``.npy`` arrays, safe to read.

Nothing in a file is trusted before it is checked: members are stored (no bomb can unpack), together no larger than
the file, named by a fixed pattern, listed in the manifest with their size, SHA-256, type and shape, and an array's
bytes must start with exactly the header that this module writes for that type and shape. No header is parsed.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import struct
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from dpsynth.errors import FileFormatError

MANIFEST = "manifest.json"
MAX_BYTES = 8 << 30
MAX_MEMBERS = 20_000
MAX_MANIFEST = 64 << 20
_MAX_DIRECTORY = 16 << 20
_MEMBER = re.compile(r"[a-z]{1,20}/[0-9]{1,6}\.npy")
_TYPES = ("<f8", "<i8")
_EPOCH = (1980, 1, 1, 0, 0, 0)
_END, _END64, _LOCATOR64 = b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07"

Numbers = NDArray[np.float64] | NDArray[np.int64]


def write_archive(path: str | os.PathLike[str], manifest: Mapping[str, Any], arrays: Mapping[str, Numbers]) -> None:
    """Write the manifest, with a ``members`` table added, and the arrays (int64 or float64).

    The same content gives the same bytes, on every machine and day.
    """
    members = {name: _described(array) for name, array in arrays.items()}
    text = json.dumps({**manifest, "members": members}, indent=1, allow_nan=False, default=_jsonable)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED, strict_timestamps=True) as archive:
        archive.writestr(_entry(MANIFEST), text.encode() + b"\n")
        for name, array in arrays.items():
            archive.writestr(_entry(name), _npy(array))


def _jsonable(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, _EPOCH)
    entry.create_system, entry.external_attr = 3, 0o644 << 16
    return entry


def _plain(array: Numbers) -> Numbers:
    kind = "<i8" if array.dtype.kind == "i" else "<f8"
    return np.ascontiguousarray(array, dtype=kind).reshape(array.shape)


def _header(kind: str, shape: tuple[int, ...]) -> bytes:
    """The header of a version 1.0 ``.npy`` file in C order, padded to 64 bytes."""
    text = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}"
    padded = text.ljust(-(-(len(text) + 11) // 64) * 64 - 11) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(padded)) + padded.encode("ascii")


def _npy(array: Numbers) -> bytes:
    plain = _plain(array)
    return _header(plain.dtype.str, plain.shape) + plain.tobytes()


def _described(array: Numbers) -> dict[str, Any]:
    data, plain = _npy(array), _plain(array)
    digest = hashlib.sha256(data).hexdigest()
    return {"bytes": len(data), "sha256": digest, "dtype": plain.dtype.str, "shape": list(plain.shape)}


class Archive:
    """An open model file whose directory and manifest have been checked; arrays are read on demand.

    Raises ``FileFormatError`` for anything that ``write_archive`` would not have written.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        size = stream.seek(0, os.SEEK_END)
        _check_directory(stream, size)
        self._zip = zipfile.ZipFile(stream)
        self._entries = _checked_entries(self._zip.infolist(), size)
        self.manifest = _parsed(self._read(MANIFEST))
        members = self.manifest.pop("members", None)
        if not isinstance(members, dict) or self._entries.keys() != {MANIFEST, *members}:
            raise FileFormatError("the members of the file are not those of its manifest")
        self._members: dict[str, Any] = members

    def names(self) -> Iterable[str]:
        """The names of all arrays."""
        return self._members.keys()

    def array(self, name: str, kind: str) -> Numbers:
        """The array of a member, read-only, of dtype ``kind``; its size, hash and header are checked first."""
        record = self._members.get(name)
        if not isinstance(record, dict) or record.keys() != {"bytes", "sha256", "dtype", "shape"}:
            raise FileFormatError("a member is missing or not described")
        shape = _checked_shape(record["shape"])
        header = _header(kind, shape)
        if kind not in _TYPES or record["dtype"] != kind:
            raise FileFormatError("an array has another type than it must have")
        if not record["bytes"] == self._entries[name].file_size == len(header) + 8 * math.prod(shape):
            raise FileFormatError("the size of an array is not the one its shape needs")
        data = self._read(name)
        if hashlib.sha256(data).hexdigest() != record["sha256"]:
            raise FileFormatError("an array was changed: its SHA-256 is not the recorded one")
        if not data.startswith(header):
            raise FileFormatError("the header of an array does not fit its description")
        return np.frombuffer(data, dtype=kind, offset=len(header)).reshape(shape)

    def _read(self, name: str) -> bytes:
        entry = self._entries[name]
        if name == MANIFEST and entry.file_size > MAX_MANIFEST:
            raise FileFormatError("the manifest is too large")
        data = self._zip.read(entry)
        if len(data) != entry.file_size:
            raise FileFormatError("the file is truncated")
        return data


def kept(arrays: dict[str, Numbers], folder: str, array: Numbers) -> str:
    """The name under which the array was added to ``arrays``, which are yet to be written."""
    name = f"{folder}/{len(arrays):06d}.npy"
    arrays[name] = array
    return name


def taken(archive: Archive, used: set[str], name: str, kind: str) -> Numbers:
    """The array of a member that nothing has used so far; ``FileFormatError`` otherwise."""
    if name in used:
        raise FileFormatError("two parts of the model refer to one array")
    used.add(name)
    return archive.array(name, kind)


def _check_directory(stream: IO[bytes], size: int) -> None:
    """Refuse a file or a directory of members that is too large, before zipfile reads the directory into memory."""
    if size > MAX_BYTES:
        raise FileFormatError(f"the file is larger than a model file may be ({MAX_BYTES >> 30} GiB)")
    start = max(0, size - 65_557)
    stream.seek(start)
    tail = stream.read()
    end = tail.rfind(_END)
    if end < 0 or len(tail) - end < 22:
        raise FileFormatError("the file is truncated or not a model file")
    entries, length = struct.unpack_from("<HL", tail, end + 10)
    if end >= 20 and tail[end - 20 : end - 16] == _LOCATOR64:
        (offset,) = struct.unpack_from("<Q", tail, end - 12)
        stream.seek(min(offset, size))
        record = stream.read(56)
        if len(record) < 56 or not record.startswith(_END64):
            raise FileFormatError("the file is truncated or not a model file")
        entries, length = struct.unpack_from("<QQ", record, 32)
    if entries > MAX_MEMBERS or length > _MAX_DIRECTORY:
        raise FileFormatError("the file has too many members")
    stream.seek(0)


def _checked_entries(entries: list[zipfile.ZipInfo], size: int) -> dict[str, zipfile.ZipInfo]:
    if len(entries) > MAX_MEMBERS:
        raise FileFormatError("the file has too many members")
    found = {entry.filename: entry for entry in entries}
    if len(found) != len(entries):
        raise FileFormatError("a member appears twice")
    for entry in entries:
        if entry.orig_filename != MANIFEST and not _MEMBER.fullmatch(entry.orig_filename):
            raise FileFormatError("the file has a member that a model file does not have")
        stored = entry.compress_type == zipfile.ZIP_STORED and entry.file_size == entry.compress_size
        if not stored or entry.flag_bits & ~0x800:
            raise FileFormatError("a member is compressed or encrypted; members of a model file are stored plainly")
    if sum(entry.file_size for entry in entries) > size:
        raise FileFormatError("the members overlap")
    if MANIFEST not in found:
        raise FileFormatError("the file has no manifest")
    return found


def _parsed(data: bytes) -> dict[str, Any]:
    """The manifest; ``FileFormatError`` unless it is one JSON object without NaN, infinity or repeated keys."""
    try:
        value = json.loads(data.decode("utf-8"), object_pairs_hook=_object, parse_constant=_refused)
    except (ValueError, RecursionError):
        raise FileFormatError("the manifest is not valid JSON") from None
    if not isinstance(value, dict):
        raise FileFormatError("the manifest is not a JSON object")
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(found := dict(pairs)) != len(pairs):
        raise ValueError
    return found


def _refused(_: str) -> float:
    raise ValueError


def _checked_shape(shape: Any) -> tuple[int, ...]:
    if not isinstance(shape, list) or len(shape) > 32 or any(type(size) is not int or size < 0 for size in shape):
        raise FileFormatError("the shape of an array is malformed")
    return tuple(shape)


def opened(path: str | os.PathLike[str]) -> IO[bytes]:
    """The file, open for reading; ``FileFormatError`` in plain words if it cannot be."""
    try:
        return Path(path).open("rb")
    except FileNotFoundError:
        raise FileFormatError("there is no such model file") from None
    except IsADirectoryError:
        raise FileFormatError("this is a directory, not a model file") from None
    except PermissionError:
        raise FileFormatError("no permission to read the model file") from None
    except OSError:
        raise FileFormatError("the model file cannot be opened") from None
