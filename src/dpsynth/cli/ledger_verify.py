"""``dpsynth ledger verify``: is the record whole, and do its sums hold?"""

from __future__ import annotations

from dpsynth.cli import options
from dpsynth.cli.command import Answer, Output, command


@command("verify", "dpsynth ledger verify", "dpsynth ledger verify --ledger team.db --json")
@options.ledger
def verify(_output: Output, *, ledger: str | None) -> Answer:
    """Recompute the hash chain and every pool's sums from the events; exit 8 if anything does not hold."""
    from dpsynth.ledger import Ledger

    found = Ledger.open(ledger).verify()
    return Answer({"events": found.events, "pools": found.pools, "head": found.head}, str(found))


COMMAND = verify
