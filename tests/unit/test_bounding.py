import numpy as np
import pyarrow as pa
import pytest

from dpsynth.curator import bounding
from dpsynth.curator.bounding import BoundedSource, HashKey, PersonRows, bounded, canonical_ids
from dpsynth.domain import Domain
from dpsynth.errors import DataMismatchError, DpsynthError, UsageError
from dpsynth.tables.reading import open_table

SIZES = {"a": 7, "b": 300}
ALL = ("a", "b")


class Codes:
    """A schema over tables of codes: the physical values are the codes."""

    domain = Domain.from_sizes(SIZES)

    def columns(self, attributes):
        return attributes

    def encode(self, attributes, batch):
        return {name: batch.column(name).cast(pa.int32()).to_numpy(zero_copy_only=False) for name in attributes}


class Rows:
    """Reader over a list of (id, a, b), cut into batches of any size."""

    where = "rows"
    names = ("id", "a", "b")

    def __init__(self, rows, batch_rows=10**9, kind=None):
        kind = kind or pa.string()
        self.types = {"id": str(kind), "a": "int64", "b": "int64"}
        ids, a, b = zip(*rows, strict=True) if rows else ((), (), ())
        self._table = pa.table({"id": pa.array(ids, kind), "a": pa.array(a, pa.int64()), "b": pa.array(b, pa.int64())})
        self._batch_rows = batch_rows

    def batches(self, columns, batch_rows):
        return iter(self._table.select(columns).to_batches(max_chunksize=self._batch_rows))


@pytest.fixture(autouse=True)
def fixed_key(monkeypatch):
    """Neighbors are compared under one key; what must hold, holds for every key."""
    stream = np.random.default_rng(5).bytes(4096)
    monkeypatch.setattr(bounding.os, "urandom", lambda size: stream[:size])


def person_rows(rng, person, count):
    return [(person, int(rng.integers(7)), int(rng.integers(300))) for _ in range(count)]


def crowd(rng, persons=40):
    rows = [row for i in range(persons) for row in person_rows(rng, f"p{i}", int(rng.integers(1, 9)))]
    rng.shuffle(rows)
    return [(row[0], int(row[1]), int(row[2])) for row in rows]


def kept(rows, max_rows=3, **options):
    """The kept rows as a sorted list of (a, b)."""
    batch_rows = options.pop("batch", 10**9)
    source = BoundedSource(Rows(rows, batch_rows), Codes(), column="id", max_rows=max_rows, **options)
    table = source.counts([ALL])[0]
    return sorted(tuple(map(int, cell)) for cell in np.argwhere(table) for _ in range(table[tuple(cell)]))


def minus(larger, smaller):
    rest = list(larger)
    for row in smaller:
        rest.remove(row)
    return rest


