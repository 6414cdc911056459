"""Cells of every kind → the codes that the schema promises."""

from __future__ import annotations

import datetime as dt
import decimal

import numpy as np
import pyarrow as pa
import pytest

from dpsynth.schema import Schema


def schema(*fields: str, missing: str = "") -> Schema:
    lines = "\n".join(f"- {{{field}}}" for field in fields)
    return Schema.loads(f"dpsynth: {{version: 1, name: t}}\nmissingValues: [{missing}]\nfields:\n{lines}\n")


def codes(field: str, cells: list[object], kind: pa.DataType | None = None, missing: str = "") -> list[int]:
    (one,) = schema(field, missing=missing).modeled
    column = pa.array(cells, kind) if kind is not None else pa.array(cells)
    return one.ready.encode(column).tolist()


def labels(field: str) -> tuple[str, ...]:
    (one,) = schema(field).modeled
    return one.ready.labels


AGE = "name: a, type: integer, constraints: {minimum: 17, maximum: 90}, dpsynth: {source: public}"
X = "name: a, type: number, constraints: {minimum: 0, maximum: 4}, dpsynth: {source: public, bins: {width: 1}}"
SEX = "name: a, type: string, constraints: {enum: [F, M]}, dpsynth: {source: public}"
DAY = (
    "name: a, type: date, constraints: {minimum: '2020-01-01', maximum: '2020-12-31'}, "
    "dpsynth: {source: public, bins: month}"
)


def test_integers_of_text() -> None:
    cells = [b"17", b" 18\t", b"+19", b"020", b"21.0", b"2.2e1", b"16", b"91", b"-5", b"9" * 40, b"-" + b"9" * 40]
    assert codes(AGE, cells, pa.binary()) == [0, 1, 2, 3, 4, 5, 0, 73, 0, 73, 0]


def test_what_is_no_integer_is_null() -> None:
    cells = [
        b"17.5",
        b"abc",
        b"",
        b" ",
        b"1 8",
        b"0x12",
        b"1_8",
        b"18,0",
        b"nan",
        b"\xff\xfe",
        b"18\x00",
        None,
        b"--18",
    ]
    assert codes(AGE, cells, pa.binary()) == [74] * len(cells)


def test_extreme_numbers_of_text() -> None:
    cells = [
        b"1e999",
        b"-1e999",
        b"inf",
        b"-Infinity",
        b"1e-999",
        b"0e99999999999",
        b"0." + b"0" * 400 + b"1",
        b"3." + b"1" * 400,
    ]
    assert codes(X, cells, pa.binary()) == [3, 0, 3, 0, 0, 0, 0, 3]
    assert codes(X, [b"1" * 400, b"-" + b"1" * 400, b"1e" + b"9" * 400], pa.binary()) == [3, 0, 3]


def test_floats() -> None:
    cells = [-0.0, 0.0, 0.999, 1.0, 4.0, 4.1, float("nan"), None, float("inf"), float("-inf"), 5e-324]
    assert codes(X, cells, pa.float64()) == [0, 0, 0, 1, 3, 3, 4, 4, 3, 0, 0]
    assert codes(AGE, [17.0, 18.5, 1e300, float("nan")], pa.float64()) == [0, 74, 73, 74]
    assert codes(X, [np.float16(1.5), None], pa.float16()) == [1, 4]


def test_other_numeric_types() -> None:
    assert codes(AGE, [2**64 - 1, 18, None], pa.uint64()) == [73, 1, 74]
    assert codes(AGE, [-128, 18], pa.int8()) == [0, 1]
    assert codes(AGE, [decimal.Decimal("18.00"), None], pa.decimal128(6, 2)) == [1, 74]
    assert codes(X, [decimal.Decimal("1.25")], pa.decimal256(40, 2)) == [1]
    assert codes(
        "name: a, type: integer, constraints: {enum: [1, 0]}, dpsynth: {source: public}", [True, False, None]
    ) == [0, 1, 2]


def test_types_that_no_field_reads_are_null() -> None:
    for kind in (pa.list_(pa.int64()), pa.time32("s"), pa.duration("s"), pa.null()):
        for field in (AGE, X, SEX, DAY):
            (one,) = schema(field).modeled
            assert one.ready.encode(pa.nulls(3, kind)).tolist() == [one.ready.size - 1] * 3
    assert codes(AGE, [dt.date(2020, 1, 1)]) == [74]


