"""Masks and fixed levels that a fit applies itself: each cell alone, whatever it holds, before it is encoded.

Held against docs/proofs/masking.md.
"""

from __future__ import annotations

import datetime as dt
import decimal
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import yaml
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

import dpsynth
from dpsynth.cli.main import APPLICATION
from dpsynth.errors import DataMismatchError, SchemaError
from dpsynth.ledger import Ledger
from dpsynth.pipeline import fit as journey
from dpsynth.pipeline.ingest import described
from dpsynth.schema import Schema
from dpsynth.tables import open_table

ENUM = {"constraints": {"enum": ["a", "b"]}}
RANGE = {"constraints": {"minimum": 0, "maximum": 100}}
PATHS = [["20", "20s", "*"], ["21", "20s", "*"], ["30", "30s", "*"]]

# By name: the type of the field, its domain, and what the dpsynth block says of masks.
TEXT_MASKS = {
    "constant": {"mask": {"constant": "x"}},
    "redact": {"mask": {"redact": {"first": 1, "last": 2}}},
    "ages": {"mask": "ages"},
    "zip3": {"mask": "zip3"},
    "top of text": {"mask": {"top": 90, "bottom": -1.5}},
    "round of text": {"mask": {"round": {"to": 0.25}}},
    "paths": {"hierarchy": {"paths": PATHS}, "level": 1},
    "leaves": {"hierarchy": {"paths": PATHS}, "level": 0},
    "shown as *": {"hierarchy": {"paths": PATHS, "uncovered": "top"}, "level": 1},
    "intervals": {"hierarchy": {"intervals": {"levels": [5, 10], "low": 0, "high": 90}}, "level": 2},
    "edges": {"hierarchy": {"intervals": {"levels": [[0, 18, 65]]}}, "level": 1},
    "prefix": {"hierarchy": {"prefix": {"keep": [3, 1]}}, "level": 2},
    "dates": {"hierarchy": {"dates": ["month", "year"]}, "level": 1},
    "order": {"hierarchy": {"order": {"values": ["low", "mid", "high"], "groups": [2]}}, "level": 1},
    "groups": {"hierarchy": {"groups": {"Europe": ["France", "Norway"], "Asia": ["Japan"]}}, "level": 1},
}
NUMBER_MASKS = {"top": {"mask": {"top": 90, "bottom": 10}}, "round": {"mask": {"round": {"to": 5}}}}


def schema_of(block, kind="string", *, domain=None, overflow="other") -> Schema:
    domain = (ENUM if kind == "string" else RANGE) if domain is None else domain
    own = {"source": "public", **({"overflow": overflow} if kind == "string" else {}), **block}
    if kind != "string":
        own["bins"] = {"count": 10} if kind == "number" else {"width": 10}
    return Schema.from_dict(
        {
            "dpsynth": {"version": 1, "name": "t", "unit": "row"},
            "missingValues": ["", "?", "-9"],
            "fields": [{"name": "x", "type": kind, **domain, "dpsynth": own}],
        }
    )


def masked(schema: Schema, column: pa.Array) -> list:
    reader = described(open_table(pa.table({"x": column})), schema)
    return [cell for batch in reader.batches(("x",)) for cell in batch.column("x").to_pylist()]


def codes(schema: Schema, column: pa.Array) -> list[int]:
    reader = described(open_table(pa.table({"x": column})), schema)
    return [code for batch in reader.batches(("x",)) for code in schema.encode(("x",), batch)["x"].tolist()]


# --- each cell alone ---------------------------------------------------------------------------------------------

