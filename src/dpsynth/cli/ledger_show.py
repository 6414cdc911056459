"""``dpsynth ledger show``: what was spent, and what is left."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from dpsynth.cli import options
from dpsynth.cli.command import Answer, Output, command
from dpsynth.cli.events import event_record, event_words
from dpsynth.cli.held import held_records, held_words
from dpsynth.cli.pools import pool_record, pool_words
from dpsynth.cli.releases import release_records, release_words
from dpsynth.errors import UsageError

if TYPE_CHECKING:
    from dpsynth.ledger import PoolState


@command(
    "show",
    "dpsynth ledger show",
    "dpsynth ledger show adult --events",
    "dpsynth ledger show adult --releases",
    "dpsynth ledger show adult --ledger team.db --json",
)
@click.argument("pool", required=False)
@click.option("--events", is_flag=True, help="Also list who spent what, when and why.")
@click.option("--releases", is_flag=True, help="Also list what was given to whom, and what was withdrawn.")
@options.ledger
def show(_output: Output, *, pool: str | None, events: bool, releases: bool, ledger: str | None) -> Answer:
    """Show the cap, what was charged, and the largest epsilon a next fit may ask: of POOL, or of every pool.

    Fits that run now are listed with their transactions; 'ledger forfeit' ends one whose process is gone.
    """
    from dpsynth.ledger import Ledger

    book = Ledger.open(ledger)
    pools = book.pools()
    chosen = [state for state in pools if pool in {None, state.name}]
    if pool is not None and not chosen:
        known = ", ".join(state.name for state in pools) or "none"
        raise UsageError(f"no pool {pool!r} in this ledger", where=book.where, hint=f"Pools: {known}.")
    held = [held_records(state, book.events(state.name)) if state.live else [] for state in chosen]
    records = [{**pool_record(state), "held": rows} for state, rows in zip(chosen, held, strict=True)]
    result: dict[str, object] = {"ledger": book.where, "pools": records}
    empty = f"The ledger {book.where} holds no pool yet."
    blocks = [_block(state, rows) for state, rows in zip(chosen, held, strict=True)] or [empty]
    if events:
        found = book.events(pool)
        result["events"] = [event_record(event) for event in found]
        blocks.append(event_words(found))
    if releases:
        given = book.events(pool, releases=True)
        result["releases"] = release_records(given)
        blocks.append(release_words(given))
    return Answer(result, "\n\n".join(blocks))


def _block(state: PoolState, held: list[dict[str, Any]]) -> str:
    return "\n".join([*pool_words(state), *([held_words(held)] if held else [])])


COMMAND = show
