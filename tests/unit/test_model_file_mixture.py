"""Model files that hold a mixture of products: round trips, versions, and arrays or records that lie."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dpsynth.errors import FileFormatError, UsageError
from dpsynth.graph import Convergence
from dpsynth.models import MixtureOfProducts, Model, load
from dpsynth.privacy.answers import NoisyMarginal, Receipt, Selection
from dpsynth.privacy.loss import PrivacyLoss
from hostile_files import Edit, Members, at, rewritten, with_array
from model_examples import people, random_mixture

FIXTURE = Path(__file__).resolve().parents[1] / "data" / "model-mixture-v2.dps"


def example() -> Model:
    """A mixture with a schema, answers and everything else that a fit records, small and always the same."""
    domain, rng = people().domain, np.random.default_rng(9)
    blocks = [rng.dirichlet(np.full(size, 0.5), size=3) for size in domain.sizes]
    mixture = MixtureOfProducts(domain, 500.0, np.array([0.5, 0.3, 0.2]), np.concatenate(blocks, axis=1))
    receipt = Receipt("transaction-1", 0, "ab" * 32, PrivacyLoss(rho=123, mu2=456))
    cliques = (("age",), ("sex", "smoker"))
    counts = [np.rint(values).astype(np.int64) for values in mixture.marginals(cliques)]
    marginals = [
        NoisyMarginal(clique, values, 12.5, 1, receipt, "opendp")
        for clique, values in zip(cliques, counts, strict=True)
    ]
    return replace(
        people(),
        distribution=mixture,
        answers=(*marginals, Selection(0, ("sex", "smoker"), 3, 7.25, 1, receipt)),
        method="auto",
        settings={"effort": "fast"},
        convergence=Convergence(converged=True, iterations=800, objective=1.5, reason="all steps taken"),
        provenance={"dp": True, "versions": {"dpsynth": "0.2.0"}},
    )


def same(left: Model, right: Model) -> bool:
    facts = ("method", "settings", "convergence", "provenance", "domain", "total", "dp")
    assert all(getattr(left, fact) == getattr(right, fact) for fact in facts)
    assert [answer.record() for answer in left.answers] == [answer.record() for answer in right.answers]
    cliques = left.domain.cliques(1) + left.domain.cliques(3)
    pairs = zip(left.distribution.marginals(cliques), right.distribution.marginals(cliques), strict=True)
    return all(np.array_equal(*pair) for pair in pairs) and left.sample(50, seed=1).equals(right.sample(50, seed=1))


@pytest.mark.parametrize("make", [example, lambda: Model(random_mixture((2, 1, 7), 3, components=1))])
def test_a_mixture_survives_the_file_byte_for_byte(tmp_path, make):
    make().save(tmp_path / "one.dps")
    loaded = load(tmp_path / "one.dps")
    loaded.save(tmp_path / "two.dps")
    assert (tmp_path / "one.dps").read_bytes() == (tmp_path / "two.dps").read_bytes()
    assert same(make(), loaded)


def test_an_empty_table_can_be_saved(tmp_path):
    Model(random_mixture((2, 3), 0, total=0.0)).save(tmp_path / "m.dps")
    loaded = load(tmp_path / "m.dps")
    assert loaded.total == 0
    with pytest.raises(UsageError):
        loaded.sample(1)


def test_the_first_file_of_a_mixture_is_read():
    loaded = load(FIXTURE)
    assert isinstance(loaded.distribution, MixtureOfProducts)
    assert loaded.dp
    assert loaded.method == "auto"
    assert same(loaded, replace(example(), distribution=loaded.distribution))
    cliques = loaded.domain.cliques(2)
    pairs = zip(loaded.distribution.marginals(cliques), example().distribution.marginals(cliques), strict=True)
    assert all(np.allclose(*pair) for pair in pairs)


def test_a_file_has_the_first_version_that_holds_its_kind(tmp_path):
    for model, version in ((example(), 2), (people(), 1)):
        model.save(tmp_path / "m.dps", force=True)
        manifest = json.loads(zipfile.ZipFile(tmp_path / "m.dps").read("manifest.json"))
        assert manifest["version"] == version


def test_another_kind_of_distribution_cannot_be_saved(tmp_path):
    class Unknown:
        kind = "unknown"

    with pytest.raises(UsageError, match="cannot be saved"):
        replace(people(), distribution=Unknown()).save(tmp_path / "m.dps")
    assert not list(tmp_path.iterdir())


# --- files that lie ---------------------------------------------------------------------------------------------


def weights(change: Callable[[np.ndarray], np.ndarray]) -> Edit:
    return with_array(lambda manifest: str(manifest["distribution"]["weights"]), change)


def probabilities(change: Callable[[np.ndarray], np.ndarray]) -> Edit:
    return with_array(lambda manifest: str(manifest["distribution"]["probabilities"]), change)


def one(value: float) -> Callable[[np.ndarray], np.ndarray]:
    """The array with another first number."""
    return lambda array: np.concatenate(([value], array.ravel()[1:])).reshape(array.shape)


def balanced(array: np.ndarray) -> np.ndarray:
    """Sums as they should be, but one probability is negative."""
    changed = array.copy()
    changed[0, 1] += changed[0, 0] + 0.25
    changed[0, 0] = -0.25
    return changed


def swapped(manifest: dict[str, Any], _: Members) -> None:
    record = manifest["distribution"]
    record["weights"], record["probabilities"] = record["probabilities"], record["weights"]


LIES: dict[str, Edit] = {
    "NaN weight": weights(one(np.nan)),
    "infinite weight": weights(one(np.inf)),
    "negative weight": weights(lambda array: np.array([1.5, -0.5, 0.0])),
    "weights of another sum": weights(lambda array: array * 2),
    "too few weights": weights(lambda array: np.array([1.0])),
    "no weights": weights(lambda array: array[:0]),
    "weights in a column": weights(lambda array: array[:, None]),
    "weights of another type": weights(lambda array: np.array([1, 0, 0])),
    "NaN probability": probabilities(one(np.nan)),
    "infinite probability": probabilities(one(np.inf)),
    "infinite probabilities of both signs": probabilities(lambda array: np.where(array > 0.2, np.inf, -np.inf)),
    "huge probability": probabilities(lambda array: np.full_like(array, 1e308)),
    "negative probability": probabilities(balanced),
    "probabilities of another sum": probabilities(lambda array: array * 1.001),
    "sums of attributes mixed up": probabilities(lambda array: np.roll(array, 1, axis=1)),
    "probabilities of no code": probabilities(lambda array: array[:, :0]),
    "a code too few": probabilities(lambda array: array[:, 1:]),
    "a code too many": probabilities(lambda array: np.pad(array, ((0, 0), (0, 1)))),
    "a component too many": probabilities(lambda array: np.concatenate((array, array[:1]))),
    "probabilities turned": probabilities(lambda array: array.T.copy()),
    "probabilities in one row": probabilities(lambda array: array.ravel()),
    "probabilities of another type": probabilities(lambda array: np.zeros(array.shape, dtype=np.int64)),
    "weights and probabilities swapped": swapped,
    "one array for both": lambda manifest, _: manifest["distribution"].update(
        weights=manifest["distribution"]["probabilities"]
    ),
    "absent weights": lambda manifest, _: manifest["distribution"].pop("weights"),
    "unknown weights": at("distribution", "weights", value="weights/999999.npy"),
    "weights in the manifest": at("distribution", "weights", value=[0.5, 0.3, 0.2]),
    "an unknown key": at("distribution", "code", value="print(1)"),
    "keys of the other kind": at("distribution", "cliques", value=[]),
    "kind of the other record": at("distribution", "kind", value="markov-random-field"),
    "no kind": lambda manifest, _: manifest["distribution"].pop("kind"),
    "kind of another type": at("distribution", "kind", value=["mixture-of-products"]),
    "a version without mixtures": at("version", value=1),
    "infinite total": at("distribution", "total", value=1e400),
    "negative total": at("distribution", "total", value=-1.0),
    "total as text": at("distribution", "total", value="500"),
    "other sizes of the same sum": at("distribution", "domain", "sizes", value=[2, 11, 5, 3, 25]),
    "huge sizes": at("distribution", "domain", "sizes", 0, value=10**30),
    "zero size": at("distribution", "domain", "sizes", 0, value=0),
    "no attributes": at("distribution", "domain", value={"attributes": [], "sizes": []}),
    "repeated attribute": at("distribution", "domain", "attributes", 0, value="sex"),
    "renamed attribute": at("distribution", "domain", "attributes", 0, value="elder"),
    "answer outside the domain": at("answers", 0, "clique", value=["nobody"]),
    "schema of another domain": lambda manifest, _: manifest["schema"]["fields"].pop(0),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_file_that_lies_is_refused(tmp_path, lie):
    path = rewritten(tmp_path, example(), LIES[lie])
    with pytest.raises(FileFormatError) as caught:
        load(path)
    assert caught.value.exit_code == 3
    assert caught.value.__cause__ is None
    assert str(tmp_path) not in str(caught.value)


def test_an_edit_that_changes_nothing_is_accepted(tmp_path):
    path = rewritten(tmp_path, example(), probabilities(lambda array: array.copy()))
    assert same(load(path), example())


def test_wrong_numbers_are_named(tmp_path):
    for edit, words in (
        (weights(one(0.9)), "weights of a mixture"),
        (probabilities(one(0.9)), "probabilities of a component"),
        (probabilities(lambda array: array[:, 1:]), "one probability per component and code"),
    ):
        with pytest.raises(FileFormatError, match=words):
            load(rewritten(tmp_path, example(), edit))
