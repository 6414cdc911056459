"""``dpsynth ledger show``: what was spent, and what is left."""

from __future__ import annotations

import click

from dpsynth.cli import options
from dpsynth.cli.command import Answer, Output, command
from dpsynth.cli.events import event_record, event_words
from dpsynth.cli.pools import pool_record, pool_words
from dpsynth.errors import UsageError


@command(
    "show",
    "dpsynth ledger show",
    "dpsynth ledger show adult --events",
    "dpsynth ledger show adult --ledger team.db --json",
)
@click.argument("pool", required=False)
@click.option("--events", is_flag=True, help="Also list who spent what, when and why.")
@options.ledger
def show(_output: Output, *, pool: str | None, events: bool, ledger: str | None) -> Answer:
    """Show the cap, what was charged, and the largest epsilon a next fit may ask: of POOL, or of every pool."""
    from dpsynth.ledger import Ledger

    book = Ledger.open(ledger)
    pools = book.pools()
    chosen = [state for state in pools if pool in {None, state.name}]
    if pool is not None and not chosen:
        known = ", ".join(state.name for state in pools) or "none"
        raise UsageError(f"no pool {pool!r} in this ledger", where=book.where, hint=f"Pools: {known}.")
    result: dict[str, object] = {"ledger": book.where, "pools": [pool_record(state) for state in chosen]}
    empty = f"The ledger {book.where} holds no pool yet."
    blocks = ["\n".join(pool_words(state)) for state in chosen] or [empty]
    if events:
        found = book.events(pool)
        result["events"] = [event_record(event) for event in found]
        blocks.append(event_words(found))
    return Answer(result, "\n\n".join(blocks))


COMMAND = show
