"""Independent columns: all one-way marginals, nothing else. The baseline, and right for very small budgets."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import ClassVar

from dpsynth.domain import Domain
from dpsynth.graph import estimate
from dpsynth.models import MarkovRandomField, Model
from dpsynth.privacy.governor import Governor
from dpsynth.privacy.loss import PrivacyLoss
from dpsynth.privacy.queryable import Queryable
from dpsynth.privacy.unit import Unit
from dpsynth.synthesizers.allocation import Noise, crowded, expected_words, weight_of
from dpsynth.synthesizers.protocol import Plan, PlanStep, Report, unreported


@dataclass(frozen=True)
class Independent:
    """One joint measurement of every one-way marginal with the whole loss, weighted by size (``weight_of``)."""

    name: ClassVar[str] = "independent"
    without_delta: ClassVar[bool] = True

    def plan(
        self, domain: Domain, loss: PrivacyLoss, rows_guess: int | None, unit: Unit, governor: Governor = Governor.ZCDP
    ) -> Plan:
        """The price; the model has one cell per code."""
        noise, weights = Noise.planned(unit, governor), [weight_of(size, governor) for size in domain.sizes]
        scales = noise.joint(loss, weights)
        cells = sum(domain.sizes)
        return Plan(
            method=self.name,
            settings=asdict(self),
            steps=(PlanStep("one-way marginals", Fraction(1), loss.rho_exact, len(domain), max(scales)),),
            cells=cells,
            bytes=8 * 6 * cells,
            workload=tuple((attribute,) for attribute in domain),
            expected_error=expected_words(domain, scales, rows_guess),
            warnings=tuple(crowded(domain, scales, rows_guess)),
            fixed_mu2=noise.fixed_mu2(loss, weights),
        )

    def fit(self, queryable: Queryable, report: Report = unreported) -> Model:
        """The model of independent columns; spends all that remains in one measurement."""
        domain = queryable.domain
        cliques = [(attribute,) for attribute in domain]
        weights = [weight_of(size, queryable.governor) for size in domain.sizes]
        answers = queryable.measure(cliques, queryable.remaining, weights)
        tree, convergence = estimate(domain, answers)
        return Model(
            distribution=MarkovRandomField(tree),
            answers=answers,
            method=self.name,
            settings=asdict(self),
            convergence=convergence,
            schema=None,
            provenance={},
        )
