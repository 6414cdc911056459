"""Keys of cells of every physical type, and their exact counts: a row counts once a column, a person max_rows times."""

from __future__ import annotations

import datetime as dt
import decimal
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest

from dpsynth.curator import bounding
from dpsynth.curator import keys as counting
from dpsynth.curator.bounding import PersonRows, bounded
from dpsynth.curator.keys import KeySource
from dpsynth.errors import DataMismatchError, DpsynthError, UsageError
from dpsynth.privacy.unit import Unit
from dpsynth.schema.codecs import CategoryCodec
from dpsynth.schema.keys import CELL_BYTES, KEY_BYTES, keys_of
from dpsynth.tables.reading import open_table


@pytest.fixture(autouse=True)
def fixed_key(monkeypatch):
    """Neighbors are compared under one key; what must hold, holds for every key."""
    stream = np.random.default_rng(5).bytes(4096)
    monkeypatch.setattr(bounding.os, "urandom", lambda size: stream[:size])


def counted(source, column):
    keys, counts = source.counts([column])[0]
    assert counts.dtype == np.int64
    found = dict(zip(keys.to_pylist(), counts.tolist(), strict=True))
    assert len(found) == len(keys)
    return found


TYPED = {
    "int8": (pa.array([3, None, -3], pa.int8()), [b"3", None, b"-3"]),
    "uint64": (pa.array([2**64 - 1], pa.uint64()), [b"18446744073709551615"]),
    "double": (pa.array([17.0, 1.5, np.nan, np.inf, None]), [b"17", b"1.5", None, b"inf", None]),
    "halffloat": (pa.array(np.array([1.5, 2.0], np.float16)), [b"1.5", b"2"]),
    "decimal": (pa.array([decimal.Decimal("10.50"), None]), [b"10.5", None]),
    "bool": (pa.array([True, False, None]), [b"true", b"false", None]),
    "date32": (pa.array([dt.date(2020, 2, 29), None]), [b"2020-02-29", None]),
    "date64": (pa.array([0], pa.date64()), [b"1970-01-01"]),
    "year 5881580": (pa.array([2**31 - 1], pa.int32()).view(pa.date32()), [None]),
    "timestamp": (pa.array([0], pa.timestamp("s", "Europe/Berlin")), [b"1970-01-01 00:00:00"]),
    "no timestamp": (pa.array([-(2**63)]).view(pa.timestamp("us")), [None]),
    "time": (pa.array([1], pa.time32("s")), [b"00:00:01"]),
    "null": (pa.nulls(2), [None, None]),
    "list": (pa.array([[1], None]), [None, None]),
    "struct": (pa.array([{"a": 1}]), [None]),
    "duration": (pa.array([1], pa.duration("s")), [None]),
    "fixed binary": (pa.array([b" a", b"bc"], pa.binary(2)), [b"a", b"bc"]),
    "string": (pa.array(["a", None]), [b"a", None]),
    "large string": (pa.array(["a"], pa.large_string()), [b"a"]),
    "string view": (pa.array(["a"], pa.string_view()), [b"a"]),
    "dictionary": (pa.array(["x ", None, "y", "x"]).dictionary_encode(), [b"x", None, b"y", b"x"]),
    "dictionary of dates": (pa.array([dt.date(2020, 1, 1), None]).dictionary_encode(), [b"2020-01-01", None]),
    "runs": (pa.RunEndEncodedArray.from_arrays(pa.array([2, 3], pa.int32()), pa.array(["a", "b"])), [b"a", b"a", b"b"]),
    "empty": (pa.array([], pa.string()), []),
}


@pytest.mark.parametrize("name", TYPED)
def test_every_physical_type_has_keys_or_none(name):
    column, expected = TYPED[name]
    keys = keys_of(column)
    assert keys.type == pa.large_binary()
    assert keys.to_pylist() == expected
    assert pa.concat_arrays([keys_of(column.slice(i, 1)) for i in range(len(column))] or [keys]).to_pylist() == expected


