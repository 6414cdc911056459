"""``propose``, its peek, ``confirm`` and the importers: every draft loads, and nothing of the rows is called public."""

from __future__ import annotations

import datetime as dt

import pyarrow as pa
import pytest

from dpsynth.errors import SchemaError, UsageError
from dpsynth.schema import Schema, confirm, propose
from dpsynth.schema.document import TODO
from dpsynth.schema.peek import MISSING_TEXTS

TYPES = {
    "id, no": "binary",
    "age": "uint8",
    "pay": "double",
    "ratio": "float",
    "sex": "dictionary<values=string, indices=int32, ordered=0>",
    "word": "large_string",
    "ok": "bool",
    "day": "date32[day]",
    "at": "timestamp[ns, tz=Europe/Paris]",
    "odd": "list<item: string>",
    "null": "null",
    "y: #z": "int64",
}


def test_a_draft_uses_names_and_types_only() -> None:
    text = propose(list(TYPES), TYPES, "people: 2024")
    schema = Schema.loads(text)
    assert schema.name == "people: 2024"
    assert [field.name for field in schema.fields] == list(TYPES)
    assert [field.type for field in schema.fields] == [
        *(None, "integer", "number", "number", "string", "string", "boolean", "date", "datetime", None, None, "integer")
    ]
    assert schema.field("age").dtype == "UInt8"
    assert schema.field("ratio").dtype == "float32"
    assert schema.field("sex").dtype == "category"
    assert schema.field("at").dtype == "datetime64[ns, Europe/Paris]"
    assert "zone: Europe/Paris" in text
    assert all("source" in field.todo for field in schema.fields)
    with pytest.raises(SchemaError):
        schema.require_fit()


def test_the_cells_of_csv_are_called_text() -> None:
    text = propose(["id, no", "age"], TYPES, "t")
    assert "  # text\n" in text
    assert "  # uint8\n" in text
    assert "binary" not in text


def test_a_draft_becomes_a_schema_by_answering_its_questions() -> None:
    text = propose(["ok", "age"], TYPES, "t").replace(f"source: {TODO}", "source: public")
    schema = Schema.loads(text.replace(f"minimum: {TODO}", "minimum: 0").replace(f"maximum: {TODO}", "maximum: 120"))
    assert schema.problems() == []
    assert schema.domain.sizes == (3, 122)


BATCH = pa.record_batch(
    {
        "n": pa.array([b"3", b"?", b"", b" 12 ", None], pa.binary()),
        "wide": pa.array([b"-5", b"100000", b"7", b"8", b"9"], pa.binary()),
        "x": pa.array([b"1.5", b"2", b"NaN", b"1e3", b"-0.5"], pa.binary()),
        "flag": pa.array([b"true", b"False", None, b"true", b""], pa.binary()),
        "day": pa.array([b"2020-01-05", b"2021-12-31", None, b"2020-06-01", b""], pa.binary()),
        "at": pa.array([b"2020-01-05 10:00", b"2020-01-07T11:12:13", None, b"2020-01-06", b""], pa.binary()),
        "word": pa.array([b"b", b"a, c", b"yes", b"\xff", b"2020-01-05"], pa.binary()),
        "empty": pa.array([b"", None, b"NA", b"", b""], pa.binary()),
        "same": pa.array([b"2.5"] * 5, pa.binary()),
        "i": pa.array([4, None, -2, 0, 1], pa.int16()),
        "f": pa.array([0.5, float("nan"), float("inf"), 2.5, None]),
        "c": pa.array(["u", "v", None, "u", "v"]).dictionary_encode(),
        "b": pa.array([True, None, False, True, True]),
        "d": pa.array([dt.date(2000, 1, 1), None, dt.date(2020, 1, 1), None, None]),
    }
)
PHYSICAL = {field.name: str(field.type) for field in BATCH.schema}


