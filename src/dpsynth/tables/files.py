"""Where bytes come from: a file that must not change between passes, or a stream that can be read only once."""

from __future__ import annotations

import errno
import io
import os
import tempfile
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from dpsynth.errors import DpsynthError, FileFormatError

_CHUNK = 1 << 20


class ByteSource(Protocol):
    """Bytes that can be read from their start any number of times, always the same."""

    @property
    def where(self) -> str:
        """A name for messages."""
        ...

    def open(self) -> io.BufferedReader:
        """The bytes from their start; ``OSError`` when they cannot be read, or are not the same any more."""
        ...

    def verify(self) -> None:
        """Raise ``OSError`` when the bytes changed since the source was made."""
        ...


@dataclass(frozen=True)
class StampedFile:
    """A regular file, and what it was when it was first opened: device, inode, size, time of change."""

    where: str
    stamp: tuple[int, ...]

    @staticmethod
    def of(path: str) -> StampedFile:
        """The file at ``path``, readable now.

        Raises ``FileFormatError`` (3) when it is missing or no regular file, ``DpsynthError`` (1) without permission.
        """
        try:
            if Path(path).is_dir():
                raise IsADirectoryError(errno.EISDIR, "")
            if Path(path).exists() and not Path(path).is_file():
                raise FileFormatError("not a regular file", where=path, hint="Use - for standard input.")
            with Path(path).open("rb") as file:
                return StampedFile(path, _stamp(os.fstat(file.fileno())))
        except OSError as error:
            raise reading_error(error, path) from None

    def open(self) -> io.BufferedReader:
        """The file from its start; ``OSError`` if it is another one by now."""
        file = Path(self.where).open("rb")  # noqa: SIM115  (the caller closes it)
        if _stamp(os.fstat(file.fileno())) != self.stamp:
            file.close()
            raise OSError(errno.ESTALE, "the file changed")
        return file

    def verify(self) -> None:
        """Raise ``OSError`` if the file is not what it was."""
        self.open().close()


class SpooledStream:
    """A stream copied, as far as it was read, to a temporary file without a name, so that it can be read again."""

    def __init__(self, stream: io.BufferedIOBase, where: str) -> None:
        self.where = where
        self._stream = stream
        self._spool = tempfile.TemporaryFile(prefix="dpsynth-")  # noqa: SIM115  (lives as long as the source)
        weakref.finalize(self, self._spool.close)
        self._size = 0
        self._ended = False

    def open(self) -> io.BufferedReader:
        """The stream from its start."""
        return io.BufferedReader(_Replay(self))

    def verify(self) -> None:
        """Nothing: the copy has no name and cannot be changed."""

    def read_at(self, position: int, size: int) -> bytes:
        """Up to ``size`` bytes from ``position``, fetching from the stream what is not yet copied."""
        while position + size > self._size and not self._ended:
            # One read of the system at a time: a Ctrl-C between two of them would wait for the whole chunk.
            chunk = self._stream.read1(_CHUNK)
            self._ended = not chunk
            self._spool.seek(self._size)
            self._spool.write(chunk)
            self._size += len(chunk)
        self._spool.seek(position)
        return self._spool.read(size)


class _Replay(io.RawIOBase):
    """One reading of a ``SpooledStream``."""

    def __init__(self, source: SpooledStream) -> None:
        self._source = source
        self._position = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._source.read_at(self._position, len(buffer))
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)


def reading_error(error: OSError, where: str) -> DpsynthError:
    """The error for an operating-system fault met while opening ``where``: 1 without permission, else 3."""
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return FileFormatError("no such file", where=where)
    if isinstance(error, IsADirectoryError):
        return FileFormatError("this is a directory, not a table", where=where)
    if isinstance(error, PermissionError):
        return DpsynthError("no permission to read this file", where=where)
    return FileFormatError("the file could not be read", where=where)


def _stamp(status: os.stat_result) -> tuple[int, ...]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
