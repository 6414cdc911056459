"""What a synthesizer is, and the price of one fit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Protocol

from dpsynth.domain import Clique, Domain
from dpsynth.models import Model
from dpsynth.privacy.governor import Governor
from dpsynth.privacy.loss import PrivacyLoss
from dpsynth.privacy.queryable import Queryable
from dpsynth.privacy.unit import Unit

Report = Callable[[float], object]
"""Told how much of long work is done, from 0 to 1."""


def unreported(_fraction: float) -> None:
    """Report nothing."""


@dataclass(frozen=True)
class PlanStep:
    """One kind of question: ``share`` of the loss and the ``rho`` it comes to, how many marginals or selections, and
    the ``scale`` of the noise: the standard deviation in a cell in rows (the largest one if they differ), or the scale
    of the noisy maximum.
    """

    name: str
    share: Fraction
    rho: Fraction
    questions: int
    scale: float


@dataclass(frozen=True)
class Plan:
    """The price of a fit, from public facts alone.

    ``cells``: of the largest model it can end with. ``bytes``: the peak memory of counts, estimates and model.
    ``workload``: the cliques it may ask about, so that one pass can count them all. ``expected_error``: plain words.
    ``explanation``: why the method goes this way, when it had a choice. ``fixed_mu2``: the mu² of all answers together
    when nothing that is asked depends on an answer and all noise is Gaussian of scale 1 or more; else ``None``.
    """

    method: str
    settings: Mapping[str, Any]
    steps: tuple[PlanStep, ...]
    cells: int
    bytes: int
    workload: tuple[Clique, ...]
    expected_error: str | None
    warnings: tuple[str, ...]
    explanation: str | None = None
    fixed_mu2: Fraction | None = None


class Synthesizer(Protocol):
    """Frozen settings with a price and a fit; deterministic given the answers, and blind to rows."""

    @property
    def name(self) -> str:
        """The name under which the registry knows it."""
        ...

    @property
    def without_delta(self) -> bool:
        """Whether it works in pools of pure epsilon, where a fit's delta is 0."""
        ...

    def plan(
        self, domain: Domain, loss: PrivacyLoss, rows_guess: int | None, unit: Unit, governor: Governor = Governor.ZCDP
    ) -> Plan:
        """The price of a fit in a pool of this governor. Spends nothing.

        ``UsageError`` when the loss is too small to be split, or is pure epsilon and the method needs a delta.
        """
        ...

    def fit(self, queryable: Queryable, report: Report = unreported) -> Model:
        """The model from the answers. Spends at most ``queryable.remaining`` and asks only within its domain.

        ``report`` is told the fraction done of whatever takes long after the last answer: it depends on answers only.
        """
        ...
