"""Fields that follow from others: what loads, what is refused, what they read and become."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from dpsynth.errors import DataMismatchError, FileFormatError, SchemaError, UsageError
from dpsynth.schema import Schema, parse_where

DAYS = '{name: a, type: date, constraints: {minimum: "2020", maximum: "2021"}, dpsynth: {source: public, bins: year}}'
CODE = "{name: c, type: string, constraints: {enum: [A00, A01, B10]}, dpsynth: {source: public, overflow: other}}"
ONE = "{name: p, type: integer, constraints: {minimum: 0, maximum: 9}, dpsynth: {source: public}}"
TWO = '{name: q, type: integer, constraints: {minimum: 5, maximum: 6}, dpsynth: {source: public, "null": 5}}'
REAL = "{name: r, type: number, constraints: {minimum: 0, maximum: 1}, dpsynth: {source: public, bins: {count: 2}}}"
BIG = "{name: big, type: integer, constraints: {enum: [1, 9007199254740993]}, dpsynth: {source: public}}"
WIDE = BIG.replace("name: big", "name: wide").replace("9007199254740993", "900000")
SOME = [DAYS, CODE, ONE, TWO, REAL]


def schema(*fields: str, table: str = "") -> Schema:
    lines = "".join(f"- {field}\n" for field in fields)
    return Schema.loads(f"dpsynth: {{version: 1, name: t}}\n{table}fields:\n{lines}")


def derived(rule: str, kind: str = "date", more: str = "", own: str = "") -> str:
    return f"{{name: z, type: {kind}, {more}dpsynth: {{source: public, {own}derived: {{{rule}}}}}}}"


def restored(loaded: Schema, **columns: list[object]) -> dict[str, list[object]]:
    codecs = {one.name: one.codec for one in loaded.attributes}
    arrays = {name: pa.array(values, codecs[name].arrow_type) for name, values in columns.items()}
    made = loaded.restored(arrays, np.random.default_rng(0))
    return {name: column.to_pylist() for name, column in made.items()}


def encoded(schema: Schema, name: str, rows: pa.RecordBatch) -> np.ndarray:
    return schema.encode([name], rows)[name]


# --- the lag --------------------------------------------------------------------------------------------------


def test_a_lag_is_modeled_as_its_length() -> None:
    loaded = schema(DAYS, derived("after: a, bins: {edges: [0, 1, 7, 30]}"))
    assert loaded.domain.attributes == ("a", "z - a")
    assert loaded.codec("z - a").labels == ("0", "1..6", "7..30", "no a", "null")
    assert loaded.columns(["z - a"]) == ("a", "z")
    assert loaded.arrow_schema.names == ["a", "z"]
    with pytest.raises(UsageError, match="derived"):
        loaded.codec("z")


def test_a_length_is_read_from_both_cells_of_the_row() -> None:
    loaded = schema(DAYS, derived("after: a, maximum: 30, bins: {edges: [0, 1, 7, 30]}"))
    pairs = [
        ("2020-01-01", "2020-01-01", "0"),
        ("2020-01-01", "2020-01-03", "1..6"),
        ("2020-12-31", "2021-01-30", "7..30"),
        ("2020-01-02", "2020-01-01", "0"),  # before: counts as the nearest length
        ("2020-01-01", "2024-01-01", "7..30"),
        (None, "2020-01-01", "no a"),
        ("soon", "2020-01-01", "no a"),
        ("2020-01-01", None, "null"),
        (None, "never", "null"),
    ]
    first, second, labels = zip(*pairs, strict=True)
    codes = encoded(loaded, "z - a", pa.record_batch({"a": list(first), "z": list(second)}))
    assert [loaded.codec("z - a").labels[code] for code in codes] == list(labels)


def test_a_length_outside_its_bounds_may_be_null() -> None:
    loaded = schema(ONE, derived("after: p, maximum: 4", "integer", own='overflow: "null", '))
    codes = encoded(loaded, "z - p", pa.record_batch({"p": [5, 5, 5], "z": [4, 9, 10]}))
    assert [loaded.codec("z - p").labels[code] for code in codes] == ["null", "4", "null"]


def test_a_missing_end_may_count_as_a_length() -> None:
    loaded = schema(
        TWO, derived("after: q, maximum: 4", "integer", own='"null": 2, ', more="constraints: {required: true}, ")
    )
    assert loaded.codec("z - q").labels == ("0", "1", "2", "3", "4")
    # q counts as 5 where it is missing, so nobody is without it
    assert encoded(loaded, "z - q", pa.record_batch({"q": [6, None, 6], "z": [7, 8, None]})).tolist() == [1, 3, 2]
    assert not loaded.arrow_schema.field("z").nullable


def test_a_lag_is_restored_exactly_and_its_nulls_are_its_own() -> None:
    loaded = schema(ONE, derived("after: p, maximum: 40", "integer"))
    rows = restored(loaded, p=[3, 4, None, None], **{"z - p": [0, None, 40, None]})
    assert rows["z"][:2] == [3, None]
    assert rows["z"][2] in (43, 44)  # the source of another row
    assert rows["z"][3] is None


def test_rows_without_the_earlier_date_borrow_a_length() -> None:
    codec = schema(ONE, derived("after: p, maximum: 40", "integer")).codec("z - p")
    alone = codec.labels.index("no p")
    drawn = codec.decode(np.array([5, alone, 7, alone]), np.random.default_rng(1)).to_pylist()
    assert set(drawn) == {5, 7}
    assert codec.decode(np.array([alone]), np.random.default_rng(1)).to_pylist() == [0]


def test_moments_keep_the_decimals_of_the_field_and_cross_zones() -> None:
    at = (
        '{name: a, type: datetime, constraints: {minimum: "2020", maximum: "2020"},'
        " dpsynth: {source: public, bins: month, zone: Europe/Paris}}"
    )
    end = derived("after: a, maximum: 10, bins: {count: 100}", "datetime", own="zone: America/Lima, decimals: 1, ")
    loaded = schema(at, end)
    codes = encoded(loaded, "z - a", pa.record_batch({"a": ["2020-07-01T12:00:00"], "z": ["2020-07-01T05:00:02.5"]}))
    assert loaded.codec("z - a").labels[codes[0]] == "[2.5, 2.6)"
    made = restored(loaded, a=[datetime(2020, 7, 1, 10, tzinfo=UTC)], **{"z - a": [2.5]})
    assert made["z"] == [datetime(2020, 7, 1, 10, 0, 2, 500_000, tzinfo=UTC)]


def test_lags_chain() -> None:
    last = "{name: y, type: date, dpsynth: {source: public, derived: {after: z, maximum: 5}}}"
    loaded = schema(last, derived("after: a, maximum: 3"), DAYS)
    assert loaded.domain.attributes == ("y - z", "z - a", "a")
    assert loaded.arrow_schema.names == ["y", "z", "a"]
    days = [np.datetime64("2020-05-01").astype(object)]
    rows = restored(loaded, a=days, **{"z - a": [2], "y - z": [5]})
    assert [str(rows[name][0]) for name in ("a", "z", "y")] == ["2020-05-01", "2020-05-03", "2020-05-08"]


# --- sums and coarse codes ------------------------------------------------------------------------------------


def test_a_sum_is_not_modeled_and_needs_no_column() -> None:
    loaded = schema(ONE, TWO, derived("sum: [p, q]", "integer"))
    assert loaded.domain.attributes == ("p", "q")
    loaded.check_columns(["p", "q"], {})
    assert restored(loaded, p=[1, None, 9], q=[5, 6, 6])["z"] == [6, None, 15]


def test_a_sum_with_decimals_is_rounded_to_them() -> None:
    parts = [REAL.replace("name: r", f"name: {name}").replace("count: 2}", "count: 2}, decimals: 1") for name in "rs"]
    loaded = schema(*parts, derived("sum: [r, s]", "number", own="decimals: 1, "))
    assert restored(loaded, r=[0.1], s=[0.2])["z"] == [0.3]


def test_a_sum_of_lags_with_decimals_has_decimals() -> None:
    low = REAL.replace("name: r", "name: low").replace("count: 2}", "count: 2}, decimals: 2")
    high = derived("after: low, maximum: 3, bins: {count: 3}", "number", own="decimals: 2, ").replace("z", "high")
    loaded = schema(low, high, derived("sum: [low, high]", "number", own="decimals: 2, "))
    rows = restored(loaded, low=[0.1, 0.29, 0.57], **{"high - low": [0.2, 0.0, 2.43]})
    assert rows["high"] == [0.3, 0.29, 3.0]
    assert rows["z"] == [0.4, 0.58, 3.57]


@pytest.mark.parametrize(
    ("rule", "kind", "values"),
    [
        ("from: c, prefix: 1", "string", ["A", "A", "B", "other", None]),
        ("from: c, values: {A00: x, A01: y, B10: x, other: x}", "string", ["x", "y", "x", "x", None]),
        ("from: c, values: {A00: 1, A01: 1, B10: 2, other: 0}", "integer", [1, 1, 2, 0, None]),
        (
            "from: c, values: {A00: true, A01: true, B10: false, other: true}",
            "boolean",
            [True, True, False, True, None],
        ),
    ],
)
def test_a_coarse_code_follows_from_the_fine_one(rule: str, kind: str, values: list[object]) -> None:
    loaded = schema(CODE, derived(f"map: {{{rule}}}", kind))
    assert loaded.domain.attributes == ("c",)
    assert restored(loaded, c=["A00", "A01", "B10", "other", None])["z"] == values


def test_a_map_of_numbers_names_them_as_text() -> None:
    codes = "{name: c, type: integer, constraints: {enum: [10, 20]}, dpsynth: {source: public}}"
    loaded = schema(codes, derived("map: {from: c, values: {10: ten, 20: twenty}}", "string"))
    assert restored(loaded, c=[20, None, 10])["z"] == ["twenty", None, "ten"]


def test_a_condition_on_a_coarse_code_is_one_on_the_fine_code() -> None:
    loaded = schema(CODE, derived("map: {from: c, prefix: 1}", "string"))
    assert loaded.condition(parse_where("z=A")).texts == ("A00", "A01")
    assert loaded.condition(parse_where("z in B,null")).texts == ("B10", "null")
    assert loaded.condition(parse_where("c=A00")) == parse_where("c=A00")
    with pytest.raises(UsageError, match="domain"):
        loaded.condition(parse_where("z=C"))


# --- files and documents --------------------------------------------------------------------------------------


def test_a_file_of_a_map_becomes_part_of_the_schema(tmp_path: Path) -> None:
    text = (
        f"dpsynth: {{version: 1, name: t}}\nfields:\n- {CODE}\n- {derived('map: {from: c, file: m.csv}', 'string')}\n"
    )
    (tmp_path / "s.yaml").write_text(text)
    (tmp_path / "m.csv").write_text("fine,coarse\r\nA00,x\nA01,y\n\nB10,x\nother,z\nC99,x\n")
    loaded = Schema.load(tmp_path / "s.yaml")
    assert restored(loaded, c=["A01", "other"])["z"] == ["y", "z"]
    assert Schema.from_dict(loaded.to_dict()) == loaded
    assert Schema.loads(loaded.dump()).digest == loaded.digest
    (tmp_path / "m.csv").write_text("fine,coarse\nA00,x\nA01,x\nB10,x\nother,z\n")
    assert Schema.load(tmp_path / "s.yaml").digest != loaded.digest
    with pytest.raises(SchemaError, match="beside a schema file"):
        Schema.loads(text)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"fine,coarse\nA00\n", "two cells"),
        (b"", "two cells"),
        (b"fine,coarse\n", "two cells"),
        (b"fine,coarse\nA00,x\nA00,y\n", "twice"),
        (b"fine,coarse\n\xff,x\n", "UTF-8"),
        (b'fine,coarse\n"A00,x\n', "CSV"),
        (b"fine,coarse\nA00,x\n", "no value for 3"),
        (None, "cannot be read"),
    ],
)
def test_a_bad_file_of_a_map_is_said(tmp_path: Path, content: bytes | None, said: str) -> None:
    text = (
        f"dpsynth: {{version: 1, name: t}}\nfields:\n- {CODE}\n- {derived('map: {from: c, file: m.csv}', 'string')}\n"
    )
    (tmp_path / "s.yaml").write_text(text)
    if content is not None:
        (tmp_path / "m.csv").write_bytes(content)
    with pytest.raises((FileFormatError, SchemaError), match=said):
        Schema.load(tmp_path / "s.yaml")


@pytest.mark.parametrize("name", ["/etc/hostname", "../m.csv", "sub/../../m.csv"])
def test_a_file_of_a_map_stands_beside_the_schema(tmp_path: Path, name: str) -> None:
    rule = derived(f"map: {{from: c, file: {name}}}", "string")
    (tmp_path / "s.yaml").write_text(f"dpsynth: {{version: 1, name: t}}\nfields:\n- {CODE}\n- {rule}\n")
    with pytest.raises(FileFormatError, match="beside the schema"):
        Schema.load(tmp_path / "s.yaml")


def test_a_document_comes_back_with_the_codes_of_its_maps() -> None:
    loaded = schema(CODE, derived("map: {from: c, values: {other: x, B10: x, A01: y, A00: x}}", "string"))
    assert Schema.from_dict(loaded.to_dict()) == loaded
    assert list(loaded.to_dict()["fields"][1]["dpsynth"]["derived"]["map"]["values"]) == ["other", "B10", "A01", "A00"]


def test_a_field_waits_for_the_one_it_derives_from() -> None:
    loaded = schema(DAYS.replace('"2021"', "TODO"), derived("after: a, maximum: 3"))
    assert [text for text in loaded.problems() if "'a'" in text or "'z'" in text] == [
        "fill in maximum of field 'a' (TODO).",
        "fill in the fields that it derives from of field 'z' (TODO).",
    ]


def test_a_lag_needs_both_columns() -> None:
    with pytest.raises(DataMismatchError, match="'z'"):
        schema(DAYS, derived("after: a, maximum: 3")).check_columns(["a"], {})


# --- what is refused ------------------------------------------------------------------------------------------

WRONG = {
    "after no field": (derived("after: b, maximum: 3"), "no field 'b'"),
    "after itself": (derived("after: z, maximum: 3"), "circle"),
    "after a string": (derived("after: c, maximum: 3"), "cannot come after"),
    "a number after a date": (derived("after: a, maximum: 3", "integer"), "cannot come after"),
    "no maximum": (derived("after: a"), "maximum: is missing"),
    "negative": (derived("after: a, minimum: -1, maximum: 3"), "at least 0"),
    "empty range": (derived("after: a, minimum: 4, maximum: 3"), "above the maximum"),
    "half a day": (derived("after: a, maximum: 3.5"), "whole number"),
    "too long without bins": (derived("after: a, maximum: 3000"), "no bins"),
    "beyond the calendar": (derived("after: a, maximum: 9000000, bins: {count: 3}"), "9999"),
    "own bins": (derived("after: a, maximum: 3", own="bins: year, "), "bins: does not apply"),
    "own enum": (derived("sum: [p, q]", "integer", "constraints: {enum: [1]}, "), "enum: does not apply"),
    "keep": (derived("after: a, maximum: 3", own="keep: [weekday], "), "keep: does not apply"),
    "never fits": (derived("after: a, maximum: 3", more='constraints: {minimum: "2022-02"}, '), "never fit"),
    "can exceed": (derived("after: a, maximum: 3", more='constraints: {maximum: "2021"}, '), "can exceed"),
    "sum cannot reach": (derived("sum: [p, q]", "integer", "constraints: {minimum: 16}, "), "never fit"),
    "sum can exceed": (derived("sum: [p, q]", "integer", "constraints: {maximum: 14}, "), "can exceed"),
    "sum of a date": (derived("sum: [p, a]", "integer"), "no place in a sum"),
    "sum of reals as integer": (derived("sum: [p, r]", "integer"), "no place in a sum"),
    "date as sum": (derived("sum: [p, q]"), "is no sum"),
    "sum twice": (derived("sum: [p, p]", "integer"), "twice"),
    "sum of one": (derived("sum: [p]", "integer"), "sum"),
    "finer parts": (derived("sum: [p, r]", "number", own="decimals: 1, "), "have more"),
    "sum of what is missing": (derived("sum: [p, q]", "integer", "constraints: {required: true}, "), "may be null"),
    "null of a sum": (derived("sum: [p, q]", "integer", own='"null": 3, '), "null: does not apply"),
    "large whole numbers": (derived("sum: [p, big]", "number"), "no exact numbers"),
    "decimals of large numbers": (derived("sum: [p, q]", "number", own="decimals: 16, "), "at most 12"),
    "decimals beyond floats": (
        derived("after: wide, maximum: 1", "number", own="decimals: 12, "),
        "finer than floating",
    ),
    "two rules": (derived("after: a, maximum: 3, sum: [p, q]"), "exactly one"),
    "no rule": (derived("maximum: 3"), "exactly one"),
    "bounds of a sum": (derived("sum: [p, q], maximum: 3", "integer"), "belong to after"),
    "map with a gap": (
        derived("map: {from: c, values: {A00: x, A01: x, B10: x}}", "string"),
        "no value for 1 .*'other'",
    ),
    "map of numbers": (derived("map: {from: p, prefix: 1}", "string"), "list of values"),
    "map beside its enum": (derived("map: {from: c, prefix: 1}", "string", "constraints: {enum: [A]}, "), "enum"),
    "map of wrong type": (derived("map: {from: c, prefix: 1}", "integer"), "gives text"),
    "mixed map": (derived("map: {from: c, values: {A00: 1, A01: x, B10: 1, other: 1}}", "integer"), "not of type"),
    "two maps": (derived("map: {from: c, prefix: 1, values: {}}", "string"), "exactly one of"),
    "unknown key": (derived("befor: a, maximum: 3"), "unknown key 'befor'"),
    "a direct-id": ("{name: z, type: date, dpsynth: {role: direct-id, derived: {after: a, maximum: 3}}}", "direct-id"),
    "no source": ("{name: z, type: date, dpsynth: {derived: {after: a, maximum: 3}}}", "source: is missing"),
    "a name that is taken": ('{name: "a (weekday)", type: boolean, dpsynth: {source: public}}', "is needed"),
    "a part twice": (
        DAYS.replace("name: a", "name: z").replace("bins: year", "bins: year, keep: [month, season]"),
        "twice",
    ),
    "hour of a date": (DAYS.replace("name: a", "name: z").replace("bins: year", "bins: year, keep: [hour]"), "no hour"),
    "weekday of a number": (ONE.replace("name: p", "name: z").replace("public}", "public, keep: [month]}"), "keep"),
}


@pytest.mark.parametrize("case", WRONG)
def test_contradictions_are_refused(case: str) -> None:
    field, said = WRONG[case]
    days = DAYS.replace("bins: year", "bins: year, keep: [weekday]") if "taken" in case else DAYS
    with pytest.raises(SchemaError, match=said):
        schema(days, *SOME[1:], BIG, WIDE, field)


def test_a_direct_id_is_no_source() -> None:
    with pytest.raises(SchemaError, match="never enters a model"):
        schema("{name: a, type: date, dpsynth: {role: direct-id}}", derived("after: a, maximum: 3"))


def test_a_mark_of_missing_values_within_reach_is_refused() -> None:
    with pytest.raises(SchemaError, match="missingValues"):
        schema(ONE, TWO, derived("sum: [p, q]", "integer"), table='missingValues: ["", "12"]\n')


def test_circles_are_refused() -> None:
    with pytest.raises(SchemaError, match=r"circle: ('y', 'z'|'z', 'y')"):
        schema(derived("after: y, maximum: 3"), derived("after: z, maximum: 3").replace("name: z", "name: y"))