@pytest.mark.parametrize(
    ("cell", "key"),
    [
        (b" \t\r\n\f\vgreen ", b"green"),
        (b"", None),
        (b" \t ", None),
        (b"NA", None),
        (b" NA ", None),
        (b"na", b"na"),
        (b"a b", b"a b"),
        (b"a\nb", None),
        (b"a\tb", None),
        (b"a\0", None),
        (b"\x7f", None),
        ("\u0085".encode(), None),
        ("\u00a0x".encode(), "\u00a0x".encode()),
        ("\ufeffx".encode(), "\ufeffx".encode()),  # a byte-order mark that is not the file's own is a character
        ("Zürich €😀".encode(), "Zürich €😀".encode()),
        (b"\xff", None),
        (b"caf\xe9", None),
        (b"\xc0\xaf", None),  # an overlong slash
        (b"\xed\xa0\x80", None),  # a surrogate
        (b"\xf4\x90\x80\x80", None),  # beyond U+10FFFF
        (b"\xe2\x82", None),  # cut short
        (b"x" * KEY_BYTES, b"x" * KEY_BYTES),
        (b"x" * (KEY_BYTES + 1), None),
        ("€".encode() * 34, None),
        (b" " * (CELL_BYTES - 1) + b"x", b"x"),
        (b" " * CELL_BYTES + b"x", None),
        (b"y" * 10_000_000, None),
        (b"1e400", b"1e400"),
        (b"NaN", b"NaN"),
        (b"1,234", b"1,234"),
    ],
)
def test_a_cell_of_text_has_its_key_alone_and_among_others(cell, key):
    for kind in (pa.binary(), pa.large_binary()):
        assert keys_of(pa.array([cell], kind), [b"NA"]).to_pylist() == [key]
        among = keys_of(pa.array([b"green", cell, None, b" red", b"\xff"], kind), [b"NA"])
        assert among.to_pylist() == [b"green", key, None, b"red", None]
    assert keys_of(pa.array([cell, cell]).dictionary_encode(), [b"NA"]).to_pylist() == [key, key]


def test_valid_text_is_what_python_decodes():
    rng = np.random.default_rng(2)
    alphabet = np.frombuffer(
        bytes([0x41, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC1, 0xC2, 0xE0, 0xED, 0xEF, 0xF0, 0xF4]), np.uint8
    )
    cells = [rng.choice(alphabet, int(rng.integers(1, 5))).tobytes() for _ in range(20_000)]

    def expected(cell):
        try:
            text = cell.decode()
        except UnicodeDecodeError:
            return None
        return None if any(0x7F <= ord(one) <= 0x9F for one in text) else cell

    keys = keys_of(pa.array(cells)).to_pylist()
    assert keys == [expected(cell) for cell in cells]
    assert 500 < sum(key is not None for key in keys) < 19_500


@pytest.mark.parametrize("name", ["int8", "uint64", "double", "decimal", "bool", "date32", "string", "dictionary"])
def test_a_category_is_known_by_its_key(name):
    """A field whose categories are the keys puts every cell that has a key into the category of its key."""
    column, expected = TYPED[name]
    known = sorted({key for key in expected if key is not None})
    places = {key: code for code, key in enumerate(known)}
    names = pa.array([key.decode() for key in known])
    codec = CategoryCodec(names, places, frozenset(), len(known), len(known) + 1, nullable=True)
    codes = codec.encode(column)
    assert [codes[i] for i, key in enumerate(expected) if key is not None] == [
        places[key] for key in expected if key is not None
    ]


def test_rows_are_counted_once_in_every_column():
    table = pa.table({"a": ["x", "y", "x ", None, ""], "b": [1, 1, 2, 2, 1], "c": [1.0, np.nan, 1.0, 2.5, 1.0]})
    for batch_rows in (1, 2, 100):
        source = KeySource(open_table(table), ["a", "b", "c"], unit=Unit(), batch_rows=batch_rows)
        assert counted(source, "a") == {b"x": 2, b"y": 1}
        assert counted(source, "b") == {b"1": 3, b"2": 2}
        assert counted(source, "c") == {b"1": 3, b"2.5": 1}


def test_many_keys_are_merged_exactly(monkeypatch):
    monkeypatch.setattr(counting, "_FIRST_MERGE", 64)
    values = np.random.default_rng(3).zipf(1.3, 5_000) % 900
    table = pa.table({"a": values.astype(str)})
    source = KeySource(open_table(table), ["a"], unit=Unit(), batch_rows=37)
    assert counted(source, "a") == {key.encode(): n for key, n in Counter(values.astype(str).tolist()).items()}


