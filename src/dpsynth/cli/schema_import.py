"""``dpsynth schema import``: a schema from another tool's metadata."""

from __future__ import annotations

from pathlib import Path

import click

from dpsynth.cli import options
from dpsynth.cli.command import Answer, Output, command
from dpsynth.cli.texts import read_text, write_text
from dpsynth.errors import UsageError

FORMATS = ("mbi", "frictionless", "sdv", "smartnoise", "google", "arx")


@command(
    "import",
    "dpsynth schema import adult-domain.json --from mbi -o adult.yaml",
    "dpsynth schema import datapackage.json --from frictionless --public 'published code book' -o people.yaml",
    "dpsynth schema import metadata.json --from sdv --table guests -o guests.yaml",
    "dpsynth schema import adult_hierarchy_*.csv --from arx --name adult -o adult.yaml",
)
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path())
@click.option(
    "--from",
    "kind",
    type=click.Choice(FORMATS),
    required=True,
    help="mbi: column names and numbers of codes; frictionless: a Table Schema or a data package; sdv: metadata V1 or "
    "V2; smartnoise: YAML of SmartNoise SQL; google: domain.yaml of google/dpsynth; arx: one hierarchy a field.",
)
@click.option(
    "--public",
    metavar="REASON",
    help="Why anybody may know every domain in FILE. Without it each stays a TODO, or 'source: data' where the other "
    "tool reads them from the rows.",
)
@click.option("--table", metavar="TABLE", help="The table to take, if FILE describes several.")
@click.option("--field", metavar="FIELD", help="arx: the field of the one FILE, if its name does not say it.")
@click.option("--name", metavar="NAME", help="The name of the table. Default: the file's.")
@options.output("The schema to write (.yaml), or - for stdout.")
@options.force
def import_(
    output: Output,
    *,
    files: tuple[str, ...],
    kind: str,
    public: str | None,
    table: str | None,
    field: str | None,
    name: str | None,
    target: str,
    force: bool,
) -> Answer:
    """Make a schema from FILE, the metadata of another tool.

    Such metadata often hold what a program saw in the rows, so a domain counts as public only if you say why. What
    the metadata do not say is a TODO; what they say and a schema cannot hold is named.
    """
    output.keep_stdout_for(target)
    from dpsynth.schema import Schema, import_hierarchies, import_schema
    from dpsynth.tables import table_name

    title = name or table_name(files[0])
    if kind == "arx":
        if table is not None:
            raise UsageError("a hierarchy describes one field", where="--table", hint="Use --field.")
        texts = {key: read_text(file) for key, file in _fields(files, field).items()}
        made = import_hierarchies(texts, title, public)
    else:
        file = _one_file(files, kind, field)
        made = import_schema(read_text(file), kind, title, public, where=file, table=table)
    for what in made.left_out:
        output.note(f"Left out: {what}.")
    if target == "-":
        return Answer({}, made.text.rstrip("\n"))
    write_text(target, made.text, force=force)
    left = Schema.loads(made.text, where=target).problems()
    output.note(f"Wrote {target}. " + (f"Left to settle: {len(left)}; see 'schema check'." if left else "It is ready."))
    return Answer({"path": target, "problems": left, "left_out": list(made.left_out)})


def _one_file(files: tuple[str, ...], kind: str, field: str | None) -> str:
    if field is not None:
        raise UsageError(f"{kind} metadata name their fields", where="--field")
    if len(files) > 1:
        raise UsageError("only ARX hierarchies come in several files", where=files[1])
    return files[0]


def _fields(files: tuple[str, ...], field: str | None) -> dict[str, str]:
    """The file of each field, from the names of the files or from ``--field``."""
    from dpsynth.schema import field_of_hierarchy

    if field is not None:
        if len(files) > 1:
            raise UsageError("it names the field of one file", where="--field")
        return {field: files[0]}
    found: dict[str, str] = {}
    for file in files:
        key = field_of_hierarchy(Path(file).name)
        if key is None:
            hint = "Name the field with --field, or the file as in adult_hierarchy_age.csv."
            raise UsageError("the file's name does not say which field it is", where=file, hint=hint)
        if key in found:
            raise UsageError(f"two files describe the field {key!r}", where=file)
        found[key] = file
    return found


COMMAND = import_
