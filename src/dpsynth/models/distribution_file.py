"""The distribution of a ``.dps`` file: its record in the manifest and its arrays, checked when they are read."""

from __future__ import annotations

from typing import Annotated, Any, Literal, cast

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, StrictFloat, StrictInt, StrictStr

from dpsynth.domain import Clique, Domain
from dpsynth.errors import DomainError, FileFormatError, ResourceLimitError, UsageError
from dpsynth.graph import CalibratedTree, JunctionTree
from dpsynth.graph.factors import summed
from dpsynth.models.archive import Archive, Numbers, kept, taken
from dpsynth.models.bayesian import BayesianNetwork, ConditionalTable
from dpsynth.models.distribution import Distribution
from dpsynth.models.markov import Expansion, MarkovRandomField
from dpsynth.models.mixture import MixtureOfProducts
from dpsynth.models.rounding import Expected

_CONSISTENCY = 1e-3
"""Neighboring cliques of a sound model agree far better than to this share of the total."""
_Total = Annotated[StrictFloat, Field(ge=0, lt=2.0**62)]


class Strict(BaseModel):
    """A part of the manifest: exactly these keys, of exactly these types."""

    model_config = ConfigDict(extra="forbid", strict=True)


class _Domain(Strict):
    attributes: list[StrictStr]
    sizes: list[StrictInt]


class _Expansion(Strict):
    attribute: StrictStr
    buckets: StrictStr
    weights: StrictStr


class _Field(Strict):
    """The distribution of kind ``markov-random-field``: array names stand for their arrays."""

    kind: Literal["markov-random-field"]
    domain: _Domain
    total: _Total
    cliques: list[list[StrictStr]]
    edges: list[list[StrictInt]]
    beliefs: list[StrictStr]
    expansions: list[_Expansion]


class _Mixture(Strict):
    """The distribution of kind ``mixture-of-products``."""

    kind: Literal["mixture-of-products"]
    domain: _Domain
    total: _Total
    weights: StrictStr
    probabilities: StrictStr


class _Table(Strict):
    attribute: StrictStr
    parents: list[StrictStr]
    probabilities: StrictStr


class _Network(Strict):
    """The distribution of kind ``bayesian-network``."""

    kind: Literal["bayesian-network"]
    domain: _Domain
    total: _Total
    tables: list[_Table]
    expansions: list[_Expansion]


DistributionRecord = Annotated[_Field | _Mixture | _Network, Field(discriminator="kind")]

_FIRST_VERSION = {MixtureOfProducts.kind: 2, BayesianNetwork.kind: 3}


def first_version(kind: str) -> int:
    """The first version of the format that has this kind of distribution."""
    return _FIRST_VERSION.get(kind, 1)


def distribution_record(distribution: Distribution, arrays: dict[str, Numbers]) -> dict[str, Any]:
    """The record of a distribution, its arrays added to ``arrays``; ``UsageError`` for a kind without a format."""
    if isinstance(distribution, MarkovRandomField):
        return _field_record(distribution, arrays)
    if isinstance(distribution, MixtureOfProducts):
        return _mixture_record(distribution, arrays)
    if isinstance(distribution, BayesianNetwork):
        return _network_record(distribution, arrays)
    raise UsageError("a model of this kind cannot be saved")


def read_distribution(record: _Field | _Mixture | _Network, archive: Archive, used: set[str]) -> Distribution:
    """The distribution of a record; ``FileFormatError`` unless its arrays are what it says, names added to ``used``."""
    domain = Domain(tuple(record.domain.attributes), tuple(record.domain.sizes))
    if isinstance(record, _Mixture):
        return _mixture(record, domain, archive, used)
    if isinstance(record, _Network):
        return _network(record, domain, archive, used)
    return _field(record, domain, archive, used)


# --- mixtures of products -------------------------------------------------------------------------------------


