"""PrivBayes: a Bayesian network, learned and measured under differential privacy.

Zhang, Cormode, Procopiuc, Srivastava & Xiao, "PrivBayes: Private Data Release via Bayesian Networks" (SIGMOD 2014;
ACM TODS 42, 2017). ``_Fit.grown`` is GreedyBayes (Algorithm 4, theta-usefulness of section 5), ``_Fit.step`` one
choice of (X, Π) by the exponential mechanism and the noisy joint of (X, Π) (Algorithm 1), sampling is section 3's.
Where and why this deviates stands in ``docs/reference/privbayes.md``; that the score's sensitivity holds, and that of
the published mutual information does not without the exact number of rows, in ``docs/proofs/privbayes.md``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import ClassVar

import numpy as np

from dpsynth.domain import Clique, Domain
from dpsynth.errors import ResourceLimitError, UsageError
from dpsynth.graph import CalibratedTree, Convergence, estimate
from dpsynth.graph.incremental import IncrementalField
from dpsynth.models import BayesianNetwork, Model
from dpsynth.models.markov import Expansion
from dpsynth.privacy.answers import NoisyMarginal, Selection
from dpsynth.privacy.governor import Governor
from dpsynth.privacy.loss import PrivacyLoss
from dpsynth.privacy.queryable import Queryable
from dpsynth.privacy.unit import Unit
from dpsynth.synthesizers.allocation import Noise, crowded, exact, expected_words
from dpsynth.synthesizers.coarse import coarse_field
from dpsynth.synthesizers.estimation import CELL_BYTES
from dpsynth.synthesizers.protocol import Plan, PlanStep, Report, unreported
from dpsynth.synthesizers.scoring import OFFERED, Offer, admitted, check_smallest, offer
from dpsynth.synthesizers.spanning import OneWays, measured_one_ways, refinement
from dpsynth.synthesizers.workload import Workload, checked_size

MODEL_SIZE = 8_000_000
"""Bytes of the junction tree of the moral graph, unless the user names a limit."""

COLUMNS = 128
"""Of more columns no network is learned: every choice looks at the whole tree, and there is one for each column."""

_SWEEPS = 3
_LAST_SWEEPS, _LEAST_LAST_SWEEPS, _LAST_CELLS, _AT_REST = 1000, 20, 1 << 27, 2e-5
"""Sweeps over the parents of many columns come to rest slowly: one-way counts need as many as large trees afford."""

_LEAST_SHARE, _LARGEST, _MOST_PARENTS = 1e-3, 10**12, 4


@dataclass(frozen=True)
class PrivBayes:
    """Settings of PrivBayes; ``UsageError`` for values out of range.

    ``degree``: at most this many parents are chosen for a column (1 to 4). ``theta``: a column and its parents are
    measured only where the noisy number of rows is at least this many noise scales a cell (0: anywhere). ``one_way``:
    share of the loss for all one-way marginals; ``refine``: at most this share more for a second look at them, when
    noise dominates the first. ``select``: share of the rest for choosing. ``compress``: values below this many noise
    scales are merged after the one-way marginals (0: never). ``max_model_size``: bytes of the junction tree of the
    moral graph.
    """

    degree: int = 3
    theta: float = 1.0
    one_way: float = 0.3
    refine: float = 0.3
    select: float = 0.1
    compress: float = 3.0
    max_model_size: int = MODEL_SIZE
    name: ClassVar[str] = "privbayes"
    without_delta: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if type(self.degree) is not int or not 1 <= self.degree <= _MOST_PARENTS:
            raise UsageError(f"degree is a whole number from 1 to {_MOST_PARENTS}", where="privbayes.degree")
        for name in ("theta", "one_way", "refine", "select", "compress"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _LARGEST:
                raise UsageError(f"a setting is a number from 0 to {_LARGEST}", where=f"privbayes.{name}")
        if self.one_way <= 0 or not 0 < self.select < 1 or self.one_way + self.refine >= 1:
            raise UsageError("one_way and select are above 0; select and one_way + refine are below 1", where=self.name)
        if 0 < self.refine < _LEAST_SHARE:
            raise UsageError(f"refine is 0 or at least {_LEAST_SHARE}", where="privbayes.refine")
        checked_size(self.max_model_size, self.name)

    def plan(
        self, domain: Domain, loss: PrivacyLoss, rows_guess: int | None, unit: Unit, governor: Governor = Governor.ZCDP
    ) -> Plan:
        """The price. ``explanation`` says from how many rows on columns can have parents.

        Raises ``ResourceLimitError`` for more columns than a network may have, or a limit that no two columns meet.
        """
        return _Prices(self, domain, self.families(domain), loss, Noise.planned(unit, governor)).plan(rows_guess)

    def fit(self, queryable: Queryable, report: Report = unreported) -> Model:
        """The model; the last measurement takes exactly what is left. Raises what ``plan`` raises, before it asks."""
        return _Fit(self, queryable, self.families(queryable.domain)).run()

    def families(self, domain: Domain) -> Workload:
        """Every set of columns that may become a column with its parents: all of up to ``degree`` + 1, as far as the
        limits of a workload allow.
        """
        if len(domain) > COLUMNS:
            raise ResourceLimitError(
                f"a network is learned over at most {COLUMNS:,} columns",
                where=self.name,
                hint="Use --method mst or independent.",
            )
        workload = Workload.of(domain, f"all-{self.degree + 1}way")
        check_smallest(domain, workload, self.max_model_size)
        return workload


@dataclass(frozen=True)
class _Prices:
    """What each step costs, before anything is asked."""

    settings: PrivBayes
    domain: Domain
    families: Workload
    loss: PrivacyLoss
    noise: Noise

    def plan(self, rows_guess: int | None) -> Plan:
        looks = [("one-way marginals", Fraction(1))]
        if self.families.closure:
            looks = [("one-way marginals", exact(self.settings.one_way))]
            if self.settings.refine:
                looks.append(("one-way marginals again (at most)", exact(self.settings.refine)))
        scales = [self._one_way_scales(share) for _, share in looks]
        steps = [
            self._step(name, share, len(self.domain), max(noise))
            for (name, share), noise in zip(looks, scales, strict=True)
        ]
        if self.families.closure:
            steps += self._choices(1 - sum((share for _, share in looks), Fraction(0)))
        counted = sum(self.domain.cells(clique) for clique in self.families.closure)
        tree = min(self.settings.max_model_size // CELL_BYTES, math.prod(self.domain.sizes))
        # A node of the tree becomes one table for each of its columns, of which the last has all its cells.
        cells = 2 * tree + sum(self.domain.sizes)
        return Plan(
            method=self.settings.name,
            settings=asdict(self.settings),
            steps=tuple(steps),
            cells=cells,
            bytes=2 * 8 * counted + 6 * CELL_BYTES * cells,
            workload=(*((name,) for name in self.domain), *self.families.closure),
            expected_error=expected_words(self.domain, scales[0], rows_guess),
            warnings=(*crowded(self.domain, scales[0], rows_guess), *self._warnings(rows_guess)),
            explanation=self._why(rows_guess),
        )

    def _step(self, name: str, share: Fraction, questions: int, scale: float) -> PlanStep:
        return PlanStep(name, share, self.loss.share(share).rho_exact, questions, scale)

    def _one_way_scales(self, share: Fraction) -> list[float]:
        return self.noise.joint(self.loss.share(share), [self.noise.weight_of(size) for size in self.domain.sizes])

    def _choices(self, rest: Fraction) -> list[PlanStep]:
        select = exact(self.settings.select)
        return [
            self._step(name, rest * part, self.choices, self._scale(rest * part))
            for name, part in (("parent selections", select), ("columns with their parents", 1 - select))
        ]

    @property
    def choices(self) -> int:
        """How many columns get parents if all but the first do."""
        return sum(size > 1 for size in self.domain.sizes) - 1

    def _scale(self, share: Fraction) -> float:
        """The scale of each of equally dear choices that share this part of the loss."""
        return self.noise.measured(self.loss.share(share / self.choices))

    @property
    def least_rows(self) -> int:
        """The rows that the smallest pair of columns needs to be theta-useful, at the noise without a second look."""
        part = (1 - exact(self.settings.one_way)) * (1 - exact(self.settings.select))
        cells = min(self.domain.cells(clique) for clique in self.families.closure)
        return math.ceil(self.settings.theta * self._scale(part) * cells)

    def _why(self, rows: int | None) -> str:
        if not self.families.closure:
            return "no two columns vary and can be counted together: all columns are independent"
        if rows is not None and rows < self.least_rows:
            return (
                f"theta asks for {self.least_rows:,} rows before any column can have parents: with {rows:,} rows all "
                "columns are independent"
            )
        parents = f"{self.settings.degree} parent" + "s" * (self.settings.degree > 1)
        return (
            f"a column gets up to {parents}, as many as leave theta times the noise in an average "
            f"cell of their joint table; the smallest pair of columns needs about {self.least_rows:,} rows for that"
        )

    def _warnings(self, rows: int | None) -> list[str]:
        closure, warnings = self.families.closure, []
        if self.families.dropped:
            warnings.append(f"{self.families.dropped} sets of columns are not candidates: too many, or too many cells")
        if len(closure) > OFFERED:
            warnings.append(f"a selection offers at most {OFFERED:,} sets of columns: with more, they take turns")
        if closure and rows is not None and rows < self.least_rows:
            warnings.append("theta leaves no column any parents at this many rows: all columns will be independent")
        return warnings


class _Fit:
    """One fit: what was asked, and which columns the network holds so far."""

    def __init__(self, settings: PrivBayes, queryable: Queryable, families: Workload) -> None:
        self.settings = settings
        self.fine = queryable
        self.families = families
        self.loss = queryable.remaining
        self.measured: list[NoisyMarginal] = []
        self.selected: list[Selection] = []
        self.select = exact(settings.select)
        self.order: list[str] = []
        self.outside = {name for name in queryable.domain if queryable.domain[name] > 1}
        self.refused: dict[Clique, int] = {}

    def run(self) -> Model:
        """Measure one-way marginals, grow the network, and read its conditional tables off the estimate."""
        if not self.families.closure:
            return self._independent()
        self.measured += measured_one_ways(self.fine, self.loss.share(exact(self.settings.one_way)))
        ones = OneWays.of(self.fine.domain, self.measured)
        extra = exact(self.settings.refine) * refinement(ones)
        if extra > 0:
            self.measured += measured_one_ways(self.fine, self.loss.share(extra))
            ones = OneWays.of(self.fine.domain, self.measured)
        table, expansions, field = coarse_field(
            self.fine, ones, self.measured, threshold=self.settings.compress, shrink=True
        )
        families = self.grown(table, field)
        if not families:
            return self._independent()
        if self.outside:
            # What the columns without parents did not need buys a second look at the families.
            self._learn(table, field, families, self.fine.remaining)
        affordable = max(_LEAST_LAST_SWEEPS, _LAST_CELLS // field.tree.cells)
        convergence = field.fit(min(_LAST_SWEEPS, affordable), _AT_REST)
        return self._model(field.calibrated, convergence, expansions)

    def grown(self, table: Queryable, field: IncrementalField) -> list[Clique]:
        """The families (X with its parents), until every column has been visited or none has theta-useful parents.

        Every choice may cost an equal part of what is left; the choice that leaves no column outside takes it all.
        """
        families: list[Clique] = []
        noise = Noise(self.fine.governor, max(answer.sensitivity for answer in self.measured))
        while self.outside:
            left = self.fine.remaining
            each = left.share(Fraction(1, max(len(self.outside) - (not families), 1)))
            choosing = each.share(self.select)
            scale = noise.measured(each.minus(choosing))
            cliques = self._useful(table.domain, field, scale)
            if not cliques:
                break
            families.append(self.step(table, field, offer(field, cliques, self.families, scale, "estimator"), each))
        return families

    def _useful(self, domain: Domain, field: IncrementalField, scale: float) -> tuple[Clique, ...]:
        """The candidates (X, Π): X not in the network yet, Π in it, theta-useful, and the tree within its limit.

        Two columns outside begin a network of their own when no column outside has a candidate.
        """
        most = field.total / (self.settings.theta * scale) if self.settings.theta else math.inf
        useful = [clique for clique in self.families.closure if domain.cells(clique) <= most]
        limit = self.settings.max_model_size / CELL_BYTES
        for size, inside in ((None, 1), (2, 2)):
            offered = [
                clique
                for clique in useful
                if len(self.outside.intersection(clique)) == inside and size in {None, len(clique)}
            ]
            found = admitted(field, offered, limit, len(self.order), self.refused)
            if found:
                return found
        return ()

    def step(self, table: Queryable, field: IncrementalField, offered: Offer, each: PrivacyLoss) -> Clique:
        """Choose (X, Π), measure their joint counts and learn them; an only candidate is taken without paying."""
        index, spent = 0, each
        if len(offered.candidates) > 1:
            choosing = each.share(self.select)
            self.selected.append(table.select(offered.candidates, choosing))
            index, spent = self.selected[-1].index, each.minus(choosing)
        clique = offered.cliques[index]
        self.order += [name for name in clique if name in self.outside]
        self.outside.difference_update(clique)
        self._learn(table, field, [clique], spent if self.outside else self.fine.remaining)
        field.fit(_SWEEPS, start=clique)
        return clique

    def _learn(self, table: Queryable, field: IncrementalField, cliques: Sequence[Clique], loss: PrivacyLoss) -> None:
        answers = table.measure(cliques, loss)
        self.measured += answers
        for answer in answers:
            field.learn(answer.clique, answer.values.astype(np.float64), answer.deviation**2)

    def _independent(self) -> Model:
        """The network without an arrow: everything that is left goes to the one-way marginals."""
        self.measured += measured_one_ways(self.fine, self.fine.remaining)
        tree, convergence = estimate(self.fine.domain, self.measured)
        return self._model(tree, convergence)

    def _model(
        self, calibrated: CalibratedTree, convergence: Convergence, expansions: tuple[Expansion, ...] = ()
    ) -> Model:
        return Model(
            distribution=BayesianNetwork.of_tree(calibrated, self.order, expansions),
            answers=(*self.measured, *self.selected),
            method=self.settings.name,
            settings=asdict(self.settings),
            convergence=convergence,
            schema=None,
            provenance={},
        )
