"""``dpsynth verify``: is this the release that was signed, and do its numbers agree?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from dpsynth.cli.command import Answer, Output, command
from dpsynth.cli.layout import table

if TYPE_CHECKING:
    from dpsynth.release.verifying import Verified


@command(
    "verify",
    "dpsynth verify adult-release.zip --key publisher.key.pub",
    "dpsynth verify adult-release/ --json",
)
@click.argument("package", type=click.Path())
@click.option(
    "--key",
    "public",
    type=click.Path(),
    metavar="PUB",
    help="The publisher's public key, received by another way than the package.",
)
def verify(output: Output, *, package: str, public: str | None) -> Answer:
    """Check a received release, offline: PACKAGE is its folder or zip file. Exit 6 names the first thing that fails.

    Checked are the signature and every file's hash, each row against the published schema, the ledger's chain, the
    loss of each draw from its recorded noise scale, and the stated guarantee. What rests on the publisher is said.
    """
    from dpsynth.release.keys import PublicKey
    from dpsynth.release.verifying import verify as verified

    found = verified(package, None if public is None else PublicKey.load(public))
    if found.failure is not None and not output.as_json:
        raise found.failure
    return Answer(found.record(), _text(found), 0 if found.ok else 6)


def _text(found: Verified) -> str:
    lines = ["VERIFIED" if found.ok else "NOT VERIFIED"]
    if found.facts.get("override"):
        lines.append("Released under override: the publisher's own gate was closed, or there was none.")
    lines += _promise(found)
    checks = table(("check", "outcome", "found"), [(one.name, str(one.outcome), one.words) for one in found.checks])
    proves = [f"  - {what}" for what in found.proves]
    rests = [f"  - {what}" for what in found.rests]
    return "\n".join([*lines, "", checks, "", "Proved:", *proves, "", "Rests on the publisher:", *rests])


def _promise(found: Verified) -> list[str]:
    """What the release promises, for whom; or whose word it is."""
    if stated := found.facts.get("guarantee"):
        protects = stated.get("protects", f"is stated for the unit {stated['unit']!a}")
        return [f"Epsilon {stated['epsilon']}, delta {stated['delta']}: it {protects}."]
    if claim := found.facts.get("claim"):
        return [
            f"NO GUARANTEE WAS CHECKED: what protects these rows is the word of {claim['owner']!a}, not of dpsynth."
        ]
    return []


COMMAND = verify
