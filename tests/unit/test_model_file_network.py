"""Model files that hold a Bayesian network: round trips, versions, and arrays or records that lie."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dpsynth.errors import FileFormatError
from dpsynth.graph import Convergence
from dpsynth.models import BayesianNetwork, Expansion, MarkovRandomField, Model, load
from hostile_files import Edit, at, rewritten, with_array
from model_examples import answered, people, random_network

FIXTURE = Path(__file__).resolve().parents[1] / "data" / "model-network-v3.dps"


def example() -> Model:
    """A network with a schema, answers and everything else that a fit records, small and always the same."""
    source = people()
    field = source.distribution
    assert isinstance(field, MarkovRandomField)
    network = BayesianNetwork.of_tree(field.tree, ("sex", "age"))
    return replace(
        source,
        distribution=network,
        answers=answered(field),
        method="privbayes",
        settings={"degree": 3, "theta": 1.0},
        convergence=Convergence(converged=True, iterations=8, objective=0.25, reason="at rest"),
        provenance={"dp": True, "versions": {"dpsynth": "0.2.0"}},
    )


def spread() -> Model:
    """A network with a column held in buckets, and parents that no other table holds together."""
    network = random_network((3, 2, 4, 3), 5)
    return Model(replace(network, expansions=(Expansion.even("a", [0, 1, 1, 2, 2, 2]),)))


def same(left: Model, right: Model) -> bool:
    facts = ("method", "settings", "convergence", "provenance", "domain", "total", "dp")
    assert all(getattr(left, fact) == getattr(right, fact) for fact in facts)
    assert [answer.record() for answer in left.answers] == [answer.record() for answer in right.answers]
    cliques = left.domain.cliques(1) + left.domain.cliques(3)
    pairs = zip(left.distribution.marginals(cliques), right.distribution.marginals(cliques), strict=True)
    return all(np.array_equal(*pair) for pair in pairs) and left.sample(50, seed=1).equals(right.sample(50, seed=1))


@pytest.mark.parametrize("make", [example, spread, lambda: Model(random_network((1,), 0, total=0.0))])
def test_a_network_survives_the_file_byte_for_byte(tmp_path, make):
    make().save(tmp_path / "one.dps")
    loaded = load(tmp_path / "one.dps")
    loaded.save(tmp_path / "two.dps")
    assert (tmp_path / "one.dps").read_bytes() == (tmp_path / "two.dps").read_bytes()
    assert loaded.distribution.parents == make().distribution.parents
    if loaded.total:
        assert same(make(), loaded)


def test_the_first_file_of_a_network_is_read():
    loaded = load(FIXTURE)
    assert isinstance(loaded.distribution, BayesianNetwork)
    assert loaded.distribution.parents == example().distribution.parents
    assert same(loaded, replace(example(), distribution=loaded.distribution))
    cliques = loaded.domain.cliques(2)
    pairs = zip(loaded.distribution.marginals(cliques), example().distribution.marginals(cliques), strict=True)
    assert all(np.allclose(*pair) for pair in pairs)


def test_a_file_of_a_network_has_version_3(tmp_path):
    example().save(tmp_path / "m.dps")
    assert json.loads(zipfile.ZipFile(tmp_path / "m.dps").read("manifest.json"))["version"] == 3


# --- files that lie ---------------------------------------------------------------------------------------------


def last(change: Callable[[np.ndarray], np.ndarray]) -> Edit:
    """Change the table of the last attribute, which has a parent."""
    return with_array(lambda manifest: str(manifest["distribution"]["tables"][-1]["probabilities"]), change)


def one(value: float) -> Callable[[np.ndarray], np.ndarray]:
    """The array with another first number."""
    return lambda array: np.concatenate(([value], array.ravel()[1:])).reshape(array.shape)


LIES: dict[str, Edit] = {
    "NaN probability": last(one(np.nan)),
    "infinite probability": last(one(np.inf)),
    "probabilities of another sum": last(lambda array: array * 1.001),
    "a negative probability": last(lambda array: np.where(np.arange(array.shape[-1]) == 0, -0.5, array)),
    "a table turned": last(lambda array: np.ascontiguousarray(array.T)),
    "a table without axes": last(lambda array: array.ravel()),
    "a table of another type": last(lambda array: np.zeros(array.shape, dtype=np.int64)),
    "a child before its parents": lambda manifest, _: manifest["distribution"]["tables"].reverse(),
    "a table too few": lambda manifest, _: manifest["distribution"]["tables"].pop(),
    "a table twice": lambda manifest, _: manifest["distribution"]["tables"].append(
        manifest["distribution"]["tables"][0]
    ),
    "no tables": at("distribution", "tables", value=[]),
    "its own parent": lambda manifest, _: manifest["distribution"]["tables"][0].update(
        parents=[manifest["distribution"]["tables"][0]["attribute"]]
    ),
    "an unknown parent": at("distribution", "tables", -1, "parents", value=["nobody"]),
    "a parent without a name": at("distribution", "tables", -1, "parents", value=[3]),
    "one array for two tables": lambda manifest, _: manifest["distribution"]["tables"][1].update(
        probabilities=manifest["distribution"]["tables"][0]["probabilities"]
    ),
    "an unknown key": at("distribution", "tables", 0, "code", value="print(1)"),
    "keys of another kind": at("distribution", "beliefs", value=[]),
    "kind of another record": at("distribution", "kind", value="markov-random-field"),
    "a version without networks": at("version", value=2),
    "a version to come": at("version", value=4),
    "negative total": at("distribution", "total", value=-1.0),
    "huge sizes": at("distribution", "domain", "sizes", 0, value=10**30),
    "no attributes": at("distribution", "domain", value={"attributes": [], "sizes": []}),
    "an expansion of nothing": at(
        "distribution", "expansions", value=[{"attribute": "sex", "buckets": "b", "weights": "w"}]
    ),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_file_that_lies_is_refused(tmp_path, lie):
    path = rewritten(tmp_path, example(), LIES[lie])
    with pytest.raises(FileFormatError) as caught:
        load(path)
    assert caught.value.exit_code == 3
    assert caught.value.__cause__ is None
    assert str(tmp_path) not in str(caught.value)


def test_a_network_whose_tree_would_be_too_large_is_refused(tmp_path, monkeypatch):
    spread().save(tmp_path / "m.dps")
    monkeypatch.setattr("dpsynth.models.bayesian.MODEL_CELLS", 10)
    with pytest.raises(FileFormatError, match="junction tree"):
        load(tmp_path / "m.dps")
