"""One person, one row: neighbors differ by exactly one row of the reshaped table, and nothing about values raises."""

import datetime as dt
import decimal
import math
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dpsynth.curator.bounding import BoundedSource
from dpsynth.curator.reshaping import ReshapedReader
from dpsynth.errors import DataMismatchError, DpsynthError, SchemaError
from dpsynth.schema import Schema
from dpsynth.tables.reading import open_table

FIELDS = {
    "x_1": {"type": "number", "constraints": {"minimum": 0, "maximum": 9}, "dpsynth": {"bins": {"count": 3}}},
    "x_2": {"type": "number", "constraints": {"minimum": 0, "maximum": 9}, "dpsynth": {"bins": {"count": 3}}},
    "sex": {"type": "string", "constraints": {"enum": ["f", "m"]}},
    "visits": {"type": "integer", "constraints": {"minimum": 1, "maximum": 9}},
    "cost": {"type": "number", "constraints": {"minimum": 0, "maximum": 99}, "dpsynth": {"bins": {"count": 4}}},
    "mean": {"type": "number", "constraints": {"minimum": 0, "maximum": 99}, "dpsynth": {"bins": {"count": 4}}},
    "worst": {"type": "integer", "constraints": {"minimum": 0, "maximum": 9}},
    "seen": {"type": "date", "constraints": {"minimum": "2020", "maximum": "2021"}, "dpsynth": {"bins": "month"}},
    "final": {"type": "string", "constraints": {"enum": ["f", "m"]}},
}
RESHAPE = {
    "first": 2,
    "order": "date",
    "columns": ["x"],
    "constant": ["sex"],
    "aggregate": {
        "visits": "count",
        "cost": {"sum": "charge"},
        "mean": {"mean": "charge"},
        "worst": {"max": "stage"},
        "seen": {"min": "date"},
        "final": {"last": "sex"},
    },
}
RAW = ("person", "date", "x", "sex", "charge", "stage")


def schema_of(reshape=None, names=tuple(FIELDS), unit=None, missing=("",)):
    fields = [
        {"name": name, **FIELDS[name], "dpsynth": {"source": "public", **FIELDS[name].get("dpsynth", {})}}
        for name in names
    ]
    table = {"version": 1, "name": "t", "unit": unit or {"column": "person", "max_rows": 1}}
    table["reshape"] = RESHAPE if reshape is None else reshape
    return Schema.from_dict({"dpsynth": table, "missingValues": list(missing), "fields": fields})


WHOLE = schema_of()
SUM = schema_of({"aggregate": {"cost": {"sum": "charge"}}}, ("cost",))


def csv_like(rows):
    """The rows as a CSV's cells: bytes."""
    columns = list(zip(*rows, strict=True)) or [()] * len(RAW)
    return pa.table({name: pa.array(cells, pa.binary()) for name, cells in zip(RAW, columns, strict=True)})


class Batched:
    """A reader over a table in batches of a given length."""

    where = "rows"

    def __init__(self, table, batch_rows=10**9):
        self._inner, self._batch_rows = open_table(table), batch_rows
        self.names, self.types = self._inner.names, self._inner.types

    def batches(self, columns, batch_rows=0):
        return self._inner.batches(columns, self._batch_rows)


def reshaped(table, schema=None, batch=10**9, **options):
    """The reshaped rows by person, as dictionaries of cells."""
    schema = schema or WHOLE
    reader = ReshapedReader(Batched(table, batch), schema, schema.reshape, **options)
    rows = [row for part in reader.batches(reader.names) for row in part.to_pylist()]
    found = {row[schema.reshape.person]: row for row in rows}
    assert len(found) == len(rows)
    return found


def text(value):
    return None if value is None else str(value).encode()


CELLS = st.one_of(
    st.none(), st.sampled_from([b"", b"1", b"1.0", b" 2", b"-7", b"1e400", b"nan", b"inf", b"-inf", b"\xff"])
)
DATES = st.one_of(CELLS, st.sampled_from([b"2020-01-01", b"2020-01-01T03:00:00+02:00", b"2021-13-40", b"2020-02"]))
ROWS = st.lists(
    st.tuples(st.sampled_from([b"a", b" a", b"b", b"c", b""]), DATES, CELLS, CELLS, CELLS, CELLS), max_size=24
)


