"""A package on disk: nothing of the moment in its bytes, and on the disk before it has its name."""

from __future__ import annotations

import os
import time
import zipfile
from pathlib import Path

import pytest

from dpsynth.release.keys import PrivateKey
from dpsynth.release.writing import signed, write

KEY = PrivateKey.create()
MEMBERS = {"README.md": b"# Rows\n", "data/rows.csv": b"a\n1\n", "data/rows.parquet": b"PAR1", "LICENSE": b"Ask.\n"}


def test_a_zip_says_nothing_of_when_and_by_whom_it_was_packed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    members = signed(MEMBERS, KEY)
    write(members, tmp_path / "one.zip", force=False)
    monkeypatch.setattr(time, "time", lambda: 2_000_000_000.0)
    monkeypatch.setattr(time, "localtime", lambda *_: time.gmtime(2_000_000_000))
    monkeypatch.setattr(os, "umask", lambda _: 0o077)
    write(dict(reversed(members.items())), tmp_path / "two.zip", force=False)
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "one.zip") as archive:
        entries = archive.infolist()
        assert [entry.filename for entry in entries] == sorted(members)
        assert {entry.date_time for entry in entries} == {(1980, 1, 1, 0, 0, 0)}
        assert {entry.external_attr >> 16 for entry in entries} == {0o100644}
        assert not archive.comment
        assert not any(entry.comment or entry.extra for entry in entries)


@pytest.mark.parametrize("name", ["r.zip", "r"])
def test_every_byte_is_on_the_disk_before_the_package_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    if not Path("/proc/self/fd").is_dir():
        pytest.skip("this system does not say which file a descriptor is of")
    target, really = tmp_path / name, os.fsync
    seen: list[tuple[str, bool]] = []

    def synced(number: int) -> None:
        seen.append((Path(f"/proc/self/fd/{number}").readlink().name, target.exists()))
        really(number)

    members = signed(MEMBERS, KEY)
    monkeypatch.setattr(os, "fsync", synced)
    write(members, target, force=False)
    before = [one for one, there in seen if not there]
    if name == "r":
        assert {Path(member).name for member in members} | {"data"} <= set(before)
    assert any(one.endswith(".part") for one in before)
    assert seen[-1] == (tmp_path.name, True)


def test_a_release_that_fails_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    for name in ("r.zip", "r"):
        with pytest.raises(Exception, match=r"[sS]pace|written|disk"):
            write(signed(MEMBERS, KEY), tmp_path / name, force=False)
    assert not list(tmp_path.iterdir())