def test_missing_texts_are_no_keys_and_no_persons():
    table = pa.table({"id": ["p", "NA", "q", " "], "a": ["x", "x", " NA", "y"], "b": [-9, 1, 2, 3]})
    source = KeySource(open_table(table), ["a", "b"], unit=Unit("id", 2), missing=["NA ", "-9"])
    assert counted(source, "a") == {b"x": 1}
    assert counted(source, "b") == {b"2": 1}


def people(rng, persons, most=9):
    rows = [
        (f"p{i}", str(rng.integers(40)), str(rng.integers(3)))
        for i in range(persons)
        for _ in range(rng.integers(1, most))
    ]
    return [rows[i] for i in rng.permutation(len(rows))]


def kept(rows, max_rows=3, **options):
    """How often each key of both columns counts."""
    ids, a, b = zip(*rows, strict=True) if rows else ((), (), ())
    kind = pa.string()
    table = pa.table({"id": pa.array(ids, kind), "a": pa.array(a, kind), "b": pa.array(b, kind)})
    source = KeySource(open_table(table), ["a", "b"], unit=Unit("id", max_rows), **options)
    return {(c, key): n for c in ("a", "b") for key, n in counted(source, c).items()}


def minus(larger, smaller):
    rest = Counter(larger)
    rest.subtract(smaller)
    assert min(rest.values(), default=0) >= 0
    return {key: n for key, n in rest.items() if n}


WEAK = pytest.mark.parametrize("weak", [False, True], ids=["hashes", "every-hash-collides"])


