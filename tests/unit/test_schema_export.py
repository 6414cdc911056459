"""schema.yaml → metadata of other tools: what each holds, what is named as left out, and the way back."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest

from dpsynth.errors import NoGuaranteeError, SchemaError, UsageError
from dpsynth.schema import EXPORTS, Schema, export_schema, import_schema
from dpsynth.schema.yamltext import parse

TABLE = """
dpsynth: {version: 1, name: visits, population: clinic, unit: {column: patient, max_rows: 4}}
missingValues: ["", "NA"]
fields:
  - {name: patient, type: string, dpsynth: {role: direct-id}}
  - name: ward
    type: string
    title: The ward
    constraints: {enum: [surgery, internal]}
    dpsynth: {role: quasi, source: public}
  - {name: state, type: string, dpsynth: {source: public, domain: us-states, overflow: other}}
  - name: sex
    type: string
    constraints: {required: true, enum: [f, m]}
    dpsynth: {source: public, public_reason: a form, "null": m}
  - {name: age, type: integer, dpsynth: {source: public, domain: age-0-120}}
  - {name: beds, type: integer, constraints: {enum: [50, 100]}, dpsynth: {source: dp, "null": 100}}
  - name: gain
    type: integer
    constraints: {minimum: 0, maximum: 99999}
    dpsynth: {source: public, bins: {edges: [0, 1, 5000, 99999, 99999]}}
  - name: weight
    type: number
    constraints: {minimum: 0.5, maximum: 6.5}
    dpsynth: {source: public, bins: {count: 3}, decimals: 2}
  - {name: smoker, type: boolean, trueValues: ["Y"], falseValues: ["N"], dpsynth: {role: sensitive, source: public}}
  - name: admitted
    type: date
    format: "%d.%m.%Y"
    constraints: {minimum: "2024", maximum: "2024-12-30"}
    dpsynth: {source: public, bins: quarter}
  - name: measured
    type: datetime
    constraints: {minimum: "2024-03-30", maximum: "2024-03-31"}
    dpsynth: {source: public, bins: day}
