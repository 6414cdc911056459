"""``dpsynth fit``: a private model of a table, paid from the ledger."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from dpsynth.cli import options
from dpsynth.cli.command import Answer, Output, command
from dpsynth.cli.discovery import learned_words
from dpsynth.cli.layout import at_most
from dpsynth.cli.parameters import EPSILON, SHARE
from dpsynth.cli.plan import announced, notes
from dpsynth.cli.pools import pool_record, pool_words
from dpsynth.cli.progress import progress
from dpsynth.cli.settings import setting
from dpsynth.errors import UsageError

if TYPE_CHECKING:
    from dpsynth.pipeline.discovery_plan import DiscoveryPlan
    from dpsynth.pipeline.fit import FitOutcome
    from dpsynth.pipeline.plan import PricedPlan


_NAMED = (
    "Note: without --schema the name of the file, up to its first dot, is that of the pool and of the schema, and "
    "stands in every package made of the model. Give a name that anybody may read with --pool."
)


@command(
    "fit",
    "dpsynth fit adult.csv.gz --schema adult.yaml --epsilon 1 -o model.dps",
    "dpsynth fit people.csv --epsilon 1 -o model.dps",
    "dpsynth fit visits.parquet -s visits.yaml --epsilon 0.5 --unit patient_id:4 --purpose 'pilot, ticket 17' -o m.dps",
    "dpsynth fit adult.csv.gz -s adult.yaml --share 1/5 --pool adult -o model.dps",
    "dpsynth fit adult.csv.gz -s adult.yaml --epsilon 1 --workload target:income -o model.dps",
    "dpsynth fit adult.csv.gz -s adult.yaml --epsilon 1 --holdout 10% -o model.dps",
    "zcat adult.csv.gz | dpsynth fit - -s adult.yaml --epsilon 1 -o model.dps",
)
@click.argument("data", type=click.Path())
@options.known_schema
@setting("epsilon", metavar="E", type=EPSILON, help="This fit's own guarantee, such as 1 or 0.5.")
@setting("share", metavar="FRACTION", type=SHARE, help="Instead of --epsilon: a part of the pool's cap, such as 1/5.")
@options.discover_share
@options.delta
@options.method
@options.workload
@options.effort
@options.max_model_size
@options.degree
@options.theta
@options.unit
@setting(
    "pool",
    metavar="NAME",
    help="The pool that pays; its name is public. Default: the schema's population, else its name; without --schema "
    "the name of the file.",
)
@setting("purpose", metavar="TEXT", help="Why; kept in the ledger as a private field.")
@click.option(
    "--once",
    metavar="KEY",
    help="Pay at most once under this key: refused while the pool holds another fit of it. For scripts that may be "
    "started twice; private in the ledger.",
)
@options.ledger
@options.max_stability
@options.memory_limit
@options.holdout
@options.delimiter
@options.output("The model file to write (.dps).")
@options.force
@click.pass_context
def fit(
    ctx: click.Context,
    /,
    output: Output,
    *,
    target: str,
    epsilon: Fraction | None,
    share: Fraction | None,
    method: str,
    workload: str | None,
    effort: str | None,
    max_model_size: int | None,
    degree: int | None,
    theta: float | None,
    discover_share: Fraction | None,
    **wishes: Any,
) -> Answer:
    """Fit a differentially private model to DATA (CSV, Parquet, Arrow, or - for CSV on stdin).

    The checks of 'plan' come first; then the ledger reserves the budget; only then is a row read. A pool that does
    not exist yet is created with this fit's budget as its cap. Without --schema a part of the budget goes to learning
    the domain: types, frequent values, ranges and bins; only the header is taken as public, and the name of the pool
    (by default the file's), which names the schema and every package.
    """
    if target == "-":
        raise UsageError("a model is a file; it cannot go to stdout", hint="Give --output a path such as model.dps.")
    epsilon, share = one_price(ctx, epsilon, share)
    options_given = {"effort": effort, "max_model_size": max_model_size, "degree": degree, "theta": theta}
    settings = options.method_settings(output, method, workload=workload, **options_given)
    wishes |= {"method": method, "settings": settings, "discovery": discover_share}
    if discover_share is not None and wishes["schema"] is not None:
        _check_discovery(ctx, output)
    from dpsynth.pipeline.fit import fit as run

    def announce(priced: PricedPlan | DiscoveryPlan) -> None:
        output.note(announced(priced))
        if wishes["schema"] is None and wishes["pool"] is None and wishes["data"] != "-":
            output.note(_NAMED)

    with progress(output, over_rows=True) as report:
        outcome = run(**wishes, epsilon=epsilon, share=share, output=target, announce=announce, progress=report)
    output.note(_summary(outcome, target))
    return Answer(_record(outcome, target))


def _check_discovery(ctx: click.Context, output: Output) -> None:
    """With a schema nothing is discovered: an option that says how is an error, a setting is left out with a note."""
    if ctx.get_parameter_source("discover_share") is ParameterSource.COMMANDLINE:
        hint = "Leave out one of the two."
        raise UsageError("with a schema nothing is discovered", where="--discover-share", hint=hint)
    output.note("Note: discover-share is set, but with a schema nothing is discovered: it is left out.")


def one_price(
    ctx: click.Context, epsilon: Fraction | None, share: Fraction | None
) -> tuple[Fraction | None, Fraction | None]:
    """Exactly one of the two; a flag wins over the environment, which wins over dpsynth.yaml."""
    if epsilon is None and share is None:
        raise UsageError("give --epsilon or --share", hint="Example: --epsilon 1")
    if epsilon is None or share is None:
        return epsilon, share
    order = (ParameterSource.COMMANDLINE, ParameterSource.ENVIRONMENT, ParameterSource.DEFAULT_MAP)
    ranks = [order.index(ctx.get_parameter_source(name) or order[-1]) for name in ("epsilon", "share")]
    if ranks[0] == ranks[1]:
        raise UsageError("--epsilon and --share exclude each other", hint="Give one of them.")
    return (epsilon, None) if ranks[0] < ranks[1] else (None, share)


def _summary(outcome: FitOutcome, target: str) -> str:
    priced = outcome.priced
    factor = math.exp(min(float(priced.epsilon), 700.0))
    whom = "row" if priced.unit.column is None else "person"
    created = " It was created now, with the budget of this fit as its cap." if outcome.created_pool else ""
    guarantee = f"epsilon {at_most(priced.epsilon)}, delta {at_most(priced.delta)}"
    chance = f", up to a chance of {at_most(priced.delta)}" if priced.delta else ""
    governor = outcome.pool.governor
    meaning = f"no outcome of this fit is more than {at_most(factor, 3)} times as likely"
    learned = [] if outcome.learned is None else [learned_words(outcome.learned.record())]
    lines = [
        *learned,
        f"Wrote {target}: {guarantee}. It {priced.protects}.",
        f"Meaning: with or without any one {whom}, {meaning}{chance}.",
        f"Spent {governor.symbol} {at_most(governor.amount(outcome.spent))} from pool '{outcome.pool.name}'.{created}",
        *pool_words(outcome.pool),
        *notes(priced),
        *(f"Note: {note}." for note in outcome.notes),
        f"Next: dpsynth sample {target} -o synthetic.csv",
    ]
    return "\n".join(lines)


def _at_least(exact: Fraction) -> float:
    """The least float that is not below the exact value: a guarantee is never understated."""
    nearest = float(exact)
    return nearest if Fraction(nearest) >= exact else math.nextafter(nearest, math.inf)


def _record(outcome: FitOutcome, target: str) -> dict[str, object]:
    priced = outcome.priced
    return {
        "path": target,
        "method": priced.plan.method,
        "epsilon": _at_least(priced.epsilon),
        "delta": float(priced.delta),
        "unit": str(priced.unit),
        "protects": priced.protects,
        "stability": priced.unit.stability,
        "transaction": outcome.transaction,
        "governor": str(outcome.pool.governor),
        "spent": {
            "amount": float(outcome.pool.governor.amount(outcome.spent)),
            "rho": float(outcome.spent.rho_exact),
        },
        "created_pool": outcome.created_pool,
        "pool": pool_record(outcome.pool),
        "discovery": None if outcome.learned is None else outcome.learned.record(),
        "warnings": [*priced.warnings, *outcome.notes],
    }


COMMAND = fit