@WEAK
@pytest.mark.parametrize("batch_rows", [1, 7, 1000])
def test_a_neighbor_changes_nobody_elses_keys(monkeypatch, batch_rows, weak):
    if weak:
        monkeypatch.setattr(bounding, "_mixed", np.zeros_like)
    rng = np.random.default_rng(1)
    others = people(rng, 15)
    newcomer = [("newcomer", str(rng.integers(60)), str(rng.integers(5))) for _ in range(25)]
    base, alone = kept(others, batch_rows=batch_rows), kept(newcomer, batch_rows=batch_rows)
    assert sum(n for (column, _), n in alone.items() if column == "a") == 3
    for position in (0, 1, len(others) // 2, len(others)):
        together = [*others[:position], *newcomer, *others[position:]]
        assert minus(kept(together, batch_rows=batch_rows), alone) == base
    scattered = list(others)
    for place, row in zip(sorted(rng.integers(len(others), size=25)), newcomer, strict=True):
        scattered.insert(place + newcomer.index(row), row)
    own = [row for row in scattered if row[0] == "newcomer"]
    assert minus(kept(scattered, batch_rows=batch_rows), kept(own, batch_rows=batch_rows)) == base


@WEAK
def test_each_person_keeps_keys_as_if_alone_and_on_disk(monkeypatch, weak):
    if weak:
        monkeypatch.setattr(bounding, "_mixed", np.zeros_like)
    rows = people(np.random.default_rng(4), 60)
    alone = Counter()
    for person in {row[0] for row in rows}:
        alone.update(kept([row for row in rows if row[0] == person]))
    assert kept(rows) == dict(alone)
    monkeypatch.setattr(bounding, "_FIRST_BYTES", 256)
    assert kept(rows, batch_rows=20) == dict(alone)
    assert kept(rows, batch_rows=20, state_bytes=1) == dict(alone)


def test_ties_go_to_the_first_rows_of_the_person(monkeypatch):
    """With one hash for all, what is kept is what stands first in the table, whatever anybody's keys are."""
    monkeypatch.setattr(bounding, "_mixed", np.zeros_like)
    mine = [("p", "z", "1"), ("p", "a", "2"), ("p", "m", "3")]
    before = [("q", "a", "3"), ("q", "m", "2")]
    for rows in (mine, before + mine, [before[0], mine[0], before[1], mine[1], mine[2]]):
        found = kept(rows, max_rows=1)
        assert (("a", b"z") in found, ("a", b"m") in found) == (True, False)


def test_a_tie_in_order_needs_no_second_sort():
    """Equal priorities in the order of their packed rows are settled; one that descends is sorted."""
    ids = pa.array([b"p"] * 4, pa.large_binary())
    zeros = np.zeros(4, dtype=np.uint64)
    for packed in ([0, 1, 2, 3], [3, 1, 2, 0], [0, 0, 0, 1], [0x1FF, 0x200, 0x0FF, 0x100]):
        rows = PersonRows(ids, zeros, zeros, np.array(packed, dtype=">u8").view(np.uint8).reshape(-1, 8))
        assert bounded(rows, 2).packed.view(">u8")[:, 0].tolist() == sorted(packed)[:2]


def test_a_person_with_many_rows_counts_as_its_max_rows():
    rows = 100_000
    table = pa.table(
        {"id": ["p"] * rows + ["q", None], "a": [*map(str, range(rows)), "q", "n"], "b": ["same"] * (rows + 2)}
    )
    source = KeySource(open_table(table), ["a", "b"], unit=Unit("id", 5))
    found = counted(source, "a")
    assert (len(found), sum(found.values()), b"q" in found, b"n" in found) == (6, 6, True, False)
    assert counted(source, "b") == {b"same": 6}


def test_a_person_without_a_name_counts_nowhere():
    table = pa.table({"id": pa.array([None, None], pa.string()), "a": ["x", "y"]})
    source = KeySource(open_table(table), ["a"], unit=Unit("id", 2))
    assert counted(source, "a") == {}
    empty = KeySource(open_table(table.slice(0, 0)), ["a"], unit=Unit("id", 2))
    assert counted(empty, "a") == {}


def test_the_choice_among_a_persons_rows_is_fair(monkeypatch):
    """False alarm 1e-6: 5 standard deviations of 400 coins; blind to a bias below 0.2."""
    rng = np.random.default_rng(6)
    first = 0
    for _ in range(400):
        stream = rng.bytes(4096)
        monkeypatch.setattr(bounding.os, "urandom", lambda size, stream=stream: stream[:size])
        first += ("a", b"x") in kept([("p", "x", "1"), ("p", "y", "1")], max_rows=1)
    assert 150 < first < 250


def test_the_unit_may_be_one_of_the_columns():
    table = pa.table({"id": ["p", "p", "q"], "a": ["x", "x", "x"]})
    source = KeySource(open_table(table), ["id", "a"], unit=Unit("id", 1))
    assert counted(source, "id") == {b"p": 1, b"q": 1}


def test_csv_and_arrow_have_the_same_keys(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes(b"\xef\xbb\xbfid,a\n1, green \n2,caf\xe9\n3,\n4,green\n")
    assert counted(KeySource(open_table(path), ["id", "a"], unit=Unit()), "a") == {b"green": 2}
    assert set(counted(KeySource(open_table(path), ["id"], unit=Unit("id", 1)), "id")) == {b"1", b"2", b"3", b"4"}


def test_bad_requests_are_refused_before_reading():
    class Unread:
        where, names, types = "rows", ("id", "a", "l"), {"id": "string", "a": "string", "l": "list<item: int64>"}

        def batches(self, columns, batch_rows):
            raise AssertionError

    with pytest.raises(DataMismatchError, match="no column 'b'"):
        KeySource(Unread(), ["b"], unit=Unit())
    with pytest.raises(DataMismatchError, match="no column 'person'"):
        KeySource(Unread(), ["a"], unit=Unit("person", 1))
    with pytest.raises(DataMismatchError, match="cannot name a person"):
        KeySource(Unread(), ["a"], unit=Unit("l", 1))
    source = KeySource(Unread(), ["a"], unit=Unit("id", 2))
    for unit, columns in ((Unit("id", 1), ["a"]), (Unit(), ["a"]), (Unit("id", 2), ["id"]), (Unit("id", 2), [])):
        with pytest.raises(UsageError):
            source.check(unit, columns)
    source.check(Unit("id", 2), ["a", "a"])


def test_full_temporary_storage_is_one_constant_message(monkeypatch):
    class Full:
        def __init__(self, *_):
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(bounding, "Partitions", Full)
    monkeypatch.setattr(bounding, "_FIRST_BYTES", 1)
    with pytest.raises(DpsynthError, match="temporary storage failed") as caught:
        kept([("p", "x", "1")], state_bytes=1)
    assert caught.value.__suppress_context__
