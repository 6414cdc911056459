"""``dpsynth schema export``: a schema as another tool's metadata."""

from __future__ import annotations

import click

from dpsynth.cli import options
from dpsynth.cli.command import Answer, Output, command
from dpsynth.cli.texts import write_text

FORMATS = ("frictionless", "mbi", "sdv", "sdv-v1", "smartnoise", "google")


@command(
    "export",
    "dpsynth schema export people.yaml --to frictionless -o people.schema.json",
    "dpsynth schema export adult.yaml --to mbi -o -",
    "dpsynth schema export adult.yaml --to sdv -o metadata.json --json",
)
@click.argument("schema", type=click.Path())
@click.option(
    "--to",
    "kind",
    type=click.Choice(FORMATS),
    required=True,
    help="frictionless: a Table Schema; mbi: numbers of codes; sdv: metadata V2, sdv-v1: V1; smartnoise: YAML of "
    "SmartNoise SQL; google: domain.yaml of google/dpsynth.",
)
@options.output("The file to write, or - for stdout.")
@options.force
def export(output: Output, *, schema: str, kind: str, target: str, force: bool) -> Answer:
    """Write SCHEMA as the metadata of another tool, and name what those cannot hold.

    A schema with a TODO, or with a domain that was copied from the data, is refused: the other formats cannot say so.
    """
    output.keep_stdout_for(target)
    from dpsynth.schema import Schema, export_schema

    made = export_schema(Schema.load(schema), kind)
    for what in made.left_out:
        output.note(f"Left out: {what}.")
    if target == "-":
        return Answer({}, made.text.rstrip("\n"), verbatim=True)
    write_text(target, made.text, force=force)
    output.note(f"Wrote {target}.")
    return Answer({"path": target, "format": kind, "left_out": list(made.left_out)})


COMMAND = export
