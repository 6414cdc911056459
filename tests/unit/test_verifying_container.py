"""A zip whose bytes are not all accounted for is refused: two programs could read two tables in it."""

from __future__ import annotations

import io
import shutil
import struct
import subprocess
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from dpsynth.errors import VerificationError
from dpsynth.release.verifying.opening import REQUIRED, opened
from dpsynth.release.writing import write

CSV = "data/people.csv"
NOISE = np.random.default_rng(5)
MEMBERS = {
    **{name: f"this is {name}\n".encode() * 9 for name in sorted(REQUIRED)},
    CSV: b"age\n1\n2\n" * 40,
    "data/people.parquet": NOISE.bytes(300),
    # Zippers keep what does not shrink as blocks within a deflated stream.
    "model.dps": NOISE.bytes(200),
}
HIDDEN = {CSV: MEMBERS[CSV].replace(b"1", b"9")}


def found(place: Path) -> dict[str, bytes]:
    """What the package at ``place`` is said to hold."""
    with opened(place) as package:
        return {name: package.read(name) for name in package.files}


def refused(place: Path, content: bytes) -> VerificationError:
    place.write_bytes(content)
    with pytest.raises(VerificationError) as caught:
        found(place)
    assert "\n" not in str(caught.value)
    return caught.value


def zipped(members: dict[str, bytes] = MEMBERS, method: int = zipfile.ZIP_DEFLATED, **fields: object) -> bytes:
    """A zip of these members, each with these fields of its entry."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, data in members.items():
            entry = zipfile.ZipInfo(name)
            entry.compress_type = method
            for field, value in fields.items():
                setattr(entry, field, value)
            archive.writestr(entry, data)
    return out.getvalue()


def entries(content: bytes) -> Iterator[tuple[int, int, str]]:
    """Where the entry of each member stands in the directory, and where its header."""
    at = struct.unpack_from("<L", content, len(content) - 6)[0]
    while content[at : at + 4] == b"PK\x01\x02":
        named, more, note = struct.unpack_from("<3H", content, at + 28)
        yield at, struct.unpack_from("<L", content, at + 42)[0], content[at + 46 : at + 46 + named].decode()
        at += 46 + named + more + note


def inserted(content: bytes, at: int, more: bytes) -> bytes:
    """The zip with more bytes at a place; every offset in it is made to fit."""
    moved = bytearray(content)
    for entry, header, _ in entries(content):
        struct.pack_into("<L", moved, entry + 42, header + len(more) * (header >= at))
    start = struct.unpack_from("<L", content, len(content) - 6)[0]
    struct.pack_into("<L", moved, len(moved) - 6, start + len(more) * (start >= at))
    return bytes(moved[:at] + more + moved[at:])


def patched(content: bytes, at: int, form: str, value: int) -> bytes:
    copy = bytearray(content)
    struct.pack_into(form, copy, at, value)
    return bytes(copy)


HEADER = zipped(HIDDEN)[: zipped(HIDDEN).index(b"PK\x01\x02")]
"""A whole member as whoever reads from a pipe would take it."""


class Pipe(io.RawIOBase):
    """Cannot seek: sizes then follow the bytes of a member."""

    def __init__(self) -> None:
        self.got = b""

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self.got += bytes(data)
        return len(data)


def piped() -> bytes:
    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.mkdir("data")
        for name, data in MEMBERS.items():
            archive.writestr(name, data)
    return pipe.got


def without_marks(content: bytes) -> bytes:
    """The same with descriptors of 12 bytes."""
    starts = [header for _, header, _ in entries(content)]
    for end in reversed([*starts[1:], struct.unpack_from("<L", content, len(content) - 6)[0]]):
        if content[end - 16 : end - 12] == b"PK\x07\x08":
            # Four bytes less from there on.
            moved = bytearray(content)
            for entry, header, _ in entries(content):
                struct.pack_into("<L", moved, entry + 42, header - 4 * (header >= end))
            start = struct.unpack_from("<L", content, len(content) - 6)[0]
            struct.pack_into("<L", moved, len(moved) - 6, start - 4)
            content = bytes(moved[: end - 16] + moved[end - 12 :])
    return content


TIMES = struct.pack("<2HBL", 0x5455, 5, 1, 1) + struct.pack("<2H11s", 0x7875, 11, b"\x01\x04\0\0\0\0\x04\0\0\0\0")


@pytest.mark.parametrize(
    "content",
    [
        zipped(),
        zipped(dict(reversed(MEMBERS.items())), zipfile.ZIP_STORED, date_time=(2026, 5, 4, 3, 2, 2)),
        zipped({"data/": b"", **MEMBERS}, zipfile.ZIP_STORED),
        zipped(extra=TIMES, create_system=3, external_attr=0o100644 << 16, internal_attr=1),
        zipped(extra=struct.pack("<2H32s", 0x0A, 32, bytes(32)), create_system=0, external_attr=0x80000000 | 0x20),
        piped(),
        without_marks(piped()),
    ],
    ids=["plain", "stored, reversed", "folder", "times and owners", "NTFS", "piped", "piped, no marks"],
)
def test_what_ordinary_zippers_write_is_read(tmp_path, content):
    (tmp_path / "r.zip").write_bytes(content)
    assert found(tmp_path / "r.zip") == MEMBERS


def test_what_the_programs_that_are_here_write_is_read(tmp_path):
    write(MEMBERS, tmp_path / "own.zip", force=False)
    write(MEMBERS, tmp_path / "r", force=False)
    commands = {
        "zip": "zip -qr ../1.zip . && zip -qr - . | cat > ../2.zip && zip -qDr0 ../3.zip $(ls -r) ",
        "jar": "jar cMf ../4.zip . && jar c0Mf ../5.zip .",
        "bsdtar": "bsdtar --format zip -cf ../6.zip *",
        "7z": "7z a -tzip ../7.zip . > ../log",
    }
    for program, command in commands.items():
        if shutil.which(program):
            subprocess.run(["sh", "-c", command], cwd=tmp_path / "r", check=True)
    for place in sorted(tmp_path.glob("*.zip")):
        assert found(place) == MEMBERS, place.name


def ends_of(content: bytes) -> tuple[int, int]:
    """Where the directory of a zip begins, and where its end record."""
    return struct.unpack_from("<L", content, len(content) - 6)[0], len(content) - 22


@pytest.mark.parametrize("more", [HEADER, b"x", b"PK\x05\x06" + bytes(18)])
def test_bytes_of_no_member_are_refused_wherever_they_stand(tmp_path, more):
    honest = zipped()
    between = list(entries(honest))[3][1]
    start, end = ends_of(honest)
    for at in (0, between, start):
        refused(tmp_path / "r.zip", inserted(honest, at, more))
        # With offsets left as they were: programs that look for the directory from the end tolerate it.
        refused(tmp_path / "r.zip", honest[:at] + more + honest[at:])
    for content in (honest[:end] + more + honest[end:], honest + more, honest + honest):
        refused(tmp_path / "r.zip", content)
    # Behind the stream of a member, as a part of it.
    entry, header, name = next(entries(honest))
    packed = struct.unpack_from("<L", honest, entry + 20)[0]
    grown = inserted(honest, header + 30 + len(name) + packed, more)
    for at in (next(entries(grown))[0] + 20, header + 18):
        grown = patched(grown, at, "<L", packed + len(more))
    refused(tmp_path / "r.zip", grown)


def test_comments_are_refused(tmp_path):
    _, end = ends_of(zipped())
    refused(tmp_path / "r.zip", patched(zipped(), end + 20, "<H", 4) + b"note")
    refused(tmp_path / "r.zip", zipped(comment=b"note"))


@pytest.mark.parametrize(
    ("at", "form", "value"),
    [
        (6, "<H", 2),
        (8, "<H", 0),
        (10, "<H", 5),
        (12, "<H", 5),
        (14, "<L", 0),
        (18, "<L", 1),
        (22, "<L", 1),
        (30, "B", 88),
    ],
    ids=["flags", "method", "time", "date", "checksum", "packed", "size", "name"],
)
def test_a_header_that_differs_from_the_directory_is_refused(tmp_path, at, form, value):
    for content in (zipped(), piped()):
        for _, header, _ in list(entries(content))[1:3]:
            # What a descriptor says may be 0 in the header.
            if (other := patched(content, header + at, form, value)) != content:
                assert refused(tmp_path / "r.zip", other).where


def test_descriptors_and_overlaps_that_do_not_fit_are_refused(tmp_path):
    content = piped()
    descriptor = content.index(b"PK\x07\x08")
    for at in range(descriptor, descriptor + 16):
        refused(tmp_path / "r.zip", patched(content, at, "B", content[at] ^ 1))
    (_, header, _), (second, _, _) = list(entries(zipped()))[:2]
    refused(tmp_path / "r.zip", patched(zipped(), second + 42, "<L", header))
    # Stored bytes whose length only follows them.
    stored = zipped(method=zipfile.ZIP_STORED)
    _, header, name = next(entries(stored))
    sums = stored[header + 14 : header + 26]
    late = inserted(stored, header + 30 + len(name) + len(MEMBERS[name]), b"PK\x07\x08" + sums)
    for place in (header + 6, next(entries(late))[0] + 8):
        late = patched(late, place, "<H", 8)
    refused(tmp_path / "r.zip", late)


@pytest.mark.parametrize("extra", [(0x7075, 9), (0x756E, 14), (0x0001, 16), (0x9901, 7), (0x5455, 14), (0xBEEF, 0)])
def test_extra_fields_that_could_change_a_member_are_refused(tmp_path, extra):
    field = struct.pack("<2H", *extra) + bytes(extra[1])
    refused(tmp_path / "r.zip", zipped(extra=TIMES + field))
    refused(tmp_path / "r.zip", zipped(extra=TIMES + TIMES))
    # In the header alone.
    _, header, name = next(entries(zipped()))
    content = inserted(zipped(), header + 30 + len(name), field)
    refused(tmp_path / "r.zip", patched(content, header + 28, "<H", len(field)))


@pytest.mark.parametrize("system", [0, 2, 3, 7, 10, 16, 19, 255])
def test_no_attributes_of_any_system_make_a_link_or_a_folder_of_a_member(tmp_path, system):
    for kind in (0o120777, 0o040755, 0o060644, 0o020644, 0o010644, 0o140644):
        refused(tmp_path / "r.zip", zipped(create_system=system, external_attr=kind << 16))
    for flag in (0x10, 0x400, 0x40, 0x8):
        refused(tmp_path / "r.zip", zipped(create_system=system, external_attr=flag))
    link = zipfile.ZipInfo("data/")
    link.create_system, link.external_attr = system, 0o120777 << 16
    out = io.BytesIO(zipped())
    with zipfile.ZipFile(out, "a") as archive:
        archive.writestr(link, b"")
    refused(tmp_path / "r.zip", out.getvalue())


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_ways_of_packing_are_refused_damaged_or_not(tmp_path, method):
    content = zipped(method=method)
    assert "packed in a way" in str(refused(tmp_path / "r.zip", content))
    place = content.index(b"README.md") + 20
    refused(tmp_path / "r.zip", content[:place] + bytes(20) + content[place + 20 :])


def test_members_that_may_be_large_are_said_to_be_for_a_folder(tmp_path):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in MEMBERS.items():
            with archive.open(name, "w", force_zip64=True) as member:
                member.write(data)
    assert "verify a folder" in str(refused(tmp_path / "r.zip", out.getvalue()))
    entry = next(entries(zipped()))[0]
    assert "verify a folder" in str(refused(tmp_path / "r.zip", patched(zipped(), entry + 24, "<L", 0xFFFFFFFF)))


def test_a_member_without_a_name_is_refused(tmp_path):
    assert refused(tmp_path / "r.zip", zipped({"": b"x", **MEMBERS})).where == "''"
    refused(tmp_path / "r.zip", zipped({**MEMBERS, "data/": b"x"}))


def harmless(content: bytes) -> set[int]:
    """The bits of a zip that hold nothing of a file and that no program heeds: eight times the byte, plus the bit.

    Of each entry of the directory: with which version of which system it was packed; whether it is text; permissions,
    and that it is a plain file, which goes without saying; the attributes of DOS but those of labels, folders, devices
    and links.
    """
    bits = set()
    meant = {3, 4, 6, 10, 28, 29, 30}
    for entry, _, _ in entries(content):
        bits |= set(range(8 * (entry + 4), 8 * (entry + 6))) | {8 * (entry + 36)}
        bits |= {8 * (entry + 38) + bit for bit in set(range(32)) - meant}
    return bits


def padding(content: bytes) -> set[int]:
    """The bits of deflated members that no inflater reads: they fill the last byte of a stream and of a block."""
    bits = set()
    for entry, header, name in entries(content):
        method, packed = (
            struct.unpack_from("<H", content, entry + 10)[0],
            struct.unpack_from("<L", content, entry + 20)[0],
        )
        start = header + 30 + len(name)
        stream = content[start : start + packed]
        for bit in range(8 * packed * (method == zipfile.ZIP_DEFLATED)):
            inflate = zlib.decompressobj(-15)
            other = bytearray(stream)
            other[bit // 8] ^= 1 << bit % 8
            try:
                same = inflate.decompress(bytes(other), 1 << 20) == MEMBERS[name]
            except zlib.error:
                continue
            if same and inflate.eof and not inflate.unused_data:
                bits.add(8 * start + bit)
    return bits


def test_every_flipped_bit_and_every_cut_is_found(tmp_path):
    """300 bits drawn from all, 200 from what is not the content of a file; what may differ is named bit by bit."""
    place = tmp_path / "r.zip"
    write(MEMBERS, place, force=False)
    content = place.read_bytes()
    draw = np.random.default_rng(8)
    free, unused = harmless(content), padding(content)
    assert len(unused) < 8 * len(MEMBERS)
    outside = {
        at for entry, header, _ in entries(content) for at in (*range(entry, entry + 46), *range(header, header + 30))
    }
    outside |= set(range(len(content) - 22, len(content)))
    anywhere = draw.choice(8 * len(content), 300, replace=False)
    for bit in map(int, [*anywhere, *(8 * draw.choice(sorted(outside), 200) + draw.integers(0, 8, 200))]):
        flipped = bytearray(content)
        flipped[bit // 8] ^= 1 << bit % 8
        if bit in free | unused:
            place.write_bytes(flipped)
            assert found(place) == MEMBERS
        else:
            refused(place, bytes(flipped))
    for length in [*map(int, draw.choice(len(content), 50)), 0, 1, 21, 22, len(content) - 1]:
        refused(place, content[:length])
