"""Kinds of cells: which class of the fixed public partition a cell falls in, whatever its physical type."""

from __future__ import annotations

import datetime as dt
import decimal
import re
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest

from dpsynth.schema.kinds import KINDS, MISSING, KindCodec
from dpsynth.tables import open_table

UUID = "123e4567-e89b-12d3-a456-426614174000"
CELLS = {
    "missing": [None, "", " ", "\t\r\n", *MISSING, " NA ", "  ?"],
    "boolean": ["true", "FALSE", " True "],
    "integer": ["0", "-0", "+5", "123", "-7", "5.0", "5.", "9" * 18, " 42\t", "12345678"],
    "digits with leading zero": ["00", "01", "007", "0" * 50],
    "date %Y%m%d": ["19000101", "20991231", "20240229"],
    "number with 1 decimal": ["0.5", "-1.2", "+.3", "1.0e0"][:3],
    "number with 2 decimals": ["3.14", "-0.05"],
    "number with 6 decimals": ["1.123456"],
    "other number": ["1e400", "-1E-400", "1e5", "1.1234567", "9" * 19, "inf", "-Infinity", "00.5e1", "-01"],
    "date": ["2024-02-29", "0001-01-01", "9999-12-31"],
    "moment": ["2024-02-29T12:30", "2024-02-29 12:30:15.25"],
    "moment with offset": ["2024-02-29T12:30:00Z", "2024-02-29 12:30:00+05:30"],
    "date %d/%m/%Y": ["31/12/2024", "13/01/1999"],
    "date %m/%d/%Y": ["12/31/2024", "2/29/2024"],
    "date %d/%m/%Y or %m/%d/%Y": ["01/02/2024", "1/1/1999", "12/12/9999"],
    "date %d.%m.%Y": ["31.12.2024"],
    "date %d-%m-%Y": ["31-12-2024"],
    "date %d-%b-%Y": ["31-Dec-2024"],
    "date %Y/%m/%d": ["2024/12/31"],
    "uuid": [UUID, UUID.upper(), "{" + UUID + "}"],
    "email": ["a@b.org", "first.last+tag@mail.example.com"],
    "integer with thousands separators": ["1,000", "-12,345,678"],
    "number with thousands separators": ["1,000.5", "-12,345,678.90"],
    "text": [
        "red", "café", "Null", "none", "yes", "2023-02-29", "0000-01-01", "10000-01-01", "30/02/2024", "1,00", "1,0000",
        "1 000", "0x1f", "1_000", "١٢٣", "٣", "\ufeffred", "a\tb", "TODO", "x" * 100, "1e", "--5", "a@b",
        UUID[:-1], "infinite",
    ],
    "long text": ["x" * 101, "9" * 101, "x" * 401, "line\nbreak", "nul\x00", "x" * (10 << 20), "é" * 51],
}  # fmt: skip


def kinds(column) -> list[str]:
    array = column if isinstance(column, pa.Array) else pa.array(column)
    codes = KindCodec().encode(array)
    assert codes.dtype == np.int32
    assert codes.shape == (len(array),)
    return [KINDS[code] for code in codes]


@pytest.mark.parametrize("kind", CELLS)
def test_text_falls_in_its_kind(kind):
    assert kinds(pa.array(CELLS[kind], pa.string())) == [kind] * len(CELLS[kind])


def test_every_text_type_is_classed_alike():
    cells = [(cell, kind) for kind, listed in CELLS.items() for cell in listed if cell is None or len(cell) < 200]
    wanted = [kind for _, kind in cells]
    plain = pa.array([cell for cell, _ in cells], pa.string())
    for kind in (pa.large_string(), pa.string_view(), pa.binary(), pa.large_binary()):
        assert kinds(plain.cast(kind)) == wanted
    assert kinds(plain.dictionary_encode()) == wanted
    assert kinds(pa.array([cell.encode() if cell else None for cell, _ in cells], pa.binary_view())) == wanted
    assert kinds(pa.array([b"1,000", b"abcde"], pa.binary(5))) == ["integer with thousands separators", "text"]


def test_bytes_of_no_encoding_are_ordinary_cells():
    cells = [b"\xff\xfe", b"caf\xe9", b"\xed\xa0\x80", b"\x00", b"\xef\xbb\xbf5", b"\xff" * 500]
    assert kinds(pa.array(cells, pa.binary())) == ["text", "text", "text", "long text", "text", "long text"]