def test_out_of_domain_falls_where_the_schema_says() -> None:
    assert codes(SEX, [b"F", b" M ", b"X", b"f", b"", None, b"F\x00", b"\xff"], pa.binary()) == [0, 1, 2, 2, 2, 2, 2, 2]
    other = SEX.replace("source: public", "source: public, overflow: other")
    assert labels(other) == ("F", "M", "other", "null")
    assert codes(other, ["F", "X", "other", "", None]) == [0, 2, 2, 3, 3]
    listed = SEX.replace("[F, M]", "[other, F]").replace("source: public", "source: public, overflow: other")
    assert labels(listed) == ("other", "F", "null")
    assert codes(listed, ["X", "F"]) == [0, 1]
    strict = AGE.replace("source: public", "source: public, overflow: 'null'")
    assert codes(strict, [16, 17, 90, 91]) == [74, 0, 73, 74]
    filled = AGE.replace("source: public", "source: public, null: 40")
    assert codes(filled, [None, 17, 91]) == [23, 0, 73]
    assert len(labels(filled)) == 74


def test_missing_values_are_null_in_every_type() -> None:
    assert codes(SEX, ["?", "F", " ? "], missing='"?"') == [2, 0, 2]
    assert codes(AGE, [b"-9", b"20", b"-9.0"], pa.binary(), missing='"-9"') == [74, 3, 74]
    assert codes(AGE, [-9, 20, 16], missing='"-9"') == [74, 3, 0]
    assert codes(X, [2.5, 1.5], missing='"2.5"') == [4, 1]
    assert codes(DAY, [dt.date(9999, 12, 31), dt.date(9999, 12, 30)], missing='"9999-12-31"') == [12, 11]
    assert codes("name: a, type: boolean, dpsynth: {source: public}", ["0", "1"], missing='"0"') == [2, 1]


def test_booleans() -> None:
    field = "name: a, type: boolean, dpsynth: {source: public}"
    assert codes(field, ["true", "FALSE", "1", "0", "yes", None]) == [1, 0, 1, 0, 2, 2]
    assert codes(field, [True, False, None]) == [1, 0, 2]
    assert codes(field, [1, 0, 2, None], pa.int8()) == [1, 0, 2, 2]
    assert codes(field, [1.0, 0.0, 0.5, float("nan")]) == [1, 0, 2, 2]
    named = "name: a, type: boolean, trueValues: [Y], falseValues: [N], dpsynth: {source: public, null: true}"
    assert codes(named, ["Y", "N", "1", "true", None]) == [1, 0, 1, 1, 1]


def test_strings_held_as_other_types() -> None:
    field = "name: a, type: string, constraints: {enum: ['1', '2']}, dpsynth: {source: public}"
    assert codes(field, [1, 2, 3, None]) == [0, 1, 2, 2]
    assert codes(field, [1.0, 2.0, 1.5, float("nan")]) == [0, 1, 2, 2]


def test_dictionaries_may_hold_nulls_and_repetitions() -> None:
    values = pa.array(["F", None, "F", "M"])
    column = pa.DictionaryArray.from_arrays(pa.array([0, 1, 2, 3, None], pa.int8()), values)
    (one,) = schema(SEX).modeled
    assert one.ready.encode(column).tolist() == [0, 2, 0, 1, 2]
    numbers = pa.DictionaryArray.from_arrays(pa.array([1, 0, None], pa.uint8()), pa.array([18, 99]))
    (age,) = schema(AGE).modeled
    assert age.ready.encode(numbers).tolist() == [73, 1, 74]


def test_exotic_layouts() -> None:
    (age,) = schema(AGE).modeled
    runs = pa.RunEndEncodedArray.from_arrays(pa.array([2, 3], pa.int32()), pa.array([18, 20]))
    assert age.ready.encode(runs).tolist() == [1, 1, 3]
    assert age.ready.encode(pa.chunked_array([], pa.int64())).tolist() == []
    assert age.ready.encode(pa.array([], pa.binary())).tolist() == []
    assert age.ready.encode(pa.array([b"18"], pa.binary(2))).tolist() == [1]
    uuid = pa.ExtensionArray.from_storage(pa.opaque(pa.int64(), "a", "b"), pa.array([18]))
    assert age.ready.encode(uuid).tolist() == [1]


