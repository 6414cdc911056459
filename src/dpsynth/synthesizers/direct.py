"""Direct: exactly the marginals that a user names, measured once, and the model that they determine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any, ClassVar

from dpsynth.domain import Clique, Domain
from dpsynth.graph.junction import junction_tree
from dpsynth.models import Model
from dpsynth.privacy.governor import Governor
from dpsynth.privacy.laws import WEIGHT_LIMIT
from dpsynth.privacy.loss import PrivacyLoss
from dpsynth.privacy.queryable import Queryable
from dpsynth.privacy.unit import Unit
from dpsynth.synthesizers.allocation import Noise, crowded, expected_words, weight_of
from dpsynth.synthesizers.effort import effort_of
from dpsynth.synthesizers.estimation import CELL_BYTES, Estimator, estimated, estimator_for
from dpsynth.synthesizers.protocol import Plan, PlanStep, Report, unreported
from dpsynth.synthesizers.workload import Workload, checked_size, plain_workload

_WORDS: dict[Estimator, str] = {
    "closed form": "they form a junction tree: the model is their closed form",
    "joint table": "the joint table of all columns is small: it is fitted as a whole",
    "junction tree": "a junction tree that holds them is fitted by its regularized dual",
    "mixture of products": "a junction tree that holds them would be too large: a mixture of products is fitted",
}


_MOST_RATIO = Fraction(10**18)
"""Beyond this ratio of weights the room's largest weight is reached anyway."""


@dataclass(frozen=True)
class Direct:
    """Settings of ``direct``; ``UsageError`` for values out of range.

    ``workload``: the marginals to measure: ``all-2way``, ``all-3way``, ``target:COLUMN`` or a list; columns that none
    of them holds are measured alone. ``effort``: how long a mixture is fitted, and how large a junction tree may be.
    ``max_model_size``: that size in bytes, instead of the effort's; marginals that need a larger one are fitted by a
    mixture of products if they are pairs, and refused otherwise.
    """

    workload: Any = "all-2way"
    effort: str = "default"
    max_model_size: int | None = None
    name: ClassVar[str] = "direct"
    without_delta: ClassVar[bool] = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "workload", plain_workload(self.workload))
        effort_of(self.effort)
        if self.max_model_size is not None:
            checked_size(self.max_model_size, self.name)

    def plan(
        self, domain: Domain, loss: PrivacyLoss, rows_guess: int | None, unit: Unit, governor: Governor = Governor.ZCDP
    ) -> Plan:
        """The price. ``ResourceLimitError`` when no model within the limit holds the marginals."""
        asked = self._asked(domain, governor)
        cliques, weights = list(asked), list(asked.values())
        estimator = estimator_for(domain, cliques, max_model_size=self._limit)
        noise = Noise.planned(unit, governor)
        scales = noise.joint(loss, weights)
        cells, memory = self._memory(domain, cliques, estimator)
        ones = [min(scale for clique, scale in zip(cliques, scales, strict=True) if name in clique) for name in domain]
        return Plan(
            method=self.name,
            settings=asdict(self),
            steps=(PlanStep("marginals", Fraction(1), loss.rho_exact, len(cliques), max(scales)),),
            cells=cells,
            bytes=memory + 4 * CELL_BYTES * sum(domain.cells(clique) for clique in cliques),
            workload=tuple(cliques),
            expected_error=expected_words(domain, ones, rows_guess),
            warnings=tuple(crowded(domain, ones, rows_guess)),
            explanation=f"the marginals ({len(cliques)}) are measured as they are; {_WORDS[estimator]}",
            fixed_mu2=noise.fixed_mu2(loss, weights),
        )

    def fit(self, queryable: Queryable, report: Report = unreported) -> Model:
        """The model; spends all that remains in one joint measurement."""
        asked = self._asked(queryable.domain, queryable.governor)
        estimator_for(queryable.domain, list(asked), max_model_size=self._limit)
        answers = queryable.measure(list(asked), queryable.remaining, list(asked.values()))
        distribution, convergence = estimated(
            queryable.domain, answers, max_model_size=self._limit, effort=self.effort, report=report
        )
        return Model(distribution, answers, self.name, asdict(self), convergence)

    def _asked(self, domain: Domain, governor: Governor) -> dict[Clique, int]:
        """Every marginal with its integer weight, ``weight_of`` of weight · cells, which makes the weighted sum of
        expected L1 errors Σ weight · cells · scale smallest.
        """
        marginals = Workload.of(domain, self.workload).marginals
        least = min(marginals.values(), default=Fraction(1))
        found = {
            clique: min(
                weight_of(float(min(weight / least, _MOST_RATIO)) * domain.cells(clique), governor), WEIGHT_LIMIT
            )
            for clique, weight in marginals.items()
        }
        held = {name for clique in marginals for name in clique}
        return found | {(name,): weight_of(domain[name], governor) for name in domain if name not in held}

    @property
    def _limit(self) -> int:
        return self.max_model_size or effort_of(self.effort).model_size

    def _memory(self, domain: Domain, cliques: Sequence[Clique], estimator: Estimator) -> tuple[int, int]:
        """The cells and the peak bytes of the model."""
        if estimator == "mixture of products":
            codes, effort = sum(domain.sizes), effort_of(self.effort)
            return effort.cells(codes), effort.bytes(codes)
        if estimator == "joint table":
            cells = domain.cells(domain.attributes)
            return cells, 64 * CELL_BYTES * cells
        cells = junction_tree(domain, cliques).cells
        return cells, (48 if estimator == "junction tree" else 4) * CELL_BYTES * cells
