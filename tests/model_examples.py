"""Small models for tests: random fields on trees, and one with a schema of every field type."""

from __future__ import annotations

from dataclasses import replace
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from dpsynth.domain import Domain
from dpsynth.graph import CalibratedTree, junction_tree
from dpsynth.models import BayesianNetwork, ConditionalTable, MarkovRandomField, MixtureOfProducts, Model
from dpsynth.privacy.answers import NoisyMarginal, Receipt, Selection
from dpsynth.privacy.loss import PrivacyLoss
from dpsynth.schema import Schema

SCHEMA = """
fields:
  - {name: age, type: integer, constraints: {minimum: 0, maximum: 99}, dpsynth: {source: public, bins: {width: 10}}}
  - {name: sex, type: string, constraints: {enum: [F, M]}, dpsynth: {source: public, null: F, dtype: category}}
  - {name: score, type: number, constraints: {minimum: 0, maximum: 1}, dpsynth: {source: public, bins: {count: 4}}}
  - {name: smoker, type: boolean, dpsynth: {source: public}}
  - name: born
    type: date
    constraints: {minimum: 2000-01-01, maximum: 2001-12-31}
    dpsynth: {source: public, bins: month}
  - {name: name, type: string, dpsynth: {role: direct-id}}
dpsynth: {version: 1, name: people, unit: row}
"""


def random_field(
    sizes: tuple[int, ...], seed: int, total: float = 1000.0, concentration: float = 0.4
) -> MarkovRandomField:
    """A field on a random tree of attributes a, b, c, …: every attribute depends on one earlier attribute."""
    rng = np.random.default_rng(seed)
    domain = Domain(tuple("abcdefghijklmnop"[: len(sizes)]), sizes)
    one_ways = {"a": rng.dirichlet(np.full(sizes[0], concentration))}
    pairs: dict[tuple[str, ...], NDArray[np.float64]] = {}
    for index, name in enumerate(domain.attributes[1:], start=1):
        parent = domain.attributes[int(rng.integers(index))]
        joint = one_ways[parent][:, None] * rng.dirichlet(np.full(sizes[index], concentration), size=domain[parent])
        pairs[parent, name], one_ways[name] = joint, joint.sum(axis=0)
    # Elimination may join attributes of one value into one clique; larger sizes keep every pair a clique of its own.
    tree = junction_tree(Domain(domain.attributes, tuple(size + 1 for size in sizes)), pairs or [("a",)])
    tree = replace(tree, domain=domain)
    beliefs = tuple(total * (pairs[clique] if len(clique) == 2 else one_ways[clique[0]]) for clique in tree.cliques)
    return MarkovRandomField(CalibratedTree(tree, beliefs, float(total)))


def random_mixture(
    sizes: tuple[int, ...], seed: int, components: int = 4, total: float = 1000.0, concentration: float = 0.4
) -> MixtureOfProducts:
    """A mixture over attributes a, b, c, … with random weights and probabilities, some of them almost 0."""
    rng = np.random.default_rng(seed)
    blocks = [rng.dirichlet(np.full(size, concentration), size=components) for size in sizes]
    domain = Domain(tuple("abcdefghijklmnop"[: len(sizes)]), sizes)
    return MixtureOfProducts(domain, total, rng.dirichlet(np.ones(components)), np.concatenate(blocks, axis=1))


def random_network(
    sizes: tuple[int, ...], seed: int, parents: int = 2, total: float = 1000.0, concentration: float = 0.4
) -> BayesianNetwork:
    """A network over attributes a, b, c, … in this order, each with up to ``parents`` random earlier ones."""
    rng = np.random.default_rng(seed)
    domain = Domain(tuple("abcdefghijklmnop"[: len(sizes)]), sizes)
    tables = []
    for index, name in enumerate(domain):
        chosen = rng.choice(index, size=int(rng.integers(min(index, parents) + 1)), replace=False) if index else []
        given = tuple(domain.attributes[place] for place in chosen)
        rows = rng.dirichlet(np.full(domain[name], concentration), size=domain.cells(given))
        tables.append(ConditionalTable(name, given, rows.reshape(domain.shape((*given, name)))))
    return BayesianNetwork(domain, total, tuple(tables))


def joint_of_network(network: BayesianNetwork) -> NDArray[np.float64]:
    """The expected count of every combination of codes, by brute force."""
    joint = np.full(network.inner.sizes, network.total)
    for table in network.tables:
        order = np.argsort(network.inner.axes(table.family))
        shape = [size if name in table.family else 1 for name, size in zip(network.inner, joint.shape, strict=True)]
        joint = joint * table.probabilities.transpose(order).reshape(shape)
    return joint


def joint_of(mixture: MixtureOfProducts) -> NDArray[np.float64]:
    """The expected count of every combination of codes, by brute force."""
    blocks = np.split(mixture.probabilities, np.cumsum(mixture.domain.sizes)[:-1], axis=1)
    products = [reduce(np.multiply.outer, [block[k] for block in blocks]) for k in range(len(mixture.weights))]
    joint: NDArray[np.float64] = mixture.total * np.tensordot(mixture.weights, np.array(products), axes=1)
    return joint


def summed_to(joint: NDArray[np.float64], domain: Domain, clique: tuple[str, ...]) -> NDArray[np.float64]:
    """The marginal of a clique of the joint, axes in clique order."""
    axes = domain.axes(clique)
    rest = tuple(axis for axis in range(len(domain)) if axis not in axes)
    sums: NDArray[np.float64] = joint.sum(axis=rest).transpose([sorted(axes).index(axis) for axis in axes])
    return sums


def people(total: float = 500.0) -> Model:
    """A model with a schema: integers, categories, reals, booleans and dates in bins, some of them with null."""
    schema = Schema.loads(SCHEMA)
    domain, rng = schema.domain, np.random.default_rng(4)
    tree = junction_tree(domain, [("age", "sex"), ("sex", "score"), ("smoker", "born")])
    shares = {name: rng.dirichlet(np.ones(domain[name])) for name in domain}
    beliefs = tuple(total * reduce(np.multiply.outer, [shares[name] for name in clique]) for clique in tree.cliques)
    return Model(MarkovRandomField(CalibratedTree(tree, beliefs, total)), schema=schema, provenance={"dp": True})


def answered(field: MarkovRandomField) -> tuple[NoisyMarginal | Selection, ...]:
    """One noisy marginal per clique and one selection, with receipts."""
    receipt = Receipt("transaction-1", 0, "ab" * 32, PrivacyLoss(rho=123, mu2=456))
    answers: list[NoisyMarginal | Selection] = [
        NoisyMarginal(clique, np.rint(belief).astype(np.int64), 12.5, 1, receipt, "opendp")
        for clique, belief in zip(field.tree.tree.cliques, field.tree.beliefs, strict=True)
    ]
    return (*answers, Selection(0, field.tree.tree.cliques[0], 3, 7.25, 1, receipt))


def counts(codes: dict[str, NDArray[np.unsignedinteger]], domain: Domain, clique: tuple[str, ...]) -> NDArray[np.int64]:
    """The counts of a clique in a coded table."""
    flat = np.ravel_multi_index([codes[name].astype(np.int64) for name in clique], domain.shape(clique))
    return np.bincount(flat, minlength=domain.cells(clique)).reshape(domain.shape(clique))
