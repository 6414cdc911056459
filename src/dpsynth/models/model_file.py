"""The ``.dps`` file: a model as a manifest and arrays (``docs/reference/model-file.md``)."""

from __future__ import annotations

import math
import os
import zipfile
import zlib
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, StrictBool, StrictFloat, StrictInt, StrictStr

from dpsynth.domain import Domain
from dpsynth.errors import DpsynthError, FileFormatError, UsageError
from dpsynth.graph import Convergence, Measurement
from dpsynth.models.archive import Archive, Numbers, kept, opened, taken, write_archive
from dpsynth.models.claims import ClaimedMarginal, claim_of
from dpsynth.models.distribution_file import (
    DistributionRecord,
    Strict,
    distribution_record,
    first_version,
    read_distribution,
)
from dpsynth.models.model import Model
from dpsynth.privacy.answers import NoisyMarginal, Selection

if TYPE_CHECKING:
    from dpsynth.schema import Schema

FORMAT = "dpsynth-model"
VERSION = 3
"""The newest version that can be read. A file has the first version that holds its kind of distribution and its claim.
"""

_CLAIMS_SINCE = 3
_Answer = NoisyMarginal | Selection | ClaimedMarginal


class _Convergence(Strict):
    converged: StrictBool
    iterations: StrictInt
    objective: StrictFloat | None
    reason: StrictStr


class _Manifest(Strict):
    format: Literal["dpsynth-model"]
    version: StrictInt
    dp: StrictBool | StrictStr
    method: StrictStr
    settings: dict[str, Any]
    convergence: _Convergence | None
    data_schema: dict[str, Any] | None = Field(alias="schema")
    distribution: DistributionRecord
    answers: list[dict[str, Any]]
    provenance: dict[str, Any]


def write_model(model: Model, path: str | os.PathLike[str]) -> None:
    """Write the model to ``path``; the same model gives the same bytes.

    Raises ``UsageError`` if its settings or provenance are not JSON-able, or its distribution has no file format.
    """
    arrays: dict[str, Numbers] = {}
    distribution = distribution_record(model.distribution, arrays)
    convergence = model.convergence
    manifest = {
        "format": FORMAT,
        "version": max(first_version(model.distribution.kind), _CLAIMS_SINCE if model.claim else 1),
        "dp": model.claim.stamp if model.claim else model.dp,
        "method": model.method,
        "settings": dict(model.settings),
        "convergence": None if convergence is None else _convergence_record(convergence),
        "schema": None if model.schema is None else model.schema.to_dict(),
        "distribution": distribution,
        "answers": [_answer_record(answer, arrays) for answer in (*model.answers, *model.claims)],
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
    distribution = read_distribution(manifest.distribution, archive, used)
    if version < first_version(distribution.kind):
        raise FileFormatError("the distribution is of a kind that the version of the file does not have")
    found = [_answer(record, archive, used, distribution.domain) for record in manifest.answers]
    if used != set(archive.names()):
        raise FileFormatError("the file has a member that nothing refers to")
    claim = claim_of(manifest.provenance)
    if manifest.dp != (claim.stamp if claim else manifest.provenance.get("dp") is True):
        raise FileFormatError("the manifest contradicts itself on the guarantee")
    if claim and version < _CLAIMS_SINCE:
        raise FileFormatError("the file has a claim, which its version does not have")
    schema = None if manifest.data_schema is None else _schema(manifest.data_schema)
    if schema is not None and schema.domain != distribution.domain:
        raise FileFormatError("the schema and the distribution of the model have different domains")
    convergence = manifest.convergence
    return Model(
        distribution=distribution,
        answers=tuple(answer for answer in found if not isinstance(answer, ClaimedMarginal)),
        method=manifest.method,
        settings=manifest.settings,
        convergence=None if convergence is None else _convergence(convergence),
        schema=schema,
        provenance=manifest.provenance,
        claims=tuple(answer for answer in found if isinstance(answer, ClaimedMarginal)),
    )


def holds_public_schema(path: str | os.PathLike[str]) -> bool:
    """Whether the schema in the file, if any, is its own public copy; older files may tell domains that no model uses.

    Raises ``FileFormatError`` as ``load``.
    """
    load(path)
    with opened(path) as stream:
        record = Archive(stream).manifest.get("schema")
    return record is None or _schema(record).public.to_dict() == record


def _schema(record: dict[str, Any]) -> Schema:
    from dpsynth.schema import Schema

    return Schema.from_dict(record)


# --- answers and convergence ----------------------------------------------------------------------------------


def _answer_record(answer: _Answer, arrays: dict[str, Numbers]) -> dict[str, Any]:
    if isinstance(answer, Selection):
        return {"kind": "selection", **answer.record()}
    kind = "claimed marginal" if isinstance(answer, ClaimedMarginal) else "marginal"
    return {"kind": kind, "array": kept(arrays, "answers", answer.values), **answer.record()}


def _answer(record: dict[str, Any], archive: Archive, used: set[str], domain: Domain) -> _Answer:
    facts = dict(record)
    kind = facts.pop("kind", None)
    if kind == "selection":
        selection = Selection.from_record(facts)
        domain.check_clique(selection.clique)
        return selection
    if kind == "claimed marginal":
        numbers = taken(archive, used, facts.pop("array"), "<f8")
        claimed = ClaimedMarginal.from_record(facts, cast("NDArray[np.float64]", numbers))
        _check_shape(claimed, domain)
        return claimed
    if kind != "marginal":
        raise FileFormatError("an answer is of an unknown kind")
    values = taken(archive, used, facts.pop("array"), "<i8")
    marginal = NoisyMarginal.from_record(facts, cast("NDArray[np.int64]", values))
    _check_shape(marginal, domain)
    return marginal


def _check_shape(marginal: Measurement, domain: Domain) -> None:
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
