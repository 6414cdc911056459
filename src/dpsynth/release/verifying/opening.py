"""Opening a package without trusting it: a folder or a zip of known names, bounded sizes, regular files only.

Nothing is unpacked under a name that the package chose: members of a zip go to numbered files of a private folder
that is removed afterwards.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from dpsynth.errors import FileFormatError, VerificationError
from dpsynth.release.layout import CONTENT, DATA, SIGNATURE, SUMS, is_member
from dpsynth.release.verifying.container import FOLDER, Entry, check_plain, read_directory, tiled, unpacked

REQUIRED = CONTENT | {SUMS, SIGNATURE}
"""The members that every package has, beside its tables."""

MAX_MEMBERS = 64
MAX_TEXT = 64 << 20
"""The most bytes of a member that is read as text or JSON; the ledger may be four times as long."""

MAX_TOTAL = 16 << 30
_RATIO, _SLACK = 200, 64 << 20
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Package:
    """An opened package: where each member's bytes are, and their SHA-256 in hex."""

    files: Mapping[str, Path]
    sizes: Mapping[str, int]
    digests: Mapping[str, str]

    def read(self, name: str, most: int = MAX_TEXT) -> bytes:
        """The bytes of a member; ``VerificationError`` if there are more than ``most``."""
        if self.sizes[name] > most:
            raise VerificationError("the file is larger than such a file may be", where=name)
        return self.files[name].read_bytes()

    @property
    def csv(self) -> str:
        """The member that holds the table as CSV."""
        return next(name for name in self.files if name.endswith(".csv"))

    @property
    def parquet(self) -> str:
        """The member that holds the table as Parquet."""
        return next(name for name in self.files if name.endswith(".parquet"))


@contextlib.contextmanager
def opened(path: str | os.PathLike[str]) -> Iterator[Package]:
    """The package at ``path`` (a folder, or a zip), while the context lasts.

    Raises ``FileFormatError`` when there is nothing that can be read, and ``VerificationError`` for what is no
    package: unknown, missing or doubled names, links, special files, sizes out of proportion, and a zip file with
    a byte that is of no member (``container.py``). Reads every byte once.
    """
    place = Path(path)
    try:
        mode = place.stat().st_mode
    except (OSError, ValueError):
        raise FileFormatError("no such file or folder, or it cannot be read", where=str(path)) from None
    try:
        if stat.S_ISDIR(mode):
            yield _folder(place)
        elif stat.S_ISREG(mode):
            with tempfile.TemporaryDirectory(prefix="dpsynth-verify-") as folder:
                yield _zip(place, Path(folder))
        else:
            raise FileFormatError("a release is a folder or a zip file", where=str(path))
    except PermissionError:
        raise FileFormatError("no permission to read all of the release", where=str(path)) from None


def check_names(names: list[str]) -> None:
    """``VerificationError`` unless the names are those of a package, each once, with data in both formats."""
    if len(names) > MAX_MEMBERS:
        raise VerificationError("the package holds more files than a release does")
    for name in names:
        if not is_member(name):
            raise VerificationError("a file that does not belong into a release", where=shown(name))
    if len(set(names)) != len(names):
        raise VerificationError("two members have the same name")
    if missing := sorted(REQUIRED - set(names)):
        raise VerificationError("the file is missing", where=missing[0])
    tables = sorted(name for name in names if name.startswith(f"{DATA}/"))
    if len(tables) != 2 or {name.rpartition(".")[0] for name in tables} != {tables[0].removesuffix(".csv")}:
        raise VerificationError("a release holds one table, as CSV and as Parquet", where=f"{DATA}/")


def shown(name: object) -> str:
    """A name from a package as it may be printed: ASCII, shortened."""
    text = ascii(name)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _folder(place: Path) -> Package:
    names: list[str] = []
    for entry in sorted(_entries(place), key=lambda one: one.name):
        if entry.name == DATA and entry.is_dir(follow_symlinks=False):
            names += [f"{DATA}/{inner.name}" for inner in _entries(Path(entry.path)) if _is_regular(inner)]
        elif _is_regular(entry):
            names.append(entry.name)
    check_names(names)
    files = {name: place / name for name in sorted(names)}
    sizes, digests = {}, {}
    for name, file in files.items():
        with _regular(file, name) as stream:
            sizes[name], digests[name] = _digested(_blocks(stream, name))
    return Package(files, sizes, digests)


def _entries(place: Path) -> list[os.DirEntry[str]]:
    with os.scandir(place) as entries:
        found = []
        for entry in entries:
            found.append(entry)
            if len(found) > MAX_MEMBERS:
                raise VerificationError("the package holds more files than a release does")
    return found


def _is_regular(entry: os.DirEntry[str]) -> bool:
    if not entry.is_file(follow_symlinks=False):
        what = "a link" if entry.is_symlink() else "neither a file nor the folder of the data"
        raise VerificationError(f"this is {what}; a release holds plain files only", where=shown(entry.name))
    return True


def _regular(file: Path, name: str) -> IO[bytes]:
    """The file, opened without following a link that took its place."""
    try:
        return os.fdopen(os.open(file, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0)), "rb")
    except PermissionError:
        raise
    except OSError:
        raise VerificationError("the file cannot be opened as a plain file", where=name) from None


def _blocks(stream: IO[bytes], name: str) -> Iterator[bytes]:
    """The bytes of a file, which may not be longer than a whole release."""
    size = 0
    while block := stream.read(_CHUNK):
        size += len(block)
        if size > MAX_TOTAL:
            raise VerificationError("the file is larger than a release may be", where=name)
        yield block


def _zip(place: Path, folder: Path) -> Package:
    size = place.stat().st_size
    with place.open("rb") as stream:
        directory = read_directory(stream, size, MAX_MEMBERS + 1)
        entries = {entry.name: entry for entry in directory.entries}
        if len(entries) != len(directory.entries):
            raise VerificationError("two members have the same name")
        check_names([name for name in entries if name != FOLDER])
        for entry in entries.values():
            check_plain(entry)
        starts = tiled(stream, directory)
        if sum(entry.size for entry in entries.values()) > min(MAX_TOTAL, _SLACK + _RATIO * size):
            raise VerificationError("the members would unpack to a size out of proportion to the zip file")
        return _unpacked(stream, entries, starts, folder)


def _unpacked(stream: IO[bytes], entries: Mapping[str, Entry], starts: Mapping[str, int], folder: Path) -> Package:
    files, sizes, digests = {}, {}, {}
    for number, (name, entry) in enumerate(sorted(entries.items())):
        place = folder / f"{number}"
        with place.open("xb") as copy:
            size, digest = _digested(unpacked(stream, entry, starts[name]), copy)
        if name != FOLDER:
            files[name], sizes[name], digests[name] = place, size, digest
    return Package(files, sizes, digests)


def _digested(blocks: Iterable[bytes], copy: IO[bytes] | None = None) -> tuple[int, str]:
    """The size and the SHA-256 of these bytes, which are copied as they are read."""
    digest, size = hashlib.sha256(), 0
    for block in blocks:
        size += len(block)
        digest.update(block)
        if copy is not None:
            copy.write(block)
    return size, digest.hexdigest()
