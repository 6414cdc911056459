"""``dpsynth ledger forfeit``: the end of a reservation whose process is gone."""

from __future__ import annotations

import click

from dpsynth.cli import options
from dpsynth.cli.command import Answer, Output, command
from dpsynth.cli.pools import pool_record, pool_words
from dpsynth.errors import UsageError

_LEAST = 8
"""As many characters of a transaction as ``ledger show --events`` prints."""


@command(
    "forfeit",
    "dpsynth ledger forfeit 3f9c21d0a4b85e67 --reason 'that machine was lost in the power cut'",
    "dpsynth ledger forfeit 3f9c21d0 --ledger team.db --reason 'container removed'",
)
@click.argument("transaction")
@click.option("--reason", metavar="TEXT", required=True, help="Why; kept in the ledger as a private field.")
@options.ledger
def forfeit(output: Output, *, transaction: str, reason: str, ledger: str | None) -> Answer:
    """End the reservation TRANSACTION of a fit whose process is gone; 'ledger show' lists them.

    Reservations of dead processes on this host end by themselves. One from another host or container is held until
    somebody says here that it is gone. If no row was read yet its budget is given back, otherwise it is charged in
    full. A process that lives after all can spend no more: its next step fails with exit 8.

    The first 8 characters of TRANSACTION are enough if no other live one shares them.
    """
    from dpsynth.ledger import Ledger

    book = Ledger.open(ledger)
    live = [held.transaction for state in book.pools() for held in state.live]
    ended = book.forfeit(_the_one(transaction, live), reason)
    charged = ended.outcome == "FORFEIT"
    outcome = "Charged in full: it may have read rows" if charged else "Given back: it had read no row"
    output.note(f"Ended {ended.transaction} of pool '{ended.pool}'. {outcome}.")
    state = book.pool(ended.pool)
    assert state is not None  # noqa: S101 (pools are never removed)
    output.note("\n".join(pool_words(state)))
    return Answer({"transaction": ended.transaction, "charged": charged, "pool": pool_record(state)})


def _the_one(wanted: str, live: list[str]) -> str:
    found = [name for name in live if name == wanted or (len(wanted) >= _LEAST and name.startswith(wanted))]
    if len(found) == 1:
        return found[0]
    problem = "more than one live reservation begins like this" if found else "there is no live reservation like this"
    hint = "'dpsynth ledger show' lists the live ones; what has ended needs nothing."
    raise UsageError(problem, where=wanted, hint=hint)


COMMAND = forfeit