def test_bins_of_whole_numbers() -> None:
    base = (
        "name: a, type: integer, constraints: {minimum: 0, maximum: 11}, dpsynth: {source: public, null: 0, bins: %s}"
    )
    assert labels(base % "{width: 5}") == ("0..4", "5..9", "10..11")
    assert labels(base % "{count: 5}") == ("0..1", "2..3", "4..6", "7..8", "9..11")
    assert labels(base % "{log: 3}") == ("0", "1", "2..4", "5..11")
    assert labels(base % "{edges: [0, 1, 11]}") == ("0", "1..11")
    assert labels(base % "{edges: [0, 1, 11, 11]}") == ("0", "1..10", "11")
    assert codes(base % "{edges: [0, 1, 11, 11]}", [0, 1, 10, 11, 12]) == [0, 1, 1, 2, 2]


def test_wide_ranges_are_located_without_a_table() -> None:
    field = "name: a, type: integer, constraints: {minimum: -1000000000000, maximum: 1000000000000}, "
    field += "dpsynth: {source: public, bins: {count: 4}}"
    assert codes(field, [-(10**12), -(5 * 10**11), -1, 0, 10**12, 2**63 - 1]) == [0, 1, 1, 2, 3, 3]


def test_bins_of_numbers() -> None:
    base = "name: a, type: number, constraints: {minimum: 1, maximum: 2}, dpsynth: {source: public, bins: %s, null: 1}"
    assert labels(base % "{width: 0.3}") == ("[1.0, 1.3)", "[1.3, 1.6)", "[1.6, 1.9)", "[1.9, 2.0]")
    assert labels(base % "{count: 2}") == ("[1.0, 1.5)", "[1.5, 2.0]")
    assert labels(base % "{log: 2}") == ("[1.0, 1.41421)", "[1.41421, 2.0]")
    assert codes(base % "{width: 0.1}", [1.1, 1.2, 1.3, 1.7, 1.9]) == [1, 2, 3, 7, 9]
    assert codes(base % "{width: 0.1}", ["1.1", "1.2", "1.3", "1.7", "1.9"]) == [1, 2, 3, 7, 9]


def test_listed_numbers_keep_their_order() -> None:
    field = "name: a, type: number, constraints: {enum: [2.5, -1, 0]}, dpsynth: {source: public, null: 0}"
    assert labels(field) == ("2.5", "-1.0", "0.0")
    assert codes(field, ["2.50", "-1", "-0", "9", None]) == [0, 1, 2, 2, 2]
    (one,) = schema(field).modeled
    assert one.ready.decode(np.array([2, 0]), np.random.default_rng(0)).to_pylist() == [0.0, 2.5]


def test_decoding_never_yields_null_without_the_category() -> None:
    for field in (AGE, X, SEX, DAY):
        filled = {"AGE": "17", "X": "0", "SEX": "F", "DAY": "'2020-01-01'"}
        value = next(text for name, text in filled.items() if globals()[name] == field)
        (one,) = schema(field.replace("source: public", f"source: public, null: {value}")).modeled
        codes_ = np.arange(one.ready.size).repeat(50)
        assert one.ready.decode(codes_, np.random.default_rng(1)).null_count == 0
        assert not one.nullable


@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.int64])
def test_decoding_takes_codes_of_any_integer_type(kind: type[np.integer]) -> None:
    (one,) = schema(SEX).modeled
    assert one.ready.decode(np.array([1, 0, 2], dtype=kind), np.random.default_rng(0)).to_pylist() == ["M", "F", None]


def test_no_mark_of_missing_values_is_ever_drawn() -> None:
    schema = Schema.loads("""
dpsynth: {version: 1, name: t}
missingValues: ["-1", "1999-12-31"]
fields:
- {name: pay, type: integer, constraints: {minimum: -2, maximum: 1}, dpsynth: {source: public, bins: {count: 1}}}
- name: day
  type: date
  format: "%Y-%m-%d"
  constraints: {minimum: 1999-12-01, maximum: 1999-12-31}
  dpsynth: {source: public, bins: month}
""")
    rng = np.random.default_rng(0)
    for name, values in (("pay", 3), ("day", 30)):
        codec = schema.codec(name)
        drawn = codec.decode(np.zeros(5000, dtype=np.uint8), rng)
        assert len(set(drawn.to_pylist())) == values, "every other value of the bin"
        assert not codec.encode(drawn).any()
