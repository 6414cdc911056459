"""The journey of a plan: what a fit would cost, before anything is spent. Reads the schema, never the data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from dpsynth.errors import ResourceLimitError, UsageError
from dpsynth.pipeline.ingest import masked_steps
from dpsynth.pipeline.preprocessing import MAX_STABILITY, preprocessing_of
from dpsynth.privacy.conversions import budget_of, epsilon_of_mu2
from dpsynth.privacy.governor import Governor, governor_of
from dpsynth.privacy.loss import PrivacyLoss
from dpsynth.privacy.unit import Unit
from dpsynth.schema import Schema
from dpsynth.synthesizers import Plan, Synthesizer, names_without_delta, synthesizer

if TYPE_CHECKING:
    from dpsynth.pipeline.max_rows import MaxRowsCost

DEFAULT_DELTA = Fraction(1, 10**9)
DEFAULT_METHOD = "auto"
DEFAULT_MEMORY_LIMIT = 4 << 30
LARGE_EPSILON = 5

Number = Fraction | float | int | str


@dataclass(frozen=True)
class PricedPlan:
    """A plan with its price: the guarantee (epsilon, delta), the loss it is paid from in the currency of the governor,
    and the unit it protects; ``reshaped`` says what it protects where a person's rows become one.
    ``max_rows_costs`` compares other numbers of rows per person; only ``plan`` fills it. ``labels``: what was done to
    the table before, where the table is known; ``unit.stability`` multiplies the noise.
    """

    plan: Plan
    epsilon: Fraction
    delta: Fraction
    loss: PrivacyLoss
    governor: Governor
    unit: Unit
    warnings: tuple[str, ...]
    reshaped: str | None = None
    max_rows_costs: tuple[MaxRowsCost, ...] = ()
    labels: tuple[str, ...] = ()

    @property
    def protects(self) -> str:
        """Plain words: what is protected, and what is not."""
        return self.unit.description if self.reshaped is None else self.reshaped

    @property
    def fixed_epsilon(self) -> Decimal | None:
        """The epsilon at this delta of a plan that is fixed in advance, by exact composition; ``None`` for others.

        It is told, and governs nothing: neither a reservation nor a cap.
        """
        mu2 = self.plan.fixed_mu2
        return None if mu2 is None or not self.delta else epsilon_of_mu2(mu2, self.delta)


def plan(
    schema: Schema | str | Path,
    *,
    epsilon: Number,
    delta: Number = DEFAULT_DELTA,
    governor: Governor | str | None = None,
    method: str = DEFAULT_METHOD,
    settings: Mapping[str, Any] | None = None,
    rows: int | None = None,
    unit: Unit | str | None = None,
    memory_limit: int = DEFAULT_MEMORY_LIMIT,
    data: Any = None,
    max_stability: int = MAX_STABILITY,
) -> PricedPlan:
    """The priced plan of a fit. Raises ``SchemaError``, ``NoGuaranteeError``, ``UsageError`` or ``ResourceLimitError``
    exactly where the fit itself would, and spends nothing. ``governor``: that of the pool that shall pay, by default
    the one that a new pool would get. ``data``: the table, of which only the sidecar is read; what was done to it
    before multiplies the noise, by at most ``max_stability``.

    >>> import dpsynth
    >>> schema = dpsynth.Schema.from_domain({"sex": 2, "region": 16}, public="a code book")
    >>> priced = dpsynth.plan(schema, epsilon=1)
    >>> [(step.name, str(step.share)) for step in priced.plan.steps]
    [('one-way marginals', '2/5'), ('edge selections', '1/10'), ('edges', '1/2')]
    """
    schema = load_schema(schema)
    schema.require_fit()
    epsilon, delta = privacy_parameters(epsilon, delta)
    governor = governor_of(delta, governor)
    price_tag = Price(epsilon, delta, budget_of(epsilon, delta, governor), governor)
    algorithm, whom = synthesizer(method, **dict(settings or {})), unit_of(schema, unit)
    before = preprocessing_of(data, whom, max_stability=max_stability, unread=True)
    protected = before.seen(whom)
    priced = price(schema, algorithm, price_tag, unit=protected, rows=rows, memory_limit=memory_limit)
    from dpsynth.pipeline.max_rows import costs_of_max_rows

    costs = costs_of_max_rows(schema, algorithm, price_tag, unit=protected, rows=rows)
    return replace(priced, max_rows_costs=costs, labels=before.labels)


class Priced(Protocol):
    """A loss and the (epsilon, delta) that it guarantees."""

    @property
    def epsilon(self) -> Fraction:
        """The guarantee's epsilon."""
        ...

    @property
    def delta(self) -> Fraction:
        """The guarantee's delta."""
        ...

    @property
    def loss(self) -> PrivacyLoss:
        """What is reserved for it."""
        ...

    @property
    def governor(self) -> Governor:
        """The currency that the loss is compared in."""
        ...


