"""``dpsynth schema import``: a schema from another tool's metadata."""

from __future__ import annotations

from pathlib import Path

import click

from dpsynth.cli import options
from dpsynth.cli.command import Answer, Output, command
from dpsynth.cli.texts import read_text, write_text


@command(
    "import",
    "dpsynth schema import adult-domain.json --from mbi -o adult.yaml",
    "dpsynth schema import datapackage.json --from frictionless --public 'published code book' -o people.yaml",
)
@click.argument("file", type=click.Path())
@click.option(
    "--from",
    "kind",
    type=click.Choice(["mbi", "frictionless"]),
    required=True,
    help="mbi: column names and numbers of codes; frictionless: a Table Schema or a data package.",
)
@click.option(
    "--public", metavar="REASON", help="Why anybody may know every domain in FILE. Without it each stays a TODO."
)
@click.option("--name", metavar="NAME", help="The name of the table. Default: the file's.")
@options.output("The schema to write (.yaml), or - for stdout.")
@options.force
def import_(
    output: Output, *, file: str, kind: str, public: str | None, name: str | None, target: str, force: bool
) -> Answer:
    """Make a schema from FILE, the metadata of another tool.

    Such metadata often hold what a program saw in the rows, so a domain counts as public only if you say why.
    """
    output.keep_stdout_for(target)
    from dpsynth.schema import Schema, import_schema

    text = import_schema(read_text(file), kind, name or Path(file).name.partition(".")[0], public, where=file)
    if target == "-":
        return Answer({}, text.rstrip("\n"))
    write_text(target, text, force=force)
    left = Schema.loads(text, where=target).problems()
    output.note(f"Wrote {target}. " + (f"Left to settle: {len(left)}; see 'schema check'." if left else "It is ready."))
    return Answer({"path": target, "problems": left})


COMMAND = import_
