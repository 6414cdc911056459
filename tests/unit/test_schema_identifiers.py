"""``generate``, ``unique`` and ``primaryKey`` in schema.yaml: what they mean, and every way to get them wrong."""

from __future__ import annotations

import pyarrow as pa
import pytest

from dpsynth.errors import SchemaError
from dpsynth.schema import Schema
from dpsynth.schema.identifiers import Fake, Numbers, Pattern, RandomUuid


def loaded(field: str, top: str = "") -> Schema:
    return Schema.loads(
        f"dpsynth: {{version: 1, name: t}}\n{top}\nfields:\n"
        f"  - {{name: id, {field}}}\n"
        "  - {name: a, type: boolean, dpsynth: {source: public}}\n"
    )


def direct(generate: str, kind: str = "string", more: str = "") -> str:
    return f"type: {kind}, dpsynth: {{role: direct-id, generate: {generate}}}{more}"


def test_every_way_to_invent_is_read() -> None:
    assert loaded(direct("sequence", "integer")).field("id").identifier == Numbers()
    assert loaded(direct("{sequence: {start: 7, prefix: P, width: 6}}")).field("id").identifier == Numbers(
        7, "P", 6, text=True
    )
    assert loaded(direct("uuid")).field("id").identifier == RandomUuid()
    assert loaded(direct("{faker: name, locale: en_GB}")).field("id").identifier == Fake("name", "en_GB")
    pattern = loaded(direct('{regex: "[A-Z]{2}"}')).field("id").identifier
    assert isinstance(pattern, Pattern)
    assert (pattern.automaton.counts[0], pattern.unique) == (676, False)


def test_the_output_holds_invented_columns_in_the_order_of_the_schema() -> None:
    schema = loaded(direct("sequence", "integer"))
    assert schema.arrow_schema == pa.schema([pa.field("id", pa.int64(), nullable=False), pa.field("a", pa.bool_())])
    assert [one.name for one in schema.modeled] == ["a"]
    assert schema.domain.attributes == ("a",)
    assert loaded("type: string, dpsynth: {role: direct-id}").arrow_schema.names == ["a"]


def test_keys_are_unique_by_themselves_or_by_declaration() -> None:
    unique = ", constraints: {unique: true}"
    for schema in (
        loaded(direct('{regex: "[A-Z]{2}"}', more=unique)),
        loaded(direct('{regex: "[A-Z]{2}"}'), "primaryKey: id"),
        loaded(direct('{regex: "[A-Z]{2}"}'), "primaryKey: [id, a]"),
    ):
        assert schema.field("id").identifier.unique
    assert loaded(direct("uuid", more=unique), "primaryKey: [id]").problems() == []
    # Of a column that is left out, unique says something of the real table alone.
    assert loaded("type: string, constraints: {unique: true}, dpsynth: {role: direct-id}").problems() == []


def test_a_schema_with_every_key_survives_dumping() -> None:
    schema = loaded(
        direct("{sequence: {start: 7, prefix: P, width: 6}}", more=", constraints: {unique: true}"), "primaryKey: [id]"
    )
    assert Schema.loads(schema.dump()) == schema
    assert schema.to_dict()["fields"][0]["dpsynth"]["generate"] == {"sequence": {"start": 7, "prefix": "P", "width": 6}}
    assert Schema.loads(schema.dump()).digest == schema.digest


@pytest.mark.parametrize(
    ("field", "said"),
    [
        ("type: boolean, dpsynth: {source: public, generate: uuid}", "this one is modeled"),
        ("type: boolean, constraints: {unique: true}, dpsynth: {source: public}", "cannot be kept for a modeled"),
        (direct("uuid", "integer"), "gives text"),
        (direct("{faker: name}", "integer"), "gives text"),
        (direct('{regex: "[0-9]"}', "integer"), "gives text"),
        (direct("uuid", "date"), "does not apply to date"),
        (direct("sequence", "number"), "does not apply to number"),
        (direct("{}"), "exactly one"),
        (direct("{regex: a, faker: name}"), "exactly one"),
        (direct("{regex: a, locale: en_GB}"), "locale"),
        (direct("{locale: en_GB}"), "exactly one"),
        (direct("random"), "sequence"),
        (direct("[uuid]"), "generate"),
        (direct("5"), "generate"),
        (direct("{regexp: a}"), "unknown key 'regexp'"),
        (direct("{sequence: {begin: 1}}"), "unknown key 'begin'"),
        (direct("{sequence: {start: -1}}"), "at least 0"),
        (direct("{sequence: {width: 99}}"), "at most 18"),
        (direct('{sequence: {prefix: "a\\n"}}'), "control character"),
        (direct("{sequence: {prefix: P}}", "integer"), "makes text"),
        (direct('{regex: "(a+)+"}'), "without end"),
        (direct('{regex: ""}'), "is empty"),
        (direct("{faker: name}", more=", constraints: {unique: true}"), "may repeat"),
        (direct("{faker: __class__}"), "not the name of a provider"),
        (direct('{faker: "os.system"}'), "not the name of a provider"),
        (direct("{faker: name, locale: ../x}"), "not a locale"),
        ("type: integer, dpsynth: {role: direct-id, generate: sequence, dtype: int8}", "whole range"),
        ("type: string, dpsynth: {role: direct-id, generate: uuid, dtype: int64}", "not an output dtype"),
    ],
)
def test_a_wrong_rule_names_the_field_and_says_why(field: str, said: str) -> None:
    with pytest.raises(SchemaError) as caught:
        loaded(field)
    assert "'id'" in str(caught.value)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("field", "key", "said"),
    [
        (direct("uuid"), "nothing", "no field 'nothing'"),
        (direct("uuid"), "[id, id]", "twice"),
        (direct("uuid"), "a", "none of its columns"),
        (direct("{faker: name}"), "id", "none of its columns"),
        ("type: string, dpsynth: {role: direct-id}", "[id, a]", "needs a generate key"),
        (direct("uuid"), "{id: 1}", "primaryKey"),
        (direct("uuid"), "[1]", "primaryKey"),
    ],
)
def test_a_key_that_cannot_be_kept_is_refused(field: str, key: str, said: str) -> None:
    with pytest.raises(SchemaError, match=said):
        loaded(field, f"primaryKey: {key}")


def test_columns_named_like_options_are_columns() -> None:
    for name in ("--where", "generate", "regex", "-n", "sequence"):
        schema = Schema.loads(
            f'dpsynth: {{version: 1, name: t}}\nprimaryKey: "{name}"\nfields:\n'
            f'  - {{name: "{name}", type: string, dpsynth: {{role: direct-id, generate: uuid}}}}\n'
            "  - {name: a, type: boolean, dpsynth: {source: public}}\n"
        )
        assert schema.arrow_schema.names == [name, "a"]
