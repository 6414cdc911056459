"""The ``.dps`` file: a model as a manifest and arrays (``docs/reference/model-file.md``)."""

from __future__ import annotations

import math
import os
import zipfile
import zlib
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictFloat, StrictInt, StrictStr

from dpsynth.domain import Clique, Domain
from dpsynth.errors import DpsynthError, FileFormatError, UsageError
from dpsynth.graph import CalibratedTree, Convergence, JunctionTree
from dpsynth.graph.factors import summed
from dpsynth.models.archive import Archive, Numbers, opened, write_archive
from dpsynth.models.markov import Expansion, MarkovRandomField
from dpsynth.models.model import Model
from dpsynth.models.rounding import Expected
from dpsynth.privacy.answers import NoisyMarginal, Selection

if TYPE_CHECKING:
    from dpsynth.schema import Schema

FORMAT = "dpsynth-model"
VERSION = 1
_CONSISTENCY = 1e-3
"""Neighboring cliques of a sound model agree far better than to this share of the total."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _Domain(_Strict):
    attributes: list[StrictStr]
    sizes: list[StrictInt]


class _Expansion(_Strict):
    attribute: StrictStr
    buckets: StrictStr
    weights: StrictStr


class _Field(_Strict):
    """The distribution of kind ``markov-random-field``: array names stand for their arrays."""

    kind: Literal["markov-random-field"]
    domain: _Domain
    total: StrictFloat = Field(ge=0, lt=2.0**62)
    cliques: list[list[StrictStr]]
    edges: list[list[StrictInt]]
    beliefs: list[StrictStr]
    expansions: list[_Expansion]


class _Convergence(_Strict):
    converged: StrictBool
    iterations: StrictInt
    objective: StrictFloat | None
    reason: StrictStr


class _Manifest(_Strict):
    format: Literal["dpsynth-model"]
    version: StrictInt
    dp: StrictBool
    method: StrictStr
    settings: dict[str, Any]
    convergence: _Convergence | None
    data_schema: dict[str, Any] | None = Field(alias="schema")
    distribution: _Field
    answers: list[dict[str, Any]]
    provenance: dict[str, Any]


def write_model(model: Model, path: str | os.PathLike[str]) -> None:
    """Write the model to ``path``; the same model gives the same bytes.

    Raises ``UsageError`` if its settings or provenance are not JSON-able, or its distribution has no file format.
    """
    field = model.distribution
    if not isinstance(field, MarkovRandomField):
        raise UsageError("a model of this kind cannot be saved")
    arrays: dict[str, Numbers] = {}
    distribution = _field_record(field, arrays)
    convergence = model.convergence
    manifest = {
        "format": FORMAT,
        "version": VERSION,
        "dp": model.dp,
        "method": model.method,
        "settings": dict(model.settings),
        "convergence": None if convergence is None else _convergence_record(convergence),
        "schema": None if model.schema is None else model.schema.to_dict(),
        "distribution": distribution,
        "answers": [_answer_record(answer, arrays) for answer in model.answers],
        "provenance": dict(model.provenance),
    }
    try:
        write_archive(path, manifest, arrays)
    except (TypeError, ValueError, RecursionError):
        raise UsageError("the settings or the provenance of the model are not JSON") from None


def load(path: str | os.PathLike[str]) -> Model:
    """The model in a ``.dps`` file. Nothing in the file is executed, and nothing of it is trusted unchecked.

    Raises ``FileFormatError`` (exit 3) for a missing, truncated, changed, inconsistent or hostile file, or one that a
    newer dpsynth wrote. Memory: the size of the file.
    """
    where = os.path.basename(os.fspath(path))  # noqa: PTH119  (a name for messages, never a path)
    faults = (DpsynthError, ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError, RecursionError)
    containers = (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, OSError)
    try:
        with opened(path) as stream:
            return _read(Archive(stream))
    except FileFormatError as error:
        raise FileFormatError(error.message, where=error.where or where, hint=error.hint) from None
    except (*faults, *containers):
        raise FileFormatError("the file is damaged or not a dpsynth model", where=where) from None


def _read(archive: Archive) -> Model:
    facts = archive.manifest
    version = facts.get("version")
    if facts.get("format") != FORMAT or type(version) is not int or version < 1:
        raise FileFormatError("this is not a dpsynth model file")
    if version > VERSION:
        hint = "Update dpsynth to read it."
        raise FileFormatError(f"the file has format version {version}, newer than {VERSION}", hint=hint)
    manifest = _Manifest.model_validate(facts)
    used: set[str] = set()
    field = _field(manifest.distribution, archive, used)
    answers = tuple(_answer(record, archive, used, field.domain) for record in manifest.answers)
    if used != set(archive.names()):
        raise FileFormatError("the file has a member that nothing refers to")
    if manifest.dp != (manifest.provenance.get("dp") is True):
        raise FileFormatError("the manifest contradicts itself on the guarantee")
    schema = None if manifest.data_schema is None else _schema(manifest.data_schema)
    if schema is not None and schema.domain != field.domain:
        raise FileFormatError("the schema and the distribution of the model have different domains")
    convergence = manifest.convergence
    return Model(
        distribution=field,
        answers=answers,
        method=manifest.method,
        settings=manifest.settings,
        convergence=None if convergence is None else _convergence(convergence),
        schema=schema,
        provenance=manifest.provenance,
    )


def _schema(record: dict[str, Any]) -> Schema:
    from dpsynth.schema import Schema

    return Schema.from_dict(record)


# --- distributions --------------------------------------------------------------------------------------------


def _field_record(field: MarkovRandomField, arrays: dict[str, Numbers]) -> dict[str, Any]:
    tree = field.tree.tree
    return {
        "kind": "markov-random-field",
        "domain": {"attributes": list(tree.domain.attributes), "sizes": list(tree.domain.sizes)},
        "total": float(field.total),
        "cliques": [list(clique) for clique in tree.cliques],
        "edges": [list(edge) for edge in tree.edges],
        "beliefs": [_kept(arrays, "beliefs", belief) for belief in field.tree.beliefs],
        "expansions": [
            {
                "attribute": expansion.attribute,
                "buckets": _kept(arrays, "buckets", expansion.buckets),
                "weights": _kept(arrays, "weights", expansion.weights),
            }
            for expansion in field.expansions
        ],
    }


def _kept(arrays: dict[str, Numbers], folder: str, array: Numbers) -> str:
    name = f"{folder}/{len(arrays):06d}.npy"
    arrays[name] = array
    return name


def _taken(archive: Archive, used: set[str], name: str, kind: str) -> Numbers:
    if name in used:
        raise FileFormatError("two parts of the model refer to one array")
    used.add(name)
    return archive.array(name, kind)


def _field(record: _Field, archive: Archive, used: set[str]) -> MarkovRandomField:
    domain = Domain(tuple(record.domain.attributes), tuple(record.domain.sizes))
    cliques = tuple(tuple(clique) for clique in record.cliques)
    edges = tuple((int(left), int(right)) for left, right in record.edges)
    tree = _tree(domain, cliques, edges)
    if len(record.beliefs) != len(cliques):
        raise FileFormatError("the distribution needs one array per clique")
    beliefs = tuple(cast("Expected", _taken(archive, used, name, "<f8")) for name in record.beliefs)
    _check_beliefs(tree, beliefs, record.total)
    expansions = tuple(
        Expansion(
            item.attribute,
            cast("NDArray[np.int64]", _taken(archive, used, item.buckets, "<i8")),
            cast("Expected", _taken(archive, used, item.weights, "<f8")),
        )
        for item in record.expansions
    )
    return MarkovRandomField(CalibratedTree(tree, beliefs, record.total), expansions)


def _tree(domain: Domain, cliques: tuple[Clique, ...], edges: tuple[tuple[int, int], ...]) -> JunctionTree:
    """The junction tree; ``FileFormatError`` unless it is one: a tree with the running-intersection property."""
    group = list(range(len(cliques)))
    for left, right in edges:
        if not 0 <= left < right < len(cliques) or group[left] == group[right]:
            raise FileFormatError("the cliques of the distribution do not form a tree")
        merged, gone = group[left], group[right]
        group = [merged if member == gone else member for member in group]
    if not cliques or len(edges) != len(cliques) - 1 or any(clique != domain.canonical(clique) for clique in cliques):
        raise FileFormatError("the cliques of the distribution do not form a tree")
    separators = tuple(domain.canonical(set(cliques[left]) & set(cliques[right])) for left, right in edges)
    for attribute in domain:
        held = sum(attribute in clique for clique in cliques)
        if held - sum(attribute in separator for separator in separators) != 1:
            raise FileFormatError("the cliques of the distribution do not form a junction tree", where=attribute)
    return JunctionTree(domain, cliques, edges, separators)


def _check_beliefs(tree: JunctionTree, beliefs: tuple[Expected, ...], total: float) -> None:
    slack = _CONSISTENCY * (total + 1)
    for clique, belief in zip(tree.cliques, beliefs, strict=True):
        if belief.shape != tree.domain.shape(clique):
            raise FileFormatError("an array of the distribution does not have the shape of its clique")
        if not np.isfinite(belief).all() or (belief < 0).any() or abs(float(belief.sum()) - total) > slack:
            raise FileFormatError("an array of the distribution does not hold expected counts")
    for (left, right), separator in zip(tree.edges, tree.separators, strict=True):
        sums = [summed(beliefs[node], tree.cliques[node], separator) for node in (left, right)]
        if np.abs(sums[0] - sums[1]).max() > slack:
            raise FileFormatError("two arrays of the distribution contradict each other")


# --- answers and convergence ----------------------------------------------------------------------------------


def _answer_record(answer: NoisyMarginal | Selection, arrays: dict[str, Numbers]) -> dict[str, Any]:
    if isinstance(answer, Selection):
        return {"kind": "selection", **answer.record()}
    return {"kind": "marginal", "array": _kept(arrays, "answers", answer.values), **answer.record()}


def _answer(record: dict[str, Any], archive: Archive, used: set[str], domain: Domain) -> NoisyMarginal | Selection:
    facts = dict(record)
    kind = facts.pop("kind", None)
    if kind == "selection":
        selection = Selection.from_record(facts)
        domain.check_clique(selection.clique)
        return selection
    if kind != "marginal":
        raise FileFormatError("an answer is of an unknown kind")
    values = _taken(archive, used, facts.pop("array"), "<i8")
    marginal = NoisyMarginal.from_record(facts, cast("NDArray[np.int64]", values))
    _check_shape(marginal, domain)
    return marginal


def _check_shape(marginal: NoisyMarginal, domain: Domain) -> None:
    domain.check_clique(marginal.clique)
    buckets = dict(marginal.coarsening)
    shape = domain.shape(marginal.clique)
    if len(shape) != marginal.values.ndim or not buckets.keys() <= set(marginal.clique):
        raise FileFormatError("a noisy marginal does not fit the domain")
    for attribute, full, size in zip(marginal.clique, shape, marginal.values.shape, strict=True):
        coarse = buckets.get(attribute)
        fits = size == full if coarse is None else len(coarse) == full and 0 <= min(coarse) <= max(coarse) == size - 1
        if not fits:
            raise FileFormatError("a noisy marginal does not fit the domain", where=attribute)


def _convergence_record(convergence: Convergence) -> dict[str, Any]:
    objective = float(convergence.objective)
    return {
        "converged": bool(convergence.converged),
        "iterations": int(convergence.iterations),
        "objective": objective if math.isfinite(objective) else None,
        "reason": convergence.reason,
    }


def _convergence(record: _Convergence) -> Convergence:
    objective = math.nan if record.objective is None else record.objective
    return Convergence(record.converged, record.iterations, objective, record.reason)
