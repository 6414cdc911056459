"""What the rows of a sample say about the guarantee of their model."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from dpsynth import Schema
from dpsynth.domain import Domain
from dpsynth.graph.calibrated import independent_tree
from dpsynth.graph.junction import junction_tree
from dpsynth.models import MarkovRandomField, Model
from dpsynth.models.origin import chosen
from dpsynth.pipeline.evaluate import evaluate
from dpsynth.pipeline.origin import drawn_labels, model_digest
from dpsynth.pipeline.sample import sample
from dpsynth.schema.conditions import Condition


def _written(folder: Path, dp: bool) -> str:
    domain = Domain(("a",), (2,))
    tree = independent_tree(junction_tree(domain, []), {"a": np.array([3.0, 4.0])}, 7.0)
    schema = Schema.from_domain({"a": 2}, public="made up")
    model = Model(MarkovRandomField(tree), (), "none", {}, schema=schema, provenance={"dp": dp})
    path = folder / "rows.parquet"
    sample(model, path, n=3, force=True)
    metadata = pq.read_schema(path).metadata
    sidecar = Path(f"{path}.dpsynth.json").read_text(encoding="utf-8")
    return f"{metadata[b'dpsynth'].decode()} {sidecar}"


def test_rows_of_a_model_without_a_guarantee_say_so(tmp_path: Path) -> None:
    said = _written(tmp_path, dp=False)
    assert "POST sample of a model, dp: false" in said
    assert ", dp: false" in said.split("POST sample of model ")[1]


def test_invented_columns_are_named(tmp_path: Path) -> None:
    model, path = _identified(), tmp_path / "rows.parquet"
    sample(model, path, n=3)
    said = json.loads(Path(f"{path}.dpsynth.json").read_text(encoding="utf-8"))
    assert said["labels"] == [f"POST sample of model {model_digest(model)[:16]}; invented: id"]
    assert pq.read_schema(path).metadata[b"dpsynth"].endswith(b"model; invented: id")
    assert pq.read_table(path)["id"].to_pylist() == [1, 2, 3]


def test_invented_columns_are_not_compared(tmp_path: Path) -> None:
    model, path = _identified(), tmp_path / "rows.csv"
    sample(model, path, n=70, seed=1)
    assert path.read_text(encoding="utf-8").startswith("id,a\n1,")
    real = pd.DataFrame({"a": [0] * 30 + [1] * 40})
    assert model.schema is not None
    compared = evaluate(real, path, model.schema)
    assert [column.distance.attribute for column in compared.columns] == ["a"]


def _identified() -> Model:
    document = Schema.from_domain({"a": 2}, public="made up").to_dict()
    number = {"name": "id", "type": "integer", "dpsynth": {"role": "direct-id", "generate": "sequence"}}
    schema = Schema.from_dict(document | {"primaryKey": "id", "fields": [number, *document["fields"]]})
    tree = independent_tree(junction_tree(Domain(("a",), (2,)), []), {"a": np.array([30.0, 40.0])}, 70.0)
    return Model(MarkovRandomField(tree), (), "none", {}, schema=schema, provenance={"dp": True})


def test_rows_of_a_fitted_model_do_not(tmp_path: Path) -> None:
    assert "dp: false" not in _written(tmp_path, dp=True)


HOSTILE = ["dp: false", 'a "b", dp: false; invented: id', "two\nlines", "\u202eturned", "plain", "<script>"]


@pytest.mark.parametrize("value", HOSTILE)
def test_a_condition_is_quoted_so_that_its_value_is_no_part_of_the_label(tmp_path: Path, value: str) -> None:
    field = {
        "name": "a, dp: false",
        "type": "string",
        "constraints": {"enum": HOSTILE},
        "dpsynth": {"source": "public"},
    }
    schema = Schema.from_dict({"dpsynth": {"version": 1, "name": "x"}, "fields": [field]})
    size = schema.domain["a, dp: false"]
    counts = {"a, dp: false": np.full(size, 3.0)}
    source = MarkovRandomField(independent_tree(junction_tree(schema.domain, []), counts, 3.0 * size))
    model = Model(source, (), "none", {}, schema=schema, provenance={"dp": True})
    path, digest = tmp_path / "rows.parquet", model_digest(model)
    sample(model, path, n=3, where={"a, dp: false": value})
    (label,) = drawn_labels(path, digest)
    assert label.startswith(f"POST sample of model {digest[:16]} where ")
    assert label.isprintable()
    assert "dp: " not in label
    assert chosen([label], digest) == label.removeprefix("POST ")
    assert chosen([label], "0" * 64) is None
    assert json.loads(label.rpartition("=")[2]) == value if value != "plain" else label.endswith("=plain")


def test_long_conditions_are_cut_and_say_so() -> None:
    assert len(Condition("a", "eq", ("x" * 500,)).words) < 80
    many = Condition("a", "in", tuple(str(one) for one in range(1_000))).words
    assert many.startswith("a in 0,1,2,")
    assert many.endswith("19,… (1000 in all)")


def test_conditions_of_every_form_are_named(tmp_path: Path) -> None:
    model, path = _identified(), tmp_path / "rows.csv"
    sample(model, path, n=3, where=["a in 0,1", "a 0..", "a=1"])
    (label,) = json.loads(Path(f"{path}.dpsynth.json").read_text(encoding="utf-8"))["labels"]
    assert label == f"POST sample of model {model_digest(model)[:16]} where a in 0,1 and a 0.. and a=1; invented: id"
