"""Every way in which a schema can be wrong: one error, naming the field and the key, and never a traceback."""

from __future__ import annotations

from pathlib import Path

import pytest

from dpsynth.errors import DpsynthError, FileFormatError, NoGuaranteeError, SchemaError
from dpsynth.schema import Schema
from dpsynth.schema.yamltext import dump, parse

HEAD = "dpsynth: {version: 1, name: t}\n"


def field(extra: str, kind: str = "integer", name: str = "a", block: str = "source: public") -> str:
    parts = ", ".join(part for part in (f"name: {name}", f"type: {kind}", extra, f"dpsynth: {{{block}}}") if part)
    return f"{HEAD}fields:\n- {{{parts}}}\n"


BOUNDS = "constraints: {minimum: 0, maximum: 9}"
WRONG = {
    "typo in a field": (field("constrains: {minimum: 0}"), ["'a'", "constrains", "'constraints'"]),
    "typo in a block": (field(BOUNDS, block="sorce: public"), ["'a'", "sorce", "'source'"]),
    "typo in constraints": (field("constraints: {minimun: 0, maximum: 9}"), ["'a'", "minimun", "'minimum'"]),
    "typo in the table": ("dpsynth: {version: 1, nmae: t}\nfields: [{name: a}]", ["nmae", "'name'"]),
    "typo at the top": (HEAD + "missingvalues: []\nfields: [{name: a}]", ["missingvalues", "'missingValues'"]),
    "typo in the unit": (
        "dpsynth: {version: 1, name: t, unit: {column: p, max_row: 2}}\nfields: [{name: a}]",
        ["max_row"],
    ),
    "typo in bins": (field(BOUNDS, block="source: public, bins: {widht: 2}"), ["'a'", "widht", "'width'"]),
    "min above max": (field("constraints: {minimum: 9, maximum: 0}"), ["'a'", "minimum"]),
    "no minimum": (field("constraints: {maximum: 0}"), ["'a'", "minimum", "missing"]),
    "empty enum": (field("constraints: {enum: []}", "string"), ["'a'", "enum", "empty"]),
    "empty number enum": (field("constraints: {enum: []}", "number"), ["'a'", "enum", "empty"]),
    "no enum": (field("", "string"), ["'a'", "enum", "missing"]),
    "duplicate categories": (field("constraints: {enum: [x, y, x]}", "string"), ["'a'", "enum", "twice"]),
    "duplicate numbers": (field("constraints: {enum: [1, 1]}"), ["'a'", "enum", "twice"]),
    "boolean in a string enum": (field("constraints: {enum: [true, x]}", "string"), ["'a'", "enum", "quotes"]),
    "number in a string enum": (field("constraints: {enum: [1.5, x]}", "string"), ["'a'", "enum", "quotes"]),
    "spaces around a category": (field("constraints: {enum: [' x']}", "string"), ["'a'", "enum", "white space"]),
    "a category that is missing": (field("constraints: {enum: ['']}", "string"), ["'a'", "enum", "missingValues"]),
    "a category called null": (field("constraints: {enum: ['null', x]}", "string"), ["'a'", "enum", "null"]),
    "unknown type": (field(BOUNDS, "intger"), ["'a'", "type", "integer"]),
    "no type": (HEAD + "fields: [{name: a, dpsynth: {source: public}}]", ["'a'", "type", "missing"]),
    "no source": (field(BOUNDS, block="role: other"), ["'a'", "source", "no default"]),
    "unknown source": (field(BOUNDS, block="source: internet"), ["'a'", "source", "public"]),
    "unknown role": (field(BOUNDS, block="source: public, role: id"), ["'a'", "role", "direct-id"]),
    "required without null": (
        field("constraints: {required: true, minimum: 0, maximum: 9}"),
        ["'a'", "required", "null: VALUE"],
    ),
    "null outside": (field(BOUNDS, block="source: public, null: 10"), ["'a'", "null", "outside"]),
    "null of another type": (field(BOUNDS, block="source: public, null: x"), ["'a'", "null", "whole number"]),
    "null not listed": (
        field("constraints: {enum: [x]}", "string", block="source: public, null: z"),
        ["'a'", "null", "not in"],
    ),
    "null of a boolean": (field("", "boolean", block="source: public, null: maybe"), ["'a'", "null", "true, false"]),
    "no bins": (field("constraints: {minimum: 0, maximum: 5000}"), ["'a'", "bins", "1000"]),
    "number without bins": (field(BOUNDS, "number"), ["'a'", "bins"]),
    "two kinds of bins": (field(BOUNDS, block="source: public, bins: {width: 1, count: 2}"), ["'a'", "exactly one"]),
    "width of zero": (field(BOUNDS, block="source: public, bins: {width: 0}"), ["'a'", "width", "at least 1"]),
    "more bins than numbers": (field(BOUNDS, block="source: public, bins: {count: 11}"), ["'a'", "count"]),
    "log below zero": (
        field("constraints: {minimum: -1, maximum: 9}", block="source: public, bins: {log: 3}"),
        ["'a'", "log"],
    ),
    "edges not ascending": (field("", block="source: public, bins: {edges: [0, 5, 3]}"), ["'a'", "edges", "ascending"]),
    "edges against bounds": (field(BOUNDS, block="source: public, bins: {edges: [0, 8]}"), ["'a'", "edges", "maximum"]),
    "one edge": (field("", block="source: public, bins: {edges: [0]}"), ["'a'", "edges"]),
    "edges of a number doubled": (
        field("", "number", block="source: public, bins: {edges: [0, 5, 5]}"),
        ["'a'", "bins", "narrow"],
    ),
    "too many bins": (
        field("constraints: {minimum: 0, maximum: 90000000}", block="source: public, bins: {width: 1}"),
        ["'a'", "1,000,000"],
    ),
    "too many hours": (
        field("constraints: {minimum: '0001', maximum: '9999'}", "datetime", block="source: public, bins: hour"),
        ["'a'", "1,000,000"],
    ),
    "bounds beyond exact integers": (
        field("constraints: {minimum: 0, maximum: 9000000000000000000}", block="source: public, bins: {count: 2}"),
        ["'a'", "10**18"],
    ),
    "infinite bound": (
        field("constraints: {minimum: 0, maximum: .inf}", "number", block="source: public, bins: {count: 2}"),
        ["'a'", "maximum"],
    ),
    "decimals too fine": (
        field(
            "constraints: {minimum: 0, maximum: 1000000}",
            "number",
            block="source: public, bins: {count: 2}, decimals: 12",
        ),
        ["'a'", "decimals"],
    ),
    "decimals coarser than bins": (
        field(
            "constraints: {minimum: 0, maximum: 1}", "number", block="source: public, bins: {width: 0.05}, decimals: 1"
        ),
        ["'a'", "decimals"],
    ),
    "date without calendar": (
        field("constraints: {minimum: '2020', maximum: '2021'}", "date", block="source: public, bins: {count: 2}"),
        ["'a'", "bins", "month"],
    ),
    "hours of a date": (
        field("constraints: {minimum: '2020', maximum: '2021'}", "date", block="source: public, bins: hour"),
        ["'a'", "bins", "day"],
    ),
    "date that is no date": (
        field("constraints: {minimum: 2020-02-30, maximum: '2021'}", "date", block="source: public, bins: day"),
        ["'a'", "minimum"],
    ),
    "bound of another type": (field("constraints: {minimum: 0.5, maximum: 9}"), ["'a'", "minimum", "whole number"]),
    "calendar of numbers": (field(BOUNDS, block="source: public, bins: month"), ["'a'", "bins", "dates"]),
    "unknown zone": (
        field(
            "constraints: {minimum: '2020', maximum: '2021'}",
            "datetime",
            block="source: public, bins: day, zone: Europe/Atlantis",
        ),
        ["'a'", "zone", "IANA"],
    ),
    "unknown directive": (
        field(
            "format: '%Q', constraints: {minimum: '2020', maximum: '2021'}", "date", block="source: public, bins: day"
        ),
        ["'a'", "format", "%Q"],
    ),
    "format without a day": (
        field(
            "format: '%Y-%m', constraints: {minimum: '2020', maximum: '2021'}",
            "date",
            block="source: public, bins: day",
        ),
        ["'a'", "format", "%d"],
    ),
    "key of another type": (field("trueValues: [y], " + BOUNDS), ["'a'", "trueValues", "integer"]),
    "enum and bounds": (field("constraints: {enum: [1], minimum: 0, maximum: 9}"), ["'a'", "one of"]),
    "unknown public domain": (
        field("", "string", block="source: public, domain: us-state"),
        ["'a'", "domain", "us-states"],
    ),
    "public domain from data": (
        field("", "string", block="source: data, domain: us-states"),
        ["'a'", "source", "public"],
    ),
    "other category of a number": (field(BOUNDS, block="source: public, overflow: other"), ["'a'", "overflow", "clip"]),
    "clipped string": (
        field("constraints: {enum: [x]}", "string", block="source: public, overflow: clip"),
        ["'a'", "overflow", "other"],
    ),
    "dtype of another type": (field(BOUNDS, block="source: public, dtype: bool"), ["'a'", "dtype", "integer"]),
    "dtype without null": (field(BOUNDS, block="source: public, dtype: int64"), ["'a'", "dtype", "null"]),
    "dtype too small": (
        field("constraints: {minimum: 0, maximum: 300}", block="source: public, dtype: Int8"),
        ["'a'", "dtype", "range"],
    ),
    "dtype too small for a list": (
        field("constraints: {enum: [1, 300]}", block="source: public, dtype: Int8"),
        ["'a'", "dtype", "range"],
    ),
    "dtype of another zone": (
        field(
            "constraints: {minimum: '2020', maximum: '2020'}",
            "datetime",
            block="source: public, bins: month, zone: Europe/Paris, dtype: 'datetime64[us, UTC]'",
        ),
        ["'a'", "dtype", "zone"],
    ),
    "overlapping truths": (field("trueValues: ['1'], falseValues: ['1']", "boolean"), ["'a'", "trueValues"]),
    "two fields of one name": (
        HEAD + "fields:\n" + 2 * "- {name: a, type: boolean, dpsynth: {source: public}}\n",
        ["two fields", "'a'"],
    ),
    "unit that is modeled": (
        field("", "boolean").replace("name: t", "name: t, unit: {column: a, max_rows: 2}"),
        ["'a'", "unit", "direct-id"],
    ),
    "unit of no rows": (
        field("", "boolean").replace("name: t", "name: t, unit: {column: p, max_rows: 0}"),
        ["max_rows"],
    ),
    "unknown unit": (field("", "boolean").replace("name: t", "name: t, unit: person"), ["unit", "'row'"]),
    "newer version": (field("", "boolean").replace("version: 1", "version: 2"), ["version"]),
    "no version": (field("", "boolean").replace("version: 1, ", ""), ["version", "missing"]),
    "no fields": (HEAD + "fields: []", ["fields", "empty"]),
    "fields missing": (HEAD, ["fields", "missing"]),
    "not a map": ("[1, 2]", ["map"]),
    "a scalar": ("42", ["map"]),
    "empty": ("", ["empty"]),
    "only a comment": ("# nothing\n", ["empty"]),
    "duplicate key": (field(BOUNDS + ", type: string"), ["'type'", "twice"]),
    "alias": ("x: &a [1]\ny: *a\n", ["anchors"]),
    "alias bomb": ("a: &a [x,x]\nb: &b [*a,*a]\nc: [*b,*b]\n", ["anchors"]),
    "tag": ("a: !!python/object/apply:os.system [ls]\n", ["tags"]),
    "two documents": ("a: 1\n---\nb: 2\n", ["more than one"]),
    "bad indentation": ("a:\n  - b\n c: 1\n", ["line 3", "YAML"]),
    "unclosed quote": ("a: 'b\n", ["YAML"]),
    "control character": ("a: \x00\n", ["YAML"]),
    "map as a key": ("{a: 1}: 2\n", ["plain word"]),
    "deep nesting": ("[" * 500, ["nested"]),
    "very many values": ("[" + "a," * 600_000 + "]", ["500,000"]),
    "huge": ("a" * 8_000_001, ["larger"]),
}


