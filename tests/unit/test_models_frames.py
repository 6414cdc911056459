"""Column types of sampled frames come from the schema, whatever the rows of this sample hold."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from dpsynth.graph import CalibratedTree, junction_tree
from dpsynth.models import MarkovRandomField, Model
from dpsynth.schema import Schema

INTEGER = "type: integer, constraints: {minimum: 0, maximum: 9}"
LISTED = "type: integer, constraints: {enum: [5, 7]}"
NUMBER = "type: number, constraints: {minimum: 0, maximum: 1}"
STRING = "type: string, constraints: {enum: [x, y, z]}"
BOOLEAN = "type: boolean"
DATE = "type: date, constraints: {minimum: 2000-01-01, maximum: 2000-12-31}"
MOMENT = "type: datetime, constraints: {minimum: 2000-01-01, maximum: 2000-12-31}"
BINS = {INTEGER: "bins: {width: 5}", NUMBER: "bins: {count: 2}", DATE: "bins: month", MOMENT: "bins: month"}
NULL = {INTEGER: 0, LISTED: 5, NUMBER: 0, STRING: "x", BOOLEAN: "true", DATE: "2000-01-01", MOMENT: "2000-01-01"}


def frame(field: str, dtype: str | None, *, nullable: bool, rows: int, zone: str | None = None) -> pd.DataFrame:
    part = ["source: public", BINS.get(field), None if nullable else f"null: {NULL[field]}"]
    part += [f'dtype: "{dtype}"' if dtype else None, f"zone: {zone}" if zone else None]
    text = ", ".join(item for item in part if item)
    schema = Schema.loads(
        f"fields: [{{name: v, {field}, dpsynth: {{{text}}}}}]\ndpsynth: {{version: 1, name: t, unit: row}}"
    )
    tree = junction_tree(schema.domain, [("v",)])
    even = np.full(schema.domain["v"], 100 / schema.domain["v"])
    return Model(MarkovRandomField(CalibratedTree(tree, (even,), 100.0)), schema=schema).sample(rows, seed=0)


DECLARED = [
    (INTEGER, "int8", False),
    (INTEGER, "uint16", False),
    (INTEGER, "Int32", True),
    (INTEGER, "UInt8", True),
    (INTEGER, "int64[pyarrow]", True),
    (INTEGER, "float32", True),
    (INTEGER, "Float64", True),
    (INTEGER, "object", True),
    (INTEGER, "category", True),
    (LISTED, "category", True),
    (LISTED, "int16", False),
    (NUMBER, "float32", True),
    (NUMBER, "Float32", True),
    (NUMBER, "double[pyarrow]", True),
    (NUMBER, "category", True),
    (STRING, "object", True),
    (STRING, "string", True),
    (STRING, "string[python]", True),
    (STRING, "string[pyarrow]", True),
    (STRING, "category", True),
    (BOOLEAN, "bool", False),
    (BOOLEAN, "boolean", True),
    (BOOLEAN, "bool[pyarrow]", True),
    (BOOLEAN, "object", True),
    (BOOLEAN, "category", True),
    (DATE, "object", True),
    (DATE, "date32[day][pyarrow]", True),
    (DATE, "datetime64[ms]", True),
    (DATE, "timestamp[us][pyarrow]", True),
    (DATE, "category", True),
    (MOMENT, "datetime64[ns]", True),
    (MOMENT, "timestamp[ms][pyarrow]", True),
    (MOMENT, "object", True),
]


@pytest.mark.parametrize(("field", "dtype", "nullable"), DECLARED)
def test_a_declared_dtype_is_what_comes_out(field, dtype, nullable):
    full, empty = (frame(field, dtype, nullable=nullable, rows=rows)["v"] for rows in (60, 0))
    for column in (full, empty):
        assert column.dtype == pd.api.types.pandas_dtype(dtype) or dtype == "category" == str(column.dtype)
    assert full.isna().any() == nullable
    assert full.notna().sum() > 30


DEFAULTS = [
    (INTEGER, False, "int64"),
    (INTEGER, True, "Int64"),
    (LISTED, True, "Int64"),
    (NUMBER, True, "float64"),
    (BOOLEAN, False, "bool"),
    (BOOLEAN, True, "boolean"),
    (DATE, True, "datetime64[s]"),
]


@pytest.mark.parametrize(("field", "nullable", "dtype"), DEFAULTS)
@pytest.mark.parametrize("rows", [0, 1, 60])
def test_defaults_do_not_depend_on_the_rows(field, nullable, dtype, rows):
    assert str(frame(field, None, nullable=nullable, rows=rows)["v"].dtype) == dtype


def test_text_is_what_pandas_makes_of_text():
    expected = pa.table({"v": ["x"]}).to_pandas()["v"].dtype
    assert frame(STRING, None, nullable=True, rows=9)["v"].dtype == expected
    assert frame(STRING, "str", nullable=True, rows=9)["v"].dtype == expected


def test_categories_are_those_of_the_schema_not_of_the_sample():
    column = frame(STRING, "category", nullable=False, rows=1)["v"]
    assert column.cat.categories.tolist() == ["x", "y", "z"]
    assert frame(LISTED, "category", nullable=True, rows=0)["v"].cat.categories.tolist() == [5, 7]


def test_zones_are_kept_or_shown_as_wall_clock():
    zoned = frame(MOMENT, None, nullable=False, rows=20, zone="Europe/Paris")["v"]
    assert str(zoned.dtype).endswith("Europe/Paris]")
    for dtype in ("datetime64[us]", "timestamp[us][pyarrow]"):
        wall = frame(MOMENT, dtype, nullable=False, rows=20, zone="Europe/Paris")["v"]
        assert wall.astype("datetime64[us]").tolist() == zoned.dt.tz_localize(None).astype("datetime64[us]").tolist()
    named = frame(MOMENT, "datetime64[ms, Europe/Paris]", nullable=False, rows=20, zone="Europe/Paris")["v"]
    assert str(named.dtype) == "datetime64[ms, Europe/Paris]"
    assert named.dt.floor("s").tolist() == zoned.dt.floor("s").tolist()


def test_dates_as_objects_are_dates():
    column = frame(DATE, "object", nullable=False, rows=3)["v"]
    assert {type(value).__name__ for value in column} == {"date"}
