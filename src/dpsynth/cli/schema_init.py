"""``dpsynth schema init``: a draft of the public description of a table."""

from __future__ import annotations

from pathlib import Path

import click

from dpsynth.cli import options
from dpsynth.cli.command import Answer, Output, command
from dpsynth.cli.texts import write_text

_CONFIRM = "dpsynth schema confirm"


@command(
    "init",
    "dpsynth schema init people.csv -o people.yaml",
    "dpsynth schema init visits.parquet -o visits.yaml",
    "dpsynth schema init public_toy.csv --peek -o -",
)
@click.argument("data", type=click.Path())
@click.option(
    "--peek",
    is_flag=True,
    help="Read the rows and fill in what is there, stamped 'source: data': a fit refuses it until it is confirmed.",
)
@click.option("--name", metavar="NAME", help="The name of the table. Default: the file's.")
@options.delimiter
@options.output("The draft to write (.yaml), or - for stdout.")
@options.force
def init(
    output: Output, *, data: str, peek: bool, name: str | None, delimiter: str | None, target: str, force: bool
) -> Answer:
    """Propose a schema for the table DATA. Reads the header and the storage types only.

    Every category, bound and bin is left as a TODO: what is copied from the rows may reveal somebody, so it must come
    from public knowledge.
    """
    output.keep_stdout_for(target)
    from dpsynth.schema import propose
    from dpsynth.tables import check_output, open_table

    if target != "-":
        check_output(target, force=force)
    reader = open_table(data, delimiter=delimiter)
    batches = reader.batches(reader.names) if peek else None
    text = propose(reader.names, reader.types, name or _stem(data), batches)
    if target == "-":
        return Answer({}, text.rstrip("\n"))
    write_text(target, text, force=force)
    output.note(f"Wrote {target}, a draft with {len(reader.names)} fields.")
    if peek:
        output.note(
            f"It holds values of the rows: keep it inside until each is replaced, or run: {_CONFIRM} {target} ..."
        )
    output.note(f"Next: answer every TODO in it, then run: dpsynth schema check {target} --data {data}")
    return Answer({"path": target, "fields": list(reader.names), "peeked": peek})


def _stem(data: str) -> str:
    return "table" if data == "-" else Path(data).name.partition(".")[0] or "table"


COMMAND = init