"""
SCHEMA = Schema.loads(TABLE)


def given(kind: str, schema: Schema = SCHEMA) -> tuple[Any, tuple[str, ...]]:
    made = export_schema(schema, kind)
    return parse(made.text, kind), made.left_out


def back(kind: str, schema: Schema = SCHEMA) -> Schema:
    """The exported schema, imported again as public."""
    made = import_schema(export_schema(schema, kind).text, kind.removesuffix("-v1"), "visits", "a form")
    return Schema.loads(made.text)


def test_frictionless_holds_values_and_ranges_in_the_formats_of_the_fields() -> None:
    content, left_out = given("frictionless")
    fields = {field["name"]: field for field in content["fields"]}
    assert list(fields) == [field.name for field in SCHEMA.fields]
    assert fields["patient"] == {"name": "patient", "type": "string"}
    assert fields["ward"] == {
        "name": "ward",
        "type": "string",
        "title": "The ward",
        "constraints": {"enum": ["surgery", "internal"]},
    }
    assert fields["state"]["constraints"]["enum"][-1] == "other"
    assert fields["sex"]["constraints"] == {"required": True, "enum": ["f", "m"]}
    assert fields["age"]["constraints"] == {"minimum": 0, "maximum": 120}
    assert fields["gain"]["constraints"] == {"minimum": 0, "maximum": 99999}
    assert fields["smoker"]["trueValues"] == ["Y"]
    assert fields["admitted"]["constraints"] == {"minimum": "01.01.2024", "maximum": "30.12.2024"}
    assert fields["measured"]["constraints"] == {"minimum": "2024-03-30T00:00:00", "maximum": "2024-03-31T23:59:59"}
    assert content["missingValues"] == ["", "NA"]
    assert "the unit: who is protected" in left_out
    assert "dpsynth.bins ('gain', 'weight', 'admitted', 'measured')" in left_out
    assert "dpsynth.role ('patient', 'ward', 'smoker')" in left_out


def test_frictionless_itself_reads_what_is_exported() -> None:
    frictionless = pytest.importorskip("frictionless", reason="the library frictionless is not installed")
    content, _ = given("frictionless")
    rows = [
        [field["name"] for field in content["fields"]],
        ["p1", "surgery", "CA", "f", 120, 50, 0, 6.5, "Y", "30.12.2024", "2024-03-31T10:00:00"],
        ["p1", None, "other", "m", None, 100, 99999, 0.5, None, "01.01.2024", None],
        ["p1", "x", "XX", None, 121, 51, -1, 7, "Z", "31.12.2024", "2024-04-01T00:00:00"],
    ]
    assert frictionless.Schema.metadata_validate(content) is not None
    report = frictionless.Resource(data=rows, schema=frictionless.Schema.from_descriptor(content)).validate()
    wrong = report.flatten(["rowNumber", "fieldName"])
    assert {row for row, _ in wrong} == {4}
    assert [field for _, field in wrong] == [field.name for field in SCHEMA.fields if field.modeled]


def test_mbi_holds_the_numbers_of_codes() -> None:
    content, left_out = given("mbi")
    assert content == dict(zip(SCHEMA.domain, SCHEMA.domain.sizes, strict=True))
    assert "fields that never enter a model ('patient')" in left_out
    assert back("mbi").domain == SCHEMA.domain


def test_sdv_v2_holds_ranges_and_v1_types() -> None:
    content, left_out = given("sdv")
    columns = content["tables"]["visits"]["columns"]
    assert content["METADATA_SPEC_VERSION"] == "V2"
    assert columns["patient"] == {"sdtype": "id"}
    assert columns["sex"] == {"sdtype": "categorical", "range_values": ["f", "m"], "range_is_nullable": False}
    assert columns["age"]["decimal_places"] == 0
    assert columns["weight"] == {
        "sdtype": "numerical",
        "range_min": 0.5,
        "range_max": 6.5,
        "decimal_places": 2,
        "range_is_nullable": True,
    }
    assert columns["admitted"]["range_min"] == "01.01.2024"
    assert columns["measured"]["datetime_format"] == "%Y-%m-%d %H:%M:%S"
    assert columns["smoker"] == {"sdtype": "boolean", "range_is_nullable": True}
    assert "missingValues" in left_out
    old, old_left_out = given("sdv-v1")
    assert old["METADATA_SPEC_VERSION"] == "V1"
    assert old["tables"]["visits"]["columns"]["age"] == {"sdtype": "numerical", "computer_representation": "Int64"}
    assert "range" not in json.dumps(old)
    assert any(line.startswith("values, ranges and whether null may occur") for line in old_left_out)


def test_smartnoise_holds_the_person() -> None:
    content, left_out = given("smartnoise")
    table = content["visits"]["visits"]["visits"]
    assert table["max_ids"] == 4
    assert table["patient"] == {"type": "string", "private_id": True}
    assert table["age"] == {"type": "int", "lower": 0, "upper": 120}
    assert table["beds"] == {"type": "int", "lower": 50, "upper": 100, "nullable": False, "missing_value": 100}
    assert table["ward"] == {"type": "string", "cardinality": 2}
    assert table["admitted"] == {"type": "datetime"}
    assert "bounds of dates ('admitted', 'measured')" in left_out
    again = back("smartnoise")
    assert again.unit == SCHEMA.unit
    assert again.codec("age").labels == SCHEMA.codec("age").labels
    row = Schema.from_domain({"rows": 2, "b": 2}, public="form")
    content, left_out = given("smartnoise", row)
    assert list(content["table"]["table"]["table"]) == ["row_privacy", "b"]
    assert left_out[0] == "a column whose name SmartNoise reads as an option ('rows')"
    person = Schema.loads(TABLE.replace("patient", "max_ids"))
    with pytest.raises(UsageError, match="'max_ids'"):
        export_schema(person, "smartnoise")


def test_a_person_whose_column_is_no_field_is_named_to_smartnoise() -> None:
    lines = TABLE.replace("  - {name: patient, type: string, dpsynth: {role: direct-id}}\n", "")
    table = given("smartnoise", Schema.loads(lines))[0]["visits"]["visits"]["visits"]
    assert table["patient"] == {"type": "string", "private_id": True}


def test_google_holds_values_and_ranges_of_its_own_kinds() -> None:
    content, left_out = given("google")
    assert content["ward"] == {"possible_values": ["surgery", "internal", "null"], "out_of_domain_index": 2}
    assert content["sex"] == {"possible_values": ["f", "m"], "out_of_domain_index": 1}
    assert content["age"] == {"min_value": 0, "max_value": 120, "clip_to_range": False, "dtype": "int"}
    assert content["smoker"] == {"possible_values": [False, True], "out_of_domain_index": 0}
    assert not {"patient", "admitted", "measured"} & set(content)
    assert "dates and times, which the format does not know ('admitted', 'measured')" in left_out
    assert "null, which counts as the first value ('smoker')" in left_out
    assert "clipping: what is outside the bounds counts as missing ('age', 'gain', 'weight')" in left_out


SAME = {
    "frictionless": ["ward", "state", "age", "smoker"],
    "sdv": ["ward", "state", "age", "smoker"],
    "google": ["sex", "beds", "age"],
    "smartnoise": ["age", "smoker"],
}


@pytest.mark.parametrize("kind", SAME)
def test_the_way_back_keeps_the_domain_where_the_format_can(kind: str) -> None:
    again = back(kind)
    for name in SAME[kind]:
        assert again.codec(name).labels == SCHEMA.codec(name).labels
    assert {field.type for field in again.fields if field.name == "weight"} == {"number"}
    assert "bins" in again.field("gain").todo


@pytest.mark.parametrize("kind", ["frictionless", "sdv"])
def test_listed_values_come_back_in_their_order(kind: str) -> None:
    document = parse(import_schema(export_schema(SCHEMA, kind).text, kind, "visits").text, kind)
    constraints = {field["name"]: field.get("constraints") for field in document["fields"]}
    assert constraints["sex"] == {"required": True, "enum": ["f", "m"]}
    assert constraints["beds"]["enum"] == [50, 100]
    assert constraints["admitted"] == {"minimum": "01.01.2024", "maximum": "30.12.2024"}


@pytest.mark.parametrize("kind", EXPORTS)
def test_what_is_open_or_comes_from_the_rows_does_not_leave(kind: str) -> None:
    learned = TABLE.replace("{role: sensitive, source: public}", "{role: sensitive, source: data}")
    with pytest.raises(NoGuaranteeError, match="'smoker'"):
        export_schema(Schema.loads(learned), kind)
    unknown = TABLE.replace("{role: sensitive, source: public}", "{role: sensitive, source: TODO}")
    with pytest.raises(SchemaError, match="TODO"):
        export_schema(Schema.loads(unknown), kind)


@pytest.mark.parametrize("kind", EXPORTS)
def test_no_format_holds_reasons_or_the_population(kind: str) -> None:
    text = export_schema(SCHEMA, kind).text
    assert "a form" not in text
    assert "clinic" not in text


def test_zones_and_early_years() -> None:
    table = """
