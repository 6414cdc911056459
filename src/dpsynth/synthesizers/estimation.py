"""Noisy marginals to a distribution: one interface over every estimator, for synthesizers and for anybody's answers.

Which estimator serves follows from public facts alone (``estimator_for``), so that a plan can name it before anything
is asked. Mathematics: ``docs/guide/estimation.md``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from dpsynth.domain import Clique, Domain
from dpsynth.errors import ResourceLimitError
from dpsynth.graph import Convergence, Measurement, Zeros, estimate, pooled_one_way, pooled_total
from dpsynth.graph.estimation import ITERATIONS, MODEL_CELLS, decomposable
from dpsynth.graph.junction import junction_tree
from dpsynth.graph.mixture import Goals, PairGoals, fit_mixture
from dpsynth.graph.pooling import Target, merged, projected_precision
from dpsynth.graph.residual import fit_joint
from dpsynth.models import MarkovRandomField, MixtureOfProducts
from dpsynth.models.distribution import Distribution
from dpsynth.synthesizers.candidates import FREE_COLUMNS, CandidatePairs
from dpsynth.synthesizers.effort import MODEL_SIZE, Effort, effort_of
from dpsynth.synthesizers.protocol import Report, unreported

CELL_BYTES = 8

JOINT_CELLS = 1 << 18
"""The largest joint table that is fitted: every step transforms all of it."""
_JOINT_COLUMNS, _JOINT_CODES = 20, 16

MIXTURE_CODES = 4096
"""With more codes than this the table of all pairs would be too large."""

_VISITED = 1 << 31
"""Cells that all iterations of the dual may visit: large models get fewer, and say so in their convergence."""
_LEAST_ITERATIONS = 50

Estimator = Literal["closed form", "joint table", "junction tree", "mixture of products"]


def estimator_for(
    domain: Domain, cliques: Sequence[Clique], *, zeros: bool = False, max_model_size: int = MODEL_SIZE
) -> Estimator:
    """The estimator for answers about these cliques, at full resolution; ``zeros``: whether cells are impossible.

    In this order: the closed form when the cliques make a junction tree by themselves; the joint table when it is
    small; regularized dual when the junction tree has at most ``max_model_size`` bytes; a mixture of products when all
    cliques are pairs or single columns. ``ResourceLimitError`` (which names the smallest limit that would do) for
    anything larger.
    """
    tree = junction_tree(domain, [domain.canonical(clique) for clique in cliques])
    needed, most = CELL_BYTES * tree.cells, min(max_model_size, CELL_BYTES * MODEL_CELLS)
    if not zeros and decomposable(tree, cliques) and needed <= most:
        return "closed form"
    if not zeros and _joint_suits(domain, most):
        return "joint table"
    if needed <= most:
        return "junction tree"
    if not zeros and max(map(len, cliques), default=0) == 2 and mixture_suits(domain):
        return "mixture of products"
    raise ResourceLimitError(
        f"these sets of columns need a model of {needed:,} bytes, above the limit of {most:,}",
        where="max_model_size",
        hint="Ask for fewer or smaller sets."
        if most < max_model_size
        else f"Set it to at least {needed}, or ask for fewer or smaller sets.",
    )


def estimated(
    domain: Domain,
    answers: Sequence[Measurement],
    *,
    zeros: Zeros | None = None,
    max_model_size: int = MODEL_SIZE,
    effort: str = "default",
    report: Report = unreported,
) -> tuple[Distribution, Convergence]:
    """The distribution that these answers tell of, and how its estimation ended. Post-processing: costs no privacy.

    Guarantees, whatever noise did: marginals are finite and nonnegative, the total (merged from all answers by inverse
    variance) is at least 1, and the cells that ``zeros`` calls impossible are exactly 0. Raises ``DomainError`` for
    answers or masks that do not fit, and ``ResourceLimitError`` as ``estimator_for`` does; a coarsened answer has no
    place in a joint table or a mixture and counts as one that needs a junction tree. ``report`` is told the fraction
    done of a mixture's fit, the one estimator that takes long.
    """
    cliques = [answer.clique for answer in answers] + list(zeros or {})
    exact_only = bool(zeros) or any(answer.coarsening for answer in answers)
    estimator = estimator_for(domain, cliques, zeros=exact_only, max_model_size=max_model_size)
    if estimator == "joint table":
        tree, convergence = fit_joint(domain, answers)
        return MarkovRandomField(tree), convergence
    if estimator == "mixture of products":
        return estimated_mixture(domain, tuple(answers), effort_of(effort), report)
    cells = junction_tree(domain, [domain.canonical(clique) for clique in cliques]).cells
    steps = min(ITERATIONS, max(_LEAST_ITERATIONS, _VISITED // cells))
    tree, convergence = estimate(domain, answers, zeros=zeros, iterations=steps)
    return MarkovRandomField(tree), convergence


def _joint_suits(domain: Domain, most: int) -> bool:
    small = len(domain) <= _JOINT_COLUMNS and max(domain.sizes, default=1) <= _JOINT_CODES
    return small and domain.cells(domain.attributes) <= min(JOINT_CELLS, most // CELL_BYTES)


def mixture_suits(domain: Domain) -> bool:
    """Whether all pairs can be asked about and held at once, and there are pairs to choose from."""
    if len(domain) > FREE_COLUMNS or sum(domain.sizes) > MIXTURE_CODES:
        return False
    pairs = CandidatePairs.of(domain)
    return not pairs.dropped and pairs.edges > 1


def estimated_mixture(
    domain: Domain, answers: tuple[Measurement, ...], effort: Effort, report: Report = unreported
) -> tuple[MixtureOfProducts, Convergence]:
    """The mixture of products that meets one- and two-way answers, at least one pair among them."""
    known = _Known.of(domain, answers)
    components = effort.components_for(sum(domain.sizes))
    fitted = fit_mixture(known.goals(), components=components, steps=effort.steps, fits=effort.fits, report=report)
    return MixtureOfProducts(domain, known.total, fitted.weights, fitted.probabilities), fitted.convergence


@dataclass(frozen=True, eq=False)
class _Known:
    """What all answers of a fit say together."""

    domain: Domain
    answers: tuple[Measurement, ...]
    targets: tuple[Target, ...]
    one_ways: Mapping[str, NDArray[np.float64]]
    total: float

    @staticmethod
    def of(domain: Domain, answers: tuple[Measurement, ...]) -> _Known:
        targets = merged(domain, answers)
        total = pooled_total(targets)
        one_ways = {attribute: pooled_one_way(domain, attribute, targets, total) for attribute in domain}
        return _Known(domain, answers, targets, one_ways, total)

    def goals(self) -> Goals:
        """Measured pairs shrunk toward independence; the others as the best tree of measured pairs expects them."""
        builder = PairGoals(self.domain, self.one_ways, self.total)
        found = {target.clique: builder.measured(target) for target in self.targets if len(target.clique) == 2}
        unmeasured = [pair for pair in CandidatePairs.of(self.domain).pairs if pair not in found]
        if unmeasured:
            spread = max(float(np.median([dispersion for dispersion, _ in found.values()])), 1.0)
            edges = _spanning({pair: gain for pair, (_, gain) in found.items()})
            tree, _ = estimate(self.domain, [a for a in self.answers if len(a.clique) == 1 or self._is(a, edges)])
            for pair, values in zip(unmeasured, tree.marginals(unmeasured), strict=True):
                builder.expected(pair, values, spread)
        precision = {name: sum(projected_precision(name, target) for target in self.targets) for name in self.domain}
        return builder.goals(precision)

    def _is(self, answer: Measurement, edges: set[Clique]) -> bool:
        return self.domain.canonical(answer.clique) in edges


def _spanning(gains: Mapping[Clique, float]) -> set[Clique]:
    """The measured pairs that make the spanning tree (or forest) of largest gain."""
    import networkx as nx

    graph: nx.Graph[str] = nx.Graph()
    for pair, gain in gains.items():
        graph.add_edge(*pair, weight=gain)
    edges = {frozenset(edge) for edge in nx.maximum_spanning_tree(graph).edges}
    return {pair for pair in gains if frozenset(pair) in edges}
