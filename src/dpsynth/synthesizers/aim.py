"""AIM: an adaptive and iterative mechanism (McKenna, Mullins, Sheldon & Miklau 2022), with named improvements.

Algorithm 2 is ``_Fit.run``; Algorithm 3 (initialization) ``_Fit.initialized``; Algorithm 4 (budget annealing)
``RoundBudget`` and ``_Fit.annealed``. Each improvement is a setting; ``docs/reference/aim.md`` measures them.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields
from fractions import Fraction
from typing import Any, ClassVar, get_args

import numpy as np

from dpsynth.domain import Clique, Domain
from dpsynth.errors import ResourceLimitError, UsageError
from dpsynth.graph import Convergence, estimate
from dpsynth.graph.growth import ModelSize
from dpsynth.graph.incremental import IncrementalField
from dpsynth.graph.junction import junction_tree
from dpsynth.models import MarkovRandomField, Model
from dpsynth.privacy.answers import NoisyMarginal, Selection
from dpsynth.privacy.governor import Governor
from dpsynth.privacy.loss import PrivacyLoss
from dpsynth.privacy.queryable import Queryable
from dpsynth.privacy.unit import Unit
from dpsynth.synthesizers.allocation import MEAN_ABSOLUTE, Noise, crowded, exact, expected_words, one_way_error
from dpsynth.synthesizers.annealing import MOST_ROUNDS, RoundBudget
from dpsynth.synthesizers.coarse import coarse_field
from dpsynth.synthesizers.effort import MODEL_SIZE
from dpsynth.synthesizers.estimation import CELL_BYTES
from dpsynth.synthesizers.protocol import Plan, PlanStep, Report, unreported
from dpsynth.synthesizers.scoring import OFFERED, Offer, Score, admitted, check_smallest, offer
from dpsynth.synthesizers.spanning import OneWays, measured_one_ways
from dpsynth.synthesizers.workload import Workload, plain_workload

_LAST_SWEEPS = 200
_LEAST_LAST_SWEEPS = 8
_ROUND_CELLS, _LAST_CELLS = 1 << 22, 1 << 26
"""Cells that the sweeps after a round, and after the last one, may visit: large models get fewer sweeps."""
_AT_REST = 5e-4
_LEAST_SHARE, _LARGEST = 1e-3, 10**12


@dataclass(frozen=True)
class AdaptiveIterative:
    """Settings of AIM; ``UsageError`` for values out of range.

    ``workload``: ``all-2way``, ``all-3way``, ``target:COLUMN`` or a list. ``one_way``: share of the loss for all
    one-way marginals; ``refine``: at most this share more, as far as noise brings their expected error above
    ``precision`` (total variation). ``select``: share of each round for choosing. ``rounds``: the first rounds are as
    cheap as if there were this many for each column. ``patience``: a round becomes ``factor`` times dearer when what
    it measured moved the model by less than ``patience`` times the error that measuring was expected to leave.
    ``score``: ``estimator`` or ``published``. ``shrink``: empirical-Bayes shrinkage of the estimates. ``compress``:
    values below this many noise scales are merged after the one-way marginals (0: never). ``max_model_size``: bytes
    of all nodes of the junction tree. ``sweeps``: over the model between rounds.
    """

    workload: Any = "all-3way"
    one_way: float = 0.06
    refine: float = 0.5
    precision: float = 0.006
    select: float = 0.2
    rounds: int = 16
    factor: int = 2
    patience: float = 0.5
    score: Score = "estimator"
    shrink: bool = True
    compress: float = 3.0
    max_model_size: int = MODEL_SIZE
    sweeps: int = 3
    name: ClassVar[str] = "aim"
    without_delta: ClassVar[bool] = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "workload", plain_workload(self.workload))
        for field in fields(self):
            _check_setting(field.name, getattr(self, field.name))
        if self.one_way <= 0 or not 0 < self.select < 1 or self.one_way + self.refine >= 1:
            raise UsageError("one_way and select are above 0; select and one_way + refine are below 1", where=self.name)
        if self.precision < _LEAST_SHARE or 0 < self.refine < _LEAST_SHARE:
            raise UsageError(f"precision is at least {_LEAST_SHARE}, and refine 0 or at least that", where=self.name)
        if self.rounds < 1 or self.factor < 2 or self.max_model_size < 1 or self.sweeps < 1:
            raise UsageError("rounds, max_model_size and sweeps are at least 1, factor at least 2", where=self.name)

    def plan(
        self, domain: Domain, loss: PrivacyLoss, rows_guess: int | None, unit: Unit, governor: Governor = Governor.ZCDP
    ) -> Plan:
        """The price. ``ResourceLimitError`` when the workload names a clique that no model within the limit holds."""
        return _Prices(self, domain, self.workload_of(domain), loss, Noise.planned(unit, governor)).plan(rows_guess)

    def fit(self, queryable: Queryable, report: Report = unreported) -> Model:
        """The model; the last round takes exactly what is left."""
        return _Fit(self, queryable, self.workload_of(queryable.domain)).run()

    def workload_of(self, domain: Domain) -> Workload:
        """The workload over a domain; raises what ``plan`` raises about it."""
        workload = Workload.of(domain, self.workload)
        size = ModelSize(domain, junction_tree(domain, []), ())
        needed = max((size.cells(clique, math.inf) for clique in workload.closure), default=0) * CELL_BYTES
        if workload.named and needed > self.max_model_size:
            raise ResourceLimitError(
                f"a set of columns of the workload needs a model of {needed:,} bytes, above {self.max_model_size:,}",
                where="workload",
                hint=f"Set max_model_size to at least {needed}, or use fewer bins.",
            )
        check_smallest(domain, workload, self.max_model_size)
        return workload

    def most_rounds(self, domain: Domain) -> int:
        """T of the paper: as many equal rounds would share what the one-way marginals leave."""
        return min(self.rounds * len(domain), MOST_ROUNDS)


def _check_setting(name: str, value: Any) -> None:
    if name == "workload":
        return
    if name == "score":
        if value not in get_args(Score):
            raise UsageError(f"a score is one of {', '.join(get_args(Score))}", where="aim.score")
    elif name == "shrink":
        if not isinstance(value, bool):
            raise UsageError("shrink is true or false", where="aim.shrink")
    else:
        whole = name in {"rounds", "factor", "max_model_size", "sweeps"}
        kinds = int if whole else int | float
        if isinstance(value, bool) or not isinstance(value, kinds) or not 0 <= value <= _LARGEST:
            raise UsageError(
                f"a setting is a {'whole ' if whole else ''}number from 0 to {_LARGEST}", where=f"aim.{name}"
            )


@dataclass(frozen=True)
class _Prices:
    """What each step costs, before anything is asked."""

    settings: AdaptiveIterative
    domain: Domain
    workload: Workload
    loss: PrivacyLoss
    noise: Noise

    def plan(self, rows_guess: int | None) -> Plan:
        one_way = exact(self.settings.one_way) if self.workload.closure else Fraction(1)
        spent = self.loss.share(one_way)
        weights = [self.noise.weight_of(size) for size in self.domain.sizes]
        scales = self.noise.joint(spent, weights)
        steps = [PlanStep("one-way marginals", one_way, spent.rho_exact, len(self.domain), max(scales))]
        if self.workload.closure:
            again = exact(self.settings.refine)
            if again:
                looked = self.loss.share(again)
                scale = max(self.noise.joint(looked, weights))
                steps.append(
                    PlanStep("one-way marginals again (at most)", again, looked.rho_exact, len(self.domain), scale)
                )
            steps += self._round_steps(1 - one_way - again)
        counted = sum(self.domain.cells(clique) for clique in self.workload.closure)
        cells = min(self.settings.max_model_size // CELL_BYTES, math.prod(self.domain.sizes)) + sum(self.domain.sizes)
        return Plan(
            method=self.settings.name,
            settings=asdict(self.settings),
            steps=tuple(steps),
            cells=cells,
            bytes=2 * 8 * counted + 6 * CELL_BYTES * cells,
            workload=(*((name,) for name in self.domain), *self.workload.closure),
            expected_error=expected_words(self.domain, scales, rows_guess),
            warnings=(*crowded(self.domain, scales, rows_guess), *self._warnings(rows_guess)),
        )

    def _round_steps(self, rest: Fraction) -> list[PlanStep]:
        select = exact(self.settings.select)
        most = self.settings.most_rounds(self.domain)
        left = self.loss.share(rest)
        first = RoundBudget.first(left, most, select, self.noise.governor)
        steps = (
            ("selections", rest * select, self.noise.selected(first.select)),
            ("selected marginals", rest * (1 - select), self.noise.measured(first.measure)),
        )
        return [PlanStep(name, share, self.loss.share(share).rho_exact, most, scale) for name, share, scale in steps]

    def _warnings(self, rows: int | None) -> list[str]:
        closure, warnings = self.workload.closure, []
        if self.workload.dropped:
            warnings.append(f"{self.workload.dropped} sets of columns are not candidates: too many, or too many cells")
        if len(closure) > OFFERED:
            warnings.append(
                f"each round offers {OFFERED:,} of {len(closure):,} sets of columns at most: they take turns"
            )
        if rows and closure:
            least = self.noise.measured(self.loss.share(1 - exact(self.settings.one_way)))
            if MEAN_ABSOLUTE * least * min(self.domain.cells(clique) for clique in closure) > rows:
                warnings.append("this budget suffices for one-way marginals only: all else drowns in noise")
        return warnings


class _Fit:
    """One fit: what was asked, what was learned, and what the next round may spend."""

    def __init__(self, settings: AdaptiveIterative, queryable: Queryable, workload: Workload) -> None:
        self.settings = settings
        self.fine = queryable
        self.workload = workload
        self.loss = queryable.remaining
        self.measured: list[NoisyMarginal] = []
        self.selected: list[Selection] = []
        self.select = exact(settings.select)
        self.refused: dict[Clique, int] = {}

    def run(self) -> Model:
        """Algorithm 2: initialize, then select, measure, estimate and anneal until the loss is spent."""
        domain = self.fine.domain
        if not self.workload.closure:
            self.measured += measured_one_ways(self.fine, self.loss)
            tree, convergence = estimate(domain, self.measured)
            return self._model(MarkovRandomField(tree), convergence)
        ones = self.initialized()
        settings = self.settings
        table, expansions, field = coarse_field(
            self.fine, ones, self.measured, threshold=settings.compress, shrink=settings.shrink
        )
        rounds = self.settings.most_rounds(domain)
        budget = RoundBudget.first(self.fine.remaining, rounds, self.select, self.fine.governor)
        turn = 0
        # An only candidate is measured once: there is nothing to adapt to. A round may cost less than its budget (GDP
        # has a smallest scale), so rounds are counted as well.
        while len(self.workload.closure) > 1 and turn < rounds and not budget.is_last(self.fine.remaining):
            budget = self.round(table, field, budget, turn)
            turn += 1
        self.round(table, field, budget.all_of(self.fine.remaining, self.select), turn)
        affordable = max(_LEAST_LAST_SWEEPS, _LAST_CELLS // field.tree.cells)
        convergence = field.fit(min(_LAST_SWEEPS, affordable), _AT_REST)
        return self._model(MarkovRandomField(field.calibrated, expansions), convergence)

    def initialized(self) -> OneWays:
        """Algorithm 3: all one-way marginals; a second look at them as far as noise dominates the first."""
        share = exact(self.settings.one_way)
        self.measured += measured_one_ways(self.fine, self.loss.share(share))
        ones = OneWays.of(self.fine.domain, self.measured)
        error = self._one_way_error(ones)
        wanted = share * (Fraction(round(100 * (error / self.settings.precision) ** 2), 100) - 1)
        extra = min(max(wanted, Fraction(0)), exact(self.settings.refine))
        if extra > 0:
            self.measured += measured_one_ways(self.fine, self.loss.share(extra))
            ones = OneWays.of(self.fine.domain, self.measured)
        return ones

    def _one_way_error(self, ones: OneWays) -> float:
        """The mean error (total variation) that one-way counts would end with if the rounds got all that is left.

        A round's answer is an answer about each of its columns too, summed over the others: cliques are taken to be
        measured in inverse proportion to their cells.
        """
        domain = self.fine.domain
        shares = {clique: 1 / domain.cells(clique) for clique in self.workload.closure}
        left = Noise(self.fine.governor, ones.sensitivity).measured(self.fine.remaining) ** -2 / sum(shares.values())
        precisions = {name: scale**-2 for name, scale in ones.scales.items()}
        for clique, share in shares.items():
            for name in clique:
                precisions[name] += left * share * domain[name] / domain.cells(clique)
        # The total is known far better than a cell, which takes one of n degrees of freedom.
        scales = [math.sqrt((1 - 1 / domain[name]) / precisions[name]) for name in domain]
        return one_way_error([ones.counts[name] for name in domain], scales, ones.total)

    def round(self, table: Queryable, field: IncrementalField, budget: RoundBudget, turn: int) -> RoundBudget:
        """Lines 6 to 11 of Algorithm 2; returns the budget of the next round."""
        units = self.fine.governor.units
        spent = 1 - units(self.fine.remaining) / units(self.loss)
        last = budget.units >= units(self.fine.remaining)
        limit = self.settings.max_model_size / CELL_BYTES * (1.0 if last else spent)
        cliques = admitted(field, self.workload.closure, limit, turn, self.refused) or self._smallest(field)
        sensitivity = max(answer.sensitivity for answer in self.measured)
        scale = Noise(self.fine.governor, sensitivity).measured(budget.measure)
        offered = offer(field, cliques, self.workload, scale, self.settings.score)
        index = self._chosen(table, offered, budget)
        loss = self.fine.remaining if last else budget.measure
        (answer,) = table.measure([offered.cliques[index]], loss)
        self.measured.append(answer)
        field.learn(answer.clique, answer.values.astype(np.float64), answer.deviation**2)
        sweeps = min(self.settings.sweeps, max(1, _ROUND_CELLS // field.tree.cells))
        field.fit(sweeps, start=answer.clique)
        return self.annealed(field, offered, index, budget)

    def _smallest(self, field: IncrementalField) -> tuple[Clique, ...]:
        """The candidate that leaves the smallest model: for rounds whose limit admits none."""
        return (min(self.workload.closure, key=lambda clique: field.size.cells(clique, math.inf)),)

    def _chosen(self, table: Queryable, offered: Offer, budget: RoundBudget) -> int:
        """The noisy maximum; an only candidate is taken without paying."""
        if len(offered.candidates) == 1:
            return 0
        self.selected.append(table.select(offered.candidates, budget.select))
        return self.selected[-1].index

    def annealed(self, field: IncrementalField, offered: Offer, index: int, budget: RoundBudget) -> RoundBudget:
        """Algorithm 4: a dearer round when this one taught less than its noise."""
        clique: Clique = offered.cliques[index]
        moved = float(np.abs(field.calibrated.marginal(clique) - offered.expected[index]).sum())
        if moved >= self.settings.patience * offered.errors[index]:
            return budget
        return budget.raised(self.settings.factor)

    def _model(self, distribution: MarkovRandomField, convergence: Convergence) -> Model:
        return Model(
            distribution=distribution,
            answers=(*self.measured, *self.selected),
            method=self.settings.name,
            settings=asdict(self.settings),
            convergence=convergence,
            schema=None,
            provenance={},
        )
