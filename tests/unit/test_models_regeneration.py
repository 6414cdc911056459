"""Invented columns of a sample: unique where promised, the same for the same seed, no trace in other columns."""

from __future__ import annotations

import re
import sys
import types
import uuid
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from dpsynth.domain import Domain
from dpsynth.errors import SchemaError, UsageError
from dpsynth.graph.calibrated import independent_tree
from dpsynth.graph.junction import junction_tree
from dpsynth.models import MarkovRandomField, Model
from dpsynth.schema import Schema

HEAD = "dpsynth: {version: 1, name: t, unit: {column: who, max_rows: 2}}\nfields:\n"
MODELED = "  - {name: sex, type: string, constraints: {enum: [F, M]}, dpsynth: {source: public, 'null': F}}\n"
WHO = "  - {name: who, type: string, dpsynth: {role: direct-id}}\n"


def model(fields: str, rows: float = 1000.0) -> Model:
    schema = Schema.loads(HEAD + fields)
    domain = schema.domain
    one_ways = {name: np.full(domain[name], rows / domain[name]) for name in domain}
    return Model(MarkovRandomField(independent_tree(junction_tree(domain, []), one_ways, rows)), schema=schema)


def identifying(name: str, generate: str, kind: str = "string", more: str = "") -> str:
    return f"  - {{name: {name}, type: {kind}, dpsynth: {{role: direct-id, generate: {generate}{more}}}}}\n"


ALL = (
    identifying("who", "uuid")
    + MODELED
    + identifying("number", "sequence", "integer")
    + identifying("code", '{sequence: {start: 98, prefix: "P-", width: 3}}')
    + "  - {name: plate, type: string, constraints: {unique: true}, "
    + 'dpsynth: {role: direct-id, generate: {regex: "[A-Z]{2}[0-9]{4}"}}}\n'
    + identifying("loose", '{regex: "[ab]"}')
)


def test_columns_come_in_the_schema_s_order_and_are_never_null() -> None:
    table = model(ALL).sample(1000, seed=1, output="pyarrow")
    assert table.column_names == ["who", "sex", "number", "code", "plate", "loose"]
    assert [str(kind) for kind in table.schema.types] == ["string", "string", "int64", "string", "string", "string"]
    assert all(column.null_count == 0 for column in table.columns)
    assert table["number"].to_pylist() == list(range(1, 1001))
    assert table["code"].to_pylist()[:3] == ["P-098", "P-099", "P-100"]
    assert table["code"].to_pylist()[-1] == "P-1097"
    assert all(re.fullmatch("[A-Z]{2}[0-9]{4}", text) for text in table["plate"].to_pylist())
    assert set(table["loose"].to_pylist()) == {"a", "b"}
    for text in table["who"].to_pylist():
        assert (uuid.UUID(text).version, uuid.UUID(text).variant, str(uuid.UUID(text))) == (4, uuid.RFC_4122, text)
    for name in ("who", "number", "code", "plate"):
        assert len(set(table[name].to_pylist())) == 1000


def test_a_direct_id_without_generate_stays_away() -> None:
    assert model(WHO + MODELED).sample(5, seed=0, output="pyarrow").column_names == ["sex"]


def test_the_same_seed_gives_the_same_values_in_batches_of_any_size() -> None:
    whole = model(ALL).sample(1000, seed=3, output="pyarrow")
    parts = list(model(ALL).sample_batches(1000, seed=3, batch_rows=7))
    assert pa.Table.from_batches(parts).equals(whole)
    assert not model(ALL).sample(1000, seed=4, output="pyarrow")["who"].equals(whole["who"])


def test_invented_columns_leave_the_others_and_each_other_as_they_are() -> None:
    plain = model(WHO + MODELED).sample(1000, seed=3, output="pyarrow")
    table = model(ALL).sample(1000, seed=3, output="pyarrow")
    assert table["sex"].equals(plain["sex"])
    assert (
        model(identifying("who", "uuid") + MODELED).sample(1000, seed=3, output="pyarrow")["who"].equals(table["who"])
    )


def test_rows_in_several_blocks_never_collide() -> None:
    fields = identifying("who", "uuid") + MODELED + identifying("plate", '{regex: "[A-Z]{3}[0-9]{3}"}')
    schema = "primaryKey: [who, plate]\n" + HEAD + fields
    wide = replace(model(fields), schema=Schema.loads(schema))
    seen = {"who": [], "plate": []}
    for batch in wide.sample_batches(600_000, seed=0):
        assert batch.num_rows <= 1 << 18, "no batch holds more than a block"
        for name, found in seen.items():
            found.append(batch.column(name))
    for found in seen.values():
        assert len(pa.chunked_array(found).unique()) == 600_000


def test_more_rows_than_texts_are_refused_before_sampling() -> None:
    schema = (
        "  - {name: who, type: string, constraints: {unique: true}, "
        'dpsynth: {role: direct-id, generate: {regex: "[0-9]{2}"}}}\n'
    )
    assert len(set(model(schema + MODELED).sample(100, seed=0)["who"])) == 100
    with pytest.raises(UsageError, match=r"who: the pattern has 100 texts, fewer than 101 rows.*generate\.regex"):
        model(schema + MODELED).sample_batches(101)


