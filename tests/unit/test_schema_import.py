"""Metadata of other tools → schema.yaml: what is taken, what becomes a TODO, what is named as left out."""

from __future__ import annotations

import json

import pytest

from dpsynth.errors import FileFormatError, SchemaError, UsageError
from dpsynth.schema import Exchanged, Schema, field_of_hierarchy, import_hierarchies, import_schema
from dpsynth.schema.yamltext import dump, parse
from metadata_examples import DOMAIN, GUESTS_V2, HOTEL_V1, PUMS, TABLE_SCHEMA


def taken(data: object, kind: str, public: str | None = None, table: str | None = None) -> tuple[Schema, Exchanged]:
    text = data if isinstance(data, str) else json.dumps(data)
    made = import_schema(text, kind, "t", public, table=table)
    return Schema.loads(made.text), made


def todo(schema: Schema) -> dict[str, set[str]]:
    return {field.name: set(field.todo) for field in schema.fields}


# --- mbi and frictionless --------------------------------------------------------------------------------------


def test_mbi_domains() -> None:
    left, _ = taken({"age": 85, "income>50K": 2}, "mbi")
    assert len(left.problems()) == 2
    schema, made = taken({"age": 85, "income>50K": 2}, "mbi", "published codes")
    assert schema.problems() == []
    assert dict(zip(schema.domain, schema.domain.sizes, strict=True)) == {"age": 85, "income>50K": 2}
    assert made.left_out == ()


@pytest.mark.parametrize("document", [TABLE_SCHEMA, {"resources": [{"path": "x.csv", "schema": TABLE_SCHEMA}, 1]}])
def test_frictionless_table_schemas(document: object) -> None:
    schema, made = taken(document, "frictionless")
    types = {field.name: field.type for field in schema.fields}
    assert list(types.values()) == [
        *("integer", "integer", "string", "string", "number", "date", "boolean", None, "string", "string", "integer")
    ]
    open_keys = todo(schema)
    assert open_keys["age"] == {"source"}
    assert open_keys["sex"] == {"source", "null"}
    assert open_keys["zip"] == {"enum", "source"}
    assert open_keys["pay"] == {"maximum", "source", "bins"}
    assert open_keys["born"] == {"maximum", "source", "bins"}
    assert open_keys["place"] == {"type", "source"}
    assert schema.field("sex").title == "Sex"
    assert [field.name for field in schema.fields if not field.modeled] == ["record", "mail"]
    assert made.left_out == (
        "foreignKeys",
        "constraint pattern ('zip')",
        "bareNumber: cells that need it will be null ('pay')",
        "format ('blood')",
    )
    public, _ = taken(document, "frictionless", "by law")
    assert public.field("age").public_reason == "by law"
    assert public.codec("age").labels[-2:] == ("120", "null")
    assert public.codec("blood").labels == ("A", "0", "null")
    assert public.codec("beds").labels == (*"12345678", "null")
    assert public.codec("ok").size == 3
    assert public.to_dict()["missingValues"] == ["", "NA"]


def test_one_of_several_tables_is_named() -> None:
    package = {
        "resources": [
            {"name": "a", "schema": {"fields": [{"name": "x", "type": "boolean"}]}},
            {"name": "b", "schema": {"fields": [{"name": "y", "type": "boolean"}]}},
        ]
    }
    with pytest.raises(UsageError, match=r"2 tables.*'a', 'b'"):
        taken(package, "frictionless")
    with pytest.raises(UsageError, match="no such table"):
        taken(package, "frictionless", table="c")
    assert taken(package, "frictionless", table="b")[0].fields[0].name == "y"
    with pytest.raises(UsageError, match="one table"):
        taken({"a": 2}, "mbi", table="b")


# --- SDV -------------------------------------------------------------------------------------------------------


def test_sdv_v1_holds_types_only() -> None:
    schema, made = taken(HOTEL_V1, "sdv")
    assert [field.name for field in schema.fields if not field.modeled] == ["guest_email", "card"]
    open_keys = todo(schema)
    assert open_keys["room_type"] == {"type", "source"}
    assert open_keys["fee"] == {"minimum", "maximum", "source", "bins"}
    assert open_keys["nights"] == {"minimum", "maximum", "source"}
    assert open_keys["rate"] == {"type", "source"}
    assert open_keys["city"] == {"enum", "source"}
    assert open_keys["note"] == {"type", "source"}
    assert open_keys["odd"] == {"format", "minimum", "maximum", "source", "bins"}
    assert {field.name: field.type for field in schema.fields}["checkin"] == "date"
    assert {field.name: field.type for field in schema.fields}["seen"] == "datetime"
    assert schema.field("stars").source == "data"
    assert schema.field("has_rewards").source == "data"
    assert made.left_out == ("a date format with directives that are not supported ('odd')",)


def test_sdv_v2_holds_domains_that_come_from_the_rows() -> None:
    schema, made = taken(GUESTS_V2, "sdv", table="guests")
    assert {field.name: field.source for field in schema.fields if field.modeled} == {
        "room": "data",
        "fee": "data",
        "guests": "data",
        "in": "data",
        "mixed": None,
    }
    assert made.text.count("schema confirm") == 4
    assert todo(schema)["room"] == {"null"}
    assert todo(schema)["fee"] == todo(schema)["in"] == {"bins"}
    assert schema.codec("guests").labels == (*"123456", "null")
    assert made.left_out == ("relationships", "regex_format ('id')")
    public, _ = taken(GUESTS_V2, "sdv", "price list", table="guests")
    assert {field.source for field in public.fields if field.modeled} == {"public"}
    with pytest.raises(UsageError, match="'guests', 'hotels'"):
        taken(GUESTS_V2, "sdv")


