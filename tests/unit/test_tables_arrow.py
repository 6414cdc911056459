import datetime as dt
import re
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from pyarrow import ipc, parquet

from dpsynth.curator.bounding import canonical_ids
from dpsynth.errors import DataMismatchError, FileFormatError, UsageError
from dpsynth.tables.reading import open_table

SECRET = "Alice Secret"
TABLE = pa.table({"a": [1, 2, None], "a.b": [SECRET, "y", None], "c": [0.5, None, float("nan")]})


def rows(reader, columns=None, **options):
    columns = columns or reader.names
    return [tuple(row.values()) for batch in reader.batches(columns, **options) for row in batch.to_pylist()]


@pytest.fixture(params=["parquet", "arrow", "feather", "arrows"])
def path(request, tmp_path):
    place = tmp_path / f"t.{request.param}"
    if request.param == "parquet":
        parquet.write_table(TABLE, place)
    else:
        with (ipc.new_stream if request.param == "arrows" else ipc.new_file)(place, TABLE.schema) as file:
            file.write_table(TABLE)
    return place


def test_files_give_names_types_and_any_columns_again(path):
    reader = open_table(path)
    assert reader.names == ("a", "a.b", "c")
    assert dict(reader.types) == {"a": "int64", "a.b": "string", "c": "double"}
    for _ in range(2):
        assert rows(reader, ["a.b", "a"]) == [(SECRET.encode(), 1), (b"y", 2), (None, None)]
    assert rows(reader, ["a"], batch_rows=1) == [(1,), (2,), (None,)]
    assert [batch.num_rows for batch in reader.batches(["a"], batch_rows=2)] == [2, 1]
    with pytest.raises(DataMismatchError, match="no column 'b'"):
        reader.batches(["b"])


def test_a_prefix_of_a_nested_name_selects_that_column_alone(tmp_path):
    table = pa.table({"a": [1], "a.b": [2], "n": [{"x": 1, "y": "z"}]})
    parquet.write_table(table, tmp_path / "t.parquet")
    assert rows(open_table(tmp_path / "t.parquet"), ["a"]) == [(1,)]
    assert rows(open_table(tmp_path / "t.parquet"), ["n"]) == [({"x": 1, "y": "z"},)]


def test_truncated_files_are_refused_when_opened(path):
    path.write_bytes(path.read_bytes()[:-20] if path.suffix != ".arrows" else path.read_bytes()[:30])
    with pytest.raises(FileFormatError, match="not a readable") as caught:
        open_table(path)
    assert caught.value.exit_code == 3
    assert caught.value.__suppress_context__


def test_damage_inside_is_one_constant_message(path):
    data = path.read_bytes()
    place = data.rindex(SECRET.encode()) if SECRET.encode() in data else len(data) // 3
    path.write_bytes(data[: place - 60] + bytes(range(255, 195, -1)) + data[place:])
    try:
        reader = open_table(path)
    except FileFormatError as error:
        text = str(error)  # the damage reached the schema
    else:
        with pytest.raises(FileFormatError) as caught:
            rows(reader)
        text = caught.value.message + str(caught.value.hint)
        assert caught.value.message == "the table broke off while it was being read"
        assert caught.value.__suppress_context__
    assert SECRET not in text
    assert not re.search(r"\brow\b|\d+ ", text)


def test_damaged_parquet_pages_are_one_constant_message(tmp_path):
    path = tmp_path / "t.parquet"
    parquet.write_table(pa.table({"a": list(range(50_000))}), path, compression="none", use_dictionary=False)
    data = bytearray(path.read_bytes())
    data[20_000:20_200] = b"\0" * 200
    data[4:60] = b"\xff" * 56
    path.write_bytes(bytes(data))
    reader = open_table(path)
    with pytest.raises(FileFormatError, match="the table broke off while it was being read"):
        rows(reader)


def test_hostile_offsets_do_not_leave_their_buffers(tmp_path):
    path = tmp_path / "t.arrow"
    table = pa.table({"a": ["x" * 1000], "b": pa.array(["u", "v"]).dictionary_encode().slice(1)})
    with ipc.new_file(path, table.schema) as file:
        file.write_table(table)
    offsets, index = np.array([0, 1000], np.int32).tobytes(), b"\1\0\0\0"
    data = path.read_bytes()
    place = data.rindex(offsets)
    path.write_bytes(data[:place] + np.array([0, 10_000_000], np.int32).tobytes() + data[place + 8 :])
    with pytest.raises(FileFormatError, match="broke off"):
        rows(open_table(path), ["a"])
    assert rows(open_table(path), ["b"]) == [(b"v",)]
    place = data.rindex(index + b"\0" * 4)
    path.write_bytes(data[:place] + b"\x63" + data[place + 1 :])
    with pytest.raises(FileFormatError):
        rows(open_table(path), ["b"])


