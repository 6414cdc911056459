"""Atomic writes: a file is complete or absent, whatever happens while it is being written."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from dpsynth.errors import DpsynthError, OutputExistsError, UsageError

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_DENIED = {errno.EACCES, errno.EPERM, errno.EROFS}


@contextmanager
def atomic_write(path: str | os.PathLike[str], *, force: bool) -> Iterator[Path]:
    """A temporary path beside ``path``: renamed to it on success, removed on any failure, Ctrl-C included.

    The temporary file exists and is empty when the block starts; the block opens, fills and closes it. It is
    flushed to disk before the rename. Without ``force`` an existing target is never replaced, not even one that
    appears while the block runs. A symbolic link is followed.

    Raises ``OutputExistsError`` (2) before the block runs if the target exists and ``force`` is false,
    ``UsageError`` (2) for a directory or a device, and ``DpsynthError`` (1) for a missing folder, no permission,
    or a full disk; every ``OSError`` of the block becomes one of these.
    """
    target = Path(os.path.realpath(path))
    where = os.fspath(path)
    check_output(path, force=force)
    part = target.with_name(f".{target.name[:100]}.{secrets.token_hex(6)}.part")
    try:
        os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        yield part
        flush(part)
        _publish(part, target, where, force=force)
        flush(target.parent)
    except OSError as error:
        raise writing_error(error, where) from None
    finally:
        with suppress(OSError):
            part.unlink()


def check_output(path: str | os.PathLike[str], *, force: bool) -> None:
    """Raise what ``atomic_write`` would raise at once for this target, without creating anything.

    Long work calls it first, so that a bad output path is told before anything is spent.
    """
    target = Path(os.path.realpath(path))
    where = os.fspath(path)
    try:
        _check_target(target, where, force=force)
        if not os.access(target.parent, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, "")
    except OSError as error:
        raise writing_error(error, where) from None


def check_not_itself(source: object, target: str | os.PathLike[str]) -> None:
    """Raise ``UsageError`` when the table to be read is the file to be written, whatever both are called.

    Not even ``force`` means the only copy of the original. A source that is no path is never a file.
    """
    if not isinstance(source, str | os.PathLike):
        return
    with suppress(OSError, ValueError):
        if Path(source).samefile(target):
            hint = "Choose another folder or name."
            raise UsageError("the output is the table itself", where=os.fspath(target), hint=hint)


def writing_error(error: OSError, where: str) -> DpsynthError:
    """The ``DpsynthError`` (exit 1) for an operating-system error met while writing ``where``."""
    if error.errno in _FULL:
        return DpsynthError("the disk is full", where=where, hint="Nothing was written; free some space and repeat.")
    if error.errno in _DENIED:
        return DpsynthError("no permission to write here", where=where)
    if error.errno in {errno.ENOENT, errno.ENOTDIR}:
        return DpsynthError("the folder does not exist", where=where, hint="Create it, or choose another path.")
    return DpsynthError("the file could not be written", where=where)


def _check_target(target: Path, where: str, *, force: bool) -> None:
    if target.is_dir():
        raise UsageError("the output path is a directory", where=where)
    if target.exists():
        if not target.is_file():
            raise UsageError("the output path is not a regular file", where=where, hint="Use - for standard output.")
        if not force:
            raise OutputExistsError("the output exists", where=where, hint="Use --force to overwrite it.")
    elif not target.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, "")


def _publish(part: Path, target: Path, where: str, *, force: bool) -> None:
    if force:
        part.replace(target)
        return
    try:
        target.hardlink_to(part)
    except FileExistsError:
        raise OutputExistsError("the output exists", where=where, hint="Use --force to overwrite it.") from None
    except OSError:
        # Some file systems have no hard links; the check above is then all there is.
        part.replace(target)


def flush(path: Path) -> None:
    """Have a file or a folder on the disk before this returns."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some file systems refuse to flush a directory; the rename stands all the same.
        if error.errno not in {errno.EINVAL, errno.ENOTSUP, errno.EBADF}:
            raise
    finally:
        os.close(descriptor)