dpsynth: {version: 1, name: t}
fields:
  - name: a
    type: date
    format: "%d/%m/%Y"
    constraints: {minimum: "0999-12-31", maximum: "9999-12-31"}
    dpsynth: {source: public, bins: year}
  - name: b
    type: datetime
    constraints: {minimum: "2024", maximum: "2024"}
    dpsynth: {source: public, bins: month, zone: Europe/Berlin}
"""
    schema = Schema.loads(table)
    fields = given("frictionless", schema)[0]["fields"]
    assert fields[0]["constraints"] == {"minimum": "31/12/0999", "maximum": "31/12/9999"}
    low = dt.datetime.fromisoformat(fields[1]["constraints"]["minimum"])
    assert low.utcoffset() == dt.timedelta(hours=1)
    columns = given("sdv", schema)[0]["tables"]["t"]["columns"]
    assert columns["b"]["range_min"] == "2024-01-01 00:00:00"
    assert columns["a"]["range_min"] == "31/12/0999"


@pytest.mark.parametrize(
    "name", ["--force", "a\nb: c", "'", "\u2028", "\x85", "1e5", "true", "null", "\U0001f600"], ids=repr
)
def test_hostile_names_come_back(name: str) -> None:
    schema = Schema.from_domain({name: 3, "z": 2}, public="form")
    for kind in EXPORTS:
        assert [field.name for field in back(kind, schema).fields] == [name, "z"]


def test_export_needs_a_known_format() -> None:
    with pytest.raises(UsageError, match="sdv-v1"):
        export_schema(SCHEMA, "arx")
