"""``dpsynth release``: what a partner gets."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from dpsynth.cli import options
from dpsynth.cli.command import Answer, Output, command
from dpsynth.cli.passphrases import PASSPHRASE, passphrase_of

_KNOWN = {
    True: "recorded in the ledger",
    False: "the ledger knew this release already",
    None: "no ledger records it",
}


@command(
    "release",
    "dpsynth release synthetic.csv --model model.dps --audit audit.json --key release.key --recipient City -o city.zip",
    "dpsynth release synthetic.csv --model model.dps --audit audit.json --key release.key --license CC-BY-4.0 -o adult",
    "dpsynth release new.csv --model new.dps --audit new.json --key release.key --withdraws 3f9a51c2 -o city-2.zip",
)
@click.argument("synthetic", type=click.Path())
@click.option(
    "--model", required=True, metavar="FILE", type=click.Path(), help="The model that the table was drawn from."
)
@click.option(
    "--audit", metavar="FILE", type=click.Path(), help="What 'audit release' wrote: its verdict must be PASS."
)
@click.option(
    "--key",
    required=True,
    metavar="FILE",
    type=click.Path(),
    help=f"The private key that signs ('dpsynth key create'). Its passphrase comes from {PASSPHRASE} or the terminal.",
)
@click.option("--recipient", metavar="NAME", help="Who gets it: kept in the ledger, not shown in the package.")
@click.option("--withdraws", metavar="DIGEST", help="The earlier release that this one takes the place of.")
@click.option(
    "--override",
    metavar="REASON",
    help="Hand the table out without a PASS. The package says so on its first page; the reason stays in the ledger.",
)
@click.option("--with-model", is_flag=True, help="Put the model in as well: the recipient can draw more rows.")
@click.option(
    "--license",
    metavar="ID|FILE",
    help="An SPDX identifier, such as CC-BY-4.0, or a file. Default: all rights reserved.",
)
@click.option("--name", metavar="NAME", help="Of the files in the package. Default: the schema's name.")
@click.option("--title", metavar="TEXT", help="What the table is, in a line.")
@options.ledger
@options.output("The package: a folder, or a zip if it ends in .zip.")
@options.force
def release(
    output: Output, *, synthetic: str, model: str, audit: str | None, key: str, target: str, force: bool, **wishes: Any
) -> Answer:
    """Sign and pack the table SYNTHETIC with its description, public report, ledger extract and license.

    Everything in it is public; the audit opens the gate and stays in the house. The release is recorded in the ledger:
    'ledger show --releases' says what was given to whom. Refused with exit code 5 without a PASS.
    """
    from dpsynth.pipeline.release import Terms
    from dpsynth.pipeline.release import release as released

    made = released(
        synthetic,
        model=model,
        key=key,
        output=target,
        audit=audit,
        ledger=wishes.pop("ledger"),
        passphrase=passphrase_of(key),
        terms=Terms(**wishes),
        force=force,
    )
    for note in made.notes:
        output.note(note)
    over = " RELEASED UNDER OVERRIDE: the package says so." if made.override else ""
    known = _KNOWN[made.recorded]
    text = f"Wrote {made.path}: {made.rows:,} rows, signed by {made.key_id}.{over}\nDigest {made.digest}; {known}."
    return Answer(asdict(made), text)


COMMAND = release