def test_undecodable_text_is_ordinary(tmp_path):
    broken = pa.array([b"\xff\xfe", b"ok"]).view(pa.string())
    table = pa.table({"a": broken, "b": pa.DictionaryArray.from_arrays(pa.array([1, 0]), broken)})
    parquet.write_table(table.select(["a"]), tmp_path / "t.parquet")
    with ipc.new_file(tmp_path / "t.arrow", table.schema) as file:
        file.write_table(table)
    assert rows(open_table(tmp_path / "t.parquet")) == [(b"\xff\xfe",), (b"ok",)]
    assert rows(open_table(tmp_path / "t.arrow")) == [(b"\xff\xfe", b"ok"), (b"ok", b"\xff\xfe")]
    assert rows(open_table(table)) == [(b"\xff\xfe", b"ok"), (b"ok", b"\xff\xfe")]


def test_duplicate_columns(tmp_path):
    twice = pa.table([pa.array([1]), pa.array([2])], names=[SECRET, SECRET])
    parquet.write_table(twice, tmp_path / "t.parquet")
    frame = pd.DataFrame([[1, 2]], columns=[SECRET, SECRET])
    for source in (tmp_path / "t.parquet", twice, frame):
        with pytest.raises(DataMismatchError, match="columns 1 and 2 have the same name") as caught:
            open_table(source)
        assert SECRET not in str(caught.value)


def test_other_files_and_objects(tmp_path):
    (tmp_path / "t.xlsx").write_bytes(b"PK")
    with pytest.raises(FileFormatError, match="unknown table format"):
        open_table(tmp_path / "t.xlsx")
    with pytest.raises(FileFormatError, match="no such file"):
        open_table(tmp_path / "none.parquet")
    (tmp_path / "t.parquet").write_bytes(b"a,b\n1,2\n")
    with pytest.raises(FileFormatError, match="not a readable Parquet"):
        open_table(tmp_path / "t.parquet")
    with pytest.raises(UsageError, match="only CSV"):
        open_table(tmp_path / "t.parquet", delimiter=";")
    for thing in ({"a": [1]}, 5, None):
        with pytest.raises(UsageError, match="a table is a path"):
            open_table(thing)
    with pytest.raises(DataMismatchError, match="no columns"):
        open_table(pd.DataFrame(index=range(3)))
    for series in (pl.Series([1]), pa.chunked_array([[1]])):
        with pytest.raises(DataMismatchError, match="cannot be read as a table"):
            open_table(series)


def test_pandas_types_and_missing_values():
    frame = pd.DataFrame(
        {
            "int": [1, 2],
            "nullable": pd.array([1, None], "Int64"),
            "float": [0.5, np.nan],
            "bool": [True, False],
            "text": ["x", None],
            "category": pd.Categorical(["u", None]),
            "when": pd.to_datetime(["2020-01-01", None]),
            7: [dt.date(2020, 1, 1), None],
        },
        index=pd.Index(["i", "j"], name="who"),
    )
    reader = open_table(frame)
    assert reader.names == ("int", "nullable", "float", "bool", "text", "category", "when", "7")
    first, second = rows(reader)
    assert first[:6] == (1, 1, 0.5, True, b"x", b"u")
    assert first[7] == b"2020-01-01"
    assert second == (2, None, None, False, None, None, None, None)
    assert reader.types["int"] == "int64"


def test_one_object_changes_nobody_elses_cell():
    """Arrow would guess a column's type from all of its objects."""
    usual = pd.DataFrame({"x": pd.Series([1, "a", None, 2.0, True, b"raw"], dtype=object)})
    base = rows(open_table(usual))
    assert base == [(b"1",), (b"a",), (None,), (b"2",), (b"True",), (b"raw",)]
    for odd in ("lone \ud800 surrogate", {"a": 1}, 10**40, object, pd.NaT, np.nan):
        more = pd.DataFrame({"x": pd.Series([*usual["x"], odd], dtype=object)})
        assert rows(open_table(more))[:-1] == base
    for categories in ([1, "a"], [1, 2]):
        column = pd.Series(pd.Categorical([1, None, 1], categories=pd.Index(categories, dtype=object)))
        assert rows(open_table(pd.DataFrame({"x": column}))) == [(b"1",), (None,), (b"1",)]


