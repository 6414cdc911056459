"""``dpsynth ledger create``: the budget of a population."""

from __future__ import annotations

from fractions import Fraction

import click

from dpsynth.cli import options
from dpsynth.cli.command import Answer, Output, command
from dpsynth.cli.parameters import DELTA, EPSILON, UNIT
from dpsynth.cli.pools import pool_record, pool_words
from dpsynth.cli.settings import setting
from dpsynth.privacy.unit import Unit


@command(
    "create",
    "dpsynth ledger create adult --epsilon 3 --delta 1e-9",
    "dpsynth ledger create census --epsilon 2 --delta 0",
    "dpsynth ledger create patients --epsilon 2 --delta 1e-9 --unit patient_id:4 --purpose 'yearly budget'",
)
@click.argument("pool")
@click.option("--epsilon", metavar="E", type=EPSILON, required=True, help="The cap's epsilon: of all fits together.")
@click.option("--delta", metavar="D", type=DELTA, required=True, help="The cap's delta; 0 for pure epsilon.")
@options.governor
@click.option(
    "--unit",
    metavar="row|COL:MAX_ROWS",
    type=UNIT,
    default="row",
    show_default=True,
    help="Whom the pool protects; a fit with another unit is refused.",
)
@setting("purpose", metavar="TEXT", help="Why; kept in the ledger as a private field.")
@options.ledger
def create(
    output: Output,
    *,
    pool: str,
    epsilon: Fraction,
    delta: Fraction,
    governor: str | None,
    unit: Unit,
    purpose: str | None,
    ledger: str | None,
) -> Answer:
    """Create POOL, the budget of one population, with a cap on all its fits together.

    A fit creates the pool it names if there is none; create it first when several fits shall share one budget.
    """
    from dpsynth.ledger import Ledger

    state = Ledger.open(ledger).create(
        pool, epsilon=epsilon, delta=delta, governor=governor, unit=unit, purpose=purpose
    )
    output.note(f"Created pool '{state.name}'; it {unit.description}.")
    output.note("\n".join(pool_words(state)))
    return Answer(pool_record(state))


COMMAND = create
