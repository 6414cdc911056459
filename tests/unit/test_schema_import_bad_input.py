"""Metadata of other tools that are none, truncated, hostile or of another format: one error, never a traceback."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpsynth.errors import DataMismatchError, FileFormatError, SchemaError, UsageError
from dpsynth.schema import IMPORTS, Exchanged, Schema, import_schema
from dpsynth.schema.yamltext import parse
from metadata_examples import SAMPLES


def taken(data: object, kind: str, public: str | None = None, table: str | None = None) -> tuple[Schema, Exchanged]:
    text = data if isinstance(data, str) else json.dumps(data)
    made = import_schema(text, kind, "t", public, table=table)
    return Schema.loads(made.text), made


STRUCTURED = tuple(kind for kind in IMPORTS if kind != "arx")


@pytest.mark.parametrize("kind", STRUCTURED)
@pytest.mark.parametrize("other", STRUCTURED)
def test_a_file_of_another_format_is_refused(kind: str, other: str) -> None:
    text = json.dumps(SAMPLES[other])
    if kind == other:
        import_schema(text, kind, "t")
        return
    with pytest.raises(FileFormatError, match=rf"^meta: is not {kind} metadata\. \S+"):
        import_schema(text, kind, "t", where="meta")


NO_METADATA = (
    *("", "[]", "[1, 2]", "{}", "null", "7", "a\x00b", "\x01", "{" * 50, "[" * 100_000),
    *(
        '{"a":' * 3000 + "1" + "}" * 3000,
        '{"a": 1, "a": 2}',
        '{"a": "\\ud800"}',
        "a: *b",
        "- a\n- b",
        "a: 1\n---\nb: 2",
    ),
    " " * 8_000_001,
)


@pytest.mark.parametrize("kind", STRUCTURED)
@pytest.mark.parametrize("text", NO_METADATA, ids=lambda text: repr(text[:12]))
def test_what_is_no_metadata_at_all(kind: str, text: str) -> None:
    with pytest.raises(DataMismatchError, match=r"^meta\.json: "):
        import_schema(text, kind, "t", where="meta.json")


@pytest.mark.parametrize("kind", STRUCTURED)
def test_a_truncated_file_is_refused(kind: str) -> None:
    text = json.dumps(SAMPLES[kind])
    for end in range(1, len(text), 7):
        with pytest.raises(DataMismatchError):
            import_schema(text[:end], kind, "t")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ('{"a": 0}', "mbi"),
        ('{"a": true}', "mbi"),
        ('{"a": "2"}', "mbi"),
        ('{"fields": []}', "frictionless"),
        ('{"fields": [1]}', "frictionless"),
        ('{"fields": [{"type": "string"}]}', "frictionless"),
        ('{"resources": ["x"]}', "frictionless"),
        ('{"resources": [{"name": "a", "schema": {}}, {"name": "a", "schema": {}}]}', "frictionless"),
        ('{"columns": {"a": {}}}', "sdv"),
        ('{"columns": {"a": {"sdtype": 3}}}', "sdv"),
        ('{"tables": {"a": 3}}', "sdv"),
        ('{"d": {"s": {"t": {"rows": 9}}}}', "smartnoise"),
        ('{"d": {"s": {"t": {"a": {"lower": 9}}}}}', "smartnoise"),
        ('{"d": {"s": 3}}', "smartnoise"),
        ('{"a": {"lower": 3}}', "google"),
        ('{"a": {"type": "Other", "min_value": 3}}', "google"),
        ('{"a": [1]}', "google"),
    ],
)
def test_files_of_another_shape(text: str, kind: str) -> None:
    with pytest.raises(FileFormatError, match=r"^meta\.json: "):
        import_schema(text, kind, "t", where="meta.json")


HOSTILE = [
    "--force",
    "-o",
    "a\nsource: public",
    "a: b",
    "# c",
    "'",
    '"',
    "\u2028x",
    "\x85",
    "null",
    "\x00",
    "age ",
    "\u00e9",
]


@pytest.mark.parametrize("name", HOSTILE, ids=repr)
def test_hostile_names_stay_names(name: str) -> None:
    metadata = {
        "mbi": {name: 2, "z": 2},
        "frictionless": {"fields": [{"name": name, "type": "number", "title": name}, {"name": "z", "type": "string"}]},
        "sdv": {"columns": {name: {"sdtype": "categorical", "range_values": ["x"]}, "z": {"sdtype": "boolean"}}},
        "smartnoise": {"d": {"s": {"t": {name: {"type": "int", "odd": 1}, "z": {"type": "int"}}}}},
        "google": {name: {"min_value": 0, "max_value": 2, "odd": 1}, "z": {"possible_values": ["a"]}},
    }
    for kind, data in metadata.items():
        schema, made = taken(data, kind)
        assert [field.name for field in schema.fields] == [name, "z"]
        assert schema.field(name).source in (None, "data")
        assert not any("\n" in line for line in made.left_out)


@given(st.text(alphabet=st.characters(codec="utf-8"), min_size=1), st.text(alphabet=st.characters(codec="utf-8")))
def test_comments_change_no_text(name: str, title: str) -> None:
    data = {"fields": [{"name": name, "type": "number", "title": title}, {"name": f"{name}+", "type": "date"}]}
    fields = parse(import_schema(json.dumps(data), "frictionless", "t").text, "t")["fields"]
    assert [field["name"] for field in fields] == [name, f"{name}+"]
    assert fields[0]["title"] == title
    assert {field["dpsynth"]["source"] for field in fields} == {"TODO"}


def test_surrogate_pairs_and_tabs_of_json_are_read() -> None:
    schema, _ = taken('{\n\t"a": 2,\n\t"\\ud83d\\ude00": 3\n}', "mbi", "law")
    assert tuple(schema.domain) == ("a", "\U0001f600")


def test_import_needs_a_known_format_and_a_reason() -> None:
    with pytest.raises(UsageError, match="frictionless"):
        import_schema("{}", "csvw", "t")
    with pytest.raises(UsageError, match="import_hierarchies"):
        import_schema("{}", "arx", "t")
    with pytest.raises(UsageError, match="reason"):
        import_schema('{"a": 2}', "mbi", "t", " ")
    with pytest.raises(SchemaError, match="not valid YAML"):
        import_schema("{", "mbi", "t")


@pytest.mark.parametrize(
    "number", ["1" + "0" * 300, "1" + "0" * 5000, "1e400", "-1e400", "NaN", "0.5", '"x"', "[1]", "{}"]
)
def test_bounds_that_are_none(number: str) -> None:
    field = f'{{"name": "a", "type": "integer", "constraints": {{"minimum": 0, "maximum": {number}}}}}'
    texts = {
        "frictionless": f'{{"fields": [{field}]}}',
        "sdv": f'{{"columns": {{"a": {{"sdtype": "numerical", "range_min": 0, "range_max": {number}}}}}}}',
        "smartnoise": f'{{"d": {{"s": {{"t": {{"a": {{"type": "int", "lower": 0, "upper": {number}}}}}}}}}}}',
        "google": f'{{"a": {{"min_value": 0, "max_value": {number}, "dtype": "int"}}}}',
    }
    for kind, text in texts.items():
        try:
            made = import_schema(text, kind, "t", "law")
        except DataMismatchError:
            continue
        assert not Schema.loads(made.text).field("a").codec