@settings(max_examples=40, deadline=None)
@given(ROWS, st.integers(1, 5), st.integers(0, 10**6))
def test_a_person_more_is_one_row_more_and_changes_no_other(rows, batch, seed):
    """The reshaped row of a person is the same alone and among others, in any order, in any batches."""
    rows = [rows[place] for place in np.random.default_rng(seed).permutation(len(rows))]
    together = reshaped(csv_like(rows), batch=batch)
    persons = {row[0].strip() for row in rows} - {b""}
    assert together.keys() == persons
    alone = {}
    for person in persons:
        own = sorted((row for row in rows if row[0].strip() == person), key=repr)
        alone |= reshaped(csv_like(own))
    assert repr(sorted(together.items())) == repr(sorted(alone.items()))


@pytest.mark.parametrize("seed", range(8))
def test_a_sum_is_the_same_to_the_last_bit_alone_and_among_others(seed):
    """In any order of the table; added up in the order of the file these numbers differ in the last bit."""
    draw = np.random.default_rng(seed)
    numbers = (draw.normal(size=400) * 10.0 ** draw.integers(-6, 9, 400)).tolist()
    assert len({sum(numbers), sum(numbers[::-1]), sum(sorted(numbers, key=abs))}) > 1
    mine = [(b"me", b"", b"", b"", repr(number).encode(), b"") for number in numbers]
    others = [(b"p%d" % draw.integers(9), b"", b"", b"", repr(draw.normal() * 1e9).encode(), b"") for _ in range(50)]
    mixed = [(mine + others)[place] for place in draw.permutation(450)]
    sums = {reshaped(csv_like(rows), SUM)[b"me"]["cost"] for rows in (mine, mine[::-1], mixed, mixed[::-1])}
    assert len(sums) == 1
    assert sums.pop() == pytest.approx(math.fsum(numbers), abs=1e-12 * sum(map(abs, numbers)))


def test_infinities_among_a_persons_numbers_change_nobody_else():
    rows = [(b"p", b"", b"", b"", b"inf", b""), (b"p", b"", b"", b"", b"-inf", b""), (b"q", b"", b"", b"", b"2", b"")]
    found = reshaped(csv_like(rows), SUM)
    assert math.isnan(found[b"p"]["cost"])
    assert found[b"q"]["cost"] == 2.0


@pytest.mark.parametrize("cells", [[b"7", b"7.0", b" 7"], [b"inf", b"1e400"]])
def test_cells_that_read_alike_are_chosen_in_one_order(cells):
    rows = [(b"p", b"", b"", b"", b"", cell) for cell in cells]
    assert reshaped(csv_like(rows)) == reshaped(csv_like(rows[::-1]))


def test_what_stands_in_a_reshaped_row():
    rows = [
        (b"ann", b"2020-03-01", b"3", b"f", b"10.5", b"2"),
        (b"ann", b"2020-01-15", b"1", b"f", b"2", b"7"),
        (b"ann", None, b"9", b"m", b"x", b"1"),
        (b"bob", b"2021-05-05", b"4", b"m", None, b""),
        (b"", b"2021-05-05", b"4", b"m", b"1", b"1"),
    ]
    found = reshaped(csv_like(rows))
    assert found == {
        b"ann": {
            "person": b"ann", "x_1": b"1", "x_2": b"3", "sex": b"f", "visits": 3, "cost": 12.5, "mean": 6.25,
            "worst": b"7", "seen": b"2020-01-15", "final": b"f",
        },
        b"bob": {
            "person": b"bob", "x_1": b"4", "x_2": None, "sex": b"m", "visits": 1, "cost": None, "mean": None,
            "worst": None, "seen": b"2021-05-05", "final": b"m",
        },
    }  # fmt: skip


