"""``Schema``: what it holds, how it is written, and which tables it fits."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest

from dpsynth.errors import DataMismatchError, SchemaError, UsageError
from dpsynth.schema import Schema, UnitSpec
from dpsynth.schema.domains import ENUMERATIONS

TEXT = """
dpsynth: {version: 1, name: visits, population: hospital, unit: {column: pid, max_rows: 4}}
missingValues: ["-"]
fields:
- {name: pid, type: string, dpsynth: {role: direct-id}}
- {name: age, type: integer, dpsynth: {role: quasi, source: public, domain: age-0-120, bins: {width: 5}}}
- {name: state, type: string, dpsynth: {source: public, domain: us-states, overflow: other}}
- {name: cost, type: number, dpsynth: {source: dp, bins: {edges: [0, 10, 100]}, decimals: 2}}
- name: paid
  type: boolean
  constraints: {required: true}
  dpsynth: {role: sensitive, source: public, public_reason: by law, null: false, dtype: bool}
- name: day
  type: date
  constraints: {minimum: "2020-01-01", maximum: "2020-12-31"}
  dpsynth: {source: public, bins: quarter}
- name: seen
  type: datetime
  constraints: {minimum: "2020", maximum: "2020"}
  dpsynth: {source: public, bins: month, zone: Europe/Paris, null: "2020-06-01"}
"""


@pytest.fixture(scope="module")
def schema() -> Schema:
    return Schema.loads(TEXT)


def test_what_a_schema_holds(schema: Schema) -> None:
    assert (schema.name, schema.population, schema.unit) == ("visits", "hospital", UnitSpec("pid", 4))
    assert [field.name for field in schema.modeled] == ["age", "state", "cost", "paid", "day", "seen"]
    assert schema.domain.sizes == (26, 53, 3, 2, 5, 12)
    assert [field.nullable for field in schema.modeled] == [True, True, True, False, True, False]
    assert schema.field("paid").public_reason == "by law"
    assert schema.problems() == []
    schema.require_fit()


def test_output_types_are_fixed_by_the_schema(schema: Schema) -> None:
    assert schema.arrow_schema.types == [
        pa.int64(),
        pa.string(),
        pa.float64(),
        pa.bool_(),
        pa.date32(),
        pa.timestamp("us", tz="Europe/Paris"),
    ]
    assert [field.nullable for field in schema.arrow_schema] == [True, True, True, False, True, False]


def test_labels_name_every_code(schema: Schema) -> None:
    assert schema.codec("age").labels[:2] == ("0..4", "5..9")
    assert schema.codec("age").labels[-2:] == ("120", "null")
    assert schema.codec("cost").labels == ("[0.0, 10.0)", "[10.0, 100.0]", "null")
    assert schema.codec("paid").labels == ("false", "true")
    assert schema.codec("day").labels == ("2020-Q1", "2020-Q2", "2020-Q3", "2020-Q4", "null")
    assert schema.codec("seen").labels[0] == "2020-01"
    for field in schema.modeled:
        assert len(field.ready.labels) == field.ready.size == len(set(field.ready.labels))


def test_round_trips(schema: Schema, tmp_path: Path) -> None:
    document = schema.to_dict()
    assert Schema.from_dict(json.loads(json.dumps(document))) == schema
    (tmp_path / "s.yaml").write_text(schema.dump(), encoding="utf-8")
    again = Schema.load(tmp_path / "s.yaml")
    assert again == schema
    assert again.digest == schema.digest
    (tmp_path / "s.json").write_text(json.dumps(document), encoding="utf-8")
    assert Schema.load(tmp_path / "s.json") == schema
    assert list(document) == ["dpsynth", "missingValues", "fields"]


def test_key_order_and_byte_order_mark_do_not_matter(schema: Schema, tmp_path: Path) -> None:
    document = schema.to_dict()
    turned = {key: document[key] for key in reversed(document)}
    assert Schema.from_dict(turned).digest == schema.digest
    (tmp_path / "bom.yaml").write_bytes(b"\xef\xbb\xbf" + TEXT.encode())
    assert Schema.load(tmp_path / "bom.yaml") == schema


def test_from_dict_keeps_nothing_of_its_argument(schema: Schema) -> None:
    document = schema.to_dict()
    copy = Schema.from_dict(document)
    document["fields"][1]["name"] = "changed"
    assert copy == schema


def test_unknown_names_say_what_was_meant(schema: Schema) -> None:
    with pytest.raises(UsageError, match="'state'"):
        schema.codec("stat")
    with pytest.raises(SchemaError, match="direct-id"):
        schema.codec("pid")


def test_check_columns(schema: Schema) -> None:
    names = ["seen", "day", "paid", "cost", "state", "age", "pid", "extra"]
    schema.check_columns(names, dict.fromkeys(names, "binary"))
    schema.check_columns(
        names, {"day": "timestamp[ns]", "age": "double", "state": "dictionary<values=string, indices=int8, ordered=0>"}
    )
    with pytest.raises(DataMismatchError, match="'pid'"):
        schema.check_columns(names[:6], {})
    with pytest.raises(DataMismatchError, match="no column 'age'"):
        schema.check_columns(["Age", *(name for name in names if name != "age")], {})
    with pytest.raises(DataMismatchError, match="two columns named 'age'"):
        schema.check_columns([*names, "age"], {})
    for column, physical in (
        ("day", "bool"),
        ("age", "date32[day]"),
        ("cost", "timestamp[us]"),
        ("state", "list<item: string>"),
    ):
        with pytest.raises(DataMismatchError, match=f"'{column}'.*{physical[:4]}"):
            schema.check_columns(names, {column: physical})


def test_doubled_columns_that_no_one_reads_do_no_harm(schema: Schema) -> None:
    schema.check_columns(["seen", "day", "paid", "cost", "state", "age", "pid", "x", "x"], {})


def test_from_domain_keeps_the_sizes() -> None:
    schema = Schema.from_domain({"a": 2, "b": 5000}, public="code book")
    assert schema.domain.sizes == (2, 5000)
    assert schema.problems() == []
    assert schema.codec("a").encode(pa.array([0, 1, 7, None])).tolist() == [0, 1, 1, 0]
    assert len(Schema.from_domain({"a": 2}).problems()) == 1


def test_public_domains_that_ship() -> None:
    assert {name: len(texts) for name, texts in ENUMERATIONS.items()} == {
        "us-states": 51,
        "iso-3166-alpha2": 249,
        "iso-3166-alpha3": 249,
    }
    for name, texts in ENUMERATIONS.items():
        assert len(set(texts)) == len(texts)
        width = 3 if name.endswith("3") else 2
        assert all(len(text) == width and text.isupper() for text in texts)
    pairs = dict(zip(ENUMERATIONS["iso-3166-alpha2"], ENUMERATIONS["iso-3166-alpha3"], strict=True))
    assert (pairs["DE"], pairs["CH"], pairs["ZA"], pairs["UA"]) == ("DEU", "CHE", "ZAF", "UKR")


def test_the_adult_schema_may_be_fitted(root: Path) -> None:
    schema = Schema.load(root / "examples" / "adult" / "schema.yaml")
    assert schema.problems() == []
    assert schema.population == "uci-adult"
    assert schema.domain.sizes == (74, 9, 17, 16, 16, 7, 15, 6, 5, 2, 15, 13, 99, 42, 2)
    gain = schema.codec("capital-gain")
    assert gain.labels[0] == "0"
    assert gain.labels[-1] == "99999"
    assert gain.encode(pa.array([b"0", b"1", b"99998", b"99999", b"?"])).tolist() == [0, 1, 13, 14, 0]