ODD = [
    None, b"", b" ", b"?", b" -9 ", b"-9.0", b"\xff\xfe", b"\x00", b"12345", b"03601-1234", b"20", b"21.0", b" 30 ",
    b"89.9999999999999", b"90", b"90+", b"1e400", b"-1e400", b"nan", b"inf", b"-inf", b"0.1e-400", b"9" * 400, b"1e17",
    b"100000000000000010", b"1e300", b"-1e300", b"2020-02-30", b"2020-02-29", b"9999-12-31", b"0001-01-01",
    b"99999-01-01", b"France", b"low", b"*", b"other", b"a", b"b", "é".encode(), b"x" * 5000,
]  # fmt: skip
NUMBERS = {
    "int8": [None, 0, 127, -128, 5, -9],
    "uint64": [None, 0, 2**64 - 1, 90, 91],
    "int64": [None, 0, 2**63 - 1, -(2**63), 10**18, 89, 90, -9],
    "double": [
        None,
        float("nan"),
        float("inf"),
        float("-inf"),
        1e308,
        -1e308,
        0.0,
        -0.0,
        89.99999999999999,
        90.0,
        5e-324,
    ],
    "float": [None, float("nan"), float("inf"), 1.5, 3e38, -9.0],
}
TYPED = {
    **{name: pa.array(cells, pa.type_for_alias(name)) for name, cells in NUMBERS.items()},
    "bool": pa.array([None, True, False]),
    "halffloat": pa.array(np.array([1.5, np.inf, np.nan, -9], np.float16)),
    "decimal": pa.array([None, decimal.Decimal("1.50"), decimal.Decimal("-9.00"), decimal.Decimal("99999999.99")]),
    "date32": pa.array([None, 0, 2**31 - 1, -(2**31), 18000], pa.int32()).cast(pa.date32()),
    "date64": pa.array([None, 0, 86_400_000, 1], pa.int64()).view(pa.date64()),
    "timestamp": pa.array([None, 0, 2**63 - 1, -(2**63) + 1], pa.int64()).view(pa.timestamp("us")),
    "seconds": pa.array([None, 0, 2**63 - 1, -(2**63) + 1], pa.int64()).view(pa.timestamp("s")),
    "zoned": pa.array([None, 0, 2**63 - 1, -(2**63) + 1], pa.int64()).view(pa.timestamp("ms", "Europe/Rome")),
    "time": pa.array([None, dt.time(1, 2, 3)]),
    "null": pa.nulls(3),
}


@pytest.mark.parametrize("overflow", ["other", "null"])
@pytest.mark.parametrize("name", TEXT_MASKS)
def test_a_text_is_masked_alike_alone_and_among_others(name, overflow):
    schema = schema_of(TEXT_MASKS[name], overflow=overflow)
    forms = {
        "binary": pa.array(ODD, pa.binary()),
        "large": pa.array(ODD, pa.large_binary()),
        "dictionary": pa.array(ODD, pa.binary()).dictionary_encode(),
    }
    alone = [cell for odd in ODD for cell in masked(schema, pa.array([odd], pa.binary()))]
    for form, column in forms.items():
        assert masked(schema, column) == alone, form
        assert masked(schema, column.take(pa.array(np.arange(len(ODD))[::-1]))) == alone[::-1], form
    missing = [cell for odd, cell in zip(ODD, alone, strict=True) if odd is None or odd.strip() in (b"", b"?", b"-9")]
    assert set(missing) == {None}


@pytest.mark.parametrize("name", TEXT_MASKS)
@pytest.mark.parametrize("kind", [kind for kind in TYPED if kind not in ("null", "time")])
def test_cells_of_other_types_are_masked_alike_alone_and_among_others(name, kind):
    schema, column = schema_of(TEXT_MASKS[name]), TYPED[kind]
    try:
        together = masked(schema, column)
    except DataMismatchError:
        assert "text" in name, "only masks of numbers are particular about types"
        return
    alone = [cell for place in range(len(column)) for cell in masked(schema, column.slice(place, 1))]
    assert str(together) == str(alone)


@pytest.mark.parametrize("name", NUMBER_MASKS)
@pytest.mark.parametrize("kind", NUMBERS)
@pytest.mark.parametrize("field", ["integer", "number"])
def test_a_number_is_masked_alike_alone_and_among_others(name, kind, field):
    schema, column = schema_of(NUMBER_MASKS[name], field), TYPED[kind]
    together = masked(schema, column)
    alone = [cell for place in range(len(column)) for cell in masked(schema, column.slice(place, 1))]
    assert str(together) == str(alone)
    assert codes(schema, column) == [
        code for place in range(len(column)) for code in codes(schema, column.slice(place, 1))
    ]


@given(st.lists(st.floats(allow_nan=True) | st.sampled_from([89.99999999999999, 90.0, -0.0]), max_size=12))
def test_no_number_chooses_the_interval_of_another_one(numbers):
    schema = schema_of(TEXT_MASKS["intervals"])
    column = pa.array([repr(number) for number in numbers], pa.string())
    assert masked(schema, column) == [
        cell for place in range(len(column)) for cell in masked(schema, column.slice(place, 1))
    ]


