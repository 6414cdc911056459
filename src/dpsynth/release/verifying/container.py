"""A zip file of which every byte is accounted for, so that all programs that unpack it read the same files.

A zip file says twice what it holds: in a header before each member, and in the directory at its end. Some programs
follow the directory, others (Java's ``ZipInputStream``, ``bsdtar`` on a pipe) the headers, and no signature covers
either. Whoever hides a member between two others, or lets the two statements differ, could show one table to
``verify`` and another to the partner's own tools. So the file must be tiled exactly: header, bytes and descriptor of
one member after the other from byte 0 on, the directory, the end record, nothing else; and where both speak, they must
say the same. Format: PKWARE, APPNOTE.TXT 6.3.10, sections 4.3 to 4.5.

Four fields of the directory may hold anything that is not refused below, for they change neither name nor content:
"version made by", the text flag, permissions, and the flags "read-only", "hidden", "system" and "archive" of DOS.
"""

from __future__ import annotations

import stat
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

from dpsynth.errors import VerificationError

FOLDER = "data/"
"""The one folder that a release has; zippers may or may not give it a member of its own, without content."""

_END = struct.Struct("<4s4H2LH")
_ENTRY = struct.Struct("<4s6H3L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")
_MARK = b"PK\x07\x08"
_LONGEST_DIRECTORY = 1 << 20
_BLOCK = 1 << 20
_ZIP64, _NEEDS_ZIP64 = 0xFFFFFFFF, 45

_STORED, _DEFLATED = 0, 8
_VERSIONS = (0, 10, 20)
"""What it takes to unpack plain members; some zippers leave it out."""

_ENCRYPTED, _DESCRIPTOR = 0x1, 0x8
_FLAGS = 0x6 | _DESCRIPTOR | 0x800
"""Allowed: how hard the zipper tried, a descriptor after the bytes, names in UTF-8."""

_DOS_FOLDER = 0x10
_DOS_ODD = 0x8 | 0x40 | 0x400
"""Volume labels, devices and reparse points, which Windows follows like links."""

_EXTRAS = {0x5455: 13, 0x5855: 12, 0x7855: 4, 0x7875: 19, 0x000A: 32, 0xCAFE: 0}
"""Extra fields by their longest content: times, owners, Java's mark. Others could rename a member or make it a link."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A member as the directory states it: ``packed`` bytes in the file that hold ``size`` bytes, from ``offset``."""

    name: str
    raw: bytes
    needed: int
    stated: tuple[int, int, int, int]
    crc: int
    packed: int
    size: int
    offset: int
    external: int

    @property
    def flags(self) -> int:
        """The general purpose bits."""
        return self.stated[0]

    @property
    def method(self) -> int:
        """How the bytes are packed."""
        return self.stated[1]


@dataclass(frozen=True, slots=True)
class Directory:
    """The directory of a zip file, which begins at byte ``start``."""

    entries: tuple[Entry, ...]
    start: int


def read_directory(stream: IO[bytes], size: int, most: int) -> Directory:
    """The directory of a zip file of ``size`` bytes with at most ``most`` members; it is measured before it is read.

    ``VerificationError`` unless the file ends with it and its end record, both well-formed and without comments.
    """
    stream.seek(max(0, size - _END.size))
    tail = stream.read(_END.size)
    if len(tail) < _END.size or tail[:4] != b"PK\x05\x06":
        raise VerificationError("the file is truncated, no zip file, or something follows its end")
    _, disk, first, here, count, length, start, comment = _END.unpack(tail)
    if count > most or length > _LONGEST_DIRECTORY or start == _ZIP64:
        raise _too_large()
    if disk or first or here != count or comment or start + length + _END.size != size:
        raise VerificationError("the zip file is damaged: its end record does not describe the file")
    stream.seek(start)
    entries = tuple(_entries(stream.read(length), count))
    return Directory(entries, start)


def _too_large() -> VerificationError:
    return VerificationError("the zip file holds more than a release does", hint="Above 2 GiB, verify a folder.")


def _entries(table: bytes, count: int) -> Iterator[Entry]:
    at = 0
    for _ in range(count):
        if len(table) < at + _ENTRY.size or table[at : at + 4] != b"PK\x01\x02":
            raise VerificationError("the zip file is damaged: its directory is malformed")
        _, _, needed, *stated, crc, packed, size, named, more, comment, disk, internal, external, offset = (
            _ENTRY.unpack_from(table, at)
        )
        at += _ENTRY.size
        raw, extra = table[at : at + named], table[at + named : at + named + more]
        at += named + more
        if needed == _NEEDS_ZIP64 or _ZIP64 in (packed, size, offset):
            raise _too_large()
        if at > len(table) or comment or disk or internal > 1 or not _plain_extra(extra):
            raise VerificationError("the zip file is damaged, or states what no member of a release needs")
        flags, method, time, date = stated
        name = raw.decode("ascii", "backslashreplace")
        yield Entry(name, raw, needed, (flags, method, time, date), crc, packed, size, offset, external)
    if at != len(table):
        raise VerificationError("the zip file is damaged: its directory is malformed")