def test_peek_fills_in_what_is_there_and_says_so() -> None:
    text = propose(list(PHYSICAL), PHYSICAL, "t", [BATCH[:2], BATCH[2:], BATCH[:0]])
    schema = Schema.loads(text)
    document = {field["name"]: field for field in schema.to_dict()["fields"]}
    types = {name: field.get("type") for name, field in document.items()}
    assert types == {
        "n": "integer",
        "wide": "integer",
        "x": "number",
        "flag": "boolean",
        "day": "date",
        "at": "datetime",
        "word": "string",
        "empty": TODO,
        "same": "number",
        "i": "integer",
        "f": "number",
        "c": "string",
        "b": "boolean",
        "d": "date",
    }
    assert document["n"]["constraints"] == {"minimum": 3, "maximum": 12}
    assert document["wide"]["dpsynth"]["bins"] == {"count": 32}
    assert document["x"]["constraints"] == {"minimum": -0.5, "maximum": 1000.0}
    assert document["f"]["constraints"] == {"minimum": 0.5, "maximum": 2.5}
    assert document["word"]["constraints"]["enum"] == ["2020-01-05", "a, c", "b", "yes"]
    assert document["day"]["constraints"] == {"minimum": "2020-01-05", "maximum": "2021-12-31"}
    assert document["at"]["constraints"]["maximum"] == "2020-01-07T11:12:13"
    assert document["d"]["dpsynth"]["bins"] == "month"
    assert document["same"]["constraints"]["maximum"] == TODO
    assert schema.to_dict()["missingValues"] == ["", *MISSING_TEXTS]
    assert {field.source for field in schema.fields} == {"data"}
    assert not any(field.public_reason for field in schema.fields)


def test_a_column_of_many_texts_is_not_listed() -> None:
    column = pa.array([f"person {row}".encode() for row in range(1500)], pa.binary())
    text = propose(
        ["who"],
        {"who": "binary"},
        "t",
        [pa.record_batch({"who": column[:700]}), pa.record_batch({"who": column[700:]})],
    )
    assert "direct-id?" in text
    assert "person 1" not in text
    assert "enum" in Schema.loads(text).field("who").todo


def test_a_short_column_of_different_texts_is_not_listed() -> None:
    for rows, listed in ((20, True), (21, False)):
        column = pa.array([f"person {row}" for row in range(rows)])
        text = propose(["who"], {"who": "string"}, "t", [pa.record_batch({"who": column})])
        assert ("person 1" in text) == listed
        assert ("direct-id?" in text) != listed


def test_peek_at_zero_rows() -> None:
    schema = Schema.loads(propose(["a"], {"a": "binary"}, "t", []))
    assert schema.field("a").type is None


def test_confirm_changes_nothing_else() -> None:
    text = propose(list(PHYSICAL), PHYSICAL, "t", [BATCH])
    confirmed = confirm(text, ["n", "word"], "it's in the\ncode book: p. 3")
    before, after = text.splitlines(), confirmed.splitlines()
    assert len(after) == len(before) + 2
    assert [line for line in after if line not in before] == [
        "      source: public  # public | dp | data: where the domain is known from",
        "      public_reason: 'it''s in the code book: p. 3'",
    ] * 2
    schema = Schema.loads(confirmed)
    assert schema.field("n").public_reason == "it's in the code book: p. 3"
    assert [field.name for field in schema.fields if field.source == "public"] == ["n", "word"]


FLOW = """# kept
dpsynth: {version: 1, name: t}
fields: [{name: a, type: boolean, dpsynth: {source: data, role: other}},
  {name: b, type: boolean, dpsynth: {source: TODO, public_reason: "old"}},
  {"name": 'c', type: boolean, dpsynth: {"source": "data"}}]"""


def test_confirm_in_flow_style() -> None:
    confirmed = confirm(FLOW, ["a", "b", "c", "a"], "law")
    assert confirmed.startswith("# kept\n")
    schema = Schema.loads(confirmed)
    assert [(field.source, field.public_reason) for field in schema.fields] == [("public", "law")] * 3
    assert schema.problems() == []


def test_confirm_with_windows_line_ends() -> None:
    text = "dpsynth: {version: 1, name: t}\r\nfields:\r\n- name: é\r\n  type: boolean\r\n  dpsynth:\r\n    source: data"
    schema = Schema.loads(confirm(text, ["é"], "law"))
    assert schema.field("é").source == "public"


@pytest.mark.parametrize(
    ("fields", "reason", "error"),
    [(["x"], "law", "no such field"), (["a"], "  ", "reason is empty"), (["p"], "law", "nothing to confirm")],
)
def test_what_cannot_be_confirmed(fields: list[str], reason: str, error: str) -> None:
    text = FLOW.replace("fields: [", "fields: [{name: p, type: boolean, dpsynth: {source: dp}}, ")
    with pytest.raises(UsageError, match=error):
        confirm(text, fields, reason)


def test_confirm_needs_a_source() -> None:
    with pytest.raises(SchemaError, match="no default"):
        confirm("dpsynth: {version: 1, name: t}\nfields: [{name: a, type: boolean}]", ["a"], "law")
    with pytest.raises(UsageError, match="no such field"):
        confirm("[1]", ["a"], "law")