@pytest.mark.parametrize("text", [pytest.param(text, id=name) for name, (text, _) in WRONG.items()])
def test_a_wrong_schema_is_refused_in_words(text: str) -> None:
    words = next(words for other, words in WRONG.values() if other == text)
    with pytest.raises(SchemaError) as caught:
        Schema.loads(text, where="people.yaml")
    message = str(caught.value)
    assert message.startswith("people.yaml: ")
    assert all(word in message for word in words), message
    assert len(message) < 400
    assert caught.value.exit_code == 3


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    latin = tmp_path / "latin.yaml"
    latin.write_bytes("name: Köln".encode("latin-1"))
    for path, word in ((tmp_path / "absent.yaml", "no such"), (tmp_path, "directory"), (latin, "UTF-8")):
        with pytest.raises(FileFormatError, match=word):
            Schema.load(path)


def test_words_of_yaml_that_are_not_booleans_stay_words() -> None:
    schema = Schema.loads(field("constraints: {enum: [yes, no, on, 007, 12:30, 2020-01-01, 5]}", "string"))
    assert schema.codec("a").labels == ("yes", "no", "on", "007", "12:30", "2020-01-01", "5", "null")
    assert Schema.loads(schema.dump()) == schema


@pytest.mark.parametrize(
    "value",
    ["yes", "null", "~", "", "1e5", "0x1F", "1_000", "-.inf", "true", " x", "a: b", "#c", "é", "\n", "-", "=", "01"],
)
def test_text_survives_the_dump(value: str) -> None:
    assert parse(dump({"k": [value], value: 1}), "test") == {"k": [value], value: 1}


