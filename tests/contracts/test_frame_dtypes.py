"""Every dtype of pandas: read by a schema drafted from the frame, cell by cell, and given back by its samples."""

import datetime as dt

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from dpsynth.graph import CalibratedTree, junction_tree
from dpsynth.models import MarkovRandomField, Model
from dpsynth.schema import Schema, confirm, propose
from dpsynth.tables import open_table

TEXT = pa.table({"v": ["x"]}).to_pandas()["v"].dtype  # object in pandas 2, str in pandas 3
DAYS = [dt.date(2020, 1, 31), dt.date(2020, 2, 29), dt.date(2020, 3, 1), dt.date(2020, 2, 1)]
MOMENTS = [dt.datetime.combine(day, dt.time(hour)) for day, hour in zip(DAYS, (0, 9, 12, 23), strict=True)]
# Across the hour that Paris lives twice: 2020-10-25, 00:30 and 01:30 UTC are both 02:30 there.
INSTANTS = pd.to_datetime(["2020-10-24T22:00Z", "2020-10-25T00:30Z", "2020-10-25T01:30Z", "2020-10-25T22:59Z"])
WORDS, NUMBERS, REALS, TRUTHS = ["b", "a", "é", "a"], [3, 0, 7, 3], [0.5, 0.25, 1.0, 0.5], [True, False, True, True]

NO_NULL = [
    *((name, NUMBERS, name.replace("i", "I").replace("u", "U")) for name in ("int8", "int16", "int32", "int64")),
    *((name, NUMBERS, name.replace("i", "I").replace("u", "U")) for name in ("uint8", "uint16", "uint32")),
    ("uint64", NUMBERS, "Int64"),
    ("bool", TRUTHS, "boolean"),
]
WITH_NULL = [
    *((name, NUMBERS, name) for name in ("Int8", "Int16", "Int32", "Int64", "UInt8", "UInt16", "UInt32")),
    ("UInt64", NUMBERS, "Int64"),
    ("int16[pyarrow]", NUMBERS, "Int16"),
    ("int64[pyarrow]", NUMBERS, "Int64"),
    ("float32", REALS, "float32"),
    ("float64", REALS, "float64"),
    ("Float32", REALS, "float32"),
    ("Float64", REALS, "float64"),
    ("float[pyarrow]", REALS, "float32"),
    ("double[pyarrow]", REALS, "float64"),
    ("boolean", TRUTHS, "boolean"),
    ("bool[pyarrow]", TRUTHS, "boolean"),
    ("object", WORDS, TEXT),
    ("str", WORDS, TEXT),
    ("string[python]", WORDS, TEXT),
    ("string[pyarrow]", WORDS, TEXT),
    ("category", WORDS, "category"),
    ("object", TRUTHS, "boolean"),
    ("category", NUMBERS, "Int64"),
    ("date32[day][pyarrow]", DAYS, "datetime64[s]"),
    *((f"datetime64[{unit}]", MOMENTS, f"datetime64[{unit}]") for unit in ("s", "ms", "us", "ns")),
    *((f"timestamp[{unit}][pyarrow]", MOMENTS, f"datetime64[{unit}]") for unit in ("s", "us")),
    ("datetime64[ns, Europe/Paris]", INSTANTS, "datetime64[ns, Europe/Paris]"),
    ("datetime64[s, UTC]", INSTANTS, "datetime64[s, UTC]"),
    ("timestamp[ms, tz=Europe/Paris][pyarrow]", INSTANTS, "datetime64[ms, Europe/Paris]"),
]
CASES = [*NO_NULL, *((name, [*values, None], back) for name, values, back in WITH_NULL)]


def ids(case):
    return case if isinstance(case, str) else type(case[0]).__name__ if isinstance(case, list) else ""


def column(dtype, values):
    if dtype == "str":  # pandas 2 would write a missing value as text
        return pd.Series(values, dtype=object).astype(TEXT)
    return pd.Series(values, dtype=dtype)


def drafted(frame):
    """The schema that ``schema init --peek`` and ``schema confirm`` make of the frame."""
    table = open_table(frame)
    draft = propose(table.names, table.types, "made-up", peek=table.batches(table.names))
    return Schema.loads(confirm(draft, table.names, "made up by a test"))


def cells(frame, schema):
    """Each cell as the label of its code."""
    batches = open_table(frame).batches(["v"])
    codec = schema.codec("v")
    return [codec.labels[code] for batch in batches for code in codec.encode(batch.column(0))]


def sampled(schema, rows):
    size = schema.domain["v"]
    tree = junction_tree(schema.domain, [("v",)])
    model = Model(MarkovRandomField(CalibratedTree(tree, (np.full(size, 10.0),), 10.0 * size)), schema=schema)
    return model.sample(rows, seed=1)


@pytest.mark.parametrize(("dtype", "values", "back"), CASES, ids=ids)
def test_a_dtype_is_read_cell_by_cell_and_given_back(dtype, values, back):
    frame = pd.DataFrame({"v": column(dtype, values)})
    assert dtype == "str" or str(frame["v"].dtype) == str(pd.api.types.pandas_dtype(dtype))
    schema = drafted(frame)
    assert schema.problems() == []
    labels = cells(frame, schema)
    missing = [value is None for value in values]
    assert [label == "null" for label in labels] == missing
    known = [(label, value) for label, value in zip(labels, values, strict=True) if value is not None]
    # The draft's bins may hold several values; equal values always share a bin, and words and truths have their own.
    assert len({label for label, _ in known}) <= len({value for _, value in known})
    if isinstance(values[0], str | bool):
        assert [label.lower() for label, _ in known] == [str(value).lower() for _, value in known]
    for rows in (0, 200):
        assert sampled(schema, rows)["v"].dtype == back
    again = sampled(schema, 200)
    assert set(cells(again, schema)) == set(schema.codec("v").labels), "what was sampled is read as what it was"


@pytest.mark.parametrize("dtype", ["Int64", "float64", "boolean", "object", "category", "datetime64[ns]"])
def test_a_column_of_nulls_alone_reads_as_null(dtype):
    schema = Schema.loads(
        "fields: [{name: v, type: boolean, dpsynth: {source: public}}]\ndpsynth: {version: 1, name: t, unit: row}"
    )
    assert cells(pd.DataFrame({"v": pd.Series([None, None], dtype=dtype)}), schema) == ["null", "null"]
