"""The entries of a policy's ``models`` as privacy models, and that the fields they name are there and sensitive."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from dpsynth.anonymization.policy_document import ModelPart
from dpsynth.anonymization.privacy_models import (
    AlphaK,
    BetaLikeness,
    Closeness,
    DeltaDisclosure,
    DistinctDiversity,
    EntropyDiversity,
    KAnonymity,
    KMap,
    PrivacyModel,
    RecursiveDiversity,
)
from dpsynth.errors import SchemaError

_DIVERSITY = "l-diversity"
_MAKERS: dict[str, Callable[[Any], PrivacyModel]] = {
    "k-anonymity": lambda part: KAnonymity(part.k),
    "k-map": lambda part: KMap(part.k),
    "t-closeness": lambda part: Closeness(part.field, part.t, ordered=part.distance == "ordered"),
    "alpha-k": lambda part: AlphaK(part.field, part.alpha, part.k),
    "beta-likeness": lambda part: BetaLikeness(part.field, part.beta, enhanced=part.enhanced),
    "delta-disclosure": lambda part: DeltaDisclosure(part.field, part.delta),
}


def models_of(parts: Sequence[ModelPart], where: str) -> tuple[PrivacyModel, ...]:
    """The models, in the order of the policy; ``SchemaError`` for an entry without one, or with settings not of it."""
    chosen = [given(part, number, where) for number, part in enumerate(parts, start=1)]
    return tuple(_diversity(part, where) if name == _DIVERSITY else _MAKERS[name](part) for name, part in chosen)


def given(part: ModelPart, number: int, where: str) -> tuple[str, Any]:
    """The one model that an entry names, and its settings; ``SchemaError`` when there is none or several."""
    names = {info.alias or key: getattr(part, key) for key, info in ModelPart.model_fields.items()}
    chosen = [(name, value) for name, value in names.items() if value is not None]
    if len(chosen) != 1:
        what = f"models: entry {number} needs exactly one model"
        raise SchemaError(what, where=where, hint=f"Known: {', '.join(names)}.")
    return chosen[0]


def population_of(parts: Iterable[ModelPart], where: str) -> str | None:
    """The file of the population that k-map counts in, None without one; ``SchemaError`` for two different files."""
    files = {part.k_map.population for part in parts if part.k_map is not None}
    if len(files) > 1:
        raise SchemaError("models: k-map: there is one population", where=where)
    return next(iter(files), None)


def _diversity(part: Any, where: str) -> PrivacyModel:
    place = f"models: {_DIVERSITY}: "
    if (part.c is None) == (part.kind == "recursive"):
        what = "c is missing" if part.c is None else f"kind {part.kind} has no c"
        raise SchemaError(f"{place}{what}", where=where, hint="c is of kind recursive.")
    if part.kind == "entropy":
        return EntropyDiversity(part.field, part.l)
    if part.l != int(part.l):
        raise SchemaError(f"{place}l is a whole number", where=where)
    if part.kind == "distinct":
        return DistinctDiversity(part.field, int(part.l))
    return RecursiveDiversity(part.field, part.c, int(part.l))
