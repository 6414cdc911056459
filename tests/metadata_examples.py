"""Metadata of other tools, one example per format, as their own documentation shows them."""

from __future__ import annotations

from typing import Any

from dpsynth.schema.yamltext import parse

TABLE_SCHEMA = {
    "missingValues": ["", {"value": "NA", "label": "not asked"}],
    "primaryKey": ["record"],
    "foreignKeys": [{"fields": ["zip"], "reference": {"resource": "places", "fields": ["zip"]}}],
    "fields": [
        {"name": "record", "type": "integer"},
        {"name": "age", "type": "integer", "constraints": {"minimum": 0, "maximum": "120", "unique": False}},
        {
            "name": "sex",
            "type": "string",
            "title": "Sex",
            "constraints": {"enum": ["f", "m"], "required": True},
        },
        {"name": "zip", "type": "string", "constraints": {"pattern": "[0-9]{5}"}},
        {"name": "pay", "type": "number", "bareNumber": False, "constraints": {"minimum": 0}},
        {"name": "born", "type": "date", "format": "%d.%m.%Y", "constraints": {"minimum": "31.01.1920"}},
        {"name": "ok", "type": "boolean", "trueValues": ["Y"], "falseValues": ["N"]},
        {"name": "place", "type": "geopoint"},
        {"name": "mail", "type": "string", "constraints": {"unique": True}},
        {"name": "blood", "type": "string", "format": "uri", "categories": ["A", {"value": "0", "label": "none"}]},
        {"name": "beds", "type": "integer", "constraints": {"exclusiveMinimum": 0, "exclusiveMaximum": 9}},
    ],
}

HOTEL_V1 = {
    "METADATA_SPEC_VERSION": "SINGLE_TABLE_V1",
    "primary_key": "guest_email",
    "alternate_keys": ["card"],
    "columns": {
        "guest_email": {"sdtype": "email", "pii": True},
        "card": {"sdtype": "credit_card_number"},
        "has_rewards": {"sdtype": "boolean"},
        "room_type": {"sdtype": "categorical"},
        "stars": {"sdtype": "categorical", "order": [1, 2, 3]},
        "fee": {"sdtype": "numerical", "computer_representation": "Float"},
        "nights": {"sdtype": "numerical", "computer_representation": "Int64"},
        "rate": {"sdtype": "numerical"},
        "checkin": {"sdtype": "datetime", "datetime_format": "%d %b %Y"},
        "seen": {"sdtype": "datetime", "datetime_format": "%Y-%m-%d %H:%M"},
        "odd": {"sdtype": "datetime", "datetime_format": "%j %Y"},
        "city": {"sdtype": "city", "pii": False},
        "note": {"sdtype": "unknown", "pii": False},
    },
    "column_relationships": [],
}

GUESTS_V2 = {
    "METADATA_SPEC_VERSION": "V2",
    "tables": {
        "guests": {
            "primary_key": "id",
            "columns": {
                "id": {"sdtype": "id", "regex_format": "G[0-9]{3}", "range_is_nullable": False},
                "room": {"sdtype": "ordinal", "range_values": ["BASIC", "SUITE"], "range_is_nullable": False},
                "fee": {"sdtype": "numerical", "range_min": 0.0, "range_max": 46.64, "decimal_places": 2},
                "guests": {"sdtype": "numerical", "range_min": 1, "range_max": 6.0, "decimal_places": 0},
                "in": {
                    "sdtype": "datetime",
                    "datetime_format": "%d %b %Y",
                    "range_min": "27 Dec 2020",
                    "range_max": "05 Apr 2021",
                },
                "mixed": {"sdtype": "categorical", "range_values": ["x", 1]},
            },
        },
        "hotels": {"columns": {"x": {"sdtype": "boolean"}}},
    },
    "relationships": [{"parent_table_name": "hotels"}],
}

PUMS = """
Database:
  PUMS:
    PUMS:
      rows: 1000
      max_ids: 3
      age: {type: int, lower: 0, upper: 100}
      sex: {type: string, cardinality: 2}
      income: {type: float, lower: 0, upper: 500000, nullable: false}
      children: {type: int, lower: 0, upper: 9, missing_value: 0}
      born: {type: datetime}
      married: {type: boolean, nullable: true}
      pid: {type: int, private_id: True}
engine: pandas
"""

DOMAIN = """
age: {clip_to_range: true, dtype: int, max_value: 50.0, min_value: 10.0}
pay: {type: NumericalAttribute, min_value: 0.5, max_value: 9, clip_to_range: false, sentinel: -1, dtype: float}
sex: {out_of_domain_index: 1, possible_values: [M, F], description: as registered}
grade: {possible_values: [1, 2, 5]}
ok: {possible_values: [false, true]}
town: {type: OpenSetCategoricalAttribute, default_value: <OOD>, public_possible_values: [Rome], description: null}
any: {}
story: {max_tokens: 256}
"""

SAMPLES: dict[str, Any] = {
    "mbi": {"a": 2},
    "frictionless": TABLE_SCHEMA,
    "sdv": HOTEL_V1,
    "smartnoise": parse(PUMS, "t"),
    "google": parse(DOMAIN, "t"),
}
