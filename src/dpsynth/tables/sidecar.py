"""The sidecar ``OUT.dpsynth.json``: what was done to a table, and the hash that ties it to the file."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dpsynth.errors import DataMismatchError, FileFormatError
from dpsynth.tables.atomic import atomic_write
from dpsynth.tables.files import reading_error

_VERSION = 1
METADATA_KEY = "dpsynth.labels"
"""Under which the label chain stands in the metadata of a Parquet or Arrow schema."""


@dataclass(frozen=True, slots=True)
class Sidecar:
    """The label chain of a table, in the order of the steps, and the SHA-256 of the file in hex."""

    labels: tuple[str, ...]
    sha256: str


def sidecar_path(path: str | os.PathLike[str]) -> Path:
    """Where the sidecar of a table stands."""
    return Path(f"{os.fspath(path)}.dpsynth.json")


def label_metadata(labels: Sequence[str]) -> dict[str, str]:
    """The label chain as Parquet or Arrow schema metadata."""
    return {METADATA_KEY: json.dumps(list(labels))}


def write_sidecar(path: str | os.PathLike[str], labels: Sequence[str], sha256: str) -> None:
    """Write the sidecar of the table at ``path``, replacing one of an earlier table; atomic.

    It stands beside the file itself where ``path`` is a link to it.
    """
    real = os.path.realpath(path)
    content = {"dpsynth_sidecar": _VERSION, "file": Path(real).name, "sha256": sha256, "labels": list(labels)}
    with atomic_write(sidecar_path(real), force=True) as part:
        part.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def read_sidecar(path: str | os.PathLike[str]) -> Sidecar | None:
    """The sidecar of the table at ``path``, or ``None`` if it has none; ``FileFormatError`` for a malformed one.

    It stands beside ``path``, or beside the file that ``path`` is a link to.
    """
    place = sidecar_path(path)
    if not os.path.lexists(place):
        place = sidecar_path(os.path.realpath(path))
    try:
        content = json.loads(place.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise reading_error(error, str(place)) from None
    except (ValueError, RecursionError):
        raise _malformed(place) from None
    return _parsed(content, place)


def verify_sidecar(path: str | os.PathLike[str]) -> Sidecar | None:
    """The sidecar of a table that is still the file it describes, or ``None`` if the table has none.

    Raises ``DataMismatchError`` (3) when the file was changed since. Reads the whole file once.
    """
    sidecar = read_sidecar(path)
    if sidecar is None:
        return None
    try:
        with Path(path).open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise reading_error(error, os.fspath(path)) from None
    if digest != sidecar.sha256:
        raise DataMismatchError(
            "the file is not the one its sidecar describes",
            where=os.fspath(path),
            hint=f"It was changed since. Restore it, or remove {sidecar_path(path).name} to treat it as raw.",
        )
    return sidecar


def _parsed(content: object, place: Path) -> Sidecar:
    if not isinstance(content, dict) or content.get("dpsynth_sidecar") != _VERSION:
        raise _malformed(place)
    labels, sha256 = content.get("labels"), content.get("sha256")
    if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
        raise _malformed(place)
    if not isinstance(sha256, str):
        raise _malformed(place)
    return Sidecar(tuple(labels), sha256)


def _malformed(place: Path) -> FileFormatError:
    return FileFormatError("this is not a sidecar of this version", where=str(place))
