"""Model files that were tampered with: edits of the manifest and the members of a valid file."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from dpsynth.models import Model, archive

EPOCH = (1980, 1, 1, 0, 0, 0)
Members = dict[str, bytes]
Edit = Callable[[dict[str, Any], Members], object]


def pack(path: Path, entries: list[tuple[str, bytes]], compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as file:
        for name, data in entries:
            info = zipfile.ZipInfo(name, EPOCH)
            info.compress_type = compression
            file.writestr(info, data)
    return path


def rewritten(folder: Path, model: Model, edit: Edit) -> Path:
    """The model's file with its manifest and members edited; sizes and hashes are left as the edit leaves them."""
    source = folder / "source.dps"
    model.save(source, force=True)
    with zipfile.ZipFile(source) as file:
        members = {name: file.read(name) for name in file.namelist()}
    manifest = json.loads(members.pop("manifest.json"))
    edit(manifest, members)
    return pack(folder / "m.dps", [("manifest.json", json.dumps(manifest).encode()), *members.items()])


def with_array(place: Callable[[dict[str, Any]], str], change: Callable[[np.ndarray], np.ndarray]) -> Edit:
    """Change the array that ``place`` finds, and keep its size, hash, type and shape right."""

    def edit(manifest: dict[str, Any], members: Members) -> None:
        name = place(manifest)
        array = change(np.load(io.BytesIO(members[name])))
        members[name] = archive._npy(array)
        manifest["members"][name] = archive._described(array)

    return edit


def at(*path: str | int, value: Any) -> Edit:
    """Set one place in the manifest."""

    def edit(manifest: Any, _: Members) -> None:
        for key in path[:-1]:
            manifest = manifest[key]
        manifest[path[-1]] = value

    return edit
