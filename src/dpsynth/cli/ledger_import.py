"""``dpsynth ledger import``: events exported from another ledger."""

from __future__ import annotations

import click

from dpsynth.cli import options
from dpsynth.cli.command import Answer, Output, command


@command("import", "dpsynth ledger import ledger.jsonl --ledger new.db")
@click.argument("file", type=click.Path())
@options.ledger
def import_(output: Output, *, file: str, ledger: str | None) -> Answer:
    """Read the events in FILE (a full export) into the ledger: new pools, or continuations of pools that stand here.

    All or nothing, and only after every hash was verified.
    """
    from dpsynth.ledger import Ledger

    count = Ledger.open(ledger).import_(file)
    output.note(f"Read {count} events from {file}.")
    return Answer({"path": file, "events": count})


COMMAND = import_