def test_columns_without_anything_in_them():
    for name, block in TEXT_MASKS.items():
        assert masked(schema_of(block), pa.array([], pa.string())) == [], name
        assert masked(schema_of(block), pa.nulls(2)) == [None, None], name
    assert masked(schema_of(NUMBER_MASKS["top"], "integer"), pa.nulls(2)) == [None, None]


# --- what comes out ----------------------------------------------------------------------------------------------


def test_what_the_masks_make():
    def made(name, *cells, **options):
        return masked(schema_of(TEXT_MASKS[name], **options), pa.array(cells, pa.string()))

    assert made("ages", "89", "90", "104", "old", "?") == ["89", "90+", "90+", "other", None]
    assert made("zip3", "12345", "03601-1234", "1234", None) == ["123", "000", "other", None]
    assert made("redact", "secret", "abc", "é") == ["s***et", "***", "*"]
    assert made("top of text", "91", "89", "-3", "x") == ["90", "89", "-1.5", "other"]
    assert made("paths", "20", " 21 ", "30.0", "44", "?") == ["20s", "20s", "30s", "other", None]
    assert made("paths", "44", overflow="null") == [None]
    assert made("leaves", "20", "44") == ["20", "other"]
    assert made("shown as *", "20", "44", "?") == ["20s", "*", None]
    assert made("intervals", "7", "-1", "95") == ["[0, 10)", "< 0", ">= 90"]
    assert made("prefix", "12345") == ["1*"]
    assert made("dates", "2020-02-29", "2020-02-30") == ["2020-02", "other"]
    assert made("order", "low", "high") == ["[low, mid]", "high"]
    assert made("groups", "Japan", "Chile") == ["Asia", "other"]


def test_missing_numbers_are_missing_before_they_are_cut():
    schema = schema_of({"mask": {"top": 90, "bottom": 0}}, "integer")
    assert masked(schema, pa.array([-9, -8, 95, None])) == [None, 0, 90, None]
    assert masked(schema, pa.array(["-9.0", "-8", "95", ""])) == [None, "0", "90", None]


def test_a_fit_sees_masked_values_only_and_says_what_was_done():
    schema = Schema.from_dict(
        {
            "dpsynth": {"version": 1, "name": "t", "unit": "row"},
            "fields": [
                {"name": "age", "type": "string", "constraints": {"enum": ["20s", "30s"]},
                 "dpsynth": {"source": "public", "hierarchy": {"paths": PATHS}, "level": 1}},
                {"name": "pay", "type": "integer", "constraints": {"minimum": 0, "maximum": 90},
                 "dpsynth": {"source": "public", "bins": {"width": 10}, "mask": {"top": 90}}},
                {"name": "note", "type": "string", "dpsynth": {"mask": "drop"}},
            ],
        }
    )  # fmt: skip
    table = pa.table({"age": ["20", "21", "30"] * 400, "pay": [500, 20, 30] * 400, "note": ["secret"] * 1200})
    outcome = journey.fit(table, schema, epsilon=20, ledger=Ledger.in_memory(), method="independent")
    assert outcome.model.domain.attributes == ("age", "pay")
    found = outcome.model.marginal(("age",)).values
    assert abs(found[0] - 800) < 50 > abs(found[1] - 400)
    assert outcome.model.provenance["labels"][0] == (
        "FREE masked by the schema, row by row: level 1 of the hierarchy of 'age'; top coding at 90 of 'pay'"
    )
    made = outcome.model.sample(50, seed=1)
    assert list(made.columns) == ["age", "pay"]
    assert set(made["age"].dropna()) <= {"20s", "30s"}


def test_a_masked_row_moves_what_a_row_moves():
    """Not FREE in name only: the sensitivity stays 1, and a row more changes one cell of the exact counts by one."""
    schema = schema_of({"hierarchy": {"paths": PATHS}, "level": 1}, domain={"constraints": {"enum": ["20s", "30s"]}})
    cells = ["20", "21", "30", "?", "44"]
    for gone in range(len(cells)):
        whole = np.bincount(codes(schema, pa.array(cells)), minlength=4)
        less = np.bincount(codes(schema, pa.array(cells[:gone] + cells[gone + 1 :])), minlength=4)
        assert np.abs(whole - less).sum() == 1
    outcome = journey.fit(pa.table({"x": cells * 9}), schema, epsilon=1, ledger=Ledger.in_memory())
    assert {answer.sensitivity for answer in outcome.model.answers} == {1}


