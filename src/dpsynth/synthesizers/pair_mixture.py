"""Larger domains: one-way marginals, then as many pairs as the noise allows, and a mixture of products to meet them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from dpsynth.domain import Clique, Domain
from dpsynth.graph import estimate, pooled_one_way, pooled_total
from dpsynth.graph.mixture import Goals, PairGoals, fit_mixture
from dpsynth.graph.pooling import Target, merged, projected_precision
from dpsynth.models import MixtureOfProducts, Model
from dpsynth.privacy.answers import NoisyMarginal
from dpsynth.privacy.loss import PrivacyLoss
from dpsynth.privacy.queryable import Queryable
from dpsynth.privacy.unit import Unit
from dpsynth.synthesizers.allocation import (
    crowded,
    exact,
    expected_words,
    scale_of_units,
    scales_of,
    sensitivity_of,
    weight_of,
)
from dpsynth.synthesizers.candidates import FREE_COLUMNS, CandidatePairs
from dpsynth.synthesizers.effort import effort_of
from dpsynth.synthesizers.pair_questions import PairQuestions, second_look
from dpsynth.synthesizers.protocol import Plan, PlanStep
from dpsynth.synthesizers.spanning import OneWays, measured_one_ways

CODES = 4096
"""With more codes than this the table of all pairs would be too large."""


@dataclass(frozen=True)
class PairMixture:
    """Shares of the loss: ``one_way`` for the first look at the one-way marginals, at most ``again`` for a second one
    when noise shows in the first, ``select`` for choosing pairs; the pairs get the rest.
    """

    effort: str
    one_way: float
    again: float
    select: float
    name: ClassVar[str] = "mixture"

    @staticmethod
    def suits(domain: Domain) -> bool:
        """Whether all pairs can be asked about and held at once, and there are pairs to choose from."""
        if len(domain) > FREE_COLUMNS or sum(domain.sizes) > CODES:
            return False
        pairs = CandidatePairs.of(domain)
        return not pairs.dropped and pairs.edges > 1

    def plan(self, domain: Domain, loss: PrivacyLoss, rows_guess: int | None, unit: Unit) -> Plan:
        """The price; which pairs are measured, and how many, depends on the first answers."""
        pairs, codes, effort = CandidatePairs.of(domain), sum(domain.sizes), effort_of(self.effort)
        shares = _Shares(self, loss, sensitivity_of(unit))
        scales = scales_of(loss.share(shares.one_way), [weight_of(size) for size in domain.sizes], shares.sensitivity)
        steps = (
            PlanStep("one-way marginals", *shares.priced(shares.one_way), len(domain), max(scales)),
            shares.step("one-way marginals again (at most)", shares.again, len(domain)),
            shares.step("pair selections (at most)", shares.select, len(pairs.pairs)),
            shares.step("pairs (at most)", shares.pairs, len(pairs.pairs)),
        )
        return Plan(
            method=self.name,
            settings=asdict(self),
            steps=tuple(step for step in steps if step.share > 0),
            cells=effort.cells(codes),
            bytes=48 * pairs.cells + effort.bytes(codes),
            workload=(*((attribute,) for attribute in domain), *pairs.pairs),
            expected_error=expected_words(domain, scales, rows_guess),
            warnings=tuple(crowded(domain, scales, rows_guess)),
        )

    def fit(self, queryable: Queryable) -> Model:
        """The model; the last measurement takes exactly what is left."""
        domain, loss = queryable.domain, queryable.remaining
        answers = measured_one_ways(queryable, loss.share(exact(self.one_way)))
        extra = exact(self.again) * second_look(OneWays.of(domain, answers))
        if extra > 0:
            answers += measured_one_ways(queryable, loss.share(extra))
        questions = PairQuestions(OneWays.of(domain, answers), CandidatePairs.of(domain).pairs)
        selected = questions.selected(queryable, loss.share(exact(self.select)))
        answers += questions.measured(queryable, selected.pairs)
        known = _Known.of(domain, answers)
        codes, effort = sum(domain.sizes), effort_of(self.effort)
        fitted = fit_mixture(
            known.goals(), components=effort.components_for(codes), steps=effort.steps, fits=effort.fits
        )
        mixture = MixtureOfProducts(domain, known.total, fitted.weights, fitted.probabilities)
        return Model(mixture, (*answers, *selected.asked), self.name, asdict(self), fitted.convergence)


@dataclass(frozen=True)
class _Shares:
    """What each step costs at most, before anything is asked: the shares of all steps sum to 1."""

    settings: PairMixture
    loss: PrivacyLoss
    sensitivity: int

    @property
    def one_way(self) -> Fraction:
        return exact(self.settings.one_way)

    @property
    def again(self) -> Fraction:
        return exact(self.settings.again)

    @property
    def select(self) -> Fraction:
        return exact(self.settings.select)

    @property
    def pairs(self) -> Fraction:
        """What the pairs get after the largest possible second look."""
        return 1 - self.one_way - self.again - self.select

    def priced(self, share: Fraction) -> tuple[Fraction, Fraction]:
        return share, self.loss.share(share).rho_exact

    def step(self, name: str, share: Fraction, questions: int) -> PlanStep:
        scale = scale_of_units(self.loss.share(share / questions).rho, self.sensitivity) if share else 0.0
        return PlanStep(name, *self.priced(share), questions, scale)


@dataclass(frozen=True, eq=False)
class _Known:
    """What all answers of a fit say together."""

    domain: Domain
    answers: tuple[NoisyMarginal, ...]
    targets: tuple[Target, ...]
    one_ways: Mapping[str, NDArray[np.float64]]
    total: float

    @staticmethod
    def of(domain: Domain, answers: tuple[NoisyMarginal, ...]) -> _Known:
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
            tree, _ = estimate(self.domain, [a for a in self.answers if len(a.clique) == 1 or a.clique in edges])
            for pair, values in zip(unmeasured, tree.marginals(unmeasured), strict=True):
                builder.expected(pair, values, spread)
        precision = {name: sum(projected_precision(name, target) for target in self.targets) for name in self.domain}
        return builder.goals(precision)


def _spanning(gains: Mapping[Clique, float]) -> set[Clique]:
    """The measured pairs that make the spanning tree (or forest) of largest gain."""
    import networkx as nx

    graph: nx.Graph[str] = nx.Graph()
    for pair, gain in gains.items():
        graph.add_edge(*pair, weight=gain)
    edges = {frozenset(edge) for edge in nx.maximum_spanning_tree(graph).edges}
    return {pair for pair in gains if frozenset(pair) in edges}
