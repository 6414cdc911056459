"""``dpsynth ledger verify``: is the record whole, and do its sums hold?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from dpsynth.cli import options
from dpsynth.cli.command import Answer, Output, command
from dpsynth.cli.layout import table
from dpsynth.errors import LedgerError, UsageError

if TYPE_CHECKING:
    from dpsynth.ledger import Verification


@command(
    "verify",
    "dpsynth ledger verify",
    "dpsynth ledger verify extract.jsonl",
    "dpsynth ledger verify --against adult=9f86d081884c7d65...",
)
@click.argument("extract", required=False, type=click.Path())
@click.option(
    "--against",
    metavar="POOL=HASH",
    multiple=True,
    help="A hash noted earlier that must still be part of the pool's chain; repeatable.",
)
@options.ledger
def verify(_output: Output, *, extract: str | None, against: tuple[str, ...], ledger: str | None) -> Answer:
    """Recompute every hash, transition, balance and cap; exit 8 if anything does not hold.

    Without EXTRACT the ledger itself is checked, otherwise the file that 'ledger export' wrote. Note the printed
    hashes somewhere else: a chain alone does not stop its owner from rewriting all of it.
    """
    found = _of_ledger(ledger, against) if extract is None else _of_extract(extract, against)
    if not found.ok:
        raise LedgerError(
            "; ".join(found.problems), where=extract or "the ledger", hint="Nothing in it can be trusted."
        )
    rows = [(pool.name, str(pool.events), pool.head) for pool in found.pools]
    pools = [{"name": pool.name, "events": pool.events, "head": pool.head} for pool in found.pools]
    count = "The one event holds." if found.events == 1 else f"All {found.events} events hold."
    text = f"{count}\n" + table(("pool", "events", "last hash"), rows)
    return Answer({"events": found.events, "pools": pools}, text)


def _of_ledger(path: str | None, against: tuple[str, ...]) -> Verification:
    from dpsynth.ledger import Ledger

    noted = {}
    for text in against:
        pool, separator, head = text.rpartition("=")
        if not separator or not pool:
            raise UsageError("must be POOL=HASH", where="--against")
        noted[pool] = head
    return Ledger.open(path).verify(noted)


def _of_extract(path: str, against: tuple[str, ...]) -> Verification:
    from dpsynth.ledger.extract import read_extract, verify_extract

    if against:
        raise UsageError("--against checks the ledger itself, not an extract")
    return verify_extract(read_extract(path))


COMMAND = verify