def test_the_last_rows_are_counted_from_the_last_one():
    rows = [
        (b"p", f"2020-01-{day:02}".encode(), b"%d" % day, b"f" if day < 9 else b"m", b"", b"") for day in (3, 9, 1, 5)
    ]
    schema = schema_of({"last": 2, "order": "date", "columns": ["x"], "constant": ["sex"]}, ("x_1", "x_2", "sex"))
    row = reshaped(csv_like([*rows, (b"p", b"", b"77", b"f", b"", b"")]), schema)[b"p"]
    assert (row["x_1"], row["x_2"], row["sex"]) == (b"9", b"5", b"m")


@pytest.mark.parametrize(
    ("order", "cells", "expected"),
    [
        ("date", [b"10", b"9", b"-1e3", b"1e400", b"zeta", b"alpha", b"", b"NA"], [2, 1, 0, 3, 5, 4]),
        ("date", [b"2020-01-01T00:30:00+02:00", b"2019-12-31T23:00:00Z", b"2020-01-01"], [0, 1, 2]),
        ({"column": "date", "format": "%d.%m.%Y"}, [b"02.01.2020", b"01.02.2020", b"03.12.2019"], [2, 0, 1]),
    ],
    ids=["numbers-then-texts-then-missing", "moments-in-time", "a-format"],
)
def test_the_order_of_texts(order, cells, expected):
    reshape = {"first": 8, "order": order, "columns": ["x"]}
    rows = [(b"p", cell, b"%d" % place, b"", b"", b"") for place, cell in enumerate(cells)]
    schema = schema_of(reshape, ("x_1",), missing=("", "NA"))
    row = reshaped(csv_like(rows[::-1]), schema)[b"p"]
    assert [int(row[f"x_{rank}"]) for rank in range(1, len(expected) + 1)] == expected


def cells_of(kind):
    """Cells of a type, not in order: 5, 3, 4, as far as the type has them."""
    if pa.types.is_dictionary(kind):
        return cells_of(kind.value_type).dictionary_encode().cast(kind)
    if kind == pa.bool_():
        return pa.array([True, False])
    if pa.types.is_decimal(kind):
        return pa.array([decimal.Decimal(5), decimal.Decimal(3), decimal.Decimal(4)], kind)
    if pa.types.is_date(kind):
        return pa.array([5, 3, 4], pa.int32()).cast(pa.date32()).cast(kind)
    if pa.types.is_timestamp(kind):
        return pa.array([5, 3, 4]).cast(kind)
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return pa.array([5, 3, 4]).cast(kind)
    if kind == pa.binary(1):
        return pa.array([b"5", b"3", b"4"], kind)
    return pa.array(["5", "3", "4"]).cast(kind)


KINDS = [
    *(pa.int8(), pa.uint64(), pa.float16(), pa.float64(), pa.decimal128(10, 2), pa.bool_()),
    *(pa.date32(), pa.date64(), pa.timestamp("us"), pa.timestamp("ns", "Europe/Berlin")),
    *(pa.string(), pa.large_string(), pa.binary_view(), pa.binary(1), pa.dictionary(pa.int8(), pa.string())),
]


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_columns_of_every_type_are_ordered_and_carried(kind):
    cells = cells_of(kind)
    ordered = pa.concat_arrays([cells, pa.nulls(1, kind)])
    rows = len(ordered)
    table = pa.table({"person": ["p"] * rows, "date": ordered, "x": ordered, "sex": ["f"] * rows})
    schema = schema_of({"last": 4, "order": "date", "columns": ["x"], "constant": ["sex"]}, ("sex",))
    row = reshaped(table, schema)[b"p"]
    largest = [row[f"x_{rank}"] for rank in range(1, rows + 1)]
    assert largest[-1] is None
    assert largest[:-1] == sorted(largest[:-1], reverse=True)
    assert len(set(largest)) == rows
    reader = ReshapedReader(Batched(table), schema, schema.reshape)
    schema.check_columns(reader.names, reader.types)


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_persons_are_named_by_any_type(kind):
    one = cells_of(kind)[:2]
    names = pa.concat_arrays([one, one[:1], pa.nulls(1, kind)])
    table = pa.table({"person": names, "x": [1, 2, 3, 4]})
    schema = schema_of({"aggregate": {"visits": "count"}}, ("visits",))
    assert sorted(row["visits"] for row in reshaped(table, schema).values()) == [1, 2]