def check_plain(entry: Entry) -> None:
    """``VerificationError`` for a member that is encrypted, packed in an unusual way, or no plain file, whatever the
    system that it says it was packed on: some programs make links of the attributes of any system.
    """
    if entry.flags & _ENCRYPTED:
        raise VerificationError("the member is encrypted", where=entry.name)
    if entry.flags & ~_FLAGS or entry.method not in (_STORED, _DEFLATED) or entry.needed not in _VERSIONS:
        raise VerificationError("the member is packed in a way that a release does not use", where=entry.name)
    kind, dos = stat.S_IFMT(entry.external >> 16), entry.external & 0xFFFF
    if entry.name == FOLDER:
        plain = kind in (0, stat.S_IFDIR) and not dos & _DOS_ODD and not entry.size
    else:
        plain = kind in (0, stat.S_IFREG) and not dos & (_DOS_ODD | _DOS_FOLDER)
    if not plain:
        raise VerificationError("a release holds plain files only, no links", where=entry.name)
    # Whoever reads from a pipe could not tell where stored bytes end.
    if entry.method == _STORED and (entry.packed != entry.size or (entry.flags & _DESCRIPTOR and entry.size)):
        raise VerificationError("the member is damaged: its sizes disagree", where=entry.name)


def tiled(stream: IO[bytes], directory: Directory) -> dict[str, int]:
    """Where the bytes of each member begin; ``VerificationError`` unless the members fill the file up to the directory
    without a gap or an overlap, and each header says what the directory says.
    """
    ordered = sorted(directory.entries, key=lambda one: one.offset)
    starts, at = {}, 0
    for entry, following in zip(ordered, [*(one.offset for one in ordered[1:]), directory.start], strict=True):
        if entry.offset != at:
            raise VerificationError("the zip file has bytes that are of no member, or of two", where=entry.name)
        stream.seek(at)
        start = at + _check_header(stream, entry)
        stream.seek(start + entry.packed)
        _check_descriptor(stream, entry, following - start - entry.packed)
        starts[entry.name], at = start, following
    if at != directory.start:
        raise VerificationError("the zip file has bytes that are of no member")
    return starts


def _check_header(stream: IO[bytes], entry: Entry) -> int:
    """The length of the header of a member, at which the stream stands."""
    header = stream.read(_LOCAL.size)
    if len(header) < _LOCAL.size or header[:4] != b"PK\x03\x04":
        raise VerificationError("the zip file is damaged or truncated", where=entry.name)
    _, needed, *rest = _LOCAL.unpack(header)
    stated, sums = tuple(rest[:4]), rest[4:7]
    named, more = map(int, rest[7:])
    name, extra = stream.read(named), stream.read(more)
    pairs = zip(sums, (entry.crc, entry.packed, entry.size), strict=True)
    # What the descriptor says after the bytes may be 0 before them.
    agree = all(one == other or (not one and entry.flags & _DESCRIPTOR) for one, other in pairs)
    if name != entry.raw or stated != entry.stated or not agree:
        raise VerificationError("the zip file states this member twice, and differently", where=entry.name)
    if needed not in _VERSIONS or not _plain_extra(extra):
        raise VerificationError("the header of the member states what no member of a release needs", where=entry.name)
    return _LOCAL.size + named + more


def _check_descriptor(stream: IO[bytes], entry: Entry, length: int) -> None:
    """``VerificationError`` unless what follows the bytes of a member, at which the stream stands, is the descriptor
    that its flags announce, or nothing.
    """
    sums = struct.pack("<3L", entry.crc, entry.packed, entry.size)
    # Without its mark, a descriptor that begins like the mark would be read in two ways.
    forms = [b""] if not entry.flags & _DESCRIPTOR else [_MARK + sums] if sums[:4] == _MARK else [_MARK + sums, sums]
    if not any(len(form) == length and stream.read(length) == form for form in forms):
        raise VerificationError("the zip file has bytes that are of no member, or of two", where=entry.name)


def _plain_extra(extra: bytes) -> bool:
    """Whether extra fields are well-formed, each once, and of the kinds that change nothing."""
    seen, at = set(), 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<2H", extra, at)
        if kind in seen or length > _EXTRAS.get(kind, -1):
            return False
        seen.add(kind)
        at += 4 + length
    return at == len(extra)


def unpacked(stream: IO[bytes], entry: Entry, start: int) -> Iterator[bytes]:
    """The content of a member whose bytes begin at ``start``, in blocks of at most 1 MiB.

    ``VerificationError`` unless the packed bytes are used up exactly, and size and CRC are those stated; a member that
    is longer than it says is left at once.
    """
    size = crc = 0
    stream.seek(start)
    blocks = _blocks(stream, entry)
    for block in _inflated(blocks, entry) if entry.method == _DEFLATED else blocks:
        size, crc = size + len(block), zlib.crc32(block, crc)
        if size > entry.size:
            break
        yield block
    if (size, crc) != (entry.size, entry.crc):
        raise VerificationError("the member is damaged: size or checksum differ from what is stated", where=entry.name)


def _blocks(stream: IO[bytes], entry: Entry) -> Iterator[bytes]:
    left = entry.packed
    while left:
        block = stream.read(min(left, _BLOCK))
        if not block:
            raise VerificationError("the zip file is damaged or truncated", where=entry.name)
        left -= len(block)
        yield block


def _inflated(blocks: Iterator[bytes], entry: Entry) -> Iterator[bytes]:
    inflate = zlib.decompressobj(-zlib.MAX_WBITS)
    damaged = VerificationError("the member is damaged: it cannot be unpacked", where=entry.name)
    for packed in blocks:
        rest = packed
        while True:
            try:
                block = inflate.decompress(rest, _BLOCK)
            except zlib.error:
                raise damaged from None
            yield block
            rest = inflate.unconsumed_tail
            if not rest and len(block) < _BLOCK:
                break
        # Bytes behind the end of the stream would be of no file, and a header to whoever reads on from there.
        if inflate.unused_data:
            raise damaged
    if not inflate.eof:
        raise damaged