def test_one_odd_cell_that_turns_a_pandas_column_into_objects_changes_nobody_elses_cell():
    for values in ([1.0, -0.0, 2.5, 1e15], [17, 18], [True, False]):
        typed = pd.Series(values)
        mixed = pd.Series([*values, "odd"], dtype=object)
        assert typed.dtype != object
        expected = canonical_ids(pa.array(typed)).to_pylist()
        found = [cell for (cell,) in rows(open_table(pd.DataFrame({"x": mixed})))]
        assert [text.lower() for text in found[:-1]] == expected
    assert rows(open_table(pd.DataFrame({"x": pd.Series([np.float32(3), 2.0**70], dtype=object)})))[0] == (b"3",)


class Unprintable:
    """An object whose own code raises, with a cell in the text."""

    def __str__(self):
        raise RuntimeError(SECRET)


@pytest.mark.parametrize("odd", [10**5000, Decimal("sNaN"), Unprintable()], ids=["digits", "signaling", "raising"])
def test_an_object_without_text_is_a_missing_cell(odd):
    """Nothing about a value may raise: the fit of a table with it must end as the fit of its neighbor."""
    usual = pd.Series([1, "a", None, 2.0, "b"], dtype=object)
    for column in (usual, pd.Series(["a", "b"], dtype=object)):
        base = rows(open_table(pd.DataFrame({"x": column})))
        more = pd.DataFrame({"x": pd.Series([*column, odd], dtype=object)})
        (last,) = rows(open_table(more))[-1:]
        assert rows(open_table(more))[:-1] == base
        assert last == ((b"sNaN",) if isinstance(odd, Decimal) else (None,))
    if not isinstance(odd, Decimal):  # pandas itself refuses a category that cannot be compared
        category = pd.Series(pd.Categorical.from_codes([0, 1], categories=pd.Index(["a", odd], dtype=object)))
        assert rows(open_table(pd.DataFrame({"x": category}))) == [(b"a",), (None,)]


def test_values_that_arrow_calls_invalid_are_cells_like_any_other(tmp_path):
    """A file may hold them, and its rows must not decide whether it can be read."""
    late = pa.array([0, 86_400_001], pa.int64()).view(pa.date64())
    time = pa.array([0, 86_400_001], pa.int32()).view(pa.time32("ms"))
    digits = pa.py_buffer((1).to_bytes(16, "little") + (12_345).to_bytes(16, "little"))
    wide = pa.Array.from_buffers(pa.decimal128(3, 0), 2, [None, digits])
    codes = pa.DictionaryArray.from_arrays(pa.array([1, None], pa.int8()), late)
    table = pa.record_batch([late, time, wide, codes], names=["a", "b", "c", "d"])
    with ipc.new_file(tmp_path / "t.arrow", table.schema) as file:
        file.write_batch(table)
    (batch,) = open_table(tmp_path / "t.arrow").batches(["a", "b", "c", "d"])
    assert batch.num_rows == 2


def test_exotic_pandas_columns_become_text():
    frame = pd.DataFrame(
        {"x": pd.array([1 + 2j, 3j]), "y": pd.interval_range(0, 2), "z": pd.period_range("2020", periods=2, freq="Y")}
    )
    assert rows(open_table(frame), ["x"]) == [(b"(1+2j)",), (b"3j",)]
    assert len(rows(open_table(frame))) == 2


def test_polars_text_and_categories():
    frame = pl.DataFrame(
        {"a": ["x", None, "a long text that is no inline view"], "b": pl.Series(["u", "v", None], dtype=pl.Categorical)}
    )
    assert rows(open_table(frame)) == [(b"x", b"u"), (None, b"v"), (b"a long text that is no inline view", None)]
    assert open_table(frame).names == ("a", "b")


def test_a_stream_that_can_be_read_once_is_read_twice():
    taken = []

    def batches():
        for batch in TABLE.to_batches(max_chunksize=1):
            taken.append(batch)
            yield batch

    reader = open_table(pa.RecordBatchReader.from_batches(TABLE.schema, batches()))
    assert taken == []
    assert rows(reader, ["a"]) == rows(reader, ["a"]) == [(1,), (2,), (None,)]
    assert len(taken) == 3


def test_a_stream_that_fails_is_one_constant_message():
    def batches():
        yield TABLE.to_batches()[0]
        raise ValueError(SECRET)

    reader = open_table(pa.RecordBatchReader.from_batches(TABLE.schema, batches()))
    with pytest.raises(FileFormatError, match="<frame>: the table broke off") as caught:
        rows(reader)
    assert caught.value.__suppress_context__
