"""``dpsynth schema confirm``: the steward's word that a domain is public knowledge."""

from __future__ import annotations

from pathlib import Path

import click

from dpsynth.cli.command import Answer, Output, command
from dpsynth.cli.texts import read_text, write_text


@command(
    "confirm",
    "dpsynth schema confirm people.yaml region --public 'official list of regions, 2024'",
    "dpsynth schema confirm people.yaml age income --public 'bounds of the questionnaire'",
)
@click.argument("schema", type=click.Path())
@click.argument("fields", metavar="FIELD...", nargs=-1, required=True)
@click.option(
    "--public",
    "reason",
    metavar="REASON",
    required=True,
    help="Why anybody may know these domains; it goes into the model and every package.",
)
def confirm(output: Output, *, schema: str, fields: tuple[str, ...], reason: str) -> Answer:
    """State that the domain of each FIELD in SCHEMA is public, although it was copied from the data or left open.

    Writes 'source: public' and the reason into the schema, where everybody who relies on it can read it; the rest of
    the file stays as it is. Whoever confirms a domain that is not public breaks the guarantee.
    """
    from dpsynth.schema import Schema
    from dpsynth.schema import confirm as confirmed

    text = confirmed(read_text(schema), fields, reason)
    left = Schema.loads(text, where=schema, folder=Path(schema).parent).problems()
    write_text(schema, text, force=True)
    output.note(f"{schema}: {', '.join(fields)} now count as public.")
    output.note("Nothing is left to settle." if not left else f"Left to settle: {len(left)}; see 'schema check'.")
    return Answer({"path": schema, "fields": list(fields), "reason": reason, "problems": left})


COMMAND = confirm
