"""What the rows of a sample say about the guarantee of their model."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from dpsynth import Schema
from dpsynth.domain import Domain
from dpsynth.graph.calibrated import independent_tree
from dpsynth.graph.junction import junction_tree
from dpsynth.models import MarkovRandomField, Model
from dpsynth.pipeline.sample import sample


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
    assert "POST sample, dp: false" in said


def test_rows_of_a_fitted_model_do_not(tmp_path: Path) -> None:
    assert "dp: false" not in _written(tmp_path, dp=True)