def test_a_reshaped_table_is_masked_after_it_was_reshaped():
    schema = Schema.from_dict(
        {
            "dpsynth": {
                "version": 1, "name": "t", "unit": {"column": "who", "max_rows": 1},
                "reshape": {"first": 1, "order": "age", "columns": ["age"], "aggregate": {"visits": "count"}},
            },
            "fields": [
                {"name": "age_1", "type": "string", "constraints": {"enum": ["20s", "30s"]},
                 "dpsynth": {"source": "public", "hierarchy": {"paths": PATHS}, "level": 1}},
                {"name": "visits", "type": "integer", "constraints": {"minimum": 1, "maximum": 2},
                 "dpsynth": {"source": "public", "mask": {"top": 2}}},
            ],
        }
    )  # fmt: skip
    table = pa.table({"who": ["a", "a", "a", "b", None], "age": ["20", "20", "20", "30", "21"]})
    (batch,) = described(open_table(table), schema).batches(("age_1", "visits"))
    assert sorted(zip(*batch.to_pydict().values(), strict=True)) == [("20s", 2), ("30s", 1)]
    outcome = journey.fit(table, schema, epsilon=1, ledger=Ledger.in_memory(), method="independent")
    assert [label[:20] for label in outcome.model.provenance["labels"]] == [
        "FREE reshaped: one r", "FREE masked by the s", "FREE encoded by the "
    ]  # fmt: skip


def test_persons_are_named_by_the_column_as_it_is():
    schema = schema_of({"mask": {"top": 2}}, "integer").to_dict()
    schema["dpsynth"]["unit"] = {"column": "who", "max_rows": 1}
    schema["fields"].append({"name": "who", "type": "string", "dpsynth": {"role": "direct-id", "mask": "drop"}})
    table = pa.table({"who": ["a"] * 50 + ["b"] * 50, "x": [7] * 100})
    asked = {"epsilon": 50, "ledger": Ledger.in_memory(), "method": "independent"}
    outcome = journey.fit(table, Schema.from_dict(schema), **asked)
    # Two persons, not a hundred rows; the noise of the few cells has a deviation below 3.
    assert outcome.model.total == pytest.approx(2, abs=30)


