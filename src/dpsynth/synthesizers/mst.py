"""MST: a spanning tree of pairs, chosen and measured under differential privacy.

McKenna, Miklau & Sheldon, "Winning the NIST Contest" (2021), with three differences, each measured in
``docs/guide/estimation.md``: scales follow the number of cells that stand out of the noise, a candidate's score is
reduced by the error that measuring it would leave, and the model is estimated in closed form.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from fractions import Fraction
from typing import ClassVar

from dpsynth.domain import Domain
from dpsynth.errors import UsageError
from dpsynth.graph import estimate
from dpsynth.models import MarkovRandomField, Model
from dpsynth.privacy.answers import NoisyMarginal, Selection
from dpsynth.privacy.governor import Governor
from dpsynth.privacy.loss import PrivacyLoss
from dpsynth.privacy.queryable import Queryable
from dpsynth.privacy.unit import Unit
from dpsynth.synthesizers.allocation import Noise, crowded, exact, expected_words
from dpsynth.synthesizers.candidates import CandidatePairs
from dpsynth.synthesizers.protocol import Plan, PlanStep, Report, unreported
from dpsynth.synthesizers.spanning import EdgeQuestions, OneWays, measured_one_ways, refinement

_LEAST_SHARE, _LARGEST = 1e-3, 10**6


@dataclass(frozen=True)
class MaximumSpanningTree:
    """Settings of MST; ``UsageError`` for values out of range.

    ``one_way``, ``select``: shares of the loss for all one-way marginals and for choosing the edges; the edges get
    the rest. ``refine``: at most this share moves from the edges to a second look at the one-way marginals, when the
    first look shows that noise dominates them. ``penalty``: how much of the error that measuring a pair would leave
    is taken off its score. ``compress``: values below this many noise scales are merged in the edges (0: never).
    """

    one_way: float = 0.4
    select: float = 0.1
    refine: float = 0.2
    penalty: float = 0.7
    compress: float = 3.0
    name: ClassVar[str] = "mst"
    without_delta: ClassVar[bool] = True

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _LARGEST:
                raise UsageError(f"a setting is a number from 0 to {_LARGEST:,}", where=f"mst.{field.name}")
        if self.one_way <= 0 or self.select <= 0 or self.one_way + self.select + self.refine >= 1:
            raise UsageError("one_way and select must be above 0, and together with refine below 1", where="mst")
        if 0 < self.refine < _LEAST_SHARE:
            raise UsageError(f"refine is 0 or at least {_LEAST_SHARE}", where="mst")

    def plan(
        self, domain: Domain, loss: PrivacyLoss, rows_guess: int | None, unit: Unit, governor: Governor = Governor.ZCDP
    ) -> Plan:
        """The price; without a pair to choose from, the one-way marginals get everything."""
        pairs = CandidatePairs.of(domain)
        prices = _Prices(self, domain, pairs, loss, Noise.planned(unit, governor))
        one_way = prices.one_way_scales()
        steps = [PlanStep("one-way marginals", *prices.priced(prices.one_way), len(domain), max(one_way))]
        if pairs.edges:
            select, edges = prices.select_scale(), prices.edge_scale()
            steps.append(PlanStep("edge selections", *prices.priced(exact(self.select)), pairs.edges, select))
            steps.append(PlanStep("edges", *prices.priced(prices.edge), pairs.edges, edges))
        cells = sum(domain.sizes) + pairs.tree_cells
        return Plan(
            method=self.name,
            settings=asdict(self),
            steps=tuple(steps),
            cells=cells,
            bytes=16 * pairs.cells + 8 * 8 * cells,
            workload=(*((attribute,) for attribute in domain), *pairs.pairs),
            expected_error=expected_words(domain, one_way, rows_guess),
            warnings=(*crowded(domain, one_way, rows_guess), *_limits(pairs)),
        )

    def fit(self, queryable: Queryable, report: Report = unreported) -> Model:
        """The model; the last measurement takes exactly what is left."""
        domain, loss = queryable.domain, queryable.remaining
        pairs = CandidatePairs.of(domain)
        if not pairs.edges:
            return self._model(domain, measured_one_ways(queryable, loss))
        answers = measured_one_ways(queryable, loss.share(exact(self.one_way)))
        extra = exact(self.refine) * refinement(OneWays.of(domain, answers))
        if extra > 0:
            answers += measured_one_ways(queryable, loss.share(extra))
        questions = EdgeQuestions(OneWays.of(domain, answers), pairs, penalty=self.penalty, compress=self.compress)
        selected = questions.selected(queryable, loss.share(exact(self.select) / pairs.edges))
        answers += questions.measured(queryable, selected.edges)
        return self._model(domain, answers, selected.asked)

    def _model(
        self, domain: Domain, measured: tuple[NoisyMarginal, ...], selections: tuple[Selection, ...] = ()
    ) -> Model:
        tree, convergence = estimate(domain, measured)
        return Model(
            distribution=MarkovRandomField(tree),
            answers=(*measured, *selections),
            method=self.name,
            settings=asdict(self),
            convergence=convergence,
            schema=None,
            provenance={},
        )


def _limits(pairs: CandidatePairs) -> list[str]:
    """What the size of the domain takes away from the method, in words."""
    warnings = []
    if pairs.dropped:
        warnings.append(f"{pairs.dropped} pairs of columns have too many cells to become edges: use fewer bins")
    if pairs.ordered and pairs.edges:
        warnings.append("with this many columns each selection offers the pairs of one column with smaller ones only")
    return warnings


@dataclass(frozen=True)
class _Prices:
    """What each step costs, before anything is asked."""

    settings: MaximumSpanningTree
    domain: Domain
    pairs: CandidatePairs
    loss: PrivacyLoss
    noise: Noise

    @property
    def one_way(self) -> Fraction:
        return exact(self.settings.one_way) if self.pairs.edges else Fraction(1)

    @property
    def edge(self) -> Fraction:
        return 1 - self.one_way - exact(self.settings.select)

    @property
    def each_selection(self) -> Fraction:
        return exact(self.settings.select) / self.pairs.edges

    def priced(self, share: Fraction) -> tuple[Fraction, Fraction]:
        return share, self.loss.share(share).rho_exact

    def one_way_scales(self) -> list[float]:
        weights = [self.noise.weight_of(size) for size in self.domain.sizes]
        return self.noise.joint(self.loss.share(self.one_way), weights)

    def select_scale(self) -> float:
        return self.noise.selected(self.loss.share(self.each_selection))

    def edge_scale(self) -> float:
        """The scale of equally weighted edges after the largest possible refinement."""
        share = (self.edge - exact(self.settings.refine)) / self.pairs.edges
        return self.noise.measured(self.loss.share(share))