@pytest.mark.parametrize("value", [1, -1, 0.1, 1e300, 1e-7, True, None, float("inf")])
def test_other_scalars_survive_the_dump(value: object) -> None:
    (back,) = parse(dump([value]), "test")
    assert back == value
    assert type(back) is type(value)


def test_a_document_that_is_no_schema() -> None:
    deep: dict[str, object] = {}
    node = deep
    for _ in range(3000):
        node["fields"] = node = {}
    for document in (
        deep,
        {1: 2},
        {"dpsynth": None, "fields": None},
        [1],
        {"dpsynth": {"version": 1, "name": object()}},
    ):
        with pytest.raises(SchemaError):
            Schema.from_dict(document)  # type: ignore[arg-type]


def test_todo_is_read_but_never_fitted() -> None:
    schema = Schema.loads(field("constraints: {minimum: TODO, maximum: 9}", block="source: TODO"))
    assert schema.problems() == ["fill in minimum, source of field 'a' (TODO)."]
    with pytest.raises(SchemaError, match="fill in minimum, source of field 'a'"):
        schema.require_fit()
    for use in (lambda: schema.domain, lambda: schema.codec("a"), lambda: schema.arrow_schema):
        with pytest.raises(SchemaError, match="fill in"):
            use()
    assert Schema.loads(schema.dump()) == schema


def test_a_todo_of_the_table_is_a_problem_too() -> None:
    schema = Schema.loads(field(BOUNDS).replace("name: t", "name: t, population: TODO"))
    assert schema.problems() == ["fill in dpsynth.population (TODO)."]
    assert schema.population is None
    with pytest.raises(SchemaError, match="population"):
        schema.require_fit()


def test_a_todo_does_not_hide_a_typo() -> None:
    with pytest.raises(SchemaError, match="maximun"):
        Schema.loads(field("constraints: {minimum: TODO, maximun: 9}"))


def test_a_domain_from_the_data_gives_no_guarantee() -> None:
    schema = Schema.loads(field(BOUNDS, block="source: data"))
    assert len(schema.problems()) == 1
    with pytest.raises(NoGuaranteeError) as caught:
        schema.require_fit()
    assert caught.value.exit_code == 9
    assert "confirm" in str(caught.value)


def test_a_table_of_identifiers_is_nothing_to_model() -> None:
    schema = Schema.loads(field("", "string", block="role: direct-id"))
    assert schema.modeled == ()
    assert len(schema.problems()) == 1
    with pytest.raises(DpsynthError, match="nothing to model"):
        schema.require_fit()