@pytest.mark.parametrize("where", ["number 1..5", {"number": 3}, ["sex=F", "number=3"]])
def test_a_condition_on_an_invented_column_is_refused(where: object) -> None:
    with pytest.raises(UsageError, match=r"'number' is invented after the sample.*other columns"):
        model(ALL).sample(10, where=where)


def test_conditions_on_other_columns_keep_the_invented_ones() -> None:
    table = model(ALL).sample(100, where="sex=F", seed=0, output="pyarrow")
    assert set(table["sex"].to_pylist()) == {"F"}
    assert table["number"].to_pylist() == list(range(1, 101))


def test_no_rows_have_all_columns_and_types() -> None:
    table = model(ALL).sample(0, output="pyarrow")
    assert table.num_rows == 0
    assert table.schema.equals(model(ALL).arrow_schema)
    assert list(model(ALL).sample(0).columns) == table.column_names


def test_frames_have_the_declared_types() -> None:
    fields = identifying("number", "sequence", "integer", ", dtype: Int64") + WHO + MODELED
    assert str(model(fields).sample(3, seed=0)["number"].dtype) == "Int64"
    assert str(model(ALL).sample(3, seed=0)["number"].dtype) == "int64"
    kinds = model(identifying("plate", '{regex: "[ab]"}', more=", dtype: category") + WHO + MODELED).sample(50, seed=0)
    assert str(kinds["plate"].dtype) == "category"
    assert model(ALL).sample(3, seed=0, output="polars").columns[0] == "who"


def test_where_faker_is_absent_the_way_to_get_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "faker", None)
    named = model(identifying("name", "{faker: name}") + WHO + MODELED)
    with pytest.raises(UsageError, match=r"name: .*Faker, which is not installed.*pip install 'dpsynth\[faker\]'"):
        named.sample_batches(1)


class _Person:
    """Stands in for a provider of Faker."""

    def __init__(self, owner: _Fakes) -> None:
        self._owner = owner

    def name(self) -> str:
        return f"Person {self._owner.rng.integers(10**9)}"

    def blob(self) -> bytes:
        return b""

    def choose(self, needed: object) -> object:
        return needed


class _Fakes:
    """The part of Faker's interface that is used: locales, providers, one seed per instance."""

    def __init__(self, locale: str) -> None:
        if locale != "en_US":
            raise AttributeError(locale)
        self.rng = np.random.default_rng(0)
        self.factories = [types.SimpleNamespace(providers=[_Person(self)])]

    def seed_instance(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)

    def __getattr__(self, name: str) -> object:
        return getattr(self.factories[0].providers[0], name)


@pytest.fixture
def fakes(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("faker")
    module.Faker = _Fakes  # type: ignore[attr-defined]
    module.__spec__ = types.SimpleNamespace(name="faker")  # type: ignore[assignment]
    monkeypatch.setitem(sys.modules, "faker", module)


@pytest.mark.usefixtures("fakes")
def test_fake_values_follow_the_seed() -> None:
    named = model(identifying("name", "{faker: name}") + WHO + MODELED)
    first, again, other = (named.sample(20, seed=seed)["name"].tolist() for seed in (1, 1, 2))
    assert first == again != other
    assert len(set(first)) == 20
    assert named.schema.problems() == []


@pytest.mark.usefixtures("fakes")
@pytest.mark.parametrize(
    ("generate", "said"),
    [
        ("{faker: nmae}", "no provider 'nmae' of text"),
        ("{faker: seed_instance}", "no provider 'seed_instance' of text"),
        ("{faker: blob}", "no provider 'blob' of text"),
        ("{faker: choose}", "no provider 'choose' of text"),
        ("{faker: name, locale: xx_XX}", "no locale 'xx_XX'"),
    ],
)
def test_a_provider_that_is_not_there_is_said_before_a_fit_and_before_a_sample(generate: str, said: str) -> None:
    named = model(identifying("name", generate) + WHO + MODELED)
    with pytest.raises(UsageError, match=said):
        named.sample_batches(1)
    with pytest.raises(SchemaError, match=said):
        named.schema.require_fit()
    assert said in named.schema.problems()[0]


def test_faker_itself() -> None:
    pytest.importorskip("faker", reason="Faker is not installed: pip install 'dpsynth[faker]'")
    named = model(
        identifying("name", "{faker: name, locale: en_GB}") + identifying("note", "{faker: sentence}") + WHO + MODELED
    )
    assert named.schema.problems() == []
    first, again = (named.sample(20, seed=1, output="pyarrow") for _ in range(2))
    assert first.equals(again)
    assert first.column_names == ["name", "note", "sex"]
    assert all(" " in text for text in first["name"].to_pylist())
    for wrong in ("seed_instance", "nmae", "binary", "add_provider", "json_bytes"):
        with pytest.raises(UsageError, match="of text"):
            model(identifying("name", f"{{faker: {wrong}}}") + WHO + MODELED).sample(1)
    with pytest.raises(UsageError, match="no locale"):
        model(identifying("name", "{faker: name, locale: xx_XX}") + WHO + MODELED).sample(1)


def test_a_model_without_a_schema_invents_nothing() -> None:
    domain = Domain(("a",), (2,))
    tree = independent_tree(junction_tree(domain, []), {"a": np.array([3.0, 4.0])}, 7.0)
    assert Model(MarkovRandomField(tree)).sample(3, output="pyarrow").column_names == ["a"]