def test_a_sequence_key_of_sdv_is_a_person_of_unknown_length() -> None:
    data = {"sequence_key": "p", "columns": {"p": {"sdtype": "id"}, "b": {"sdtype": "boolean"}}}
    schema, made = taken(data, "sdv", "law")
    assert schema.todo == ("dpsynth.unit",)
    assert not schema.field("p").modeled
    assert "sequence_key" in made.left_out[0]


# --- SmartNoise ------------------------------------------------------------------------------------------------


def test_smartnoise_names_the_person_and_bounds_of_unknown_origin() -> None:
    schema, made = taken(PUMS, "smartnoise")
    assert (schema.unit.column, schema.unit.max_rows) == ("pid", 3)
    assert not schema.field("pid").modeled
    assert todo(schema) == {
        "age": {"source"},
        "sex": {"source", "enum"},
        "income": {"source", "bins", "null"},
        "children": {"source"},
        "born": {"source", "bins", "minimum", "maximum"},
        "married": {"source"},
        "pid": set(),
    }
    public, _ = taken(PUMS, "smartnoise", "questionnaire", table="PUMS")
    assert public.codec("age").size == 102
    assert public.codec("children").size == 10
    assert made.left_out == ("rows", "cardinality ('sex')")


@pytest.mark.parametrize(
    ("keys", "unit"),
    [
        ("row_privacy: true, max_ids: 2, a: {type: boolean}", "row"),
        ("a: {type: boolean}", "TODO"),
        ("a: {type: int, private_id: true}, b: {type: int, private_id: true}", "TODO"),
        ("a: {type: boolean}, b: {type: int, private_id: true}", {"column": "b", "max_rows": 1}),
        ("a: {type: boolean}, b: {type: int, private_id: yes}", {"column": "b", "max_rows": 1}),
        ("a: {type: boolean, private_id: no}, row_privacy: on", "row"),
    ],
)
def test_the_unit_of_smartnoise_is_never_guessed(keys: str, unit: object) -> None:
    made = import_schema(f"db: {{s: {{t: {{{keys}}}}}}}", "smartnoise", "t")
    assert parse(made.text, "t")["dpsynth"]["unit"] == unit


# --- google/dpsynth --------------------------------------------------------------------------------------------


def test_google_domains() -> None:
    for text in (DOMAIN, dump({"type": "Schema", "attributes": parse(DOMAIN, "t"), "constraints": [{"type": "x"}]})):
        schema, made = taken(text, "google", "form 7")
        assert schema.codec("age").labels == tuple(str(age) for age in range(10, 51))
        assert schema.codec("sex").labels == ("M", "F")
        assert schema.codec("grade").labels == ("1", "2", "5")
        assert schema.codec("ok").labels == ("false", "true")
        assert schema.field("sex").description == "as registered"
        assert todo(schema)["pay"] == {"bins"}
        assert todo(schema)["town"] == todo(schema)["any"] == {"enum"}
        assert not schema.field("story").modeled
        assert {"sentinel ('pay')", "public_possible_values ('town')"} <= set(made.left_out)
    assert "constraints between columns" in made.left_out
    assert todo(taken(DOMAIN, "google")[0])["age"] == {"source"}


def test_a_value_outside_google_counts_as_the_value_it_names() -> None:
    import pyarrow as pa

    schema, _ = taken(DOMAIN, "google", "form 7")
    assert schema.codec("sex").encode(pa.array(["M", "x", None])).tolist() == [0, 1, 1]


# --- ARX -------------------------------------------------------------------------------------------------------


def test_arx_hierarchies_give_the_values_of_one_field_each() -> None:
    texts = {
        "age": "2;0-4;*\n1;0-4;*\n3;0-4;*\n",
        "grade": "1;low;*\r\n5;high;*\r\n",
        "country": '\ufeffNorway;Europe;*\n"Korea; South";Asia;*\n'.removeprefix("\ufeff"),
    }
    made = import_hierarchies(texts, "adult", "code book")
    schema = Schema.loads(made.text)
    assert schema.codec("age").labels == (*"123", "null")
    assert schema.codec("grade").labels == ("1", "5", "null")
    assert schema.codec("country").labels == ("Norway", "Korea; South", "null")
    assert made.left_out == ("the levels above the values ('age', 'grade', 'country')",)
    assert "source" in Schema.loads(import_hierarchies(texts, "adult").text).field("age").todo


NO_HIERARCHY = (
    *("", "\n\n", "a\nb\n", "a;*\nb\n", "a;b;*\nc;*\n", '{"a": 2}', 'a;*\n"b;*\n'),
    *('"' + "x;" * 200_000, "x;*\n" * 2_100_000),
)


@pytest.mark.parametrize("text", NO_HIERARCHY, ids=lambda text: repr(text[:9]))
def test_what_is_no_hierarchy(text: str) -> None:
    with pytest.raises(FileFormatError, match="field 'f'"):
        import_hierarchies({"f": text}, "t")


def test_a_value_twice_is_an_error_of_the_field() -> None:
    with pytest.raises(SchemaError, match=r"'f'.*twice"):
        import_hierarchies({"f": "a;*\na;*\n"}, "t", "law")


@pytest.mark.parametrize(
    ("file", "field"),
    [
        ("adult_hierarchy_age.csv", "age"),
        ("adult_hierarchy_native-country.csv", "native-country"),
        ("hierarchy_x.CSV", "x"),
        ("x.csv", None),
        ("hierarchy_.csv", None),
    ],
)
def test_the_field_in_the_name_of_a_hierarchy(file: str, field: str | None) -> None:
    assert field_of_hierarchy(file) == field
