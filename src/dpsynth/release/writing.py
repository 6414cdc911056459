"""A release on disk: a folder or a zip, complete or absent, the same bytes for the same members."""

from __future__ import annotations

import os
import secrets
import shutil
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from dpsynth.errors import UsageError
from dpsynth.release.keys import PrivateKey
from dpsynth.release.layout import SIGNATURE, SUMS, digest, is_member, sums_text
from dpsynth.tables import atomic_write, check_output
from dpsynth.tables.atomic import flush, writing_error

_TIME = (1980, 1, 1, 0, 0, 0)
"""The earliest time that a zip can state: when a release was packed is nobody's business."""
_MODE = 0o100644


def signed(members: Mapping[str, bytes], key: PrivateKey) -> dict[str, bytes]:
    """These members, the sums of all of them, and the signature over the sums.

    Raises ``UsageError`` for a member that a release may not hold.
    """
    if strange := [member for member in members if not is_member(member) or member in (SUMS, SIGNATURE)]:
        raise UsageError("a release has no such member", where=strange[0])
    sums = sums_text({member: digest(content) for member, content in members.items()})
    return {**members, SUMS: sums, SIGNATURE: key.signature(sums)}


def write(members: Mapping[str, bytes], path: str | os.PathLike[str], *, force: bool) -> None:
    """Write the members to ``path``: a zip if it ends in ``.zip``, a folder otherwise; complete or absent.

    Raises ``OutputExistsError`` unless ``force``; a folder is replaced only if it holds members of a release alone.
    """
    if os.fspath(path).lower().endswith(".zip"):
        _write_zip(members, path, force=force)
    else:
        _write_folder(members, Path(path), force=force)


def _write_zip(members: Mapping[str, bytes], path: str | os.PathLike[str], *, force: bool) -> None:
    with atomic_write(path, force=force) as part, zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive:
        for member in sorted(members):
            entry = zipfile.ZipInfo(member, date_time=_TIME)
            entry.compress_type = zipfile.ZIP_STORED if member.endswith(".parquet") else zipfile.ZIP_DEFLATED
            entry.external_attr = _MODE << 16
            entry.create_system = 3
            archive.writestr(entry, members[member], compresslevel=6)


def _write_folder(members: Mapping[str, bytes], path: Path, *, force: bool) -> None:
    target = Path(os.path.realpath(path))
    if target.exists():
        check_folder(path, force=force)
    part = target.with_name(f".{target.name[:100]}.{secrets.token_hex(6)}.part")
    try:
        for member, content in members.items():
            place = part / member
            place.parent.mkdir(parents=True, exist_ok=True)
            with place.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        for folder in sorted({(part / member).parent for member in members}, reverse=True):
            flush(folder)
        _exchange(part, target)
        flush(target.parent)
    except OSError as error:
        raise writing_error(error, os.fspath(path)) from None
    finally:
        with suppress(OSError):
            shutil.rmtree(part, ignore_errors=True)


def _exchange(part: Path, target: Path) -> None:
    """Give the complete folder its name; what had that name goes, or comes back when that fails."""
    if not target.exists():
        part.rename(target)
        return
    replaced = target.with_name(f"{part.name}.old")
    target.rename(replaced)
    try:
        part.rename(target)
    except OSError:
        replaced.rename(target)
        raise
    shutil.rmtree(replaced, ignore_errors=True)


def check_folder(path: Path, *, force: bool) -> None:
    """Return if a release may take this folder's place.

    Raises ``OutputExistsError`` unless ``force``, and ``UsageError`` for a folder that holds anything else.
    """
    if not path.is_dir():
        check_output(path, force=False)
        raise UsageError("a release as a folder cannot take the place of a file", where=os.fspath(path))
    if any(path.iterdir()):
        if not force:
            check_output(path / SUMS, force=False)
        found = [one.relative_to(path).as_posix() for one in path.rglob("*") if not one.is_dir() or one.is_symlink()]
        if strange := [name for name in found if not is_member(name)]:
            what = "the folder holds something that is no part of a release, so it is not replaced"
            raise UsageError(what, where=os.fspath(path / strange[0]))
