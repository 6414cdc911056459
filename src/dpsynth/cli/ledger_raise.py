"""``dpsynth ledger raise``: a larger cap, and the record that it was raised."""

from __future__ import annotations

from fractions import Fraction

import click

from dpsynth.cli import options
from dpsynth.cli.command import Answer, Output, command
from dpsynth.cli.parameters import DELTA, EPSILON
from dpsynth.cli.pools import pool_record, pool_words


@command("raise", "dpsynth ledger raise adult --epsilon 4 --delta 1e-9 --reason 'second study, ticket 23'")
@click.argument("pool")
@click.option("--epsilon", metavar="E", type=EPSILON, required=True, help="The new cap's epsilon.")
@click.option("--delta", metavar="D", type=DELTA, required=True, help="The new cap's delta.")
@click.option("--reason", metavar="TEXT", required=True, help="Why; kept in the ledger as a private field.")
@options.ledger
def raise_(output: Output, *, pool: str, epsilon: Fraction, delta: Fraction, reason: str, ledger: str | None) -> Answer:
    """Raise the cap of POOL. A cap is never lowered, and every later total says that it was raised."""
    from dpsynth.ledger import Ledger

    state = Ledger.open(ledger).raise_cap(pool, epsilon=epsilon, delta=delta, reason=reason)
    output.note("\n".join(pool_words(state)))
    return Answer(pool_record(state))


COMMAND = raise_
