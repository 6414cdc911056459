"""Bayesian networks: a conditional table per attribute, and a junction tree of the moral graph for inference."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike

from dpsynth.domain import Clique, Domain
from dpsynth.errors import DomainError, ResourceLimitError
from dpsynth.graph import CalibratedTree, JunctionTree, junction_tree, propagate
from dpsynth.graph.estimation import MODEL_CELLS
from dpsynth.graph.factors import aligned, divided, summed
from dpsynth.models.dealing import Codes
from dpsynth.models.distribution import Method, drawn_codes
from dpsynth.models.markov import Expansion, MarkovRandomField, check_expansions
from dpsynth.models.rounding import Expected

COLUMNS = 1024
"""Of more attributes there is no network: joining the cliques of its junction tree looks at all pairs of them."""

SUM_SLACK = 1e-6
"""The probabilities of an attribute given its parents sum to 1 up to this."""


@dataclass(frozen=True, eq=False)
class ConditionalTable:
    """P(``attribute`` | ``parents``): float64, one axis per parent in this order, the attribute's axis last.

    Nonnegative; the codes of the attribute sum to 1 for every combination of the parents' codes, possible or not.
    """

    attribute: str
    parents: Clique
    probabilities: Expected

    @property
    def family(self) -> Clique:
        """The parents, then the attribute: the axes of the table."""
        return (*self.parents, self.attribute)


@dataclass(frozen=True, eq=False)
class BayesianNetwork:
    """``total`` · Π P(attribute | parents), in expected rows; attributes held in buckets are spread over their codes.

    ``inner``: the attributes and how many codes or buckets the tables have of each. ``tables``: one per attribute,
    each after those of its parents. Raises ``DomainError`` when the tables are no network over ``inner`` or hold no
    probabilities, and ``ResourceLimitError`` for more than ``COLUMNS`` attributes or a moral graph that needs a
    junction tree of more than ``MODEL_CELLS`` cells. Inference, conditioning and sampling are those of that tree
    (Lauritzen & Spiegelhalter 1988): exact.
    """

    kind: ClassVar[str] = "bayesian-network"
    inner: Domain
    total: float
    tables: tuple[ConditionalTable, ...]
    expansions: tuple[Expansion, ...] = ()

    def __post_init__(self) -> None:
        _check_order(self.inner, self.tables)
        for table in self.tables:
            _check_table(self.inner, table)
        check_expansions(self.inner, self.expansions)
        if self._tree.cells > MODEL_CELLS:
            raise ResourceLimitError(
                f"the network needs a junction tree of {self._tree.cells:,} cells, above the limit of {MODEL_CELLS:,}",
                hint="Use fewer parents or fewer bins.",
            )

    @staticmethod
    def of_tree(
        calibrated: CalibratedTree, order: Sequence[str] = (), expansions: tuple[Expansion, ...] = ()
    ) -> BayesianNetwork:
        """The network that is the same distribution as this tree.

        A junction tree is a perfect network: walked from a node, the parents of an attribute are those of its node that
        came before it. Attributes of ``order`` come first, as far as the tree allows: the walk starts with its first.
        Cost: one sum of a node's table per attribute.
        """
        tree = calibrated.tree
        rank = {name: place for place, name in enumerate((*order, *tree.domain))}
        tables = []
        for visit in tree.walk(tree.home[order[0]] if order else 0):
            held, clique = list(visit.separator), tree.cliques[visit.node]
            for name in sorted(set(clique) - set(held), key=rank.__getitem__):
                joint = summed(calibrated.beliefs[visit.node], clique, (*held, name))
                tables.append(ConditionalTable(name, tuple(held), _conditional(joint)))
                held.append(name)
        return BayesianNetwork(tree.domain, calibrated.total, tuple(tables), expansions)

    @cached_property
    def _tree(self) -> JunctionTree:
        return junction_tree(self.inner, [table.family for table in self.tables])

    @cached_property
    def field(self) -> MarkovRandomField:
        """The same distribution on a junction tree of the moral graph. Cost: one propagation, on first use."""
        tree = self._tree
        logs = [np.zeros(self.inner.shape(clique)) for clique in tree.cliques]
        for table in self.tables:
            node = tree.containing(table.family)
            if node is None:
                raise AssertionError  # pragma: no cover  (the tree was built for every family)
            with np.errstate(divide="ignore"):
                logs[node] = logs[node] + aligned(np.log(table.probabilities), table.family, tree.cliques[node])
        beliefs = propagate(tree, logs).beliefs
        calibrated = CalibratedTree(tree, tuple(self.total * belief for belief in beliefs), self.total)
        return MarkovRandomField(calibrated, self.expansions)

    @cached_property
    def domain(self) -> Domain:
        """The attributes with all their codes (buckets expanded)."""
        spread = {expansion.attribute: len(expansion.buckets) for expansion in self.expansions}
        return Domain.from_sizes({name: spread.get(name, self.inner[name]) for name in self.inner})

    @property
    def parents(self) -> dict[str, Clique]:
        """The parents of every attribute, in the order of the network."""
        return {table.attribute: table.parents for table in self.tables}

    @property
    def cells(self) -> int:
        """The cells of all conditional tables and expansions."""
        return sum(table.probabilities.size for table in self.tables) + sum(len(e.buckets) for e in self.expansions)

    @property
    def bytes(self) -> int:
        """The memory of the conditional tables and expansions."""
        stored = sum(table.probabilities.nbytes for table in self.tables)
        return stored + sum(16 * len(expansion.buckets) for expansion in self.expansions)

    def marginal(self, clique: Clique) -> Expected:
        """Expected counts of a clique, exact: float64, axes in clique order.

        Raises ``ResourceLimitError`` for more than ``MODEL_CELLS`` cells.
        """
        return self.marginals([clique])[0]

    def marginals(self, cliques: Sequence[Clique]) -> list[Expected]:
        """The marginals of these cliques, from shared sweeps of the junction tree."""
        largest = max((self.domain.cells(clique) for clique in cliques), default=0)
        if largest > MODEL_CELLS:
            raise ResourceLimitError(
                f"a marginal of {largest:,} cells is above the limit of {MODEL_CELLS:,}", hint="Ask for fewer columns."
            )
        return self.field.marginals(cliques)

    def conditioned(self, evidence: Mapping[str, ArrayLike]) -> MarkovRandomField:
        """The distribution given evidence weights (one per code): exact, on the junction tree."""
        return self.field.conditioned(evidence)

    def sample_blocks(
        self, n: int, rng: np.random.Generator, method: Method = "rounding"
    ) -> Iterator[dict[str, Codes]]:
        """``n`` rows as blocks, drawn along the junction tree.

        With ``rounding`` the counts of every family stay within a few rows of their expectation.
        """
        return self.field.sample_blocks(n, rng, method)

    def sample_codes(
        self,
        n: int,
        rng: np.random.Generator,
        evidence: Mapping[str, ArrayLike] | None = None,
        method: Method = "rounding",
    ) -> dict[str, Codes]:
        """``n`` rows as one array of codes per attribute (smallest unsigned type), in random order.

        Raises ``UsageError`` for a negative ``n``, or evidence that the network gives probability 0.
        """
        return drawn_codes(self, n, rng, evidence, method)


def _conditional(joint: Expected) -> Expected:
    """The last axis given the others; as it is on the whole where the others never occur."""
    sums = joint.sum(axis=-1, keepdims=True)
    alone = joint.sum(axis=tuple(range(joint.ndim - 1)))
    given: Expected = np.where(sums > 0, divided(joint, sums), divided(alone, alone.sum()))
    normalized: Expected = given / given.sum(axis=-1, keepdims=True)
    return normalized


def _check_order(inner: Domain, tables: Sequence[ConditionalTable]) -> None:
    """Raise ``DomainError`` unless every attribute has one table, after those of its parents."""
    if len(tables) > COLUMNS:
        raise ResourceLimitError(f"a network has at most {COLUMNS:,} columns")
    before: set[str] = set()
    for table in tables:
        if len(set(table.family)) != len(table.family) or table.attribute not in inner:
            raise DomainError("the attributes of a table are not distinct ones of the network", where=table.attribute)
        if table.attribute in before or not before.issuperset(table.parents):
            raise DomainError("a table must stand once, after those of its parents", where=table.attribute)
        before.add(table.attribute)
    if len(before) != len(inner) or not before:
        raise DomainError("a network needs one table per attribute, and at least one")


def _check_table(inner: Domain, table: ConditionalTable) -> None:
    if table.probabilities.shape != inner.shape(table.family):
        raise DomainError("a table does not have the shape of its attributes", where=table.attribute)
    with np.errstate(invalid="ignore", over="ignore"):
        sums = table.probabilities.sum(axis=-1)
    if not (np.abs(sums - 1.0) <= SUM_SLACK).all() or not (table.probabilities >= 0).all():
        raise DomainError("probabilities are not negative and sum to 1 given the parents", where=table.attribute)
