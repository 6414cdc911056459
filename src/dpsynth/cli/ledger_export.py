"""``dpsynth ledger export``: the events as a file that verifies elsewhere."""

from __future__ import annotations

import click

from dpsynth.cli import options
from dpsynth.cli.command import Answer, Output, command


@command(
    "export",
    "dpsynth ledger export -o ledger.jsonl",
    "dpsynth ledger export --pool adult --public -o extract.jsonl",
)
@click.option("--pool", metavar="NAME", help="Only the events of this pool.")
@click.option("--public", is_flag=True, help="Leave out who, where and why; the extract verifies all the same.")
@options.output("The file to write (.jsonl), or - for stdout.")
@options.force
@options.ledger
def export(output: Output, *, pool: str | None, public: bool, target: str, force: bool, ledger: str | None) -> Answer:
    """Write the events as JSON lines: a backup, or with --public an extract for others."""
    from dpsynth.ledger import Ledger
    from dpsynth.ledger.public_texts import said_in_public

    if public and (said := said_in_public(Ledger.open(ledger).events(pool))):
        output.note(said)
    if target == "-":
        output.keep_stdout_for(target)
        lines = Ledger.open(ledger).extract(pool, public=public)
        return Answer({}, "\n".join(lines), verbatim=True)
    count = Ledger.open(ledger).export(target, pool, public=public, force=force)
    output.note(f"Wrote {count} events to {target}.")
    return Answer({"path": target, "events": count, "public": public})


COMMAND = export
