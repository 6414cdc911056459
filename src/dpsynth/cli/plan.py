"""``dpsynth plan``: the price of a fit, before anything is spent."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from dpsynth.cli import options
from dpsynth.cli.command import Answer, Output, command
from dpsynth.cli.discovery import describe_discovery, discovery_record
from dpsynth.cli.labels import label_words
from dpsynth.cli.layout import at_most, size, table
from dpsynth.cli.parameters import COUNT, EPSILON
from dpsynth.cli.settings import setting
from dpsynth.errors import UsageError

if TYPE_CHECKING:
    from dpsynth.pipeline.discovery_plan import DiscoveryPlan
    from dpsynth.pipeline.plan import PricedPlan


@command(
    "plan",
    "dpsynth plan --schema adult.yaml --epsilon 1",
    "dpsynth plan -s adult.yaml --epsilon 0.5 --rows 50000 --method independent",
    "dpsynth plan -s adult.yaml --epsilon 1 --workload target:income --effort max",
    "dpsynth plan -s visits.yaml --epsilon 1 --unit patient_id:4 --json",
    "dpsynth plan people.csv --epsilon 1 --rows 20000",
    "dpsynth plan suppressed.csv -s adult.yaml --epsilon 1 --max-stability 5",
)
@click.argument("data", type=click.Path(), required=False)
@options.known_schema
@setting("epsilon", metavar="E", type=EPSILON, required=True, help="The guarantee's epsilon, such as 1 or 0.5.")
@options.delta
@options.governor
@options.method
@options.workload
@options.effort
@options.max_model_size
@options.degree
@options.theta
@setting("rows", metavar="N", type=COUNT, help="Your public guess of the number of rows; adds the expected error.")
@options.unit
@options.discover_share
@options.max_stability
@options.delimiter
@options.memory_limit
def plan(
    output: Output,
    *,
    data: str | None,
    schema: str | None,
    discover_share: Fraction | None,
    delimiter: str | None,
    workload: str | None,
    effort: str | None,
    max_model_size: int | None,
    degree: int | None,
    theta: float | None,
    **wanted: Any,
) -> Answer:
    """Show what a fit would cost: the split of the budget, the noise, cells, memory and expected error.

    Spends nothing and reads no data. A fit makes the same checks before it spends. The price is that in a new pool, or
    in one of the governor that is named. Where the unit is a person, it also tells what another number of rows per
    person would cost. Beside a schema name the table DATA: its sidecar says what was done to it before and how that
    multiplies the noise. Without a schema the header of DATA is read too, and the plan is that of a fit which discovers
    the domain.
    """
    wishes = {"effort": effort, "max_model_size": max_model_size, "degree": degree, "theta": theta}
    settings = options.method_settings(output, wanted["method"], workload=workload, **wishes)
    if schema is None:
        return _undescribed(data, {**wanted, "settings": settings, "share": discover_share, "delimiter": delimiter})
    _check_undiscovered(discover_share)
    if data is None:
        _check_no_table()
    from dpsynth.pipeline.plan import plan as price

    priced = price(schema, settings=settings, data=data, **wanted)
    lines = [describe(priced), *_max_rows(priced), *notes(priced)]
    lines.append("Nothing was spent and no data was read.")
    return Answer(as_result(priced), "\n".join(lines))


def _check_undiscovered(share: Fraction | None) -> None:
    """With a schema nothing is discovered: an option that says how is an error, a setting is meant for other tables."""
    given = click.get_current_context().get_parameter_source("discover_share")
    if share is not None and given is ParameterSource.COMMANDLINE:
        raise UsageError("with a schema nothing is discovered", where="--discover-share")


def _check_no_table() -> None:
    """Without a table nothing was done to it before: an option that allows it is a mistake."""
    if click.get_current_context().get_parameter_source("max_stability") is ParameterSource.COMMANDLINE:
        hint = "Name the table too: its sidecar says what was done to it."
        raise UsageError("there is no table that something was done to", where="--max-stability", hint=hint)


def _undescribed(data: str | None, wanted: dict[str, Any]) -> Answer:
    """The plan of a fit without a schema."""
    if data is None:
        raise UsageError("give a schema, or the table", hint="Example: dpsynth plan --schema people.yaml --epsilon 1")
    from dpsynth.pipeline.undescribed_plan import plan_undescribed

    drawn = plan_undescribed(data, **wanted)
    return Answer(
        discovery_record(drawn),
        f"{describe_discovery(drawn)}\nNothing was spent; of the table only the header was read.",
    )


def announced(priced: PricedPlan | DiscoveryPlan) -> str:
    """The price of a fit, with or without a schema, in words."""
    from dpsynth.pipeline.discovery_plan import DiscoveryPlan

    return describe_discovery(priced) if isinstance(priced, DiscoveryPlan) else describe(priced)


def describe(priced: PricedPlan) -> str:
    """The price in words and a table."""
    drawn, governor = priced.plan, priced.governor
    amount = governor.amount(priced.loss)
    head = (
        f"Price of one {drawn.method} fit: epsilon {at_most(priced.epsilon)}, delta {at_most(priced.delta)}.\n"
        f"Accounting: {governor.words}: {at_most(amount)}.\nIt {priced.protects}."
        + label_words(priced.labels, priced.unit.stability)
    )
    rows = [
        (
            step.name,
            str(step.questions),
            f"{100 * float(step.share):.0f} %",
            at_most(step.share * amount, 3),
            at_most(step.scale, 3),
        )
        for step in drawn.steps
    ]
    parts = [head, table(("step", "questions", "share", governor.symbol, "noise (rows)"), rows, "  ")]
    if priced.fixed_epsilon is not None:
        tight = at_most(priced.fixed_epsilon)
        parts.append(
            f"Fixed in advance, this plan by itself guarantees epsilon {tight}; the ledger charges the price above."
        )
    parts.append(f"Model: at most {drawn.cells:,} cells, about {size(drawn.bytes)} of memory.")
    if drawn.explanation is not None:
        parts.append(f"Why so: {drawn.explanation}.")
    if drawn.expected_error is not None:
        parts.append(f"Expected error: {drawn.expected_error}")
    return "\n".join(parts)


def _max_rows(priced: PricedPlan) -> list[str]:
    """What other numbers of rows per person would cost."""
    if not priced.max_rows_costs:
        return []
    rows = [
        (
            f"{cost.max_rows:,}{' (chosen)' if cost.chosen else ''}",
            at_most(cost.scale, 3),
            cost.step,
            "-" if cost.same_noise_epsilon is None else at_most(cost.same_noise_epsilon, 3),
        )
        for cost in priced.max_rows_costs
    ]
    now = priced.unit.max_rows
    header = ("max_rows", "noise (rows)", "of the step", f"epsilon with the noise of {now:,}")
    return [
        "Rows per person, at the same epsilon; rows beyond max_rows are dropped:",
        table(header, rows, "  "),
        "Choose max_rows from public knowledge (how often can this happen to somebody?), not by counting the table.",
    ]


def notes(priced: PricedPlan) -> list[str]:
    """The warnings of the plan as lines; what the unit protects stands in ``describe`` already."""
    return [f"Note: {warning}." for warning in priced.warnings if warning != priced.protects]


def as_result(priced: PricedPlan) -> dict[str, object]:
    """The price for ``--json``."""
    drawn = priced.plan
    steps = [
        {
            "name": s.name,
            "questions": s.questions,
            "share": float(s.share),
            "rho": float(s.rho),
            "amount": float(s.share * priced.governor.amount(priced.loss)),
            "scale": float(s.scale),
        }
        for s in drawn.steps
    ]
    return {
        "method": drawn.method,
        "epsilon": float(priced.epsilon),
        "delta": float(priced.delta),
        "governor": str(priced.governor),
        "amount": float(priced.governor.amount(priced.loss)),
        "rho": float(priced.loss.rho_exact),
        "fixed_epsilon": None if priced.fixed_epsilon is None else float(priced.fixed_epsilon),
        "unit": str(priced.unit),
        "protects": priced.protects,
        "labels": list(priced.labels),
        "stability": priced.unit.stability,
        "steps": steps,
        "cells": drawn.cells,
        "bytes": drawn.bytes,
        "max_rows_costs": _costs_record(priced),
        "explanation": drawn.explanation,
        "expected_error": drawn.expected_error,
        "warnings": list(priced.warnings),
    }


def _costs_record(priced: PricedPlan) -> list[dict[str, object]]:
    return [
        {
            "max_rows": cost.max_rows,
            "chosen": cost.chosen,
            "step": cost.step,
            "scale": cost.scale,
            "same_noise_epsilon": None if cost.same_noise_epsilon is None else float(cost.same_noise_epsilon),
            "expected_error": cost.expected_error,
        }
        for cost in priced.max_rows_costs
    ]


COMMAND = plan
