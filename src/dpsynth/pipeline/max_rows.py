"""What another ``max_rows`` would cost: the noise grows in proportion to the rows that a person may have."""

from __future__ import annotations

from dataclasses import astuple, dataclass, replace
from decimal import Decimal
from fractions import Fraction

from dpsynth.errors import UsageError
from dpsynth.pipeline.plan import Priced
from dpsynth.privacy.conversions import epsilon_of
from dpsynth.privacy.governor import Governor
from dpsynth.privacy.loss import PrivacyLoss
from dpsynth.privacy.unit import Unit
from dpsynth.schema import Schema
from dpsynth.synthesizers import Plan, Synthesizer

_STEPS = 2
"""How many doublings and halvings of the chosen number are shown, beside 1."""


@dataclass(frozen=True)
class MaxRowsCost:
    """One row of the comparison, at the same (epsilon, delta): the noise of the step with the largest share of the
    budget, in rows, and the epsilon (at this delta) that would bring back the noise of the chosen ``max_rows``, None
    where no epsilon is proved to.
    """

    max_rows: int
    chosen: bool
    step: str
    scale: float
    same_noise_epsilon: Decimal | None
    expected_error: str | None


def costs_of_max_rows(
    schema: Schema, method: Synthesizer, tag: Priced, *, unit: Unit, rows: int | None
) -> tuple[MaxRowsCost, ...]:
    """The comparison for a person's unit; empty for a row's, for a reshaped table, where a person is one row, and for
    a table whose stability was computed at these ``max_rows``.
    """
    if unit.column is None or schema.reshape is not None or unit.stability > 1:
        return ()
    halved = [unit.max_rows >> step for step in range(1, _STEPS + 1)]
    doubled = [unit.max_rows << step for step in range(1, _STEPS + 1)]
    shown = [replace(unit, max_rows=most) for most in sorted({1, *halved, unit.max_rows, *doubled} - {0})]
    return tuple(
        _cost(method.plan(schema.domain, tag.loss, rows, other, tag.governor), tag, other, unit) for other in shown
    )


def _cost(drawn: Plan, tag: Priced, other: Unit, unit: Unit) -> MaxRowsCost:
    largest = max(drawn.steps, key=lambda step: step.share)
    epsilon = _epsilon_for(tag, Fraction(other.max_rows, unit.max_rows))
    return MaxRowsCost(other.max_rows, other == unit, largest.name, float(largest.scale), epsilon, drawn.expected_error)


def _epsilon_for(tag: Priced, factor: Fraction) -> Decimal | None:
    """The epsilon of a budget that divides all noise by the factor: rho and mu² grow with its square."""
    part = factor if tag.governor is Governor.PURE else factor**2
    scaled = PrivacyLoss(*(amount * part.numerator // part.denominator for amount in astuple(tag.loss)))
    try:
        return epsilon_of(scaled, tag.delta, tag.governor)
    except UsageError:  # beyond what the conversions are proved for
        return None