@dataclass(frozen=True)
class Price:
    """The loss that (epsilon, delta) buys in the currency of the governor."""

    epsilon: Fraction
    delta: Fraction
    loss: PrivacyLoss
    governor: Governor


def price(
    schema: Schema, method: Synthesizer, tag: Priced, *, unit: Unit, rows: int | None, memory_limit: int
) -> PricedPlan:
    """The plan of one synthesizer at one loss; ``ResourceLimitError`` if it needs more memory than the limit."""
    if rows is not None and rows < 0:
        raise UsageError("the guessed number of rows cannot be negative")
    masked_steps(schema)
    if tag.governor.units(tag.loss) == 0:
        raise UsageError("epsilon and delta are too small: they buy no budget at all")
    if tag.governor is Governor.PURE and not method.without_delta:
        raise UsageError(
            f"method {method.name} needs a delta",
            where="--delta",
            hint=f"With --delta 0 use --method {' or '.join(names_without_delta())}.",
        )
    drawn = method.plan(schema.domain, tag.loss, rows, unit, tag.governor)
    if drawn.bytes > memory_limit:
        raise ResourceLimitError(
            f"the model would need about {_size(drawn.bytes)}, above the limit of {_size(memory_limit)}",
            hint="Use fewer bins or categories, drop columns, choose --method independent, or raise --memory-limit.",
        )
    warnings = (*drawn.warnings, *_warnings(tag.epsilon, tag.delta, rows, unit), *schema.remarks)
    reshaped = None if schema.reshape is None else schema.reshape.protects
    return PricedPlan(drawn, tag.epsilon, tag.delta, tag.loss, tag.governor, unit, warnings, reshaped)


def load_schema(schema: Schema | str | Path) -> Schema:
    """The schema itself, or the one in this file."""
    return schema if isinstance(schema, Schema) else Schema.load(schema)


def unit_of(schema: Schema, unit: Unit | str | None) -> Unit:
    """The privacy unit: the given one, else the schema's; ``UsageError`` for another one than a reshape's."""
    declared = Unit(schema.unit.column, schema.unit.max_rows)
    if unit is None:
        return declared
    given = Unit.parse(unit) if isinstance(unit, str) else unit
    if schema.reshape is not None and given != declared:
        raise UsageError(
            f"the schema reshapes the table to one row per person: its unit is {declared}, not {given}",
            where="--unit",
            hint="Leave the unit out, or take dpsynth.reshape out of the schema.",
        )
    return given


def privacy_parameters(epsilon: Number, delta: Number) -> tuple[Fraction, Fraction]:
    """Return epsilon > 0 and 0 <= delta < 1 as exact fractions; ``UsageError`` otherwise."""
    exact_epsilon, exact_delta = _fraction(epsilon, "epsilon"), _fraction(delta, "delta")
    if not 0 < exact_epsilon <= 10_000:
        raise UsageError("epsilon must be a positive number of at most 10000")
    if exact_delta != 0 and not Fraction(1, 10**30) <= exact_delta < 1:
        raise UsageError("delta must be 0, or at least 1e-30 and below 1", hint="Usual: 1e-9.")
    return exact_epsilon, exact_delta


def _fraction(value: Number, name: str) -> Fraction:
    try:
        if isinstance(value, bool):
            raise TypeError
        return Fraction(str(value) if isinstance(value, float) else value)
    except (ValueError, OverflowError, ZeroDivisionError, TypeError):
        raise UsageError(f"{name} must be a finite number") from None


def _size(count: int) -> str:
    """Bytes in the decimal units that --memory-limit is given in."""
    return f"{count / 10**6:,.1f} MB" if count >= 10**6 else f"{count / 10**3:,.1f} kB"


def _warnings(epsilon: Fraction, delta: Fraction, rows: int | None, unit: Unit) -> list[str]:
    warnings = []
    if epsilon > LARGE_EPSILON:
        warnings.append(f"epsilon {float(epsilon):g} is large: membership can be inferred in practice above about 5")
    if rows and delta * rows >= 1:
        warnings.append("delta is not far below 1 / rows: choose a smaller one")
    if unit.column is None:
        warnings.append(unit.description)
    return warnings