def test_a_table_without_named_rows_has_no_persons():
    assert reshaped(csv_like([])) == {}
    assert reshaped(csv_like([(b"", b"", b"", b"", b"", b"")] * 5), batch=2) == {}
    assert reshaped(csv_like([(None, b"", b"", b"", b"", b"")] * 5), batch=2, held_bytes=1) == {}


def test_a_person_with_very_many_rows_is_one_row():
    rows = 100_000
    table = pa.table({"person": ["whale"] * rows + ["ant"], "date": np.arange(rows + 1), "x": np.arange(rows + 1)})
    schema = schema_of(
        {"first": 2, "order": "date", "columns": ["x"], "aggregate": {"visits": "count"}}, ("x_1", "visits")
    )
    found = reshaped(table, schema)
    assert {name: (row["x_1"], row["visits"]) for name, row in found.items()} == {
        b"whale": (0, rows),
        b"ant": (rows, 1),
    }


def test_disk_and_memory_make_the_same_rows(tmp_path, monkeypatch):
    draw = np.random.default_rng(3)
    rows = [
        (b"p%d" % draw.integers(40), b"2020-01-%02d" % draw.integers(1, 29), b"%d" % draw.integers(9), b"f",
         b"%.3f" % draw.random(), b"%d" % draw.integers(9))
        for _ in range(600)
    ]  # fmt: skip
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    expected = reshaped(csv_like(rows))
    assert len(expected) == 40
    assert reshaped(csv_like(rows), batch=37, held_bytes=1000) == expected
    assert list(tmp_path.iterdir()) == []


def test_storage_that_fails_is_one_constant_message(monkeypatch):
    def full(*_args, **_options):
        raise OSError("No space left on /secret/place")

    monkeypatch.setattr("tempfile.TemporaryFile", full)
    with pytest.raises(DpsynthError, match="temporary storage failed") as raised:
        reshaped(csv_like([(b"p", b"", b"", b"", b"", b"")]), held_bytes=1)
    assert "secret" not in str(raised.value)


def test_counts_of_neighbors_differ_by_one_in_one_cell():
    draw = np.random.default_rng(8)

    def row(person):
        month, x, sex, charge, stage = (draw.integers(most).item() for most in (12, 9, 2, 50, 9))
        return person, b"2020-%02d-01" % (month + 1), b"%d" % x, [b"f", b"m"][sex], b"%d" % charge, b"%d" % stage

    others = [row(b"p%d" % draw.integers(30)) for _ in range(200)]
    schema = schema_of()

    def counts(rows):
        reader = ReshapedReader(Batched(csv_like(rows)), schema, schema.reshape)
        source = BoundedSource(reader, schema, column="person", max_rows=1)
        return source.counts([(name,) for name in schema.domain] + [("x_1", "cost"), ("visits", "seen")])

    before, after = counts(others), counts([row(b"whale") for _ in range(500)] + others)
    for less, more in zip(before, after, strict=True):
        assert sorted(Counter((more - less).ravel().tolist())) == [0, 1]
        assert (more - less).sum() == 1


def test_a_table_that_cannot_be_reshaped_is_refused_before_a_row_is_read():
    good = csv_like([(b"p", b"", b"", b"", b"", b"")])
    nested = pa.array([[1]])
    cases = [
        (good.drop_columns("person"), "no column 'person'"),
        (good.drop_columns("date"), "no column 'date'"),
        (good.drop_columns("stage"), "no column 'stage'"),
        (good.set_column(0, "person", nested), "cannot name a person"),
        (good.set_column(1, "date", nested), "cannot be reshaped"),
        (good.set_column(4, "charge", pa.array([dt.date(2020, 1, 1)])), "has no sum"),
    ]
    schema = schema_of()
    for table, said in cases:
        with pytest.raises(DataMismatchError, match=said):
            ReshapedReader(open_table(table), schema, schema.reshape)


