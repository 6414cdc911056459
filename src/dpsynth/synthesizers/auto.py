"""Auto: the path that suits the domain and the workload. Which one, and why, is public and part of the plan."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from dpsynth.domain import Domain
from dpsynth.errors import ResourceLimitError, UsageError
from dpsynth.models import Model
from dpsynth.privacy.governor import Governor
from dpsynth.privacy.loss import PrivacyLoss
from dpsynth.privacy.queryable import Queryable
from dpsynth.privacy.unit import Unit
from dpsynth.synthesizers.aim import AdaptiveIterative
from dpsynth.synthesizers.dense import DenseJoint
from dpsynth.synthesizers.effort import effort_of
from dpsynth.synthesizers.estimation import CELL_BYTES
from dpsynth.synthesizers.independent import Independent
from dpsynth.synthesizers.mst import MaximumSpanningTree
from dpsynth.synthesizers.pair_mixture import PairMixture
from dpsynth.synthesizers.protocol import Plan, Report, Synthesizer, unreported
from dpsynth.synthesizers.workload import Workload, checked_size, plain_workload


@dataclass(frozen=True)
class Auto:
    """Settings of ``auto``; ``UsageError`` for values out of range.

    ``workload``: ``all-2way``, ``all-3way``, ``target:COLUMN`` or a list of sets of columns. ``effort``: fast,
    default or max; how long a mixture is fitted, or how large a tree aim may build and how often it is swept.
    ``max_model_size``: bytes of a model, 8 a cell, instead of the effort's. The shares of the loss are those of the
    path of pairs: ``one_way`` for the first look at the one-way marginals, at most ``again`` for a second one when
    noise shows in the first, ``select`` for choosing pairs.
    """

    workload: Any = "all-3way"
    effort: str = "default"
    max_model_size: int | None = None
    one_way: float = 0.1
    again: float = 0.5
    select: float = 0.03
    name: ClassVar[str] = "auto"
    without_delta: ClassVar[bool] = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "workload", plain_workload(self.workload))
        effort_of(self.effort)
        if self.max_model_size is not None:
            checked_size(self.max_model_size, self.name)
        for name in ("one_way", "again", "select"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
                raise UsageError("a share is a number of at least 0", where=f"auto.{name}")
        if self.one_way <= 0 or self.one_way + self.again + self.select >= 1:
            raise UsageError("one_way must be above 0, and together with again and select below 1", where="auto")

    def plan(
        self, domain: Domain, loss: PrivacyLoss, rows_guess: int | None, unit: Unit, governor: Governor = Governor.ZCDP
    ) -> Plan:
        """The price of the path that a fit will take; ``explanation`` says which one and why.

        ``ResourceLimitError`` (which names the smallest limit that would do) when its model may become too large.
        """
        path, affordable = self._path(domain, loss, unit, governor)
        drawn = path.plan(domain, loss, rows_guess, unit, governor)
        needed = CELL_BYTES * drawn.cells
        if self.max_model_size is not None and not isinstance(path, AdaptiveIterative) and needed > self.max_model_size:
            raise ResourceLimitError(
                f"the model may need {needed:,} bytes, above the limit of {self.max_model_size:,}",
                where="max_model_size",
                hint=f"Set it to at least {needed}, or use fewer bins.",
            )
        why = self._why(path, domain) if affordable else "the budget is so small that it buys one-way marginals only"
        return replace(drawn, method=self.name, settings=self._settings(path, drawn.settings), explanation=why)

    def fit(self, queryable: Queryable, report: Report = unreported) -> Model:
        """The model of the path; all answers and settings are the path's own."""
        path, _ = self._path(queryable.domain, queryable.remaining, queryable.unit, queryable.governor)
        model = path.fit(queryable, report)
        return replace(model, method=self.name, settings=self._settings(path, model.settings))

    def _path(self, domain: Domain, loss: PrivacyLoss, unit: Unit, governor: Governor) -> tuple[Synthesizer, bool]:
        """The path that suits, from public facts alone, and whether the loss affords it: else one-way marginals only.

        Raises what the workload raises.
        """
        path = self._suited(domain)
        try:
            path.plan(domain, loss, None, unit, governor)
        except UsageError:
            return Independent(), False
        return path, True

    def _suited(self, domain: Domain) -> Synthesizer:
        workload = Workload.of(domain, self.workload)
        if not workload.joins:
            return Independent()
        if DenseJoint.suits(domain):
            return DenseJoint()
        if not workload.ways:
            effort = effort_of(self.effort)
            size = self.max_model_size or effort.model_size
            return AdaptiveIterative(workload=self.workload, max_model_size=size, sweeps=effort.sweeps)
        if PairMixture.suits(domain):
            return PairMixture(self.effort, self.one_way, self.again, self.select)
        return MaximumSpanningTree()

    def _settings(self, path: Synthesizer, settings: Mapping[str, Any]) -> dict[str, Any]:
        return {"workload": self.workload, "effort": self.effort, "path": path.name, **settings}

    def _why(self, path: Synthesizer, domain: Domain) -> str:
        codes = sum(domain.sizes)
        if isinstance(path, Independent):
            return "no two columns are to be kept together"
        if isinstance(path, DenseJoint):
            cells = domain.cells(domain.attributes)
            return (
                f"the columns have few values and their joint table only {cells:,} cells: it is fitted as a whole to "
                "all marginals of one order, which serves every workload"
            )
        if isinstance(path, AdaptiveIterative):
            return "the workload singles out some columns: aim chooses the marginals that serve it best"
        if isinstance(path, PairMixture):
            seconds = effort_of(self.effort).seconds(codes)
            return (
                "the columns have too many values for fitting their joint table: as many pairs are measured as the "
                f"noise allows, which serves pairs and larger sets alike; a mixture of products is fitted to them in "
                f"about {seconds:,.2g} CPU seconds"
            )
        return (
            f"{len(domain)} columns with {codes:,} values are too many, or too few, for a mixture over all pairs: a "
            "spanning tree of pairs is measured, as mst does"
        )
