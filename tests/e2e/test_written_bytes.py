"""What is gone from a table is gone from the bytes of its file: pages, dictionaries, statistics, metadata, nulls."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from anonymize_examples import PLAIN, policy
from dpsynth.pipeline.anonymize import anonymize
from dpsynth.pipeline.mask import mask

SECRET, RARE, HIDDEN = "Zaphod-of-Betelgeuse", "Beeblebrox-the-rare", b"HIDDEN42"
ROWS = 40
NO_ROW = [pa.py_buffer(bytes(ROWS // 8))]


def rows() -> pa.Table:
    """Forty rows, of which the last is alone with its values, in columns of every form."""
    words = pa.array(["plain"] * (ROWS - 1) + [SECRET])
    lists = pa.array(np.arange(ROWS + 1), pa.int32())
    columns = {
        "quasi": pa.array(["often"] * (ROWS - 1) + [RARE]),
        "text": words,
        "coded": words.dictionary_encode(),
        "list": pa.ListArray.from_arrays(lists, words),
        "coded_list": pa.ListArray.from_arrays(lists, words.dictionary_encode()),
        "large": pa.LargeListArray.from_arrays(lists.cast(pa.int64()), words.dictionary_encode()),
        "pair": pa.FixedSizeListArray.from_arrays(words.dictionary_encode(), 1),
        "struct": pa.StructArray.from_arrays([words.dictionary_encode(), words], ["one", "two"]),
        "map": pa.MapArray.from_arrays(lists, words, words.dictionary_encode()),
        "unused": pa.DictionaryArray.from_arrays(pa.array([0] * ROWS, pa.int8()), pa.array(["plain", SECRET])),
        "null": pa.Array.from_buffers(pa.string(), ROWS, NO_ROW + pa.array([SECRET] * ROWS).buffers()[1:], ROWS),
        "number": pa.Array.from_buffers(pa.int64(), ROWS, [*NO_ROW, pa.py_buffer(HIDDEN * ROWS)], ROWS),
    }
    fields = [pa.field(name, column.type, metadata={"seen": SECRET}) for name, column in columns.items()]
    return pa.Table.from_arrays(list(columns.values()), schema=pa.schema(fields, metadata={"pandas": SECRET}))


def told(path: Path) -> bytes:
    """The bytes of the file, its pages as they are before compression."""
    if path.suffix == ".arrow":
        return path.read_bytes()
    text = ["text", "coded", "unused", "list.list.element", "coded_list.list.element", "struct.one", "struct.two"]
    table = parquet.read_table(path, read_dictionary=text)
    plain = path.with_suffix(".plain")
    with pa.OSFile(str(plain), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)
    return path.read_bytes() + plain.read_bytes()


@pytest.mark.parametrize("name", ["out.parquet", "out.arrow"])
def test_a_row_that_is_dropped_leaves_no_byte(tmp_path, name):
    fields = {column: PLAIN if column == "quasi" else {} for column in rows().column_names}
    anonymize(rows(), policy(fields, [{"k-anonymity": {"k": 5}}]), tmp_path / name)
    bytes_ = told(tmp_path / name)
    assert b"plain" in bytes_
    assert not any(word in bytes_ for word in (SECRET.encode(), RARE.encode(), HIDDEN))


@pytest.mark.parametrize("name", ["out.parquet", "out.arrow"])
def test_a_cell_that_is_masked_or_null_leaves_no_byte(tmp_path, name):
    hidden = {one: {"mask": {"constant": "c"}} for one in ("quasi", "text", "coded", "unused")}
    kept = {"null": {}, "number": {}}
    mask(rows().select([*hidden, *kept]), policy({**hidden, **kept}, []), tmp_path / name)
    bytes_ = told(tmp_path / name)
    assert b"not protection" in bytes_
    assert not any(word in bytes_ for word in (SECRET.encode(), RARE.encode(), HIDDEN))
