"""Larger domains: one-way marginals, then as many pairs as the noise allows, and a mixture of products to meet them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import ClassVar

from dpsynth.domain import Domain
from dpsynth.models import Model
from dpsynth.privacy.governor import Governor
from dpsynth.privacy.loss import PrivacyLoss
from dpsynth.privacy.queryable import Queryable
from dpsynth.privacy.unit import Unit
from dpsynth.synthesizers.allocation import Noise, crowded, exact, expected_words
from dpsynth.synthesizers.candidates import CandidatePairs
from dpsynth.synthesizers.effort import effort_of
from dpsynth.synthesizers.estimation import estimated_mixture, mixture_suits
from dpsynth.synthesizers.pair_questions import PairQuestions, second_look
from dpsynth.synthesizers.protocol import Plan, PlanStep, Report, unreported
from dpsynth.synthesizers.spanning import OneWays, measured_one_ways


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
    without_delta: ClassVar[bool] = False

    @staticmethod
    def suits(domain: Domain) -> bool:
        """Whether all pairs can be asked about and held at once, and there are pairs to choose from."""
        return mixture_suits(domain)

    def plan(
        self, domain: Domain, loss: PrivacyLoss, rows_guess: int | None, unit: Unit, governor: Governor = Governor.ZCDP
    ) -> Plan:
        """The price; which pairs are measured, and how many, depends on the first answers."""
        pairs, codes, effort = CandidatePairs.of(domain), sum(domain.sizes), effort_of(self.effort)
        shares = _Shares(self, loss, Noise.planned(unit, governor))
        weights = [shares.noise.weight_of(size) for size in domain.sizes]
        scales = shares.noise.joint(loss.share(shares.one_way), weights)
        steps = (
            PlanStep("one-way marginals", *shares.priced(shares.one_way), len(domain), max(scales)),
            shares.step("one-way marginals again (at most)", shares.again, len(domain), shares.noise.measured),
            shares.step("pair selections (at most)", shares.select, len(pairs.pairs), shares.noise.selected),
            shares.step("pairs (at most)", shares.pairs, len(pairs.pairs), shares.noise.measured),
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

    def fit(self, queryable: Queryable, report: Report = unreported) -> Model:
        """The model; the last measurement takes exactly what is left."""
        domain, loss = queryable.domain, queryable.remaining
        answers = measured_one_ways(queryable, loss.share(exact(self.one_way)))
        extra = exact(self.again) * second_look(OneWays.of(domain, answers))
        if extra > 0:
            answers += measured_one_ways(queryable, loss.share(extra))
        questions = PairQuestions(OneWays.of(domain, answers), CandidatePairs.of(domain).pairs)
        selected = questions.selected(queryable, loss.share(exact(self.select)))
        answers += questions.measured(queryable, selected.pairs)
        mixture, convergence = estimated_mixture(domain, answers, effort_of(self.effort), report)
        return Model(mixture, (*answers, *selected.asked), self.name, asdict(self), convergence)


@dataclass(frozen=True)
class _Shares:
    """What each step costs at most, before anything is asked: the shares of all steps sum to 1."""

    settings: PairMixture
    loss: PrivacyLoss
    noise: Noise

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

    def step(self, name: str, share: Fraction, questions: int, buys: Callable[[PrivacyLoss], float]) -> PlanStep:
        scale = buys(self.loss.share(share / questions)) if share else 0.0
        return PlanStep(name, *self.priced(share), questions, scale)