def test_a_byte_order_mark_of_a_file_belongs_to_no_cell(tmp_path):
    path = tmp_path / "bom.csv"
    path.write_bytes(b"\xef\xbb\xbfage,name\n5,x\n")
    reader = open_table(path)
    assert reader.names == ("age", "name")
    (batch,) = reader.batches(("age",))
    assert kinds(batch.column("age")) == ["integer"]


VALUES = [
    (pa.array([True, None]), ["boolean", "missing"]),
    (pa.array([0, 7, None], pa.int8()), ["integer", "integer", "missing"]),
    (pa.array([0, 2**64 - 1, None], pa.uint64()), ["integer", "integer", "missing"]),
    (pa.array([np.iinfo(np.int64).min, np.iinfo(np.int64).max]), ["integer", "integer"]),
    (
        pa.array([1.0, 0.5, 0.25, 1e300, float("nan"), float("inf"), -0.0, 1 / 3, None]),
        ["integer", "number with 1 decimal", "number with 2 decimals", "other number", "missing", "other number",
         "integer", "other number", "missing"],
    ),
    (pa.array([np.float16(0.5)], pa.float16()), ["number with 1 decimal"]),
    (pa.array([0.5, 2.0], pa.float32()), ["number with 1 decimal", "integer"]),
    (pa.array([decimal.Decimal("1.50"), None], pa.decimal128(9, 2)), ["number with 1 decimal", "missing"]),
    (pa.array([decimal.Decimal("3.00")], pa.decimal256(50, 2)), ["integer"]),
    (pa.array([dt.date(1, 1, 1), None], pa.date32()), ["date", "missing"]),
    (pa.array([0, 2**40], pa.date64()), ["date", "date"]),
    (pa.array([-(2**62), 2**62, None], pa.timestamp("us")), ["moment", "moment", "missing"]),
    (pa.array([-(2**63), 2**63 - 1], pa.timestamp("ns", "Europe/Paris")), ["moment with offset"] * 2),
    (pa.array([1, None], pa.time32("s")), ["long text", "missing"]),
    (pa.array([1, None], pa.duration("s")), ["long text", "missing"]),
    (pa.array([[1], None]), ["long text", "missing"]),
    (pa.array([{"a": 1}, None]), ["long text", "missing"]),
    (pa.nulls(2), ["missing", "missing"]),
    (pa.array([1, 2, None]).dictionary_encode(), ["integer", "integer", "missing"]),
    (pa.RunEndEncodedArray.from_arrays([2, 3], ["x", "1"]), ["text", "text", "integer"]),
    (pa.array(["x", None]).dictionary_encode().cast(pa.dictionary(pa.int8(), pa.string())), ["text", "missing"]),
]  # fmt: skip


@pytest.mark.parametrize(("column", "wanted"), VALUES, ids=lambda value: str(getattr(value, "type", "")))
def test_every_physical_type_has_kinds(column, wanted):
    assert kinds(column) == wanted
    assert kinds(column[:0]) == []


def test_numbers_are_classed_as_the_text_that_a_file_would_hold():
    """A frame and its CSV get the same vote: numbers of up to six decimals, drawn with a fixed seed."""
    draw = np.random.default_rng(1)
    for places in range(7):
        numbers = np.round(draw.uniform(-1000, 1000, 200), places)
        texts = [re.sub(r"\.0$", "", str(number)) for number in numbers.tolist()]
        assert kinds(numbers) == kinds(texts)


def test_a_kind_is_told_without_the_clock_and_the_place():
    """The partition is fixed: another process with another locale and time zone says the same."""
    code = (
        "import pyarrow as pa; from dpsynth.schema.kinds import KindCodec;"
        "print(KindCodec().encode(pa.array(['1,5', '01/02/2024', '31-Dec-2024', 'true', '2024-01-01T00:00'])).tolist())"
    )
    answers = {
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True,
            env={"LC_ALL": locale, "TZ": zone, "PYTHONPATH": ":".join(sys.path)},
        ).stdout
        for locale, zone in (("C", "UTC"), ("de_DE.UTF-8", "Asia/Kolkata"))
    }  # fmt: skip
    assert len(answers) == 1
