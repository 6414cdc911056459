"""docs/reference/schema.md holds: its examples load, their codes are those it lists, and its tables name every key."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dpsynth.schema import Schema
from dpsynth.schema.document import (
    BinsPart,
    ConstraintsPart,
    DerivedPart,
    FieldModel,
    FieldPart,
    GeneratePart,
    MapPart,
    RulePart,
    SequencePart,
    TableModel,
    TablePart,
    UnitPart,
)
from dpsynth.schema.domains import NAMES
from dpsynth.schema.dtypes import allowed_dtypes, dtype_problem

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "reference" / "schema.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
EXAMPLE = re.compile(r"^- name: (?P<name>\S+)\n(?P<body>(?:  .*\n)*?)  # codes: (?P<codes>.+)$", re.MULTILINE)


def whole(block: str) -> str:
    return block if block.startswith("dpsynth:") else f"dpsynth: {{version: 1, name: example}}\nfields:\n{block}"


@pytest.mark.parametrize("block", BLOCKS)
def test_examples_may_be_fitted(block: str) -> None:
    schema = Schema.loads(whole(block))
    assert schema.problems() == []
    assert schema.domain.sizes


def test_examples_have_the_codes_that_the_page_lists() -> None:
    shown = 0
    for block in BLOCKS:
        for example in EXAMPLE.finditer(block):
            labels = ", ".join(Schema.loads(whole(block)).codec(example["name"]).labels)
            pattern = re.escape(example["codes"]).replace(r"\.\.\.", ".*")
            assert re.fullmatch(pattern, labels), (example["name"], labels)
            shown += 1
    assert shown == 17


def test_examples_have_the_attributes_that_the_page_lists() -> None:
    shown = re.findall(r"^  # ((?:\w+ - \w+)|(?:\w+ \(\w+\))): (.+)$", PAGE, re.MULTILINE)
    assert len(shown) == 3
    for name, codes in shown:
        block = next(block for block in BLOCKS if f"# {name}:" in block)
        assert ", ".join(Schema.loads(whole(block)).codec(name).labels) == codes


def test_the_page_names_every_key_and_public_domain() -> None:
    models = (
        *(TableModel, TablePart, UnitPart, FieldModel, FieldPart, ConstraintsPart, BinsPart, RulePart),
        *(GeneratePart, SequencePart, DerivedPart, MapPart),
    )
    keys = {info.alias or name for model in models for name, info in model.model_fields.items()}
    assert not [key for key in keys | set(NAMES) if not re.search(rf"\b{key}\b", PAGE)]


def test_the_page_lists_dtypes_that_may_be_declared() -> None:
    rows = dict(
        re.findall(
            r"^\| (string|integer|number|boolean|date|datetime) \| (`(?:object|int8|float32|bool|datetime64).*) \|$",
            PAGE,
            re.MULTILINE,
        )
    )
    assert len(rows) == 6
    units = {"s", "ms", "us", "ns"}
    for kind, text in rows.items():
        shown = [span for span in re.findall(r"`([^`]+)`", text) if not span.startswith("[")]
        assert {"object", "category"} <= set(shown)
        for dtype in set(shown) - units:
            assert dtype_problem(dtype, kind, nullable=False, zone="Europe/Berlin", bounds=None) is None, (kind, dtype)
    for kind in ("string", "boolean"):
        assert all(f"`{dtype}`" in rows[kind] for dtype in allowed_dtypes(kind))