COUNT = {"aggregate": {"visits": "count"}}


@pytest.mark.parametrize(
    ("reshape", "names", "said"),
    [
        ({"first": 0, "order": "date", "columns": ["x"]}, ("x_1",), "whole number from 1"),
        ({"first": True, "order": "date", "columns": ["x"]}, ("x_1",), "whole number from 1"),
        ({"first": 10**9, "order": "date", "columns": ["x"]}, ("x_1",), "whole number from 1"),
        ({"first": 2, "last": 2, "order": "date", "columns": ["x"]}, ("x_1",), "exclude each other"),
        ({"first": 2, "columns": ["x"]}, ("x_1",), "need an order"),
        ({"first": 2, "order": "date"}, ("x_1",), "go together"),
        ({"columns": ["x"], "order": "date"}, ("x_1",), "go together"),
        ({"first": 2, "order": "date", "columns": "x"}, ("x_1",), "list of column names"),
        ({"first": 2, "order": "date", "columns": ["x", "x"]}, ("x_1",), "each once"),
        ({"first": 2, "order": 7, "columns": ["x"]}, ("x_1",), "name of a column"),
        ({"first": 2, "order": {"column": "date", "format": "%Q"}, "columns": ["x"]}, ("x_1",), "not supported"),
        ({"first": 2, "order": {"colum": "date"}, "columns": ["x"]}, ("x_1",), "unknown key 'colum'"),
        ({**COUNT, "order": "date"}, ("visits",), "nothing that is made depends"),
        ({**COUNT, "constant": ["visits"]}, ("visits",), "two columns named 'visits'"),
        ({**COUNT, "constant": ["person"]}, ("visits",), "two columns named 'person'"),
        ({"frist": 2}, ("visits",), "unknown key 'frist'"),
        ({}, ("visits",), "makes no column"),
        ({"aggregate": {}}, ("visits",), "map of new columns"),
        ({"aggregate": {7: "count"}}, ("visits",), "map of new columns"),
        ({"aggregate": ["visits"]}, ("visits",), "map of new columns"),
        ({"aggregate": {"visits": "median"}}, ("visits",), "unknown aggregate"),
        ({"aggregate": {"visits": ["count"]}}, ("visits",), "unknown aggregate"),
        ({"aggregate": {"visits": {"count": "x"}}}, ("visits",), "takes no column"),
        ({"aggregate": {"cost": "sum"}}, ("cost",), "needs a column"),
        ({"aggregate": {"cost": {"sum": 3}}}, ("cost",), "needs a column"),
        ({"aggregate": {"sex": {"max": "sex"}}}, ("sex",), "a max is of type integer"),
        ({"aggregate": {"sex": "count"}}, ("sex",), "a count is of type"),
        ({"aggregate": {"worst": {"mean": "stage"}}}, ("worst",), "a mean is of type number"),
        ({"aggregate": {"seen": {"sum": "date"}}}, ("seen",), "a sum is of type"),
        (COUNT, ("visits", "sex"), "no column of the reshaped table is named 'sex'"),
    ],
)  # fmt: skip
def test_a_reshape_that_is_wrong_is_refused_with_its_place(reshape, names, said):
    with pytest.raises(SchemaError, match=said) as raised:
        schema_of(reshape, names)
    assert "reshape" in raised.value.where


@pytest.mark.parametrize("unit", ["row", {"column": "person", "max_rows": 4}])
def test_a_reshape_needs_the_unit_that_it_makes(unit):
    with pytest.raises(SchemaError, match="the unit is that one row"):
        schema_of(COUNT, ("visits",), unit)


def test_a_reshape_survives_its_text_and_an_open_question_is_listed():
    schema = schema_of()
    assert Schema.loads(schema.dump()) == schema
    assert Schema.loads(schema.dump()).reshape == schema.reshape
    asked = schema_of({**RESHAPE, "order": "TODO"})
    assert asked.todo == ("dpsynth.reshape.order",)
    with pytest.raises(SchemaError, match=r"dpsynth\.reshape\.order"):
        asked.require_fit()