def _mixture_record(mixture: MixtureOfProducts, arrays: dict[str, Numbers]) -> dict[str, Any]:
    return {
        "kind": mixture.kind,
        "domain": {"attributes": list(mixture.domain.attributes), "sizes": list(mixture.domain.sizes)},
        "total": float(mixture.total),
        "weights": kept(arrays, "weights", mixture.weights),
        "probabilities": kept(arrays, "probabilities", mixture.probabilities),
    }


def _mixture(record: _Mixture, domain: Domain, archive: Archive, used: set[str]) -> MixtureOfProducts:
    weights = cast("Expected", taken(archive, used, record.weights, "<f8"))
    probabilities = cast("Expected", taken(archive, used, record.probabilities, "<f8"))
    try:
        return MixtureOfProducts(domain, record.total, weights, probabilities)
    except DomainError as error:
        raise FileFormatError(error.message, where=error.where) from None


# --- Bayesian networks ----------------------------------------------------------------------------------------


def _network_record(network: BayesianNetwork, arrays: dict[str, Numbers]) -> dict[str, Any]:
    return {
        "kind": network.kind,
        "domain": {"attributes": list(network.inner.attributes), "sizes": list(network.inner.sizes)},
        "total": float(network.total),
        "tables": [
            {
                "attribute": table.attribute,
                "parents": list(table.parents),
                "probabilities": kept(arrays, "probabilities", table.probabilities),
            }
            for table in network.tables
        ],
        "expansions": _expansion_records(network.expansions, arrays),
    }


def _network(record: _Network, domain: Domain, archive: Archive, used: set[str]) -> BayesianNetwork:
    tables = tuple(
        ConditionalTable(
            item.attribute,
            tuple(item.parents),
            cast("Expected", taken(archive, used, item.probabilities, "<f8")),
        )
        for item in record.tables
    )
    expansions = _expansions(record.expansions, archive, used)
    try:
        return BayesianNetwork(domain, record.total, tables, expansions)
    except (DomainError, ResourceLimitError) as error:
        raise FileFormatError(error.message, where=error.where) from None


# --- Markov random fields -------------------------------------------------------------------------------------


def _field_record(field: MarkovRandomField, arrays: dict[str, Numbers]) -> dict[str, Any]:
    tree = field.tree.tree
    return {
        "kind": field.kind,
        "domain": {"attributes": list(tree.domain.attributes), "sizes": list(tree.domain.sizes)},
        "total": float(field.total),
        "cliques": [list(clique) for clique in tree.cliques],
        "edges": [list(edge) for edge in tree.edges],
        "beliefs": [kept(arrays, "beliefs", belief) for belief in field.tree.beliefs],
        "expansions": _expansion_records(field.expansions, arrays),
    }


def _expansion_records(expansions: tuple[Expansion, ...], arrays: dict[str, Numbers]) -> list[dict[str, Any]]:
    return [
        {
            "attribute": expansion.attribute,
            "buckets": kept(arrays, "buckets", expansion.buckets),
            "weights": kept(arrays, "weights", expansion.weights),
        }
        for expansion in expansions
    ]


def _field(record: _Field, domain: Domain, archive: Archive, used: set[str]) -> MarkovRandomField:
    cliques = tuple(tuple(clique) for clique in record.cliques)
    edges = tuple((int(left), int(right)) for left, right in record.edges)
    tree = _tree(domain, cliques, edges)
    if len(record.beliefs) != len(cliques):
        raise FileFormatError("the distribution needs one array per clique")
    beliefs = tuple(cast("Expected", taken(archive, used, name, "<f8")) for name in record.beliefs)
    _check_beliefs(tree, beliefs, record.total)
    expansions = _expansions(record.expansions, archive, used)
    return MarkovRandomField(CalibratedTree(tree, beliefs, record.total), expansions)


def _expansions(records: list[_Expansion], archive: Archive, used: set[str]) -> tuple[Expansion, ...]:
    return tuple(
        Expansion(
            item.attribute,
            cast("NDArray[np.int64]", taken(archive, used, item.buckets, "<i8")),
            cast("Expected", taken(archive, used, item.weights, "<f8")),
        )
        for item in records
    )


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