def test_evaluate_masks_the_real_table_and_not_the_synthetic_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    schema = schema_of({"mask": "ages"}, domain={"constraints": {"enum": ["30", "90+"]}}, overflow="null")
    Path("s.yaml").write_text(schema.dump(), encoding="utf-8")
    Path("real.csv").write_text("x\n" + "30\n95\n" * 50, encoding="utf-8")
    Path("made.csv").write_text("x\n" + "30\n90+\n" * 50, encoding="utf-8")
    result = CliRunner().invoke(APPLICATION, ["evaluate", "real.csv", "made.csv", "--schema", "s.yaml", "--json"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["result"]["marginals"][0]["mean"]["value"] == 0


# --- files, refusals ---------------------------------------------------------------------------------------------


def test_a_hierarchy_file_becomes_part_of_the_schema(tmp_path):
    (tmp_path / "h.csv").write_text("20;20s;*\n21;20s;*\n", encoding="utf-8")
    schema = schema_of({"hierarchy": {"paths": PATHS}, "level": 1}).to_dict()
    schema["fields"][0]["dpsynth"]["hierarchy"] = {"file": "h.csv"}
    (tmp_path / "s.yaml").write_text(yaml.safe_dump(schema), encoding="utf-8")
    loaded = Schema.load(tmp_path / "s.yaml")
    assert masked(loaded, pa.array(["20", "30"])) == ["20s", "other"]
    assert Schema.loads(loaded.dump()) == loaded
    assert "h.csv" not in loaded.dump()
    with pytest.raises(SchemaError, match="read from none"):
        Schema.from_dict(schema)


REFUSED = {
    "pseudonym": ({"mask": "pseudonym"}, "string", "needs a key"),
    "format": ({"mask": "format"}, "string", "needs a key"),
    "shift": ({"mask": {"shift": {"days": [-9, 9], "by": "p"}}}, "string", "needs a key"),
    "replace": ({"mask": {"replace": {"regex": "[ab]"}}}, "string", "needs a key"),
    "hash": ({"mask": {"hash": True}}, "string", "without a key hides nothing"),
    "text": ({"mask": {"text": {"presidio": {}}}}, "string", "free text"),
    "two": ({"mask": {"constant": "x", "top": 1}}, "string", "exactly one mask"),
    "unknown": ({"mask": {"blur": 3}}, "string", "unknown key 'blur'"),
    "ages of numbers": ({"mask": "ages"}, "integer", "makes text of a field of type integer"),
    "both": ({"mask": "ages", "hierarchy": {"paths": PATHS}, "level": 1}, "string", "beside a level"),
    "level of nothing": ({"level": 1}, "string", "there is none"),
    "level below 0": ({"hierarchy": {"paths": PATHS}, "level": -1}, "string", "at least 0"),
}  # fmt: skip


@pytest.mark.parametrize(("block", "kind", "words"), REFUSED.values(), ids=REFUSED)
def test_masks_that_no_fit_can_apply_are_refused_by_the_schema(block, kind, words):
    with pytest.raises(SchemaError, match=words):
        schema_of(block, kind)


UNFIT = {
    "beyond the levels": ({"hierarchy": {"paths": PATHS}, "level": 3}, "levels 0 to 2, not 3"),
    "reads the column": ({"hierarchy": {"priority": {"keep": [5]}}, "level": 1}, "not fixed"),
    "order of the column": ({"hierarchy": {"order": {"groups": [2]}}, "level": 1}, "not fixed"),
    "two parents": ({"hierarchy": {"paths": [["a", "x", "*"], ["b", "x", "+"]]}, "level": 1}, "two parents"),
    "twice": ({"hierarchy": {"paths": [["a", "*"], ["a", "*"]]}, "level": 1}, "twice"),
    "no way": ({"hierarchy": {"uncovered": "top"}, "level": 1}, "exactly one way"),
}


@pytest.mark.parametrize(("block", "words"), UNFIT.values(), ids=UNFIT)
def test_hierarchies_that_no_fit_can_apply_are_refused_before_anything_is_spent(block, words, tmp_path):
    schema, ledger = schema_of(block), Ledger.in_memory()
    with pytest.raises(SchemaError, match=words):
        dpsynth.plan(schema, epsilon=1)
    with pytest.raises(SchemaError, match=words):
        dpsynth.fit(pa.table({"x": ["a"]}), schema, epsilon=1, ledger=ledger)
    assert ledger.pool("t") is None
    (tmp_path / "s.yaml").write_text(schema.dump(), encoding="utf-8")
    checked = CliRunner().invoke(APPLICATION, ["schema", "check", str(tmp_path / "s.yaml")])
    assert checked.exit_code == 3


def test_schema_check_says_what_a_fit_does(tmp_path):
    (tmp_path / "s.yaml").write_text(schema_of({"mask": "ages"}).dump(), encoding="utf-8")
    (tmp_path / "t.csv").write_text("x\n95\n", encoding="utf-8")
    arguments = ["schema", "check", str(tmp_path / "s.yaml"), "--data", str(tmp_path / "t.csv")]
    said = CliRunner().invoke(APPLICATION, arguments)
    assert "A fit applies to each row before it reads it: ages from 90 on grouped of 'x'." in said.stdout


@pytest.mark.parametrize(
    ("block", "kind", "column"),
    [
        ({"mask": "ages"}, "string", pa.array([[1]])),
        ({"hierarchy": {"paths": PATHS}, "level": 1}, "string", pa.array([{"a": 1}])),
        ({"mask": {"top": 90}}, "string", pa.array([True])),
        ({"mask": {"top": 90.5}}, "integer", pa.array([1])),
        ({"mask": {"top": 90}}, "number", pa.array([decimal.Decimal("1.5")])),
    ],
    ids=["list", "struct", "bool", "half", "decimal"],
)
def test_types_that_cannot_be_masked_are_refused_before_anything_is_spent(block, kind, column):
    ledger = Ledger.in_memory()
    with pytest.raises(DataMismatchError):
        dpsynth.fit(pa.table({"x": column}), schema_of(block, kind), epsilon=1, ledger=ledger)
    assert ledger.pool("t") is None


def test_identifiers_may_have_masks_of_other_commands():
    document = schema_of({"mask": "ages"}).to_dict()
    document["fields"].append({"name": "id", "type": "string", "dpsynth": {"role": "direct-id", "mask": "pseudonym"}})
    assert Schema.from_dict(document).domain.attributes == ("x",)
