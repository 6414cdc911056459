"""Opening a release that somebody else sent: nothing leaves its folder, nothing grows without bound."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest

from dpsynth.errors import FileFormatError
from dpsynth.release.verifying import verify
from release_examples import CSV, KEY, PARQUET, as_folder, as_zip, failed, honest_members


@pytest.fixture
def honest() -> dict[str, bytes]:
    return honest_members()


@pytest.mark.parametrize("change", ["missing", "extra", "in sums only", "hidden"])
def test_files_that_are_missing_or_do_not_belong(honest, tmp_path, change):
    members = dict(honest)
    if change == "missing":
        del members["LICENSE"]
    elif change == "extra":
        members["notes.txt"] = b"hello"
    elif change == "hidden":
        members["data/.raw.csv"] = b"hello"
    else:
        members["data/other.csv"] = members.pop(CSV)
        members["data/other.parquet"] = members.pop(PARQUET)
    check = "sums" if change == "in sums only" else "package"
    for found in (
        verify(as_folder(members, tmp_path / "r"), KEY.public),
        verify(as_zip(members, tmp_path / "r.zip"), KEY.public),
    ):
        assert failed(found) == check


def test_links_and_special_files_are_refused(honest, tmp_path):
    outside = tmp_path / "outside.csv"
    outside.write_bytes(honest[CSV])
    place = as_folder(honest, tmp_path / "r")
    (place / CSV).unlink()
    (place / CSV).symlink_to(outside)
    assert failed(verify(place, KEY.public)) == "package"
    (place / CSV).unlink()
    os.mkfifo(place / CSV)
    assert failed(verify(place, KEY.public)) == "package"
    other = as_folder(honest, tmp_path / "s")
    (other / "data").rename(tmp_path / "moved")
    (other / "data").symlink_to(tmp_path / "moved")
    assert failed(verify(other, KEY.public)) == "package"


def zip_with(honest: dict[str, bytes], place: Path, *extra: zipfile.ZipInfo, data: bytes = b"x") -> Path:
    as_zip(honest, place)
    with zipfile.ZipFile(place, "a", zipfile.ZIP_DEFLATED) as archive:
        for entry in extra:
            archive.writestr(entry, data)
    return place


@pytest.mark.parametrize(
    "name",
    ["../evil", "/etc/evil", "data/../../evil", "data\\..\\evil.csv", "C:evil", "data/x/y.csv", "data/A\x1b[2J.csv"],
)
def test_names_that_lead_elsewhere_are_refused_and_nothing_is_written(honest, tmp_path, name):
    place = zip_with(honest, tmp_path / "r.zip", zipfile.ZipInfo(name))
    found = verify(place, KEY.public)
    assert failed(found) == "package"
    assert str(found.failure).isascii()
    assert str(found.failure).isprintable()
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["r.zip"]


def test_links_doubles_and_names_cut_at_a_zero_byte_in_a_zip_are_refused(honest, tmp_path):
    honest = {name: data for name, data in honest.items() if name != "model.dps"}
    link = zipfile.ZipInfo("model.dps")
    link.create_system, link.external_attr = 3, 0o120777 << 16
    assert failed(verify(zip_with(honest, tmp_path / "link.zip", link), KEY.public)) == "package"
    with pytest.warns(UserWarning, match="Duplicate"):
        double = zip_with(honest, tmp_path / "double.zip", zipfile.ZipInfo("LICENSE"))
    assert failed(verify(double, KEY.public)) == "package"
    cut = as_zip({"model.dpsX.exe": b"x", **honest}, tmp_path / "cut.zip")
    cut.write_bytes(cut.read_bytes().replace(b"model.dpsX.exe", b"model.dps\x00.exe"))
    assert failed(verify(cut, KEY.public)) == "package"


def test_a_bomb_is_refused_before_it_is_unpacked(honest, tmp_path):
    big = tmp_path / "bomb.zip"
    honest = {name: data for name, data in honest.items() if name != "model.dps"}
    with zipfile.ZipFile(big, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in honest.items():
            archive.writestr(name, data)
        with archive.open("model.dps", "w") as member:
            for _ in range(100):
                member.write(bytes(1 << 20))
    assert big.stat().st_size < 1 << 20
    assert "out of proportion" in str(verify(big, KEY.public).failure)


def test_a_member_that_is_longer_than_it_says_an_encrypted_one_and_too_many_are_refused(honest, tmp_path):
    place = as_zip(honest, tmp_path / "r.zip")
    raw = place.read_bytes()
    with zipfile.ZipFile(place) as archive:
        start = archive.start_dir
    entry = raw.index(b"PK\x01\x02", start)
    for at, value in ((8, b"\x01\x00"), (24, (5).to_bytes(4, "little"))):
        place.write_bytes(raw[: entry + at] + value + raw[entry + at + len(value) :])
        assert failed(verify(place, KEY.public)) == "package"
    many = as_zip({f"{number}": b"" for number in range(1_000)}, tmp_path / "many.zip")
    assert failed(verify(many, KEY.public)) == "package"


def test_a_truncated_zip_and_what_is_no_zip(honest, tmp_path):
    place = as_zip(honest, tmp_path / "r.zip")
    raw = place.read_bytes()
    for content in (
        raw[: len(raw) // 2],
        raw[:-1],
        raw[:10],
        b"",
        b"PK\x05\x06" + bytes(18),
        raw[: len(raw) // 3] + raw[len(raw) // 2 :],
    ):
        place.write_bytes(content)
        assert failed(verify(place, KEY.public)) == "package"


def test_what_cannot_be_read_is_an_error_of_its_own(tmp_path):
    for path in (tmp_path / "absent", "/dev/null", "a\x00b"):
        with pytest.raises(FileFormatError):
            verify(path)