@pytest.mark.parametrize("weak", [False, True], ids=["hashes", "every-hash-collides"])
@pytest.mark.parametrize("batch", [1, 7, 10**9])
def test_a_neighbor_changes_nobody_elses_rows(monkeypatch, batch, weak):
    if weak:
        monkeypatch.setattr(bounding, "_mixed", np.zeros_like)
    rng = np.random.default_rng(1)
    others = crowd(rng)
    newcomer = person_rows(rng, "newcomer", 50)
    alone = kept(newcomer, batch=batch)
    base = kept(others, batch=batch)
    assert len(alone) == 3
    for position in (0, len(others) // 2, len(others)):
        together = [*others[:position], *newcomer, *others[position:]]
        assert minus(kept(together, batch=batch), alone) == base
    scattered = list(others)
    for row in newcomer:
        scattered.insert(int(rng.integers(len(scattered) + 1)), row)
    assert minus(kept(scattered, batch=batch), alone) == base


@pytest.mark.parametrize("weak", [False, True])
def test_each_person_keeps_its_rows_alone(monkeypatch, weak):
    if weak:
        monkeypatch.setattr(bounding, "_mixed", np.zeros_like)
    rows = crowd(np.random.default_rng(2))
    together = kept(rows)
    alone = [cell for p in {row[0] for row in rows} for cell in kept([row for row in rows if row[0] == p])]
    assert together == sorted(alone)
    assert len(together) == sum(min(3, sum(row[0] == p for row in rows)) for p in {row[0] for row in rows})


def test_persons_of_one_hash_are_told_apart_when_their_rows_alternate():
    """No two priorities tie here, so that only the identifiers show that the rows of a hash are of two persons."""
    ids = pa.array([b"p", b"q", b"p", b"q", b"p", b"q"], pa.large_binary())
    order = np.arange(6, dtype=np.uint64)
    rows = PersonRows(ids, np.zeros(6, dtype=np.uint64), order, order.astype(np.uint8)[:, None])
    for most in (1, 2):
        assert sorted(bounded(rows, most).priorities.tolist()) == list(range(2 * most))


def test_order_and_batches_do_not_matter():
    rng = np.random.default_rng(3)
    rows = crowd(rng)
    expected = kept(rows)
    for batch in (1, 5, 64):
        shuffled = [rows[i] for i in rng.permutation(len(rows))]
        assert kept(shuffled, batch=batch) == expected


def test_disk_and_memory_keep_the_same_rows(monkeypatch):
    rng = np.random.default_rng(4)
    rows = crowd(rng, 300)
    expected = kept(rows)
    monkeypatch.setattr(bounding, "_FIRST_BYTES", 256)
    assert kept(rows, batch=50) == expected
    assert kept(rows, batch=50, state_bytes=1, rows_bytes=1) == expected


def test_spilling_leaves_no_named_file(monkeypatch, tmp_path):
    monkeypatch.setattr(bounding, "_FIRST_BYTES", 256)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    source = BoundedSource(
        Rows(crowd(np.random.default_rng(4)), 20), Codes(), column="id", max_rows=2, state_bytes=1, rows_bytes=1
    )
    source.counts([ALL])
    assert list(tmp_path.iterdir()) == []


def test_identifiers_of_any_type_name_the_same_person():
    assert canonical_ids(pa.array([17, None])).to_pylist() == [b"17", None]
    assert canonical_ids(pa.array([17.0, np.nan, None, np.inf, 1.5])).to_pylist() == [b"17", None, None, b"inf", b"1.5"]
    assert canonical_ids(pa.array([b" 17\t", b"  ", b"", b"NA", b"\xff"]), [b"NA"]).to_pylist() == [
        b"17", None, None, None, b"\xff",
    ]  # fmt: skip
    assert canonical_ids(pa.array(["x", None, "y", "x"]).dictionary_encode()).to_pylist() == [b"x", None, b"y", b"x"]
    assert canonical_ids(pa.array([True])).to_pylist() == [b"true"]
    assert canonical_ids(pa.nulls(2)).to_pylist() == [None, None]
    assert canonical_ids(pa.array([0], pa.timestamp("us", "Europe/Berlin"))).to_pylist() == [b"0"]


def test_identifiers_that_differ_in_a_trailing_zero_byte_are_two_persons():
    ids = pa.array([b"a", b"a\0"], pa.large_binary())
    key = HashKey.fresh(1)
    rows = PersonRows(ids, np.zeros(2, np.uint64), np.zeros(2, np.uint64), np.zeros((2, 1), np.uint8))
    assert len(bounded(rows, 1)) == 2
    assert key.persons(ids)[0] != key.persons(ids)[1]


def test_hash_reads_the_identifier_not_its_place():
    key = HashKey.fresh(1)
    long = b"x" * 500
    ids = pa.array([b"one", long, b"two", b"one", b"x" * 129], pa.large_binary())
    hashes = key.persons(ids)
    assert hashes[0] == hashes[3]
    assert len(set(hashes.tolist())) == 4
    assert (key.persons(ids.slice(2)) == hashes[2:]).all()


def test_choice_among_a_persons_rows_is_fair(monkeypatch):
    rng = np.random.default_rng(6)
    first = 0
    for _ in range(400):
        stream = rng.bytes(4096)
        monkeypatch.setattr(bounding.os, "urandom", lambda size, stream=stream: stream[:size])
        first += kept([("p", 0, 0), ("p", 1, 1)], max_rows=1) == [(0, 0)]
    assert 150 < first < 250  # 5 standard deviations


def test_rows_without_a_person_are_dropped():
    assert kept([(None, 1, 1), ("", 2, 2), (" ", 3, 3), ("p", 4, 4)]) == [(4, 4)]
    assert kept([(None, 1, 1)]) == []
    assert kept([]) == []


def test_duplicate_rows_of_a_person_all_count():
    assert kept([("p", 1, 1)] * 5 + [("q", 1, 1)], max_rows=3) == [(1, 1)] * 4


def test_unusable_units_are_refused_before_reading(tmp_path):
    with pytest.raises(DataMismatchError, match="no column 'person'"):
        BoundedSource(Rows([]), Codes(), column="person", max_rows=1)
    reader = open_table(pa.table({"id": [[1]], "a": [1], "b": [1]}))
    with pytest.raises(DataMismatchError, match="cannot name a person"):
        BoundedSource(reader, Codes(), column="id", max_rows=1)
    lists = pa.DictionaryArray.from_arrays(pa.array([0]), pa.array([[1]]))
    reader = open_table(pa.table({"id": lists, "a": [1], "b": [1]}))
    with pytest.raises(DataMismatchError, match="cannot name a person"):
        BoundedSource(reader, Codes(), column="id", max_rows=1)
    with pytest.raises(UsageError):
        BoundedSource(Rows([]), Codes(), column="id", max_rows=0)


def test_full_temporary_storage_is_one_constant_message(monkeypatch):
    class Full:
        def __init__(self, *_):
            pass

        def append(self, *_):
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(bounding, "PackedRows", Full)
    source = BoundedSource(Rows([("p", 1, 1)]), Codes(), column="id", max_rows=1)
    with pytest.raises(DpsynthError, match="temporary storage failed") as caught:
        source.counts([ALL])
    assert caught.value.exit_code == 1
    assert caught.value.__suppress_context__
